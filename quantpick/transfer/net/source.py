"""Where the bytes of a file are: the Hub's address for it, and the signed link behind that, as often as it expires."""

import http.client
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from quantpick.core.refusal import BUSY, asked_pause_s, read_refusal
from quantpick.errors import AccessError, HubError, NotFoundError, TransferError
from quantpick.transfer.net.http import Connection, drain
from quantpick.transfer.net.patience import Patience
from quantpick.transfer.net.redirects import MOST, Answer, ask, same_origin, target_of

_FRESH_S: Final = 1.0
_WORTH_ANOTHER_S: Final = 10.0
"""Chosen: a Hub is not asked more often for another host."""
_MAX_FRESH_REFUSALS: Final = 4
"""A link younger than this that is refused has not expired; after so many in a row without a byte it is final."""


@dataclass(frozen=True, slots=True)
class Link:
    """An address that bytes can be asked of now.

    Args:
        url: the address; signed, so never shown.
        login: headers that it needs; only the Hub itself gets any.
        resolved_at: when it was given, on the monotonic clock.
        is_the_hubs: whether the Hub, or its mirror, serves the bytes itself.
        hops: how many servers led on to it, behind the Hub.
    """

    url: str
    login: Mapping[str, str] = field(default_factory=dict)
    resolved_at: float = 0.0
    is_the_hubs: bool = False
    hops: int = 0


class Source:
    """The one place that asks the Hub for the link of a file; for many threads.

    Args:
        url: ``<endpoint>/<owner>/<name>/resolve/<commit>/<path>``.
        login: the Authorization header, or none; sent to the Hub's own origin and nowhere else.
        size_bytes: the file's size, which the Hub's answer must agree with.
        patience: how long to try.
    """

    def __init__(self, url: str, *, login: Mapping[str, str], size_bytes: int, patience: Patience) -> None:
        self._url = url
        self._login = login
        self._size_bytes = size_bytes
        self._patience = patience
        self._lock = threading.Lock()
        self._link: Link | None = None
        self._fresh_refusals = 0

    def link(self) -> Link:
        """The link to use, asked for when there is none.

        Raises:
            AccessError, NotFoundError, HubError: the Hub refuses for good.
            TransferError: patience ended.
        """
        with self._lock:
            if self._link is None:
                self._link = self._resolve()
            return self._link

    def expire(self, link: Link) -> None:
        """Note that this link may not work any more, so that the next is a new one."""
        with self._lock:
            if link is self._link:
                self._link = None

    def moved(self, link: Link, response: http.client.HTTPResponse) -> bool:
        """Note where a link's server sends its readers, if it does: a mirror leads to the Hub, which leads elsewhere.

        Args:
            link: the link.
            response: what was answered to it.

        Returns:
            Whether the next link is another one.

        Raises:
            HubError: it leads in a circle, or to no address.
        """
        target = target_of(link.url, response)
        if target is None:
            return False
        with self._lock:
            if link is self._link:
                if link.hops >= MOST:
                    raise HubError("the Hub redirects in a circle")
                login = link.login if same_origin(target, link.url) else {}
                self._link = Link(target, login, link.resolved_at, link.is_the_hubs and bool(login), link.hops + 1)
        return True

    def renew_when_old(self) -> None:
        """Ask for another link next time, for a host that is slow or cuts connections; one just given is kept."""
        with self._lock:
            if self._link is not None and time.monotonic() - self._link.resolved_at > _WORTH_ANOTHER_S:
                self._link = None

    @property
    def wants_login(self) -> bool:
        """Whether the link of the moment needs the login."""
        link = self._link
        return link is not None and bool(link.login)

    def refused(self, link: Link, answer: str) -> None:
        """Note that a server refused this link: as `expire`, and there is an end to it.

        Args:
            link: the link.
            answer: status and first words of the answer.

        Raises:
            TransferError: the Hub's fresh links are refused too.
        """
        with self._lock:
            if link is not self._link:
                return
            self._link = None
            fresh = time.monotonic() - link.resolved_at < _FRESH_S
            self._fresh_refusals = self._fresh_refusals + 1 if fresh else 0
            if self._fresh_refusals >= _MAX_FRESH_REFUSALS:
                raise TransferError(f"the Hub's own links are refused: {answer}")

    def works(self) -> None:
        """Note that bytes came."""
        self._fresh_refusals = 0

    def _resolve(self) -> Link:
        connection = Connection()
        attempt = 0
        try:
            while True:
                self._patience.wait_for_turn()
                attempt += 1
                try:
                    link = self._ask(connection)
                except NotNow as answer:
                    self._patience.failed(str(answer), attempt, pause_s=answer.pause_s)
                except (OSError, http.client.HTTPException) as error:
                    self._patience.failed(f"the Hub cannot be reached ({str(error) or type(error).__name__})", attempt)
                else:
                    return link
        finally:
            connection.close()

    def _ask(self, connection: Connection) -> Link:
        """Follow the Hub's redirects inside its own origin; the first that leads elsewhere is the link."""
        answer = ask(connection, self._url, self._login, method="HEAD", leave_origin=False)
        drain(connection, answer.response)
        check_answer(answer, self._size_bytes)
        if answer.leads_to is not None:
            return Link(answer.leads_to, {}, time.monotonic())
        return Link(answer.url, self._login, time.monotonic(), is_the_hubs=True)


def check_answer(answer: Answer, size_bytes: int) -> None:
    """Turn a refusal of the Hub, and whatever else is neither the file nor a link to it, into what the user can do.

    Raises:
        NotNow: it is for now.
        AccessError, NotFoundError, HubError: it is for good.
    """
    response = answer.response
    status = response.status
    if status in BUSY:
        raise NotNow(f"the Hub answers {status}", asked_pause_s(response.headers, now_s=time.time()))
    if status in (401, 403):
        refused = {
            "gated": "access to the file is gated: its licence must be accepted",
            "bad-login": "the Hub does not accept the token: it is wrong, revoked or expired",
        }
        why = refused.get(read_refusal(status, response.headers), f"access to the file is refused ({status})")
        raise AccessError(why, hint="hf auth login")
    if status == 404:
        raise NotFoundError("the Hub has no such file any more")
    if status >= 400 or (answer.leads_to is None and not response.is_whole):
        raise HubError(f"the Hub answers {status} instead of sending the file")
    stated = response.headers.get("X-Linked-Size") or (
        response.headers.get("Content-Length") if status == 200 else None
    )
    is_page = status == 200 and (response.headers.get("Content-Type") or "").startswith("text/html")
    if is_page and stated != str(size_bytes) and "ETag" not in response.headers:
        # A network that lets nobody through who has not logged in; the download goes on when somebody has.
        raise NotNow("a web page comes instead of the file: a login page of this network?", None)
    if stated is not None and stated != str(size_bytes):
        raise HubError(f"the Hub states {stated} bytes where it listed {size_bytes}")


class NotNow(Exception):
    """A refusal that may pass, and the seconds the Hub asks to wait, or None."""

    def __init__(self, problem: str, pause: float | None) -> None:
        super().__init__(problem)
        self.pause_s = pause
