"""One file from the Hub to its final name: transport, journal, hash, and never an unverified byte under that name."""

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from quantpick.core.units import MIB
from quantpick.errors import DamagedError, DiskError, QuantpickError, UsageError
from quantpick.transfer.disk.hashing import FileHash, file_matches
from quantpick.transfer.disk.journal import BLOCK_BYTES
from quantpick.transfer.disk.partial import PartialFile, holes_can_be_seen
from quantpick.transfer.net.patience import Patience, Stopped
from quantpick.transfer.net.progress import Progress
from quantpick.transfer.net.source import Source
from quantpick.transfer.transports import hf_transfer as hf
from quantpick.transfer.transports.ranged import fetch_ranges

Transport = Literal["auto", "hf_transfer", "range"]

_WORTH_A_CHILD: Final = 32 * MIB
"""Less than this is there before hf_transfer has started."""
_LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one file cost.

    Args:
        transport: what brought it, or most of it.
        fetched_bytes: what came now.
        reused_bytes: what an earlier run had left.
    """

    transport: Literal["hf_transfer", "range"]
    fetched_bytes: int
    reused_bytes: int


def fetch_file(
    partial: PartialFile,
    source: Source,
    final: Path,
    *,
    transport: Transport,
    connections: int,
    patience: Patience,
    progress: Progress,
) -> Fetched:
    """Bring one file to its final name, complete and verified; what is there already is not fetched again.

    Args:
        partial: the file on its way.
        source: where its bytes are.
        final: its final path, on the same file system.
        transport: ``auto`` takes hf_transfer where it can run and is worth it.
        connections: at once, at least 1.
        patience: how long to try, and whether to stop.
        progress: told how far it is.

    Raises:
        DamagedError: the hash is wrong, also when read again; the partial file is gone.
        TransferError, DiskError, AccessError, NotFoundError, HubError: what arrived is kept.
        Stopped: the transfer was told to; what arrived is kept.
    """
    reused = partial.journal.held_bytes
    progress.reused(reused)
    hasher = _PrefixHash(partial, patience, progress)
    try:
        used = _transfer(partial, source, transport, connections, patience, progress)
        progress.phase("verifying")
        matches = hasher.result()
    except QuantpickError:
        with contextlib.suppress(DiskError):
            partial.sync()
        raise
    finally:
        hasher.stop()
    if not matches and not file_matches(partial.path, partial.file, stop=patience.stop):
        if patience.stop.is_set():
            raise Stopped
        partial.discard()
        raise DamagedError(
            f"`{partial.file.path}` differs from the Hub's hash; what arrived was thrown away",
            hint="run again; if it stays so, tell the publisher",
        )
    partial.finish(final)
    progress.phase("done")
    return Fetched(used, partial.file.size_bytes - reused, reused)


def _transfer(
    partial: PartialFile,
    source: Source,
    transport: Transport,
    connections: int,
    patience: Patience,
    progress: Progress,
) -> Literal["hf_transfer", "range"]:
    """All that is missing, by one transport and what it leaves by the other."""
    used: Literal["hf_transfer", "range"] = "range"
    if _is_for_hf_transfer(partial, source, transport):
        hf.fetch_chunks(partial, source, connections=connections, patience=patience, progress=progress)
        used = "hf_transfer"
    if next(partial.journal.missing(), None) is not None:
        fetch_ranges(partial, source, connections=connections, patience=patience, progress=progress)
    return used


def _is_for_hf_transfer(partial: PartialFile, source: Source, transport: Transport) -> bool:
    """Whether hf_transfer can run here, and may: a link that needs a login is not for a child process."""
    missing = partial.file.size_bytes - partial.journal.held_bytes
    if transport == "range" or missing < (_WORTH_A_CHILD if transport == "auto" else 1):
        return False
    able = hf.is_installed() and holes_can_be_seen(partial.path.parent)
    if not able and transport == "hf_transfer":
        raise UsageError(
            "hf_transfer cannot run here: it needs its package, hard links and a file system that shows holes",
            hint="--transport auto",
        )
    return able and not source.link().login


class _PrefixHash:
    """The hash of what is there from the start on, computed while the rest arrives."""

    def __init__(self, partial: PartialFile, patience: Patience, progress: Progress) -> None:
        self._partial = partial
        self._patience = patience
        self._progress = progress
        self._hash = FileHash(partial.file)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="hash")
        self._thread.start()

    def result(self) -> bool:
        """Whether the whole file has the right hash; waits for the rest of it.

        Raises:
            Stopped: instead of waiting.
        """
        while self._thread.is_alive():
            self._thread.join(0.1)
            if self._patience.stop.is_set():
                raise Stopped
        return self._hash.matches

    def stop(self) -> None:
        """End it, and wait: it reads from the file."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        buffer = memoryview(bytearray(BLOCK_BYTES))
        journal = self._partial.journal
        for block in range(journal.blocks):
            while not journal.holds(block):
                if self._stop.is_set():
                    return
                time.sleep(_LOOK_S)
            if self._stop.is_set():
                return
            self._hash.update(self._partial.read_block(block, buffer))
            self._progress.hashed(journal.span(block)[1])
