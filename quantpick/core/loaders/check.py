"""Does this loader, in this version, take this quantization on this GPU? The rules are data: ``loaders.toml``.

To add a loader or a version, edit the TOML file; its header explains every key.

Reason codes of a rejection: ``format``, ``bits``, ``group-size``, ``act-order``, ``sym``, ``compute-capability``,
``architecture``. Warning codes:

* ``unknown-fact``: nobody says something of the branch on which the verdict depends; ``unknown-capability``: of the GPU
* ``unlisted-architecture``: the loader is not known to run the model's architecture, and does not refuse it either
* ``card-says-no``: the card's ExLlama column contradicts the verdict
* ``unverified-rule``: the verdict rests on a README or on inference
* ``unverified-version``: nobody looked at this version, the nearest older rules were used
* ``unknown-version``: it is newer than those known or not to be compared with them, and the newest known was judged
* ``needs-package``: something has to be installed beside the loader
* ``slow-kernel``: it runs, but slowly
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from quantpick.core.loaders.table import Answer, Loader, Rule
from quantpick.core.loaders.versions import LoaderAt
from quantpick.core.loaders.words import groups_in_words, listing, quants_in_words
from quantpick.core.methods import METHODS, Method
from quantpick.core.quant import NO_GROUP, BranchWarning, QuantSpec, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a loader takes a quantization.

    Args:
        reasons: why not; empty exactly when it does.
        warnings: doubts. Those that hold for every branch alike (version, rule, GPU) name no branch.
        rule: the rule that accepted, or on a rejection the one that came nearest; None when none is about the method.
        slow: whether it runs, but slowly.
    """

    reasons: tuple[Reason, ...]
    warnings: tuple[BranchWarning, ...]
    rule: Rule | None
    slow: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the loader takes it."""
        return not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What a rule is checked against.

    Args:
        label: the loader, and its version where that matters.
        method: what the quantization is, or is presumed to be.
        quant, unknown, capability, branch: as in `check`.
        peers: the accepting rules for the method and version.
    """

    label: str
    method: Method
    quant: QuantSpec
    unknown: frozenset[str]
    capability: float | None
    branch: str | None
    peers: tuple[Rule, ...]

    @property
    def group_size(self) -> int | None:
        """As the files say it, `NO_GROUP` included; None when nobody says."""
        if not self.quant.group_size or self.quant.group_size < 0:
            return None if "group_size" in self.unknown else NO_GROUP
        return self.quant.group_size

    def doubt(self, fact: str, takes: str) -> BranchWarning:
        """The warning that a fact is missing."""
        return BranchWarning("unknown-fact", self.branch, f"nobody says {fact}; {self.label} {takes}")


@dataclass(frozen=True, slots=True)
class _Trial:
    """One rule held against the facts: the objections, and the doubts where a fact is missing."""

    rule: Rule
    objections: tuple[Reason, ...]
    doubts: tuple[BranchWarning, ...]

    @property
    def remoteness(self) -> tuple[int, bool, float]:
        """How far the rule is from accepting; among equals the most general one is nearest."""
        about_bits = any(objection.code == "bits" for objection in self.objections)
        return len(self.objections), about_bits, self.rule.min_capability or 0.0


def check(
    chosen: LoaderAt,
    quant: QuantSpec,
    *,
    unknown: frozenset[str] = frozenset(),
    capability: float | None = None,
    model_type: str | None = None,
    exllama: bool | None = None,
    branch: str | None = None,
) -> Verdict:
    """Whether a loader takes a quantization. What nobody knows does not reject, it warns.

    The first rule for the method and version that has no objection accepts; if there is none, the reasons are the
    objections of the rule with the fewest. A fact is missing only if no other rule accepts without it. A method that
    nobody names is presumed to be the loader's first one that the bits allow, with a warning.

    Args:
        chosen: the loader at a version.
        quant: the quantization.
        unknown: fields of `quant` that nobody named; without "group_size" in it a group size of None is "no group".
        capability: CUDA compute capability of the weakest GPU, or None.
        model_type: the config's ``model_type``, or None.
        exllama: what the card's "ExLlama" column says, or None.
        branch: name of the branch, for the warnings.
    """
    loader, label, warnings = chosen.loader, chosen.label, chosen.doubts
    method, presumed = _method(chosen, quant, branch)
    rules = [] if method is None else chosen.holding([rule for rule in loader.rules if rule.method == method])
    guesses = tuple(rule for rule, guessed in rules if guessed)
    refusing = next((rule for rule, _ in rules if rule.rejects is not None), None)
    peers = tuple(rule for rule, _ in rules if rule.rejects is None)
    if method is None or not peers:
        reason = _format_reason(chosen, method, refusing)
        return Verdict(reasons=(reason,), warnings=warnings, rule=refusing)
    facts = _Facts(
        label=label, method=method, quant=quant, unknown=unknown, capability=capability, branch=branch, peers=peers
    )
    strange, doubtful = _check_architecture(loader, facts, model_type, exllama)
    trials = [_try(rule, facts) for rule in peers]
    accepting = [trial for trial in trials if not trial.objections]
    trial = accepting[0] if accepting else min(trials, key=lambda tried: tried.remoteness)
    if trial.rule in guesses:
        message = f"{label} was not looked at: judged by the rules that held up to {trial.rule.until}"
        warnings = (*warnings, BranchWarning("unverified-version", None, message))
    reasons = (*trial.objections, *strange)
    if reasons:
        return Verdict(reasons=reasons, warnings=warnings, rule=trial.rule)
    missing = min((tried.doubts for tried in accepting), key=len)
    slow = tuple(_slowness(trial.rule, facts))
    return Verdict(
        reasons=(),
        warnings=(*warnings, *presumed, *missing, *doubtful, *_caveats(trial.rule, facts), *slow),
        rule=trial.rule,
        slow=bool(slow),
    )


