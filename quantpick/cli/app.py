"""The commands, put together."""

import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.exceptions import Exit, TyperException

from quantpick._version import VERSION
from quantpick.cli import wrong_words
from quantpick.cli.command import Group
from quantpick.errors import UsageError

_COMPLETE = "_QUANTPICK_COMPLETE"
"""Set by the shell's completion script."""

app = typer.Typer(
    cls=Group,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(argv: Sequence[str]) -> int:
    """Run one command line, without the program's name.

    Returns:
        The exit code.

    Raises:
        QuantpickError: what went wrong.
    """
    command = typer.main.get_command(app)
    if os.environ.get(_COMPLETE):
        _complete(command)
    try:
        with command.make_context("quantpick", list(argv)) as context:
            result = command.invoke(context)
    except Exit as exit_:
        return exit_.exit_code
    except TyperException as error:
        raise _usage_error(error, argv) from error
    return result if isinstance(result, int) else 0


def _usage_error(error: TyperException, argv: Sequence[str]) -> UsageError:
    """Click's error about a wrong command line as one of ours."""
    context: Any = getattr(error, "ctx", None)
    line = "quantpick" if context is None else str(context.command_path)
    option = getattr(error, "option_name", None)
    if option is not None and context is not None and "No such option" in error.message:
        possible = [name for parameter in context.command.get_params(context) for name in parameter.opts]
        return wrong_words.no_such_option(option, argv, line, possible)
    return UsageError(" ".join(error.format_message().split()).rstrip("."), hint=f"{line} --help")


def _complete(command: Any) -> None:  # noqa: ANN401 - Typer's command
    """Answer the shell's completion request and exit."""
    from typer.completion import completion_init

    completion_init()
    command(prog_name="quantpick", complete_var=_COMPLETE)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"quantpick {VERSION}")
        raise typer.Exit


def _install_completion(context: typer.Context, wanted: bool) -> None:
    if wanted:
        from typer.completion import completion_init, install_callback

        completion_init()
        install_callback(context, None, True)  # type: ignore[arg-type]  # the parameter is not used


def _show_completion(context: typer.Context, wanted: bool) -> None:
    if wanted:
        from typer.completion import completion_init, show_callback

        completion_init()
        show_callback(context, None, True)  # type: ignore[arg-type]  # the parameter is not used


@app.callback(invoke_without_command=True)
def quantpick(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    install_completion: Annotated[
        bool,
        typer.Option(
            "--install-completion",
            callback=_install_completion,
            is_eager=True,
            help="Install completion for your shell.",
        ),
    ] = False,
    show_completion: Annotated[
        bool,
        typer.Option(
            "--show-completion", callback=_show_completion, is_eager=True, help="Print the completion script."
        ),
    ] = False,
) -> None:
    """Pick the quantization branch of a Hugging Face repo that fits your GPU and loader.

    quantpick OWNER/NAME is the short form: the answer, and the two commands that come next.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(UsageError.exit_code)
