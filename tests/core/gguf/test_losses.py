"""What GGUF types lose: the published table, and bits that agree with it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.gguf import losses as module
from quantpick.core.gguf.losses import Measured, loss_of, parse_losses, worth_bpw
from quantpick.core.gguf.types import FILE_TYPES, NEEDS_IMATRIX

TEXT = Path(module.__file__).with_name("losses.toml").read_text(encoding="utf-8")
LOSSES = parse_losses(TEXT)
FILES = st.lists(st.builds(Measured, st.floats(1, 16), st.sampled_from(sorted(LOSSES.values()))), max_size=30)


def test_every_row_is_a_type_of_llama_quantize() -> None:
    assert {kind for kind, _ in LOSSES} <= set(FILE_TYPES.values())
    assert all(imatrix for kind, imatrix in LOSSES if kind in NEEDS_IMATRIX)


def test_matrix_never_makes_a_type_worse() -> None:
    assert all(
        LOSSES[kind, True] < loss for (kind, imatrix), loss in LOSSES.items() if not imatrix and (kind, True) in LOSSES
    )


@pytest.mark.parametrize("change", ['of = "Llama 3 8B"', 'type = "Q8_0"', "imatrix = false"])
def test_row_of_another_table_is_refused(change: str) -> None:
    key = change.partition(" ")[0]
    other = {"of": 'of = "Other"', "type": 'type = "Q6_K"', "imatrix": "matrix = false"}[key]
    with pytest.raises(ValueError, match="not one of the table"):
        parse_losses(TEXT.replace(change, other, 1))


@pytest.mark.parametrize("name", [None, "UD-Q4_K_M", "Q4_K_L", "MXFP4_MOE", "IQ4_KS", "Q6_K_XL"])
def test_mix_of_a_publisher_has_no_published_loss(name: str | None) -> None:
    assert loss_of(LOSSES, name, imatrix=True) is None


@given(FILES)
def test_ranking_by_worth_is_ranking_by_loss_and_takes_no_bits_away(files: list[Measured]) -> None:
    worth = worth_bpw(files)
    assert sum(worth) == pytest.approx(sum(file.bpw for file in files))
    for one, bits in zip(files, worth, strict=True):
        for other, others in zip(files, worth, strict=True):
            assert bits >= others - 1e-9 or one.loss >= other.loss


@given(FILES)
def test_bits_that_agree_with_the_losses_stay(files: list[Measured]) -> None:
    bits = sorted((file.bpw for file in files), reverse=True)
    agreeing = [Measured(bpw, loss) for bpw, loss in zip(bits, sorted(file.loss for file in files), strict=True)]
    assert worth_bpw(agreeing) == pytest.approx(bits)
