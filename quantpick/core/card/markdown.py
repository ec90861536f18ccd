"""Untrusted Markdown to blocks, without a meaning: what is a heading, a table, a line, a link.

`read_document` splits a card into front matter and blocks in one pass over its lines; `read_inline` reads the links,
code spans and plain text of one line or table cell, and is only called where somebody needs them. What the blocks mean
is `quantpick.core.card.read`'s business.

No Markdown library is used, because a correct one refuses tables that people meant (a delimiter row with one cell too
many, blank lines between rows, `` |`` scraped onto the end of every line), and those must be read too. For well-formed
tables the cells are those of GitHub Flavored Markdown; the tests compare them with markdown-it-py's.

Every step is linear in the text. Patterns use no nested quantifiers but possessive ones, and no loop looks back.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

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
        front_matter: its top-level keys; each value is a tuple, of one string unless the author wrote a list.
        blocks: what follows, in order.
    """

    front_matter: Mapping[str, Cells]
    blocks: list[Block]


class Link(NamedTuple):
    """A link and where its label stands in `Inline.text`; the label of a bare URL is empty."""

    label: str
    url: str
    start: int
    end: int


class Code(NamedTuple):
    """A code span and where it stands in `Inline.text`."""

    text: str
    start: int
    end: int


class Inline(NamedTuple):
    """One line or cell, read.

    Args:
        text: what a reader sees: links as their labels, no tags, no backticks. Emphasis marks stay.
        links: in the order of their ends.
        codes: code spans, in order.
    """

    text: str
    links: tuple[Link, ...] = ()
    codes: tuple[Code, ...] = ()

    @property
    def plain(self) -> str:
        """The text without the emphasis marks around it or doubled within.

        >>> read_inline("<center>**[4.25](x)**</center>").plain, read_inline("`4_25`").plain
        ('4.25', '4_25')
        """
        return self.text.replace("**", "").replace("__", "").strip(" *_~")


# --- lines to blocks --------------------------------------------------------------------------------------------------

_MAX_LINES: Final = 200_000
"""Lines that are read; only noise has more. The real cards seen have less than 2,000."""
_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_TABLE_TAG: Final = re.compile(r"(?=<table\b)|(?<=</table>)", re.IGNORECASE)
_HTML_BLOCK: Final = re.compile(r"<(table\b|h[1-6]\b|summary\b|/details\b)[^<>]*>", re.IGNORECASE)
_CELL_TAG: Final = re.compile(r"<(/?)(tr|td|th)\b[^<>]*>|</?(?:thead|tbody|table)\b[^<>]*>", re.IGNORECASE)
_ITEM: Final = re.compile(r"(?:[-*+•]|\d{1,9}[.)])\s+(?=\S)")


def read_document(text: str) -> Document:
    r"""The front matter and blocks of a card. No text makes it raise.

    >>> document = read_document("---\nmodel_type: llama\n---\n# A title\n| Branch |\n|---|\n| main |")
    >>> document.front_matter, document.blocks[0]
    ({'model_type': ('llama',)}, Heading(level=1, text='A title'))
    >>> document.blocks[1].header, document.blocks[1].rows(9)
    (('Branch',), [('main',)])
    """
    lines = _drop_scraped_pipes(_split_lines(text))
    front_matter, body = _read_front_matter(lines)
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


def _strip(line: str) -> str:
    line = line.strip()
    return line.lstrip("> \t") if line.startswith(">") else line


def _read_front_matter(lines: list[str]) -> tuple[dict[str, Cells], int]:
    """The top-level keys of the YAML between two ``---``, and the index of the first line behind it.

    Not a YAML reader: nested values are skipped, and the first mention of a key counts.
    """
    start = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    if start == len(lines) or lines[start].strip() != "---":
        return {}, 0
    end = next((i for i in range(start + 1, len(lines)) if lines[i] in ("---", "...")), 0)
    return (_read_keys(lines[start + 1 : end]), end + 1) if end else ({}, 0)


