"""A branch on disk: the one that was named, or the recommended one."""

import shlex
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

from quantpick.core import defaults, selection
from quantpick.core.branches import table as branch_table
from quantpick.core.choose.advice import nothing_fits
from quantpick.core.choose.recommend import Recommendation
from quantpick.core.choose.verdict import Choice
from quantpick.core.choose.wish import Wish
from quantpick.core.gpu import Gpu
from quantpick.core.loaders import launch
from quantpick.core.outcome import DownloadResult
from quantpick.core.progress import DownloadProgress
from quantpick.core.repo import RepoFacts, RepoFile
from quantpick.errors import HubError, NotFoundError, NothingFitsError, UsageError

if TYPE_CHECKING:
    from quantpick.transfer.transports.fetch import Transport

from quantpick.workflow.choice import WishWords, make_wish, target
from quantpick.workflow.recommend import recommend
from quantpick.workflow.survey import StrPath

MAX_CONNECTIONS: Final = 64


def download(
    repo: str,
    revision: str | None = None,
    *,
    local_dir: StrPath | None = None,
    cache_dir: StrPath | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    transport: "Transport" = "auto",
    connections: int = defaults.CONNECTIONS,
    retry_for_s: float = defaults.RETRY_FOR_S,
    force: bool = False,
    dry_run: bool = False,
    progress: DownloadProgress | None = None,
    stop: threading.Event | None = None,
    token: str | bool | None = None,
    wish: Wish | None = None,
    gpus: Sequence[Gpu] | None = None,
    **words: Unpack[WishWords],
) -> DownloadResult:
    """Bring a branch to disk, complete and verified; an interruption costs nothing, the next call goes on.

    Args:
        repo: as in `list_branches`; a branch may be in it.
        revision: the branch, tag or commit; None is the one that `recommend` names, asked with what follows.
        local_dir: a folder for the files; None is the Hub's cache.
        cache_dir: a cache instead of ``HF_HUB_CACHE``.
        include: patterns of files to fetch, as ``hf download`` reads them; none is all.
        exclude: patterns of files not to fetch.
        transport: ``hf_transfer``, ``range``, or ``auto`` for the first where it can run.
        connections: at once, 1 to 64.
        retry_for_s: seconds without a byte after which it gives up.
        force: put it over another branch in the same `local_dir`.
        dry_run: only say what it would take.
        progress: filled and kept up to date while it runs.
        stop: set from another thread to end it; what arrived is kept.
        token: as in `list_branches`.
        wish: what to run, made by `make_wish`; None makes it of `words`. Its loader is whose launch command the result
            holds.
        gpus: as in `recommend`.
        words: as in `recommend`.

    Raises:
        UsageError: an argument is out of bounds, or the folder holds another branch.
        NothingFitsError: no revision was named and no branch fits.
        NotFoundError, AccessError, HubError: as in `list_branches`.
        TransferError: it gave up; what arrived is kept.
        DiskError: not enough disk, or the target cannot be written.
        DamagedError: a file differs from the Hub's hash.
    """
    from quantpick.hub import client
    from quantpick.hub.survey import survey
    from quantpick.transfer.disk import places as layout
    from quantpick.transfer.download import Item, check_disk, fetch_items, needed_bytes
    from quantpick.transfer.net.patience import Patience, Stopped

    if not 1 <= connections <= MAX_CONNECTIONS:
        raise UsageError(f"{connections} connections: 1 to {MAX_CONNECTIONS} can be had")
    asked = make_wish(**words) if wish is None else wish
    named = target(repo)
    if revision is not None:
        named = replace(named, revision=revision, may_name_a_folder=False)
    picked = None
    if named.revision is None:
        picked = _best(recommend(repo, wish=asked, gpus=gpus, token=token))
        named = replace(named, revision=picked.branch.name)
    facts = survey(named, token=token)
    files = facts.branches[0]
    chosen = selection.select_files(files.files, include=include, exclude=exclude)
    _check_names(facts.repo_id, chosen.files)
    where: layout.Layout = (
        layout.CacheLayout(facts.repo_id, files.name, files.commit, None if cache_dir is None else Path(cache_dir))
        if local_dir is None
        else layout.FolderLayout(facts.repo_id, files.name, files.commit, Path(local_dir), force=force)
    )
    result = DownloadResult(
        repo_id=facts.repo_id,
        branch=files.name,
        commit=files.commit,
        path=str(where.path),
        transport=None,
        files=chosen.files,
        left_out=chosen.pickles,
        launch=_launch(facts, picked, asked, str(where.path), in_hub_cache=local_dir is None),
    )
    items = [
        Item(
            file=file,
            url=client.file_url(facts.repo_id, files.commit, file.path),
            final=place.final,
            partial=place.partial,
            lock=place.lock,
            placed=partial(where.placed, file),
        )
        for file in chosen.files
        for place in [where.place(file)]
    ]
    if dry_run:
        needed = needed_bytes(items)
        return replace(result, planned=True, fetched_bytes=needed, reused_bytes=max(0, result.total_bytes - needed))
    check_disk(items, items[0].final.parent)
    where.begun(chosen.files)
    started = time.monotonic()
    try:
        fetched = fetch_items(
            items,
            login=client.login_header(token),
            transport=transport,
            connections=connections,
            patience=Patience(retry_for_s, stop),
            progress=progress or DownloadProgress(),
        )
    except Stopped as stopped:
        raise KeyboardInterrupt from stopped
    where.finished(chosen.files)
    brought = [one.transport for one in fetched if one.fetched_bytes]
    return replace(
        result,
        transport="hf_transfer" if "hf_transfer" in brought else "range" if brought else None,
        fetched_bytes=sum(one.fetched_bytes for one in fetched),
        reused_bytes=sum(one.reused_bytes for one in fetched),
        seconds=time.monotonic() - started,
    )


def _best(answer: Recommendation) -> Choice:
    if answer.recommended is None:
        message, hint = nothing_fits(answer)
        raise NothingFitsError(message, hint=hint)
    return answer.recommended


def _check_names(repo_id: str, files: Sequence[RepoFile]) -> None:
    """See that every file can be given its name here.

    Raises:
        NotFoundError: there is none to fetch.
        HubError: a name is not one to make a path of.
    """
    if not files:
        raise NotFoundError(f"no file of `{repo_id}` is left to fetch", hint="--include and --exclude leave none")
    for file in files:
        reason = selection.unsafe_path(file.path)
        if reason is not None:
            raise HubError(f"`{repo_id}` holds a file called `{file.path}`: {reason}", hint="--exclude it")


def _launch(
    facts: RepoFacts,
    picked: Choice | None,
    asked: Wish,
    path: str,
    *,
    in_hub_cache: bool,
) -> str | None:
    """The command for the loader that was asked for, or that the branch was picked for."""
    chosen = picked.loader if picked else asked.loader
    table = branch_table.table_from_repo(facts)
    if chosen is None or not table.branches:
        return None
    argv = launch.launch_argv(
        chosen.loader,
        table.branches[0].quant,
        launch.OnDisk(
            repo_id=facts.repo_id,
            branch=table.branches[0].name,
            path=path,
            hub_cache=path.partition("/models--")[0] if in_hub_cache else None,
            files=[file.path for file in facts.branches[0].files],
        ),
        kv_dtype=asked.kv_dtype,
        context_tokens=picked.context_tokens if picked else asked.context_tokens or defaults.CONTEXT_TOKENS,
        gpus=picked.fit.gpus_used if picked and picked.fit else 1,
    )
    return None if argv is None else shlex.join(argv)
