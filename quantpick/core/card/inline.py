"""One line or table cell of Markdown: its links, code spans and plain text. Linear in the line."""

import re
from typing import Final, NamedTuple


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


_TOKEN: Final = re.compile(r"""\\.|`+|!?\[|\]|<[^<>]{1,2000}>|https?://[^\s<>|\])"'`]+|&\#?\w{1,31};""", re.IGNORECASE)
_TARGET: Final = re.compile(
    r"""\(\s*+(?:<([^<>]*+)>|((?:[^\s()\\]|\\.|\([^\s()]*+\))*+))(?:\s++(?:"[^"]*+"|'[^']*+'|\([^()]*+\)))?\s*+\)"""
)
_HREF: Final = re.compile(r"""\bhref\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""", re.IGNORECASE)
_MAX_INLINE: Final = 100_000
"""The most characters read of one line: several times a whole card, in case its line breaks are lost."""


def read_inline(raw: str) -> Inline:
    """The links, code spans and visible text of one line or cell, up to 100,000 characters.

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
    """For each run of backticks that opens a code span, the start of the next run of the same length."""
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
