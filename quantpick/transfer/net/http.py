"""HTTP/1.1 of the standard library with the proxies and certificates that the Hub's client would use.

A body can be read straight into a buffer, from many threads at once, for a tenth of the processor time of the usual
client libraries. No answer is waited for without end, and none is read without a bound.
"""

import base64
import contextlib
import http.client
import io
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from functools import cache, partial
from typing import Final, cast
from urllib.parse import SplitResult, unquote, urlsplit

from quantpick._version import USER_AGENT
from quantpick.errors import HubError
from quantpick.transfer.net.tempo import HEAD_S, Tempo, TimedSocket

CONNECT_S: Final = 20.0
"""Chosen: a host that does not take a connection for so long is given up."""
_DRAINED_BYTES: Final = 64 * 1024
"""Chosen: longer than any refusal of the Hub or a CDN; what is longer is not read to its end."""
_LIMITED_BUFFER_BYTES: Final = 128 * 1024
"""Chosen: what a server may send ahead on a connection whose rate is limited."""


class Answer(http.client.HTTPResponse):
    """A response whose body can be read as it comes."""

    def __init__(self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, *, tempo: Tempo) -> None:
        super().__init__(sock, debuglevel, method)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(TimedSocket(raw, sock, tempo))

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole file: 200, plain, and no part of one. 204 or 206 unasked for are none."""
        return self.status == 200 and self._is_plain and "Content-Range" not in self.headers

    def is_range(self, start: int, end: int, size_bytes: int) -> bool:
        """Whether it is a file's bytes from one up to another: 206, plain, and said to be these, once.

        Args:
            start: the first byte.
            end: the one after the last.
            size_bytes: of the whole file.
        """
        said = self.headers.get_all("Content-Range")
        return self.status == 206 and self._is_plain and said == [f"bytes {start}-{end - 1}/{size_bytes}"]

    @property
    def _is_plain(self) -> bool:
        """Whether the body is the bytes themselves, and its head says one thing about its length.

        Packed bytes (RFC 9110, 8.4; they were not asked for), another coding of the transfer than chunks, several
        ranges in one body (RFC 9110, 14.6) and two lengths (RFC 9112, 6.3) would be found out by the hash alone, after
        the last byte.
        """
        codings = {word.strip().lower() for word in ",".join(self._all("Content-Encoding")).split(",")}
        return (
            codings <= {"", "identity"}
            and [one.strip().lower() for one in self._all("Transfer-Encoding")] in ([], ["chunked"])
            and len({one.strip() for one in self._all("Content-Length")}) <= 1
            and self.headers.get_content_maintype() != "multipart"
        )

    def _all(self, name: str) -> list[str]:
        return [str(value) for value in self.headers.get_all(name, [])]

    def read_some(self, buffer: memoryview) -> int:
        """Put what is there of the body into a buffer: a byte at least, 0 at the end.

        Raises:
            OSError, http.client.HTTPException: the connection broke, or is too slow.
        """
        if self.fp is None:
            return 0
        if self.chunked or self.length is None:
            data = self.read1(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        count = self.fp.readinto1(buffer[: min(len(buffer), self.length)])
        self.length -= count
        if self.length == 0 or count == 0:
            self.close()
        return count


class Connection:
    """A kept-alive connection to whichever host was asked last; for one thread.

    Args:
        is_limited: whether little is to be sent ahead of what is read, because the rate is limited.
    """

    def __init__(self, *, is_limited: bool = False) -> None:
        self._is_limited = is_limited
        self._tempo = Tempo()
        self._open: http.client.HTTPConnection | None = None
        self._peer: tuple[str, str] | None = None
        self._answer: http.client.HTTPResponse | None = None
        self._sock: socket.socket | None = None
        """Of the last answer, which keeps it where nothing says how long it is."""

    def get(self, url: str, headers: Mapping[str, str], *, method: str = "GET", head_s: float = HEAD_S) -> Answer:
        """Ask; the answer's body is still to be read. Redirects are not followed.

        Args:
            url: with http or https.
            headers: besides the usual ones.
            method: ``GET`` or ``HEAD``.
            head_s: how long the answer's head may take, in seconds, and after that the first byte of its body.

        Raises:
            HubError: the proxy or the certificates that the environment names are of no use.
            OSError, http.client.HTTPException: no answer; the connection is closed.
        """
        address = urlsplit(url)
        usual = {"Accept-Encoding": "identity", "User-Agent": USER_AGENT}
        try:
            if self._open is None or self._peer != address[:2]:
                self.close()
                self._tempo.expect_head(head_s)
                self._open, self._peer = self._connect(address), address[:2]
            target, extra = _request_target(address)
            self._tempo.expect_head(head_s)
            self._open.request(method, target, headers={**usual, **extra, **headers})
            self._sock = self._open.sock
            self._answer = answer = self._open.getresponse()
            if answer.status < 200:
                # Only 100 is read over; after another the right answer may still come, and be taken for the next one's.
                raise http.client.HTTPException(f"an interim answer, {answer.status}")
        except UnicodeError as error:
            self.close()
            raise OSError(f"no such host ({error})") from error
        except http.client.BadStatusLine as error:
            self.close()
            if isinstance(error, OSError):  # it was closed before an answer
                raise
            # Its own words are the server's line: up to 64 KiB of whatever it sent.
            raise http.client.HTTPException("its answer is no HTTP") from error
        except BaseException:
            self.close()
            raise
        self._tempo.expect_body(head_s)
        return cast("Answer", answer)

    def abort(self) -> None:
        """End whatever another thread is waiting for on this connection; it gets an error."""
        sock = (None if self._open is None else self._open.sock) or self._sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up."""
        if self._open is not None:
            self._open.close()
            self._open = None
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def _connect(self, address: SplitResult) -> http.client.HTTPConnection:
        """A connection to the host, or to the proxy that leads there."""
        proxy = _proxy(address)
        at = proxy or address
        assert at.hostname is not None, "addresses are checked when they are made"
        if address.scheme == "http":
            connection = http.client.HTTPConnection(at.hostname, at.port, timeout=CONNECT_S)
        else:
            connection = http.client.HTTPSConnection(at.hostname, at.port, timeout=CONNECT_S, context=_tls())
            if proxy is not None:
                connection.set_tunnel(address.hostname or "", address.port, headers=_proxy_login(proxy))
        connection.response_class = partial(Answer, tempo=self._tempo)  # type: ignore[assignment]
        if self._is_limited:
            connection._create_connection = _connect_narrowly  # type: ignore[attr-defined]
        return connection


