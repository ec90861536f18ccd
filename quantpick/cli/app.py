"""The commands, put together."""

from typing import Annotated

import typer

from quantpick.cli.demo import demo
from quantpick.cli.download import download
from quantpick.cli.gpus import gpus
from quantpick.cli.listing import list_command
from quantpick.cli.loaders import loaders
from quantpick.cli.recommend import recommend
from quantpick.cli.verify import verify
from quantpick.errors import UsageError

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        typer.echo(f"quantpick {version('quantpick')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def quantpick(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Pick the quantization branch of a Hugging Face repo that fits your GPU and loader."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(UsageError.exit_code)


app.command()(recommend)
app.command()(download)
app.command()(verify)
app.command("list")(list_command)
app.command()(demo)
app.command()(loaders)
app.command()(gpus)
