"""A server on loopback that makes hf_transfer resume: it answers which chunks are missing, and carries none of them.

hf_transfer 0.1.9 (``src/lib.rs``) asks its URL for the first byte to learn the size, then for every chunk. The gate
answers a chunk that is on the disk with an empty body, of which hf_transfer writes nothing, and a missing one with a
redirect to the signed link of the moment, which it follows with its Range header. So links are renewed and failures are
paced here, and no byte of the file passes Python.
"""

import contextlib
import random
import re
import secrets
import socket
from collections import Counter
from functools import partial
from typing import Final

from quantpick.errors import QuantpickError
from quantpick.threads import start_daemons
from quantpick.transfer.disk.journal import BLOCK_BYTES
from quantpick.transfer.net.patience import Stopped
from quantpick.transfer.net.source import Link
from quantpick.transfer.transports.job import Job

_RANGE: Final = re.compile(rb"^range:\s*bytes=(\d+)-(\d+)\s*$", re.IGNORECASE | re.MULTILINE)
_LONGEST_DELAY_S: Final = 10.0
"""Chosen; also the longest that hf_transfer waits of its own accord."""
_MAX_HEAD_BYTES: Final = 65536


class Gate:
    """The gate of one file; a context manager.

    Args:
        job: the file, whose journal says what is missing, and where signed links come from.
        chunk_bytes: hf_transfer's chunk size, whole blocks.
    """

    def __init__(self, job: Job, *, chunk_bytes: int) -> None:
        self.error: QuantpickError | None = None
        """Why no link can be had any more."""
        self._partial = job.partial
        self._source = job.source
        self._chunk_bytes = chunk_bytes
        self._patience = job.line.patience
        self._asked: Counter[int] = Counter()
        self._given: dict[int, Link] = {}
        self._secret = secrets.token_hex(16)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._open: set[socket.socket] = set()
        start_daemons([self._accept], name="gate")

    @property
    def url(self) -> str:
        """What hf_transfer is given; nobody else can guess it."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/{self._secret}"

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            start_daemons([partial(self._serve, connection)], name="gate-connection")

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        with connection, contextlib.suppress(OSError, Stopped):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            waiting = b""
            while True:
                while b"\r\n\r\n" not in waiting:
                    more = connection.recv(_MAX_HEAD_BYTES)
                    if not more or len(waiting) > _MAX_HEAD_BYTES:
                        return
                    waiting += more
                head, _, waiting = waiting.partition(b"\r\n\r\n")
                connection.sendall(self._answer(head))
        self._open.discard(connection)

    def _answer(self, head: bytes) -> bytes:
        wanted = _RANGE.findall(head)
        if self._secret.encode() not in head.partition(b"\r\n")[0] or not wanted:
            return _response("404 Not Found")
        start, end = (int(number) for number in wanted[-1])
        if (start, end) == (0, 0):
            return _response("206 Partial Content", f"Content-Range: bytes 0-0/{self._partial.file.size_bytes}", b"x")
        chunk = start // self._chunk_bytes
        if self._is_there(chunk):
            return _response("206 Partial Content")
        try:
            return _response("302 Found", f"Location: {self._link(chunk).url}")
        except QuantpickError as error:
            self.error = error
            return _response("500 Internal Server Error")

    def _is_there(self, chunk: int) -> bool:
        journal = self._partial.journal
        blocks = self._chunk_bytes // BLOCK_BYTES
        return all(journal.holds(block) for block in range(chunk * blocks, min((chunk + 1) * blocks, journal.blocks)))

    def _link(self, chunk: int) -> Link:
        """The link for a chunk. One that is asked for again has failed: later, and with a new link."""
        again = self._asked[chunk]
        self._asked[chunk] += 1
        if again:
            self._source.expire(self._given[chunk])
            delay = min(_LONGEST_DELAY_S, 0.25 * 2 ** min(again - 1, 6)) * random.uniform(0.5, 1)  # noqa: S311
            if self._patience.stop.wait(delay):
                raise Stopped
        link = self._given[chunk] = self._source.link()
        return link


def _response(status: str, header: str = "", body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *([header] if header else []), "", ""]
    return "\r\n".join(lines).encode() + body
