"""``quantpick download``: what came."""

from quantpick.core.outcome import DownloadResult
from quantpick.core.units import format_gb
from quantpick.render.page import Block, Line, Page, Paste

_NAMES_SHOWN = 4


def arrival_page(result: DownloadResult) -> Page:
    """What a download came to."""
    fetched, reused = format_gb(result.fetched_bytes), format_gb(result.reused_bytes)
    again = f", {reused} reused" if result.reused_bytes else ""
    what = f"{result.branch} of {result.repo_id}"
    page: list[Block] = []
    if result.planned:
        page.append(Line(f"{what} would take {fetched} to fetch; {reused} are there. Path: {result.path}"))
    else:
        page.append(Line(f"{what}: {len(result.files)} files, all verified; {fetched} fetched{again}"))
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
