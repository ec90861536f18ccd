"""``quantpick download``: what is about to come and why, and what came."""

from quantpick.core.choose.recommend import Recommendation
from quantpick.core.outcome import DownloadResult
from quantpick.core.units import format_gb
from quantpick.render import phrases
from quantpick.render.page import Block, Line, Page, Paste
from quantpick.render.screens.recommendation import question, why

WARNINGS_SHOWN = 4
_NAMES_SHOWN = 4


def announcement_page(answer: Recommendation) -> Page:
    """Which branch will be fetched, and why; or that the named one is not for the loader."""
    page: list[Block] = [*phrases.warnings(answer.warnings, WARNINGS_SHOWN)]
    best = answer.recommended
    if best is None:
        (named,) = answer.choices
        loader = f"{named.loader.loader.name} {named.loader.shown_version}"
        doubts = "; ".join(reason.message for reason in named.reasons)
        return [*page, Line(f"warning: {named.branch.name} is not for {loader} here: {doubts}")]
    is_picked = len(answer.choices) > 1
    page.append(Line(f"{best.branch.name}: {why(best, answer) if is_picked else phrases.spec(best.branch)}", "bold"))
    return [*page, Line(question(best, answer), "dim", 2)]


def arrival_page(result: DownloadResult) -> Page:
    """What a download came to."""
    fetched, reused = format_gb(result.fetched_bytes), format_gb(result.reused_bytes)
    what = f"{result.branch} of {result.repo_id}"
    page: list[Block] = []
    if result.planned:
        page.append(Line(f"{what} would take {fetched} to fetch; {reused} are there. Path: {result.path}"))
    else:
        page.append(Line(f"{what}: {len(result.files)} files, all verified; {fetched} fetched, {reused} reused"))
    if result.left_out:
        size = format_gb(sum(file.size_bytes for file in result.left_out))
        page.append(
            Line(f"left out: {size} of pickle weights, which are there as safetensors; --include asks for them")
        )
    if result.left_behind:
        more = ", ..." if len(result.left_behind) > _NAMES_SHOWN else ""
        shown = ", ".join(result.left_behind[:_NAMES_SHOWN])
        page.append(Line(f"left over from an earlier commit, and not part of this one: {shown}{more}"))
    if result.launch is not None:
        page += [Line("Run it:", "bold"), Paste(result.launch)]
    return page
