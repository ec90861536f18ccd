"""A branch on disk: the one that was named, or the recommended one."""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from quantpick.core import selection
from quantpick.core.branches import table as branch_table
from quantpick.core.choose.advice import nothing_fits
from quantpick.core.choose.recommend import Recommendation
from quantpick.core.choose.recommend import recommend as judge
from quantpick.core.choose.verdict import Choice
from quantpick.core.choose.wish import Wish
from quantpick.core.gguf.sets import GgufSet, find_set, find_sets
from quantpick.core.gpu import Gpu
from quantpick.core.loaders.launch import OnDisk
from quantpick.core.outcome import DownloadResult
from quantpick.core.progress import DownloadProgress
from quantpick.core.repo import BranchFiles, RepoFacts, RepoFile
from quantpick.core.target import Target
from quantpick.core.transfer_options import TransferOptions, TransportChoice
from quantpick.errors import HubError, NotFoundError, NothingFitsError, UsageError
from quantpick.workflow.choice import WishWords, loader_table, make_wish, target
from quantpick.workflow.launching import launch_on_disk
from quantpick.workflow.machine import machine
from quantpick.workflow.recommend import recommend
from quantpick.workflow.survey import StrPath, find_facts, shaped

if TYPE_CHECKING:
    from quantpick.transfer.disk.places import Layout
    from quantpick.transfer.transports.fetch import Fetched


class DownloadWords(WishWords, total=False):
    """The fields of `TransferOptions` and the words of a wish, one by one."""

    include: Sequence[str]
    exclude: Sequence[str]
    transport: TransportChoice
    connections: int
    retry_for_s: float
    limit_bytes_per_s: int | None
    force: bool
    dry_run: bool


def download(
    repo: str,
    revision: str | None = None,
    *,
    file: str | None = None,
    mmproj: bool = False,
    local_dir: StrPath | None = None,
    cache_dir: StrPath | None = None,
    options: TransferOptions | None = None,
    progress: DownloadProgress | None = None,
    stop: threading.Event | None = None,
    token: str | bool | None = None,
    wish: Wish | None = None,
    gpus: Sequence[Gpu] | None = None,
    announce: Callable[[Recommendation], None] | None = None,
    **words: Unpack[DownloadWords],
) -> DownloadResult:
    """Bring a branch to disk, complete and verified; an interruption costs nothing, the next call goes on.

    Args:
        repo: as in `list_branches`; a branch may be in it.
        revision: the branch, tag or commit; None is the one that `recommend` names, asked with what follows. Where the
            repo has none of that name, a set of GGUF files in ``main`` may be called so.
        file: the set of GGUF files to take of the branch (``main`` where none is named): its name (``Q4_K_M``), or one
            of its files. Nothing but the set is fetched.
        mmproj: whether the mmproj file beside the set is fetched too.
        local_dir: a folder for the files; None is the Hub's cache.
        cache_dir: a cache instead of ``HF_HUB_CACHE``.
        options: which files, by which transport, how long to try; None makes them of `words`.
        progress: filled and kept up to date while it runs.
        stop: set from another thread to end it; what arrived is kept.
        token: as in `list_branches`.
        wish: what to run, made by `make_wish`; None makes it of `words`. Its loader is whose launch command the result
            holds.
        gpus: as in `recommend`.
        announce: called before anything is fetched with the verdict on the branch: that of `recommend` with all the
            others, or on the named branch alone where a loader is wished.
        words: as in `recommend`.

    Raises:
        UsageError: an argument is out of bounds, or the folder holds another branch.
        NothingFitsError: no revision was named and no branch fits.
        NotFoundError, AccessError, HubError: as in `list_branches`.
        TransferError: it gave up; what arrived is kept.
        DiskError: not enough disk, or the target cannot be written.
        DamagedError: a file differs from the Hub's hash.
    """
    from quantpick.transfer.disk.places import CacheLayout, FolderLayout

    options, asked = _judged(options, wish, words)
    pick = _pick(_named(repo, revision, file), file, mmproj=mmproj, wish=asked, gpus=gpus, token=token)
    if pick.answer is not None and announce is not None:
        announce(pick.answer)
    chosen = selection.select_files(pick.parts, include=options.include, exclude=options.exclude)
    _check_names(pick.repo_id, chosen.files)
    layout: Layout = (
        CacheLayout(pick.repo_id, pick.branch, None if cache_dir is None else Path(cache_dir))
        if local_dir is None
        else FolderLayout(pick.repo_id, pick.branch, Path(local_dir), force=options.force)
    )
    result = DownloadResult(
        repo_id=pick.repo_id,
        branch=pick.branch.name,
        commit=pick.branch.commit,
        path=str(layout.path.absolute()),
        transport=None,
        files=chosen.files,
        left_out=chosen.pickles,
        launch=_launch(pick.answer, pick.on_disk(layout.path.absolute(), in_hub_cache=local_dir is None)),
    )
    if options.dry_run:
        return _planned(result, layout)
    return _fetch(result, layout, options, progress or DownloadProgress(), token=token, stop=stop)


