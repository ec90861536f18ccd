"""Computed file sizes beside those of published files."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.memory.weights import embedding_bytes, linears, weights_file_size
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape

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


MIXTURES = {
    # The dimensions of each config.json, and the parameters in billions that its card states.
    "Mixtral-8x7B": ((32, 4096, 32, 8, 14336, 32000), {"num_local_experts": 8}, 46.7),
    "Qwen3-30B-A3B": (
        (48, 2048, 32, 4, 6144, 151936),
        {"num_experts": 128, "moe_intermediate_size": 768, "head_dim": 128},
        30.5,
    ),
    "Qwen2-57B-A14B": (
        (28, 3584, 28, 4, 18944, 151936),
        {"num_experts": 64, "moe_intermediate_size": 2560, "shared_expert_intermediate_size": 20480},
        57.4,
    ),
    "DeepSeek-V3": (
        (61, 7168, 128, 128, 18432, 129280),
        {
            "n_routed_experts": 256,
            "n_shared_experts": 1,
            "moe_intermediate_size": 2048,
            "first_k_dense_replace": 3,
            "q_lora_rank": 1536,
            "kv_lora_rank": 512,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
        },
        671.0,
    ),
}


@pytest.mark.parametrize(("dimensions", "more", "billions"), MIXTURES.values(), ids=MIXTURES)
def test_mixtures_of_experts_have_the_stated_number_of_parameters(
    dimensions: tuple[int, ...], more: dict[str, int], billions: float
) -> None:
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "intermediate_size")
    config = dict(zip((*names, "vocab_size"), dimensions, strict=True)) | more
    size = weights_file_size(QuantSpec("none", 16), ModelShape.from_config(config))
    assert size / 2 == pytest.approx(billions * 1e9, rel=0.005)


@given(st.sampled_from(SHAPES), st.sampled_from([None, 1024, 128, 64, 32]), st.sampled_from([2, 3, 4, 5, 6, 7]))
def test_more_bits_and_smaller_groups_never_make_a_smaller_file(
    shape: ModelShape, group: int | None, bits: int
) -> None:
    size = weights_file_size(QuantSpec("gptq", bits, group), shape)
    assert size < weights_file_size(QuantSpec("gptq", bits + 1, group), shape)
    assert size <= weights_file_size(QuantSpec("gptq", bits, 16), shape)


SHARED = Path(__file__).parents[4] / "shared" / "data" / "configs"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not beside this checkout")
def test_computed_files_of_every_real_branch_are_within_half_a_percent() -> None:
    from quantpick.core.branches.config import read_config
    from quantpick.core.branches.merge import merge_branch

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


SMALL = ModelShape(32, 4096, 32, 8, 128, 14336, 32000)


@pytest.mark.parametrize(
    ("quant", "bits_per_linear_weight"),
    [
        (QuantSpec("fp8", 8, scheme="fp8"), 8),
        (QuantSpec("compressed-tensors", 4, 16, scheme="nvfp4"), 4.5),
        (QuantSpec("mxfp4", 4, 32, scheme="mxfp4"), 4.25),
        (QuantSpec("compressed-tensors", 4, 128, sym=True), 4.125),
        (QuantSpec("bitsandbytes", 4, 64, scheme="nf4", bpw=4.5), 4.5),
        (QuantSpec("hqq", 4, 64, sym=False), 4.5),
        (QuantSpec("torchao", 4, 128), 4.25),
        (QuantSpec("aqlm", 2, scheme="codebook"), 2),
    ],
)
def test_linear_layers_take_the_bits_of_their_scheme(quant: QuantSpec, bits_per_linear_weight: float) -> None:
    weights = sum(rows * columns * count for rows, columns, count in linears(SMALL))
    rest = 2 * embedding_bytes(SMALL) + (2 * 32 + 1) * 4096 * 2
    computed = weights_file_size(quant, SMALL) - rest
    assert computed == pytest.approx(weights * bits_per_linear_weight / 8, rel=2e-3)


def test_quantized_head_and_embedding_are_counted_as_they_are_stored() -> None:
    sixteen = weights_file_size(QuantSpec("gptq", 4, 128), SMALL)
    head_too = weights_file_size(QuantSpec("gptq", 4, 128, head_bits=4), SMALL)
    assert embedding_bytes(SMALL) - (sixteen - head_too) == pytest.approx(32000 * 4096 * 4.15625 / 8, rel=2e-3)
    whole = weights_file_size(QuantSpec("mlx", 4, 64), SMALL)
    assert whole == pytest.approx(weights_file_size(QuantSpec("none", 16), SMALL) * 4.5 / 16, rel=1e-3)
