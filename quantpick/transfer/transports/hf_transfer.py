"""The `hf_transfer` transport: the unmodified package in a child process, behind the gate.

What it does of its own accord is contained here. It holds the interpreter's lock while it runs and has no timeouts, so
it is a child with a watchdog; it writes whatever a server sends, wherever, and deletes its file on any error, so it
writes to memory, from where its chunks are copied; it keeps no account of them, so they are read off the holes. It
keeps what is in flight in memory until a chunk is whole, so chunks are as large as the line brings in a second. It
never learns a token, nor a signed link.
"""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from typing import Final

from quantpick.core.units import MIB
from quantpick.transfer.disk.journal import BLOCK_BYTES
from quantpick.transfer.net.patience import Stopped
from quantpick.transfer.net.width import Width
from quantpick.transfer.transports import child, scratch
from quantpick.transfer.transports.gate import Gate
from quantpick.transfer.transports.job import Job
from quantpick.transfer.transports.ranged import fetch_until

LARGEST_CHUNK_BYTES: Final = 6 * MIB
"""hf_transfer holds the chunks in flight in memory: 16 connections of 6 MiB were 161 MiB with all of quantpick."""
CHUNK_S: Final = 1.0
"""Chosen: how long a chunk should be in flight, which is what an interruption loses."""
LONGEST_CHUNK_S: Final = 2.0
"""Chosen: where a chunk is in flight for longer, hf_transfer is not for this line."""
STALL_S: Final = 5.0
"""Chosen: without a finished chunk for so long, or for three times what one takes, hf_transfer is given up: it would
hang for ever on a dead connection."""
_POLL_S: Final = 0.05
"""Chosen: what comes meanwhile is in memory, 50 MB on a line of 1 GB/s."""
_BACKLOG_BYTES: Final = 64 * MIB
"""Chosen: with more than this in memory the disk is slower than the line, and hf_transfer is held until it has caught
up."""
_SPARE_BYTES: Final = 160 * MIB
"""Chosen: what the child may have in memory beside its chunks."""
_NO_SLOWER: Final = 0.9
"""Chosen: a rate below this share of another is slower; closer ones differ by chance, and by the chunks that happen to
be under way."""
_MEASURE_CHUNKS: Final = 4
"""Chosen: over so many rounds of chunks a rate is measured."""
_PROBE_SHARE: Final = 0.125
"""Chosen: to try the line with ranges, no more than this share of a file."""
_TAIL_S: Final = 1.0
_TAIL_SHARE: Final = 0.25
"""Chosen: the end of a file, a second of the line and no more than this share, is left to ranges. Chunks come in rounds
and end far apart; meanwhile the hash catches up with them."""
_MAX_RETRIES: Final = 30
"""Chosen: the gate paces them, so that they last for minutes."""

IsWorthIt = Callable[["HfTransfer"], bool]


def why_unable(job: Job) -> str | None:
    """Why it cannot run for this file, or None."""
    if child.home_of_hf_transfer(job.partial.path.parent) is None:
        return "its package is not installed"
    if not scratch.is_possible():
        return "it needs Linux"
    if job.line.pace.limit_bytes_per_s is not None:
        return "its rate cannot be limited"
    return None


