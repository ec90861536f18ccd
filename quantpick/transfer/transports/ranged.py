"""The `range` transport: a few threads that stream large ranges straight to their place in the file.

A range is one request of 8 to 64 MiB, so that the time to the first byte is paid seldom; what arrives is on its way to
the disk in pieces of 256 KiB and marked in the journal by the MiB, so that little is lost with the process.
"""

import contextlib
import http.client
import queue
import threading
import time
from typing import Final

from quantpick.core.refusal import BUSY, asked_pause_s
from quantpick.core.units import MIB
from quantpick.transfer.disk.journal import BLOCK_BYTES
from quantpick.transfer.net.crew import Crew
from quantpick.transfer.net.http import Connection
from quantpick.transfer.net.patience import Stopped
from quantpick.transfer.net.source import Link
from quantpick.transfer.transports.job import Job

_BUFFER_BYTES: Final = 256 * 1024
_SMALLEST_RANGE: Final = 8 * MIB
_LARGEST_RANGE: Final = 64 * MIB
_RANGES_PER_CONNECTION: Final = 8
"""Enough that no connection idles for long at the end."""
_REFUSED: Final = frozenset({401, 403, 404, 410})
"""How servers answer a link that has expired."""


def fetch_ranges(job: Job) -> None:
    """Fetch all that is missing.

    Raises:
        TransferError: no byte came for too long.
        DiskError: the disk is full.
        AccessError, NotFoundError, HubError: the Hub refuses for good.
        Stopped: the transfer was told to.
    """
    _Ranges(job).run(job.line.connections)


class _Ranges:
    """The work of one file, shared by its threads."""

    def __init__(self, job: Job) -> None:
        self._partial = job.partial
        self._source = job.source
        self._patience = job.line.patience
        self._tally = job.tally
        self._crew = Crew(job.line.patience)
        self._waiting: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self._alone = threading.Lock()
        """Held by the one thread that reads from a server without ranges."""

    def run(self, connections: int) -> None:
        missing = list(self._partial.journal.missing())
        total = sum(end - start for start, end in missing)
        step = min(_LARGEST_RANGE, max(_SMALLEST_RANGE, total // (_RANGES_PER_CONNECTION * connections)))
        step -= step % BLOCK_BYTES
        for start, end in missing:
            for at in range(start, end, step):
                self._waiting.put((at, min(at + step, end)))
        count = min(connections, self._waiting.qsize())
        self._crew.run(count, self._work, meanwhile=self._partial.sync_now_and_then)

    def _work(self, connection: Connection) -> None:
        buffer = memoryview(bytearray(_BUFFER_BYTES))
        with contextlib.suppress(queue.Empty):
            while not self._crew.is_over:
                start, end = self._waiting.get_nowait()
                self._fetch(connection, buffer, start, end)

    def _fetch(self, connection: Connection, buffer: memoryview, start: int, end: int) -> None:
        """One range, in as many attempts as patience allows; what came is not asked for again."""
        attempt, problem = 0, ""
        while start < end and not self._crew.is_over:
            self._patience.wait_for_turn()
            link = self._source.link()
            before = start
            pause = None
            try:
                start, problem, pause = self._ask(connection, buffer, link, start, end)
            except _Broken as broken:
                start, problem = max(start, min(end, broken.reached)), broken.problem
                connection.close()
            if start < end:
                attempt = 1 if start > before else attempt + 1
                self._patience.failed(problem, attempt, pause_s=pause)

    def _ask(
        self, connection: Connection, buffer: memoryview, link: Link, start: int, end: int
    ) -> tuple[int, str, float | None]:
        """One request: how far it got, and if not to the end why, and the pause that was asked for."""
        try:
            response = connection.get(link.url, {**link.login, "Range": f"bytes={start}-{end - 1}"})
        except (OSError, http.client.HTTPException) as error:
            raise _Broken(start, f"no connection ({str(error) or type(error).__name__})") from error
        size_bytes = self._partial.file.size_bytes
        if response.status == 206 and response.headers.get("Content-Range") == f"bytes {start}-{end - 1}/{size_bytes}":
            return self._receive(response, buffer, start, end), "", None
        if response.status == 200 and response.headers.get("Content-Length") == str(size_bytes):
            connection.close()
            self._fetch_whole(connection, buffer, link)
            return end, "", None
        answer = f"{response.status} {_first_words(response)}"
        connection.close()
        if response.status in _REFUSED:
            self._source.refused(link, answer)
            return start, f"the link is refused ({answer})", 0.0 if link.login == {} else None
        if response.status in BUSY:
            pause = asked_pause_s(response.headers, now_s=time.time())
            return start, f"the server answers {answer}", pause
        self._source.expire(link)
        return start, f"the server does not send the range that was asked for ({answer})", None

    def _fetch_whole(self, connection: Connection, buffer: memoryview, link: Link) -> None:
        """All of the file in one stream, from a server without ranges; the other threads wait and find it done."""
        with self._alone:
            if next(self._partial.journal.missing(), None) is None:
                return
            try:
                response = connection.get(link.url, link.login)
            except (OSError, http.client.HTTPException) as error:
                raise _Broken(0, "no connection") from error
            self._receive(response, buffer, 0, self._partial.file.size_bytes)

    def _receive(self, response: http.client.HTTPResponse, buffer: memoryview, start: int, end: int) -> int:
        """Stream the body to the file; how far it got."""
        at = start
        while at < end:
            piece = buffer[: min(len(buffer), end - at)]
            count = 0
            try:
                while count < len(piece):
                    got = response.readinto(piece[count:])
                    if not got:
                        raise _Broken(at, "the connection was closed early")
                    count += got
            except (OSError, http.client.HTTPException) as error:
                raise _Broken(at, f"the connection broke ({str(error) or type(error).__name__})") from error
            self._partial.write(at, piece)
            at += count
            self._patience.byte_came()
            self._source.works()
            self._tally.fetched(count)
            if self._crew.is_over:
                raise Stopped
        response.read()
        return at


class _Broken(Exception):
    """A connection ended before its range did."""

    def __init__(self, reached: int, problem: str) -> None:
        super().__init__(problem)
        self.reached = reached
        self.problem = problem


def _first_words(response: http.client.HTTPResponse) -> str:
    """The start of an error's body, on one line."""
    try:
        text = response.read(300).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return response.reason
    return " ".join(text.split())[:120] or response.reason
