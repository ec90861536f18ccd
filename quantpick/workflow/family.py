"""The quantizations of one model in all repos, as one table."""

import time
from dataclasses import replace

from quantpick.core.branches.table import BranchTable, table_from_repo
from quantpick.core.choose.wish import Wish
from quantpick.core.family import Descent, join
from quantpick.core.loaders.versions import LoaderAt
from quantpick.core.methods import Method
from quantpick.core.quant import BranchWarning
from quantpick.workflow.loader import loader_table


def with_family(
    table: BranchTable, wish: Wish, *, token: str | bool | None, offline: bool, timeout_s: float
) -> BranchTable:
    """A repo's table, joined with quantizations of the same model in other repos that the wished loader may read.

    Args:
        table: the repo's.
        wish: its loader decides which methods are worth a look; without a loader, all maintained ones do.
        token: as in `list_branches`.
        offline: as in `list_branches`.
        timeout_s: seconds that the Hub may take.

    Raises:
        HubError, AccessError: as in `list_branches`.
    """
    from quantpick.hub.family import survey_family

    found = survey_family(
        str(table.repo_id),
        Descent(table.base_relation, table.base_models),
        [sibling.repo_id for sibling in table.siblings],
        wanted=_wanted(wish),
        token=token,
        offline=offline,
        timeout_s=timeout_s,
    )
    joined = join(table, [table_from_repo(facts) for facts in found.repos], found.base_model, found.left_out)
    doubts = []
    if found.base_model is None:
        message = f"`{table.repo_id}` is made from several models: only its own quantizations are judged"
        doubts.append(BranchWarning("no-family", None, message))
    elif not found.is_listed:
        message = f"the Hub does not list the quantizations of {found.base_model}: only those the card names are judged"
        doubts.append(BranchWarning("no-family", None, message))
    return replace(joined, warnings=(*doubts, *joined.warnings))


def seconds_left(timeout_s: float, began: float) -> float:
    """Seconds left of a time limit that began at a value of `time.monotonic`; at least 0.1."""
    return max(0.1, timeout_s - (time.monotonic() - began))


def _wanted(wish: Wish) -> frozenset[Method]:
    """The methods read by at least one loader in question."""
    maintained = (LoaderAt(loader=loader) for loader in loader_table().maintained())
    loaders = (wish.loader,) if wish.loader is not None else wish.candidates or maintained
    return frozenset(
        rule.method
        for one in loaders
        for rule in one.loader.rules
        if rule.rejects is None and (rule.extra is None or rule.extra in one.extras)
    )
