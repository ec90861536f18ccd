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
                page.append(Line(f"{state:8} {path}", "" if state in ("repaired", "extra") else "red", 2))
        sound, extra = len(report.having("ok")) + len(report.having("repaired")), len(report.having("extra"))
        besides = f"; {extra} besides {'is' if extra == 1 else 'are'} none of the branch's" if extra else ""
        page.append(Line(f"{sound} of {len(report.files) - extra} files are intact{besides}", indent=2))
    return page
