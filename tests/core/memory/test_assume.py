"""Shapes assumed from a name and file sizes."""

from pathlib import Path

import pytest

from quantpick.core.memory import assume as assume_module
from quantpick.core.memory.assume import KnownShape, assume_shape, parse_shapes
from quantpick.core.memory.weights import weights_file_size
from quantpick.core.quant import QuantSpec

KNOWN = parse_shapes(Path(assume_module.__file__).with_name("known_shapes.toml").read_text(encoding="utf-8"))
GPTQ_128 = QuantSpec("gptq", 4, 128)


@pytest.mark.parametrize(
    ("name", "model_type", "size_bytes", "expected"),
    [
        # Figures of published cards.
        ("Airoboros c34B 3.1.2", "llama", 18_330_000_000, "codellama/CodeLlama-34b-hf"),
        ("Phind-CodeLlama-34B-v2", "llama", 18_330_000_000, "codellama/CodeLlama-34b-hf"),
        ("Xwin-LM-70B-V0.1", "llama", 36_650_000_000, "meta-llama/Llama-2-70b-hf"),
        ("vicuna 13B v1.5", None, 7_260_000_000, "meta-llama/Llama-2-13b-hf"),
        ("openchat 3.5 1210", "mistral", 4_160_000_000, "mistralai/Mistral-7B-v0.1"),
        ("dolphin-2.5-mixtral-8x7b", "mixtral", 24_700_000_000, "mistralai/Mixtral-8x7B-v0.1"),
        ("stablelm-zephyr-3b", "stablelm_epoch", 1_840_000_000, "stabilityai/stablelm-3b-4e1t"),
    ],
)
def test_sizes_decide_among_what_the_name_allows(
    name: str, model_type: str | None, size_bytes: int, expected: str
) -> None:
    assumed = assume_shape(KNOWN, name=name, model_type=model_type, sizes=[(GPTQ_128, size_bytes)])
    assert assumed is not None
    assert assumed.known_name == expected
    assert expected in assumed.why


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Some-Finetune-13B", "meta-llama/Llama-2-13b-hf"),
        ("Mixtral-8x7B-instruct-exl2", "mistralai/Mixtral-8x7B-v0.1"),
        ("Replete-Coder-Llama3-8B", "meta-llama/Meta-Llama-3-8B"),
        ("Llama 3.1 70B Instruct", "meta-llama/Llama-3.1-70B"),
        ("Hercules-4.0-Yi-34B", "01-ai/Yi-34B"),
        ("Baichuan-M2-32B", "Qwen/Qwen2.5-32B"),
    ],
)
def test_name_alone_is_enough_where_it_tells_family_and_size(name: str, expected: str) -> None:
    assumed = assume_shape(KNOWN, name=name, model_type=None, sizes=[])
    assert assumed is not None
    assert (assumed.known_name, assumed.explains_sizes) == (expected, False)


def test_nothing_known_is_no_shape() -> None:
    assert assume_shape(KNOWN, name="Mystery", model_type=None, sizes=[]) is None
    assert assume_shape(KNOWN, name=None, model_type=None, sizes=[]) is None


def test_sizes_of_no_published_model_are_scaled_and_said_to_be_a_guess() -> None:
    assumed = assume_shape(KNOWN, name="Mystery", model_type=None, sizes=[(GPTQ_128, 300_000_000_000)])
    assert assumed is not None
    assert "guess" in assumed.why
    assert not assumed.explains_sizes
    assert weights_file_size(GPTQ_128, assumed.shape) == pytest.approx(300_000_000_000, rel=0.05)


@pytest.mark.parametrize("known", KNOWN, ids=[known.name for known in KNOWN])
def test_every_known_shape_is_found_again_by_its_own_sizes_and_name(known: KnownShape) -> None:
    specs = [QuantSpec("gptq", bits, group) for bits in (3, 4, 8) for group in (None, 128, 32)]
    sizes = [(spec, weights_file_size(spec, known.shape)) for spec in specs]
    found = assume_shape(KNOWN, name=known.name, model_type=known.shape.model_type, sizes=sizes)
    assert found is not None
    assert found.relative_error == pytest.approx(0, abs=5e-3)
