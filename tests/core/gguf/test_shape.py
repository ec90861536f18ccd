"""Dimensions by header: keys as convert_hf_to_gguf.py writes them for real models."""

from typing import Any

import pytest

from quantpick.core.gguf.header import GgufHeader, read_header
from quantpick.core.gguf.shape import read_shape
from quantpick.core.shape import ModelShape
from tests.core.gguf.test_header import WRITTEN
from tests.fakes.gguf import LLAMA_8B, header


def shape(arch: str, *, vocabulary: int = 32000, tensors: Any = (), **keys: Any) -> ModelShape:
    said = {"block_count": 4, "embedding_length": 1024, "feed_forward_length": 4096, "attention.head_count": 8, **keys}
    values = {"general.architecture": arch, **{f"{arch}.{key}": one for key, one in said.items()}}
    data = header(values, vocabulary=vocabulary, tensors=tensors)
    found = read_header(data, 10**9)
    assert isinstance(found, GgufHeader)
    read = read_shape(found)
    assert isinstance(read, ModelShape), read
    return read


def test_llama() -> None:
    found = read_header(header(LLAMA_8B, vocabulary=128256), 5 * 10**9)
    assert isinstance(found, GgufHeader)
    assert read_shape(found) == ModelShape(
        32, 4096, 32, 8, 128, 14336, 128256, max_position_embeddings=131072, model_type="llama"
    )


def test_head_is_the_embedding_where_a_whole_file_has_no_other() -> None:
    embedding, output = ("token_embd.weight", [1024, 32000], 12), ("output.weight", [1024, 32000], 14)
    assert shape("llama", tensors=[embedding]).tie_word_embeddings
    assert not shape("llama", tensors=[embedding, output]).tie_word_embeddings
    assert not shape("llama", tensors=[]).tie_word_embeddings
    values = {**LLAMA_8B, "split.count": 3}
    part = read_header(header(values, vocabulary=9, tensors=[embedding]), 10**9)
    assert isinstance(part, GgufHeader)
    read = read_shape(part)
    assert isinstance(read, ModelShape)
    assert not read.tie_word_embeddings, "the head may lie in another part"


def test_mixture_of_experts_written_by_the_gguf_package() -> None:
    found = read_header(WRITTEN.read_bytes(), 300_000)
    assert isinstance(found, GgufHeader)
    read = read_shape(found)
    assert isinstance(read, ModelShape)
    assert (read.num_local_experts, read.num_experts_per_tok, read.intermediate_size) == (4, 2, 256)
    assert (read.head_dim, read.num_key_value_heads, read.tie_word_embeddings) == (32, 2, False)


@pytest.mark.parametrize(
    ("arch", "keys", "sliding"),
    [
        ("gemma3", {"block_count": 62, "attention.sliding_window": 1024}, 52),
        ("gemma2", {"block_count": 26, "attention.sliding_window": 4096}, 13),
        ("gpt-oss", {"block_count": 24, "attention.sliding_window": 128}, 12),
        ("llama", {"block_count": 32, "attention.sliding_window": 4096}, 0),
        (
            "mimo2",
            {"block_count": 4, "attention.sliding_window": 128, "attention.sliding_window_pattern": [1, 1, 0, 1]},
            3,
        ),
        ("gemma3", {"block_count": 26}, 0),
    ],
)
def test_layers_that_see_a_window(arch: str, keys: dict[str, Any], sliding: int) -> None:
    read = shape(arch, **keys)
    assert read.num_sliding_layers == sliding
    assert read.sliding_window == (keys["attention.sliding_window"] if sliding else None)


def test_layers_without_key_value_heads_keep_a_state() -> None:
    """Granite 4 hybrid and Jamba list the heads by layer; the state is that of ``n_embd_r`` and ``n_embd_s``."""
    keys: dict[str, Any] = {"ssm.conv_kernel": 4, "ssm.inner_size": 2048, "ssm.state_size": 128, "ssm.group_count": 1}
    read = shape("granitehybrid", **{"attention.head_count_kv": [0, 0, 4, 0], **keys})
    assert (read.num_state_layers, read.num_full_layers, read.num_key_value_heads) == (3, 1, 4)
    assert read.state_elements == 3 * (3 * (2048 + 2 * 128) + 128 * 2048)


def test_every_fourth_layer_of_qwen3_next_has_attention() -> None:
    keys = {"ssm.conv_kernel": 4, "ssm.inner_size": 4096, "ssm.state_size": 128, "ssm.group_count": 16}
    assert shape("qwen3next", block_count=48, **keys).num_state_layers == 36


def test_latent_attention() -> None:
    read = shape(
        "deepseek2",
        **{
            "attention.head_count": 128,
            "attention.head_count_kv": 1,
            "attention.key_length": 576,
            "attention.value_length": 512,
            "attention.key_length_mla": 192,
            "attention.value_length_mla": 128,
            "attention.kv_lora_rank": 512,
            "attention.q_lora_rank": 1536,
            "rope.dimension_count": 64,
            "expert_count": 256,
            "expert_shared_count": 1,
            "leading_dense_block_count": 3,
            "expert_feed_forward_length": 2048,
            "feed_forward_length": 18432,
        },
    )
    assert (read.kv_lora_rank, read.qk_rope_head_dim, read.head_dim, read.v_head_dim) == (512, 64, 192, 128)
    assert (read.intermediate_size, read.dense_intermediate_size, read.num_dense_layers) == (2048, 18432, 3)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "no architecture"),
        ({"general.architecture": "llama"}, "block_count, embedding_length, a vocabulary"),
        ({**LLAMA_8B, "llama.block_count": 2**31, "llama.vocab_size": 5}, "block_count"),
        ({**LLAMA_8B, "llama.vocab_size": True}, "a vocabulary"),
        ({"general.architecture": "\x1b[2J"}, "no architecture"),
    ],
)
def test_header_without_dimensions_says_which(values: dict[str, Any], why: str) -> None:
    found = read_header(header(values), 10**9)
    assert isinstance(found, GgufHeader)
    read = read_shape(found)
    assert isinstance(read, str)
    assert why in read
