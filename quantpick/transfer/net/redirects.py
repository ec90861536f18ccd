"""Redirects: followed in one place, so that a login never leaves the origin it is for."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from quantpick.errors import HubError
from quantpick.transfer.net.http import Answer as Response
from quantpick.transfer.net.http import Connection, drain
from quantpick.transfer.net.tempo import HEAD_S, MIRROR_HEAD_S

_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
MOST: Final = 5
"""As many as huggingface.co needs for a renamed repo, twice over."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a chain of redirects.

    Args:
        url: who answered.
        response: the answer; its body is still to be read.
        leads_to: the address at another origin that it redirects to, where that was not followed.
    """

    url: str
    response: Response
    leads_to: str | None = None


def ask(
    connection: Connection, url: str, login: Mapping[str, str], *, method: str = "GET", leave_origin: bool
) -> Answer:
    """Ask, and follow redirects; the login goes to the first address's own origin and nowhere else.

    Args:
        connection: to ask on.
        url: the first address.
        login: the Authorization header, or none.
        method: ``GET`` or ``HEAD``.
        leave_origin: whether a redirect to another origin is followed.

    Raises:
        HubError: there are too many redirects, or one leads nowhere.
        OSError, http.client.HTTPException: no answer.
    """
    origin = url
    for _ in range(MOST):
        is_hub = same_origin(url, origin)
        head_s = MIRROR_HEAD_S if is_hub else HEAD_S
        response = connection.get(url, login if is_hub else {}, method=method, head_s=head_s)
        target = target_of(url, response)
        if target is None or not (leave_origin or same_origin(target, origin)):
            return Answer(url, response, target)
        drain(connection, response)
        url = target
    raise HubError("the Hub redirects in a circle")


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses have scheme, host and port in common: only then a token may follow.

    >>> same_origin("https://hub/a", "https://hub:443/b"), same_origin("http://127.0.0.1:1/", "http://127.0.0.1:2/")
    (True, False)
    """
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    address = urlsplit(url)
    return address.scheme, address.hostname, address.port or {"https": 443, "http": 80}.get(address.scheme)


def target_of(url: str, response: http.client.HTTPResponse) -> str | None:
    """Where an answer sends the client, or None.

    Raises:
        HubError: it is no address of the web.
    """
    location = response.headers.get("Location")
    if response.status not in _STATUSES or not location:
        return None
    target = urljoin(url, location) if _is_address(url, location) else None
    if target is None:
        raise HubError("the Hub redirects to something that is not a web address")
    return target


def _is_address(url: str, location: str) -> bool:
    """Whether a Location leads to a host that can be asked, by http or https."""
    try:
        target = urljoin(url, location)
        address = urlsplit(target)
        is_usable = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        return False
    return is_usable and target.isascii() and not any(char <= " " or char == "\x7f" for char in target)
