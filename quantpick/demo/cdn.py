"""The second host that a Hub redirects to: bytes of large files behind signed links, by range, on loopback."""

import contextlib
import hashlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

from quantpick.demo.hub import HubFile

_PIECE_BYTES: Final = 256 * 1024
_SMALL_PIECE_BYTES: Final = 16 * 1024
_SLOW_BYTES_PER_S: Final = 2e6
"""Below this rate a connection sends smaller pieces, so that it flows."""


def sha256_of(path: Path) -> str:
    """The sha256 of a file on disk."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


class LoopbackCdn:
    """Serves files by their sha256 on 127.0.0.1 until it is closed; a context manager.

    Args:
        files: paths on disk, by sha256. May be added to while it runs.
        bytes_per_s: the rate of each connection; None is as fast as it goes.
        link_life_s: how long a signed link works; None is for ever.
    """

    def __init__(
        self, files: Mapping[str, Path], *, bytes_per_s: float | None = None, link_life_s: float | None = None
    ) -> None:
        self.files = dict(files)
        self.bytes_per_s = bytes_per_s
        self.link_life_s = link_life_s
        self.sent_bytes = 0
        self.headers_seen: list[Mapping[str, str]] = []
        self.is_open = True
        self.busy = 0
        """How many connections send just now."""
        self._key = secrets.token_hex(8)
        self._count = threading.Lock()
        self._open: set[socket.socket] = set()
        cdn = self

        class Handler(_Handler):
            owner = cdn

        self._server = _Server(("127.0.0.1", 0), Handler)
        # By another name than the Hub, as in life: huggingface_hub 2.0.0 to 2.1.1 compare hosts and not ports.
        self.url = f"http://localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; connections are cut."""
        self.is_open = False
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def link(self, file: HubFile) -> str:
        """A signed address of a file."""
        expires = "" if self.link_life_s is None else f"{time.time() + self.link_life_s:.3f}"
        return f"{self.url}/{file.sha256}?expires={expires}&signature={self._sign(expires)}"

    def refuses(self, query: str) -> str | None:
        """Why a link does not work, or None."""
        said = {key: values[0] for key, values in parse_qs(query, keep_blank_values=True).items()}
        if said.get("signature") != self._sign(said.get("expires", "")):
            return "SignatureDoesNotMatch"
        return "Request has expired" if said["expires"] and time.time() > float(said["expires"]) else None

    def interfere(self, handler: "_Handler", start: int, end: int) -> bool:
        """Misbehave instead of answering; whether it did. This one never does."""
        return False

    def rate(self) -> float | None:
        """Bytes a second of a connection just now; where another line than this one interferes."""
        return self.bytes_per_s

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Count a connection among those that send, as long as the block runs."""
        with self._count:
            self.busy += 1
        try:
            yield
        finally:
            with self._count:
                self.busy -= 1

    def count(self, sent: int) -> None:
        """Note bytes that were sent."""
        with self._count:
            self.sent_bytes += sent

    def _sign(self, expires: str) -> str:
        return hashlib.sha256(f"{self._key}{expires}".encode()).hexdigest()[:16]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = None
    owner: LoopbackCdn

    def setup(self) -> None:
        super().setup()
        self.owner._open.add(self.connection)

    def finish(self) -> None:
        self.owner._open.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.owner.headers_seen.append({key.lower(): value for key, value in self.headers.items()})
        refusal = self.owner.refuses(address.query)
        path = self.owner.files.get(address.path.strip("/"))
        if refusal is not None or path is None:
            self.answer(404 if path is None else 403, f"<Error><Code>{refusal or 'NoSuchKey'}</Code></Error>".encode())
            return
        size = path.stat().st_size
        wanted = self.headers.get("Range", "")
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = (int(first), min(int(last or size), size - 1) + 1) if first.isdigit() else (0, size)
        if start >= size > 0:
            self.answer(416, b"", {"Content-Range": f"bytes */{size}"})
        elif not self.owner.interfere(self, start, end):
            self.send_head(206 if first.isdigit() else 200, start, end, size)
            self.send_content(path, start, end)

    do_HEAD = do_GET

    def file_path(self) -> Path:
        """The file that the request is about."""
        return self.owner.files[urlsplit(self.path).path.strip("/")]

    def path_size(self) -> int:
        """Its size."""
        return self.file_path().stat().st_size

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """A short answer."""
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def send_head(self, status: int, start: int, end: int, size: int) -> None:
        """The head of an answer with bytes of the file."""
        self.send_response(status)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        self.wfile.flush()

    def send_endlessly(self) -> None:
        """Zeros, until somebody hangs up."""
        while self.owner.is_open:
            self.connection.sendall(bytes(_PIECE_BYTES))
            self.owner.count(_PIECE_BYTES)

    def send_content(self, path: Path, start: int, end: int, *, rate: float | None = None) -> None:
        """The bytes, at the connection's rate, or another."""
        if self.command == "HEAD":
            return
        at, due = start, time.monotonic()
        with path.open("rb") as content, self.owner.sending():
            while at < end:
                now = rate or self.owner.rate()
                piece = min(_PIECE_BYTES if now is None or now > _SLOW_BYTES_PER_S else _SMALL_PIECE_BYTES, end - at)
                sent = os.sendfile(self.connection.fileno(), content.fileno(), at, piece if now else end - at)
                if sent == 0:
                    return
                at += sent
                self.owner.count(sent)
                if now:
                    due = max(due, time.monotonic() - 0.5) + sent / now
                    time.sleep(max(0.0, due - time.monotonic()))

    def log_message(self, *_: object) -> None:
        """Quiet."""
