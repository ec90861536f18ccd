"""HTTP/1.1 of the standard library with the proxies and certificates that the Hub's client would use.

A body can be read straight into a buffer, from many threads at once, for a tenth of the processor time of the usual
client libraries.
"""

import base64
import contextlib
import http.client
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from functools import cache
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from quantpick._version import USER_AGENT

TIMEOUT_S: Final = 20.0
"""A connection that says nothing for so long is given up."""
_DRAINED_BYTES: Final = 64 * 1024
"""Chosen: longer than any refusal of the Hub or a CDN."""


class Connection:
    """A kept-alive connection to whichever host was asked last; for one thread.

    Args:
        timeout_s: longest silence, in seconds.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._open: http.client.HTTPConnection | None = None
        self._peer: tuple[str, str] | None = None

    def get(self, url: str, headers: Mapping[str, str], *, method: str = "GET") -> http.client.HTTPResponse:
        """Ask; the answer's body is still to be read. Redirects are not followed.

        Raises:
            OSError, http.client.HTTPException: no answer; the connection is closed.
        """
        address = urlsplit(url)
        if self._open is None or self._peer != address[:2]:
            self.close()
            self._open, self._peer = _connect(address, self._timeout_s), address[:2]
        target, extra = _request_target(address)
        try:
            self._open.request(
                method, target, headers={"Accept-Encoding": "identity", "User-Agent": USER_AGENT, **extra, **headers}
            )
            return self._open.getresponse()
        except BaseException:
            self.close()
            raise

    def abort(self) -> None:
        """End whatever another thread is waiting for on this connection; it gets an error."""
        sock = None if self._open is None else self._open.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up."""
        if self._open is not None:
            self._open.close()
            self._open = None


def drain(connection: Connection, response: http.client.HTTPResponse) -> None:
    """Read what is left of a short answer, so that the connection can be used again; a long one is hung up on."""
    try:
        response.read(_DRAINED_BYTES)
    except (OSError, http.client.HTTPException):
        connection.close()
        return
    if not response.isclosed():
        connection.close()


def _connect(address: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    """A connection to the host, or to the proxy that leads there."""
    proxy = _proxy(address)
    at = proxy or address
    assert at.hostname is not None, "addresses are checked when they are made"
    if address.scheme == "http":
        return http.client.HTTPConnection(at.hostname, at.port, timeout=timeout_s)
    connection = http.client.HTTPSConnection(at.hostname, at.port, timeout=timeout_s, context=_tls())
    if proxy is not None:
        connection.set_tunnel(address.hostname or "", address.port, headers=_proxy_login(proxy))
    return connection


def _request_target(address: SplitResult) -> tuple[str, dict[str, str]]:
    """What stands in the request line, and the headers for a proxy that reads it."""
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    proxy = _proxy(address) if address.scheme == "http" else None
    return (path, {}) if proxy is None else (f"{address.scheme}://{address.netloc}{path}", _proxy_login(proxy))


def _proxy(address: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for an address."""
    proxies = urllib.request.getproxies()
    named = proxies.get(address.scheme) or proxies.get("all")
    if not named or urllib.request.proxy_bypass(address.hostname or ""):
        return None
    return urlsplit(named if "://" in named else f"http://{named}")


def _proxy_login(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(login.encode()).decode()}


@cache
def _tls() -> ssl.SSLContext:
    """Certificates as the Hub's client trusts them, ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` included."""
    from httpx2 import create_ssl_context

    return create_ssl_context()
