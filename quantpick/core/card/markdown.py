"""Untrusted Markdown to blocks, without a meaning: what is a heading, a table, a line.

`read_document` splits a card into front matter and blocks in one pass over its lines. `quantpick.core.card.inline`
reads one line or cell, and is only called where somebody needs it. What the blocks mean is
`quantpick.core.card.read`'s business.

No Markdown library is used, because a correct one refuses tables that people meant (a delimiter row with one cell too
many, blank lines between rows, `` |`` scraped onto the end of every line), and those must be read too. For well-formed
tables the cells are those of GitHub Flavored Markdown; the tests compare them with markdown-it-py's.

Every step is linear in the text. Patterns use no nested quantifiers but possessive ones, and no loop looks back.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from quantpick.core.card.front_matter import read_front_matter
from quantpick.core.card.limits import MAX_LINES

Cells = tuple[str, ...]


class Heading(NamedTuple):
    """A heading's raw text. Level 1 to 6; `SUMMARY` is the title of a collapsed ``<details>``."""

    level: int
    text: str


class Table(NamedTuple):
    """A table: raw cells, as many per row as the author typed.

    Args:
        header: the cells of its first row.
        lines: the rows of a pipe table, not yet split.
        split: the rows of an HTML table.
    """

    header: Cells
    lines: Sequence[str] = ()
    split: Sequence[Cells] = ()

    def rows(self, limit: int) -> list[Cells]:
        """The first `limit` rows below the header."""
        return list(self.split[:limit]) or [split_row(line) for line in self.lines[:limit]]


class Text(NamedTuple):
    """The lines between two other blocks: paragraphs and list items with their markers, blank lines left out."""

    lines: list[str]


class Fence(NamedTuple):
    """The lines of a code fence: commands, not prose."""

    lines: list[str]


class DetailsEnd(NamedTuple):
    """The end of a ``<details>``."""


Block = Heading | Table | Text | Fence | DetailsEnd
SUMMARY: Final = 7


class Document(NamedTuple):
    """A card.

    Args:
        front_matter: those of its top-level keys that are read; each value is a tuple, of one string unless the
            author wrote a list.
        blocks: what follows, in order.
    """

    front_matter: Mapping[str, Cells]
    blocks: list[Block]


_MAX_LINES: Final = 200_000
"""Lines that are read; only noise has more. The real cards seen have less than 2,000."""
_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_TABLE_TAG: Final = re.compile(r"(?=<table\b)|(?<=</table>)", re.IGNORECASE)
_HTML_BLOCK: Final = re.compile(r"<(table\b|h[1-6]\b|summary\b|/details\b)[^<>]*>", re.IGNORECASE)
_CELL_TAG: Final = re.compile(r"<(/?)(tr|td|th)\b[^<>]*>|</?(?:thead|tbody|table)\b[^<>]*>", re.IGNORECASE)
_SPAN: Final = re.compile(r"\b(row|col)span\s*+=\s*+[\"']?(\d{1,3})", re.IGNORECASE)
_MAX_SPAN: Final = 40
_REFERENCE: Final = re.compile(r"\[([^\[\]]{1,100})\]:\s*+<?([^\s<>]{1,500})")
_REFERRED: Final = re.compile(r"\[([^\[\]]{1,300})\]\[([^\[\]]{0,100})\]")
_ITEM: Final = re.compile(r"(?:[-*+•]|\d{1,9}[.)])\s+(?=\S)")


def read_document(text: str) -> Document:
    r"""The front matter and blocks of a card. No text makes it raise.

    >>> document = read_document("---\nmodel_type: llama\n---\n# A title\n| Branch |\n|---|\n| main |")
    >>> document.front_matter, document.blocks[0]
    ({'model_type': ('llama',)}, Heading(level=1, text='A title'))
    >>> document.blocks[1].header, document.blocks[1].rows(9)
    (('Branch',), [('main',)])
    """
    lines = _with_references(_drop_scraped_pipes(_split_lines(text)))
    front_matter, body = read_front_matter(lines)
    return Document(front_matter, _Scanner([_strip(line) for line in lines[body:]]).run())


def split_item(line: str) -> tuple[bool, str]:
    """Whether a line of `Text` is a list item, and what stands behind its marker.

    >>> split_item("- main"), split_item("4.0bpw"), split_item("2) main")
    ((True, 'main'), (False, '4.0bpw'), (True, 'main'))
    """
    marker = _ITEM.match(line)
    return (True, line[marker.end() :]) if marker else (False, line)


def split_row(line: str) -> Cells:
    r"""The cells of one pipe-table row, as GFM splits it: also within code spans, never at ``\|``.

    >>> split_row(r"| main | `a\|b` |  | 4.15 GB"), split_row("a|b|")
    (('main', '`a|b`', '', '4.15 GB'), ('a', 'b'))
    """
    line = line.strip()
    cells = line.split("|") if "\\|" not in line else [c.replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)]
    if len(cells) > 1 and not cells[0]:
        del cells[0]
    if len(cells) > 1 and not cells[-1]:
        cells.pop()
    return tuple(cell.strip() for cell in cells)


