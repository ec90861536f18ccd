"""What goes to stderr beside an answer: errors, hints and warnings, one line each."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantpick.core.quant import BranchWarning


def printable(text: str) -> str:
    r"""Text from outside with its control characters shown, so that no card can write escape codes to a terminal.

    >>> print(printable("a\x1b[31m"))
    a\x1b[31m
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def print_error(message: str, hint: str | None = None) -> None:
    """``error: ...`` and optionally ``hint: ...``."""
    print(f"error: {printable(message)}", file=sys.stderr)
    if hint is not None:
        print(f"hint: {printable(hint)}", file=sys.stderr)


def print_warnings(warnings: "Iterable[BranchWarning]") -> None:
    """Each sentence once, with the branches it is about."""
    about: dict[str, list[str]] = {}
    for warning in warnings:
        about.setdefault(warning.message, []).extend([warning.branch] if warning.branch else [])
    for message, branches in about.items():
        named = "" if not branches else f"{branches[0]}: " if len(branches) == 1 else f"{len(branches)} branches: "
        print(printable(f"warning: {named}{message}"), file=sys.stderr)
