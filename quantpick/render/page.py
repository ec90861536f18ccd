"""The parts of a page, independent of whether a person or a script reads it."""

from collections.abc import Sequence
from dataclasses import dataclass

Segment = tuple[str, str]
"""A text and its style, in Rich's words: ``bold green``."""

Cell = str | tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence. It is wrapped between words on a screen, and never for a script."""

    text: str
    style: str = ""
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Paste:
    """A command to paste, as arguments: quoted to run nothing but itself, and never wrapped."""

    argv: Sequence[str]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a grid.

    Args:
        header: its heading.
        right: whether its cells are right-aligned.
        goes: its turn to be dropped if the screen is too narrow: the highest first, 0 never.
        picture: whether it only illustrates the others; scripts do not get it.
        unit: the unit of its numbers, in the heading for scripts and in the legend for people.
    """

    header: str
    right: bool = False
    goes: int = 0
    picture: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A cell for each column."""

    cells: Sequence[Cell]
    style: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows under headings. The last column's cells are wrapped within the column if they are prose.

    Args:
        columns: from left to right.
        rows: all rows; a script gets all of them.
        prose: whether the last column is sentences.
        least: rows to show on a screen too low for all; None shows all.
        more: what to say about the others, with ``{count}`` in it.
        legend: text below it, for people.
        picture_legend: the legend of the pictures, if shown.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    prose: bool = False
    least: int | None = None
    more: str = "{count} more"
    legend: str = ""
    picture_legend: str = ""


Block = Line | Paste | Grid
Page = Sequence[Block]

EMPTY = Line("")
