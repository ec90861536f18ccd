"""``quantpick verify``."""

from collections.abc import Sequence

from quantpick.core.outcome import VerifyReport
from quantpick.render.page import Block, Line, Page


def verification_page(reports: Sequence[VerifyReport]) -> Page:
    """What is missing, damaged or extra, or that nothing is."""
    page: list[Block] = []
    for report in reports:
        name = report.path if report.branch is None else f"{report.repo_id} {report.branch}: {report.path}"
        page.append(Line(name, "bold"))
        for path, state in report.files:
            if state != "ok":
                page.append(Line(f"{state:8} {path}", "" if state == "repaired" else "red", 2))
        sound, known = (
            len(report.having("ok")) + len(report.having("repaired")),
            len(report.files) - len(report.having("extra")),
        )
        page.append(Line(f"{sound} of {known} files are intact", indent=2))
    return page
