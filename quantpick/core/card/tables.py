"""Branches in tables: which tables list some, and one row of such a table."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any, Final

from quantpick.core.branch_name import UnknownName, read_branch_name
from quantpick.core.card.cells import read_branch
from quantpick.core.card.columns import (
    BRANCH,
    BRANCH_WORDS,
    CONTEXT,
    QUANT_FIELDS,
    RANKS,
    Head,
    align_cells,
    gain_of,
    read_heads,
)
from quantpick.core.card.figures import bits_in, head_bits_in
from quantpick.core.card.inline import Inline, read_inline
from quantpick.core.card.limits import MAX_COLUMNS, MAX_LINES, MAX_ROWS, MAX_TABLES
from quantpick.core.card.markdown import Block, Cells, Fence, Heading, Table, Text, split_item, split_row
from quantpick.core.card.quality import row_quality
from quantpick.core.card.rows import CardRow, Found
from quantpick.core.hub_url import read_hub_url
from quantpick.core.methods import IN_BRANCHES, Method, method_in
from quantpick.core.quant import QuantFacts

_ABSURD_BYTES: Final = 10**13
"""10 TB. Above this a "GB" is a byte count: one publisher's script printed 35332232264.00 GB for 35.33 GB."""


def branch_tables(blocks: Sequence[Block]) -> Iterator[Found]:
    """Tables with a column for the branch, linked or plain."""
    for number, (table, prose, near) in enumerate(_tables(blocks)):
        heads = read_heads(table.header)
        fields = {head.field for head in heads}
        if "branch" in fields:
            for cells in table.rows(MAX_ROWS):
                one = read_row(cells, heads, prose)
                if one and not _is_caption(one, cells) and (fields & QUANT_FIELDS or _says_quantization(one)):
                    one.group, one.near = number, near
                    yield one


def named_tables(blocks: Sequence[Block]) -> Iterator[Found]:
    """Tables of sizes whose first column has no header that says so, and holds branch names: ``Quant | Size (GB)``.

    So reads a table of links once it was copied from the rendered page.
    """
    for number, (block, near) in enumerate(zip(blocks, nearest_methods(blocks), strict=True)):
        heads = read_heads(block.header) if isinstance(block, Table) else []
        if (
            not heads
            or heads[0].field in ("branch", "size_bytes")
            or "size_bytes" not in {head.field for head in heads}
        ):
            continue
        heads[0] = heads[0]._replace(column=BRANCH)
        for cells in block.rows(MAX_ROWS) if isinstance(block, Table) else ():
            one = None if "://" in "".join(cells) else read_row(cells, heads, "")
            if one and _EXPLICIT.search(one.row.branch) and _says_quantization(one):
                one.group, one.near = number, near
                yield one


_EXPLICIT: Final = re.compile(r"bpw|actorder|^gptq-\d", re.IGNORECASE)
_VERSION: Final = re.compile(r"\d+\.\d+")


def _says_quantization(one: Found) -> bool:
    """Whether a row says a quantization where no column is about one: not the version ``1.1`` without a link."""
    if one.repo is None and _VERSION.fullmatch(one.row.branch):
        return False
    named = read_branch_name(one.row.branch)
    return bool(one.row.facts.bits) or (not isinstance(named, UnknownName) and named.method in IN_BRANCHES)


def _is_caption(one: Found, cells: Cells) -> bool:
    """Whether a row is a title within the table: ``| **4-bit** | | |``."""
    return one.repo is None and not any(cells[1:]) and len(cells) > 2 and not _EXPLICIT.search(one.row.branch)


def nearest_methods(blocks: Sequence[Block]) -> Iterator[Method | None]:
    """For each block the method that the nearest heading above it names, or one that this stands under."""
    named: dict[int, Method | None] = {}
    turns = iter(range(MAX_LINES))
    for block in blocks:
        if isinstance(block, Heading) and next(turns, None) is not None:
            named = {level: method for level, method in named.items() if level < block.level}
            named[block.level] = only_method_in(block.text)
        yield next((method for method in reversed(named.values()) if method), None)


def only_method_in(text: str) -> Method | None:
    """The method that a text names; None where it names two, or one whose quantizations are no branches.

    >>> only_method_in("EXL2 quants"), only_method_in("GPTQ and AWQ"), only_method_in("GGUF")
    ('exl2', None, None)
    """
    method = method_in(text)
    return method if method in IN_BRANCHES and method == method_in(text, last=True) else None


def _tables(blocks: Sequence[Block]) -> Iterator[tuple[Table, str, Method | None]]:
    """The tables that could list branches, each with the sentences and the method that stand near it."""
    budget = MAX_TABLES
    for index, (block, near) in enumerate(zip(blocks, nearest_methods(blocks), strict=True)):
        found: list[tuple[Table, str, Method | None]] = []
        if isinstance(block, Table) and _may_list_branches(block.header):
            found = [(_upright(block), _prose_near(blocks, index), near)]
        elif isinstance(block, (Text, Fence)):
            found = [(table, "", near) for table in _unruled_tables(block.lines)]
        yield from found[:budget]
        budget -= len(found)
        if budget <= 0:
            return


def _upright(table: Table) -> Table:
    """A table whose first row are branches and whose first column are headers, turned; any other as it is."""
    first, *others = read_heads(table.header) or (Head(None, "", ""),)
    if first.field != "branch" or not others or any(head.column for head in others):
        return table
    rows = [row for row in table.rows(MAX_COLUMNS) if row]
    if sum(head.field in QUANT_FIELDS for head in read_heads(tuple(row[0] for row in rows))) < 2:
        return table
    turned = zip_longest(table.header, *rows, fillvalue="")
    header, *lines = (tuple(cells) for cells in turned)
    return Table(header, split=lines)


