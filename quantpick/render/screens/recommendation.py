"""``quantpick recommend``: the verdict, its numbers, what to do next; then the table; then why not the others."""

from collections.abc import Sequence
from typing import Final

from quantpick.core.choose.fit import Fit
from quantpick.core.choose.recommend import Recommendation
from quantpick.core.choose.verdict import Choice
from quantpick.core.quant import Reason
from quantpick.core.units import GIB, format_gib
from quantpick.render import phrases
from quantpick.render.page import Block, Column, Grid, Line, Page, Paste, Row, Segment

BAR_CELLS: Final = 16
_METRIC_NAMES: Final = {"kl_divergence": "KL divergence", "perplexity": "perplexity", "top_1": "top-1 agreement"}

ADVICE_SHOWN: Final = 4
ROWS_KEPT: Final = 2
"""Of the table, on a screen that is too low for it."""

_COLUMNS: Final = (
    Column(""),
    Column("branch"),
    Column("needs", right=True, goes=1, unit="GiB"),
    Column("max context", right=True, goes=2),
    Column("weights", right=True, goes=3, unit="GiB"),
    Column("cache", right=True, goes=4, unit="GiB"),
    Column("scratch", right=True, goes=5, unit="GiB"),
    Column("CUDA", right=True, goes=6, unit="GiB"),
    Column("of what is usable", goes=7, picture=True),
)
_PARTS: Final = (("█", "cyan"), ("▓", "magenta"), ("▒", "blue"))
"""Weights, cache and overhead in a bar."""
_LEGEND: Final = "sizes in GiB"
_BAR_LEGEND: Final = "; in the bar █ weights ▓ cache ▒ scratch and CUDA · spare ▶ too large"
_SPARE: Final = ("·", "dim")
_BEYOND: Final = ("▶", "bold red")


def recommendation_page(
    answer: Recommendation,
    *,
    asked: Sequence[str],
    next_steps: Sequence[Sequence[str]] = (),
    notes: Sequence[str] = (),
    why_all: bool = False,
    brief: bool = False,
) -> Page:
    """The whole answer.

    Args:
        answer: what was found.
        asked: the command that asked for it, as arguments, to build better ones on.
        notes: on how the question was understood.
        next_steps: commands that fetch and start the recommended branch.
        why_all: whether to give every reason with its source, and all rows.
        brief: whether to leave the table out.
    """
    page = [*_verdict(answer), *(Line(note, "dim", 2) for note in notes)]
    page += phrases.gap([Paste(argv) for argv in next_steps])
    page += _advice(answer, asked)
    if not brief:
        page += phrases.gap([_table(answer, whole=why_all)])
    rejected = [choice for choice in answer.choices if not choice.fits]
    if rejected and why_all:
        page += phrases.gap(
            [Line("Why not the others" if answer.recommended else "Why not", "bold"), *_reasons(rejected)]
        )
    elif rejected and not brief:
        page.append(Line(f"{_counted(rejected)}: --why says more", "dim"))
    page += _family(answer, why_all=why_all) if not brief else []
    return page


def why(best: Choice, answer: Recommendation) -> str:
    """What it is, and what makes it the best."""
    virtue = {
        "quality": "the best quality that fits" + _measured(answer),
        "speed": "the smallest that is good enough, so the fastest",
        "context": "the one that leaves the most room",
    }[answer.wish.prefer]
    only = sum(choice.fits for choice in answer.choices) == 1
    return f"{phrases.spec(best.branch)}: {'the only one that fits' if only else virtue}"


def _measured(answer: Recommendation) -> str:
    """By what the card measured it, where that ranked the branches."""
    said = answer.recommended.branch.quality.get(answer.ranked_by) if answer.recommended and answer.ranked_by else None
    if said is None or answer.ranked_by is None:
        return ""
    against = f" against {said.against}" if said.against else ""
    return f" by the card's {_METRIC_NAMES[answer.ranked_by]} of {said.value}{against}"