def _method(chosen: LoaderAt, quant: QuantSpec, branch: str | None) -> tuple[Method | None, tuple[BranchWarning, ...]]:
    """The quantization's method; where nobody names it, the loader's first that the bits allow, with a warning.

    Groups and act order speak against the methods that have none. None when the loader has no such method.
    """
    if quant.method is not None:
        return quant.method, ()
    grouped = quant.group_size is not None or quant.desc_act is not None
    for rule, _ in chosen.holding(chosen.loader.rules):
        fits = rule.rejects is None and (quant.bits is None or rule.takes_bits(quant.bits))
        if fits and not (grouped and not METHODS[rule.method].has_groups):
            message = f"nobody says how this branch is quantized: judged as {METHODS[rule.method].title}"
            return rule.method, (BranchWarning("unknown-fact", branch, message),)
    return None, ()


def _format_reason(chosen: LoaderAt, method: Method | None, refusing: Rule | None) -> Reason:
    label = chosen.label
    what = "a branch of unknown method with these bits" if method is None else METHODS[method].title
    if refusing is not None:
        return Reason("format", f"{label} does not read {what}: {refusing.rejects}")
    held = (rule.method for rule, _ in chosen.holding(chosen.loader.rules) if rule.rejects is None)
    readable = listing((METHODS[readable].title for readable in dict.fromkeys(held)), "and")
    return Reason("format", f"{label} does not read {what}, it reads {readable or 'no format that Hub branches hold'}")


def _try(rule: Rule, facts: _Facts) -> _Trial:
    findings = [finding for one in _CHECKS if (finding := one(rule, facts)) is not None]
    return _Trial(
        rule,
        tuple(finding for finding in findings if isinstance(finding, Reason)),
        tuple(finding for finding in findings if isinstance(finding, BranchWarning)),
    )


_Finding = Reason | BranchWarning | None
"""An objection, a doubt because a fact is missing, or neither."""


def _check_bits(rule: Rule, facts: _Facts) -> _Finding:
    bits = facts.quant.bits
    if bits is None:
        limited = rule.bits is not None or rule.bits_range is not None
        takes = f"takes {quants_in_words(facts.peers)}"
        return facts.doubt("how many bits this branch has", takes) if limited else None
    if rule.takes_bits(bits):
        return None
    about = [rule] if any(peer.takes_bits(bits) for peer in facts.peers) else facts.peers
    here = f"this branch has {bits:g} bpw" if rule.bits_range else f"this branch is {bits:g}-bit"
    return _objection(rule, "bits", f"{facts.label} takes {quants_in_words(about)}, {here}")


def _check_group_size(rule: Rule, facts: _Facts) -> _Finding:
    size = facts.group_size
    if rule.group_sizes is None or size in rule.group_sizes:
        return None
    if size is None:
        return facts.doubt("this branch's group size", f"takes {groups_in_words(rule.group_sizes)}")
    here = "has no group" if size == NO_GROUP else f"has groups of {size}"
    takes = f"{facts.label} takes {groups_in_words(rule.group_sizes)}"
    return _objection(rule, "group-size", f"{takes}, this branch {here}")


def _act_order_answers(rule: Rule, facts: _Facts) -> set[Answer]:
    """What the rule says to every combination of act order and groups that the facts leave open."""
    orders = (True, False) if facts.quant.desc_act is None else (facts.quant.desc_act,)
    grouped = (True, False) if facts.group_size is None else (facts.group_size != NO_GROUP,)
    return {
        "yes" if not order else rule.act_order_with_group if group else rule.act_order_without_group
        for order, group in product(orders, grouped)
    }