def fetch_chunks(job: Job) -> None:
    """Fetch what hf_transfer can get of what is missing; the journal says what it left.

    The first megabytes come by ranges: they show that the server sends the ranges it is asked for, and how fast.

    Raises:
        AccessError, NotFoundError, HubError, TransferError: no link can be had.
        DiskError: the disk cannot be written.
        Stopped: the transfer was told to.
    """
    connections = job.line.found.connections = job.line.connections
    blocks = min(connections, max(1, int(job.missing_bytes * _PROBE_SHARE) // BLOCK_BYTES))
    probe = fetch_until(job, lambda _: False, most_bytes=blocks * BLOCK_BYTES)
    while job.missing_bytes and not job.source.link().login:
        run = HfTransfer(job, probe.per_connection, connections)
        run.run(lambda run: not run.is_late)
        if not run.is_late or connections == 1:
            return
        connections = max(1, connections // 4)


def suits(line: Width) -> bool:
    """Whether a line is one for hf_transfer: a chunk of a block at least is there within two seconds."""
    return line.rate / max(1, line.count) * LONGEST_CHUNK_S >= BLOCK_BYTES


def fetch_bulk(job: Job, line: Width) -> None:
    """Fetch what is missing for as long as that is no slower than what was measured.

    Args:
        job: the file.
        line: as measured with ranges.

    Raises:
        as `fetch_chunks`.
    """
    if not job.source.link().login:
        run = HfTransfer(job, line.rate / max(1, line.count), line.count)
        run.run(lambda run: not run.is_late and (run.rate is None or run.rate >= line.rate * _NO_SLOWER))


class HfTransfer:
    """One run of hf_transfer on what is missing of a file.

    Args:
        job: the file.
        rate: bytes a second that one connection was measured to bring.
        connections: its ``max_files``.
    """

    def __init__(self, job: Job, rate: float, connections: int) -> None:
        self._job = job
        self.chunk_bytes = chunk_bytes(rate, job.missing_bytes // connections)
        self.connections = connections
        self.chunk_s = min(LONGEST_CHUNK_S, self.chunk_bytes / max(1.0, rate))
        """How long a chunk should take."""
        self._tail_bytes = int(rate * connections * _TAIL_S)
        self.is_late = False
        """Whether the first chunk is not there when it should have been twice over."""
        self.rate: float | None = None
        """Bytes a second of late; None until it is known."""
        self._since: tuple[float, int] | None = None
        self._came_bytes = 0
        self._buffer = memoryview(bytearray(BLOCK_BYTES))

    def run(self, is_worth_it: IsWorthIt) -> None:
        """Until the child ends, stalls, gets no links, is told to stop, or is not worth it.

        Args:
            is_worth_it: asked at every look.

        Raises:
            as `fetch_chunks`.
        """
        home = child.home_of_hf_transfer(self._job.partial.path.parent)
        if home is None:
            return
        size_bytes = self._job.partial.file.size_bytes
        tail_bytes = min(self._tail_bytes, int(self._job.missing_bytes * _TAIL_SHARE))
        gate = Gate(
            self._job,
            chunk_bytes=self.chunk_bytes,
            connections=self.connections,
            end=_start_of_last(self._job.partial.journal.missing(), tail_bytes),
        )
        with scratch.Scratch(size_bytes) as memory, gate:
            task = {
                "url": gate.url,
                "headers": gate.headers,
                "filename": memory.path,
                "max_files": self.connections,
                "chunk_size": self.chunk_bytes,
                "parallel_failures": self.connections,
                "max_retries": _MAX_RETRIES,
            }
            process = child.start(task, home, memory.descriptor)
            try:
                self._watch(process, memory, gate, is_worth_it)
            finally:
                process.kill()
                process.wait()
            self._harvest(memory)
        if gate.error is not None:
            raise gate.error

    def _watch(
        self,
        process: "subprocess.Popen[bytes]",
        memory: scratch.Scratch,
        gate: Gate,
        is_worth_it: IsWorthIt,
    ) -> None:
        patience, progress = self._job.line.patience, self._job.line.progress
        progress.transport, progress.connections = "hf_transfer", self.connections
        last_came = time.monotonic()
        most_bytes = 2 * self.connections * self.chunk_bytes + _SPARE_BYTES
        while gate.error is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_S)
                return
            if patience.stop.is_set():
                raise Stopped
            backlog = self._harvest(memory)
            if backlog > _BACKLOG_BYTES:
                process.send_signal(signal.SIGSTOP)
                self._harvest(memory)
                process.send_signal(signal.SIGCONT)
            now = time.monotonic()
            if backlog or gate.is_waiting:
                last_came = now
            self.is_late = self._came_bytes == 0 and last_came + 2 * LONGEST_CHUNK_S < now
            if now - last_came > max(STALL_S, 3 * self.chunk_s) or child.memory_bytes(process) > most_bytes:
                return
            if not is_worth_it(self):
                return
            patience.look()
            self._job.partial.sync_now_and_then()

    def _harvest(self, memory: scratch.Scratch) -> int:
        """Copy what was filled into the partial file; how many bytes that was."""
        came = 0
        journal = self._job.partial.journal
        for block in memory.filled():
            data = memory.take(block, self._buffer)
            if journal.holds(block):
                continue
            self._job.partial.write(block * BLOCK_BYTES, data)
            came += len(data)
            self._job.tally.fetched(len(data), "hf_transfer")
        if came:
            self._job.line.patience.came(came)
            self._job.source.works()
            self._measure(came)
        return came

    def _measure(self, came: int) -> None:
        now = time.monotonic()
        self._came_bytes += came
        if self._since is None:
            self._since = (now, self._came_bytes)
        elif now - self._since[0] >= max(2 * CHUNK_S, _MEASURE_CHUNKS * self.chunk_s):
            self.rate = (self._came_bytes - self._since[1]) / (now - self._since[0])
            self._since = (now, self._came_bytes)


def chunk_bytes(rate: float, share_bytes: int) -> int:
    """How large chunks are to be: what a connection brings in a second, and half of its share of the file at most.

    Args:
        rate: of one connection, in bytes a second.
        share_bytes: what each connection is to bring.
    """
    blocks = int(min(rate * CHUNK_S, share_bytes / 2)) // BLOCK_BYTES
    return max(BLOCK_BYTES, min(LARGEST_CHUNK_BYTES, blocks * BLOCK_BYTES))


def _start_of_last(missing: Iterable[tuple[int, int]], count: int) -> int:
    """Where the last so many of the missing bytes begin."""
    for start, end in reversed(list(missing)):
        if end - start >= count:
            return end - count
        count -= end - start
    return 0
