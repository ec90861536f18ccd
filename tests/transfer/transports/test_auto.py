"""`auto` takes hf_transfer where the line suits it, and ranges where it does not; an interruption costs seconds."""

import threading
import time

import pytest

from quantpick.core.units import MIB
from quantpick.transfer.disk.partial import PartialFile
from quantpick.transfer.net.patience import Stopped
from quantpick.transfer.net.width import Width
from quantpick.transfer.transports import auto
from quantpick.transfer.transports.hf_transfer import chunk_bytes, suits
from quantpick.transfer.transports.scratch import is_possible
from quantpick.transfer.transports.table import TRANSPORTS
from tests.fakes.cdn import Interference
from tests.transfer.conftest import SIZE, Open

needs_memory_files = pytest.mark.skipif(not is_possible(), reason="hf_transfer cannot run here: it needs Linux")


def measured(rate: float, count: int) -> Width:
    line = Width(16)
    line.rate, line.count = rate, count
    return line


@pytest.mark.parametrize(
    ("rate", "count", "is_suited"),
    [(160e6, 16, True), (1e9, 16, True), (10e6, 16, True), (1e6, 4, False), (64e3, 1, False), (8e6, 16, False)],
)
def test_line_suits_hf_transfer_where_a_chunk_is_there_in_two_seconds(rate: float, count: int, is_suited: bool) -> None:
    assert suits(measured(rate, count)) is is_suited


@needs_memory_files
def test_bulk_goes_to_hf_transfer_on_a_fast_line(line: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "_WORTH_S", 0.5)
    one = line(content=bytes(range(256)) * 4096 * 64, bytes_per_s=3e6)
    one.fetch("auto", connections=4)
    # Not what brought the most: a busy machine may find hf_transfer slower, and take the rest back.
    assert any("quantpick" not in headers.get("user-agent", "") for headers in one.cdn.headers_seen)
    assert one.final.read_bytes() == one.content.read_bytes()


def test_slow_line_keeps_to_ranges(line: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "_WORTH_S", 0.1)
    one = line(content=bytes(range(256)) * 4096 * 3, bytes_per_s=300e3)
    assert one.fetch("auto", connections=4).transport == "range"
    assert not any("quantpick" not in headers.get("user-agent", "") for headers in one.cdn.headers_seen)


def slow_for_hf_transfer(handler: object, start: int, end: int) -> bool:
    agent = handler.headers.get("User-Agent", "")  # type: ignore[attr-defined]
    if not agent.startswith("quantpick"):
        time.sleep(1.0)
    return False


@needs_memory_files
@pytest.mark.parametrize("fault", [slow_for_hf_transfer])
def test_hf_transfer_that_is_slower_gives_the_file_back(
    line: Open, fault: Interference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "_WORTH_S", 0.5)
    one = line(content=bytes(range(256)) * 4096 * 90, bytes_per_s=4e6, interference=fault)
    one.fetch("auto", connections=4)
    agents = [headers.get("user-agent", "").partition("/")[0] for headers in one.cdn.headers_seen]
    assert set(agents) > {"quantpick"}
    assert agents[-1] == "quantpick"
    assert one.final.read_bytes() == one.content.read_bytes()


@pytest.mark.parametrize("bytes_per_s", [16e3, 1e6])
def test_interruption_costs_two_seconds_of_line_and_a_mebibyte_a_connection(line: Open, bytes_per_s: float) -> None:
    one = line(bytes_per_s=bytes_per_s)
    threading.Timer(3.0, one.stop.set).start()
    with pytest.raises(Stopped):
        one.fetch("auto", connections=4)
    arrived = min(one.cdn.sent_bytes, SIZE)
    with PartialFile(one.partial, one.file) as partial:
        kept = partial.journal.held_bytes
    assert arrived - kept <= 2 * 4 * bytes_per_s + 4 * MIB


def test_chunks_are_as_large_as_the_line_brings_in_a_second() -> None:
    assert [chunk_bytes(rate, 100 * MIB) // MIB for rate in (1e3, 1.5e6, 4e6, 1e8)] == [1, 1, 3, 6]


def test_chunks_are_no_larger_than_gives_every_connection_two() -> None:
    assert [chunk_bytes(1e8, share * MIB) // MIB for share in (0, 1, 6, 40)] == [1, 1, 3, 6]


def test_every_name_of_a_transport_has_its_row() -> None:
    from typing import get_args

    from quantpick.core.transfer_options import TransportChoice, TransportName

    assert set(TRANSPORTS) == set(get_args(TransportName)) == set(get_args(TransportChoice)) - {"auto"}
