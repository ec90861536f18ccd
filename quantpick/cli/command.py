"""Typer as quantpick uses it: without Pydantic, every option from the environment too, and help with wrong words.

Typer converts values with Pydantic, whose import is a large part of a whole command (56 of 200 ms, Typer 0.29.2). The
few types used here are converted below instead. With a Typer that works otherwise, everything still works, but slower.
"""

import contextlib
import re
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, Final, get_args

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from quantpick.cli import wrong_words
from quantpick.errors import UsageError
from quantpick.render import terminal
from quantpick.waits import told_to

PREFIX: Final = "QUANTPICK_"
"""The prefix of the options' environment variables."""

COMMANDS: Final = {
    "recommend": (
        "quantpick.cli.recommend",
        "recommend",
        "Which branch to run on this GPU, and why not the others.",
    ),
    "download": (
        "quantpick.cli.download",
        "download",
        "Fetch a branch, resumable and verified; without --revision the one that `recommend` names.",
    ),
    "list": ("quantpick.cli.listing", "list_branches", "The branches of a repo and what each holds."),
    "verify": (
        "quantpick.cli.verify",
        "verify",
        "Hash what was downloaded against the Hub's hashes: what is missing, damaged or extra.",
    ),
    "clean": (
        "quantpick.cli.clean",
        "clean",
        "Remove what killed downloads left: partial files, scratch files, locks and records; never what is in use.",
    ),
    "gpus": (
        "quantpick.cli.gpus",
        "gpus",
        "This machine's NVIDIA GPUs and RAM. No driver is an answer, not an error.",
    ),
    "loaders": ("quantpick.cli.loaders", "loaders", "The loaders and what each can read."),
    "schema": ("quantpick.cli.schema", "schema", "The JSON Schema of what --json prints."),
    "demo": (
        "quantpick.cli.demo",
        "demo",
        "The whole job on a local Hub: which branch, and a download that is killed and resumed. No network.",
    ),
}
"""Each command's module, function and line in the help."""

_EXCLUSIVE: Final = (
    ("vram", "gpu", "gpu_index"),
    ("card", "repo"),
    *(("family", other) for other in ("card", "revision", "file")),
)
"""Options that answer the same question: a typed one overrides those set by the environment."""

YES: Final = ("1", "true", "yes", "on")
NO: Final = ("0", "false", "no", "off")


def environment_name(option: str) -> str:
    """The environment variable that sets an option.

    >>> environment_name("--kv-dtype")
    'QUANTPICK_KV_DTYPE'
    """
    return PREFIX + option.removeprefix("--").replace("-", "_").upper()


class _Argument(TyperArgument):
    """An argument whose value is read without Pydantic."""

    def process_value(self, ctx: Any, value: Any) -> Any:
        return _processed(self, ctx, value)


class _Option(TyperOption):
    """An option whose value is read without Pydantic."""

    def process_value(self, ctx: Any, value: Any) -> Any:
        return _processed(self, ctx, value)


def _processed(parameter: TyperArgument | TyperOption, ctx: Any, value: Any) -> Any:
    if isinstance(value, str):
        value = _read(parameter, value)
    elif isinstance(value, (list, tuple)):
        value = [_read(parameter, one) for one in value]
    elif value is None and parameter.required:
        raise UsageError(f"{parameter.metavar or parameter.name} is missing", hint=f"{ctx.command_path} --help")
    return value if parameter.callback is None else parameter.callback(ctx, parameter, value)


def _read(parameter: TyperArgument | TyperOption, text: str) -> Any:
    """A value converted to its parameter's type.

    Raises:
        UsageError: it is not of that type.
    """
    kind = parameter.type_descriptor.annotation
    kind = get_args(kind)[0] if parameter.multiple else kind
    choices = parameter.type_descriptor.choices
    shown = max(parameter.opts, key=len)
    if choices is not None:
        near = get_close_matches(text.lower(), choices, n=1, cutoff=0.5)
        hint = f"{shown} {near[0] if near else choices[0]}"
        if text.lower() not in choices:
            raise UsageError(f"`{shown} {text}`: one of {', '.join(choices)}", hint=hint)
        return text.lower()
    if kind is bool:
        if text.lower() not in YES + NO:
            raise UsageError(f"`{environment_name(shown)}={text}`: 1 or 0")
        return text.lower() in YES
    if kind is int and re.fullmatch(r"[0-9]{1,18}", text) is None:
        raise UsageError(f"`{shown} {text}`: a whole number", hint=f"{shown} {parameter.default}")
    if kind is float and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text) is None:
        raise UsageError(f"`{shown} {text}`: a number", hint=f"{shown} {parameter.default or '8.9'}")
    return kind(text) if kind in (int, float, Path) else text


def _lightened(parameters: list[Any]) -> list[Any]:
    """The parameters, with values converted here, and options also read from the environment."""
    for parameter in parameters:
        if isinstance(parameter, TyperOption):
            parameter.__class__ = _Option
            names = [name for name in parameter.opts if name.startswith("--")]
            if not parameter.is_eager and not parameter.hidden:
                parameter.envvar = [environment_name(name) for name in names]
                parameter.show_envvar = False
        elif isinstance(parameter, TyperArgument):
            parameter.__class__ = _Argument
    return parameters


class Command(TyperCommand):
    """A command."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, that of ``--help`` too."""
        return _lightened(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as Click does. Typed options also override other, exclusive ones from the environment."""
        rest = super().parse_args(ctx, args)
        for names in _EXCLUSIVE:
            typed = [name for name in names if _source(ctx, name) == "COMMANDLINE" and ctx.params.get(name) is not None]
            for name in names:
                if typed and _source(ctx, name) == "ENVIRONMENT":
                    ctx.params[name] = None
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Run it; what it waits for is said, and an error about an option that the environment set says so."""
        is_silent = ctx.params.get("quiet") or ctx.params.get("as_json")
        try:
            with contextlib.nullcontext() if is_silent else told_to(terminal.say):
                return super().invoke(ctx)
        except UsageError as error:
            for parameter in self.params:
                if (
                    _source(ctx, parameter.name) == "ENVIRONMENT"
                    and f"`{max(parameter.opts, key=len)} " in error.message
                ):
                    error.message += f" (from {environment_name(max(parameter.opts, key=len))})"
            raise


def _source(ctx: Any, name: str | None) -> str | None:
    source = None if name is None else ctx.get_parameter_source(name)
    return None if source is None else str(source.name)


class Group(TyperGroup):
    """``quantpick`` itself: ``quantpick OWNER/NAME`` is short for ``recommend --brief``, ``help`` for ``--help``.

    Commands are built on demand: each starts without the others.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, that of ``--help`` too."""
        return _lightened(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        """All commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, function, help_ = COMMANDS[cmd_name]
        alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        alone.command(cmd_name, cls=Command, help=help_)(getattr(import_module(module), function))
        return typer.main.get_command(alone)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands in the help, without building them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, _, help_) in COMMANDS.items()])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Expand the short forms, then parse."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if args and args[0] == "help":
            args = [*args[1:2], "--help"]
        elif args and args[0] not in own and args[0] not in COMMANDS and ("/" in args[0] or args[0][:1] == "-"):
            args = ["recommend", "--brief", *args]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command; for an unknown one, an error with the line to type instead."""
        if args[0] not in COMMANDS:
            raise wrong_words.no_such_command(args, COMMANDS)
        return args[0], self.get_command(ctx, args[0]), args[1:]
