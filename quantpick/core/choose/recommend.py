"""Which branch to run on this machine: what fits this loader and context is ranked, the rest rejected with reasons."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from quantpick.core.branches.table import Family
from quantpick.core.card.siblings import Sibling
from quantpick.core.choose.verdict import Choice, rule_on, weigh
from quantpick.core.choose.wish import Prefer, Wish
from quantpick.core.gguf.losses import Measured, worth_bpw
from quantpick.core.gpu import Gpu
from quantpick.core.loaders.table import LoaderTable
from quantpick.core.loaders.versions import LoaderAt
from quantpick.core.methods import METHODS, Method
from quantpick.core.quant import RANKING_METRICS, Branch, BranchWarning

SPEED_FLOOR_BITS: Final = 4
"""``--prefer speed`` goes below 4 bits only if nothing else fits: below it the published perplexities jump
(Llama-1 7B, wikitext2: 5.85 at 4 bits, 6.61 at 3; qwopqwop200/GPTQ-for-LLaMa README at e985b70)."""


@dataclass(frozen=True, slots=True)
class Advice:
    """Something that would help, computed for this question.

    Args:
        code: the kind of help, stable for scripts.
        message: what it achieves, a sentence without a full stop.
        options: arguments to add to the command; empty if no option does it.
    """

    code: str
    message: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The answer: every branch once, those that fit first, by rank, then the rejected.

    Args:
        choices: the verdicts.
        gpus: the GPUs asked about.
        wish: what was asked.
        loader: the loader that judged all branches: the wished one, or an assumed one.
        warnings: doubts, only about branches that fit.
        repo_id: the repo, if known.
        siblings: other repos of the same model, in case nothing fits.
        advice: what would make a branch fit, or a better one, the best first.
        ram_free_bytes: free RAM of the machine asked about; None if unknown.
        family: the repos whose quantizations were judged, if more than one.
        ranked_by: the card's metric that ranked the branches, a key of `RANKING_METRICS`; None if their bits did.
    """

    choices: tuple[Choice, ...]
    gpus: tuple[Gpu, ...]
    wish: Wish
    loader: LoaderAt
    warnings: tuple[BranchWarning, ...] = ()
    repo_id: str | None = None
    siblings: tuple[Sibling, ...] = ()
    advice: tuple[Advice, ...] = ()
    ranked_by: str | None = None
    ram_free_bytes: int | None = None
    family: Family | None = None

    @property
    def branches(self) -> tuple[Choice, ...]:
        """The `choices`, under their name in the JSON document."""
        return self.choices

    @property
    def recommended(self) -> Choice | None:
        """The best branch that fits, or None."""
        return self.choices[0] if self.choices and self.choices[0].fits else None


def recommend(branches: Iterable[Branch], gpus: Sequence[Gpu], wish: Wish, table: LoaderTable) -> Recommendation:
    """Judge every branch and rank those that fit; those that fit tightly come last unless allowed.

    Args:
        branches: in any order; the answer does not depend on it.
        gpus: the GPUs to run on, at least one.
        wish: what to run.
        table: the loader rules.

    The order by quality within a repo, and the evidence for it (Llama-1 wikitext2 perplexities unless stated;
    qwopqwop200/GPTQ-for-LLaMa README at e985b70 and the GPTQ paper's repo, IST-DASLab/gptq):

    1. effective bits per weight. Any 4-bit beats any 3-bit (13B: 5.20-5.36 against 5.62-6.63), and at equal bits
       smaller groups have more scales, so group 32 comes before 64, 128 and none (33B act order: 4.52 at 32, 4.55 at
       128; 4-bit 4.23 at 128, 4.45 at none). Across methods, equal effective bits are about equally good
       (Llama-2-13B: EXL2 4.65 4.321, GPTQ 32g 4.338, EXL2 4.25 4.349, GPTQ 128g 4.358; oobabooga's blog).
    2. method, at equal bits: EXL3 before EXL2 before the rest (Llama-3.1-8B at 4.0: EXL3 7.729, EXL2 8.094;
       turboderp-org/exllamav3 at 4f8ad01, ``doc/``).
    3. act order before none (13B 128g: 4.601 against 4.660; oobabooga's blog).

    Between GGUF types of similar bits, losses published for one model decide (`worth_bpw`). If the card measured every
    fitting branch by one metric against the same reference, that metric decides instead.

    Where the order is wrong: 128g *without* act order can be worse than no group at all (7B: 6.545 against 6.478, and
    6.288 with act order; same blog). Perplexities of different tables are not comparable; EXL2 below 3 bits is not
    monotonic.
    """
    loader, judged = _by_one_loader(tuple(branches), gpus, wish, table)
    choices = _with_rank_bpw(judged)
    fits = [choice for choice in choices if choice.fits]
    metric = _common_metric(fits) if wish.prefer == "quality" else None
    order = partial(by_quality, metric=metric) if metric else _ORDERS[wish.prefer]
    fitting = sorted(fits, key=lambda choice: (choice.is_tight and not wish.allow_tight, order(choice)))
    ranked = [replace(choice, rank=rank) for rank, choice in enumerate(fitting, start=1)]
    doubts = (*loader.doubts, *_across_formats(ranked, wish, metric), *_by_type(ranked, wish, metric))
    rejected = sorted((choice for choice in choices if not choice.fits), key=by_quality)
    return Recommendation(
        choices=(*ranked, *rejected),
        gpus=tuple(gpus),
        wish=wish,
        loader=loader,
        ranked_by=metric,
        warnings=tuple(dict.fromkeys((*doubts, *(warning for choice in ranked for warning in choice.warnings)))),
    )


