"""What earlier runs left and nobody uses: partial files, scratch files, lock files, records of what is gone.

Nothing is removed while somebody holds the lock for it, and nothing that is part of a branch.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from quantpick.core.outcome import Leftover, LeftoverKind
from quantpick.files import TEMPORARY, odd_folder
from quantpick.transfer.disk.locks import held_if_free
from quantpick.transfer.disk.partial import stale_links
from quantpick.transfer.disk.places import FOLDER_LOCK, FOLDER_SUMS, PARTIAL, SUMS
from quantpick.transfer.disk.records import NOTES, RECORD, read_record
from quantpick.transfer.disk.trouble import disk_errors

_ORPHAN: Final = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})(?:\.[0-9a-f]{8})?\.incomplete")
"""What huggingface_hub leaves of a killed download: 1.18 and later ``<etag>.<8 hex>.incomplete``, before without."""


def clean_folder(folder: Path, *, dry_run: bool) -> Iterator[Leftover]:
    """What is left in a folder of the user's. One lock guards all of it.

    Raises:
        DiskError: something cannot be removed.
    """
    notes = folder / NOTES
    if odd_folder(folder, [NOTES / "x"]):
        return
    with held_if_free(folder / FOLDER_LOCK) as free:
        for path in _entries(notes):
            if PARTIAL in path.name:
                yield _dropped(path, "partial", free, dry_run)
        for path in (*_below(folder), *_entries(folder / RECORD.parent)):
            if path.name.endswith(TEMPORARY):
                yield _dropped(path, "scratch", free, dry_run)
        for path in _stale_records(folder):
            yield _dropped(path, "record", free, dry_run)
        if (folder / FOLDER_LOCK).exists():
            yield _dropped(folder / FOLDER_LOCK, "lock", free, dry_run)
    for path in _below(notes):
        if path.suffix == ".lock":
            with held_if_free(path) as unused:
                yield _dropped(path, "lock", unused and free, dry_run)


def clean_cache(cache: Path, *, dry_run: bool) -> Iterator[Leftover]:
    """What is left in the Hub's cache. Each blob has a lock of its own.

    Raises:
        DiskError: something cannot be removed.
    """
    for repo in _entries(cache):
        if repo.name.startswith("models--") and not odd_folder(cache, [f".locks/{repo.name}/x"]):
            yield from _clean_repo(repo, cache / ".locks" / repo.name, dry_run=dry_run)


def _clean_repo(repo: Path, locks: Path, *, dry_run: bool) -> Iterator[Leftover]:
    for path in _entries(repo / "blobs"):
        identity = path.name.partition(".")[0]
        orphan = _ORPHAN.fullmatch(path.name)
        if PARTIAL in path.name or orphan is not None:
            with held_if_free(locks / f"{identity}.lock") as free:
                yield _dropped(path, "partial", free, dry_run)
    with contextlib.suppress(OSError):
        for path in () if (repo / "blobs").is_symlink() else stale_links(repo / "blobs"):
            yield _dropped(path, "scratch", True, dry_run)
    with held_if_free(locks / "quantpick.lock") as free:
        for path in (*_below(repo / "snapshots"), *_below(repo / "refs"), *_entries(repo / "quantpick")):
            if path.name.endswith(TEMPORARY):
                yield _dropped(path, "scratch", free, dry_run)
        for path in _entries(repo / "quantpick"):
            if _is_of_nothing(repo, path):
                yield _dropped(path, "record", free, dry_run)
    for path in _entries(locks):
        if path.suffix == ".lock":
            with held_if_free(path) as free:
                yield _dropped(path, "lock", free, dry_run)


def _stale_records(folder: Path) -> Iterator[Path]:
    """A folder's record, where it cannot be read, and checksums of what is in no record."""
    record = folder / RECORD
    holding = read_record(record)
    known = {file.identity for file in holding.files} if holding else set()
    for path in _entries(folder / FOLDER_SUMS):
        if path.suffix == SUMS and path.stem not in known:
            yield path
    if record.exists() and holding is None:
        yield record


def _is_of_nothing(repo: Path, path: Path) -> bool:
    """Whether a record in a repo's cache is of a snapshot, or checksums are of a blob, that is gone."""
    if path.suffix == SUMS:
        return not (repo / "blobs" / path.stem).exists()
    holding = read_record(path) if path.suffix == ".json" else None
    return path.suffix == ".json" and (holding is None or not (repo / "snapshots" / holding.commit).exists())


def _dropped(path: Path, kind: LeftoverKind, free: bool, dry_run: bool) -> Leftover:
    """A leftover, removed if it may be."""
    state = path.lstat() if os.path.lexists(path) else None
    size_bytes = 0 if state is None else min(state.st_size, getattr(state, "st_blocks", 1 << 40) * 512)
    if free and not dry_run:
        with disk_errors(path):
            path.unlink(missing_ok=True)
    return Leftover(str(path), size_bytes, kind, in_use=not free)


def _entries(folder: Path) -> list[Path]:
    """What is in a folder; nothing where it is a link, which may lead to what is none of ours."""
    try:
        return [] if folder.is_symlink() else sorted(folder.iterdir())
    except OSError:
        return []


def _below(folder: Path) -> list[Path]:
    """All files below a folder, links not followed."""
    if folder.is_symlink():
        return []
    return sorted(Path(root) / name for root, _, names in os.walk(folder) for name in names)
