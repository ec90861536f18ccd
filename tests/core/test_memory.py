"""Estimates beside figures of published files and measured runs, and the laws they obey."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.branch import Method, QuantSpec
from quantpick.core.cache import kv_cache_bytes
from quantpick.core.engines import ENGINES
from quantpick.core.memory import estimate
from quantpick.core.shape import ModelShape
from quantpick.core.units import GIB
from quantpick.core.weights import embedding_bytes, weights_file_size

CODELLAMA_34B = ModelShape(48, 8192, 64, 8, 128, 22016, 32000)
LLAMA_30B = ModelShape(60, 6656, 52, 52, 128, 17920, 32000)
MISTRAL_7B = ModelShape(32, 4096, 32, 8, 128, 14336, 32000)
QWEN2_1_5B = ModelShape(28, 1536, 12, 2, 128, 8960, 151936, True)
SHAPES = [CODELLAMA_34B, LLAMA_30B, MISTRAL_7B, QWEN2_1_5B]


@pytest.mark.parametrize(
    ("bits", "group", "published_gb"),
    [
        (4, None, 17.69),
        (4, 128, 18.33),
        (4, 32, 20.28),
        (3, 128, 14.14),
        (3, 32, 15.99),
        (8, None, 34.30),
        (8, 128, 35.07),
    ],
)
def test_computed_gptq_files_are_those_of_the_published_table(
    bits: int, group: int | None, published_gb: float
) -> None:
    # The card of TheBloke/Airoboros-c34B-3.1.2-GPTQ.
    computed = weights_file_size(QuantSpec("gptq", bits, group), CODELLAMA_34B)
    assert computed == pytest.approx(published_gb * 1e9, rel=1e-3)


@pytest.mark.parametrize(
    ("bits", "group", "published"),
    [(3, None, 12_924_188_232), (3, 128, 13_509_985_048), (4, 128, 17_554_104_664), (4, 32, 19_435_091_032)],
)
def test_computed_gptq_files_are_within_a_thousandth_of_the_bytes_on_the_hub(
    bits: int, group: int | None, published: int
) -> None:
    # model.safetensors of the branches of TheBloke/Wizard-Vicuna-30B-Uncensored-GPTQ.
    assert weights_file_size(QuantSpec("gptq", bits, group), LLAMA_30B) == pytest.approx(published, rel=1e-3)


def test_exl2_file_is_embedding_and_body_and_head() -> None:
    size = weights_file_size(QuantSpec("exl2", 4.0, head_bits=8), MISTRAL_7B)
    body = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    norms = (2 * 32 + 1) * 4096 * 2
    assert size == 32000 * 4096 * 2 + norms + body // 2 + 32000 * 4096


def test_tied_head_is_stored_once_but_for_exl() -> None:
    tied = weights_file_size(QuantSpec("gptq", 4, 128), QWEN2_1_5B)
    untied = weights_file_size(QuantSpec("gptq", 4, 128), ModelShape(28, 1536, 12, 2, 128, 8960, 151936, False))
    assert untied - tied == embedding_bytes(QWEN2_1_5B)


def test_cache_of_every_type_is_in_proportion() -> None:
    assert kv_cache_bytes(CODELLAMA_34B, 4096, 2.0) == 805_306_368
    assert kv_cache_bytes(CODELLAMA_34B, 4096, 0.5625) == 226_492_416


MEASURED = [
    # engine, method, bits, group, shape, file bytes, context, KV bytes, smallest cap that ran, largest that did not;
    # GiB; one NVIDIA H100, torch 2.11, exllamav2 0.3.2 and exllamav3 1.6.5, measured 2026-11-23 in steps of 0.125 GiB.
    ("exllamav2", "gptq", 4, 128, MISTRAL_7B, 4_155_883_776, 4096, 2.0, 5.625, 5.5),
    ("exllamav2", "gptq", 4, None, CODELLAMA_34B, 17_681_914_000, 4096, 2.0, 18.625, 18.5),
    ("exllamav3", "exl3", 4, None, MISTRAL_7B, 3_856_034_992, 4096, 2.0, 5.25, 5.125),
    ("exllamav3", "exl3", 4, None, MISTRAL_7B, 3_856_034_992, 32768, 0.5625, 5.875, 5.75),
    ("exllamav3", "exl3", 4, None, CODELLAMA_34B, 17_345_742_888, 4096, 2.0, 18.25, 18.125),
]


@pytest.mark.parametrize(
    ("engine", "method", "bits", "group", "shape", "file_bytes", "context", "kv", "ran_gib", "failed_gib"), MEASURED
)
def test_estimate_is_above_what_failed_and_near_what_ran(
    engine: str,
    method: Method,
    bits: int,
    group: int | None,
    shape: ModelShape,
    file_bytes: int,
    context: int,
    kv: float,
    ran_gib: float,
    failed_gib: float,
) -> None:
    need = estimate(
        QuantSpec(method, bits, group),
        shape,
        engine=engine,
        context_tokens=context,
        kv_bytes_per_element=kv,
        weights_file_bytes=file_bytes,
    ).total_bytes
    assert need > failed_gib * GIB
    assert -0.01 <= need / (ran_gib * GIB) - 1 <= 0.08


def test_exllama_keeps_the_embedding_in_ram_and_the_others_do_not() -> None:
    spec = QuantSpec("gptq", 4, 128)
    weights = {
        name: estimate(spec, MISTRAL_7B, engine=name, context_tokens=64, weights_file_bytes=10**10).weights_bytes
        for name in ENGINES
    }
    assert {name for name, size in weights.items() if size == 10**10 - embedding_bytes(MISTRAL_7B)} == {
        "exllama",
        "exllamav2",
        "exllamav3",
    }
    assert set(weights.values()) == {10**10, 10**10 - embedding_bytes(MISTRAL_7B)}


questions = st.fixed_dictionaries(
    {
        "engine": st.sampled_from(sorted(ENGINES)),
        "context_tokens": st.integers(1, 200_000),
        "kv_bytes_per_element": st.sampled_from([0.5625, 0.8125, 1.0, 1.0625, 2.0]),
        "batch": st.integers(1, 16),
        "gpus": st.integers(1, 8),
    }
)


@given(questions, st.sampled_from(SHAPES), st.sampled_from(["context_tokens", "batch", "gpus"]), st.integers(0, 5000))
def test_more_never_needs_less(question: dict[str, Any], shape: ModelShape, grows: str, more: int) -> None:
    spec = QuantSpec("gptq", 4, 128)
    before = estimate(spec, shape, **question)
    after = estimate(spec, shape, **{**question, grows: question[grows] + more})
    assert after.total_bytes >= before.total_bytes
    assert min(before.weights_bytes, before.kv_cache_bytes, before.scratch_bytes, before.context_bytes) >= 0


@given(st.sampled_from(SHAPES), st.sampled_from([None, 1024, 128, 64, 32]), st.sampled_from([2, 3, 4, 5, 6, 7]))
def test_more_bits_and_smaller_groups_never_make_a_smaller_file(
    shape: ModelShape, group: int | None, bits: int
) -> None:
    size = weights_file_size(QuantSpec("gptq", bits, group), shape)
    assert size < weights_file_size(QuantSpec("gptq", bits + 1, group), shape)
    assert size <= weights_file_size(QuantSpec("gptq", bits, 16), shape)


SHARED = Path(__file__).parents[3] / "shared" / "data" / "configs"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not beside this checkout")
def test_computed_files_of_every_real_branch_are_within_half_a_percent() -> None:
    from quantpick.core.merge import merge_branch
    from quantpick.core.quant_config import read_config

    checked = 0
    for repo, branches in json.loads((SHARED / "true_sizes.json").read_text()).items():
        for name, sizes in branches.items():
            folder = SHARED / repo.replace("/", "_") / name
            if not (folder / "config.json").exists():
                continue
            shape = read_config(json.loads((folder / "config.json").read_text())).shape
            facts = read_config(json.loads((folder / "quantize_config.json").read_text()))
            branch, _ = merge_branch(name, config=facts)
            assert shape is not None
            assert weights_file_size(branch.quant, shape) == pytest.approx(sizes["weights"], rel=5e-3), (repo, name)
            checked += 1
    assert checked >= 8
