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
from quantpick.transfer.transports.job import Job, Transport
from quantpick.transfer.transports.table import LAST_RESORT, TRANSPORTS

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
    partial, stop = job.partial, job.line.patience.stop
    reused = partial.journal.held_bytes
    job.tally.reused(reused)
    hasher = _PrefixHash(job)
    try:
        used = _transfer(job, choice)
        job.tally.phase("verifying")
        matches = hasher.result()
    except QuantpickError:
        with contextlib.suppress(DiskError):
            partial.sync()
        raise
    finally:
        hasher.stop()
    if not matches and not file_matches(partial.path, partial.file, stop=stop):
        if stop.is_set():
            raise Stopped
        partial.discard()
        raise DamagedError(
            f"`{partial.file.path}` differs from the Hub's hash; what arrived was thrown away",
            hint="run again; if it stays so, tell the publisher",
        )
    partial.finish(final)
    job.tally.phase("done")
    return Fetched(used, partial.file.size_bytes - reused, reused)


def _transfer(job: Job, choice: TransportChoice) -> TransportName | None:
    """All that is missing, by one transport and what it leaves by the last resort."""
    if job.missing_bytes == 0:
        return None
    chosen = _chosen(job) if choice == "auto" else TRANSPORTS[choice]
    reason = chosen.unable(job)
    if reason is not None:
        raise UsageError(f"{chosen.name} cannot run here: {reason}", hint="--transport auto")
    if not chosen.suits(job):
        chosen = LAST_RESORT
    chosen.fetch(job)
    if job.missing_bytes:
        LAST_RESORT.fetch(job)
    return chosen.name


def _chosen(job: Job) -> Transport:
    """The first that is worth it and can run."""
    missing = job.missing_bytes
    return next(row for row in TRANSPORTS.values() if missing >= row.worth_bytes and row.unable(job) is None)


class _PrefixHash:
    """The hash of what is there from the start on, computed while the rest arrives."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._hash = FileHash(job.partial.file)
        self._stop = threading.Event()
        (self._thread,) = start_daemons([self._run], name="hash")

    def result(self) -> bool:
        """Whether the whole file has the right hash; waits for the rest of it.

        Raises:
            Stopped: instead of waiting.
        """
        while self._thread.is_alive():
            self._thread.join(0.1)
            if self._job.line.patience.stop.is_set():
                raise Stopped
        return self._hash.matches

    def stop(self) -> None:
        """End it, and wait: it reads from the file."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
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