def _read_keys(lines: list[str]) -> dict[str, Cells]:
    found: dict[str, list[str]] = {}
    values: list[str] = []
    quote = ""
    for raw in lines:
        line = raw.strip()
        if quote:
            quote = "" if line.endswith(quote) else quote
        elif line.startswith("- "):
            values.append(_unquote(line[2:]))
        elif line and not raw[0].isspace() and ":" in line:
            key, _, value = line.partition(":")
            value, quote = _open_quote(value.strip())
            values = _read_values(value)
            found.setdefault(key.strip(), values)
    return {key: tuple(values) for key, values in found.items()}


def _open_quote(value: str) -> tuple[str, str]:
    """A value and the quote it leaves open for the lines that follow, or ``""``."""
    opens = value[:1] in ("'", '"') and (len(value) == 1 or not value.endswith(value[0]))
    return ("", value[0]) if opens else (value, "")


def _read_values(value: str) -> list[str]:
    if value.startswith("[") and value.endswith("]"):
        return [_unquote(item) for item in value[1:-1].split(",") if item.strip()]
    return [] if value[:1] in ("", "|", ">", "#") else [_unquote(value)]


def _unquote(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1].replace("''", "'")
    return value


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
    """The raw cells of each ``<tr>``; a cell ends where the next tag of the table begins."""
    rows: list[list[str]] = []
    begun = -1
    for tag in _CELL_TAG.finditer(markup):
        if begun >= 0:
            rows[-1].append(markup[begun : tag.start()].strip())
            begun = -1
        name = (tag[2] or "").lower()
        if name == "tr" and not tag[1]:
            rows.append([])
        elif name in ("td", "th") and not tag[1]:
            rows = rows or [[]]
            begun = tag.end()
    return [tuple(row) for row in rows if row]


# --- one line or cell -------------------------------------------------------------------------------------------------

_TOKEN: Final = re.compile(r"""\\.|`+|!?\[|\]|<[^<>]{1,2000}>|https?://[^\s<>|\])"'`]+|&\#?\w{1,31};""", re.IGNORECASE)
_TARGET: Final = re.compile(
    r"""\(\s*+(?:<([^<>]*+)>|((?:[^\s()\\]|\\.|\([^\s()]*+\))*+))(?:\s++(?:"[^"]*+"|'[^']*+'|\([^()]*+\)))?\s*+\)"""
)
_HREF: Final = re.compile(r"""\bhref\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""", re.IGNORECASE)
_MAX_INLINE: Final = 100_000
"""Characters of one line that are read: several times a whole card, should somebody have lost its line breaks."""


def read_inline(raw: str) -> Inline:
    """The links, code spans and visible text of one line or cell; what stands behind 100,000 characters is not read.

    >>> read_inline("**[4.25](https://x/tree/4_25 'title')** and `main` &amp; <b>more</b>").text
    '**4.25** and main & more'
    >>> read_inline('[![badge](b.png)](/o/r/tree/x) <a href="/o/r/tree/y">five</a>').links
    (Link(label='', url='/o/r/tree/x', start=0, end=0), Link(label='five', url='/o/r/tree/y', start=0, end=4))
    """
    return _InlineReader(raw[:_MAX_INLINE]).run()


