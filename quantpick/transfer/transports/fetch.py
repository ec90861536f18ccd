"""One file from the Hub to its final name: transport, journal, hash, and never an unverified byte under that name."""

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from quantpick.core.transfer_options import TransportChoice, TransportName
from quantpick.errors import DamagedError, DiskError, QuantpickError, UsageError
from quantpick.threads import start_daemons
from quantpick.transfer.disk.hashing import FileHash, file_matches
from quantpick.transfer.disk.journal import BLOCK_BYTES
from quantpick.transfer.net.patience import Stopped
from quantpick.transfer.transports.auto import fetch_auto
from quantpick.transfer.transports.job import Job
from quantpick.transfer.transports.ranged import fetch_ranges
from quantpick.transfer.transports.table import TRANSPORTS

_LOOK_S: Final = 0.02
"""Chosen: a block of 1 MiB comes every few milliseconds on a fast line, and looking costs microseconds."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one file cost.

    Args:
        transport: what brought it, or most of it; None when nothing had to come.
        fetched_bytes: what came now.
        reused_bytes: what an earlier run had left.
    """

    transport: TransportName | None
    fetched_bytes: int
    reused_bytes: int


def fetch_file(job: Job, final: Path, choice: TransportChoice) -> Fetched:
    """Bring one file to its final name, complete and verified; what is there already is not fetched again.

    Args:
        job: the file on its way.
        final: its final path, on the same file system.
        choice: which transport.

    Raises:
        UsageError: the transport that was named cannot run here.
        DamagedError: the hash is wrong, also when read again; the partial file is gone.
        TransferError, DiskError, AccessError, NotFoundError, HubError: what arrived is kept.
        Stopped: the transfer was told to; what arrived is kept.
    """
    before = job.partial.journal.held()
    reused = job.partial.journal.held_bytes
    job.tally.reused(reused)
    matches = _arrives(job, choice)
    if not matches and (damaged := _damaged_since(job)):
        # Not what the server sent, but what lay on the disk: that alone is fetched again.
        reused = max(0, reused - damaged)
        job.tally.lost(damaged)
        matches = _arrives(job, "range")
    if not matches and (before or _others(job)):
        # Only `range` sees whether a server sends what it was asked for; what brought the bytes of an earlier run is
        # not known.
        if _others(job):
            job.partial.journal.forget()
            job.tally.begin_anew()
        else:
            job.partial.journal.forget(before)
            job.tally.lost(reused)
        reused = 0
        matches = _arrives(job, "range")
    if not matches:
        job.partial.discard()
        raise DamagedError(
            f"`{job.partial.file.path}` differs from the Hub's hash; what arrived was thrown away",
            hint="run again; if it stays so, tell the publisher",
        )
    job.partial.finish(final)
    job.tally.phase("done")
    return Fetched(job.tally.transport, job.partial.file.size_bytes - reused, reused)


def _others(job: Job) -> bool:
    """Whether anything but `range` brought bytes of the file now."""
    return bool(set(job.tally.brought) - {"range"})


def _damaged_since(job: Job) -> int:
    """Forget what lies on the disk otherwise than it came; how many bytes that were.

    Raises:
        Stopped: the transfer was told to.
        DiskError: it cannot be noted.
    """
    stop = job.line.patience.stop
    damaged = job.partial.drop_damaged(stop=stop)
    if stop.is_set():
        raise Stopped
    return damaged


def _arrives(job: Job, choice: TransportChoice) -> bool:
    """Fetch all that is missing; whether the whole is right.

    Raises:
        as `fetch_file`.
    """
    partial, patience = job.partial, job.line.patience
    patience.fresh()
    hasher = _PrefixHash(job)
    try:
        if job.missing_bytes:
            _transfer(job, choice)
        job.tally.phase("verifying")
        matches = hasher.result() or file_matches(partial.path, partial.file, stop=patience.stop)
    except QuantpickError:
        with contextlib.suppress(DiskError):
            partial.sync()
        raise
    finally:
        hasher.stop()
        patience.fresh()
    if not matches and patience.stop.is_set():
        raise Stopped
    return matches


def _transfer(job: Job, choice: TransportChoice) -> None:
    """All that is missing, by the transport that was named and what it leaves by ranges."""
    if choice == "auto":
        return fetch_auto(job)
    chosen = TRANSPORTS[choice]
    reason = chosen.unable(job)
    if reason is not None:
        raise UsageError(f"{chosen.name} cannot run here: {reason}", hint="--transport auto")
    chosen.fetch(job)
    if job.missing_bytes:
        fetch_ranges(job)
    return None


class _PrefixHash:
    """The hash of what is there from the start on, computed while the rest arrives."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._hash = FileHash(job.partial.file)
        self._stop = threading.Event()
        self._error: DiskError | None = None
        (self._thread,) = start_daemons([self._run], name="hash")

    def result(self) -> bool:
        """Whether the whole file has the right hash; waits for the rest of it.

        Raises:
            Stopped: instead of waiting.
            DiskError: the file cannot be read.
        """
        while self._thread.is_alive():
            self._thread.join(0.1)
            if self._job.line.patience.stop.is_set():
                raise Stopped
        if self._error is not None:
            raise self._error
        return self._hash.matches

    def stop(self) -> None:
        """End it, and wait: it reads from the file."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._hash_blocks()
        except DiskError as error:
            self._error = error

    def _hash_blocks(self) -> None:
        buffer = memoryview(bytearray(BLOCK_BYTES))
        partial, journal = self._job.partial, self._job.partial.journal
        for block in range(journal.blocks):
            while not journal.holds(block):
                if self._stop.is_set():
                    return
                time.sleep(_LOOK_S)
            if self._stop.is_set():
                return
            self._hash.update(partial.read_block(block, buffer))
            self._job.tally.hashed(journal.span(block)[1])
