"""What a refusal means, by its status and headers alone, whoever sent it."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final, Literal, Protocol

BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Temporary statuses: the same request may be answered later (RFC 9110, 15.5 and 15.6; RFC 6585 for 429)."""

Refusal = Literal[
    "busy", "gated", "disabled", "bad-login", "no-login", "forbidden", "no-repo", "no-revision", "no-file", "no-route"
]
"""Why a Hub does not give what was asked for.

``bad-login`` is its answer to a token that is wrong, revoked or expired, whatever the question: public repos too.

``no-login`` is also its answer about a repo that does not exist, to a client without login. ``no-route`` is any refusal
that a Hub would not send: a mirror's that knows nothing of the question.
"""

_CODES: Final[Mapping[str, Refusal]] = {
    "GatedRepo": "gated",
    "RepoNotFound": "no-repo",
    "RevisionNotFound": "no-revision",
    "EntryNotFound": "no-file",
}
"""The Hub's ``X-Error-Code`` (huggingface_hub 2.4.0, ``utils/_http.py``)."""
_DISABLED: Final = "Access to this resource is disabled."
_BAD_LOGIN: Final = "Invalid credentials in Authorization header"
"""Its ``X-Error-Message`` (the same place). About a repo that does not exist, a client without login is told ``Invalid
username or password.``"""
_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_LIMIT: Final = re.compile(r"r\s*=\s*0\s*;\s*t\s*=\s*([0-9]{1,9})(?![0-9])")


class Headers(Protocol):
    """The headers of an answer, of whichever client."""

    def get(self, name: str, /) -> str | None:
        """The value under a name in any case, or None."""


def read_refusal(status: int, headers: Headers) -> Refusal:
    """Why a request was refused.

    Args:
        status: 400 or more.
        headers: the answer's, whose names are looked up in any case.

    >>> read_refusal(403, {"X-Error-Code": "GatedRepo"}), read_refusal(503, {}), read_refusal(400, {})
    ('gated', 'busy', 'no-route')
    """
    if status in BUSY:
        return "busy"
    code = _CODES.get(headers.get("X-Error-Code") or "")
    if status == 401 and code != "gated":
        return "bad-login" if headers.get("X-Error-Message") == _BAD_LOGIN else "no-login"
    if code is not None:
        return code
    if headers.get("X-Error-Message") == _DISABLED:
        return "disabled"
    return "forbidden" if status == 403 else "no-route"


def asked_pause_s(headers: Headers, *, now_s: float) -> float | None:
    """The seconds that a server asks to wait, 0 at least; None where it does not say, or nothing that can be read.

    Args:
        headers: the answer's: the Hub's ``RateLimit: "resolvers";r=0;t=55`` (huggingface_hub 2.4.0 ``utils/_http.py``),
            else ``Retry-After``, a number or a date (RFC 9110, 10.2.3).
        now_s: seconds since 1970, for a date.

    >>> asked_pause_s({"RateLimit": '"api";r=0;t=55', "Retry-After": "9"}, now_s=0), asked_pause_s({}, now_s=0)
    (55.0, None)
    >>> [asked_pause_s({"Retry-After": text}, now_s=1445412470) for text in ("3", "soon")]
    [3.0, None]
    >>> asked_pause_s({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, now_s=1445412470)
    10.0
    """
    limit = _LIMIT.search(headers.get("RateLimit") or "")
    if limit is not None:
        return float(limit[1])
    asked = (headers.get("Retry-After") or "").strip()
    if _SECONDS.fullmatch(asked):
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - now_s)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
