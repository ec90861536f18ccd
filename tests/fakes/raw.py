"""A server that speaks whatever bytes it is told to, at whatever pace: for answers that no HTTP library would send."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Self

Script = Callable[[bytes], Iterable[bytes]]
"""Given the request's head: the pieces to send; a generator may wait between them. The connection then closes."""


class RawServer:
    """A server on 127.0.0.1 until it is closed; a context manager."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.sent_bytes = 0
        self.heads: list[bytes] = []
        self.closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                more = connection.recv(65536)
                if not more:
                    return
                head += more
            self.heads.append(head)
            for piece in self.script(head):
                if self.closing.is_set():
                    return
                connection.sendall(piece)
                self.sent_bytes += len(piece)


def slowly(server: Callable[[], RawServer], head: bytes, drop: bytes, every_s: float) -> Script:
    """Send a head at once and then one drop after the other, for ever."""

    def script(_: bytes) -> Iterable[bytes]:
        yield head
        while not server().closing.wait(every_s):
            yield drop

    return script