def _split_lines(text: str) -> list[str]:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub(r"\n{4,}", "\n\n\n", text)
    last = text.rfind("-->")
    if last >= 0:
        text = _COMMENT.sub("", text[: last + 3]) + text[last + 3 :]
    if "<table" in text or "<TABLE" in text:
        text = _TABLE_TAG.sub("\n", text)
    return [line.rstrip() for line in text.split("\n", _MAX_LINES)[:_MAX_LINES]]


def _drop_scraped_pipes(lines: list[str]) -> list[str]:
    """The lines without the `` |`` that some scrapers put after every line, also outside tables; others unchanged.

    The sign is prose that ends in a pipe: a line of a table has a second one.
    """
    prose = [line for line in lines if line and line[0] != "|" and line.count("|") < 2]
    if len(prose) < 3 or sum(line[-1] == "|" for line in prose) < 0.9 * len(prose):
        return lines
    return [line[:-1].rstrip() if line.endswith("|") else line for line in lines]


def _with_references(lines: list[str]) -> list[str]:
    """The lines with each ``[label][name]`` as ``[label](address)``, where some line says ``[name]: address``."""
    known = {found[1].casefold(): found[2] for line in lines if line[:1] == "[" and (found := _REFERENCE.match(line))}
    if not known:
        return lines

    turns = iter(range(MAX_LINES))

    def resolved(found: re.Match[str]) -> str:
        url = known.get((found[2] or found[1]).casefold())
        return found[0] if url is None or next(turns, None) is None else f"[{found[1]}]({url})"

    return [_REFERRED.sub(resolved, line) if "][" in line else line for line in lines]


def _strip(line: str) -> str:
    line = line.strip()
    return line.lstrip("> \t") if line.startswith(">") else line


def lines_of(block: Block) -> Sequence[str]:
    """The lines of a heading or of text; none of a table or code fence."""
    if isinstance(block, Heading):
        return [block.text]
    return block.lines if isinstance(block, Text) else ()


