"""Where a Hub sends its clients: to addresses of the web only, not in circles, and without the login elsewhere."""

from collections.abc import Iterable, Iterator
from contextlib import closing

import pytest

from quantpick.errors import HubError
from quantpick.transfer.net.http import Connection
from quantpick.transfer.net.redirects import ask
from tests.fakes.raw import RawServer


@pytest.fixture
def connection() -> Iterator[Connection]:
    with closing(Connection()) as one:
        yield one


LOGIN = {"authorization": "Bearer hf_notasecretbutlookslikeone"}


def redirects_to(location: str) -> RawServer:
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    return RawServer(lambda _: [head.encode("utf-8")])


def answers(_: bytes) -> Iterable[bytes]:
    return [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"]


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "data:text/plain,x",
        "ftp://127.0.0.1/x",
        "http://127.0.0.1:99999/x",
        "http://127.0.0.1:port/x",
        "http://127.0.0.1:0/x",
        "http://[::1/x",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\u00fc",
        "javascript:alert(1)",
    ],
)
@pytest.mark.parametrize("leave_origin", [True, False])
def test_what_is_no_address_of_the_web_is_refused(location: str, leave_origin: bool, connection: Connection) -> None:
    with redirects_to(location) as server, pytest.raises(HubError, match="not a web address"):
        ask(connection, server.url + "/file", LOGIN, leave_origin=leave_origin)


def test_circle_ends(connection: Connection) -> None:
    with redirects_to("/again") as server, pytest.raises(HubError, match="circle"):
        ask(connection, server.url + "/file", LOGIN, leave_origin=True)


def test_login_stays_at_its_origin(connection: Connection) -> None:
    with RawServer(answers) as other, redirects_to(other.url + "/x") as server:
        answer = ask(connection, server.url + "/file", LOGIN, leave_origin=True)
        assert answer.response.read() == b"ok"
        assert b"hf_notasecret" in server.heads[0]
        assert b"hf_notasecret" not in other.heads[0]
        assert ask(connection, server.url + "/file", LOGIN, leave_origin=False).leads_to == other.url + "/x"


def test_endless_body_of_a_redirect_is_not_read(connection: Connection) -> None:
    def endless(_: bytes) -> Iterable[bytes]:
        yield b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 999999999999\r\n\r\n"
        for _piece in range(10_000):
            yield bytes(65536)

    with RawServer(endless) as server, pytest.raises(HubError, match="circle"):
        ask(connection, server.url + "/file", {}, leave_origin=True)
    assert server.sent_bytes < 64 * 2**20