@dataclass(frozen=True, slots=True)
class _Pick:
    """What is to be fetched, found at one commit.

    Args:
        repo_id: as the Hub writes it today.
        branch: the branch that it lies in.
        parts: its files: those of the branch, or of one set of GGUF files.
        projector: the mmproj among them, or None.
        answer: the verdict on it, or None where no loader was wished.
    """

    repo_id: str
    branch: BranchFiles
    parts: tuple[RepoFile, ...]
    projector: RepoFile | None
    answer: Recommendation | None

    def on_disk(self, path: Path, *, in_hub_cache: bool) -> OnDisk:
        """What a launch command has to know of it when it is there."""
        return OnDisk(
            repo_id=self.repo_id,
            branch=self.branch.name,
            path=str(path),
            hub_cache=str(path).partition("/models--")[0] if in_hub_cache else None,
            files=[one.path for one in self.parts],
            projector=self.projector.path if self.projector else None,
        )


def _named(repo: str, revision: str | None, file: str | None) -> Target:
    """The repo and the branch that the words name; a set of files without a branch is one of ``main``.

    Raises:
        UsageError: they name two different branches.
    """
    named = target(repo)
    if revision is not None:
        if not named.is_at(revision):
            raise UsageError(f"`{repo}` names a branch, and `--revision {revision}` another", hint="name one of them")
        return replace(named, revision=revision, may_name_a_folder=False)
    return replace(named, revision="main") if named.revision is None and file is not None else named


def _pick(
    named: Target,
    file: str | None,
    *,
    mmproj: bool,
    wish: Wish,
    gpus: Sequence[Gpu] | None,
    token: str | bool | None,
) -> _Pick:
    """The branch that was named, or the recommended one, and of it the files that are meant.

    Raises:
        NothingFitsError: none was named and none fits.
        NotFoundError, AccessError, HubError: it is not to be had.
    """
    answer, commit = None, None
    if named.revision is None:
        answer = recommend(named.repo_id, wish=wish, gpus=gpus, token=token)
        best = _best(answer).branch
        named = replace(named, repo_id=answer.repo_id or named.repo_id, revision=best.git_branch)
        commit = best.commit
        file = best.files.name if best.files else None
    facts, found = find_facts(named, commit=commit, token=token)
    if found is not None and file is not None:
        raise NotFoundError(f"`{facts.repo_id}` has no branch `{named.revision}`")
    file = found if file is None else file
    branch = facts.branches[0]
    wanted = None if file is None else _wanted(facts.repo_id, branch, file)
    projector = _projector(facts.repo_id, wanted) if mmproj else None
    parts = branch.files if wanted is None else (*wanted.files, *([projector] if projector else ()))
    return _Pick(facts.repo_id, branch, tuple(parts), projector, answer or _verdict_on(facts, wish, gpus, wanted))


def _planned(result: DownloadResult, layout: "Layout") -> DownloadResult:
    """The result of a dry run: what would be fetched, and what is there."""
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
    """Bring the files to their places; the result, with what it cost.

    Raises:
        KeyboardInterrupt: it was told to stop.
        TransferError, DiskError, DamagedError, AccessError, NotFoundError, HubError: as `download`.
    """
    from quantpick.hub import client
    from quantpick.transfer.disk.locks import Interrupted, Waiting
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
        with layout.claimed(Waiting(line.patience.stop, options.retry_for_s, counters.wait_for)):
            line.patience.fresh()
            check_disk(places, places[0].final.parent)
            layout.begun(result.files)
            fetched = fetch_branch(layout, places, line, options.transport, counters)
            layout.finished(result.files)
    except (Stopped, Interrupted) as stopped:
        raise KeyboardInterrupt from stopped
    return replace(_with_costs(result, fetched, time.monotonic() - started), left_behind=layout.left_behind)


