"""The gate answers hf_transfer alone, and tells nobody else anything."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from quantpick.core.progress import FileProgress
from quantpick.core.units import MIB
from quantpick.transfer.disk.partial import PartialFile
from quantpick.transfer.net.line import Line
from quantpick.transfer.net.tally import Tally
from quantpick.transfer.transports.gate import Gate
from quantpick.transfer.transports.job import Job
from quantpick.transfer.transports.scratch import is_possible
from tests.transfer import conftest
from tests.transfer.conftest import REPO, Open


@contextmanager
def gate_of(one: conftest.Line) -> Iterator[tuple[Gate, PartialFile]]:
    line = Line(lambda file: f"{one.hub.url}/{REPO}/resolve/main/{file.path}", connections=4)
    with PartialFile(one.partial, one.file) as partial:
        job = Job(partial, line.source(one.file), line, Tally(FileProgress(one.file.path, one.file.size_bytes)))
        with Gate(job, chunk_bytes=4 * MIB, connections=4, end=one.file.size_bytes) as gate:
            yield gate, partial


def ask(gate: Gate, span: str, login: str | None) -> bytes:
    port = int(gate.url.rpartition(":")[2].strip("/"))
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        shown = "" if login is None else f"Authorization: {login}\r\n"
        connection.sendall(f"GET / HTTP/1.1\r\nRange: bytes={span}\r\n{shown}\r\n".encode())
        return connection.recv(65536)


def test_missing_chunks_are_redirected_and_those_that_are_there_are_empty(line: Open) -> None:
    one = line()
    with gate_of(one) as (gate, partial):
        login = gate.headers["authorization"]
        assert f"bytes 0-0/{one.file.size_bytes}".encode() in ask(gate, "0-0", login)
        assert one.cdn.url.encode() in ask(gate, "0-4194303", login)
        partial.write(4 * MIB, memoryview(bytes(MIB)))
        there = ask(gate, "4194304-8388607", login)
        assert there.startswith(b"HTTP/1.1 206")
        assert there.endswith(b"Content-Length: 0\r\n\r\n")


@pytest.mark.parametrize("login", [None, "Bearer x", "Bearer " + "0" * 32])
def test_stranger_learns_nothing(line: Open, login: str | None) -> None:
    with gate_of(line()) as (gate, _):
        assert ask(gate, "0-0", login) == b""


def test_crowd_of_strangers_neither_fills_it_nor_shuts_it(line: Open) -> None:
    with gate_of(line()) as (gate, _), ExitStack() as crowd:
        port = int(gate.url.rpartition(":")[2].strip("/"))
        for _ in range(200):
            crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        time.sleep(0.5)
        assert sum(thread.name == "gate-connection" for thread in threading.enumerate()) < 40
        assert ask(gate, "0-0", gate.headers["authorization"]).startswith(b"HTTP/1.1 206")


@pytest.mark.skipif(not is_possible(), reason="hf_transfer cannot run here: it needs Linux")
def test_other_host_sees_no_secret(line: Open) -> None:
    one = line()
    one.fetch("hf_transfer")
    by_hf = [headers for headers in one.cdn.headers_seen if "quantpick" not in headers.get("user-agent", "")]
    assert by_hf
    assert not any("authorization" in headers for headers in by_hf)
    assert {headers.get("referer", "").rpartition(":")[2].partition("/")[2] for headers in by_hf} == {""}
