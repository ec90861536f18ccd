"""What a model card says of its repo's branches: the branch table.

Where to add things:

* a **column**: one line in `COLUMNS`;
* a **card format**, that is another way to list branches: one function in `FORMATS`;
* a **word for a method** (``exl4``): one line in `_METHOD_WORDS`.

A card is untrusted, and only its publisher's own branches count: a table copied from elsewhere, the original model card
quoted below, folders, files and other repos give no row. `quantpick.core.card.markdown` reads the Markdown; no text
makes either module raise, and the limits below keep both linear in the text.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from quantpick.core.branch_name import UnknownName, read_branch_name
from quantpick.core.card.markdown import (
    SUMMARY,
    Block,
    Cells,
    DetailsEnd,
    Fence,
    Heading,
    Inline,
    Table,
    Text,
    is_git_ref,
    read_document,
    read_hub_url,
    read_inline,
    split_item,
    split_row,
)
from quantpick.core.quant import NO_GROUP, BranchWarning, Method, QuantFacts
from quantpick.core.units import GIB, MIB

_MAX_TABLES: Final = 500
_MAX_ROWS: Final = 500
_MAX_COLUMNS: Final = 40
_MAX_LINES: Final = 2000
_MAX_CHARACTERS: Final = 1_000_000
"""So many tables of a card, rows of a table, columns of a row, and lines and characters that could list branches are
read: far more than any real card has."""
_ABSURD_BYTES: Final = 10**13
"""10 TB. Above this a "GB" is a byte count: one publisher's script printed 35332232264.00 GB for 35.33 GB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRow:
    """One branch as one row of the card describes it.

    Args:
        branch: the git branch; from the link where there is one, not from the label.
        facts: what the row says, also where it is wrong.
        size_bytes: bytes of the files; None if unknown or absurd.
        exllama: whether it loads in ExLlama.
        description: the row's words: links as labels, emphasis as written.
        vram_bytes: bytes of VRAM for a context as the card writes it (``"4k"``, ``"8K"``); empty if it says nothing.
        made_with: the tool that quantized it.
    """

    branch: str
    facts: QuantFacts
    size_bytes: int | None = None
    exllama: bool | None = None
    description: str | None = None
    vram_bytes: Mapping[str, int] = field(default_factory=dict)
    made_with: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """Another repo of the same model, what its name says of the method, and what the card calls it."""

    repo_id: str
    method: Method | None
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card says.

    Args:
        repo_id: whose card it is: as given, else as its own links and commands say.
        model_name: the model's name, without the quantization's.
        model_type: the architecture (``llama``), from the front matter.
        base_models: the repos it was made from, from the front matter.
        method: how the repo's weights are stored.
        rows: in the card's order; one branch has two rows where the card gives it two bit widths.
        siblings: other repos of the same model.
        warnings: ``absurd-size`` and ``card-mismatch`` (a row that contradicts itself).
    """

    repo_id: str | None
    model_name: str | None
    model_type: str | None
    base_models: tuple[str, ...]
    method: Method | None
    rows: tuple[CardRow, ...]
    siblings: tuple[Sibling, ...]
    warnings: tuple[BranchWarning, ...]


def read_card(text: str, *, repo_id: str | None = None) -> Card:
    r"""The branch table of a card, and what else it says of the repo. No text makes it raise.

    Args:
        text: the card, front matter included.
        repo_id: whose card it is, if that is known. Then only this repo's branches count, also under another owner's
            name or in another case (repos are renamed and cards are not); else the card's own links decide.

    >>> card = read_card("# Finch 7B - GPTQ\n| Branch | Bits | Size |\n|---|---|---|\n| main | 4 | 3.9 GB |")
    >>> card.method, card.model_name, card.rows[0].branch, card.rows[0].facts.bits, card.rows[0].size_bytes
    ('gptq', 'Finch 7B', 'main', 4, 3900000000)
    """
    document = read_document(text)
    blocks = _own_blocks(document.blocks)
    about = _About(document.front_matter, blocks, repo_id)
    found: list[_Found] = []
    for read_format in FORMATS:
        found = found or _once(about.own(list(read_format(blocks))))
    found = _without_folders(found, text)
    method = about.method or next((method for one in found if (method := _row_method(one.row))), None)
    return Card(
        repo_id=about.repo_id,
        model_name=about.model_name,
        model_type=next(iter(about.front.get("model_type", ())), None),
        base_models=about.base_models,
        method=method,
        rows=tuple(_with_method(one.row, method) for one in found),
        siblings=_siblings(about),
        warnings=tuple(warning for one in found for warning in _doubts(one)),
    )


# --- columns ----------------------------------------------------------------------------------------------------------

Reader = Callable[[Inline, str], Any]
"""A cell and its column's header to a value; None where the cell says nothing of the kind."""


@dataclass(frozen=True, slots=True)
class Column:
    """One kind of column.

    Args:
        field: what it tells: a field of `QuantFacts` or `CardRow`, or one that `_row` knows.
        headers: phrases, between commas; a header that holds one of them, word for word, is such a column.
        read: a cell's value.
        context: only if the header also names a context, like ``VRAM (16k)``.
    """

    field: str
    headers: str
    read: Reader
    context: bool = False

    def matches(self, header: str) -> bool:
        """Whether a header, as `_words` gives it, is this kind of column."""
        held = any(f" {phrase.strip()} " in header for phrase in self.headers.split(","))
        return held and (not self.context or bool(_CONTEXT.search(header)))


