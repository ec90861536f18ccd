"""What a card says about how good each branch is, where it says so beside the list of branches.

Cards put figures of quality into columns of the branch table, behind the links of a list, or into a table of their own,
whose rows name the branch as its link's label does (``2.00 bpw``).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from quantpick.core.card.columns import Head, read_heads
from quantpick.core.card.figures import bits_in, head_bits_in
from quantpick.core.card.inline import Inline, read_inline
from quantpick.core.card.limits import MAX_COLUMNS, MAX_ROWS, MAX_TABLES, Budget
from quantpick.core.card.markdown import Block, Table
from quantpick.core.card.names import letters_of
from quantpick.core.card.rows import CardRow, Found
from quantpick.core.quant import Quality

_BRACKETS: Final = re.compile(r"[(\[]([^()\[\]]{1,60})[)\]]")
_METRIC_WORDS: Final = re.compile(
    r"perplexity|ppl|困惑度|kl[- ]?div(?:ergence)?|k/?l[-/]?d|kl|top[- ]?(?:k[, ]*k=)?\d|same top|mmlu"
    r"|quality|质量|品質|score|mean|average|[%↓↑]",
    re.IGNORECASE,
)
_BEHIND: Final = re.compile(
    r"\b(?:(kl[- ]?d(?:iv(?:ergence)?)?|kld)|(ppl|perplexity))\b[ :=~≈]{1,3}(\d{1,6}(?:\.\d{1,8})?)", re.IGNORECASE
)
_LABEL: Final = re.compile(
    r"optimi[sz]ed|bits? ?(?:per|/) ?weight|bpw|b/w|bits?|head|hb?\d{1,2}|exl[23]|\d{1,2}(?:[._]\d{1,4})?|[-_ ,()*]",
    re.IGNORECASE,
)
"""What the label of one branch is made of; anything else beside it is another quantization than the repo's."""


def row_quality(placed: Sequence[tuple[Head, Inline]]) -> dict[str, Quality]:
    """What a row's cells say about its quality, by metric; a second column of one metric with what it is against."""
    found: dict[str, Quality] = {}
    for head, cell in placed:
        if head.column is None or not head.column.is_quality:
            continue
        value = head.column.read(cell, head.words)
        if value is not None:
            against = _against(head.text)
            key = head.field if head.field not in found else f"{head.field} ({against or len(found)})"
            found.setdefault(key, Quality(value, against))
    return found


def _against(header: str) -> str | None:
    """What a header says that a metric was measured on or compared with: in brackets, or beside the metric's word.

    >>> _against("KL-div (quant, FP16)"), _against("wikitext2 PPL"), _against("Perplexity")
    ('quant, FP16', 'wikitext2', None)
    """
    bracketed: list[str] = [text.strip() for text in _BRACKETS.findall(header) if _METRIC_WORDS.sub("", text).strip()]
    if bracketed:
        return bracketed[0]
    rest = " ".join(_METRIC_WORDS.sub(" ", _BRACKETS.sub(" ", header)).split()).strip(" -–—:,/")
    return rest[:60] if re.search(r"\w", rest) else None


def quality_behind(text: str) -> dict[str, Quality]:
    """The figures that stand behind a link: ``KL 0.297``, ``ppl: 5.81``."""
    found: dict[str, Quality] = {}
    for match in _BEHIND.finditer(text[:200]):
        found.setdefault("kl_divergence" if match[1] else "perplexity", Quality(float(match[3])))
    return found


def with_quality(found: list[Found], blocks: Sequence[Block]) -> list[Found]:
    """The rows with what further tables of the card say about the same branches; what a row says itself stands."""
    more: dict[int, dict[str, Quality]] = {}
    names = _Names([one.row for one in found])
    for label, quality in _said_elsewhere(blocks) if found else ():
        index = names.find(label)
        if index is not None:
            more[index] = {**quality, **more.get(index, {})}
    return [
        replace(one, row=replace(one.row, quality={**more[index], **one.row.quality})) if index in more else one
        for index, one in enumerate(found)
    ]


def _said_elsewhere(blocks: Sequence[Block]) -> Iterator[tuple[str, Mapping[str, Quality]]]:
    """The label and the quality of each row of each table with a column of quality."""
    budget = Budget()
    for table in [block for block in blocks if isinstance(block, Table)][:MAX_TABLES]:
        heads = read_heads(table.header)
        if not any(head.column is not None and head.column.is_quality for head in heads):
            continue
        unit = " bpw" if heads[0].field == "bits" else ""
        for line in budget.spend("\n".join(cells[:MAX_COLUMNS]) for cells in table.rows(MAX_ROWS)):
            read = [read_inline(cell[:500]) for cell in line.split("\n")]
            quality = row_quality(list(zip(heads, read, strict=False)))
            if quality:
                yield read[0].plain[:100] + unit, quality


class _Names:
    """Which of the rows a label names: by its branch, else by its bits where they are one row's alone."""

    def __init__(self, rows: Sequence[CardRow]) -> None:
        self._by_branch = {letters_of(row.branch): index for index, row in enumerate(rows)}
        self._by_bits: dict[tuple[float, float | None], list[int]] = {}
        for index, row in enumerate(rows):
            if row.facts.bits is not None:
                for head_bits in {None, row.facts.head_bits}:
                    self._by_bits.setdefault((row.facts.bits, head_bits), []).append(index)

    def find(self, label: str) -> int | None:
        """The row's index; None where it names none, or more than one."""
        named = self._by_branch.get(letters_of(label.removesuffix(" bpw")), self._by_branch.get(letters_of(label)))
        if named is not None:
            return named
        bits = bits_in(label)
        if bits is None or _LABEL.sub("", label):
            return None
        alike = self._by_bits.get((bits, head_bits_in(label)), [])
        return alike[0] if len(alike) == 1 else None
