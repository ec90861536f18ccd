"""What a rule takes, in words."""

from collections.abc import Collection, Iterable
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
    words = [f"{bits_in_words(rule)} bits" if rule.bits or rule.bits_range else "any bits"]
    if rule.group_sizes is not None:
        words.append(groups_in_words(rule.group_sizes))
    if rule.act_order_with_group != "yes":
        words.append(
            "no act order with groups" if rule.act_order_with_group == "no" else "act order with groups slowly"
        )
    if rule.act_order_without_group == "no":
        words.append("no act order without groups")
    if rule.sym is not None:
        words.append("symmetric only" if rule.sym else "asymmetric only")
    return ", ".join(words)
