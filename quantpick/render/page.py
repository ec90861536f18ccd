"""What a screen is made of, before anybody knows whether a person or a script reads it."""

from collections.abc import Sequence
from dataclasses import dataclass

Segment = tuple[str, str]
"""A text and its style, in Rich's words: ``bold green``."""

Cell = str | tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence. It is wrapped between words where the screen ends, and never for a script."""

    text: str
    style: str = ""
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Paste:
    """A command to paste, as its arguments: quoted so that it runs nothing but itself, and never wrapped."""

    argv: Sequence[str]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a grid.

    Args:
        header: its head.
        right: whether its cells end at the same place.
        goes: when it goes where the screen is too narrow: the highest first, 0 never.
        picture: whether it only pictures what the others say, so that a script is spared it.
        unit: of its numbers, which a script is told beside the head and a person in the legend.
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
    """Rows under heads. The cells of the last column are wrapped below themselves where that is prose.

    Args:
        columns: from left to right.
        rows: all of them; a script is given all.
        prose: whether the last column is sentences.
        least: rows to show on a screen that is too low for all; None shows all.
        more: what to say about the others, with ``{count}`` in it.
        legend: what a person is told below it.
        picture_legend: the same of the pictures, where they have room.
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
