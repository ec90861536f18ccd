"""Does this loader, in this version, take this quantization on this GPU? The rules are data: ``loaders.toml``.

To add a loader or a version, edit the TOML file; its header explains every key. ``trial.py`` has what one rule
can object to.

Reason codes of a rejection: ``format``, ``bits``, ``group-size``, ``act-order``, ``sym``, ``scheme``, ``packing``,
``checkpoint-format``, ``activations``, ``missing-key``, ``layers``, ``head``, ``writer-version``,
``compute-capability``, ``platform``, ``architecture``, ``shape``. Warning codes:

* ``unknown-fact``: the verdict depends on an unknown fact about the branch; ``unknown-capability``: about the GPU
* ``unlisted-architecture``: the loader is not known to run the model's architecture, and does not refuse it either
* ``card-says-no``: the card's ExLlama column contradicts the verdict
* ``unverified-rule``: the verdict rests on a README or on inference
* ``unverified-version``: nobody read this version; the nearest older rules were used
* ``unknown-version``: it is newer than, or not comparable with, the known ones; the newest known was judged
* ``needs-package``: the loader needs a further package
* ``newer-writer``: the files were written by a newer version of the tool than the loader is known to read
* ``slow-kernel``: it runs, but slowly
* ``unpacked``: it loads, but as 16-bit weights, which saves no memory
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from quantpick.core.loaders.facts import About, Facts
from quantpick.core.loaders.table import Loader, Rule
from quantpick.core.loaders.trial import act_order_answers, takes_packing, try_rule
from quantpick.core.loaders.versions import LoaderAt
from quantpick.core.loaders.words import listing
from quantpick.core.methods import METHODS, Method
from quantpick.core.quant import BranchWarning, QuantSpec, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a loader takes a quantization.

    Args:
        reasons: why not; empty if it does.
        warnings: doubts. Those that apply to every branch (version, rule, GPU) name no branch.
        rule: the rule that accepts, or after a rejection the nearest one; None if no rule is about the method.
        slow: whether it runs, but slowly.
        opened_by: after a rejection, the loader's extra with which it would load, or None.
    """

    reasons: tuple[Reason, ...]
    warnings: tuple[BranchWarning, ...]
    rule: Rule | None
    slow: bool = False
    opened_by: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether the loader takes it."""
        return not self.reasons


_NOTHING: Final = About()


def check(chosen: LoaderAt, quant: QuantSpec, about: About = _NOTHING) -> Verdict:
    """Whether a loader takes a quantization. Unknown facts cause warnings, not rejections.

    The first rule for the method and version without an objection accepts. If there is none, the reasons are those of
    the rule with the fewest objections, and the first extra of the loader that would change the answer is named. A fact
    is missing only if no other rule accepts without it. An unknown method is presumed to be the loader's first that the
    bits allow, with a warning.

    Args:
        chosen: the loader at a version.
        quant: the quantization.
        about: what else is known about the branch and the GPU.
    """
    verdict = _judge(chosen, quant, about)
    if verdict.accepted:
        return verdict
    for extra in chosen.loader.extras.keys() - chosen.extras:
        if _judge(replace(chosen, extras=chosen.extras | {extra}), quant, about).accepted:
            first, *others = verdict.reasons
            first = replace(first, message=f"{first.message}; {chosen.loader.id}[{extra}] would load it")
            return replace(verdict, reasons=(first, *others), opened_by=extra)
    return verdict


def _judge(chosen: LoaderAt, quant: QuantSpec, about: About) -> Verdict:
    method, presumed = _method(chosen, quant, about.branch)
    rules = [] if method is None else _rules(chosen, method)
    guesses = tuple(rule for rule, guessed in rules if guessed)
    peers = tuple(rule for rule, _ in rules if rule.rejects is None)
    warnings = chosen.doubts
    if method is None or not peers:
        refusing = next((rule for rule, _ in rules), None)
        return Verdict(reasons=(_format_reason(chosen, method, refusing),), warnings=warnings, rule=refusing)
    facts = Facts(label=chosen.label, method=method, quant=quant, about=about, peers=peers)
    strange, doubtful = _check_architecture(chosen.loader, facts)
    trials = [try_rule(rule, facts) for rule in peers]
    accepting = [trial for trial in trials if not trial.objections]
    trial = accepting[0] if accepting else min(trials, key=lambda tried: tried.remoteness)
    if trial.rule in guesses:
        message = f"{chosen.label} was never checked: judged by the rules that held up to {trial.rule.until}"
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


def _rules(chosen: LoaderAt, method: Method | None = None) -> list[tuple[Rule, bool]]:
    """The rules that hold for the version and extras; with None, for every method."""
    about = [rule for rule in chosen.loader.rules if method is None or rule.method == method]
    return [(rule, guessed) for rule, guessed in chosen.holding(about) if rule.extra in (None, *chosen.extras)]


def _method(chosen: LoaderAt, quant: QuantSpec, branch: str | None) -> tuple[Method | None, tuple[BranchWarning, ...]]:
    """The quantization's method; if unknown, the loader's first that bits and packing allow, with a warning.

    Groups and act order rule out methods without them. None if the loader has no such method.
    """
    if quant.method is not None:
        return quant.method, ()
    grouped = quant.group_size is not None or quant.desc_act is not None
    for rule, _ in _rules(chosen):
        fits = rule.rejects is None and (quant.bits is None or rule.takes_bits(quant.bits))
        fits = fits and takes_packing(rule, quant.packing)
        if fits and not (grouped and not METHODS[rule.method].has_groups):
            message = f"nothing says how this branch is quantized: judged as {METHODS[rule.method].title}"
            return rule.method, (BranchWarning("unknown-fact", branch, message),)
    return None, ()


def _format_reason(chosen: LoaderAt, method: Method | None, refusing: Rule | None) -> Reason:
    label = chosen.label
    what = "a branch of unknown method with these bits" if method is None else METHODS[method].title
    if refusing is not None:
        return Reason("format", f"{label} does not read {what}: {refusing.rejects}")
    held = (rule.method for rule, _ in _rules(chosen) if rule.rejects is None)
    readable = listing((METHODS[readable].title for readable in dict.fromkeys(held)), "and")
    return Reason("format", f"{label} does not read {what}, it reads {readable or 'no format that Hub branches hold'}")


def _check_architecture(loader: Loader, facts: Facts) -> tuple[tuple[Reason, ...], tuple[BranchWarning, ...]]:
    """Objections and doubts about the model, and about its card's ExLlama column. A yes there outweighs the list."""
    model_type = facts.about.model_type
    card = facts.about.exllama if loader.card_column else None
    warnings = []
    if card is False:
        message = f"{facts.label} should take this branch, but the model card says it does not"
        warnings.append(BranchWarning("card-says-no", facts.about.branch, message))
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
    return (), (*warnings, BranchWarning("unlisted-architecture", facts.about.branch, message))


