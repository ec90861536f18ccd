"""One `Branch` from card, name, config and file tree, with every contradiction named.

Config beats tree beats name beats card. The config is what a loader reads. A name was typed once per branch. A card's
table was typed by hand and copied between repos: that is where the mistakes are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from quantpick.core.branch_name import UnknownName, read_branch_name
from quantpick.core.branches.config import ConfigFacts
from quantpick.core.card.read import Card
from quantpick.core.card.rows import CardRow
from quantpick.core.methods import METHODS, Method
from quantpick.core.quant import (
    NO_GROUP,
    Branch,
    BranchWarning,
    Provenance,
    Quality,
    QuantFacts,
    QuantSpec,
    with_fixed_facts,
)
from quantpick.core.units import format_gb

_COMPARED: Final[Mapping[str, str]] = {
    "method": "method",
    "bits": "bits",
    "head_bits": "head bits",
    "group_size": "group size",
    "desc_act": "act order",
    "sym": "symmetry",
}
"""The fields whose contradictions deserve a warning, named as in prose: they decide what loads, and how well."""
_UNSOURCED: Final = frozenset(
    {"scheme", "activation_bits", "packing", "checkpoint_format", "layers", "writer_version", "absent"}
)
"""Facts that come only from a config."""
_SIZE_TOLERANCE: Final = 0.01
_ROUNDING_BYTES: Final = 10**7
"""Bytes. Cards round to 10 MB, and a difference of up to 1 % deserves no warning."""


def merge_branch(
    name: str,
    *,
    rows: Sequence[CardRow] = (),
    config: ConfigFacts | None = None,
    card: Card | None = None,
    tree_bytes: int | None = None,
    commit: str | None = None,
) -> tuple[Branch, tuple[BranchWarning, ...]]:
    """One branch from everything said about it, and a warning for each pair of sources that disagree.

    Args:
        name: the git branch.
        rows: the card's rows about it, usually one.
        config: the facts in its JSON files.
        card: the whole card, for what it says about every branch (method, model type).
        tree_bytes: bytes of the weight files in its tree, or None if the tree was not read.
        commit: the 40 hex digits it is pinned to.
    """
    config = config or ConfigFacts()
    from_name = read_branch_name(name)
    said: list[tuple[Provenance, QuantFacts]] = [("config", config.quant)]
    said += [] if isinstance(from_name, UnknownName) else [("name", from_name)]
    said += [("card", row.facts) for row in rows]
    said += [("card", QuantFacts(method=card.method))] if card else []

    facts, sources, warnings = _first_said(name, _without_other_words(_trust_finer_bits(said)))
    sources = {field: source for field, source in sources.items() if field not in _UNSOURCED}
    fixed = with_fixed_facts(facts)
    sources |= {
        field: sources["method"] for field in ("bits", "group_size") if getattr(facts, field) != getattr(fixed, field)
    }
    size_bytes, size_warnings = _size(name, [row.size_bytes for row in rows], tree_bytes)
    model_type = config.model_type or (card.model_type if card else None)
    exllama, quality = next((row.exllama for row in rows if row.exllama is not None), None), _quality(rows)
    description = next((row.description for row in rows if row.description), None)
    others: tuple[tuple[str, object, Provenance], ...] = (
        ("size_bytes", size_bytes, "card" if tree_bytes is None else "tree"),
        ("model_type", model_type, "config" if config.model_type else "card"),
        ("exllama", exllama, "card"),
        ("description", description, "card"),
        ("quality", quality or None, "card"),
    )
    sources |= {field: source for field, value, source in others if value is not None}
    branch = Branch(
        name=name,
        quant=_quant_spec(fixed),
        commit=commit,
        size_bytes=size_bytes,
        exllama=exllama,
        description=description,
        damp_percent=fixed.damp_percent,
        dataset=fixed.dataset,
        seq_len=fixed.seq_len,
        model_type=model_type,
        shape=config.shape,
        shape_is_sure=config.shape is not None,
        quality=quality,
        sources=sources,
    )
    return branch, (*warnings, *size_warnings)


def _quant_spec(facts: QuantFacts) -> QuantSpec:
    return QuantSpec(
        method=facts.method,
        bits=facts.bits,
        group_size=None if facts.group_size == NO_GROUP else facts.group_size,
        desc_act=facts.desc_act,
        sym=facts.sym,
        head_bits=facts.head_bits,
        bpw=facts.bpw,
        scheme=facts.scheme,
        activation_bits=facts.activation_bits,
        packing=facts.packing,
        checkpoint_format=facts.checkpoint_format,
        layers=facts.layers or (),
        writer_version=facts.writer_version,
        absent=facts.absent or frozenset(),
    )


def _first_said(
    name: str, said: Sequence[tuple[Provenance, QuantFacts]]
) -> tuple[QuantFacts, dict[str, Provenance], list[BranchWarning]]:
    """Each field from the first source that states it, that source, and a warning for each later one that disagrees."""
    found: dict[str, Any] = {}
    sources: dict[str, Provenance] = {}
    warnings: list[BranchWarning] = []
    for field in fields(QuantFacts):
        for source, facts in said:
            value = getattr(facts, field.name)
            if value is None:
                continue
            if field.name not in found:
                found[field.name], sources[field.name] = value, source
            elif value != found[field.name] and field.name in _COMPARED:
                warnings.append(
                    BranchWarning(
                        f"{source}-mismatch",
                        name,
                        f"{_COMPARED[field.name]}: the {sources[field.name]} says "
                        f"{_shown(found[field.name])}, the {source} says {_shown(value)}",
                    )
                )
    return QuantFacts(**found), sources, warnings


def _trust_finer_bits(said: Sequence[tuple[Provenance, QuantFacts]]) -> list[tuple[Provenance, QuantFacts]]:
    """The facts without EXL2/EXL3 bits that a config truncated to a whole number.

    The Hub warns that ``quantization_config.bits`` must be an integer, so publishers cut 3.5 to 3. A name or card with
    the same whole part and a fraction knows better.
    """
    finer = {facts.bits for _, facts in said if facts.bits is not None and facts.bits % 1}
    return [
        (source, replace(facts, bits=None))
        if source == "config"
        and facts.method
        and METHODS[facts.method].states_bpw
        and any(facts.bits == int(bits) for bits in finer)
        else (source, facts)
        for source, facts in said
    ]


def _without_other_words(said: Sequence[tuple[Provenance, QuantFacts]]) -> list[tuple[Provenance, QuantFacts]]:
    """The facts without methods that are only other names for the config's.

    A branch ``fp8`` may hold compressed-tensors of that scheme, or ModelOpt's; AutoRound also writes GPTQ's files.
    """
    config = next((facts for source, facts in said if source == "config" and facts.method), None)
    if config is None:
        return list(said)
    return [
        (source, replace(facts, method=None) if _is_other_word(facts.method, config) else facts)
        for source, facts in said
    ]


def _is_other_word(method: Method | None, config: QuantFacts) -> bool:
    if method is None or method == config.method:
        return False
    known = METHODS[method]
    return config.method in known.writes or (known.scheme is not None and known.scheme == config.scheme)


def _quality(rows: Sequence[CardRow]) -> dict[str, Quality]:
    """The branch's quality by the rows, and their VRAM by context as ``vram_4k``."""
    found: dict[str, Quality] = {}
    for row in rows:
        for metric, quality in row.quality.items():
            found.setdefault(metric, quality)
        for context, size_bytes in row.vram_bytes.items():
            key = f"vram_{context.casefold().replace(' ', '')}"
            found.setdefault(key, Quality(size_bytes, f"{context} of context"))
    return found


def _size(
    name: str, from_card: Iterable[int | None], tree_bytes: int | None
) -> tuple[int | None, tuple[BranchWarning, ...]]:
    """The weight files' bytes, and a warning if the card's figure differs from the tree's."""
    card_bytes = next((size for size in from_card if size is not None), None)
    if tree_bytes is None or card_bytes is None:
        return (card_bytes if tree_bytes is None else tree_bytes), ()
    if abs(card_bytes - tree_bytes) <= max(_ROUNDING_BYTES, _SIZE_TOLERANCE * tree_bytes):
        return tree_bytes, ()
    message = f"size: the files are {format_gb(tree_bytes)}, the card says {format_gb(card_bytes)}"
    return tree_bytes, (BranchWarning("stale-size", name, message),)


def _shown(value: object) -> str:
    """A value as it appears in a sentence.

    >>> _shown(-1), _shown(True), _shown(4.0)
    ('none', 'yes', '4')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value == NO_GROUP:
        return "none"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
