"""A page for a terminal, with Rich: in colours, and no wider than the screen.

Rich's own tables cut or fold cells to fit, and its strings are markup. Here a name is never cut, other columns are
dropped first, and text is only text.
"""

import shlex
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from quantpick.render.page import Block, Cell, Column, Grid, Line, Page, Paste
from quantpick.render.terminal import printable

_GAP = 2
_LEAST_PROSE = 20
"""Columns that sentences need beside names; with fewer they go below them."""


def painted(page: Page, console: Console, below: int = 1) -> None:
    """Print the page. A grid that may be shortened is, to keep the whole page on the screen.

    Args:
        page: what to show.
        console: where.
        below: lines that follow: the prompt, an error.
    """
    low = sum(_height(block, console.width) for block in page if not _may_be_cut(block))
    for block in page:
        for line in _lines(block, console.width, console.height - low - below):
            console.print(line, soft_wrap=True)


def _may_be_cut(block: Block) -> bool:
    return isinstance(block, Grid) and block.least is not None


def _height(block: Block, width: int) -> int:
    return sum(max(1, -(-line.cell_len // width)) for line in _lines(block, width, None))


def _lines(block: Block, width: int, room: int | None) -> Iterator[Text]:
    """The lines of a block.

    Args:
        block: what to show.
        width: columns available.
        room: lines available to a grid that may be shortened; None for all of it.
    """
    if isinstance(block, Line):
        yield from _wrapped(Text(printable(block.text), block.style), width, block.indent)
    elif isinstance(block, Paste):
        yield Text("  " + printable(shlex.join(block.argv)), "cyan")
    else:
        yield from _grid_lines(block, width, room)


def _wrapped(text: Text, width: int, indent: int) -> Iterator[Text]:
    """The text in lines with the same indent; a word longer than a line stays whole."""
    room = max(_LEAST_PROSE, width - indent)
    if text.cell_len <= room:
        yield Text(" " * indent) + text
        return
    line = ""
    for word in text.plain.split(" "):
        if line and cell_len(f"{line} {word}") > room:
            yield Text(" " * indent) + Text(line, text.style)
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield Text(" " * indent) + Text(line, text.style)


def _grid_lines(grid: Grid, width: int, room: int | None) -> Iterator[Text]:
    cells = [[_text(cell, row.style) for cell in row.cells] for row in grid.rows]
    shown = _columns_that_fit(grid, cells, width)
    pictured = any(grid.columns[at].picture for at in shown)
    legend = list(_wrapped(Text(grid.legend + (grid.picture_legend if pictured else ""), "dim"), width, 0))
    legend = legend if grid.legend else []
    heads = [Text(column.header, "bold") for column in grid.columns]
    widths = {at: _width(grid, cells, at) for at in shown}
    above = [heads] if any(column.header for column in grid.columns) else []
    kept = len(cells)
    if grid.least is not None and room is not None and len(above) + kept + len(legend) > room:
        kept = min(kept, max(grid.least, room - len(above) - 1 - len(legend)))
    for line in [*above, *cells[:kept]]:
        yield from _row_lines([line[at] for at in shown], [grid.columns[at] for at in shown], widths, grid, width)
    if kept < len(cells):
        yield Text(grid.more.format(count=len(cells) - kept), "dim")
    yield from legend


def _text(cell: Cell, style: str) -> Text:
    if isinstance(cell, str):
        return Text(printable(cell), style)
    return Text.assemble(*((printable(text), own or style) for text, own in cell))


def _columns_that_fit(grid: Grid, cells: Sequence[Sequence[Text]], width: int) -> list[int]:
    """The columns that are not empty and fit, with those that go first dropped."""
    shown = [at for at in range(len(grid.columns)) if any(line[at].plain.strip() for line in cells)]
    fixed = shown[:-1] if grid.prose else shown
    going = sorted((at for at in shown if grid.columns[at].goes), key=lambda at: grid.columns[at].goes)
    while going and sum(_width(grid, cells, at) + _GAP for at in fixed if at in shown) - _GAP > width:
        gone = going.pop()
        shown = [at for at in shown if at != gone]
    return shown


def _width(grid: Grid, cells: Sequence[Sequence[Text]], at: int) -> int:
    return max([cell_len(grid.columns[at].header), *(line[at].cell_len for line in cells)])


def _row_lines(
    cells: Sequence[Text], columns: Sequence[Column], widths: dict[int, int], grid: Grid, width: int
) -> Iterator[Text]:
    line = Text()
    last = len(cells) - 1
    for at, (cell, column, size) in enumerate(zip(cells, columns, widths.values(), strict=True)):
        if grid.prose and at == last:
            start = line.cell_len
            if width - start < _LEAST_PROSE and at:
                line.rstrip()
                yield line
                line, start = Text(" " * 4), 4
            first, *rest = _wrapped(cell, max(_LEAST_PROSE, width - start), 0)
            line.append_text(first)
            line.rstrip()
            yield line
            yield from (Text(" " * start) + one for one in rest)
            return
        blank = " " * (size - cell.cell_len)
        line.append_text(Text(blank) + cell if column.right else cell + Text(blank) if at < last else cell)
        if at < last:
            line.append(" " * _GAP)
    line.rstrip()
    yield line
