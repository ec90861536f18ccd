"""A page for a script or a file: one row per line, cells divided by tabs, no colours, nothing wrapped or padded."""

import shlex

from quantpick.render.page import Cell, Grid, Line, Page, Paste
from quantpick.render.terminal import printable


def plain(page: Page) -> str:
    r"""The page as text.

    >>> from quantpick.render.page import Column, Row
    >>> plain([Line("two", "bold", 2), Grid([Column("a"), Column("b", picture=True)], [Row(["x", "##"])])])
    'two\na\nx\n'
    """
    lines: list[str] = []
    for block in page:
        if isinstance(block, Line):
            lines.append(printable(block.text))
        elif isinstance(block, Paste):
            lines.append(printable(shlex.join(block.argv)))
        else:
            lines += _rows(block)
    return "".join(f"{line}\n" for line in lines)


def _rows(grid: Grid) -> list[str]:
    shown = [at for at, column in enumerate(grid.columns) if not column.picture]
    heads = [f"{grid.columns[at].header} {grid.columns[at].unit}".strip() for at in shown]
    rows = [heads] if any(heads) else []
    rows += [[text_of(row.cells[at]) for at in shown] for row in grid.rows]
    return ["\t".join(printable(cell) for cell in row) for row in rows]


def text_of(cell: Cell) -> str:
    """A cell without its styles."""
    return cell if isinstance(cell, str) else "".join(text for text, _ in cell)