def _may_list_branches(header: Cells) -> bool:
    text = " ".join(header[:MAX_COLUMNS])[:5000].casefold()
    return any(word in text for word in BRANCH_WORDS)


def _prose_near(blocks: Sequence[Block], index: int) -> str:
    above = blocks[index - 1] if index else None
    below = blocks[index + 1] if index + 1 < len(blocks) else None
    lines = above.lines[-3:] if isinstance(above, Text) else []
    lines = lines + (below.lines[:3] if isinstance(below, Text) else [])
    return " ".join(line[:500] for line in lines if not split_item(line)[0])


def _unruled_tables(lines: Sequence[str]) -> Iterator[Table]:
    """Tables in a code fence, or without dashes below the header: a rendered card, copied as text, with tabs or not."""
    end = 0
    heads = [i for i, line in enumerate(lines) if ("|" in line or "\t" in line) and _may_list_branches((line,))]
    for index in heads[:MAX_TABLES]:
        mark = "|" if "|" in lines[index] else "\t"
        header = _split_unruled(lines[index][:5000], mark)
        fields = [head.field for head in read_heads(header) if head.field != "unused"]
        if index >= end and "branch" in fields and len(fields) > 2:
            below = lines[index + 1 : index + 1 + MAX_ROWS]
            below = below[: next((i for i, row in enumerate(below) if mark not in row), len(below))]
            end = index + 1 + len(below)
            yield Table(header, split=[_split_unruled(row, mark) for row in below])


def _split_unruled(line: str, mark: str) -> Cells:
    return split_row(line) if mark == "|" else tuple(cell.strip() for cell in line.split(mark))


_VRAM_PROSE: Final = re.compile(r"\bvram\b.{0,80}\b(\d{1,4} ?k)\b|\b(\d{1,4} ?k)\b.{0,80}\bvram\b", re.IGNORECASE)


def read_row(cells: Cells, heads: Sequence[Head], prose: str, *, linked: bool = False) -> Found | None:
    """One row of a table; None where it shows no branch, or a branch that holds no quantization.

    Args:
        cells: as the author typed them.
        heads: the table's header.
        prose: the sentences around the table, which may say that its "Size" is VRAM.
        linked: whether only a link makes a branch.
    """
    read = [read_inline(cell) for cell in cells[:MAX_COLUMNS]]
    placed = list(zip(heads, read, strict=False))
    if len(read) != len(heads) and not all(gain_of(cell, head) for head, cell in placed):
        placed = align_cells(read, heads)
    branch, repo, label = _branch_in(placed, read, linked)
    if branch is None:
        return None
    values, vram = _values(placed, prose)
    said = QUANT_FIELDS & values.keys()
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
        quality=row_quality(placed),
    )
    return Found(row=row, repo=repo, absurd=absurd, tabled=True)


def _branch_in(
    placed: Sequence[tuple[Head, Inline]], read: Sequence[Inline], linked: bool
) -> tuple[str | None, str | None, str]:
    """The branch a row is about, the repo of its link, and its label."""
    cell = next((cell for head, cell in placed if head.field == "branch"), None)
    for one in [cell, *read] if cell else read:
        for link in one.links:
            url = read_hub_url(link.url)
            if url is not None and url.branch is not None:
                return url.branch, url.repo_id, link.label
    name = read_branch(cell, "") if cell and not linked else None
    return name, None, name or ""


def _values(placed: Sequence[tuple[Head, Inline]], prose: str) -> tuple[dict[str, Any], dict[str, int]]:
    """What the cells say, by field, and the VRAM by context; of two columns for one field the upper in `COLUMNS`."""
    values: dict[str, Any] = {}
    vram: dict[str, int] = {}
    is_vram = _VRAM_PROSE.search(prose)
    for head, cell in sorted(placed, key=lambda one: RANKS.get(one[0].column, 0)):
        value = head.column.read(cell, head.words) if head.column else None
        context = CONTEXT.search(head.text) if head.field == "vram_bytes" else None
        if head.field == "size_bytes" and head.words == " size " and is_vram:
            context = is_vram
        if value is None:
            continue
        if context:
            vram.setdefault(context[context.lastindex or 0], value)
        else:
            values.setdefault(head.field, value)
    return values, vram


def _table_facts(values: Mapping[str, Any], heads: Sequence[Head]) -> QuantFacts:
    data_heads = [head.words for head in heads if head.field == "dataset"]
    return QuantFacts(
        method=values.get("method") or next((method for words in data_heads if (method := method_in(words))), None),
        bits=values.get("bits", values.get("target_bits")),
        head_bits=values.get("head_bits"),
        group_size=values.get("group_size"),
        desc_act=values.get("desc_act"),
        sym=values.get("sym"),
        damp_percent=values.get("damp_percent"),
        dataset=values.get("dataset"),
        seq_len=values.get("seq_len"),
    )


def _complete(facts: QuantFacts, branch: str, label: str) -> QuantFacts:
    """The facts of a row with the bits and head bits that only its label or branch name tells."""
    named = read_branch_name(branch)
    bits, head_bits = bits_in(label), head_bits_in(label)
    if not isinstance(named, UnknownName):
        bits = named.bits if bits is None else bits
        head_bits = named.head_bits if head_bits is None else head_bits
    return replace(
        facts,
        bits=bits if facts.bits is None else facts.bits,
        head_bits=head_bits if facts.head_bits is None else facts.head_bits,
    )
