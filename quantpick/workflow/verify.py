"""What is on disk against the Hub's hashes."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from quantpick.core.outcome import VerifyReport
from quantpick.core.progress import DownloadProgress
from quantpick.core.repo import RepoFile
from quantpick.core.target import Target
from quantpick.errors import NotFoundError

if TYPE_CHECKING:
    from quantpick.transfer.disk.places import Holding

from quantpick.workflow.choice import target
from quantpick.workflow.survey import StrPath


def verify(
    place: StrPath,
    *,
    cache_dir: StrPath | None = None,
    progress: DownloadProgress | None = None,
    token: str | bool | None = None,
    offline: bool = False,
) -> tuple[VerifyReport, ...]:
    """Hash what is on disk against the Hub's hashes.

    Args:
        place: a folder that was downloaded to, or a repo (and branch) whose place is the Hub's cache. A branch that
            quantpick did not fetch is compared with its file list on the Hub.
        cache_dir: a cache instead of ``HF_HUB_CACHE``.
        progress: filled and kept up to date while it runs.
        token: as in `list_branches`.
        offline: as in `list_branches`.

    Returns:
        A report per branch that is there.

    Raises:
        NotFoundError: nothing of it is there.
        UsageError, AccessError, HubError: as in `list_branches`.
    """
    from quantpick.transfer.disk import places as layout
    from quantpick.transfer.disk.verify import verify_folder

    folder = Path(place).expanduser()
    cache = None if cache_dir is None else Path(cache_dir)
    found: list[tuple[Path, layout.Holding | None, tuple[RepoFile, ...]]]
    if folder.is_dir():
        holding = layout.folder_holding(folder)
        found = [(folder, holding, holding.files if holding else layout.folder_files(folder))]
    else:
        named = target(str(place))
        there = [
            one
            for one in layout.cached_holdings(named.repo_id, cache)
            if named.revision in (None, one[1].branch, one[1].commit)
        ]
        found = [(path, holding, holding.files) for path, holding in there] or _on_the_hub(
            named, cache, token=token, offline=offline
        )
    if not any(files for _, _, files in found):
        raise NotFoundError(f"nothing that was downloaded is known of `{place}`", hint="quantpick download REPO")
    counters = progress or DownloadProgress()
    return tuple(
        VerifyReport(
            repo_id=holding.repo_id if holding else None,
            branch=holding.branch if holding else None,
            commit=holding.commit if holding else None,
            path=str(path),
            files=verify_folder(path, files, counters),
        )
        for path, holding, files in found
    )


def _on_the_hub(
    named: Target, cache_dir: Path | None, *, token: str | bool | None, offline: bool
) -> "list[tuple[Path, Holding | None, tuple[RepoFile, ...]]]":
    """A branch that another program put into the Hub's cache, with its file list from the Hub."""
    from quantpick.hub.survey import survey
    from quantpick.transfer.disk.places import CacheLayout, Holding

    facts = survey(replace(named, revision=named.revision or "main"), token=token, offline=offline)
    branch = facts.branches[0]
    path = CacheLayout(facts.repo_id, branch.name, branch.commit, cache_dir).path
    if not path.is_dir():
        raise NotFoundError(f"`{named.repo_id}` is not in the cache", hint=f"quantpick download {named.repo_id}")
    return [(path, Holding(facts.repo_id, branch.name, branch.commit, branch.files), branch.files)]
