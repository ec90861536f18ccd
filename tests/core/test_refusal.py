"""What a refusal means and how long it asks to wait: no header makes the reading raise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.refusal import asked_pause_s, read_refusal

NOW_S = 1_445_412_470.0


@pytest.mark.parametrize(
    ("status", "headers", "refusal"),
    [
        (403, {"X-Error-Code": "GatedRepo"}, "gated"),
        (401, {"X-Error-Code": "GatedRepo"}, "gated"),
        (401, {"X-Error-Code": "RepoNotFound"}, "no-login"),
        (401, {"X-Error-Message": "Invalid username or password."}, "no-login"),
        (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, "bad-login"),
        (404, {"X-Error-Code": "RepoNotFound"}, "no-repo"),
        (404, {"X-Error-Code": "RevisionNotFound"}, "no-revision"),
        (404, {"X-Error-Code": "EntryNotFound"}, "no-file"),
        (403, {"X-Error-Message": "Access to this resource is disabled."}, "disabled"),
        (403, {}, "forbidden"),
        (404, {}, "no-route"),
        (400, {"X-Error-Code": "?"}, "no-route"),
        (501, {}, "no-route"),
        (429, {"X-Error-Code": "RepoNotFound"}, "busy"),
        (503, {}, "busy"),
    ],
)
def test_refusal_is_read_from_status_and_code(status: int, headers: dict[str, str], refusal: str) -> None:
    assert read_refusal(status, headers) == refusal


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({"RateLimit": '"resolvers";r=0;t=55'}, 55.0),
        ({"RateLimit": '"resolvers";r=7;t=55'}, None),
        ({"RateLimit": '"resolvers"; r=0; t=5', "Retry-After": "1"}, 5.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 10.0),
        ({"Retry-After": "Wed, 21 Oct 2005 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 99999 07:28:00 GMT"}, None),
    ],
)
def test_pause_is_what_the_server_asks_for_and_can_be_read(headers: dict[str, str], pause_s: float | None) -> None:
    assert asked_pause_s(headers, now_s=NOW_S) == pause_s


@given(st.text(), st.text())
def test_no_header_makes_it_raise(limit: str, after: str) -> None:
    pause_s = asked_pause_s({"RateLimit": limit, "Retry-After": after}, now_s=NOW_S)
    assert pause_s is None or pause_s >= 0
