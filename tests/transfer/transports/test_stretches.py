"""Stretches: every missing byte is somebody's, and nobody else's, however often they are split and given back."""

import random
import threading
import time

import pytest

from quantpick.core.units import MIB
from quantpick.transfer.transports.stretches import Stretches


@pytest.mark.parametrize("seed", range(5))
def test_every_byte_is_written_once_by_threads_that_fail_now_and_then(seed: int) -> None:
    missing = [(0, 5 * MIB), (9 * MIB, 40 * MIB + 77)]
    stretches = Stretches(missing, 6)
    written = bytearray(41 * MIB)
    lock = threading.Lock()

    def work(dice: random.Random) -> None:
        while not stretches.is_done:
            stretch = stretches.take(0.01)
            if stretch is None:
                continue
            stretch.began_s -= dice.choice([0, 60])  # some look slow, and are split
            while stretch.at < stretch.end and dice.random() > 0.02:
                at = stretch.at
                count = stretches.reserve(stretch, dice.randrange(1, 300_000))
                with lock:
                    for position in (at, at + count - 1):
                        written[position] += 1
                stretches.wrote(stretch, count)
            stretches.give_back(stretch)

    threads = [threading.Thread(target=work, args=(random.Random(seed * 10 + at),)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert stretches.is_done
    assert max(written) <= 2, "an end that is also a start counts twice"
    assert all(written[at] for at in (0, 5 * MIB - 1, 9 * MIB, 40 * MIB + 76))
    assert not any(written[5 * MIB : 9 * MIB])


def test_nothing_is_handed_out_after_it_is_closed() -> None:
    stretches = Stretches([(0, 20 * MIB)], 2)
    stretch = stretches.take(0)
    assert stretch is not None
    stretches.close()
    assert stretches.reserve(stretch, 100) == 0
    assert stretches.take(0) is None
    assert stretches.is_done


def test_closing_waits_for_who_writes() -> None:
    stretches = Stretches([(0, 20 * MIB)], 2)
    stretch = stretches.take(0)
    assert stretch is not None
    stretches.reserve(stretch, 100)
    threading.Timer(0.3, stretches.wrote, (stretch, 100)).start()
    began = time.monotonic()
    stretches.close()
    assert time.monotonic() - began > 0.2


def test_half_of_what_lasts_goes_to_who_is_idle_and_what_is_quick_is_left_alone() -> None:
    stretches = Stretches([(0, 8 * MIB)], 1)
    stretches.fit_to(0.0, 32 * MIB)
    first = stretches.take(0)
    assert first is not None
    assert stretches.take(0) is None
    stretches.wrote(first, stretches.reserve(first, MIB))
    first.began_s -= 60
    second = stretches.take(0)
    assert second is not None
    assert (first.end, second.at, second.end) == (4 * MIB, 4 * MIB, 8 * MIB)


def test_parts_shrink_towards_the_end_but_stay_worth_their_request_as_long_as_all_have_some() -> None:
    stretches = Stretches([(0, 64 * MIB)], 4)
    stretches.fit_to(0.01, 12 * MIB)
    sizes = []
    while (stretch := stretches.take(0)) is not None and stretch.got == 0:
        sizes.append((stretch.end - stretch.at) // MIB)
        stretches.wrote(stretch, stretches.reserve(stretch, stretch.end - stretch.at))
        stretches.give_back(stretch)
    assert sum(sizes) == 64
    assert sizes[0] == 8
    assert sizes == sorted(sizes, reverse=True)
    assert all(size >= 3 for at, size in enumerate(sizes) if sum(sizes[at:]) >= 12)
    assert sizes[-1] == 1


@pytest.mark.parametrize("least_bytes", [0, 1, MIB - 1])
@pytest.mark.parametrize("start", [0, MIB, MIB + 7])
def test_no_part_is_empty_however_little_is_worth_a_request(least_bytes: int, start: int) -> None:
    stretches = Stretches([(start, 3 * MIB)], 16)
    stretches.fit_to(0.01, 4 * least_bytes)
    stretch = stretches.take(0)
    assert stretch is not None
    assert (stretch.at, stretch.end) == (start, (start // MIB + 1) * MIB)


def test_where_a_request_is_slow_each_connection_gets_a_long_part_and_then_a_short_one() -> None:
    stretches = Stretches([(0, 256 * MIB)], 4)
    stretches.fit_to(0.2, 10 * MIB)
    first = [stretches.take(0) for _ in range(4)]
    sizes = [one.end - one.at for one in first if one is not None]
    assert sum(sizes) > 256 * MIB * 0.7
    parts = list(first)
    while any(parts):
        for one in parts:
            if one is not None:
                stretches.wrote(one, stretches.reserve(one, one.end - one.at))
                stretches.give_back(one)
        parts = [stretches.take(0) for _ in range(4)]
        sizes += [one.end - one.at for one in parts if one is not None]
    assert sum(sizes) == 256 * MIB
    assert len(sizes) <= 2 * 4