def _with_costs(result: DownloadResult, fetched: "Sequence[Fetched]", seconds: float) -> DownloadResult:
    """The result, with what each file cost; the transport is the one that brought the most."""
    brought = sorted((one for one in fetched if one.fetched_bytes), key=lambda one: one.fetched_bytes)
    return replace(
        result,
        transport=brought[-1].transport if brought else None,
        fetched_bytes=sum(one.fetched_bytes for one in fetched),
        reused_bytes=sum(one.reused_bytes for one in fetched),
        seconds=seconds,
    )


def _judged(options: TransferOptions | None, wish: Wish | None, words: DownloadWords) -> tuple[TransferOptions, Wish]:
    """The options and the wish, made of the words where they were not given."""
    said: dict[str, Any] = dict(words)
    own = {field.name: said.pop(field.name) for field in fields(TransferOptions) if field.name in said}
    own |= {name: tuple(own[name]) for name in ("include", "exclude") if name in own}
    options = options or TransferOptions(**own)
    if options.problem is not None:
        raise UsageError(options.problem)
    return options, make_wish(**said) if wish is None else wish


def _best(answer: Recommendation) -> Choice:
    if answer.recommended is None:
        message, hint = nothing_fits(answer)
        raise NothingFitsError(message, hint=hint, answer=answer)
    return answer.recommended


def _projector(repo_id: str, wanted: GgufSet | None) -> RepoFile:
    """The mmproj that goes with a set.

    Raises:
        NotFoundError: there is none.
    """
    if wanted is None or not wanted.projectors:
        raise NotFoundError(f"`{repo_id}` has no mmproj for {wanted.name if wanted else 'a whole branch'}")
    return wanted.projectors[0]


def _wanted(repo_id: str, branch: BranchFiles, file: str) -> GgufSet:
    """The set of files of a branch that a user named.

    Raises:
        NotFoundError: there is none, or it is not whole.
    """
    sets = find_sets(branch.files)
    found = find_set(sets, file)
    if found is None:
        names = [one.name for one in sets]
        near = get_close_matches(file.upper(), names, n=3, cutoff=0.4) or names[:3]
        hint = f"there is {', '.join(near)}: --file {near[0]}" if near else "it has no GGUF files"
        raise NotFoundError(f"`{repo_id}` has no GGUF file `{file}` in `{branch.name}`", hint=hint)
    if found.problem is not None:
        raise NotFoundError(f"`{found.name}` of `{repo_id}` is {found.problem}")
    return found


def _check_names(repo_id: str, files: Sequence[RepoFile]) -> None:
    """See that every file can be given its name here.

    Raises:
        NotFoundError: there is none to fetch.
        HubError: a name is not one to make a path of.
    """
    if not files:
        raise NotFoundError(f"no file of `{repo_id}` is left to fetch", hint="--include and --exclude leave none")
    for file in files:
        reason = selection.unsafe_path(file.path, windows=os.name == "nt")
        if reason is not None:
            raise HubError(f"`{repo_id}` holds a file called `{file.path}`: {reason}", hint="--exclude it")
    pair = selection.same_but_for_case(files) if sys.platform in ("win32", "darwin") else None
    if pair is not None:
        raise HubError(f"`{repo_id}` holds `{pair[0]}` and `{pair[1]}`, one name on this disk", hint="--exclude one")


def _verdict_on(
    facts: RepoFacts, asked: Wish, gpus: Sequence[Gpu] | None, wanted: GgufSet | None
) -> Recommendation | None:
    """What the wished loader makes of a branch that was named; None where no loader is, or it holds no quantization.

    A machine without a GPU may download too: then memory is not judged.
    """
    table = branch_table.table_from_repo(facts)
    rows = [
        one
        for one in shaped(table).branches
        if wanted is None or (one.files is not None and one.files.paths == wanted.paths)
    ]
    if not asked.names_a_loader or not rows:
        return None
    if gpus is None:
        gpus = machine().found.gpus
    answer = judge(rows, gpus, asked, loader_table())
    return replace(answer, repo_id=facts.repo_id)


def _launch(answer: Recommendation | None, placed: OnDisk) -> tuple[str, ...] | None:
    """The command for the loader that the branch fits; None where it does not, or nobody said which."""
    choice = answer.recommended if answer else None
    if answer is None or choice is None or answer.repo_id is None:
        return None
    if choice.branch.files is not None:
        placed = replace(placed, files=choice.branch.files.paths[:1])
    return launch_on_disk(choice, placed, answer.wish.kv_dtype)
