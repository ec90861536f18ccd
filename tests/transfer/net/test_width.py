"""How many connections a line is found to be worth, on lines that are simulated: a rate for each number of them."""

from collections.abc import Callable

import pytest

from quantpick.transfer.net.width import Width

MB = 1e6


def after(seconds: float, ceiling: int, rate: Callable[[int], float], width: Width | None = None) -> Width:
    """Twenty looks a second at a line that brings `rate(count)` bytes a second."""
    width = width or Width(ceiling)
    received = 0.0
    for look in range(int(seconds * 20)):
        received += rate(width.count) / 20
        width.look(look / 20, int(received))
    return width


LINES: dict[str, tuple[Callable[[int], float], int, int]] = {
    "limited per connection": (lambda count: count * 10 * MB, 16, 16),
    "limited in all": (lambda count: 20 * MB, 1, 4),
    "limited in all, by six": (lambda count: min(count, 6) * 10 * MB, 4, 10),
    "collapsing above eight": (lambda count: count * MB if count <= 8 else 0.2 * MB, 4, 8),
    "collapsing above five": (lambda count: count * MB if count <= 5 else 0.2 * MB, 4, 5),
}


@pytest.mark.parametrize("name", LINES)
def test_number_follows_the_line(name: str) -> None:
    rate, least, most = LINES[name]
    assert least <= after(15, 16, rate).count <= most
    assert after(15, 16, rate).is_settled


def test_number_is_doubled_where_each_connection_costs_the_server_much() -> None:
    width = Width(16, leaps=False)
    seen = [after(0.6 * step, 16, lambda count: count * 10 * MB, width).count for step in range(1, 4)]
    assert 8 in seen
    assert seen[-1] == 16


def test_number_is_found_within_a_second() -> None:
    assert after(1, 16, lambda count: count * 10 * MB).count == 16


def test_never_above_the_ceiling_nor_below_one() -> None:
    for ceiling in (1, 2, 3, 5, 64):
        assert 1 <= after(10, ceiling, lambda count: count * MB).count <= ceiling
        width = after(1, ceiling, lambda count: count * MB)
        for second in range(2, 20):
            width.broke(float(second) * 2)
            assert 1 <= width.count <= ceiling


def test_collapse_is_tried_again_later_but_not_as_far() -> None:
    tried: list[int] = []

    def rate(count: int) -> float:
        tried.append(count)
        return count * MB if count <= 8 else 0.2 * MB

    after(100, 16, rate)
    share = sum(count > 8 for count in tried) / len(tried)
    assert share < 0.05


def test_line_that_becomes_slower_keeps_its_connections_or_finds_new_ones() -> None:
    width = after(5, 16, lambda count: count * 10 * MB)
    received = 5000 * MB
    for look in range(600):
        received += width.count * MB / 20
        width.look(5 + look / 20, int(received))
    assert width.count >= 8


def test_line_that_was_shared_gets_all_its_connections_when_it_is_free_again() -> None:
    width = after(5, 16, lambda count: 20 * MB)
    assert width.count <= 4
    received = 100 * MB
    for look in range(600):
        received += width.count * 10 * MB / 20
        width.look(5 + look / 20, int(received))
    assert width.count == 16


def test_line_that_broke_down_is_not_broken_down_by_the_next_files() -> None:
    """Each file measures anew and remembers where the line broke down: it is found in three files, and kept to."""
    collapses, width = [], Width(16)
    for _ in range(8):
        width = Width(16, width.count, collapsed_at=width.collapsed_at)
        asked: list[int] = []

        def rate(count: int, asked: list[int] = asked) -> float:
            asked.append(count)
            return count * MB if count <= 6 else 0.2 * MB

        after(3, 16, rate, width)
        collapses.append(sum(count > 6 for count in asked) > 0)
    assert collapses[3:] == [False] * 5
    assert width.count == 6


@pytest.mark.parametrize(("breaks_above", "least"), [(16, 16), (8, 4)])
def test_where_an_answer_is_waited_for_the_others_are_asked_meanwhile_and_still_measured(
    breaks_above: int, least: int
) -> None:
    width = Width(16)
    width.first_byte_s = 0.3
    counts: list[int] = []
    received = 0.0
    for look in range(20 * 20):
        brings = counts[look - 6] if look >= 6 else 0  # those that were asked 0.3 s ago
        received += (brings * 10 * MB if brings <= breaks_above else 2 * MB) / 20
        width.look(look / 20, int(received))
        counts.append(width.count)
    assert counts[7] == 16, "asked with the first byte"
    assert least <= counts[-1] <= breaks_above
    assert width.is_settled
