"""A branch's files, each to its final name: the disk first, then the small ones together, then the large one by one."""

import contextlib
import os
import queue
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import filelock
from huggingface_hub.utils import WeakFileLock

from quantpick.core.progress import DownloadProgress, FileProgress
from quantpick.core.repo import RepoFile
from quantpick.core.units import MIB, format_gb
from quantpick.errors import DiskError
from quantpick.transfer.disk.hashing import file_matches
from quantpick.transfer.disk.partial import PartialFile, allocated_bytes, disk_errors
from quantpick.transfer.net.crew import Crew
from quantpick.transfer.net.http import Connection
from quantpick.transfer.net.patience import Patience, Stopped
from quantpick.transfer.net.progress import Progress
from quantpick.transfer.net.source import Source
from quantpick.transfer.transports.fetch import Fetched, Transport, fetch_file
from quantpick.transfer.transports.small import fetch_small

SMALL_BYTES: Final = 4 * MIB
"""Up to this size a file is one request, and several are fetched at once."""
_SMALL_AT_ONCE: Final = 8
_MARGIN_BYTES: Final = 16 * MIB
"""For journals, folders and what the file system itself needs."""
_LOCK_POLL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Item:
    """One file to fetch.

    Args:
        file: what it is.
        url: its address on the Hub, by commit.
        final: its path when it is complete and verified.
        partial: its path on the same file system while it is on its way; of one content only, so that a moved branch
            never mixes bytes.
        lock: the lock file that huggingface_hub takes for it too.
        placed: called when it is there.
    """

    file: RepoFile
    url: str
    final: Path
    partial: Path
    lock: Path
    placed: Callable[[], None]


def needed_bytes(items: Sequence[Item]) -> int:
    """Bytes of disk that the items still need: what is there, whole or in part, is taken off."""
    return sum(
        max(0, item.file.size_bytes - allocated_bytes(item.partial))
        for item in items
        if not (item.final.exists() and item.final.stat().st_size == item.file.size_bytes)
    )


def check_disk(items: Sequence[Item], folder: Path) -> None:
    """See that the target can take the items, before the first byte.

    Raises:
        DiskError: too little is free, or nothing can be written there.
    """
    there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    with disk_errors(folder):
        if not there.is_dir():
            raise NotADirectoryError(20, "Not a directory")
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".quantpick-{os.getpid()}"
        probe.touch()
        probe.unlink()
    needed, free = needed_bytes(items), shutil.disk_usage(folder).free
    if needed and needed + _MARGIN_BYTES > free:
        raise DiskError(
            f"not enough disk for `{folder}`: {format_gb(needed)} needed, {format_gb(free)} free",
            hint="free some space, or another --local-dir or --cache-dir",
        )


def fetch_items(
    items: Sequence[Item],
    *,
    login: Mapping[str, str],
    transport: Transport,
    connections: int,
    patience: Patience,
    progress: DownloadProgress,
) -> list[Fetched]:
    """Bring every item to its final name, verified. What is there already is hashed, not fetched.

    Args:
        items: the files.
        login: the Authorization header for the Hub, or none.
        transport: for the large ones.
        connections: at once, for each of the large ones.
        patience: how long to try, and whether to stop.
        progress: filled with the items and kept up to date.

    Returns:
        What each cost, in the order of the items.

    Raises:
        QuantpickError: as `fetch_file`; what arrived is kept.
        Stopped: the transfer was told to; what arrived is kept.
    """
    states = {id(item): FileProgress(item.file.path, item.file.size_bytes) for item in items}
    progress.files.extend(states[id(item)] for item in items)
    results: dict[int, Fetched] = {}

    def fetch(item: Item, connection: Connection | None) -> None:
        state = Progress(states[id(item)])
        with _locked(item.lock, patience, state):
            results[id(item)] = _fetch(item, connection, login, transport, connections, patience, state)
        with disk_errors(item.final):
            item.placed()

    waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
    for item in items:
        if item.file.size_bytes <= SMALL_BYTES:
            waiting.put(item)
    crew = Crew(patience)

    def work(connection: Connection) -> None:
        with contextlib.suppress(queue.Empty):
            while not crew.is_over:
                fetch(waiting.get_nowait(), connection)

    crew.run(min(_SMALL_AT_ONCE, waiting.qsize()), work, meanwhile=lambda: None)
    for item in items:
        if item.file.size_bytes > SMALL_BYTES:
            fetch(item, None)
    return [results[id(item)] for item in items]


def _fetch(
    item: Item,
    connection: Connection | None,
    login: Mapping[str, str],
    transport: Transport,
    connections: int,
    patience: Patience,
    progress: Progress,
) -> Fetched:
    """One item whose lock is held: seen to be there, or fetched."""
    if item.final.exists() and item.final.stat().st_size == item.file.size_bytes:
        progress.phase("verifying")
        if file_matches(item.final, item.file, stop=patience.stop):
            progress.reused(item.file.size_bytes)
            progress.phase("done")
            return Fetched("range", 0, item.file.size_bytes)
        if patience.stop.is_set():
            raise Stopped
    if connection is not None:
        return fetch_small(item.file, item.url, item.final, item.partial, connection, login, patience, progress)
    source = Source(item.url, login=login, size_bytes=item.file.size_bytes, patience=patience)
    with PartialFile(item.partial, item.file) as partial:
        return fetch_file(
            partial,
            source,
            item.final,
            transport=transport,
            connections=connections,
            patience=patience,
            progress=progress,
        )


@contextlib.contextmanager
def _locked(path: Path, patience: Patience, progress: Progress) -> Iterator[None]:
    """The Hub's own lock, so that `hf download` waits too; waiting ends with the patience's `stop`."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            with WeakFileLock(path, timeout=_LOCK_POLL_S):
                yield
                return
        except filelock.Timeout:
            progress.phase("waiting")
            if patience.stop.is_set():
                raise Stopped from None