def _caveats(rule: Rule, facts: Facts) -> Iterator[BranchWarning]:
    """What the user should know about the accepting rule."""
    if rule.unverified:
        what = f"{facts.label} takes {METHODS[facts.method].title}" + (f" by {rule.kernel}" if rule.kernel else "")
        yield BranchWarning("unverified-rule", None, f"that {what} is not verified in its code: {rule.source}")
    if rule.needs is not None:
        message = f"{facts.label} reads {METHODS[facts.method].title} only with {rule.needs} installed"
        yield BranchWarning("needs-package", None, message)
    if rule.unpacks:
        message = (
            f"{facts.label} turns {METHODS[facts.method].title} into 16-bit weights on loading: it needs their memory"
        )
        yield BranchWarning("unpacked", None, message)


def _slowness(rule: Rule, facts: Facts) -> Iterator[BranchWarning]:
    """Why it will be slow, if it will."""
    if act_order_answers(rule, facts) == {"slow"}:
        cost = f": {rule.why['slow']}" if "slow" in rule.why else ""
        message = f"{facts.label} runs act order together with groups slowly{cost}"
        yield BranchWarning("slow-kernel", facts.about.branch, message)
    if facts.about.capability in rule.slow_capabilities:
        kernel = f"{facts.label} by {rule.kernel}" if rule.kernel else facts.label
        message = (
            f"{kernel} is too slow to use on compute capability {facts.about.capability:.1f}: "
            "these GPUs compute fp16 at 1/64 of their rate, about 1 token/s on a P40"
        )
        yield BranchWarning("slow-kernel", None, message)
