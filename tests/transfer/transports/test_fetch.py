"""One file by either transport: whole, verified, resumed, through every fault, and never wrong under its final name."""

import os
import threading
import time
from pathlib import Path

import pytest

from quantpick.core.transfer_options import TransportChoice, TransportName
from quantpick.core.units import MIB
from quantpick.demo.hub import Response
from quantpick.errors import AccessError, DamagedError, DiskError, TransferError
from quantpick.transfer.disk.partial import PartialFile
from quantpick.transfer.net.patience import Stopped
from quantpick.transfer.transports import hf_transfer as hf
from quantpick.transfer.transports import scratch
from tests.fakes.cdn import Interference, another_range, answers, outage, resets, stalls, together, whole_file
from tests.fakes.hub import Fault
from tests.transfer.conftest import SIZE, Open

BOTH: list[TransportName] = ["range", "hf_transfer"]
SECRET = "hf_notasecretbutlookslikeone"


@pytest.fixture(autouse=True)
def _needs_memory_files(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    callspec = getattr(request.node, "callspec", None)
    if callspec and callspec.params.get("transport") == "hf_transfer" and not scratch.is_possible():
        pytest.skip("hf_transfer cannot run here: it needs Linux")


@pytest.mark.parametrize("transport", BOTH)
def test_file_arrives_whole_and_nothing_is_left_over(line: Open, transport: TransportName) -> None:
    one = line()
    fetched = one.fetch(transport)
    assert one.final.read_bytes() == one.content.read_bytes()
    assert one.left_over() == set()
    assert (fetched.transport, fetched.fetched_bytes, fetched.reused_bytes) == (transport, SIZE, 0)
    assert one.cdn.sent_bytes == SIZE


@pytest.mark.parametrize("transport", BOTH)
def test_only_what_is_missing_is_asked_for(line: Open, transport: TransportName) -> None:
    one = line()
    content = one.content.read_bytes()
    with PartialFile(one.partial, one.file) as partial:
        for block in range(24):
            partial.write(block * MIB, memoryview(content)[block * MIB : (block + 1) * MIB])
    fetched = one.fetch(transport)
    assert one.final.read_bytes() == content
    assert fetched.reused_bytes == 24 * MIB
    assert min(start for start, _ in one.cdn.ranges) == 24 * MIB
    assert one.cdn.sent_bytes == SIZE - 24 * MIB


FAULTS: dict[str, Interference] = {
    "20% 503": answers(503, 0.2),
    "429 with Retry-After": answers(429, 0.3, retry_after="1", times=2),
    "30% resets": resets(0.3),
    "a stall": stalls(0.15, 1.5),
    "an outage": outage(2, 1.0),
    "expired links": answers(403, 0.3),
    "other ranges at first": answers(416, 0.3),
    "all at once": together(answers(503, 0.1), resets(0.1), outage(4, 1.0), answers(403, 0.1), answers(429, 0.1)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_range_gets_through_a_fault(line: Open, fault: str) -> None:
    one = line(interference=FAULTS[fault])
    one.fetch("range", retry_for_s=60)
    assert one.final.read_bytes() == one.content.read_bytes()
    assert one.left_over() == set()


@pytest.mark.parametrize("fault", ["20% 503", "30% resets", "expired links", "all at once"])
def test_hf_transfer_gets_through_a_fault(line: Open, fault: str) -> None:
    one = line(interference=FAULTS[fault])
    one.fetch("hf_transfer", retry_for_s=60)
    assert one.final.read_bytes() == one.content.read_bytes()
    assert one.left_over() == set()


@pytest.mark.parametrize("transport", BOTH)
def test_links_that_live_a_second_are_renewed(line: Open, transport: TransportName) -> None:
    one = line(bytes_per_s=4e6, link_life_s=1.0)
    one.fetch(transport, connections=2)
    assert one.final.read_bytes() == one.content.read_bytes()
    assert len(one.hub.paths("resolve")) > 1


def test_hf_transfer_that_stalls_is_replaced_by_range(line: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that falls silent on hf_transfer hangs it for ever."""
    monkeypatch.setattr(hf, "STALL_S", 1.5)
    silent = threading.Event()

    def only_hf(handler: object, start: int, end: int) -> bool:
        is_hf = "quantpick" not in getattr(handler, "headers", {}).get("User-Agent", "")
        if is_hf:
            silent.wait(20)
        return is_hf

    one = line(interference=only_hf)
    one.fetch("hf_transfer")
    silent.set()
    assert one.final.read_bytes() == one.content.read_bytes()


@pytest.mark.parametrize("transport", BOTH)
def test_wrong_byte_never_gets_the_final_name(line: Open, transport: TransportName) -> None:
    one = line()
    content = bytearray(one.content.read_bytes())
    content[SIZE // 2] ^= 1
    one.content.write_bytes(content)
    with pytest.raises(DamagedError, match="differs from the Hub's hash"):
        one.fetch(transport)
    assert list(one.folder.iterdir()) == []


def test_what_an_earlier_run_left_wrong_is_found_out_and_comes_again(line: Open) -> None:
    one = line()
    content = one.content.read_bytes()
    with PartialFile(one.partial, one.file) as partial:
        partial.write(0, memoryview(b"\0" * MIB))
    one.fetch()
    assert one.final.read_bytes() == content
    assert one.cdn.sent_bytes == SIZE, "what an earlier run left came again, and nothing else"


@pytest.mark.parametrize("transport", BOTH)
def test_long_zeros_are_no_trap(line: Open, transport: TransportName) -> None:
    one = line(content=os.urandom(4 * MIB) + bytes(24 * MIB) + os.urandom(12 * MIB + 1))
    one.fetch(transport)
    assert one.final.read_bytes() == one.content.read_bytes()


def test_server_without_ranges_is_read_in_one_stream(line: Open) -> None:
    one = line(interference=whole_file)
    one.fetch()
    assert one.final.read_bytes() == one.content.read_bytes()


def test_server_that_sends_other_ranges_is_given_up(line: Open) -> None:
    one = line(interference=another_range)
    with pytest.raises(TransferError):
        one.fetch(retry_for_s=2)
    assert not one.final.exists()


@pytest.mark.parametrize("transport", ["auto", "range"])
def test_mirror_that_serves_the_bytes_itself_works(line: Open, transport: TransportChoice) -> None:
    one = line(mirror=True)
    one.fetch(transport)
    assert one.final.read_bytes() == one.content.read_bytes()


def test_login_goes_to_the_hub_only(line: Open) -> None:
    one = line(token=SECRET)
    one.fetch("hf_transfer", login=SECRET)
    assert {request.headers.get("authorization") for request in one.hub.requests} == {f"Bearer {SECRET}"}
    assert not any("authorization" in headers for headers in one.cdn.headers_seen)


def test_mirror_that_wants_a_login_is_not_for_the_child(line: Open) -> None:
    one = line(mirror=True, token=SECRET)
    assert one.fetch("hf_transfer", login=SECRET).transport == "range"
    assert one.final.read_bytes() == one.content.read_bytes()


def test_hub_that_refuses_is_an_access_error_and_keeps_what_came(line: Open) -> None:
    one = line(token=SECRET)
    with PartialFile(one.partial, one.file) as partial:
        partial.write(0, memoryview(one.content.read_bytes())[: 8 * MIB])
    with pytest.raises(AccessError):
        one.fetch()
    with PartialFile(one.partial, one.file) as partial:
        assert partial.journal.held_bytes == 8 * MIB


def test_outage_longer_than_patience_gives_up_and_keeps_what_came(line: Open) -> None:
    one = line(interference=outage(3, 60.0), bytes_per_s=20e6)
    with pytest.raises(TransferError, match="gave up after"):
        one.fetch(retry_for_s=1.5, connections=2)
    with PartialFile(one.partial, one.file) as partial:
        assert partial.journal.held_bytes > 8 * MIB
        assert partial.journal.unsynced() == []


def test_retry_after_beyond_patience_is_not_waited_for(line: Open) -> None:
    one = line(interference=answers(429, retry_after="3600"))
    began = time.monotonic()
    with pytest.raises(TransferError, match="asks to wait 3600 s"):
        one.fetch(retry_for_s=30)
    assert time.monotonic() - began < 20


def test_hub_that_is_busy_is_asked_again(line: Open) -> None:
    one = line()
    busy = {"Retry-After": "0"}
    one.hub.faults += [
        Fault("/resolve/", Response(503, b"", busy), times=2),
        Fault("/resolve/", Response(429), times=1),
    ]
    one.fetch()
    assert one.final.read_bytes() == one.content.read_bytes()


@pytest.mark.parametrize("transport", BOTH)
def test_stop_ends_it_and_keeps_what_came(line: Open, transport: TransportName) -> None:
    one = line(bytes_per_s=3e6)
    timer = threading.Timer(3.5, one.stop.set)
    timer.start()
    with pytest.raises(Stopped):
        one.fetch(transport, connections=2)
    timer.join()
    one.stop.clear()
    one.cdn.bytes_per_s = None
    assert one.fetch("range").reused_bytes >= 8 * MIB
    assert one.final.read_bytes() == one.content.read_bytes()


def test_connection_that_is_silent_does_not_hold_up_the_stop(line: Open) -> None:
    one = line(interference=stalls(1.0, 3.0))
    timer = threading.Timer(0.5, one.stop.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        one.fetch()
    assert time.monotonic() - began < 2.5
    timer.join()


def test_disk_that_is_full_is_said_so_and_keeps_what_came(line: Open, small_disk: Path) -> None:
    one = line()
    one.folder = small_disk
    with pytest.raises(DiskError, match="No space left"):
        one.fetch()
    with PartialFile(one.partial, one.file) as partial:
        assert partial.journal.held_bytes > 0
    assert not one.final.exists()


def test_full_disk_that_hf_transfer_does_not_notice_is_noticed(line: Open, small_disk: Path) -> None:
    one = line()
    one.folder = small_disk
    with pytest.raises(DiskError):
        one.fetch("hf_transfer")
    assert not one.final.exists()


@pytest.mark.parametrize("transport", ["range", "hf_transfer", "auto"])
def test_of_a_partial_file_that_was_damaged_meanwhile_only_the_damaged_blocks_come_again(
    line: Open, transport: TransportChoice
) -> None:
    one = line()
    content = memoryview(one.content.read_bytes())
    with PartialFile(one.partial, one.file) as partial:
        partial.write(0, content[: 30 * MIB])
        partial.sync()
    with one.partial.open("r+b") as file:
        for at in (0, 7 * MIB + 5, 29 * MIB):
            file.seek(at)
            file.write(bytes([content[at] ^ 1]))
    fetched = one.fetch(transport)
    assert one.final.read_bytes() == content
    assert (fetched.fetched_bytes, fetched.reused_bytes) == (SIZE - 27 * MIB, 27 * MIB)
    assert one.left_over() == set()
