"""``quantpick download``: what is about to come, and why."""

from quantpick.core.choose.recommend import Recommendation
from quantpick.render import phrases
from quantpick.render.page import Block, Line, Page
from quantpick.render.screens.recommendation import question, why

WARNINGS_SHOWN = 4


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
