"""HTTP/1.1 of the standard library with the proxies and certificates that the Hub's client would use.

A body can be read straight into a buffer, from many threads at once, for a tenth of the processor time of the usual
client libraries.
"""

import base64
import contextlib
import email.utils
import http.client
import socket
import ssl
import time
import urllib.request
from collections.abc import Mapping
from functools import cache
from typing import Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

TIMEOUT_S: Final = 20.0
"""A connection that says nothing for so long is given up."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that a server gives for now, not for good."""
USER_AGENT: Final = "quantpick"


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


def redirect_target(url: str, response: http.client.HTTPResponse) -> str | None:
    """Where an answer sends the client, or None."""
    location = response.headers.get("Location")
    return urljoin(url, location) if response.status in _REDIRECTS and location else None


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses have scheme, host and port in common: only then a token may follow.

    >>> same_origin("https://hub/a", "https://hub:443/b"), same_origin("http://127.0.0.1:1/", "http://127.0.0.1:2/")
    (True, False)
    """
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    address = urlsplit(url)
    return address.scheme, address.hostname, address.port or {"https": 443, "http": 80}.get(address.scheme)


def pause_s(headers: http.client.HTTPMessage) -> float | None:
    """The seconds that a server asks to wait: the Hub's ``RateLimit: "resolvers";r=0;t=55``, or Retry-After.

    Sources: huggingface_hub ``utils/_http.py`` (2.4.0); RFC 9110, 10.2.3.
    """
    limit = dict(part.strip().partition("=")[::2] for part in headers.get("RateLimit", "").split(";"))
    asked = limit.get("t") if limit.get("r") == "0" else headers.get("Retry-After")
    if asked is None or asked.isdigit():
        return None if asked is None else float(asked)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


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