class _InlineReader:
    """One pass over the tokens of a line; `out` is the visible text so far, in pieces."""

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self.at = 0
        self.out: list[str] = []
        self.length = 0
        self.open: list[tuple[bool, int, int]] = []  # brackets: image?, pieces before, characters before
        self.anchor: tuple[str, int, int] | None = None  # <a>: url, pieces before, characters before
        self.links: list[Link] = []
        self.codes: list[Code] = []
        self.closers = _match_backticks(raw) if "`" in raw else {}

    def run(self) -> Inline:
        raw = self.raw
        for token in _TOKEN.finditer(raw):
            start = token.start()
            if start >= self.at:
                self._put(raw[self.at : start])
                self.at = token.end()
                self._take(token[0], start)
        self._put(raw[self.at :])
        return Inline("".join(self.out).strip(), *self._moved())

    def _moved(self) -> tuple[tuple[Link, ...], tuple[Code, ...]]:
        """Links and codes, with positions counted after leading blanks are gone."""
        text = "".join(self.out)
        gone = len(text) - len(text.lstrip())
        links = tuple(Link(a, url, max(start - gone, 0), max(end - gone, 0)) for a, url, start, end in self.links)
        return links, tuple(Code(a, max(start - gone, 0), max(end - gone, 0)) for a, start, end in self.codes)

    def _put(self, piece: str) -> None:
        if piece:
            self.out.append(piece)
            self.length += len(piece)

    def _take(self, token: str, start: int) -> None:
        kind = token[0]
        if kind in "[!":
            self.open.append((kind == "!", len(self.out), self.length))
            self._put(token)
        elif kind == "]":
            self._close(token)
        elif kind == "`":
            self._code(token, start)
        elif kind == "<":
            self._tag(token)
        elif kind == "\\":
            self._put(token[1] if not token[1].isalnum() and not token[1].isspace() else token)
        elif kind == "&":
            self._put(_unescape(token))
        else:
            url = token.rstrip(".,;:!?*_")
            self.links.append(Link("", url, self.length, self.length + len(url)))
            self._put(token)

    def _close(self, token: str) -> None:
        """A ``]``: the end of a link or image if an opener waits and a ``(target)`` follows."""
        target = _TARGET.match(self.raw, self.at) if self.open else None
        if target is None:
            if self.open:
                self.open.pop()
            self._put(token)
            return
        image, pieces, length = self.open.pop()
        self.at = target.end()
        label = "".join(self.out[pieces + 1 :])
        del self.out[pieces:]
        self.length = length
        while self.links and self.links[-1].start > length:
            self.links.pop()  # an address within the label
        inside: list[Code] = []
        while self.codes and self.codes[-1].start > length:
            code = self.codes.pop()
            inside.append(Code(code.text, code.start - 1, code.end - 1))
        if image:
            return
        self.open.clear()  # a link holds no link: brackets still open around it are text
        self.codes += reversed(inside)
        self._put(label)
        url = target[1] if target[1] is not None else target[2]
        self.links.append(Link(label.strip(" *_~"), url, length, self.length))

    def _code(self, token: str, start: int) -> None:
        close = self.closers.get(start)
        if close is None:
            self._put(token)
            return
        text = self.raw[start + len(token) : close].strip()
        self.codes.append(Code(text, self.length, self.length + len(text)))
        self._put(text)
        self.at = close + len(token)

    def _tag(self, token: str) -> None:
        inner = token[1:-1]
        name = inner.lstrip("/").split(None, 1)[0].lower().rstrip("/") if inner.strip("/ \t") else ""
        if "://" in name:
            self.links.append(Link("", inner, self.length, self.length + len(inner)))
            self._put(inner)
        elif name == "a":
            self._anchor(inner)
        elif name == "br":
            self._put(" ")
        elif not inner[0].isalpha() and inner[0] != "/":
            self._put(token)

    def _anchor(self, inner: str) -> None:
        if inner.startswith("/"):
            if self.anchor is not None:
                url, pieces, length = self.anchor
                self.links.append(Link("".join(self.out[pieces:]).strip(" *_~"), url, length, self.length))
                self.anchor = None
            return
        href = _HREF.search(inner)
        self.anchor = (_unescape(next(filter(None, href.groups()), "")), len(self.out), self.length) if href else None


def _match_backticks(raw: str) -> dict[int, int]:
    """For each run of backticks that opens a code span, where the next run of the same length starts."""
    closers: dict[int, int] = {}
    later: dict[int, int] = {}
    for run in reversed(list(re.finditer("`+", raw))):
        length = run.end() - run.start()
        if length in later:
            closers[run.start()] = later[length]
        later[length] = run.start()
    return closers


