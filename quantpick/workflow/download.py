"""Fetch a branch: the named one, or the recommended one."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from quantpick.core import selection
from quantpick.core.choose.wish import Wish
from quantpick.core.gguf.sets import find_sets
from quantpick.core.gpu import Gpu
from quantpick.core.outcome import DownloadResult
from quantpick.core.progress import DownloadProgress
from quantpick.core.repo import RepoFile
from quantpick.core.transfer_options import TransferOptions, TransportChoice
from quantpick.core.units import format_gb
from quantpick.errors import HubError, NotFoundError, UsageError
from quantpick.workflow.arguments import StrPath, checked
from quantpick.workflow.choice import WishWords, check_gpus, make_wish
from quantpick.workflow.pick import Pick, named_target, pick

if TYPE_CHECKING:
    from quantpick.core.choose.recommend import Recommendation
    from quantpick.core.quant import BranchWarning
    from quantpick.transfer.disk.places import Layout
    from quantpick.transfer.transports.fetch import Fetched


class DownloadWords(WishWords, total=False):
    """The fields of `TransferOptions` and of a wish, one by one."""

    include: Sequence[str]
    exclude: Sequence[str]
    transport: TransportChoice
    connections: int
    retry_for_s: float
    limit_bytes_per_s: int | None
    force: bool
    dry_run: bool


@checked
def download(
    repo: str,
    revision: str | None = None,
    *,
    file: str | None = None,
    mmproj: bool = False,
    family: bool = False,
    local_dir: StrPath | None = None,
    cache_dir: StrPath | None = None,
    options: TransferOptions | None = None,
    progress: DownloadProgress | None = None,
    stop: threading.Event | None = None,
    token: str | bool | None = None,
    wish: Wish | None = None,
    gpus: Sequence[Gpu] | None = None,
    announce: "Callable[[Recommendation], None] | None" = None,
    warn: "Callable[[BranchWarning], None] | None" = None,
    **words: Unpack[DownloadWords],
) -> DownloadResult:
    """Fetch a branch, complete and verified. After an interruption, the next call resumes it.

    Args:
        repo: as in `list_branches`; a branch may be in it.
        revision: the branch, tag or commit. None takes the one that `recommend` names for the arguments below. If the
            repo has no such revision, it may name a set of GGUF files in ``main``.
        file: the set of GGUF files to fetch from the branch (by default ``main``), by its name (``Q4_K_M``) or one of
            its files. Only the set is fetched.
        mmproj: whether to fetch the mmproj file beside the set too.
        family: whether to choose among the model's quantizations in other repos too, as `recommend` does.
        local_dir: a folder for the files; None means the Hub's cache.
        cache_dir: a cache instead of ``HF_HUB_CACHE``.
        options: which files, by which transport, how long to try; None makes them from `words`.
        progress: kept up to date while it runs.
        stop: set it from another thread to end the download; what arrived is kept.
        token: as in `list_branches`.
        wish: what to run, made by `make_wish`; None makes it from `words`. The result holds the launch command of its
            loader.
        gpus: as in `recommend`.
        announce: called with the verdict before anything is fetched: the answer of `recommend`, or if a loader is
            wished, the verdict on the named branch alone.
        warn: called before anything is fetched if the named branch holds several sets of GGUF files, all of which
            will be fetched: ``many-sets``.
        words: as in `recommend`.

    Raises:
        UsageError: an argument is out of bounds, or the folder holds another branch.
        NothingFitsError: no revision was named and no branch fits.
        NotFoundError, AccessError, HubError: as in `list_branches`.
        TransferError: the transfer gave up; what arrived is kept.
        DiskError: not enough disk, or the target cannot be written.
        DamagedError: a file differs from the Hub's hash.
    """
    options, asked = _judged(options, wish, words)
    asked = replace(asked, mmproj=mmproj)
    gpus = None if gpus is None else check_gpus(gpus)
    named = named_target(repo, revision, file)
    if family and named.revision is not None:
        raise UsageError(f"`{named.revision}` is named already: --family chooses among repos", hint="leave one out")
    picked = pick(named, file, mmproj=mmproj, family=family, wish=asked, gpus=gpus, token=token)
    if picked.answer is not None and announce is not None:
        announce(picked.answer)
    chosen = selection.select_files(picked.parts, include=options.include, exclude=options.exclude)
    _check_names(picked.repo_id, chosen.files)
    many = _many_sets(picked, chosen.files)
    if many is not None and warn is not None:
        warn(many)
    layout = _layout(picked, local_dir, cache_dir, force=options.force)
    result = DownloadResult(
        repo_id=picked.repo_id,
        branch=picked.branch.name,
        commit=picked.branch.commit,
        path=str(layout.path.absolute()),
        transport=None,
        files=chosen.files,
        left_out=chosen.pickles,
        launch=_launch(picked, layout.path.absolute(), in_hub_cache=local_dir is None),
    )
    if options.dry_run:
        return _planned(result, layout)
    return _fetch(result, layout, options, progress or DownloadProgress(), token=token, stop=stop)


def _layout(picked: Pick, local_dir: StrPath | None, cache_dir: StrPath | None, *, force: bool) -> "Layout":
    """Where the branch's files go: into a folder, or into the Hub's cache."""
    from quantpick.transfer.disk.places import CacheLayout, FolderLayout

    if local_dir is not None:
        return FolderLayout(picked.repo_id, picked.branch, Path(local_dir), force=force)
    return CacheLayout(picked.repo_id, picked.branch, None if cache_dir is None else Path(cache_dir))


def _many_sets(picked: Pick, files: Sequence[RepoFile]) -> "BranchWarning | None":
    """A warning if all of several GGUF quantizations in a branch will be fetched, as ``hf download`` does."""
    sets = find_sets(files)
    if len(sets) < 2 or picked.is_set:
        return None
    from quantpick.core.quant import BranchWarning

    size = format_gb(sum(file.size_bytes for file in files))
    message = f"all {len(sets)} sets of GGUF files in it are fetched, {size}; --file {sets[0].name} takes one"
    return BranchWarning("many-sets", picked.branch.name, message)


def _planned(result: DownloadResult, layout: "Layout") -> DownloadResult:
    """The result of a dry run: what would be fetched, and what is already there."""
    from quantpick.transfer.download import needed_bytes

    needed = needed_bytes([layout.place(file) for file in result.files])
    return replace(result, planned=True, fetched_bytes=needed, reused_bytes=max(0, result.total_bytes - needed))


def _fetch(
    result: DownloadResult,
    layout: "Layout",
    options: TransferOptions,
    counters: DownloadProgress,
    *,
    token: str | bool | None,
    stop: threading.Event | None,
) -> DownloadResult:
    """Fetch the files to their places; the result with its costs.

    Raises:
        KeyboardInterrupt: it was told to stop.
        TransferError, DiskError, DamagedError, AccessError, NotFoundError, HubError: as `download`.
    """
    from quantpick.hub import client
    from quantpick.transfer.disk.locks import Interrupted, Waiting
    from quantpick.transfer.disk.places import check_apart, check_names
    from quantpick.transfer.download import check_disk, fetch_branch
    from quantpick.transfer.net.line import Line
    from quantpick.transfer.net.pace import Pace
    from quantpick.transfer.net.patience import Patience, Stopped

    places = [layout.place(file) for file in result.files]
    line = Line(
        lambda file: client.file_url(result.repo_id, result.commit, file.path),
        login=client.login_header(token),
        connections=options.connections,
        patience=Patience(options.retry_for_s, stop, counters),
        pace=Pace(options.limit_bytes_per_s),
        progress=counters,
    )
    started = time.monotonic()
    try:
        waiting = Waiting(line.patience.stop, options.retry_for_s, counters.wait_for)
        with layout.claimed(waiting, result.files):
            line.patience.fresh()
            check_disk(places, places[0].final.parent)
            check_names(layout.path, result.files)
            layout.begun(result.files, waiting)
            line.patience.fresh()
            fetched = fetch_branch(layout, places, line, options.transport, counters)
            check_apart(layout.path, result.files)
            layout.finished(result.files)
    except (Stopped, Interrupted) as stopped:
        raise KeyboardInterrupt from stopped
    return replace(_with_costs(result, fetched, time.monotonic() - started), left_behind=layout.left_behind)


def _with_costs(result: DownloadResult, fetched: "Sequence[Fetched]", seconds: float) -> DownloadResult:
    """The result with its bytes and seconds; the transport is the one that fetched the largest file."""
    brought = sorted((one for one in fetched if one.fetched_bytes), key=lambda one: one.fetched_bytes)
    return replace(
        result,
        transport=brought[-1].transport if brought else None,
        fetched_bytes=sum(one.fetched_bytes for one in fetched),
        reused_bytes=sum(one.reused_bytes for one in fetched),
        seconds=seconds,
    )


def _judged(options: TransferOptions | None, wish: Wish | None, words: DownloadWords) -> tuple[TransferOptions, Wish]:
    """The options and the wish, made from the words if not given."""
    said: dict[str, Any] = dict(words)
    own = {field.name: said.pop(field.name) for field in fields(TransferOptions) if field.name in said}
    own |= {name: tuple(own[name]) for name in ("include", "exclude") if name in own}
    options = options or TransferOptions(**own)
    if options.problem is not None:
        raise UsageError(options.problem)
    return options, make_wish(**said) if wish is None else wish


def _check_names(repo_id: str, files: Sequence[RepoFile]) -> None:
    """Check that every file's name is safe on this disk.

    Raises:
        NotFoundError: there is no file to fetch.
        HubError: a name must not become a path.
    """
    if not files:
        raise NotFoundError(f"no file of `{repo_id}` is left to fetch", hint="--include and --exclude leave none")
    for file in files:
        reason = selection.unsafe_path(file.path, windows=os.name == "nt")
        if reason is not None:
            raise HubError(f"`{repo_id}` holds a file called `{file.path}`: {reason}", hint="--exclude it")


def _launch(picked: Pick, path: Path, *, in_hub_cache: bool) -> tuple[str, ...] | None:
    """The command that starts the loader; None if the branch does not fit, or no loader was judged."""
    answer = picked.answer
    choice = answer.recommended if answer else None
    if answer is None or choice is None or answer.repo_id is None:
        return None
    from quantpick.workflow.launching import launch_on_disk

    placed = picked.on_disk(path, in_hub_cache=in_hub_cache)
    if choice.branch.files is not None:
        placed = replace(placed, files=choice.branch.files.paths[:1])
    return launch_on_disk(choice, placed, answer.wish)
