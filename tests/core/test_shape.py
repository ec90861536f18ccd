"""A config.json of each family to the same dimensions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.memory.kv_cache import kv_cache_bytes
from quantpick.core.memory.weights import weights_file_size
from quantpick.core.quant import QuantSpec
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
        ModelShape(32, 4096, 32, 32, 128, 16384, 50432, True, 1, 2048, "mpt", 2),
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


# The fields that decide what each family keeps per token, as in its published config.json.
SIZES = {"num_hidden_layers": 48, "hidden_size": 2048, "num_attention_heads": 16, "vocab_size": 1000}
SLIDING, FULL, LINEAR = "sliding_attention", "full_attention", "linear_attention"
KEPT: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    # full, sliding, neither
    "Mistral 0.1, a window everywhere": ({"model_type": "mistral", "sliding_window": 4096}, (0, 48, 0)),
    "Mistral 0.2, no window": ({"model_type": "mistral", "sliding_window": None}, (48, 0, 0)),
    "Qwen2, its window not used": ({"use_sliding_window": False, "sliding_window": 131072}, (48, 0, 0)),
    "Qwen2, its window used above": (
        {"use_sliding_window": True, "sliding_window": 4096, "max_window_layers": 28},
        (28, 20, 0),
    ),
    "Gemma 2": ({"model_type": "gemma2", "sliding_window": 4096}, (24, 24, 0)),
    "Gemma 3, five of six": ({"model_type": "gemma3_text", "sliding_window": 1024}, (8, 40, 0)),
    "Command R7B, three of four": (
        {"model_type": "cohere2", "sliding_window": 4096, "sliding_window_pattern": 4},
        (12, 36, 0),
    ),
    "gpt-oss, layer by layer": ({"sliding_window": 128, "layer_types": [SLIDING, FULL] * 24}, (24, 24, 0)),
    "Llama 4, chunks": ({"attention_chunk_size": 8192, "layer_types": ["chunked_attention"] * 48}, (0, 48, 0)),
    "a window nobody knows the use of": ({"model_type": "new", "sliding_window": 4096}, (48, 0, 0)),
    "Qwen3-Next": ({"layer_types": [LINEAR, LINEAR, LINEAR, FULL] * 12}, (12, 0, 36)),
    "Qwen3-Next, by its interval": ({"full_attention_interval": 4}, (12, 0, 36)),
    "Jamba": ({"attn_layer_period": 8, "attn_layer_offset": 4}, (6, 0, 42)),
    "Bamba": ({"attn_layer_indices": [9, 18, 27]}, (3, 0, 45)),
    "Nemotron-H": ({"hybrid_override_pattern": "M-M*" * 12}, (12, 0, 36)),
    "RecurrentGemma": ({"block_types": ["recurrent", "recurrent", "attention"]}, (16, 0, 32)),
    "MiniMax": ({"attn_type_list": [0, 0, 0, 1] * 12}, (12, 0, 36)),
    "DeciLM": (
        {"block_configs": [{"attention": {"no_op": True}}, {"attention": {"n_heads_in_group": 8}}] * 24},
        (24, 0, 24),
    ),
}


KEPT |= {
    "MiMo V2, 1 is the window": ({"hybrid_layer_pattern": [0, 1, 1] * 16, "sliding_window": 128}, (16, 32, 0)),
    "Kimi Linear, layers counted from 1": ({"linear_attn_config": {"kda_layers": [1, 2, 3] * 12}}, (45, 0, 3)),
    "LFM2": ({"full_attn_idxs": [2, 5, 8]}, (3, 0, 45)),
    "Gemma 3n, the last layers read the cache of others": (
        {"layer_types": [SLIDING, FULL] * 24, "sliding_window": 512, "num_kv_shared_layers": 20},
        (14, 14, 20),
    ),
    "Falcon-H1, a state beside attention": ({"model_type": "falcon_h1", "mamba_d_state": 256}, (48, 0, 0)),
}


@pytest.mark.parametrize(("config", "kept"), KEPT.values(), ids=KEPT)
def test_config_says_which_layers_keep_a_cache(config: dict[str, Any], kept: tuple[int, int, int]) -> None:
    shape = ModelShape.from_config(SIZES | config)
    assert (shape.num_full_layers, shape.num_sliding_layers, shape.num_state_layers) == kept


def test_unclear_layers_count_as_attention_and_are_said() -> None:
    strange = ModelShape.from_config(SIZES | {"layer_types": ["full_attention", "holographic"] * 24})
    assert strange.num_full_layers == 48
    assert strange.doubts == ("`holographic` is not a known kind of layer: counted as attention",)
    short = ModelShape.from_config(SIZES | {"layer_types": [LINEAR]})
    assert short.num_full_layers == 48
    assert short.doubts == ("it names the kinds of 1 of 48 layers: all count as attention",)
    unstated = ModelShape.from_config(SIZES | {"layer_types": [LINEAR] * 48})
    assert unstated.doubts == ("it does not say how large the states of its recurrent layers are: 0 is assumed",)


def test_groups_of_heads_give_the_key_value_heads() -> None:
    config = SIZES | {"num_key_value_heads": None, "block_configs": [{"attention": {"n_heads_in_group": 8}}] * 48}
    assert ModelShape.from_config(config).num_key_value_heads == 2


@pytest.mark.parametrize("name", ["text_config", "llm_config", "language_config"])
def test_language_model_of_a_multimodal_config_is_read(name: str) -> None:
    shape = ModelShape.from_config({"model_type": "multi", "vision_config": {"hidden_size": 64}, name: LLAMA})
    assert shape == ModelShape.from_config(LLAMA)
    assert (shape.has_images, ModelShape.from_config(LLAMA).has_images) == (True, False)


def test_states_of_linear_attention_are_counted() -> None:
    # Qwen3-Next-80B-A3B: 32 value heads of 128 x 128, and 8192 channels of a convolution over 4 tokens.
    linear = {
        "linear_num_value_heads": 32,
        "linear_num_key_heads": 16,
        "linear_key_head_dim": 128,
        "linear_value_head_dim": 128,
        "linear_conv_kernel_dim": 4,
    }
    shape = ModelShape.from_config(SIZES | linear | {"full_attention_interval": 4})
    assert shape.state_elements == 36 * (32 * 128 * 128 + 8192 * 4)


def config_of(**dimensions: Any) -> dict[str, Any]:
    """A config with the common dimensions in short."""
    names = {"layers": "num_hidden_layers", "hidden": "hidden_size", "heads": "num_attention_heads"}
    names |= {"kv": "num_key_value_heads", "width": "intermediate_size", "vocab": "vocab_size"}
    return {names.get(key, key): value for key, value in dimensions.items()}


LINEAR_HEADS = {
    "full_attention_interval": 4,
    "linear_num_key_heads": 16,
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "linear_conv_kernel_dim": 4,
}
MAMBA = {"mamba_head_dim": 64, "n_groups": 8, "ssm_state_size": 128, "conv_kernel": 4}
PUBLISHED: dict[str, tuple[dict[str, Any], float]] = {
    # The dimensions of published configs, and the billions of weights that their makers state.
    "Qwen3.5-27B": (
        config_of(model_type="qwen3_5_text", layers=64, hidden=5120, heads=24, kv=4, head_dim=256, width=17408)
        | config_of(vocab=248320, linear_num_value_heads=48, **LINEAR_HEADS),
        27,
    ),
    "Qwen3.5-122B-A10B": (
        config_of(model_type="qwen3_5_moe_text", layers=48, hidden=3072, heads=32, kv=2, head_dim=256, vocab=248320)
        | config_of(num_experts=256, num_experts_per_tok=8, moe_intermediate_size=1024, linear_num_value_heads=64)
        | {"shared_expert_intermediate_size": 1024, **LINEAR_HEADS},
        122,
    ),
    "MiniMax-M2.5": (
        config_of(layers=62, hidden=3072, heads=48, kv=8, head_dim=128, width=1536, vocab=200064)
        | {"num_local_experts": 256, "num_experts_per_tok": 8, "shared_intermediate_size": 0},
        229,
    ),
    "MiMo-V2-Flash": (
        config_of(layers=48, hidden=4096, heads=64, kv=4, head_dim=192, v_head_dim=128, width=16384, vocab=152576)
        | {"n_routed_experts": 256, "moe_intermediate_size": 2048, "moe_layer_freq": [0] + [1] * 47}
        | {"hybrid_layer_pattern": [0, 1, 1, 1, 1, 0] * 8, "swa_num_key_value_heads": 8, "sliding_window": 128},
        309,
    ),
    "gemma-4-26B-A4B": (
        config_of(model_type="gemma4_text", layers=30, hidden=2816, heads=16, kv=8, head_dim=256, width=2112)
        | config_of(vocab=262144, num_experts=128, top_k_experts=8, moe_intermediate_size=704)
        | {"global_head_dim": 512, "num_global_key_value_heads": 2, "attention_k_eq_v": True}
        | {"layer_types": ([SLIDING] * 5 + [FULL]) * 5, "sliding_window": 1024},
        25.23,
    ),
    "gemma-4-31B": (
        config_of(model_type="gemma4_text", layers=60, hidden=5376, heads=32, kv=16, head_dim=256, width=21504)
        | {"vocab_size": 262144, "layer_types": ([SLIDING] * 5 + [FULL]) * 10, "sliding_window": 1024}
        | {"global_head_dim": 512, "num_global_key_value_heads": 4, "attention_k_eq_v": True},
        30.7,
    ),
    "LongCat-Flash, blocks of two attentions": (
        config_of(model_type="longcat_flash", num_layers=28, hidden=6144, heads=64, vocab=131072)
        | {"ffn_hidden_size": 12288, "expert_ffn_hidden_size": 2048, "n_routed_experts": 512, "moe_topk": 12}
        | {"q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64}
        | {"v_head_dim": 128},
        560,
    ),
    "SmolLM3-3B, tied by default": (
        config_of(model_type="smollm3", layers=36, hidden=2048, heads=16, kv=4, width=11008, vocab=128256),
        3.08,
    ),
    "starcoder2-7b, tied by default": (
        config_of(model_type="starcoder2", layers=32, hidden=4608, heads=36, kv=4, width=18432, vocab=49152),
        7.17,
    ),
    "Llama-4-Maverick": (
        config_of(model_type="llama4_text", layers=48, hidden=5120, heads=40, kv=8, width=8192, vocab=202048)
        | {"num_local_experts": 128, "interleave_moe_layer_step": 2, "intermediate_size_mlp": 16384},
        400,
    ),
    "Nemotron-3-Nano-30B-A3B": (
        config_of(model_type="nemotron_h", layers=52, hidden=2688, heads=32, kv=2, head_dim=128, vocab=131072)
        | {"hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME", "mamba_num_heads": 64}
        | {"n_routed_experts": 128, "moe_intermediate_size": 1856, "moe_shared_expert_intermediate_size": 3712}
        | MAMBA,
        31.6,
    ),
    "Nemotron-3-Super-120B-A12B, experts in a narrower space": (
        config_of(model_type="nemotron_h", hidden=4096, heads=32, kv=2, head_dim=128, vocab=131072)
        | {"layers_block_type": ["mamba", "moe"] * 40 + ["attention"] * 8, "mamba_num_heads": 128}
        | {"n_routed_experts": 512, "moe_intermediate_size": 2688, "moe_shared_expert_intermediate_size": 5376}
        | {"moe_latent_size": 1024, **MAMBA},
        120,
    ),
    "ERNIE-4.5-21B-A3B": (
        config_of(layers=28, hidden=2560, heads=20, kv=4, head_dim=128, width=12288, vocab=103424)
        | {"moe_num_experts": 64, "moe_k": 6, "moe_intermediate_size": 1536, "moe_num_shared_experts": 2}
        | {"moe_layer_start_index": 1, "tie_word_embeddings": True},
        21.8,
    ),
    "Jamba, experts in every other block": (
        config_of(model_type="jamba", layers=32, hidden=4096, heads=32, kv=8, width=14336, vocab=65536)
        | {"num_experts": 16, "num_experts_per_tok": 2, "expert_layer_period": 2, "attn_layer_period": 8}
        | {"attn_layer_offset": 4, "mamba_expand": 2, "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_dt_rank": 256},
        52,
    ),
    "DBRX, sections for attention and experts": (
        {"model_type": "dbrx", "d_model": 6144, "n_heads": 48, "n_layers": 40, "vocab_size": 100352}
        | {"attn_config": {"kv_n_heads": 8}}
        | {"ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4}},
        132,
    ),
    "Hunyuan-A13B, a number for each layer": (
        config_of(layers=32, hidden=4096, heads=32, kv=8, width=3072, vocab=128167, moe_topk=[8] * 32)
        | {"num_experts": 64, "moe_intermediate_size": [3072] * 32, "num_shared_expert": [1] * 32},
        80,
    ),
    "Gemma 3n E4B, an embedding in each layer": (
        config_of(model_type="gemma3n_text", layers=35, hidden=2048, heads=8, kv=2, head_dim=256, vocab=262400)
        | {"intermediate_size": [16384] * 35, "vocab_size_per_layer_input": 262144, "num_kv_shared_layers": 15}
        | {"hidden_size_per_layer_input": 256},
        6.9,
    ),
    "GLM-5, latent attention": (
        config_of(layers=78, hidden=6144, heads=64, kv=64, width=12288, vocab=154880, first_k_dense_replace=3)
        | {"n_routed_experts": 256, "n_shared_experts": 1, "moe_intermediate_size": 2048, "kv_lora_rank": 512}
        | {"q_lora_rank": 2048, "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "v_head_dim": 256},
        744,
    ),
}


@pytest.mark.parametrize(("config", "billions"), PUBLISHED.values(), ids=PUBLISHED)
def test_dimensions_come_to_the_weights_that_are_published(config: dict[str, Any], billions: float) -> None:
    shape = ModelShape.from_config(config)
    assert shape.problem is None
    assert weights_file_size(QuantSpec("none", 16), shape) / 2e9 == pytest.approx(billions, rel=0.025)
    assert shape.num_experts_per_tok <= shape.num_local_experts


def test_layers_with_heads_of_their_own_kind_cache_as_much_as_those() -> None:
    # Gemma 4 31B: 50 layers of 16 heads of 256 in a window of 1024, 10 of 4 heads of 512 over everything.
    gemma = ModelShape.from_config(
        config_of(model_type="gemma4_text", layers=60, hidden=5376, heads=32, kv=16, head_dim=256, width=21504)
        | {"vocab_size": 262144, "layer_types": ([SLIDING] * 5 + [FULL]) * 10, "sliding_window": 1024}
        | {"global_head_dim": 512, "num_global_key_value_heads": 4}
    )
    cached = kv_cache_bytes(gemma, 100_000, 2.0, windowed=True, in_flight=0)
    assert cached == 2 * (50 * 2 * 16 * 256 * 1024 + 10 * 2 * 4 * 512 * 100_000)
    mimo = ModelShape.from_config(PUBLISHED["MiMo-V2-Flash"][0])
    assert (mimo.sliding_kv_elements, mimo.v_head_dim) == (8 * 2 * 192, 128)


@pytest.mark.parametrize(
    ("more", "largest"),
    [
        ({"vision_config": {"hidden_size": 1152, "patch_size": 16, "spatial_merge_size": 2}}, (1152, 65536, 16384)),
        (
            {"vision_config": {"hidden_size": 1152, "patch_size": 14, "image_size": 896}, "mm_tokens_per_image": 256},
            (1152, 4096, 256),
        ),
        (
            {"vision_config": {"hidden_size": 1024, "patch_size": 14, "image_size": 1540}, "spatial_merge_size": 2},
            (1024, 12100, 3025),
        ),
        (
            {"vision_config": {"hidden_size": 1152, "pooling_kernel_size": 3}, "vision_soft_tokens_per_image": 280},
            (1152, 2520, 280),
        ),
        ({"vision_config": {"hidden_size": 64}}, (0, 0, 1)),
        ({"vision_config": None}, (0, 0, 0)),
    ],
    ids=["Qwen3.5", "Gemma 3", "Mistral Small 3", "Gemma 4", "unknown tower", "none"],
)
def test_largest_image_is_read_where_the_config_tells_it(more: dict[str, Any], largest: tuple[int, int, int]) -> None:
    shape = ModelShape.from_config(LLAMA | more)
    assert (shape.image_hidden_size, shape.image_patches, shape.image_tokens) == largest
    assert shape.has_images is isinstance(more["vision_config"], dict)


def test_longcat_caches_two_attentions_of_each_block() -> None:
    longcat = ModelShape.from_config(PUBLISHED["LongCat-Flash, blocks of two attentions"][0])
    assert kv_cache_bytes(longcat, 1000, 2.0, latent=True) == 1000 * 56 * 576 * 2


def test_recurrent_layers_without_kernels_hold_every_pair_of_a_chunk() -> None:
    # Bamba: 128 heads of 128 states, 256 tokens a chunk: 16.8 MB per token in 32 bits.
    bamba = {"layers_block_type": ["mamba"] * 44 + ["attention"] * 4, "mamba_n_heads": 128, "mamba_d_head": 64}
    shape = ModelShape.from_config(SIZES | bamba | {"mamba_d_state": 128, "mamba_chunk_size": 256})
    assert shape.scan_elements * 4 == 16_777_216
    assert ModelShape.from_config(SIZES).scan_elements == 0
