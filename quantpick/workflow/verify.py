"""Compare what is on disk with the Hub's hashes, and on request fetch again what is wrong."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quantpick.core import defaults
from quantpick.core.gguf.sets import find_set, find_sets
from quantpick.core.outcome import FileState, VerifyReport
from quantpick.core.progress import DownloadProgress
from quantpick.core.repo import BranchFiles, RepoFile
from quantpick.core.target import Target
from quantpick.core.transfer_options import TransferOptions
from quantpick.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from quantpick.transfer.disk.places import Layout
    from quantpick.transfer.disk.records import Holding

from quantpick.workflow.arguments import StrPath, checked
from quantpick.workflow.choice import target
from quantpick.workflow.facts import find_facts
from quantpick.workflow.pick import set_in

_MANY: Final = 2
"""A branch with at least this many sets of GGUF files is not expected to be complete."""


@checked
def verify(
    place: StrPath,
    *,
    cache_dir: StrPath | None = None,
    repair: bool = False,
    progress: DownloadProgress | None = None,
    stop: threading.Event | None = None,
    token: str | bool | None = None,
    offline: bool = False,
    retry_for_s: float = defaults.RETRY_FOR_S,
) -> tuple[VerifyReport, ...]:
    """Hash what is on disk against the Hub's hashes.

    Args:
        place: a folder that was downloaded to, such as a snapshot in the Hub's cache, or a repo (and branch, or set of
            GGUF files) in that cache. A branch that quantpick did not fetch is compared with its file list on the Hub;
            of several sets of GGUF files, those that are at least partly there.
        cache_dir: a cache instead of ``HF_HUB_CACHE``.
        repair: fetch again what is damaged or missing, and nothing else.
        progress: kept up to date while it runs.
        stop: set it from another thread to end a repair.
        token: as in `list_branches`.
        offline: as in `list_branches`.
        retry_for_s: for a repair, seconds without a byte after which it gives up.

    Returns:
        A report per branch found.

    Raises:
        NotFoundError: nothing of it is there.
        UsageError: a repair of a folder without a record of its repo; and as in `list_branches`.
        AccessError, HubError: as in `list_branches`.
        TransferError, DiskError, DamagedError: as in `download`, of a repair.
    """
    from quantpick.transfer.disk.verify import verify_folder

    problem = TransferOptions(retry_for_s=retry_for_s).problem
    if problem is not None:
        raise UsageError(problem)
    found = _found(place, None if cache_dir is None else Path(cache_dir), token=token, offline=offline)
    if not any(one.files for one in found):
        raise NotFoundError(f"no download is recorded for `{place}`", hint="quantpick download REPO")
    counters = progress or DownloadProgress()
    reports = []
    for one in found:
        states = verify_folder(one.path, one.files, counters, besides=one.besides)
        broken = [path for path, state in states if state in ("missing", "damaged")]
        if repair and broken:
            _repair(one, broken, counters, stop=stop, token=token, retry_for_s=retry_for_s)
            states = tuple((path, "repaired" if path in broken else state) for path, state in states)
        reports.append(_report(one, states))
    return tuple(reports)


@dataclass(frozen=True, slots=True)
class _Found:
    """A folder with a branch, the files that should be in it, and the paths of others that may be."""

    path: Path
    holding: "Holding | None"
    files: tuple[RepoFile, ...]
    in_cache: bool = True
    besides: frozenset[str] = frozenset()


def _report(found: _Found, states: Sequence[tuple[str, FileState]]) -> VerifyReport:
    holding = found.holding
    return VerifyReport(
        repo_id=holding.repo_id if holding else None,
        branch=holding.branch if holding else None,
        commit=holding.commit if holding else None,
        path=str(found.path),
        files=tuple(states),
    )


def _found(place: StrPath, cache: Path | None, *, token: str | bool | None, offline: bool) -> list[_Found]:
    from quantpick.transfer.disk import places
    from quantpick.transfer.disk.records import Holding

    folder = places.user_folder(Path(place))
    if not os.path.isdir(folder):
        named = target(str(place))
        cached = list(places.cached_holdings(named.repo_id, cache))
        there = [
            _Found(path, holding, holding.files)
            for path, holding in cached
            if named.revision in (None, holding.branch, holding.commit)
        ]
        there = there or [
            _Found(path, holding, wanted.files, besides=frozenset(file.path for file in holding.files))
            for path, holding in cached
            if named.revision and (wanted := find_set(find_sets(holding.files), named.revision)) is not None
        ]
        return there or [_on_the_hub(named, cache, token=token, offline=offline)]
    snapshot = places.snapshot_holding(folder)
    if snapshot is not None:
        repo_id, commit, holding = snapshot
        if holding is None:
            facts, _ = find_facts(Target(repo_id, commit), token=token, offline=offline, only_files=True)
            branch = facts.branches[0]
            holding = Holding(repo_id, branch.name, commit, _begun(folder, branch.files))
        return [_Found(folder, holding, holding.files)]
    holding = places.folder_holding(folder)
    files = holding.files if holding else places.folder_files(folder)
    return [_Found(folder, holding, files, in_cache=False)]


def _on_the_hub(named: Target, cache_dir: Path | None, *, token: str | bool | None, offline: bool) -> _Found:
    """A branch that another program put into the Hub's cache, with its file list from the Hub."""
    from quantpick.transfer.disk.places import CacheLayout
    from quantpick.transfer.disk.records import Holding

    wanted = replace(named, revision=named.revision or "main")
    facts, file = find_facts(wanted, token=token, offline=offline, only_files=True)
    branch = facts.branches[0]
    path = CacheLayout(facts.repo_id, branch, cache_dir).path
    if not path.is_dir():
        raise NotFoundError(f"`{named.repo_id}` is not in the cache", hint=f"quantpick download {named.repo_id}")
    files = _begun(path, branch.files) if file is None else set_in(facts.repo_id, branch, file).files
    holding = Holding(facts.repo_id, branch.name, branch.commit, branch.files)
    return _Found(path, holding, files, besides=frozenset(one.path for one in branch.files) if file else frozenset())


