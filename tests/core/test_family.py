"""Which repos are of one model: by the Hub's word, the card's, their names; and their tables made one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.family import MAX_REPOS, Descent, Relative, base_of, choose, why_not
from quantpick.core.methods import METHODS

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def relative(repo_id: str, *models: str, relation: str | None = "quantized", tags: tuple[str, ...] = ()) -> Relative:
    return Relative(repo_id=repo_id, descent=Descent(relation, models), tags=tags)


@pytest.mark.parametrize(
    ("repo_id", "relation", "models", "base"),
    [
        ("TheBloke/Airoboros-c34B-3.1.2-GPTQ", "quantized", ("jondurbin/airoboros-c34b-3.1.2",), 0),
        ("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF", "quantized", (LLAMA,), 0),
        ("turboderp/Finch-7B-exl2", "finetune", ("o/Finch-7B",), 0),
        ("bartowski/Qwen_Qwen3-8B-GGUF", "finetune", ("Qwen/Qwen3-8B",), 0),
        ("someone/Finch-7B-GPTQ", None, ("o/Finch-7B",), 0),
        ("someone/Wren-7B-GPTQ", "finetune", ("o/Finch-7B",), None),
        (LLAMA, "finetune", ("meta-llama/Llama-3.1-8B",), None),
        ("o/Finch-7B", None, (), None),
    ],
)
def test_base_is_what_it_is_a_quantization_of_else_itself(
    repo_id: str, relation: str | None, models: tuple[str, ...], base: int | None
) -> None:
    assert base_of(repo_id, Descent(relation, models)) == (repo_id if base is None else models[base])


@pytest.mark.parametrize("relation", ["quantized", None])
def test_made_from_several_has_no_base(relation: str | None) -> None:
    assert base_of("q/Finch-7B-GGUF", Descent(relation, ("a/b", "c/d"))) is None


@pytest.mark.parametrize(
    "name",
    [
        "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF",
        "unsloth/Meta-Llama-3.1-8B-Instruct-unsloth-bnb-4bit",
        "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16",
        "hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4",
        "nvidia/Llama-3.1-8B-Instruct-FP8",
        "mradermacher/Llama-3.1-8B-Instruct-i1-GGUF",
        "RichardErkhov/meta-llama_-_Meta-Llama-3.1-8B-Instruct-gguf",
        "x/Llama-3.1-8B-Instruct-4.0bpw-h6-exl2",
    ],
)
def test_names_of_quantizations_are_of_the_model(name: str) -> None:
    assert why_not(relative(name, LLAMA), LLAMA) is None


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (relative("x/F-GGUF", "o/F", relation="finetune"), "by `finetune`"),
        (relative("x/F-GGUF", "o/F", relation="merge"), "by `merge`"),
        (relative("x/F-GGUF", "o/F", "o/G"), "made from 2 models"),
        (relative("x/F-GGUF", "o/G"), "made from o/G, not from o/F"),
        (relative("x/F-GGUF"), "nobody says"),
        (relative("x/F-chat", "o/F", relation=None), "nobody says that it is a quantization"),
        (relative("x/F-Uncensored-GGUF", "o/F"), "called `Uncensored`"),
        (relative("x/F-lora-gguf", "o/F"), "called `lora`"),
        (relative("x/F-DRAFT-0.5B-GGUF", "o/F"), "called `DRAFT`"),
    ],
)
def test_what_is_not_just_the_model_is_told_why(one: Relative, why: str) -> None:
    assert why in str(why_not(one, "o/F"))


def test_word_of_the_model_itself_speaks_of_no_other() -> None:
    assert why_not(relative("x/Finch-abliterated-GGUF", "o/Finch-abliterated"), "o/Finch-abliterated") is None


def test_case_of_a_name_does_not_matter() -> None:
    assert why_not(relative("x/F-GGUF", "O/f"), "o/F") is None


NAMES = st.sampled_from(["GGUF", "AWQ", "GPTQ", "exl2", "FP8", "mlx", "", "NVFP4"]).flatmap(
    lambda word: st.integers(0, 30).map(lambda at: relative(f"q{at}/F-{word}"))
)


@given(st.lists(NAMES, max_size=40), st.lists(NAMES, max_size=40), st.sets(st.sampled_from(sorted(METHODS))))
def test_chosen_are_few_each_once_and_the_named_before_the_listed(
    named: list[Relative], listed: list[Relative], wanted: set[str]
) -> None:
    chosen = choose(named, listed, wanted)
    ids = [one.repo_id.casefold() for one in chosen]
    assert len(ids) == len(set(ids)) <= MAX_REPOS
    assert set(chosen) <= {*named, *listed}
    first = [one.repo_id.casefold() for one in named if one in chosen]
    assert set(ids[: len(set(first))]) == set(first)


def test_methods_that_are_not_wanted_are_not_looked_at_and_schemes_are_where_they_can_be_read() -> None:
    listed = [relative(f"q/F-{word}") for word in ("mlx", "FP8", "NVFP4", "AWQ", "x")]
    assert [one.repo_id for one in choose([], listed, {"compressed-tensors", "awq"})] == [
        "q/F-FP8",
        "q/F-NVFP4",
        "q/F-AWQ",
        "q/F-x",
    ]
    assert [one.repo_id for one in choose([], listed, {"gguf"})] == ["q/F-x"]
