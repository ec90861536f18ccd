"""One request to a server that may be anyone: a GET that always ends and never takes more than allowed.

It uses huggingface_hub's own session: proxies, certificates and offline mode work as in ``hf``. Redirects are followed
here, because the session would read their bodies without a bound.
"""

import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import get_session

from quantpick.errors import HubError
from quantpick.threads import start_daemons
from quantpick.waits import SAID_AFTER_S, Teller

Result = TypeVar("Result")

LOWEST_BYTES_PER_S: Final = 1024
SLOW_FOR_S: Final = 10.0
"""Seconds below `LOWEST_BYTES_PER_S` after which an answer is given up. Modelled on curl's ``--speed-limit`` and
``--speed-time`` (30 s); the numbers are chosen."""
_LOOK_S: Final = 0.25
_MAX_REDIRECTS: Final = 5
_ERRNO: Final = re.compile(r"^\[Errno -?[0-9]+\] ")
"""How the words of the system begin; the number is for programs."""
_MAX_ENCODED_CHUNK: Final = 2**16


class Deadline:
    """The time limit for a whole answer.

    Args:
        seconds: from now on.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self._end - time.monotonic())


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Args:
        status: the status after all redirects.
        url: the address that answered.
        headers: its headers; names are looked up in any case.
        body: the body of a success; None if it was too large.
        is_success: whether it is what was asked for: 200, or a part if a part was asked for.
    """

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    is_success: bool

    @property
    def next_url(self) -> str | None:
        """The address of the page after this one."""
        if "link" not in self.headers:
            return None
        links = httpx2.Response(200, headers={"link": self.headers["link"]}).links
        return links.get("next", {}).get("url")


class NotNow(Exception):
    """No answer for now; what is wrong goes on after the server's name, and a hint may say what helps."""

    def __init__(self, problem: str, hint: str = "try again later") -> None:
        super().__init__(problem)
        self.hint = hint


def proxy_wants_login() -> HubError:
    """The error about a proxy that lets nobody through who does not say who he is."""
    return HubError("the proxy asks for a login (407)", hint="HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT")


def get(
    url: str,
    headers: Mapping[str, str],
    *,
    params: Mapping[str, str] | None,
    limit: int,
    deadline: Deadline,
    beginning: bool = False,
    teller: Teller | None = None,
) -> Reply:
    """Ask once.

    Args:
        url: what to ask.
        headers: with the login, which only goes to `url`'s own origin.
        params: its query.
        limit: the most bytes to read of a body; nothing is read of a refusal.
        deadline: for the whole answer.
        beginning: whether the first `limit` bytes are all that is wanted: they are asked for by a range, and taken of
            a server that sends the whole.
        teller: told whom the answer is waited for, if that takes long.

    Raises:
        NotNow: it may work later.
        HubError: it will not, or time is up.
    """
    # A part of a packed body could not be unpacked.
    how = {"accept-encoding": "identity", "range": f"bytes=0-{limit - 1}"} if beginning else {"accept-encoding": "gzip"}
    asked = {**headers, **how}
    name, say = host(url), (teller or Teller()).tell
    return _watched(lambda meter: _follow(url, asked, params, _Limit(limit, beginning), meter), deadline, name, say)


def host(url: str) -> str:
    """The server's name, for messages."""
    try:
        return urlsplit(url).netloc or url
    except ValueError:
        return url


@dataclass(slots=True)
class _Meter:
    """What one question has brought so far; `abandoned` tells its thread that nobody waits any more."""

    size_bytes: int = 0
    abandoned: bool = False


