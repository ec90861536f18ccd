"""Print a page: in colours on a terminal, as plain rows to a script or a file."""

import os
import sys
from collections.abc import Iterable
from io import StringIO
from typing import TYPE_CHECKING, Final

from quantpick.render import phrases, terminal
from quantpick.render.page import Page

if TYPE_CHECKING:
    from quantpick.core.quant import BranchWarning

_WARNINGS_SHOWN: Final = 4
_ASCII: Final = str.maketrans({"█": "#", "▓": "=", "▒": "-", "·": ".", "▶": ">", "✗": "x", "…": "..."})
"""ASCII replacements for the few other characters, for terminals that cannot show them."""


def show(page: Page, below: int = 1) -> None:
    """Print an answer on stdout; `below` lines will follow it."""
    terminal.write_answer(as_text(page, sys.stdout, below))


def tell(page: Page) -> None:
    """Print a page on stderr, besides an answer."""
    try:
        sys.stderr.write(as_text(page, sys.stderr))
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def tell_warnings(about: "Iterable[BranchWarning]", *, whole: bool) -> None:
    """Print warnings on stderr; a person sees the first few unless `whole`."""
    tell(phrases.warnings(about, None if whole or not _is_seen(sys.stderr) else _WARNINGS_SHOWN))


def as_text(page: Page, stream: object, below: int = 1) -> str:
    """The page as written to a stream."""
    text = _painted(page, stream, below) if _is_seen(stream) else _plain(page)
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    return text if encoding.startswith("utf") else text.translate(_ASCII)


def _is_seen(stream: object) -> bool:
    """Whether a person reads the stream. As for other programs, ``FORCE_COLOR`` says so for a pipe."""
    isatty = getattr(stream, "isatty", None)
    return bool(os.environ.get("FORCE_COLOR")) or (isatty is not None and isatty())


def _plain(page: Page) -> str:
    from quantpick.render.plain import plain

    return plain(page)


def _painted(page: Page, stream: object, below: int) -> str:
    from rich.console import Console

    from quantpick.render.painted import painted

    size = _size(stream)
    console = Console(file=StringIO(), force_terminal=True, highlight=False, width=size[0], height=size[1])
    painted(page, console, below)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def _size(stream: object) -> tuple[int, int]:
    """Columns and lines: from ``COLUMNS`` and ``LINES``, else from the terminal."""
    try:
        measured = os.get_terminal_size(stream.fileno())  # type: ignore[attr-defined]
        columns, lines = measured.columns, measured.lines
    except (OSError, ValueError, AttributeError):
        columns, lines = 80, 24
    said = [os.environ.get(name, "") for name in ("COLUMNS", "LINES")]
    wide, high = [int(one) if one.isascii() and one.isdigit() and len(one) < 6 else 0 for one in said]
    return max(terminal.MIN_WIDTH, wide or columns or 80), max(2, high or lines or 24)
