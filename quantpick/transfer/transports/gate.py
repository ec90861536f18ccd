"""A server on loopback that makes hf_transfer resume: it answers which chunks are missing, and carries none of them.

hf_transfer 0.1.9 (``src/lib.rs``) asks its URL for the first byte to learn the size, then for every chunk. The gate
answers a chunk that is on the disk with an empty body, of which hf_transfer writes nothing, and a missing one with a
redirect to the signed link of the moment, which it follows with its Range header. So links are renewed and failures are
paced here, and no byte of the file passes Python. Who may ask is told by a header, not by the address: the address goes
to the other host as the Referer, an Authorization header does not.
"""

import contextlib
import hmac
import random
import re
import secrets
import socket
import threading
from collections import Counter
from functools import partial
from typing import Final

from quantpick.errors import QuantpickError
from quantpick.threads import start_daemons
from quantpick.transfer.disk.journal import BLOCK_BYTES
from quantpick.transfer.net.patience import Stopped
from quantpick.transfer.net.source import Link
from quantpick.transfer.transports.job import Job

_RANGE: Final = re.compile(rb"^range:\s*bytes=(\d{1,18})-(\d{1,18})\s*$", re.IGNORECASE | re.MULTILINE)
_LOGIN: Final = re.compile(rb"^authorization:\s*(\S+ \S+)\s*$", re.IGNORECASE | re.MULTILINE)
_LONGEST_DELAY_S: Final = 10.0
"""Chosen; also the longest that hf_transfer waits of its own accord."""
_MAX_HEAD_BYTES: Final = 16_384
_STRANGERS: Final = 8
"""Chosen: connections beside those of hf_transfer; a further one is hung up on."""
_INTRODUCTION_S: Final = 5.0
"""Chosen: within so many seconds a new connection has shown that it may ask."""


class Gate:
    """The gate of one file; a context manager.

    Args:
        job: the file, whose journal says what is missing, and where signed links come from.
        chunk_bytes: hf_transfer's chunk size, whole blocks.
        connections: hf_transfer's ``max_files``.
        end: chunks that reach beyond this byte are left to ranges.
    """

    def __init__(self, job: Job, *, chunk_bytes: int, connections: int, end: int) -> None:
        self.error: QuantpickError | None = None
        """Why no link can be had any more."""
        self._job = job
        self._chunk_bytes = chunk_bytes
        self._end = end
        self._most = 2 * connections + _STRANGERS
        self._asked: Counter[int] = Counter()
        self._given: dict[int, Link] = {}
        self._login = f"Bearer {secrets.token_hex(16)}"
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._open: dict[socket.socket, bool] = {}
        """The connections, and whether each may ask."""
        self._lock = threading.Lock()
        self._waiting = 0
        start_daemons([self._accept], name="gate")

    @property
    def url(self) -> str:
        """What hf_transfer is given."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    @property
    def headers(self) -> dict[str, str]:
        """What it shows; nobody else can guess it, and it is not passed on to another host."""
        return {"authorization": self._login}

    @property
    def is_waiting(self) -> bool:
        """Whether hf_transfer waits for the gate."""
        return self._waiting > 0

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._make_room()
                self._open[connection] = False
            start_daemons([partial(self._serve, connection)], name="gate-connection")

    def _make_room(self) -> None:
        """Hang up on the stranger who has been there longest, if there are too many connections."""
        if len(self._open) >= self._most:
            for connection, may_ask in self._open.items():
                if not may_ask:
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                    del self._open[connection]
                    return

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, Stopped):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_INTRODUCTION_S)
            waiting = b""
            while True:
                while b"\r\n\r\n" not in waiting:
                    more = connection.recv(_MAX_HEAD_BYTES)
                    if not more or len(waiting) > _MAX_HEAD_BYTES:
                        break
                    waiting += more
                head, end, waiting = waiting.partition(b"\r\n\r\n")
                if not end or not self._may_ask(head):
                    break
                with self._lock:
                    self._open[connection] = True
                connection.settimeout(None)
                connection.sendall(self._answer(head))
        with self._lock:
            self._open.pop(connection, None)

    def _may_ask(self, head: bytes) -> bool:
        shown = _LOGIN.search(head)
        return shown is not None and hmac.compare_digest(shown[1], self._login.encode())

    def _answer(self, head: bytes) -> bytes:
        wanted = _RANGE.findall(head)
        if not wanted:
            return _response("404 Not Found")
        start, end = (int(number) for number in wanted[-1])
        size_bytes = self._job.partial.file.size_bytes
        if (start, end) == (0, 0):
            return _response("206 Partial Content", f"Content-Range: bytes 0-0/{size_bytes}", b"x")
        chunk = start // self._chunk_bytes
        if end >= self._end or self._is_there(chunk):
            return _response("206 Partial Content")
        self._count(1)
        try:
            return _response("302 Found", f"Location: {self._link(chunk).url}")
        except QuantpickError as error:
            self.error = error
            return _response("500 Internal Server Error")
        finally:
            self._count(-1)

    def _count(self, step: int) -> None:
        with self._lock:
            self._waiting += step

    def _is_there(self, chunk: int) -> bool:
        """Whether any of a chunk is there: what it lacks is left to ranges, so that nothing comes twice."""
        journal = self._job.partial.journal
        blocks = self._chunk_bytes // BLOCK_BYTES
        return any(journal.holds(block) for block in range(chunk * blocks, min((chunk + 1) * blocks, journal.blocks)))

    def _link(self, chunk: int) -> Link:
        """The link for a chunk. One that is asked for again has failed: later, and with a new link."""
        again = self._asked[chunk]
        self._asked[chunk] += 1
        if again:
            self._job.source.expire(self._given[chunk])
            delay = min(_LONGEST_DELAY_S, 0.25 * 2 ** min(again - 1, 6)) * random.uniform(0.5, 1)  # noqa: S311
            self._job.line.progress.retries += 1
            if self._job.line.patience.stop.wait(delay):
                raise Stopped
        link = self._given[chunk] = self._job.source.link()
        return link


def _response(status: str, header: str = "", body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *([header] if header else []), "", ""]
    return "\r\n".join(lines).encode() + body
