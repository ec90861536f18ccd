"""``quantpick list``."""

from typing import Final

from quantpick.core.branches.table import BranchTable
from quantpick.core.quant import Branch
from quantpick.core.units import format_gb
from quantpick.render import phrases
from quantpick.render.page import Block, Column, Grid, Line, Page, Row

_CONTRADICTIONS: Final = frozenset({"card-mismatch", "name-mismatch", "stale-size", "unread-config"})

_COLUMNS: Final = (
    Column(""),
    Column("branch"),
    Column("size", right=True, goes=1),
    Column("ExLlama", goes=2),
    Column("seq len", right=True, goes=3),
    Column("quantization"),
)


def branches_page(table: BranchTable) -> Page:
    """The branch table, then what is in the repo beside quantizations."""
    page: list[Block] = [] if table.repo_id is None else [Line(table.repo_id, "bold")]
    doubted = {warning.branch for warning in table.warnings if warning.code in _CONTRADICTIONS}
    rows = [_row(branch, doubted=branch.name in doubted) for branch in table.branches]
    page.append(Grid(_COLUMNS, rows, prose=True))
    if any(branch.name in doubted for branch in table.branches):
        page.append(Line("! what is said about it and what is there disagree: see the warnings", "dim"))
    if table.skipped:
        skipped = [Row(["", one.branch, one.reason]) for one in table.skipped]
        page += phrases.gap([Line("Not quantizations", "bold")])
        page.append(Grid((Column(""), Column(""), Column("")), skipped, prose=True))
    return page


def _row(branch: Branch, *, doubted: bool) -> Row:
    return Row(
        [
            "!" if doubted else "",
            branch.name,
            "" if branch.size_bytes is None else format_gb(branch.size_bytes),
            {True: "yes", False: "no", None: ""}[branch.exllama],
            "" if branch.seq_len is None else str(branch.seq_len),
            phrases.spec(branch),
        ]
    )
