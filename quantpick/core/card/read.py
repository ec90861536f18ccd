"""The branch table in a model card.

Where to add things:

* a **column**: one line in `quantpick.core.card.columns.COLUMNS`;
* a **card format**, another way to list branches: one entry in `quantpick.core.card.formats.FORMATS`;
* a **method**, or a word for one: one row in `quantpick.core.methods.METHODS`.

A card is untrusted, and only its publisher's own branches count: tables copied from elsewhere, a quoted original model
card, folders, files and other repos give no rows. `quantpick.core.card.markdown` reads the Markdown; no text
makes either module raise, and the limits in `quantpick.core.card.limits` keep both linear in the text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from quantpick.core.branch_name import UnknownName, read_branch_name
from quantpick.core.card.doubts import find_doubts
from quantpick.core.card.formats import FORMATS
from quantpick.core.card.markdown import read_document
from quantpick.core.card.ownership import About, own_blocks
from quantpick.core.card.quality import with_quality
from quantpick.core.card.rows import CardRow, Found
from quantpick.core.card.siblings import Sibling, find_siblings
from quantpick.core.methods import Method
from quantpick.core.quant import BranchWarning


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card says.

    Args:
        repo_id: the card's repo: as given, else by its own links and commands.
        model_name: the model's name, without words about the quantization.
        model_type: the architecture (``llama``), from the front matter.
        base_models: the repos it was made from, from the front matter.
        method: how the repo's weights are stored.
        rows: in the card's order; a branch has two rows if the card gives it two bit widths.
        siblings: other repos of the same model.
        warnings: ``absurd-size`` and ``card-mismatch`` (a row that contradicts itself).
        base_relation: how it was made from `base_models`: ``quantized``, ``finetune``, ``adapter``, ``merge``, or None.
    """

    repo_id: str | None
    model_name: str | None
    model_type: str | None
    base_models: tuple[str, ...]
    method: Method | None
    rows: tuple[CardRow, ...]
    siblings: tuple[Sibling, ...]
    warnings: tuple[BranchWarning, ...]
    base_relation: str | None = None


def read_card(text: str, *, repo_id: str | None = None) -> Card:
    r"""The branch table of a card, and what else it says about the repo. No text makes it raise.

    Args:
        text: the card, front matter included.
        repo_id: whose card it is, if that is known. Then only this repo's branches count, also under another owner's
            name or in another case (repos are renamed and cards are not); else the card's own links decide.

    >>> card = read_card("# Finch 7B - GPTQ\n| Branch | Bits | Size |\n|---|---|---|\n| main | 4 | 3.9 GB |")
    >>> card.method, card.model_name, card.rows[0].branch, card.rows[0].facts.bits, card.rows[0].size_bytes
    ('gptq', 'Finch 7B', 'main', 4, 3900000000)
    """
    document = read_document(text)
    blocks = own_blocks(document.blocks)
    about = About(document.front_matter, blocks, repo_id)
    found: list[Found] = []
    for read_format in FORMATS:
        found = found or _once(about.own(list(read_format(blocks))))
    found = with_quality(_without_folders(found, text), blocks)
    method = about.method or next((method for one in found if (method := _row_method(one.row))), None)
    return Card(
        repo_id=about.repo_id,
        model_name=about.model_name,
        model_type=next(iter(about.front.get("model_type", ())), None),
        base_models=about.base_models,
        base_relation=next(iter(about.front.get("base_model_relation", ())), None),
        method=method,
        rows=tuple(_with_method(one.row, about.named_method or one.near or method) for one in found),
        siblings=find_siblings(about),
        warnings=tuple(warning for one in found for warning in find_doubts(one)),
    )


def _once(found: Sequence[Found]) -> list[Found]:
    """Each branch once, as first described; again only if a link's label gives it other bits."""
    seen: dict[str, set[float | None]] = {}
    kept: list[Found] = []
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
    """The row with its method: its own, else its branch name's, ``none`` for 16 bits, else the card's."""
    bits = row.facts.bits
    said = _row_method(row) or ("none" if bits is not None and bits >= 16 else method)
    return row if said == row.facts.method else replace(row, facts=replace(row.facts, method=said))


_FOLDER: Final = re.compile(r"tree/main/([\w.+-]{1,100})|--include[ =]+[\"']?([\w.+-]{1,100})/")


def _without_folders(found: list[Found], text: str) -> list[Found]:
    """The rows without unlinked names that the card elsewhere shows to be folders of ``main``."""
    if all(one.repo for one in found):
        return found
    folders = {match[1] or match[2] for match in _FOLDER.finditer(text)}
    return [one for one in found if one.repo or one.row.branch not in folders]
