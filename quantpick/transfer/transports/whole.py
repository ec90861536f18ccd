"""A server without ranges: the file in one stream from its start, of which only what is missing is kept."""

import http.client
import time
from typing import Final

from quantpick.core.refusal import BUSY, asked_pause_s
from quantpick.errors import TransferError
from quantpick.transfer.disk.journal import BLOCK_BYTES
from quantpick.transfer.net.crew import Crew
from quantpick.transfer.net.http import Answer, Connection, drain
from quantpick.transfer.net.patience import Stopped
from quantpick.transfer.net.tempo import MIRROR_HEAD_S
from quantpick.transfer.transports.job import Job

_BUFFER_BYTES: Final = 256 * 1024
_FRUITLESS: Final = 4
"""Chosen: after so many streams in a row that ended before the first missing byte it is given up."""


def fetch_whole(job: Job) -> None:
    """Fetch all that is missing.

    Raises:
        TransferError: the streams end too early, or next to nothing comes for too long.
        DiskError, AccessError, NotFoundError, HubError, Stopped: as for ranges.
    """
    crew = Crew(job.line.patience, is_limited=job.line.pace.limit_bytes_per_s is not None)
    crew.run(1, _Whole(job, crew).run, meanwhile=job.partial.sync_now_and_then)


class _Whole:
    """The one thread that reads."""

    def __init__(self, job: Job, crew: Crew) -> None:
        self._job = job
        self._crew = crew
        self._patience = job.line.patience

    def run(self, connection: Connection) -> None:
        fruitless = 0
        while self._job.missing_bytes and not self._crew.is_over:
            before = self._job.missing_bytes
            problem, pause = self._read(connection)
            connection.close()
            fruitless = 0 if self._job.missing_bytes < before else fruitless + 1
            if not self._job.missing_bytes:
                return
            if fruitless >= _FRUITLESS:
                raise TransferError(f"the server sends neither ranges nor the whole file: {problem}")
            self._patience.failed(problem, fruitless, pause_s=pause, is_over=lambda: self._crew.is_over)

    def _read(self, connection: Connection) -> tuple[str, float | None]:
        """One stream: why it ended before its end, and the pause that the server asks for."""
        self._patience.wait_for_turn()
        link = self._job.source.link()
        try:
            answer = connection.get(link.url, link.login, head_s=MIRROR_HEAD_S)
            size_bytes = self._job.partial.file.size_bytes
            if answer.is_whole and answer.headers.get("Content-Length") in (None, str(size_bytes)):
                return self._receive(answer), None
        except (OSError, http.client.HTTPException) as error:
            return f"the connection broke ({str(error) or type(error).__name__})", None
        drain(connection, answer)
        if self._job.source.moved(link, answer):
            return f"the link leads on ({answer.status})", None
        if answer.status in BUSY:
            return f"the server answers {answer.status}", asked_pause_s(answer.headers, now_s=time.time())
        self._job.source.expire(link)
        return f"the server does not send the file ({answer.status})", None

    def _receive(self, answer: Answer) -> str:
        stored: list[int] = []
        at, last = 0, max(end for _, end in self._job.partial.journal.missing())
        pace, stop = self._job.line.pace, self._patience.stop
        buffer = memoryview(bytearray(_BUFFER_BYTES))[: pace.read_bytes(_BUFFER_BYTES)]
        while at < last:
            count = answer.read_some(buffer[: last - at])
            if count == 0:
                if "Content-Length" not in answer.headers:
                    self._forget(stored)
                return "the connection was closed early"
            stored += self._store(at, buffer[:count])
            at += count
            self._patience.came(count)
            pace.spend(count, stop)
            if self._crew.is_over:
                raise Stopped
        return ""

    def _store(self, at: int, data: memoryview) -> list[int]:
        """Write those of the bytes whose blocks are missing; the blocks that are whole with them."""
        end, journal = at + len(data), self._job.partial.journal
        whole = []
        for block in range(at // BLOCK_BYTES, (end - 1) // BLOCK_BYTES + 1):
            if journal.holds(block):
                continue
            first, last = max(at, block * BLOCK_BYTES), min(end, (block + 1) * BLOCK_BYTES)
            self._job.partial.write(first, data[first - at : last - at], unsure=True)
            self._job.tally.fetched(last - first, "range")
            whole += [block] * journal.holds(block)
        return whole

    def _forget(self, blocks: list[int]) -> None:
        """Keep nothing of a stream that named no length and was too short: a network's login page may be that."""
        journal = self._job.partial.journal
        self._job.tally.fetched(-sum(end - start for start, end in map(journal.span, blocks)), "range")
        journal.forget(blocks)
