"""``quantpick clean``."""

from typing import Final

from quantpick.core.outcome import CleanReport, LeftoverKind
from quantpick.core.units import format_gb
from quantpick.render.page import Block, Line, Page

_WORDS: Final[dict[LeftoverKind, str]] = {
    "partial": "file on its way",
    "scratch": "scratch file",
    "record": "record of nothing",
    "lock": "lock file",
}


def leftovers_page(report: CleanReport) -> Page:
    """What was removed, or would be, and what stays because somebody uses it."""
    page: list[Block] = []
    for one in report.leftovers:
        used = ", in use" if one.in_use else ""
        page.append(Line(f"{format_gb(one.size_bytes)}  {_WORDS[one.kind]}{used}  {one.path}"))
    free = sum(not one.in_use for one in report.leftovers)
    verb = "would be removed" if report.dry_run else "removed"
    page.append(Line(f"{free} files {verb} from {report.path}: {format_gb(report.size_bytes)}", "bold"))
    return page
