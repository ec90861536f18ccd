"""Ranges from servers that are slow, lie, run on or cut: an end in time, a bound for every read, and no wrong byte."""

import resource
import time
from typing import Any

import pytest

from quantpick.core.units import MIB
from quantpick.errors import DamagedError, HubError, TransferError
from quantpick.transfer.net import source
from tests.fakes.cdn import (
    Interference,
    answers,
    cuts_every,
    drips,
    endless,
    in_chunks,
    packed,
    runs_on,
    slow_connection,
    whole_file,
    whole_file_cut,
    whole_file_later,
)
from tests.fakes.raw import RawServer
from tests.transfer.conftest import REPO, SIZE, Open


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("in_head", [False, True])
def test_byte_a_second_is_no_line(line: Open, in_head: bool) -> None:
    one = line(interference=drips(10, in_head=in_head))
    began = time.monotonic()
    with pytest.raises(TransferError, match="gave up"):
        one.fetch(retry_for_s=3)
    assert time.monotonic() - began < 6


def test_slow_connection_does_not_hold_up_the_others(line: Open) -> None:
    one = line(interference=slow_connection(1, 20e3), bytes_per_s=4e6)
    began = time.monotonic()
    one.fetch(connections=4)
    assert one.final.read_bytes() == one.content.read_bytes()
    assert time.monotonic() - began < 15, "at 20 kB/s its share alone would take minutes"


def test_line_that_is_cut_after_every_100_kib_arrives(line: Open) -> None:
    one = line(content=bytes(range(256)) * 4096 * 5, interference=cuts_every(100 * 1024))
    one.fetch(connections=4)
    assert one.final.read_bytes() == one.content.read_bytes()


@pytest.mark.parametrize("fault", [runs_on, endless(503), endless(302), endless(404)])
def test_body_without_an_end_takes_no_memory(line: Open, fault: Interference) -> None:
    one = line(interference=fault)
    before = peak_bytes()
    if fault is runs_on:
        one.fetch()
        assert one.final.read_bytes() == one.content.read_bytes()
    else:
        with pytest.raises(TransferError):
            one.fetch(retry_for_s=2)
    assert peak_bytes() - before < 64 * MIB + (SIZE if fault is runs_on else 0)
    assert one.cdn.sent_bytes < 1000 * MIB


def test_server_without_ranges_sends_the_file_once(line: Open) -> None:
    one = line(interference=whole_file)
    one.fetch(connections=8)
    assert one.final.read_bytes() == one.content.read_bytes()
    assert one.cdn.sent_bytes < 2.5 * SIZE, "once, and what the first answers had sent before they were hung up on"


def test_range_in_chunks_is_a_range(line: Open) -> None:
    one = line(interference=in_chunks)
    one.fetch(connections=4)
    assert one.final.read_bytes() == one.content.read_bytes()
    assert one.cdn.sent_bytes <= SIZE
    assert all(end - start < SIZE for start, end in one.cdn.ranges), "nobody asked for the whole file"


def test_packed_ranges_are_no_bytes_of_the_file(line: Open) -> None:
    """Of the right length, so that otherwise the hash alone would find out, after the last byte."""
    one = line(interference=lambda handler, start, end: end - start < SIZE and packed(handler, start, end))
    one.fetch(connections=4)
    assert one.final.read_bytes() == one.content.read_bytes()
    one.final.unlink()
    one.cdn.interference = packed
    with pytest.raises(TransferError, match=r"range that was asked for \(206|neither ranges nor"):
        one.fetch(retry_for_s=2, connections=4)
    assert not one.final.exists()


def test_ranges_that_end_in_a_whole_file_keep_what_came(line: Open) -> None:
    one = line(interference=whole_file_later(2))
    one.fetch(connections=2)
    assert one.final.read_bytes() == one.content.read_bytes()


def test_whole_file_that_differs_from_the_ranges_never_gets_the_name(line: Open) -> None:
    one = line(interference=whole_file_later(2, is_other=True))
    with pytest.raises(DamagedError):
        one.fetch(connections=2)
    assert list(one.folder.iterdir()) == []


def test_server_without_ranges_that_cuts_at_half_is_given_up(line: Open) -> None:
    one = line(interference=whole_file_cut(0.5))
    began = time.monotonic()
    with pytest.raises(TransferError, match="neither ranges nor"):
        one.fetch(retry_for_s=60)
    assert time.monotonic() - began < 20
    assert one.cdn.sent_bytes < 8 * SIZE
    one.cdn.interference = None
    assert one.fetch().reused_bytes > SIZE // 3


@pytest.mark.parametrize("asked", ["0", "Wed, 21 Oct 2015 07:28:00 GMT", "²", "-1", "1e9"])
def test_pause_of_nothing_is_still_a_pause(line: Open, asked: str) -> None:
    one = line(interference=answers(503, retry_after=asked))
    with pytest.raises(TransferError):
        one.fetch(retry_for_s=2, connections=4)
    assert len(one.cdn.ranges) < 100


def test_patience_does_not_run_while_others_bring_bytes(line: Open) -> None:
    one = line(interference=answers(503, 0.5), bytes_per_s=15e6)
    one.fetch(retry_for_s=5, connections=4)
    assert one.final.read_bytes() == one.content.read_bytes()


def test_host_on_which_many_connections_break_down_is_asked_for_again(
    line: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_WORTH_ANOTHER_S", 0.0)
    one = line()
    monkeypatch.setattr(one.cdn, "rate", lambda: 10e6 if one.cdn.busy <= 4 else 0.5e6 / one.cdn.busy)
    one.fetch(connections=8)
    assert one.final.read_bytes() == one.content.read_bytes()
    assert len(one.hub.paths("resolve")) > 1


def test_link_that_leads_on_is_followed(line: Open) -> None:
    """A mirror leads to the Hub, and that to its second host."""
    one = line()
    link = one.hub.link
    assert link is not None
    there = link(one.hub.repos[REPO].branches["main"][0])

    def leads_on(head: bytes) -> list[bytes]:
        hop = int(head.split(b" ")[1].strip(b"/"))
        target = f"/{hop - 1}" if hop > 1 else there
        return [f"HTTP/1.1 302 x\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()]

    with RawServer(leads_on) as other:
        for hops in (1, 4):
            one.hub.link = lambda _, hops=hops: f"{other.url}/{hops}"
            one.fetch("range", connections=2)
            assert one.final.read_bytes() == one.content.read_bytes()
            one.final.unlink()


def test_link_that_leads_in_a_circle_is_given_up(line: Open) -> None:
    one = line()
    with RawServer(lambda _: [b"HTTP/1.1 302 x\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"]) as circle:
        one.hub.link = lambda _: circle.url
        with pytest.raises((HubError, TransferError)):
            one.fetch(retry_for_s=5, connections=4)
        assert len(circle.heads) < 60


def test_stream_that_names_no_length_and_is_too_short_leaves_nothing(line: Open) -> None:
    """It may be a network's login page, of any length."""

    def page(handler: Any, start: int, end: int) -> bool:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + bytes(3 * MIB))
        handler.close_connection = True
        return True

    one = line(interference=page)
    with pytest.raises(TransferError):
        one.fetch(retry_for_s=2, connections=2)
    one.cdn.interference = None
    assert one.fetch().reused_bytes == 0
    assert one.final.read_bytes() == one.content.read_bytes()