class _Box(Generic[Result]):
    """The outcome of a thread: a result or an error."""

    def __init__(self, job: Callable[[], Result]) -> None:
        self.done = threading.Event()
        self._job = job
        self._result: Result
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._job()
        except BaseException as error:
            self._error = error
        self.done.set()

    def open(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._result


def _watched(job: Callable[[_Meter], Result], deadline: Deadline, name: str, say: Callable[[str], None]) -> Result:
    """Do a job in its own thread, and abandon the thread if it takes too long.

    A server that sends a header byte by byte holds its reader for ever, as each byte comes in time. Only walking away
    ends that.
    """
    meter = _Meter()
    box = _Box(lambda: job(meter))
    start_daemons([box.run], name="ask")
    asked_at = began = time.monotonic()
    before = 0
    while not box.done.wait(min(_LOOK_S, deadline.left_s)):
        now = time.monotonic()
        if now - asked_at >= SAID_AFTER_S:
            say(f"waiting for `{name}`")
        if deadline.left_s <= 0:
            meter.abandoned = True
            raise HubError(
                f"`{name}` did not give the whole answer in {deadline.seconds:.0f} s",
                hint="a longer --timeout, or try again later",
            )
        if now - began >= SLOW_FOR_S:
            if meter.size_bytes - before < LOWEST_BYTES_PER_S * SLOW_FOR_S:
                meter.abandoned = True
                raise NotNow(f"is too slow: {meter.size_bytes - before} bytes in {now - began:.0f} s")
            began, before = now, meter.size_bytes
    return box.open()


@dataclass(frozen=True, slots=True)
class _Limit:
    """How much of a body to read, and whether the beginning of a larger one is enough."""

    size_bytes: int
    beginning: bool


def _follow(
    url: str, headers: Mapping[str, str], params: Mapping[str, str] | None, limit: _Limit, meter: _Meter
) -> Reply:
    """The answer after redirects; the library's exceptions become the two errors of `get`."""
    try:
        session = get_session()
        request = session.build_request(
            "GET",
            url,
            params=dict(params) if params else None,
            headers=dict(headers),
            timeout=constants.DEFAULT_REQUEST_TIMEOUT,
        )
        origin = _origin(request.url)
        for _ in range(_MAX_REDIRECTS + 1):
            response = session.send(request, stream=True, follow_redirects=False)
            try:
                if not response.has_redirect_location:
                    is_success = response.status_code in ((200, 206) if limit.beginning else (200,))
                    body = _body(response, limit, meter) if is_success else None
                    return Reply(response.status_code, str(response.url), response.headers, body, is_success)
            finally:
                response.close()
            if response.next_request is None:
                raise HubError(f"`{host(url)}` redirects to something that is not an address")
            request = response.next_request
            if response.url.scheme == "https" and request.url.scheme != "https":
                # The hashes come from here: what anyone on the way could change is no answer.
                raise HubError(f"`{host(url)}` redirects to an address without TLS, `{host(str(request.url))}`")
            if _origin(request.url) != origin:
                request.headers.pop("authorization", None)
    except OfflineModeIsEnabled as error:
        raise HubError("offline mode is on (HF_HUB_OFFLINE)") from error
    except (httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.DecodingError, httpx2.LocalProtocolError) as error:
        raise HubError(f"cannot ask `{host(url)}`: {error}") from error
    except httpx2.TransportError as error:
        raise _unreachable(error) from error
    except (httpx2.HTTPError, httpx2.StreamError, OSError, ValueError, ImportError, zlib.error) as error:
        # The session is made at the first request: its proxy may be unusable, its certificates missing.
        raise HubError(f"cannot ask `{host(url)}`: {error}", hint="check the proxy and SSL_CERT_FILE") from error
    raise HubError(f"`{host(url)}` redirects in a circle")


def _unreachable(error: httpx2.TransportError) -> Exception:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return HubError(
            "the Hub's certificate cannot be verified", hint="behind a proxy with its own CA: SSL_CERT_FILE=ca.pem"
        )
    if isinstance(error, httpx2.ProxyError) and "407" in str(error):
        return proxy_wants_login()
    if isinstance(error, httpx2.TimeoutException):
        return NotNow("does not answer in time")
    why = _ERRNO.sub("", str(error)) or type(error).__name__
    return NotNow(
        f"cannot be reached ({why})", hint="check the network, HF_ENDPOINT and HTTPS_PROXY, or try again later"
    )


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port; the usual port is None. httpx2 before 2.12 has no name for it."""
    return url.scheme, url.host, url.port


def _body(response: httpx2.Response, limit: _Limit, meter: _Meter) -> bytes | None:
    """The body, or None if it exceeds the limit. The library raises if it is too short."""
    body = bytearray()
    for piece in _decoded(response, limit.size_bytes, meter):
        body += piece
        if len(body) >= limit.size_bytes and limit.beginning:
            return bytes(body[: limit.size_bytes])
        if len(body) > limit.size_bytes:
            return None
    return bytes(body)


def _decoded(response: httpx2.Response, limit: int, meter: _Meter) -> Iterator[bytes]:
    """The pieces of a body, unpacked at most `limit` bytes at a time: a few bytes can hold gigabytes."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise HubError(f"`{host(str(response.url))}` answers in an encoding that was not asked for, `{encoding[:20]}`")
    unpack: Any = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32) if encoding not in ("identity", "") else None
    for piece in response.iter_raw(_MAX_ENCODED_CHUNK):
        meter.size_bytes += len(piece)
        if meter.abandoned:
            raise NotNow("was given up")
        yield piece if unpack is None else unpack.decompress(piece, limit + 1)