class _Scanner:
    """One pass over stripped lines."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0
        self.text: list[str] = []
        self.blocks: list[Block] = []
        self.fence_ends = _match_fences(lines)
        self.last_table_end = next((i for i in reversed(range(len(lines))) if "</table" in lines[i].lower()), -1)

    def run(self) -> list[Block]:
        """The blocks of all lines."""
        lines = self.lines
        while self.at < len(lines):
            line = lines[self.at]
            if line and not (
                (line[0] in "#`~=-" and self._marked(line))
                or ("|" in line and self._pipe_table(line))
                or ("<" in line and self._html(line))
            ):
                self.text.append(line)
            self.at += 1
        self._add()
        return self.blocks

    def _add(self, *blocks: Block) -> bool:
        if self.text:
            self.blocks.append(Text(self.text))
            self.text = []
        self.blocks += blocks
        return True

    def _marked(self, line: str) -> bool:
        """Takes a heading or a code fence, if the line starts one."""
        if self.at in self.fence_ends:
            end = self.fence_ends[self.at]
            self._add(Fence(self.lines[self.at + 1 : end]))
            self.at = end
            return True
        if line[0] == "#":
            text = line.lstrip("#")
            level = len(line) - len(text)
            return level <= 6 and text[:1] in ("", " ", "\t") and self._add(Heading(level, text.strip(" \t#")))
        return line[0] in "=-" and not line.strip(line[0]) and self._underlined(1 if line[0] == "=" else 2)

    def _underlined(self, level: int) -> bool:
        above = self.lines[self.at - 1] if self.at else ""
        if not (self.text and above == self.text[-1]) or split_item(above)[0]:
            return False
        self.text.pop()
        return self._add(Heading(level, above))

    def _pipe_table(self, line: str) -> bool:
        """Takes a pipe table, if the line is its header: the next line that is not blank is a delimiter row."""
        delimiter = self._next(self.at)
        if delimiter > self.at + 2 or not _is_delimiter(self.lines, delimiter):
            return False
        rows: list[str] = []
        last = delimiter
        while self._is_row(following := self._next(last), last):
            rows.append(self.lines[following])
            last = following
        self._add(Table(split_row(line), rows))
        self.at = last
        return True

    def _is_row(self, index: int, previous: int) -> bool:
        """Whether a line goes on with the table; behind a blank line only if it starts with a pipe and no new table."""
        line = self.lines[index] if index < len(self.lines) else ""
        if "|" not in line or (line[0] == "#" and line.lstrip("#")[:1] == " ") or index in self.fence_ends:
            return False
        if index == previous + 1:
            return not _ITEM.match(line)
        return line[0] == "|" and not _is_delimiter(self.lines, self._next(index))

    def _next(self, index: int) -> int:
        """The next line that is not blank, or one past the end."""
        index += 1
        while index < len(self.lines) and not self.lines[index]:
            index += 1
        return index

    def _html(self, line: str) -> bool:
        """Takes an HTML table, heading or ``<details>`` title, if the line holds one."""
        tag = _HTML_BLOCK.search(line)
        if tag is None:
            return False
        name = tag[1].lower()
        if name == "table":
            return self._html_table()
        if name == "/details":
            self._add(DetailsEnd())
            self.text += filter(None, [(line[: tag.start()] + line[tag.end() :]).strip()])
            return True
        end = line.lower().find("</", tag.end())
        end = end if end >= 0 else len(line)
        text = line[tag.end() : end].strip()
        if not text:
            return False
        self._add(Heading(SUMMARY if name == "summary" else int(name[1]), text))
        return True

    def _html_table(self) -> bool:
        if self.at > self.last_table_end:
            return False
        start = self.at
        while "</table" not in self.lines[self.at].lower():
            self.at += 1
        rows = _read_html_rows(" ".join(self.lines[start : self.at + 1]))
        while len(rows) > 1 and len(set(rows[0])) == 1 < len(set(rows[1])) and "href" not in rows[0][0]:
            del rows[0]  # the table's title
        if rows and "href" in "".join(rows[0]):
            rows.insert(0, ("",) * len(rows[0]))  # no header: its first row shows something already
        return self._add(Table(rows[0], split=rows[1:])) if rows else True


def _is_delimiter(lines: list[str], index: int) -> bool:
    """Whether a line is ``|---|:-:|``: cells of dashes, whatever their number."""
    line = lines[index] if index < len(lines) else ""
    if "|" not in line or "-" not in line or line.strip("|-: \t"):
        return False
    return all(cell.strip(":").strip("-") == "" and "-" in cell for cell in split_row(line))


def _match_fences(lines: list[str]) -> dict[int, int]:
    """For each line that opens a code fence, the line that closes it. A fence that nobody closes hides nothing."""
    marks = [(i, line) for i, line in enumerate(lines) if line.startswith(("```", "~~~"))]
    lengths = [len(line) - len(line.lstrip(line[0])) for _, line in marks]
    closes = [length == len(line) for (_, line), length in zip(marks, lengths, strict=True)]
    ends: dict[int, int] = {}
    never: dict[str, int] = {}  # fences this long or longer were looked for and not found
    at = 0
    while at < len(marks):
        index, line = marks[at]
        mark, length = line[0], lengths[at]
        close = None
        if length < never.get(mark, length + 1) and "`" not in line[length:]:
            close = _find_close(marks, lengths, closes, at)
            if close is None:
                never[mark] = length
        if close:
            ends[index] = marks[close][0]
        at = (close or at) + 1
    return ends


def _find_close(marks: list[tuple[int, str]], lengths: list[int], closes: list[bool], at: int) -> int | None:
    mark = marks[at][1][0]
    later = range(at + 1, len(marks))
    return next((i for i in later if closes[i] and lengths[i] >= lengths[at] and marks[i][1][0] == mark), None)


def _read_html_rows(markup: str) -> list[Cells]:
    """The raw cells of each ``<tr>``; a cell ends where the next tag of the table begins, and spans as it says."""
    rows: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}  # by column: rows that a cell above still reaches into, and the cell
    begun: re.Match[str] | None = None
    for tag in _CELL_TAG.finditer(markup):
        if begun is not None:
            _add_cell(rows[-1], hanging, begun[0], markup[begun.end() : tag.start()].strip())
            begun = None
        name = (tag[2] or "").lower()
        if name == "tr" and not tag[1]:
            if rows:
                _add_hanging(rows[-1], hanging)
            rows.append([])
        elif name in ("td", "th") and not tag[1]:
            rows = rows or [[]]
            begun = tag
    return [tuple(row) for row in rows if row]


def _add_hanging(row: list[str], hanging: dict[int, tuple[int, str]]) -> None:
    """Add the cells that come next and hang down from rows above."""
    while len(row) in hanging:
        left, cell = hanging.pop(len(row))
        if left > 1:
            hanging[len(row)] = (left - 1, cell)
        row.append(cell)


def _add_cell(row: list[str], hanging: dict[int, tuple[int, str]], tag: str, cell: str) -> None:
    """Add a cell to a row, as many times as it spans columns, and note how far it hangs down."""
    _add_hanging(row, hanging)
    spans = {kind.lower(): min(int(count), _MAX_SPAN) for kind, count in _SPAN.findall(tag)} if "span" in tag else {}
    for _ in range(max(1, min(spans.get("col", 1), _MAX_SPAN - len(row)))):
        if spans.get("row", 1) > 1:
            hanging[len(row)] = (spans["row"] - 1, cell)
        row.append(cell)