def question(shown: Choice, answer: Recommendation) -> str:
    """What was asked, as it was understood."""
    machine = ", ".join(f"{gpu.name} {format_gib(gpu.total_bytes)}" for gpu in answer.gpus)
    loader = f"{shown.loader.loader.name} {shown.loader.shown_version}"
    installed = " (installed here)" if answer.wish.candidates else " (assumed: no --loader)"
    assumed = "" if answer.wish.loader else installed
    batch = "" if answer.wish.batch == 1 else f", batch {answer.wish.batch}"
    return f"{loader}{assumed}, {shown.context_tokens:,} tokens, {answer.wish.kv_dtype} cache{batch}, {machine}"


def _verdict(answer: Recommendation) -> list[Block]:
    best = answer.recommended
    if best is not None:
        lines = [why(best, answer), *_numbers(best), question(best, answer)]
        sure = Line(best.branch.name, "bold green")
        tight = Line(f"{best.branch.name} (tight: it may not fit)", "bold yellow")
        return [tight if best.is_tight else sure, *(Line(line, indent=2) for line in lines)]
    nearest = _nearest(answer)
    lines = [] if nearest is None else _missing(nearest)
    lines += [question(nearest or answer.choices[0], answer)] if answer.choices else []
    return [Line("No branch fits.", "bold red"), *(Line(line, indent=2) for line in lines)]


def _numbers(choice: Choice) -> list[str]:
    fit = choice.fit
    if fit is None:
        return []
    where = "" if fit.gpus_used == 1 else f" of {fit.gpus_used} GPUs"
    return [
        f"needs {format_gib(fit.estimate.total_bytes)} of the {format_gib(fit.budget_bytes)} usable{where}: "
        f"{format_gib(fit.spare_bytes)} to spare, context up to {fit.max_context_tokens:,} tokens"
    ]


def _nearest(answer: Recommendation) -> Choice | None:
    """The branch that is closest, of those that miss nothing but memory."""
    too_large = [one for one in answer.choices if one.fit and {reason.code for reason in one.reasons} == {"vram"}]
    return max(too_large, key=lambda one: one.fit.spare_bytes if one.fit else 0, default=None)


def _missing(nearest: Choice) -> list[str]:
    fit = nearest.fit
    assert fit is not None
    need = fit.estimate
    return [
        f"{nearest.branch.name} is closest: it needs {format_gib(need.total_bytes)}, {format_gib(-fit.spare_bytes)} "
        f"more than the {format_gib(fit.budget_bytes)} usable",
        f"of that {format_gib(need.weights_bytes)} are weights and {format_gib(need.kv_cache_bytes)} the cache",
    ]


def _advice(answer: Recommendation, asked: Sequence[str]) -> list[Block]:
    """What would help, as commands to paste; then the repos that the card names."""
    blocks: list[Block] = []
    for advice in answer.advice[:ADVICE_SHOWN]:
        blocks.append(Line(f"- {advice.message}", indent=2))
        if advice.options and answer.recommended is None:
            blocks.append(Paste(_with_options(asked, advice.options)))
    said = " ".join(advice.message for advice in answer.advice)
    others = [sibling.repo_id for sibling in answer.siblings if sibling.repo_id not in said]
    if answer.recommended is None and others:
        named = ", ".join(others[:ADVICE_SHOWN])
        blocks.append(Line(f"- the card names these other repos of the model: {named}", indent=2))
    title = "What would help" if answer.recommended is None else "Also"
    return phrases.gap([Line(title, "bold"), *blocks]) if blocks else []


def _with_options(asked: Sequence[str], options: Sequence[str]) -> list[str]:
    """A command with options in the place of those that say otherwise.

    >>> _with_options(["quantpick", "recommend", "a/b", "--context", "32k"], ["--context", "4096"])
    ['quantpick', 'recommend', 'a/b', '--context', '4096']
    """
    words = list(asked)
    for option in options:
        if option.startswith("--") and option in words:
            at = words.index(option)
            del words[at : at + 2]
    return [*words, *options]


def _table(answer: Recommendation, *, whole: bool) -> Grid:
    """A row per branch: what its memory is made of, in GiB, and a bar."""
    rows = [_row(choice) for choice in answer.choices]
    least = None if whole else ROWS_KEPT
    more = "  {count} more branches: --why shows them"
    return Grid(_COLUMNS, rows, least=least, more=more, legend=_LEGEND, picture_legend=_BAR_LEGEND)


