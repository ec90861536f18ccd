"""The rows read from a card's tables and lists, before it is judged whose they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from quantpick.core.methods import Method
from quantpick.core.quant import Quality, QuantFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRow:
    """One branch as one row of the card describes it.

    Args:
        branch: the git branch; if there is a link, from its address, not its label.
        facts: what the row says, even if it is wrong.
        size_bytes: bytes of the files; None if unknown or absurd.
        exllama: whether it loads in ExLlama.
        description: the row's words: links as labels, emphasis as written.
        vram_bytes: bytes of VRAM for a context as the card writes it (``"4k"``, ``"8K"``); empty if it says nothing.
        made_with: the tool that quantized it.
        quality: what it says about its quality, by metric.
    """

    branch: str
    facts: QuantFacts
    size_bytes: int | None = None
    exllama: bool | None = None
    description: str | None = None
    vram_bytes: Mapping[str, int] = field(default_factory=dict)
    made_with: str | None = None
    quality: Mapping[str, Quality] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Found:
    """A row, with the facts needed to judge whose it is.

    Args:
        row: the row.
        repo: the repo of its link; None for plain text.
        group: the table or list it is from.
        labelled: whether a link's label says its bits.
        tabled: whether it is from a table.
        unsure: whether it could also be a version or a precision: a lone ``1.1`` or ``fp16``.
        absurd: the size as written, if no file can have it.
        near: the method that the words before it or the heading above it name.
    """

    row: CardRow
    repo: str | None = None
    group: int = 0
    labelled: bool = False
    tabled: bool = False
    unsure: bool = False
    absurd: str = ""
    near: Method | None = None
