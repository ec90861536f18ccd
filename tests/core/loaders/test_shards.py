"""Cutting a quantized model for several GPUs, by the dimensions of real models."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from quantpick import core
from quantpick.core.loaders.read import parse_loaders
from quantpick.core.loaders.shards import cuts_evenly
from quantpick.core.loaders.table import Loader
from quantpick.core.loaders.versions import LoaderAt, at_version, parse_choice
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape

TABLE: Final = parse_loaders((Path(core.__file__).parent / "loaders" / "loaders.toml").read_text(encoding="utf-8"))


def shape(heads: int, head_dim: int, intermediate: int, hidden: int | None = None) -> ModelShape:
    return ModelShape(
        num_hidden_layers=32,
        hidden_size=hidden or heads * head_dim,
        num_attention_heads=heads,
        num_key_value_heads=8,
        head_dim=head_dim,
        intermediate_size=intermediate,
        vocab_size=32000,
    )


LLAMA_70B: Final = shape(64, 128, 28672)
QWEN2_72B: Final = shape(64, 128, 29568)
QWEN2_72B_PADDED: Final = shape(64, 128, 29696)  # as Qwen publishes the quantized files
LLAMA_3_2_3B: Final = shape(24, 128, 8192)
NARROW_HEADS: Final = shape(24, 64, 8192)
QWEN3_30B_A3B: Final = replace(shape(32, 128, 768, 2048), num_local_experts=128, num_experts_per_tok=8)


def cuts(choice: str, quant: QuantSpec, model: ModelShape, gpus: int) -> bool:
    named = parse_choice(choice)
    known = TABLE.find(named.name)
    assert isinstance(known, Loader)
    chosen = at_version(known, named.version)
    assert isinstance(chosen, LoaderAt)
    return cuts_evenly(quant, model, gpus, chosen.sharding, heads_divisible=known.heads_divisible)


@pytest.mark.parametrize(
    ("choice", "group", "model", "gpus", "runs"),
    [
        ("vllm", 128, LLAMA_70B, 2, True),
        ("vllm", 128, LLAMA_70B, 8, True),
        ("vllm", 128, LLAMA_70B, 3, False),  # 64 heads on 3
        ("vllm", 128, QWEN2_72B, 2, False),  # 14784 is 115.5 groups
        ("vllm", 128, QWEN2_72B_PADDED, 4, True),
        ("vllm", 64, QWEN2_72B, 2, True),
        ("vllm", None, QWEN2_72B, 4, True),
        ("vllm", 128, LLAMA_3_2_3B, 8, True),
        ("vllm", 128, NARROW_HEADS, 8, False),  # 3 heads of 64 are 1.5 groups of the output projection
        ("vllm", 64, NARROW_HEADS, 8, True),
        # Tiles of 128 by 64 are wanted before 0.24, and padded since.
        ("vllm==0.23.0", 64, NARROW_HEADS, 8, False),
        ("vllm==0.23.0", 128, LLAMA_70B, 8, True),
        ("sglang", 64, NARROW_HEADS, 8, False),
        ("sglang", 128, LLAMA_70B, 8, True),
        # Experts 768 wide: 192 on each of 4 are 1.5 groups of 128, and 3 of 64.
        ("vllm", 128, QWEN3_30B_A3B, 2, True),
        ("vllm", 128, QWEN3_30B_A3B, 4, True),
        ("vllm", 128, QWEN3_30B_A3B, 8, True),
        ("vllm", 128, QWEN3_30B_A3B, 16, False),  # 48 would need groups of 16
        ("tgi", 128, QWEN3_30B_A3B, 4, False),
        ("tgi", 128, QWEN3_30B_A3B, 2, True),
        ("lmdeploy", 128, LLAMA_70B, 8, True),
    ],
)
def test_each_loader_cuts_these(choice: str, group: int | None, model: ModelShape, gpus: int, runs: bool) -> None:
    assert cuts(choice, QuantSpec("gptq", 4, group), model, gpus) is runs


def test_blocks_of_fp8_are_not_cut_along_either_side() -> None:
    blocks = QuantSpec("fp8", 8, packing="block-128x128")
    assert cuts("vllm", blocks, LLAMA_70B, 8)
    assert not cuts("vllm", blocks, QWEN2_72B, 2)


def test_16_bit_weights_are_cut_wherever_the_heads_and_widths_divide() -> None:
    assert cuts("vllm==0.23.0", QuantSpec("none", 16), NARROW_HEADS, 8)
    assert not cuts("vllm", QuantSpec("none", 16), shape(64, 128, 28671), 2)


@pytest.mark.parametrize("group", [None, 32, 64, 128])
def test_one_gpu_needs_no_cut(group: int | None) -> None:
    for model in (LLAMA_70B, NARROW_HEADS, QWEN3_30B_A3B):
        assert cuts("vllm", QuantSpec("gptq", 4, group), model, 1)