_CONTEXT: Final = re.compile(r"\b\d{1,4} ?k\b", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\d{1,9}(?:[._,]\d{1,6})?")
_SIZE: Final = re.compile(
    r"(\d{1,15}(?:[.,]\d{1,6})*)\s*([kmgt]i?b)?\b(?!\s*(?:of\s+)?v?ram|\s*(?:cards?|gpus?)\b)", re.I
)
_UNITS: Final = {
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": MIB,
    "gib": GIB,
    "tib": 2**40,
}
_YES: Final = ("yes", "true", "y", "✓", "✔", "✅", "☑", "是")
_NO: Final = ("no", "false", "n", "✗", "✘", "❌", "✖", "否")
_NOTHING: Final = ("", "-", "--", "—", "–", "?", "tbd", "tba", "n/a", "na", "none", "null")


def _read_branch(cell: Inline, header: str = "") -> str | None:
    """A branch name in a cell without a link; a note in brackets behind it ("still uploading") does not count."""
    name = re.split(r"\s+[*_]{0,2}\(", cell.plain, maxsplit=1)[0].strip(" *")
    return name if is_git_ref(name) and name.lower() not in _NOTHING and not cell.links else None


def _read_bits(cell: Inline, header: str) -> float | None:
    number = _NUMBER.search(cell.plain[:200])
    value = _number(number[0]) if number and not any(size[2] for size in _SIZE.finditer(cell.plain[:200])) else None
    return value if value is not None and 0 < value <= 32 else None


def _read_group(cell: Inline, header: str) -> int | None:
    """Weights per scale; `NO_GROUP` where the cell says that there is none."""
    text = cell.plain.casefold()
    if text.startswith(("none", "-1", "no group", "per channel", "channel")):
        return NO_GROUP
    number = re.match(r"(\d{1,5}) ?g?\b", text)
    return int(number[1]) if number and int(number[1]) > 8 else None


def _read_yes_no(cell: Inline, header: str) -> bool | None:
    text = cell.plain.casefold()
    word = re.split(r"[^\w]", text, maxsplit=1)[0] or text[:1]
    return True if word in _YES or text.startswith("✅") else False if word in _NO else None


def _read_fraction(cell: Inline, header: str) -> float | None:
    """Dampening: the "%" of the header is not meant, the one in a cell is."""
    number = re.fullmatch(r"(\d?\.?\d{1,6})( ?%)?", cell.plain)
    value = float(number[1]) / (100 if number[2] else 1) if number else 1.0
    return value if 0 < value < 1 else None


def _read_name(cell: Inline, header: str) -> str | None:
    """A name: of a data set or a tool. Not a number, a size, a yes or no, or a sentence."""
    text = cell.links[0].label.strip() if cell.links and cell.links[0].label else cell.plain
    if text.casefold() in _NOTHING + _YES + _NO or len(text) > 80 or re.fullmatch(r"[\d.,\s]+([kmgt]i?b)?", text, re.I):
        return None
    return text


def _read_tool(cell: Inline, header: str) -> str | None:
    """The name of a quantizing tool, by the looks of it: AutoGPTQ, GPTQ-for-LLaMa, exllamav2."""
    tool = re.fullmatch(r"[\w.-]{0,20}(?:gptq|awq|exllama|llama|transformers)[\w.-]{0,20}", cell.plain, re.IGNORECASE)
    return cell.plain if tool else None


def _read_tokens(cell: Inline, header: str) -> int | None:
    """A length in tokens: 4096, 4,096 or 4k."""
    match = re.match(r"(\d{1,3}(?:,\d{3})+|\d{1,8}) ?(k\b)?", cell.plain, re.IGNORECASE)
    value = int(match[1].replace(",", "")) * (1024 if match[2] else 1) if match else 0
    return value if value >= 64 else None


def _read_size(cell: Inline, header: str) -> int | None:
    """Bytes of "4.15 GB", or of "4.15" below a header that names the unit. GB is 10^9, as publishers mean it."""
    found = list(_SIZE.finditer(cell.plain[:200]))
    with_unit = next((one for one in found if one[2]), found[0] if found else None)
    return _size_bytes(with_unit, next((word for word in header.split() if word in _UNITS), None))


def _read_words(cell: Inline, header: str) -> str | None:
    return cell.text or None


COLUMNS: Final = (
    # Of two kinds that a header fits, and of two columns for one field, the upper one counts.
    Column("vram_bytes", "vram, size", _read_size, context=True),
    Column("group_size", "group size, groupsize, gs, group", _read_group),
    Column("size_bytes", "vram size, file size, model size, actual size", _read_size),
    Column(
        "unused", "vram, ram, context size, ctx size, cache size, vocab size, batch size, original size", _read_words
    ),
    Column("branch", "branch, revision, 分支", _read_branch),
    Column("desc_act", "act order, desc act, actorder", _read_yes_no),
    Column("damp_percent", "damp", _read_fraction),
    Column("dataset", "dataset, calibration", _read_name),
    Column("seq_len", "seq len, sequence length, seqlen, seq length", _read_tokens),
    Column("head_bits", "lm head, head bits, head bit, head, h bits", _read_bits),
    Column("bits", "actual bpw, actual bits, actual, final bpw, real bpw, measured bpw", _read_bits),
    Column("target_bits", "target", _read_bits),
    Column("bits", "bits, bpw, bitrate, 位元, 比特", _read_bits),
    Column("size_bytes", "size, filesize, gb, gib, mb, mib, 大小, 檔案大小", _read_size),
    Column("exllama", "exllama", _read_yes_no),
    Column("made_with", "made with, quantized with, quantised with", _read_name),
    Column("description", "desc, description, use, notes, note, comment, comments, method, 描述, 说明", _read_words),
)
"""What a header can say, and how its cells are read. A header that fits none is ignored."""

_TOOL: Final = Column("made_with", "", _read_tool)
"""The "Made With" cell of a row whose table has no such header."""
_RANKS: Final[Mapping[Column | None, int]] = {column: rank for rank, column in enumerate(COLUMNS)}
_NOT_QUANT: Final = {"branch", "description", "unused", "dataset", "seq_len", "made_with"}
_QUANT_FIELDS: Final = frozenset(column.field for column in COLUMNS) - _NOT_QUANT
"""The fields one of which a table must have to be about quantizations: checkpoints have branches and data sets too."""
_BRANCH_WORDS: Final = next(column.headers for column in COLUMNS if column.field == "branch").split(", ")


class _Head(NamedTuple):
    """A header cell: the kind of its column, if it is known, its words for `Column.matches`, and its text."""

    column: Column | None
    words: str
    text: str

    @property
    def field(self) -> str:
        return self.column.field if self.column else "unused"


def _heads(header: Cells) -> list[_Head]:
    texts = [read_inline(cell[:500]).plain for cell in header[:_MAX_COLUMNS]]
    words = [_words(text) for text in texts]
    kinds = [next((column for column in COLUMNS if column.matches(one)), None) for one in words]
    return [_Head(*parts) for parts in zip(kinds, words, texts, strict=True)]


def _words(header: str) -> str:
    """A header's words between single blanks, for `Column.matches`.

    >>> _words("Act Order (desc_act)"), _words("VRAM (4k)")
    (' act order desc act ', ' vram 4k ')
    """
    words = re.findall(r"[^\W_]+", header.casefold())
    return f" {' '.join(words)} "


def _align(cells: Sequence[Inline], heads: Sequence[_Head]) -> list[tuple[_Head, Inline]]:
    """Which cell stands under which header, in a row of another length than its header and with values out of place.

    The order is kept; as many cells as possible go where their kind of value belongs, and leftmost where that is open.
    A tool's name finds its place also without a header: rows of an older table lived on under a newer header.
    """
    heads = list(heads)
    if not any(head.field == "made_with" for head in heads):
        at = next((i for i, head in enumerate(heads) if head.field == "description"), len(heads))
        heads.insert(at, _Head(_TOOL, "", ""))
    gains = [[_gain(cell, head) for head in heads] for cell in cells]
    best = [[0] * (len(heads) + 1) for _ in range(len(cells) + 1)]
    for i in reversed(range(len(cells))):
        for j in reversed(range(len(heads))):
            taken = best[i + 1][j + 1] + gains[i][j] if gains[i][j] else 0
            best[i][j] = max(taken, best[i][j + 1], best[i + 1][j])
    placed: list[tuple[_Head, Inline]] = []
    i = j = 0
    while i < len(cells) and j < len(heads):
        if gains[i][j] and best[i][j] == best[i + 1][j + 1] + gains[i][j]:
            placed.append((heads[j], cells[i]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            i += 1
    return placed


def _gain(cell: Inline, head: _Head) -> int:
    """How well a cell stands under a header: 4 for a value of its kind, 2 for a description, 1 for anything unknown."""
    if head.column is None or head.field == "unused" or not cell.text:
        return 1
    if head.field == "branch" and cell.links:
        return 4
    return 0 if head.column.read(cell, head.words) is None else 2 if head.field == "description" else 4


# --- card formats -----------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Found:
    """A row, with what is needed to judge whose it is.

    Args:
        row: what it says.
        repo: the repo its link shows; None for plain text.
        group: the table or list it is from.
        labelled: whether a link's label says its bits.
        tabled: whether it is from a table.
        unsure: whether it could be a version or a precision just as well: a lone ``1.1`` or ``fp16``.
        absurd: the size as written, if no file can have it.
    """

    row: CardRow
    repo: str | None = None
    group: int = 0
    labelled: bool = False
    tabled: bool = False
    unsure: bool = False
    absurd: str = ""


def _branch_tables(blocks: Sequence[Block]) -> Iterator[_Found]:
    """Tables with a column for the branch, linked or plain."""
    for number, (table, prose) in enumerate(_tables(blocks)):
        heads = _heads(table.header)
        fields = {head.field for head in heads}
        if "branch" in fields:
            for cells in table.rows(_MAX_ROWS):
                one = _read_row(cells, heads, prose)
                if one and (fields & _QUANT_FIELDS or one.row.facts.bits):
                    one.group = number
                    yield one


def _links(blocks: Sequence[Block]) -> Iterator[_Found]:
    """Links to branches: in tables whose header does not say which is the branch, in lists, lines and headings."""
    budget = _Budget()
    for number, block in enumerate(blocks):
        if isinstance(block, Table):
            rows = [block.header, *block.rows(_MAX_ROWS)]
            lines = budget.spend(line for cells in rows if "tree/" in (line := "\n".join(cells)))
            heads = _heads(block.header) if lines else []
            read = [_read_row(tuple(line.split("\n")), heads, "", linked=True) for line in lines]
            found = [one for one in read if one and one.row.facts.bits]
        else:
            lines = budget.spend(line for line in _lines(block) if "tree/" in line)
            found = [one for line in lines for one in _read_linked_line(line)]
        for one in found:
            one.group = number
            yield one


def _names(blocks: Sequence[Block]) -> Iterator[_Found]:
    """Branch names without links: code spans and bare names that begin a line or item, or that fill a code fence."""
    told = any("branch" in line or "Branch" in line or "revision" in line for block in blocks for line in _lines(block))
    budget = _Budget()
    for block in blocks:
        if isinstance(block, Fence):
            names = [name for name in block.lines[:_MAX_ROWS] if name]
            rows = [CardRow(branch=name, facts=facts) for name in names if (facts := _name_facts(name))]
            yield from (_Found(row=row) for row in rows if len(rows) == len(names))
        else:
            lines = budget.spend(line for line in _lines(block) if any(mark in line for mark in _NAME_MARKS))
            yield from (one for line in lines if (one := _read_named_line(line, told)))


class _Budget:
    """How many more lines and characters of a card are read for one purpose."""

    def __init__(self) -> None:
        self.lines = _MAX_LINES
        self.characters = _MAX_CHARACTERS

    def spend(self, lines: Iterable[str]) -> list[str]:
        """The first of the lines, as far as the budget goes."""
        taken: list[str] = []
        for line in lines:
            if self.lines <= 0 or self.characters <= 0:
                break
            taken.append(line)
            self.lines -= 1
            self.characters -= len(line)
        return taken


FORMATS: Final = (_branch_tables, _links, _names)
"""The ways to list branches, the most explicit first. The first that finds branches of this repo is the card's: what a
later one would find in the same card (a list of links below the table) only repeats it."""


def _tables(blocks: Sequence[Block]) -> Iterator[tuple[Table, str]]:
    """The tables that could list branches, each with the sentences directly above and below it."""
    budget = _MAX_TABLES
    for index, block in enumerate(blocks):
        found: list[tuple[Table, str]] = []
        if isinstance(block, Table) and _may_list_branches(block.header):
            found = [(block, _prose_near(blocks, index))]
        elif isinstance(block, Text):
            found = [(table, "") for table in _unruled_tables(block.lines)]
        yield from found[:budget]
        budget -= len(found)
        if budget <= 0:
            return


def _may_list_branches(header: Cells) -> bool:
    text = " ".join(header[:_MAX_COLUMNS])[:5000].casefold()
    return any(word in text for word in _BRANCH_WORDS)


def _prose_near(blocks: Sequence[Block], index: int) -> str:
    above = blocks[index - 1] if index else None
    below = blocks[index + 1] if index + 1 < len(blocks) else None
    lines = above.lines[-3:] if isinstance(above, Text) else []
    lines = lines + (below.lines[:3] if isinstance(below, Text) else [])
    return " ".join(line[:500] for line in lines if not split_item(line)[0])


def _unruled_tables(lines: Sequence[str]) -> Iterator[Table]:
    """Tables that lost the row of dashes below their header: a rendered card, copied as text."""
    end = 0
    heads = [i for i, line in enumerate(lines) if "|" in line and _may_list_branches((line,))]
    for index in heads[:_MAX_TABLES]:
        fields = [head.field for head in _heads(split_row(lines[index][:5000])) if head.field != "unused"]
        if index >= end and "branch" in fields and len(fields) > 2:
            below = lines[index + 1 : index + 1 + _MAX_ROWS]
            below = below[: next((i for i, row in enumerate(below) if "|" not in row), len(below))]
            end = index + 1 + len(below)
            yield Table(split_row(lines[index]), below)


def _lines(block: Block) -> Sequence[str]:
    if isinstance(block, Heading):
        return [block.text]
    return block.lines if isinstance(block, Text) else ()


# --- one row, one line ------------------------------------------------------------------------------------------------

_VRAM_PROSE: Final = re.compile(r"\bvram\b.{0,80}\b(\d{1,4} ?k)\b|\b(\d{1,4} ?k)\b.{0,80}\bvram\b", re.IGNORECASE)
_NUMBER_TEXT: Final = r"(\d{1,2}(?:[._]\d{1,4})?)"
_BPW: Final = re.compile(
    rf"{_NUMBER_TEXT}[ _-]?(?:bpw|b/w|(?:decoder )?bits? ?(?:per|/) ?weight)|\bbpw[ :=_-]{{0,2}}{_NUMBER_TEXT}", re.I
)
_HEAD_BITS: Final = re.compile(
    r"(?:(?<![a-z])hb?|head(?:[ _-]?bits?)?)[ :=_-]{0,2}(\d{1,2})(?!\d)"
    r"|(\d{1,2})[ -]?bits?[ -](?:lm_?)?head|(\d{1,2}) (?:lm_?)?head[ -]bits?",
    re.IGNORECASE,
)
_BITS_WORD: Final = re.compile(rf"{_NUMBER_TEXT}[ -]?bits?\b(?![ -](?:lm_?)?head)", re.IGNORECASE)
_VERSION: Final = re.compile(r"\d+[._]\d+|")
_NAME_MARKS: Final = ("`", "bpw", "_H", "_h", "bit-", "main")
_EXPLICIT_NAME: Final = re.compile(r"bpw|gptq|awq|[-_]h\d|b\dh|\d_\d", re.IGNORECASE)
_NAME_LINE: Final = re.compile(r"[*_]{0,2}(?:`([^`\s]{1,200})`|([\w.+-]{1,60})(?=[*_]{0,2}\s*(?:[:(–—]|-\s|--|$)))")


def _read_row(cells: Cells, heads: Sequence[_Head], prose: str, *, linked: bool = False) -> _Found | None:
    """One row of a table; None where it shows no branch, or a branch that holds no quantization.

    Args:
        cells: as the author typed them.
        heads: the table's header.
        prose: the sentences around the table, which may say that its "Size" is VRAM.
        linked: whether only a link makes a branch.
    """
    read = [read_inline(cell) for cell in cells[:_MAX_COLUMNS]]
    placed = list(zip(heads, read, strict=False))
    if len(read) != len(heads) and not all(_gain(cell, head) for head, cell in placed):
        placed = _align(read, heads)
    branch, repo, label = _branch_in(placed, read, linked)
    if branch is None:
        return None
    values, vram = _values(placed, prose)
    said = _QUANT_FIELDS & values.keys()
    facts = _complete(_table_facts(values, heads), branch, label)
    if not said and not vram and facts.bits is None and (repo is None or any("measurement" in cell for cell in cells)):
        return None
    size, absurd = values.get("size_bytes"), ""
    if size is not None and size > _ABSURD_BYTES:
        absurd = next(cell.plain for head, cell in placed if head.field == "size_bytes" and head.column)
        size = None
    row = CardRow(
        branch=branch,
        facts=facts,
        size_bytes=size,
        exllama=values.get("exllama"),
        description=values.get("description"),
        vram_bytes=vram,
        made_with=values.get("made_with"),
    )
    return _Found(row=row, repo=repo, absurd=absurd, tabled=True)


def _branch_in(
    placed: Sequence[tuple[_Head, Inline]], read: Sequence[Inline], linked: bool
) -> tuple[str | None, str | None, str]:
    """The branch a row is about, the repo of its link, and its label."""
    cell = next((cell for head, cell in placed if head.field == "branch"), None)
    for one in [cell, *read] if cell else read:
        for link in one.links:
            url = read_hub_url(link.url)
            if url is not None and url.branch is not None:
                return url.branch, url.repo_id, link.label
    name = _read_branch(cell, "") if cell and not linked else None
    return name, None, name or ""


def _values(placed: Sequence[tuple[_Head, Inline]], prose: str) -> tuple[dict[str, Any], dict[str, int]]:
    """What the cells say, by field, and the VRAM by context; of two columns for one field the upper in `COLUMNS`."""
    values: dict[str, Any] = {}
    vram: dict[str, int] = {}
    is_vram = _VRAM_PROSE.search(prose)
    for head, cell in sorted(placed, key=lambda one: _RANKS.get(one[0].column, 0)):
        value = head.column.read(cell, head.words) if head.column else None
        context = _CONTEXT.search(head.text) if head.field == "vram_bytes" else None
        if head.field == "size_bytes" and head.words == " size " and is_vram:
            context = is_vram
        if value is None:
            continue
        if context:
            vram.setdefault(context[context.lastindex or 0], value)
        else:
            values.setdefault(head.field, value)
    return values, vram


def _table_facts(values: Mapping[str, Any], heads: Sequence[_Head]) -> QuantFacts:
    data_heads = [head.words for head in heads if head.field == "dataset"]
    return QuantFacts(
        method=next((method for words in data_heads if (method := _method_in(words))), None),
        bits=values.get("bits", values.get("target_bits")),
        head_bits=values.get("head_bits"),
        group_size=values.get("group_size"),
        desc_act=values.get("desc_act"),
        damp_percent=values.get("damp_percent"),
        dataset=values.get("dataset"),
        seq_len=values.get("seq_len"),
    )


def _complete(facts: QuantFacts, branch: str, label: str) -> QuantFacts:
    """The facts of a row with the bits and head bits that only its label or branch name tells."""
    named = read_branch_name(branch)
    bits, head_bits = _bits_in(label), _head_bits_in(label)
    if not isinstance(named, UnknownName):
        bits = named.bits if bits is None else bits
        head_bits = named.head_bits if head_bits is None else head_bits
    return replace(
        facts,
        bits=bits if facts.bits is None else facts.bits,
        head_bits=head_bits if facts.head_bits is None else facts.head_bits,
    )


def _read_linked_line(line: str) -> Iterator[_Found]:
    """The branches a line links to, with what stands behind each link; a link that says no bits is no quantization."""
    inline = read_inline(split_item(line)[1])
    urls = [(read_hub_url(link.url), link) for link in inline.links[:_MAX_ROWS]]
    links = [(url, link) for url, link in urls if url is not None and url.branch is not None]
    before = 0
    for index, (url, link) in enumerate(links):
        end = links[index + 1][1].start if index + 1 < len(links) else len(inline.text)
        behind = inline.text[link.end : min(end, link.end + 200)]
        label = link.label or inline.text[max(before, link.start - 100) : link.start]
        before = link.end
        facts = _link_facts(url.branch or "", label, behind)
        if facts.bits is not None:
            size = _size_behind(label, behind)
            row = CardRow(branch=url.branch or "", facts=facts, size_bytes=size)
            unsure = facts.method == "none" or (_VERSION.fullmatch(label) and _VERSION.fullmatch(row.branch))
            yield _Found(row=row, repo=url.repo_id, labelled=_bits_in(label) is not None, unsure=bool(unsure))


def _link_facts(branch: str, label: str, behind: str) -> QuantFacts:
    """What a link's label says, else the branch's name, else the words behind the link."""
    named = read_branch_name(branch)
    facts = QuantFacts() if isinstance(named, UnknownName) else named
    bits, head_bits = _bits_in(label), _head_bits_in(label)
    if bits is None and facts.bits is None and "measurement" not in behind:
        bits = _explicit_bits_in(behind)
    return replace(
        facts,
        bits=facts.bits if bits is None else bits,
        head_bits=head_bits or facts.head_bits or _head_bits_in(behind),
    )


def _size_behind(label: str, behind: str) -> int | None:
    """The size directly behind a link, or in its label: "86.376 GiB", "(12 GB)". Not "fits 24 GB"."""
    direct = re.match(r"[\s\-–—:(|,~≈*]*(?=\d)", behind)
    match = _SIZE.match(behind, direct.end()) if direct else _SIZE.search(label)
    return _size_bytes(match, None) if match and match[2] else None


def _read_named_line(line: str, told: bool) -> _Found | None:
    """The branch a line or item begins with; a bare name needs a card that speaks of branches, or a full grammar."""
    item, raw = split_item(line)
    raw = read_inline(raw).plain if raw.startswith("<") else raw
    match = _NAME_LINE.match(raw)
    if match is None:
        return None
    name = match[1] or match[2]
    rest = raw[match.end() : match.end() + 200]
    facts = _name_facts(name)
    if facts is None and (match[1] or told) and item and name == "main" and "measurement" not in rest:
        facts = QuantFacts(bits=_explicit_bits_in(rest), head_bits=_head_bits_in(rest))
    if facts is None or facts.bits is None or _shows_other_repo(raw):
        return None
    if match[2] and not told and facts.head_bits is None and facts.group_size is None:
        return None
    if match[1] and not item and not re.match(r"[*_]{0,2}\s*(?:[:(–—,|]|-|$)", rest):
        return None
    return _Found(row=CardRow(branch=name, facts=replace(facts, head_bits=facts.head_bits or _head_bits_in(rest))))


def _shows_other_repo(raw: str) -> bool:
    urls = [read_hub_url(link.url) for link in read_inline(raw).links[:_MAX_ROWS]] if "hugg" in raw else []
    return any(url is not None and url.branch is None for url in urls)


def _name_facts(name: str) -> QuantFacts | None:
    """What a branch's name says, if it can be nothing but a branch's name: not ``8bit``, ``1.1`` or ``Q4_K_M``."""
    facts = read_branch_name(name) if _EXPLICIT_NAME.search(name) and is_git_ref(name) else None
    return facts if isinstance(facts, QuantFacts) and facts.method not in ("gguf", "none") else None


def _explicit_bits_in(text: str) -> float | None:
    match = _BPW.search(text)
    return _number(match[1] or match[2]) if match else None


def _bits_in(label: str) -> float | None:
    """The bits a label names.

    >>> [_bits_in(label) for label in ("2.06 bpw h6", "4_25", "2.5_H6", "8 bits, 6bit lm_head", "main")]
    [2.06, 4.25, 2.5, 8, None]
    """
    bits = _explicit_bits_in(label)
    if bits is None:
        named = read_branch_name(label.strip("*_~` "))
        bits = None if isinstance(named, UnknownName) else named.bits
    if bits is None and (match := _BITS_WORD.search(label)):
        bits = _number(match[1])
    return bits if bits is not None and 0 < bits <= 32 else None


def _head_bits_in(text: str) -> float | None:
    """The bits of the output head that a label names.

    >>> [_head_bits_in(text) for text in ("8bpw h8", "2.25bpw, 6bit lm_head", "4.0bpw_H6", "6 head bits", "on an H100")]
    [8, 6, 6, 6, None]
    """
    match = _HEAD_BITS.search(text)
    return int(match[1] or match[2] or match[3]) if match else None


def _number(text: str) -> float:
    """``4.25``, ``4,25`` and ``4_25`` as 4.25; whole numbers stay int, as in the files."""
    text = text.replace("_", ".").replace(",", ".")
    return float(text) if "." in text else int(text)


def _size_bytes(match: re.Match[str] | None, header_unit: str | None) -> int | None:
    unit = (match[2] or header_unit or "").lower() if match else ""
    if match is None or not unit:
        return None
    digits = match[1]
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    whole, _, fraction = digits.replace(",", ".").partition(".")
    if not fraction.isdigit() and fraction:
        return None
    return int(whole + fraction) * _UNITS[unit] // 10 ** len(fraction) or None


# --- whose branches ---------------------------------------------------------------------------------------------------

_ORIGINAL_CARD: Final = re.compile(
    r"\boriginal\b.{0,60}\b(?:card|read ?me|description)\b|\b(?:card|read ?me)\b.{0,30}\boriginal\b|原始?模型卡",
    re.IGNORECASE,
)
_METHOD_WORDS: Final[Mapping[str, Method]] = {
    "gptq": "gptq",
    "awq": "awq",
    "exl2": "exl2",
    "exllamav2": "exl2",
    "exl3": "exl3",
    "exllamav3": "exl3",
    "gguf": "gguf",
    "ggml": "gguf",
}
_QUANTIZED: Final = ("gptq", "awq", "exl2", "exl3")
_MADE_HERE: Final = re.compile(
    r"\b(?:gptq|awq|exl[23]|exllama\S{0,3}(?: v[23])?)\b.{0,30}\bquant\w* (?:of|for)\b"
    r"|\bquant\w*\b.{0,60}\b(?:using|with|to|by)\b.{0,60}\b(?:exllama|exl[23]|auto-?gptq|gptqmodel|auto-?awq)"
    r"|\bcontains?\b.{0,20}\b(?:gptq|awq|exl[23])\b",
    re.IGNORECASE,
)
"""How a quantizer's card says that it is one; the author's own card speaks of "EXL2 quants: [link]" instead."""
_COMMAND: Final = re.compile(
    r"""(?:\bdownload |\bclone\b.{0,80}\bhuggingface\.co/|_name_or_path ?= ?["']|^ ?--model )([\w-][\w.-]*/[\w.-]+)"""
)
_QUANT_SUFFIX: Final = re.compile(
    r"(?:[-_. ]+(?:\d+(?:[._]\d+)?[-_]?bpw|bpw[-_]?\d+(?:\.\d+)?|h\d{1,2}|exl[23]|exllamav[23]|gptq|awq|gguf|ggml|i1|hf"
    r"|fp16|bf16|int[2-8]|[2-8][-_]?bits?|w\da\d+|\d+g|quants?|quantized|imat))+$",
    re.IGNORECASE,
)


def _own_blocks(blocks: Sequence[Block]) -> list[Block]:
    """The blocks that the publisher wrote: all above a quoted original model card, and below it if it is collapsed."""
    own: list[Block] = []
    depth = 0
    for block in blocks:
        is_summary = isinstance(block, Heading) and block.level == SUMMARY
        if depth:
            depth += 1 if is_summary else -1 if isinstance(block, DetailsEnd) else 0
        elif isinstance(block, Heading) and _ORIGINAL_CARD.search(block.text[:300]):
            if not is_summary:
                break
            depth = 1
        elif isinstance(block, Text) and (cut := _quote_start(block.lines)) is not None:
            own.append(Text(block.lines[:cut]))
            break
        else:
            own.append(block)
    return own


def _quote_start(lines: Sequence[str]) -> int | None:
    """The bold line that stands in for the heading of a quoted card."""
    bold = (
        i for i, line in enumerate(lines) if line.startswith("**") and len(line) < 200 and line.endswith(("**", ":"))
    )
    return next((i for i in bold if _ORIGINAL_CARD.search(lines[i])), None)


class _About:
    """What the whole card says: whose it is, of which model, quantized how."""

    def __init__(self, front: Mapping[str, Cells], blocks: Sequence[Block], repo_id: str | None) -> None:
        self.front = front
        self.given = repo_id
        self.title = next(
            (read_inline(b.text[:500]).plain for b in blocks if isinstance(b, Heading) and b.level < SUMMARY), ""
        )
        lines = (line for block in blocks[:40] for line in _lines(block)[:40])
        self.introduction = next((match[0] for line in lines if (match := _MADE_HERE.search(line[:1000]))), "")
        self.commands = Counter(_commands(blocks))
        self.base_models = tuple(base.removeprefix("https://huggingface.co/") for base in front.get("base_model", ()))
        self.repo_links = list(_repo_links(blocks))
        self.repo_id = repo_id or next((repo for repo, _ in self.commands.most_common(1)), None)

    @property
    def method(self) -> Method | None:
        """How the weights are stored: the repo's name, else the front matter, the title, the introduction."""
        words = [*self.front.get("tags", ()), *self.front.get("library_name", ())]
        name = (self.repo_id or "").rpartition("/")[2]
        return next(
            filter(None, [_method_in(name, last=True), *map(_method_in, (*words, self.title, self.introduction))]), None
        )

    @property
    def model_name(self) -> str | None:
        """The front matter's, else the title's if it names a model, else the repo's without the quantization's."""
        named = self.front.get("model_name", ())
        known = [_stem(name.rpartition("/")[2]) for name in (self.repo_id or "", *self.base_models) if name]
        title = _model_in(self.title)
        if any(_alike(title, name) for name in known) or (not self.repo_id and re.search(r"\d", title)):
            named = (*named, title)
        return next(filter(None, (*named, *known)), None)

    def own(self, found: list[_Found]) -> list[_Found]:
        """Of the rows found, those about this repo's branches."""
        linked = Counter(one.repo for one in found if one.repo)
        if len(linked) > 1 and all(one.row.branch == "main" for one in found):
            return []  # one repo per quantization, each shown by its main branch
        tabled = Counter(one.repo for one in found if one.repo and one.tabled)
        accepted = self._accept_inferred(tabled or linked) if self.given is None else _accept_given(linked, self.given)
        if not linked and self.given and self.commands and not _accept_given(self.commands, self.given):
            return []
        found = [
            one for one in found if not one.unsure or _method_in((one.repo or "").rpartition("/")[2]) in _QUANTIZED
        ]
        foreign = {one.group for one in found if one.repo} - {one.group for one in found if one.repo in accepted}
        return [one for one in found if one.repo in accepted or (one.repo is None and one.group not in foreign)]

    def _accept_inferred(self, linked: Counter[str]) -> set[str]:
        """The repo that the card's branch links show most, in any case; none if they show somebody else's."""
        if not linked:
            return set()
        counts = Counter(repo.casefold() for repo in linked.elements())
        titles = {_plain(self.title), _plain(_model_in(self.title))}
        names = {repo: repo.rpartition("/")[2] for repo in counts}
        own = max(
            counts, key=lambda repo: (bool(titles & {_plain(names[repo]), _plain(_stem(names[repo]))}), counts[repo])
        )
        spelling = next(repo for repo in linked if repo.casefold() == own)
        if self._is_somebody_elses(spelling):
            return set()
        self.repo_id = spelling
        return {repo for repo in linked if repo.casefold() == own}

    def _is_somebody_elses(self, repo: str) -> bool:
        """Whether an author's card points at somebody's quantizations of the author's model.

        A quantizer's card says in some way that it is one, the author's does not. The author names as base model what
        the model was made from, and the linked repo is not named after that; or other formats by others are beside it.
        """
        owner, _, name = repo.partition("/")
        if self._is_quantizers(repo):
            return False
        if self.base_models:
            return not any(_alike(_stem(name), base.rpartition("/")[2]) for base in self.base_models)
        others = {url for _, url, _ in self.repo_links if url.partition("/")[0].casefold() != owner.casefold()}
        return any(_method_in(url.rpartition("/")[2], last=True) not in (None, _method_in(name)) for url in others)

    def _is_quantizers(self, repo: str) -> bool:
        words = [*self.front.get("tags", ()), *self.front.get("library_name", ()), self.title]
        return (
            bool(self.introduction)
            or "quantized_by" in self.front
            or "quantized" in self.front.get("base_model_relation", ())
            or any(_method_in(word) in _QUANTIZED for word in words)
            or any(command.casefold() == repo.casefold() for command in self.commands)
        )


def _accept_given(linked: Counter[str], given: str) -> set[str]:
    """The linked repos that are the given one: the same name under any owner, or the only one and nearly its name."""
    same = {repo for repo in linked if _plain(repo.rpartition("/")[2]) == _plain(given.rpartition("/")[2])}
    if not same and len(linked) == 1:
        same = {repo for repo in linked if _is_mistyped(repo.casefold(), given.casefold())}
    return same


def _is_mistyped(repo: str, given: str) -> bool:
    """Whether one name of one owner's is the other less a word: the publisher copied a link and missed a word.

    >>> _is_mistyped("owner/finch-7b-exl2", "owner/finch-7b-chat-exl2")
    True
    >>> _is_mistyped("owner/finch-7b-exl2", "owner/finch-13b-exl2"), _is_mistyped("x/finch-exl2", "y/finch-chat-exl2")
    (False, False)
    """
    one, other = (set(re.split(r"[^a-z0-9]+", name.rpartition("/")[2])) for name in (repo, given))
    return repo.partition("/")[0] == given.partition("/")[0] and (one <= other or other <= one)


def _commands(blocks: Sequence[Block]) -> Iterator[str]:
    """The quantized repos that the card's download commands name."""
    for block in blocks:
        if isinstance(block, Fence):
            for line in block.lines[:200]:
                yield from (match[1] for match in _COMMAND.finditer(line[:500]) if _stem(match[1]) != match[1])


def _plain(name: str) -> str:
    """A name's letters and digits, to compare names."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _stem(name: str) -> str:
    """A repo's name without what says how it is quantized.

    >>> _stem("Finch-7B-GPTQ"), _stem("Finch-7B-4_25bpw_exl2"), _stem("Finch-7B-8.0bpw-h8-exl2"), _stem("Finch-7B")
    ('Finch-7B', 'Finch-7B', 'Finch-7B', 'Finch-7B')
    """
    return _QUANT_SUFFIX.sub("", name[:200])


def _alike(name: str, other: str) -> bool:
    """Whether two names are of one model: one holds the other, letters and digits compared."""
    one, two = _plain(name), _plain(other)
    return len(one) > 3 and len(two) > 3 and (one in two or two in one)


def _method_in(text: str, *, last: bool = False) -> Method | None:
    """The method a text names, the first one or the last.

    >>> _method_in("Exllama v2 Quantizations of Finch"), _method_in("Finch-AWQ-exl3", last=True), _method_in("Finch")
    ('exl2', 'exl3', None)
    """
    words = re.findall(r"[^\W_]+", re.sub(r"exllama[ -]v", "exllamav", text[:1000].casefold()))
    found = [_METHOD_WORDS[word] for word in words if word in _METHOD_WORDS]
    return found[-1 if last else 0] if found else None


def _model_in(title: str) -> str:
    """The model a title names.

    >>> _model_in("Finch 7B - GPTQ"), _model_in("Exllama v2 Quantizations of Finch-7B"), _model_in("EXL3 quants of o/F")
    ('Finch 7B', 'Finch-7B', 'F')
    """
    title = re.sub(r"^\W+", "", title)
    title = re.sub(r"^.{0,60}\bquant\w*\s+(?:of|for)\s+", "", title[:300], flags=re.IGNORECASE)
    title = re.sub(r"[\s\-–_(]*\b(?:gptq|awq|exl[23]|gguf|exllama\S*)\b.*$", "", title, flags=re.IGNORECASE)
    return _stem(title.strip().rpartition("/")[2]).strip(" -–_:")


def _once(found: Sequence[_Found]) -> list[_Found]:
    """Each branch once, the first time it is described; again only where a link's label gives it other bits."""
    seen: dict[str, set[float | None]] = {}
    kept: list[_Found] = []
    for one in found:
        known = seen.setdefault(one.row.branch, set())
        if not known or (one.labelled and one.row.facts.bits not in known):
            kept.append(one)
        known.add(one.row.facts.bits)
    return kept


def _row_method(row: CardRow) -> Method | None:
    named = read_branch_name(row.branch)
    return row.facts.method or (None if isinstance(named, UnknownName) else named.method)


def _with_method(row: CardRow, method: Method | None) -> CardRow:
    return row if row.facts.method or not method else replace(row, facts=replace(row.facts, method=method))


_FOLDER: Final = re.compile(r"tree/main/([\w.+-]{1,100})|--include[ =]+[\"']?([\w.+-]{1,100})/")


def _without_folders(found: list[_Found], text: str) -> list[_Found]:
    """The rows less unlinked names that the card shows elsewhere to be folders of ``main``."""
    if all(one.repo for one in found):
        return found
    folders = {match[1] or match[2] for match in _FOLDER.finditer(text)}
    return [one for one in found if one.repo or one.row.branch not in folders]


# --- warnings ---------------------------------------------------------------------------------------------------------

_TOLD_GROUP: Final = re.compile(r"\bgroup[ -]?size(?: of)? (\d{1,4}) ?g?\b|\b(no group[ -]?size)", re.IGNORECASE)
_TOLD_BITS: Final = re.compile(r"(\d{1,2})-bits?\b", re.IGNORECASE)


def _doubts(found: _Found) -> Iterator[BranchWarning]:
    """What a row says that cannot be, and where its description contradicts its cells."""
    row = found.row
    if found.absurd:
        message = f"the card gives it a size of `{found.absurd}`, which no file has: its size counts as unknown"
        yield BranchWarning("absurd-size", row.branch, message)
    text = row.description or ""
    told_group = _TOLD_GROUP.search(text)
    told = (int(told_group[1]) if told_group[1] else NO_GROUP) if told_group else None
    if told is not None and row.facts.group_size not in (None, told):
        yield _mismatch(row.branch, "group size", _group_text(row.facts.group_size), _group_text(told))
    told_bits = _TOLD_BITS.match(text)
    if told_bits and row.facts.bits is not None and row.facts.bits != int(told_bits[1]):
        yield _mismatch(row.branch, "bits", f"{row.facts.bits:g}", told_bits[1])


def _mismatch(branch: str, what: str, cell: str, told: str) -> BranchWarning:
    message = f"the card's row says {what} `{cell}`, its description says `{told}`"
    return BranchWarning("card-mismatch", branch, message)


def _group_text(group_size: int | None) -> str:
    return "none" if group_size == NO_GROUP else str(group_size)


# --- siblings ---------------------------------------------------------------------------------------------------------


def _siblings(about: _About) -> tuple[Sibling, ...]:
    """Other repos of the same model: all below "Repositories available", elsewhere those named after the model."""
    listed: dict[str, tuple[str, bool]] = {}
    for label, repo, available in about.repo_links:
        if available or repo not in listed:
            listed[repo] = (label, available)
    stem = _plain(_stem((about.repo_id or "").rpartition("/")[2]) or about.model_name or "")
    stem = stem if about.repo_id or about.model_name else _family(list(listed))
    own = (about.repo_id or "").casefold()
    return tuple(
        Sibling(repo_id=repo, method=_sibling_method(repo, label), label=label or repo)
        for repo, (label, available) in listed.items()
        if repo.casefold() != own and (available or _is_family(repo, stem))
    )


def _repo_links(blocks: Sequence[Block]) -> Iterator[tuple[str, str, bool]]:
    """Label and repo of each link to a repo's main branch, and whether it stands below "Repositories available"."""
    available = False
    budget = _Budget()
    for block in blocks:
        if isinstance(block, Heading):
            available = "repositories available" in block.text[:200].casefold()
        lines = [" ".join(cells) for cells in block.rows(_MAX_ROWS)] if isinstance(block, Table) else _lines(block)
        lines = budget.spend(line for line in lines if "hugg" in line or "hf.co" in line or "](/" in line)
        for inline in map(read_inline, lines):
            for link in inline.links[:_MAX_ROWS]:
                url = read_hub_url(link.url)
                if url is not None and url.repo_id and url.branch in (None, "main"):
                    before = inline.text[max(link.start - 60, 0) : link.start].strip(" *-:|")
                    yield link.label or before, url.repo_id, available


def _family(repos: Sequence[str]) -> str:
    """What several quantized repos of one list are named after, if the card names no model itself."""
    names = [repo.rpartition("/")[2] for repo in repos]
    stems = Counter(_plain(_stem(name)) for name in names if _stem(name) != name)
    return next((stem for stem, count in stems.most_common(1) if count > 1), "")


def _is_family(repo: str, stem: str) -> bool:
    """Whether a repo is of the model: named like it, or the model like owner and name (``A_Finch`` of ``A/Finch``)."""
    name = _plain(_stem(repo.rpartition("/")[2]))
    return len(stem) > 3 and stem in (name, _plain(repo.partition("/")[0]) + name)


def _sibling_method(repo: str, label: str) -> Method | None:
    """From the repo's name; ``none`` (16-bit) if nothing in it speaks of a quantization, or the label denies one."""
    name = repo.rpartition("/")[2]
    method = _method_in(name, last=True)
    if method is None and (_stem(name) == name or re.search(r"unquanti[sz]ed|fp16|float16|-hf$", label + name, re.I)):
        return "none"
    return method