def drain(connection: Connection, answer: http.client.HTTPResponse) -> bytes:
    """Read the rest of a short answer, so that the connection can be used again; a long one is hung up on.

    Returns:
        What was read, 64 KiB at most.
    """
    try:
        body = answer.read(_DRAINED_BYTES)
    except (OSError, http.client.HTTPException):
        connection.close()
        return b""
    if not answer.isclosed():
        connection.close()
    return body


def _connect_narrowly(
    address: tuple[str, int], timeout: float | None = None, source_address: tuple[str, int] | None = None
) -> socket.socket:
    """As `socket.create_connection`, but with a small receive buffer, which has to be set before."""
    error: OSError | None = None
    for family, kind, protocol, _, place in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LIMITED_BUFFER_BYTES)
            sock.settimeout(timeout)
            sock.connect(place)
        except OSError as failure:
            error = failure
            sock.close()
        else:
            return sock
    raise error or OSError("no such host")


def _request_target(address: SplitResult) -> tuple[str, dict[str, str]]:
    """What stands in the request line, and the headers for a proxy that reads it."""
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    proxy = _proxy(address) if address.scheme == "http" else None
    return (path, {}) if proxy is None else (f"{address.scheme}://{address.netloc}{path}", _proxy_login(proxy))


def _proxy(address: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for an address.

    Raises:
        HubError: it cannot be used.
    """
    proxies = urllib.request.getproxies()
    named = proxies.get(address.scheme) or proxies.get("all")
    if not named or urllib.request.proxy_bypass(address.hostname or ""):
        return None
    try:
        proxy = urlsplit(named if "://" in named else f"http://{named}")
        if proxy.scheme == "http" and proxy.hostname and proxy.port != 0:
            return proxy
    except ValueError:
        pass
    raise HubError("the proxy named in the environment is not an HTTP proxy", hint="HTTPS_PROXY=http://HOST:PORT")


def _proxy_login(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(login.encode()).decode()}


@cache
def _tls() -> ssl.SSLContext:
    """Certificates as the Hub's client trusts them, ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` included.

    Raises:
        HubError: they cannot be read.
    """
    from httpx2 import create_ssl_context

    try:
        return create_ssl_context()
    except (OSError, ValueError) as error:
        raise HubError(
            f"the certificates named in the environment cannot be read: {error}", hint="unset SSL_CERT_FILE"
        ) from error