def _begun(folder: Path, files: tuple[RepoFile, ...]) -> tuple[RepoFile, ...]:
    """The files that should be in a folder: the whole branch, or of many GGUF sets, those at least partly there."""
    sets = find_sets(files)
    if len(sets) < _MANY:
        return files
    there = {file.path for file in files if (folder / file.path).exists()}
    begun = {path for one in sets if not there.isdisjoint(one.paths) for path in one.paths}
    return tuple(file for file in files if file.path in there | begun)


def _repair(
    found: _Found,
    broken: Sequence[str],
    progress: DownloadProgress,
    *,
    stop: threading.Event | None,
    token: str | bool | None,
    retry_for_s: float,
) -> None:
    """Fetch the broken files again, at the recorded commit."""
    from quantpick.hub import client
    from quantpick.transfer.disk.locks import Interrupted, Waiting
    from quantpick.transfer.disk.places import CacheLayout, FolderLayout
    from quantpick.transfer.download import check_disk, fetch_branch
    from quantpick.transfer.net.line import Line
    from quantpick.transfer.net.patience import Patience, Stopped

    holding = found.holding
    if holding is None:
        raise UsageError(
            f"`{found.path}` does not say which repo it is from",
            hint="quantpick download REPO --local-dir with its path",
        )
    branch = BranchFiles(name=holding.branch, commit=holding.commit, files=holding.files)
    layout: Layout = (
        CacheLayout(holding.repo_id, branch, found.path.absolute().parents[2])
        if found.in_cache
        else FolderLayout(holding.repo_id, branch, found.path)
    )
    line = Line(
        lambda file: client.file_url(holding.repo_id, holding.commit, file.path),
        login=client.login_header(token),
        patience=Patience(retry_for_s, stop, progress),
        progress=progress,
    )
    places = [layout.place(file) for file in holding.files if file.path in broken]
    try:
        wanted = [place.file for place in places]
        with layout.claimed(Waiting(line.patience.stop, retry_for_s, progress.wait_for), wanted):
            line.patience.fresh()
            check_disk(places, places[0].final.parent, anew=True)
            fetch_branch(layout, places, line, "auto", progress)
    except (Stopped, Interrupted) as stopped:
        raise KeyboardInterrupt from stopped
