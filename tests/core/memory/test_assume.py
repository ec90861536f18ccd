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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Mistral-7B-Instruct-v0.2", "mistralai/Mistral-7B-v0.2"),
        ("Hercules-4.0-Mistral-v0.2-7B", "mistralai/Mistral-7B-v0.2"),
        ("Qwen-14B-Chat", "Qwen/Qwen-14B"),
        ("Qwen1.5-14B-Chat", "Qwen/Qwen1.5-14B"),
        ("Qwen2.5-14B-Instruct", "Qwen/Qwen2.5-14B"),
        ("DeepSeek-R1-Distill-Qwen-14B", "Qwen/Qwen2.5-14B"),
        ("DeepSeek-R1-0528-Qwen3-8B", "Qwen/Qwen3-8B"),
        ("Gemma-3-R1984-27B", "google/gemma-3-27b"),
        ("gemma-2-27b-it", "google/gemma-2-27b"),
        ("Phi-3.5-mini-instruct", "microsoft/Phi-3-mini"),
        ("internlm2_5-7b-chat", "internlm/internlm2-7b"),
        ("c4ai-command-r-08-2024", "CohereForAI/c4ai-command-r-08-2024"),
        ("c4ai-command-r-plus", "CohereForAI/c4ai-command-r-plus"),
        ("Mistral-Small-Instruct-2409", "mistralai/Mistral-Small-22B"),
        ("Mistral-Small-3.1-24B-Instruct-2503", "mistralai/Mistral-Small-24B"),
        ("Llama-3_1-8B", "meta-llama/Llama-3.1-8B"),
    ],
)
def test_family_and_version_tell_models_of_one_size_apart(name: str, expected: str) -> None:
    assumed = assume_shape(KNOWN, name=name, model_type=None, sizes=[])
    assert assumed is not None
    assert assumed.known_name == expected


def test_model_that_the_card_names_as_its_base_speaks_before_its_own_name() -> None:
    assumed = assume_shape(KNOWN, name="Finch 13B", model_type=None, sizes=[], bases=["Qwen/Qwen2.5-14B-Instruct"])
    unknown = assume_shape(KNOWN, name="Finch 13B", model_type=None, sizes=[], bases=["me/my-unheard-of"])
    assert assumed is not None
    assert unknown is not None
    assert (assumed.known_name, unknown.known_name) == ("Qwen/Qwen2.5-14B", "meta-llama/Llama-2-13b-hf")


def test_of_several_shapes_the_one_that_needs_most_is_taken_and_the_others_are_named() -> None:
    assumed = assume_shape(KNOWN, name="Finch-8B", model_type=None, sizes=[])
    assert assumed is not None
    eight = [known for known in KNOWN if any("8b" in words for words in known.words)]
    most = max(weights_file_size(GPTQ_128, known.shape) for known in eight)
    assert weights_file_size(GPTQ_128, assumed.shape) == pytest.approx(most, rel=0.1)
    assert "could be" in assumed.why
    assert "guess" in assumed.why


def test_row_with_an_unknown_option_is_refused_by_name() -> None:
    row = '"finch/1b" = [1, 1, 1, 1, 1, 1, 1, "finch", "finch", "expert=8"]'
    with pytest.raises(ValueError, match="finch/1b"):
        parse_shapes(f"[sources]\n[shapes]\n{row}")


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


def test_words_of_the_published_shapes_are_whole_and_in_small_letters() -> None:
    for known in KNOWN:
        assert known.shape.problem is None, known.name
        assert all(words and all(word == word.lower() for word in words) for words in known.words), known.name
