"""Sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.units import GIB, parse_bytes


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("24", 24 * GIB),
        ("24G", 24 * GIB),
        ("24GiB", 24 * GIB),
        ("24gib", 24 * GIB),
        (" 24 GiB ", 24 * GIB),
        ("24GB", 24 * 10**9),
        ("17.69 GB", 17_690_000_000),
        ("24564MiB", 24564 * 2**20),
        ("512m", 512 * 2**20),
        (".5", GIB // 2),
        ("0", 0),
        ("1000B", 1000),
    ],
)
def test_unit_is_read_by_the_letter_and_a_bare_number_is_gib(text: str, size_bytes: int) -> None:
    assert parse_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["", "-1", "24XB", "GiB", "24 GiB free", "1e3", "24,5", "nan", "inf", "2 4", "٢٤"])
def test_text_that_is_no_size_is_none(text: str) -> None:
    assert parse_bytes(text) is None


@given(st.text(max_size=40))
def test_no_text_makes_it_raise_or_go_below_zero(text: str) -> None:
    size_bytes = parse_bytes(text)
    assert size_bytes is None or size_bytes >= 0


@given(st.integers(0, 10**6))
def test_mib_and_gib_agree(count: int) -> None:
    assert parse_bytes(f"{1024 * count}MiB") == parse_bytes(f"{count}GiB")
