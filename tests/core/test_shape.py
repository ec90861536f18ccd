"""A config.json of each family to the same dimensions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.shape import ModelShape

# The fields of each family's published config.json that decide its shape.
LLAMA = {
    "model_type": "llama",
    "hidden_size": 8192,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "intermediate_size": 28672,
    "vocab_size": 32000,
    "max_position_embeddings": 4096,
}
CONFIGS: dict[str, tuple[dict[str, Any], ModelShape]] = {
    "Llama-2-70B": (
        LLAMA,
        ModelShape(80, 8192, 64, 8, 128, 28672, 32000, max_position_embeddings=4096, model_type="llama"),
    ),
    "Llama-1, no KV heads named": (
        {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"},
        ModelShape(80, 8192, 64, 64, 128, 28672, 32000, max_position_embeddings=4096, model_type="llama"),
    ),
    "Gemma, head size named": (
        LLAMA | {"model_type": "gemma", "head_dim": 256, "tie_word_embeddings": True},
        ModelShape(80, 8192, 64, 8, 256, 28672, 32000, True, max_position_embeddings=4096, model_type="gemma"),
    ),
    "StarCoder": (
        {
            "model_type": "gpt_bigcode",
            "n_embd": 6144,
            "n_layer": 40,
            "n_head": 48,
            "n_inner": 24576,
            "n_positions": 8192,
            "vocab_size": 49153,
            "multi_query": True,
        },
        ModelShape(
            40,
            6144,
            48,
            1,
            128,
            24576,
            49153,
            max_position_embeddings=8192,
            model_type="gpt_bigcode",
            mlp_matrices=2,
        ),
    ),
    "Falcon-40B": (
        {
            "model_type": "falcon",
            "hidden_size": 8192,
            "num_hidden_layers": 60,
            "num_attention_heads": 128,
            "num_kv_heads": 8,
            "new_decoder_architecture": True,
            "vocab_size": 65024,
        },
        ModelShape(60, 8192, 128, 8, 64, 32768, 65024, model_type="falcon", mlp_matrices=2),
    ),
    "MPT-7B": (
        {
            "model_type": "mpt",
            "d_model": 4096,
            "n_layers": 32,
            "n_heads": 32,
            "expansion_ratio": 4,
            "max_seq_len": 2048,
            "vocab_size": 50432,
        },
        ModelShape(32, 4096, 32, 32, 128, 16384, 50432, max_position_embeddings=2048, model_type="mpt", mlp_matrices=2),
    ),
    "Qwen-7B, gate and up stated together": (
        {
            "model_type": "qwen",
            "hidden_size": 4096,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "kv_channels": 128,
            "intermediate_size": 22016,
            "vocab_size": 151936,
        },
        ModelShape(32, 4096, 32, 32, 128, 11008, 151936, model_type="qwen"),
    ),
    "ChatGLM3-6B": (
        {
            "model_type": "chatglm",
            "hidden_size": 4096,
            "num_layers": 28,
            "num_attention_heads": 32,
            "kv_channels": 128,
            "multi_query_attention": True,
            "multi_query_group_num": 2,
            "ffn_hidden_size": 13696,
            "padded_vocab_size": 65024,
        },
        ModelShape(28, 4096, 32, 2, 128, 13696, 65024, model_type="chatglm"),
    ),
    "Mixtral-8x7B": (
        LLAMA | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2},
        ModelShape(
            80,
            8192,
            64,
            8,
            128,
            28672,
            32000,
            num_local_experts=8,
            max_position_embeddings=4096,
            model_type="mixtral",
            num_experts_per_tok=2,
            dense_intermediate_size=28672,
        ),
    ),
    "multimodal": (
        {"model_type": "mistral3", "vision_config": {"hidden_size": 1024}, "text_config": LLAMA},
        ModelShape(80, 8192, 64, 8, 128, 28672, 32000, max_position_embeddings=4096, model_type="llama"),
    ),
}


@pytest.mark.parametrize(("config", "shape"), CONFIGS.values(), ids=CONFIGS)
def test_config_gives_the_shape(config: dict[str, Any], shape: ModelShape) -> None:
    assert ModelShape.from_config(config) == shape


@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"])
@pytest.mark.parametrize("value", [None, 0, -1, "4096", True, 1e3, 2**40])
def test_dimension_that_is_none_is_named(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=key):
        ModelShape.from_config(LLAMA | {key: value})


junk = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)
names = sorted({key for config, _ in CONFIGS.values() for key in config} | {"num_experts", "moe_intermediate_size"})


@given(st.dictionaries(st.sampled_from(names), junk))
def test_no_config_makes_it_raise_anything_but_a_value_error(config: dict[str, Any]) -> None:
    try:
        shape = ModelShape.from_config(LLAMA | config)
    except ValueError:
        return
    assert min(shape.num_key_value_heads, shape.head_dim, shape.intermediate_size, shape.num_local_experts) >= 1
