"""A proxy or certificates that are of no use are one clear error, and a connection never waits for ever."""

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quantpick.errors import HubError
from quantpick.transfer.net import http
from quantpick.transfer.net.http import Connection
from quantpick.transfer.net.tempo import TooSlow
from tests.fakes.raw import RawServer


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    http._tls.cache_clear()
    yield
    http._tls.cache_clear()


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://127.0.0.1:99999", "http://[x", "http://:80"])
def test_proxy_of_another_kind_is_named(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(HubError, match="proxy"):
        Connection().get("https://example.invalid/x", {})


def test_certificates_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(HubError, match="certificates"):
        Connection().get("https://127.0.0.1:1/x", {})


def test_head_that_does_not_end_has_a_time() -> None:
    def slowly(_: bytes) -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        while not server.closing.wait(0.05):
            yield b"X: y\r\n"

    with RawServer(slowly) as server:
        began = time.monotonic()
        with pytest.raises(OSError, match=r"slow|timed out"):
            Connection().get(server.url, {}, head_s=0.5)
        assert time.monotonic() - began < 2


def test_body_that_drips_has_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quantpick.transfer.net.tempo._WINDOW_S", 0.5)

    def slowly(_: bytes) -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        while not server.closing.wait(0.05):
            yield b"x"

    def read(answer: http.Answer) -> None:
        while answer.read_some(memoryview(bytearray(1000))):
            pass

    with RawServer(slowly) as server, closing(Connection()) as connection:
        answer = connection.get(server.url, {})
        began = time.monotonic()
        with pytest.raises((TooSlow, TimeoutError)):
            read(answer)
        answer.close()
        assert time.monotonic() - began < 3


RANGE = "206 Part\r\nContent-Range: bytes 2-4/9\r\n"
WHOLE = "200 OK\r\n"


@pytest.mark.parametrize(
    ("more", "is_plain"),
    [
        ("Content-Length: 3\r\n", True),
        ("Content-Length: 3\r\nContent-Length: 3\r\n", True),
        ("Content-Length: 3\r\nContent-Encoding: Identity\r\n", True),
        ("Transfer-Encoding: chunked\r\n", True),
        ("", True),
        ("Content-Length: 3\r\nContent-Length: 4\r\n", False),
        ("Content-Length: 3\r\nContent-Encoding: gzip\r\n", False),
        ("Content-Length: 3\r\nContent-Encoding: identity\r\nContent-Encoding: br\r\n", False),
        ("Content-Length: 3\r\nContent-Encoding: identity, zstd\r\n", False),
        ("Transfer-Encoding: gzip, chunked\r\n", False),
        ("Content-Length: 3\r\nTransfer-Encoding: gzip\r\n", False),
        ("Content-Length: 3\r\nContent-Type: multipart/byteranges; boundary=x\r\n", False),
    ],
)
def test_answer_is_bytes_of_the_file_only_where_its_head_says_one_thing(more: str, is_plain: bool) -> None:
    for head, is_whole in ((RANGE, False), (WHOLE, True)):
        with RawServer(lambda _: [f"HTTP/1.1 {head}{more}\r\nabc".encode()]) as server, closing(Connection()) as one:  # noqa: B023
            answer = one.get(server.url, {})
            assert (answer.is_whole, answer.is_range(2, 5, 9)) == (is_plain and is_whole, is_plain and not is_whole)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Content-Range: bytes 2-4/*\r\n",
        "Content-Range: bytes 2-5/9\r\n",
        "Content-Range: bytes 2-4/10\r\n",
        "Content-Range: bytes 2-4/9\r\nContent-Range: bytes 2-4/9\r\n",
        "Content-Range: bytes 0-2/9\r\nContent-Range: bytes 2-4/9\r\n",
    ],
)
def test_range_is_the_one_that_was_asked_for_and_said_once(said: str) -> None:
    head = f"HTTP/1.1 206 Part\r\nContent-Length: 3\r\n{said}\r\nabc"
    with RawServer(lambda _: [head.encode()]) as server, closing(Connection()) as one:
        assert not one.get(server.url, {}).is_range(2, 5, 9)