def _by_one_loader(
    branches: Sequence[Branch], gpus: Sequence[Gpu], wish: Wish, table: LoaderTable
) -> tuple[LoaderAt, list[Choice]]:
    """The loader that judges, and its verdicts: the wished loader, else the best candidate.

    The best is the one with which the most branches fit, then which takes the most, then which has the wished cache
    type, then which reads the most; of equals the first. The search ends at one that takes every branch if any fits.
    """
    if wish.loader is not None:
        return wish.loader, [weigh(rule_on(branch, wish.loader, gpus, wish), gpus, wish) for branch in branches]
    best: tuple[tuple[int, int, bool, int], LoaderAt, list[Choice]] | None = None
    for candidate in wish.candidates or (LoaderAt(loader=loader) for loader in table.maintained()):
        choices = [rule_on(branch, candidate, gpus, wish) for branch in branches]
        taken = sum(not choice.reasons for choice in choices)
        read = sum(all(reason.code != "format" for reason in choice.reasons) for choice in choices)
        if taken:
            choices = [weigh(choice, gpus, wish) for choice in choices]
        has_cache = not any(reason.code == "kv-dtype" for choice in choices for reason in choice.reasons)
        merit = sum(choice.fits for choice in choices) if taken else 0, taken, has_cache, read
        if best is None or merit > best[0]:
            best = merit, candidate, choices
        if merit[0] and taken == len(branches):
            break
    assert best is not None, "the table has maintained loaders"
    merit, candidate, choices = best
    return candidate, choices if merit[1] else [weigh(choice, gpus, wish) for choice in choices]


def _with_rank_bpw(choices: Sequence[Choice]) -> list[Choice]:
    """The choices. GGUF types of similar bits are ranked by their published losses instead of their bits."""
    models: dict[object, dict[int, Measured]] = {}
    for at, choice in enumerate(choices):
        shape, loss = choice.branch.shape, choice.branch.type_loss
        if loss is not None and choice.rank_bpw:
            model = None if shape is None else (shape.num_hidden_layers, shape.hidden_size)
            models.setdefault(model, {})[at] = Measured(choice.rank_bpw, loss)
    worth: dict[int, float] = {}
    for files in models.values():
        worth |= zip(files, worth_bpw(tuple(files.values())), strict=True)
    return [replace(choice, rank_bpw=worth.get(at, choice.rank_bpw)) for at, choice in enumerate(choices)]


def _by_type(ranked: Sequence[Choice], wish: Wish, metric: str | None) -> Iterator[BranchWarning]:
    """Why the best branch is not the one with the most bits, if the published losses of GGUF types decided."""
    if not ranked or wish.prefer != "quality" or metric is not None or ranked[0].branch.type_loss is None:
        return
    best, loss = ranked[0].branch, ranked[0].branch.type_loss
    for other in (choice.branch for choice in ranked[1:]):
        if other.type_loss is not None and other.type_loss > loss and (other.bpw or 0) > (best.bpw or 0):
            message = (
                f"before {other.name}, which has more bits: types of GGUF files are ranked by the KL divergence that "
                "llama.cpp published for Llama 3 8B, which may be another for this model"
            )
            yield BranchWarning("by-type", best.name, message)
            return


def _across_formats(ranked: Sequence[Choice], wish: Wish, metric: str | None) -> Iterator[BranchWarning]:
    """What a ranking across methods rests on if nobody measured them side by side."""
    methods = {choice.branch.quant.method for choice in ranked} - {None}
    if len(methods) > 1 and wish.prefer == "quality" and metric is None:
        titles = sorted(METHODS[method].title for method in methods if method is not None)
        message = (
            f"{', '.join(titles[:-1])} and {titles[-1]} are ranked by bits per weight: no card measures them alike"
        )
        yield BranchWarning("across-formats", None, message)


def _common_metric(fitting: Sequence[Choice]) -> str | None:
    """The first metric that one card gives for all of several branches, measured against the same reference."""
    cards = {choice.branch.repo_id(None) for choice in fitting}
    if len(fitting) < 2 or len(cards) > 1:
        return None
    for metric in RANKING_METRICS:
        said = [choice.branch.quality.get(metric) for choice in fitting]
        numbers = [one for one in said if one is not None and isinstance(one.value, int | float)]
        if len(numbers) == len(fitting) and len({one.against for one in numbers}) == 1:
            return metric
    return None


_METHOD_RANK: Final[dict[Method | None, int]] = {"exl3": 0, "exl2": 1}

_Key = tuple[object, ...]


def by_quality(choice: Choice, metric: str | None = None) -> _Key:
    """The sort key for the best quality first: by a metric of the card, if given, then by bits."""
    quant = choice.branch.quant
    said = choice.branch.quality.get(metric) if metric else None
    return (
        RANKING_METRICS[metric] * said.value if metric and said and isinstance(said.value, int | float) else 0,
        -round(choice.rank_bpw, 2),
        choice.branch.type_loss or 0,
        _METHOD_RANK.get(quant.method, 2),
        not quant.desc_act,
        choice.branch.home.place if choice.branch.home else 0,
        choice.fit.estimate.total_bytes if choice.fit else 0,
        choice.branch.name,
    )


def _by_speed(choice: Choice) -> _Key:
    """Smallest first, as decoding reads every weight once per token; below the floor quality decides again."""
    below_floor = (choice.branch.quant.effective_bpw or 0) < SPEED_FLOOR_BITS
    weights = choice.fit.estimate.weights_bytes if choice.fit else 0
    return below_floor, choice.slow, 0 if below_floor else weights, by_quality(choice)


def _by_context(choice: Choice) -> _Key:
    return -choice.fit.spare_bytes if choice.fit else 0, by_quality(choice)


_ORDERS: Final[dict[Prefer, Callable[[Choice], Any]]] = {
    "quality": by_quality,
    "speed": _by_speed,
    "context": _by_context,
}
