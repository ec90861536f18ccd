"""The command line as arguments again, to build the next command from."""

from collections.abc import Collection

import typer

WISH = (
    "loader",
    "context",
    "kv_dtype",
    "batch",
    "vram",
    "gpu",
    "gpu_capability",
    "gpu_index",
    "vram_basis",
    "headroom",
    "allow_tight",
    "mmproj",
)
"""The parameters that say what to run, and where."""


def retyped(context: typer.Context, names: Collection[str] | None = None) -> list[str]:
    """The arguments and options given on the command line or by the environment, as arguments.

    Args:
        context: the command's.
        names: the parameters to keep; None keeps all.
    """
    words: list[str] = []
    for parameter in context.command.params:
        name = parameter.name
        if names is not None and name not in names:
            continue
        source, value = context.get_parameter_source(name), context.params.get(name)
        if source is None or source.name == "DEFAULT" or value is None or value is False:
            continue
        option = [max(parameter.opts, key=len)] if parameter.param_type_name == "option" else []
        for one in value if isinstance(value, (list, tuple)) else [value]:
            words += option if one is True else [*option, str(one)]
    return words
