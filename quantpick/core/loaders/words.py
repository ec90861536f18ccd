"""What a rule takes, in words."""

from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Final

from quantpick.core.loaders.table import Rule
from quantpick.core.methods import METHODS
from quantpick.core.quant import NO_GROUP


def listing(items: Iterable[object], word: str) -> str:
    """Items as a sentence lists them.

    >>> listing([32, 64, 128], "or")
    '32, 64 or 128'
    """
    *most, last = [str(item) for item in items] or [""]
    return f"{', '.join(most)} {word} {last}" if most else last


def bits_in_words(rule: Rule) -> str:
    """The bits a rule takes: ``4 or 8``, ``2 to 8``."""
    if rule.bits_range is not None:
        return f"{rule.bits_range[0]:g} to {rule.bits_range[1]:g}"
    return listing((f"{bits:g}" for bits in rule.bits or ()), "or")


def quants_in_words(rules: Iterable[Rule]) -> str:
    """The quantizations that some rules of one method take between them: ``4- or 8-bit GPTQ``, ``2 to 8 bpw EXL2``."""
    rules = list(rules)
    method = METHODS[rules[0].method].title
    ranged = next((rule for rule in rules if rule.bits_range is not None), None)
    if ranged is not None:
        return f"{bits_in_words(ranged)} bpw {method}"
    bits = [f"{bits:g}-" for bits in sorted({bits for rule in rules for bits in rule.bits or ()})]
    return f"{listing(bits, 'or')}bit {method}" if bits else method


_LISTED_GROUPS: Final = 4


def groups_in_words(sizes: Collection[int]) -> str:
    """Group sizes as a sentence says them.

    >>> groups_in_words((-1, 32, 128)), groups_in_words([128])
    ('groups of 32 or 128 or no group', 'groups of 128')
    >>> groups_in_words((-1, 16, 32, 64, 128, 256))
    'groups of 16 to 256 (powers of two) or no group'
    """
    known = sorted(set(sizes) - {NO_GROUP})
    doubling = all(larger == 2 * smaller for smaller, larger in pairwise(known))
    long = len(known) > _LISTED_GROUPS and doubling
    groups = f"groups of {f'{known[0]} to {known[-1]} (powers of two)' if long else listing(known, 'or')}"
    return f"{groups} or no group" if NO_GROUP in sizes else groups


def versions_in_words(rule: Rule) -> str:
    """The version range of a rule."""
    last = f"before {rule.before}" if rule.before else f"up to {rule.until}" if rule.until else ""
    return " ".join(filter(None, (f"since {rule.since}" if rule.since else "", last))) or "all versions"


def accepts_in_words(rule: Rule) -> str:
    """What a rule takes.

    >>> accepts_in_words(Rule(method="gptq", bits=(4, 8), group_sizes=(-1, 128), sym=True, source="", checked=""))
    '4 or 8 bits, groups of 128 or no group, symmetric only'
    """
    if rule.rejects is not None:
        return f"rejected: {rule.rejects}"
    return ", ".join(_accepted(rule))


def _accepted(rule: Rule) -> Iterator[str]:
    """What a rule takes, a phrase each, in the order in which people ask."""
    grouped = {"no": "no act order with groups", "slow": "act order with groups slowly"}
    phrases = (
        rule.extra and f"with {rule.extra}",
        rule.schemes and set(rule.schemes) != {"int"} and listing(rule.schemes, "or"),
        f"{bits_in_words(rule)} bits" if rule.bits or rule.bits_range else "any bits",
        rule.group_sizes and groups_in_words(rule.group_sizes),
        grouped.get(rule.act_order_with_group),
        rule.act_order_without_group == "no" and "no act order without groups",
        {True: "symmetric only", False: "asymmetric only"}.get(rule.sym) if rule.sym is not None else None,
        rule.checkpoint_formats and f"written as {listing(rule.checkpoint_formats, 'or')}",
        rule.whole_bits and "each layer of whole bits",
        rule.moe and "mixtures of experts only",
        rule.model_types and f"{listing(rule.model_types, 'and')} models only",
        rule.unpacks and "turned into 16-bit weights",
        rule.rocm_only and "on AMD GPUs only",
    )
    yield from (phrase for phrase in phrases if phrase)


def capability_in_words(rule: Rule) -> str:
    """The compute capabilities a rule wants; empty where any will do.

    >>> capability_in_words(Rule(method="gptq", min_capability=7.5, source="", checked=""))
    'compute capability 7.5 or newer'
    >>> capability_in_words(Rule(method="gptq", capabilities=(9.0,), source="", checked=""))
    'compute capability 9.0'
    """
    basis = " (inferred, its code does not check)" if rule.floor_inferred else ""
    if rule.capabilities is not None:
        return f"compute capability {listing((f'{one:.1f}' for one in rule.capabilities), 'or')}{basis}"
    if rule.min_capability is not None:
        upper = f" and not above {rule.max_capability:.1f}" if rule.max_capability is not None else ""
        return f"compute capability {rule.min_capability:.1f} or newer{upper}{basis}"
    return f"compute capability {rule.max_capability:.1f} or older{basis}" if rule.max_capability else ""