def _unescape(text: str) -> str:
    if "&" not in text:
        return text
    from html import unescape  # 2 ms to import, for what few cards hold

    return unescape(text).replace("\xa0", " ")


# --- addresses --------------------------------------------------------------------------------------------------------

_NO_OWNER: Final = frozenset(
    (
        "datasets",
        "spaces",
        "docs",
        "papers",
        "collections",
        "blog",
        "models",
        "join",
        "settings",
        "posts",
        "organizations",
    )
)
_REPO_PART: Final = re.compile(r"[\w][\w.-]{0,95}")
_GIT_REF: Final = re.compile(r"\w(?:[\w.+=@,/-]{0,198}[\w+=@-])?")


class HubUrl(NamedTuple):
    """An address on the Hub.

    Args:
        repo_id: ``owner/name``, or None for an address relative to the card's own repo.
        branch: the branch whose top it shows; None for a repo's front page.
    """

    repo_id: str | None
    branch: str | None


def read_hub_url(url: str) -> HubUrl | None:
    """The repo or branch that an address shows; None for a file, a folder, a data set or another site.

    Mirrors count (any host with "hugg" or "hf" in its name), and so do addresses without a host, as the Hub itself
    resolves them. The branch is percent-decoded.

    >>> read_hub_url("https://huggingface.co/owner/name-exl2/tree/4.0bpw%2Dh6?x=1")
    HubUrl(repo_id='owner/name-exl2', branch='4.0bpw-h6')
    >>> read_hub_url("/owner/name/tree/6_5"), read_hub_url("https://huggingface.co/owner/name/")
    (HubUrl(repo_id='owner/name', branch='6_5'), HubUrl(repo_id='owner/name', branch=None))
    >>> read_hub_url("https://huggingface.co/o/n/tree/main/8.00bpw"), read_hub_url("https://github.com/o/n/tree/dev")
    (None, None)
    """
    path = re.split(r"[?#]", url.strip(), maxsplit=1)[0]
    scheme, separator, rest = path.rpartition("://")
    if separator or path.lower().startswith(("huggingface.co/", "hf.co/")):
        host, _, path = rest.lstrip("/").partition("/")
        if len(scheme) > 5 or not re.search("hugg|hf", host, re.IGNORECASE):
            return None
    elif not path.startswith("/"):
        return _read_own_path(path)
    parts = [percent_decode(part) for part in path.split("/") if part]
    if len(parts) < 2 or parts[0] in _NO_OWNER or not all(_REPO_PART.fullmatch(part) for part in parts[:2]):
        return None
    repo_id = "/".join(parts[:2])
    if len(parts) == 2:
        return HubUrl(repo_id, None)
    return HubUrl(repo_id, parts[3]) if parts[2] == "tree" and len(parts) == 4 and is_git_ref(parts[3]) else None


def _read_own_path(path: str) -> HubUrl | None:
    """``tree/x`` or ``../tree/x``, relative to the repo whose card it is."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    if len(parts) == 2 and parts[0] == "tree" and is_git_ref(branch := percent_decode(parts[1])):
        return HubUrl(None, branch)
    return None


def is_git_ref(text: str) -> bool:
    """Whether a text could name a branch; stricter than git, so that it is safe in a path and in a command.

    >>> is_git_ref("gptq-8bit--1g-actorder_True"), is_git_ref("More to come"), is_git_ref("../x"), is_git_ref("-rf")
    (True, False, False, False)
    """
    return bool(_GIT_REF.fullmatch(text)) and ".." not in text and "//" not in text and not text.startswith("refs/")


def percent_decode(text: str) -> str:
    r"""``%xx`` as UTF-8, as `urllib.parse.unquote`, which the core may not import.

    >>> percent_decode("4.0bpw%2Dh6"), percent_decode("100%"), percent_decode("%E4%B8%AD")
    ('4.0bpw-h6', '100%', '中')
    """
    return re.sub(
        r"(?:%[0-9a-fA-F]{2})+", lambda run: bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "replace"), text
    )