def _row(choice: Choice) -> Row:
    fit = choice.fit
    numbers = ["?"] * 6
    if fit is not None:
        need = fit.estimate
        parts = (need.weights_bytes, need.kv_cache_bytes, need.scratch_bytes, need.cuda_context_bytes)
        sizes = [f"{part / GIB:.2f}" for part in (need.total_bytes, *parts)]
        numbers = [sizes[0], f"{fit.max_context_tokens:,}", *sizes[1:]]
    mark: Segment = (str(choice.rank), "green") if choice.fits else ("✗", "red")
    if choice.is_tight:
        mark = (f"{choice.rank}~", "yellow")
    return Row([(mark,), choice.branch.name, *numbers, _bar(fit) if fit else ""], "" if choice.fits else "dim")


def _bar(fit: Fit) -> tuple[Segment, ...]:
    """Weights, cache and overhead against the budget; what is beyond it ends in an arrow."""
    need = fit.estimate
    sizes = (need.weights_bytes, need.kv_cache_bytes, need.scratch_bytes + need.cuda_context_bytes)
    room = BAR_CELLS if fit.spare_bytes >= 0 else BAR_CELLS - 1
    bar: list[Segment] = []
    end, filled = 0, 0
    for size_bytes, (sign, style) in zip(sizes, _PARTS, strict=True):
        end += size_bytes
        upto = min(room, round(BAR_CELLS * end / max(1, fit.budget_bytes)))
        bar.append((sign * (upto - filled), style))
        filled = max(filled, upto)
    if fit.spare_bytes < 0:
        return (*bar, (_BEYOND[0], _BEYOND[1]))
    return (*bar, (_SPARE[0] * (BAR_CELLS - filled), _SPARE[1]))


def _family(answer: Recommendation, *, why_all: bool) -> list[Block]:
    """Whose quantizations were judged, and which repos were not."""
    family = answer.family
    if family is None:
        return []
    of = "" if family.base_model is None else f" of {family.base_model}"
    count = f"{len(family.repos)} repo{'' if len(family.repos) == 1 else 's'}{of}"
    if not family.left_out or not why_all:
        more = f"; left out: {len(family.left_out)}, --why says why" if family.left_out else ""
        return [Line(count + more, "dim")]
    rows = [Row(["", repo_id, reason]) for repo_id, reason in family.left_out.items()]
    grid = Grid((Column(""), Column(""), Column("")), rows, prose=True)
    return phrases.gap([Line(f"{count}, and not these", "bold"), grid])


def _counted(rejected: Sequence[Choice]) -> str:
    """How many are rejected for what, in one line."""
    causes = []
    for choice in rejected:
        code = choice.reasons[0].code
        causes.append("too large" if code == "vram" else f"not for {choice.loader.loader.name} ({code})")
    return f"rejected: {', '.join(f'{causes.count(cause)} {cause}' for cause in dict.fromkeys(causes))}"


def _reasons(rejected: Sequence[Choice]) -> list[Block]:
    """Every reason, with a number where a rule of the loader says so; then those rules' sources by number."""
    sources: dict[str, int] = {}
    rows = [
        Row(["", choice.branch.name, _sentence(choice, reason, sources)])
        for choice in rejected
        for reason in choice.reasons
    ]
    grid = Grid((Column(""), Column(""), Column("")), rows, prose=True)
    return [grid, *(Line(f"[{number}] {source}", "dim", 2) for source, number in sources.items())]


def _sentence(choice: Choice, reason: Reason, sources: dict[str, int]) -> str:
    """A reason; the numbers that the table has are not said again."""
    if reason.code == "vram" and choice.fit is not None:
        return f"{format_gib(-choice.fit.spare_bytes)} too large"
    if choice.rule is None:
        return reason.message
    number = sources.setdefault(f"{choice.rule.source} ({choice.rule.checked})", len(sources) + 1)
    return f"{reason.message} [{number}]"
