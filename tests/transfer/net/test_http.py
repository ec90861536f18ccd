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
