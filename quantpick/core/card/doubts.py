"""Impossible and contradictory statements in a row."""

import re
from collections.abc import Iterator
from typing import Final

from quantpick.core.card.rows import Found
from quantpick.core.quant import NO_GROUP, BranchWarning

_TOLD_GROUP: Final = re.compile(r"\bgroup[ -]?size(?: of)? (\d{1,4}) ?g?\b|\b(no group[ -]?size)", re.IGNORECASE)
_TOLD_BITS: Final = re.compile(r"(\d{1,2})-bits?\b", re.IGNORECASE)


def find_doubts(found: Found) -> Iterator[BranchWarning]:
    """Impossible statements in a row, and contradictions between its description and its cells."""
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