def _check_act_order(rule: Rule, facts: _Facts) -> _Finding:
    answers = _act_order_answers(rule, facts)
    if "no" not in answers:
        return None
    together = " together with groups" if rule.act_order_without_group != "no" else ""
    if answers != {"no"}:
        missing = "this branch's group size" if facts.quant.desc_act else "whether this branch has act order"
        return facts.doubt(missing, f"does not load act order{together}")
    here = "no group" if facts.group_size == NO_GROUP else f"group size {facts.group_size or 'unknown'}"
    sentence = f"{facts.label} does not load act order{together} (this branch: {here}, act order)"
    return _objection(rule, "act-order", sentence)


def _check_sym(rule: Rule, facts: _Facts) -> _Finding:
    if rule.sym is None or rule.sym == facts.quant.sym:
        return None
    kinds = {True: "symmetric", False: "asymmetric"}
    takes = f"takes {kinds[rule.sym]} {METHODS[facts.method].title} only"
    if facts.quant.sym is None:
        return facts.doubt("whether this branch is symmetric", takes)
    return _objection(rule, "sym", f"{facts.label} {takes}, this branch is {kinds[facts.quant.sym]}")


def _check_capability(rule: Rule, facts: _Facts) -> _Finding:
    if rule.min_capability is None or (facts.capability or 0.0) >= rule.min_capability:
        return None
    basis = " (inferred, its code does not check)" if rule.floor_inferred else ""
    needs = f"{facts.label} needs compute capability {rule.min_capability:.1f} or newer{basis}"
    if facts.capability is None:
        return BranchWarning("unknown-capability", None, f"nobody says the GPU's compute capability; {needs}")
    return _objection(rule, "compute-capability", f"{needs}, this GPU has {facts.capability:.1f}")


_CHECKS: Final[tuple[Callable[[Rule, _Facts], _Finding], ...]] = (
    _check_bits,
    _check_group_size,
    _check_act_order,
    _check_sym,
    _check_capability,
)


def _objection(rule: Rule, code: str, sentence: str) -> Reason:
    """The reason, with what the rule's source says of it."""
    return Reason(code, f"{sentence}: {rule.why[code]}" if code in rule.why else sentence)


def _check_architecture(
    loader: Loader, facts: _Facts, model_type: str | None, exllama: bool | None
) -> tuple[tuple[Reason, ...], tuple[BranchWarning, ...]]:
    """Objections and doubts about the model, and about what its card says. The card's yes outweighs the list."""
    card = exllama if loader.card_column else None
    warnings = []
    if card is False:
        message = f"{facts.label} should take this branch, but the model card says it does not"
        warnings.append(BranchWarning("card-says-no", facts.branch, message))
    if loader.architectures is None or (model_type or "").lower() in loader.architectures:
        return (), tuple(warnings)
    runs = f"{facts.label} runs {listing(loader.architectures, 'and')}"
    if model_type is None:
        if loader.architectures_strict and card is None:
            warnings.append(facts.doubt("the model's architecture", f"runs {listing(loader.architectures, 'and')}"))
        return (), tuple(warnings)
    if loader.architectures_strict and card is not True:
        return (Reason("architecture", f"{runs}, this model is {model_type}"),), tuple(warnings)
    basis = "but the model card says that it runs this one" if card else "others are tried as if they were llama"
    message = f"{model_type} is not among the architectures that {facts.label} is known to run, {basis}"
    return (), (*warnings, BranchWarning("unlisted-architecture", facts.branch, message))


def _caveats(rule: Rule, facts: _Facts) -> Iterator[BranchWarning]:
    """What the reader should know of the rule that accepted."""
    if rule.unverified:
        what = f"{facts.label} takes {METHODS[facts.method].title}" + (f" by {rule.kernel}" if rule.kernel else "")
        yield BranchWarning("unverified-rule", None, f"that {what} is not verified in its code: {rule.source}")
    if rule.needs is not None:
        message = f"{facts.label} reads {METHODS[facts.method].title} only with {rule.needs} installed"
        yield BranchWarning("needs-package", None, message)


def _slowness(rule: Rule, facts: _Facts) -> Iterator[BranchWarning]:
    """Why it will be slow, if it will."""
    if _act_order_answers(rule, facts) == {"slow"}:
        cost = f": {rule.why['slow']}" if "slow" in rule.why else ""
        message = f"{facts.label} runs act order together with groups slowly{cost}"
        yield BranchWarning("slow-kernel", facts.branch, message)
    if facts.capability in rule.slow_capabilities:
        kernel = f"{facts.label} by {rule.kernel}" if rule.kernel else facts.label
        message = (
            f"{kernel} is too slow to use on compute capability {facts.capability:.1f}: "
            "these GPUs compute fp16 at 1/64 of their rate, about 1 token/s on a P40"
        )
        yield BranchWarning("slow-kernel", None, message)
