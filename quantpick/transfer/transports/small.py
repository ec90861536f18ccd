"""A small file: one request, held in memory until its hash is right."""

import http.client
import time

from quantpick.core.refusal import asked_pause_s
from quantpick.core.repo import RepoFile
from quantpick.errors import DamagedError
from quantpick.files import write_atomically
from quantpick.transfer.disk.hashing import FileHash
from quantpick.transfer.disk.places import Place
from quantpick.transfer.disk.trouble import disk_errors
from quantpick.transfer.net.http import Answer, Connection, drain
from quantpick.transfer.net.line import Line
from quantpick.transfer.net.redirects import ask, same_origin
from quantpick.transfer.net.source import NotNow, check_answer
from quantpick.transfer.net.tally import Tally
from quantpick.transfer.transports.fetch import Fetched


def fetch_small(place: Place, connection: Connection, line: Line, tally: Tally) -> Fetched:
    """Bring a small file to its final name, verified; to sync it, with others, is left to the caller.

    Args:
        place: what it is and where it goes.
        connection: to ask on.
        line: how it is asked for.
        tally: told of what comes.

    Raises:
        DamagedError: the hash is wrong, twice.
        TransferError, DiskError, AccessError, NotFoundError, HubError, Stopped: as for large files.
    """
    file = place.file
    tally.reused(0)
    small = _Small(file, connection, line, tally)
    content = small.fetch()
    if not _is_right(content, file):
        content = small.fetch()
    if not _is_right(content, file):
        raise DamagedError(
            f"`{file.path}` differs from the Hub's hash", hint="run again; if it stays so, tell the publisher"
        )
    with disk_errors(place.final):
        write_atomically(place.final, content, synced=False)
    tally.hashed(file.size_bytes)
    tally.phase("done")
    return Fetched("range", file.size_bytes, 0)


def _is_right(content: bytes, file: RepoFile) -> bool:
    running = FileHash(file)
    running.update(content)
    return len(content) == file.size_bytes and running.matches


class _Small:
    """One file on its way. What comes of it counts as it comes: on a slow line that takes a minute."""

    def __init__(self, file: RepoFile, connection: Connection, line: Line, tally: Tally) -> None:
        self._file = file
        self._connection = connection
        self._line = line
        self._tally = tally
        self._furthest = 0
        """Bytes of the longest attempt so far: what comes again is nothing that patience is to be fed with."""

    def fetch(self) -> bytes:
        """The body, asked for as long as patience lasts."""
        attempt, patience = 0, self._line.patience
        while True:
            patience.wait_for_turn()
            attempt += 1
            self._tally.begin_anew()
            try:
                content = self._ask()
            except NotNow as answer:
                patience.failed(str(answer), attempt, pause_s=answer.pause_s)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                patience.failed(
                    f"`{self._file.path}` cannot be fetched ({str(error) or type(error).__name__})", attempt
                )
            else:
                patience.fresh()
                return content

    def _ask(self) -> bytes:
        """The body behind the file's address, across redirects; one byte more than the file has at most."""
        hub = self._line.address(self._file)
        answer = ask(self._connection, hub, self._line.login, leave_origin=True)
        response = answer.response
        if same_origin(answer.url, hub):
            if not response.is_whole:
                drain(self._connection, response)
            check_answer(answer, self._file.size_bytes)
        elif not response.is_whole:
            drain(self._connection, response)
            raise NotNow(f"the link answers {response.status}", asked_pause_s(response.headers, now_s=time.time()))
        return self._body(response)

    def _body(self, response: Answer) -> bytes:
        """The body, a byte more than the file has at most; what is longer than it should be is hung up on.

        Raises:
            OSError: it is shorter.
        """
        size_bytes, line = self._file.size_bytes, self._line
        body = memoryview(bytearray(size_bytes + 1))
        at, piece = 0, line.pace.read_bytes(size_bytes + 1)
        while at <= size_bytes and (count := response.read_some(body[at : at + piece])):
            at += count
            self._came(at, count)
            line.pace.spend(count, line.patience.stop)
            if at == size_bytes and response.length:
                break
        if at != size_bytes or not response.isclosed():
            self._connection.close()
        if at < size_bytes:
            raise OSError(f"it was closed after {at} of {size_bytes} bytes")
        return bytes(body[:at])

    def _came(self, at: int, count: int) -> None:
        self._tally.fetched(count, "range")
        if at > self._furthest:
            self._line.patience.came(at - self._furthest)
            self._furthest = at
