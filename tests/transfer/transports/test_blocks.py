"""Blocks: behind a mirror that may be fetching them, few are asked for until they are known to be there."""

import random
import threading

import pytest

from quantpick.core.units import MIB
from quantpick.transfer.transports.blocks import Blocks
from quantpick.transfer.transports.stretches import Stretch

BLOCK = 64 * MIB


def spans(stretches: list[Stretch]) -> list[tuple[int, int]]:
    return [(one.at // MIB, -(-one.end // MIB)) for one in stretches]


def all_free(blocks: Blocks) -> list[Stretch]:
    """Everything that is handed out now."""
    return list(iter(lambda: blocks.take(0), None))


def comes(blocks: Blocks, stretch: Stretch, count: int = 1, *, after_s: float = 0.0) -> None:
    stretch.began_s -= after_s
    blocks.wrote(stretch, blocks.reserve(stretch, count))


def ends(blocks: Blocks, stretch: Stretch) -> None:
    blocks.wrote(stretch, blocks.reserve(stretch, stretch.end - stretch.at))
    blocks.give_back(stretch)


@pytest.mark.parametrize("seed", range(8))
def test_every_byte_is_written_once_by_threads_that_fail_now_and_then(seed: int) -> None:
    size = 3 * BLOCK + 77
    missing = [(0, 5 * MIB), (9 * MIB, 2 * BLOCK), (2 * BLOCK + 3 * MIB, size)]
    blocks = Blocks(missing, 6, size_bytes=size)
    taken: list[tuple[int, int]] = []
    lock = threading.Lock()

    def work(dice: random.Random) -> None:
        while not blocks.is_done:
            stretch = blocks.take(0.01)
            if stretch is None:
                continue
            stretch.began_s -= dice.choice([0, 0, 60])
            while stretch.at < stretch.end and dice.random() > 0.02:
                at = stretch.at
                count = blocks.reserve(stretch, dice.randrange(1, 3_000_000))
                with lock:
                    taken.append((at, at + count))
                blocks.wrote(stretch, count)
            blocks.give_back(stretch)

    threads = [threading.Thread(target=work, args=(random.Random(seed * 10 + at),)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert blocks.is_done
    whole = [(missing[0][0], missing[0][0])]
    for start, end in sorted(taken):
        if start == whole[-1][1]:
            whole[-1] = (whole[-1][0], end)
        else:
            whole.append((start, end))
    assert whole == missing


def test_nothing_more_is_asked_for_as_long_as_the_first_block_is_silent() -> None:
    blocks = Blocks([(0, 3 * BLOCK)], 16, size_bytes=3 * BLOCK)
    assert spans(all_free(blocks)) == [(1, 64)]
    assert all_free(blocks) == []


def test_a_block_that_streams_is_looked_at_by_one_more_and_no_other_is_begun_until_it_ends() -> None:
    blocks = Blocks([(0, 3 * BLOCK)], 16, size_bytes=3 * BLOCK)
    (head,) = all_free(blocks)
    comes(blocks, head)
    assert spans(all_free(blocks)) == [(0, 1)]
    comes(blocks, head, 30 * MIB)
    assert all_free(blocks) == []
    comes(blocks, head, 30 * MIB)
    assert spans(all_free(blocks)) == [(65, 128)]


def test_what_another_has_fetched_is_waited_for_by_one_connection() -> None:
    blocks = Blocks([(0, 300 * BLOCK)], 16, size_bytes=300 * BLOCK)
    (head,) = all_free(blocks)
    comes(blocks, head, after_s=3.0)
    assert all_free(blocks) == []
    ends(blocks, head)
    first, second = all_free(blocks)
    assert spans([first, second]) == [(0, 1), (65, 128)]


@pytest.mark.parametrize(("blocks_in_all", "at_once"), [(4, 1), (39, 1), (40, 2), (160, 8), (5000, 16)])
def test_who_leads_has_no_more_fetched_at_once_than_a_twentieth_of_the_file(blocks_in_all: int, at_once: int) -> None:
    size = blocks_in_all * BLOCK
    blocks = Blocks([(0, size)], 16, size_bytes=size)
    (head,) = all_free(blocks)
    comes(blocks, head)
    heads = [one for one in [head, *all_free(blocks)] if one.end - one.at > MIB]
    assert len(heads) == at_once


def test_blocks_that_are_there_are_shared_and_one_goes_ahead_to_see_where_that_ends() -> None:
    blocks = Blocks([(0, 6 * BLOCK)], 16, size_bytes=6 * BLOCK)
    (head,) = all_free(blocks)
    comes(blocks, head)
    (scout,) = all_free(blocks)
    comes(blocks, scout)
    assert head.may_be_cut
    (ahead,) = all_free(blocks)
    assert spans([ahead]) == [(127, 128)]
    comes(blocks, ahead)
    ends(blocks, ahead)
    scout_of_third, rest_of_second = all_free(blocks)
    assert spans([scout_of_third, rest_of_second]) == [(191, 192), (64, 127)]
    comes(blocks, scout_of_third, after_s=3.0)
    rest_of_third, head_of_fourth = sorted(all_free(blocks), key=lambda one: one.at)
    assert spans([rest_of_third, head_of_fourth]) == [(128, 191), (193, 256)]
    assert all_free(blocks) == []


def test_after_a_failure_one_connection_asks_again_where_the_block_goes_on() -> None:
    blocks = Blocks([(0, 100 * BLOCK)], 16, size_bytes=100 * BLOCK)
    (head,) = all_free(blocks)
    comes(blocks, head, 9 * MIB)
    for one in [*all_free(blocks), head]:
        blocks.give_back(one)
    assert spans(all_free(blocks)) == [(10, 64)]


def test_no_stretch_crosses_a_block() -> None:
    blocks = Blocks([(5 * MIB, 2 * BLOCK + 9)], 4, size_bytes=2 * BLOCK + 9)
    found = []
    while not blocks.is_done:
        stretch = blocks.take(0)
        assert stretch is not None
        found.append((stretch.at, stretch.end))
        ends(blocks, stretch)
    assert all((end - 1) // BLOCK == start // BLOCK for start, end in found)
    assert sum(end - start for start, end in found) == 2 * BLOCK + 9 - 5 * MIB
