"""What a sequence keeps, beside published figures."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.memory.engine import ServerSettings
from quantpick.core.memory.estimate import estimate
from quantpick.core.memory.kv_cache import CHUNK_TOKENS, kv_cache_bytes, state_pool_bytes
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape

DEEPSEEK_V3 = ModelShape.from_config(
    {
        "model_type": "deepseek_v3",
        "num_hidden_layers": 61,
        "hidden_size": 7168,
        "num_attention_heads": 128,
        "num_key_value_heads": 128,
        "intermediate_size": 18432,
        "moe_intermediate_size": 2048,
        "n_routed_experts": 256,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
        "first_k_dense_replace": 3,
        "q_lora_rank": 1536,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "vocab_size": 129280,
    }
)
GEMMA_3_27B = replace(ModelShape(62, 5376, 32, 16, 128, 21504, 262208), sliding_window=1024, num_sliding_layers=52)


def test_every_cache_type_is_in_proportion() -> None:
    llama = ModelShape(48, 8192, 64, 8, 128, 22016, 32000)
    assert kv_cache_bytes(llama, 4096, 2.0) == 805_306_368
    assert kv_cache_bytes(llama, 4096, 0.5625) == 226_492_416


def test_compressed_cache_of_deepseek_is_70_kb_per_token() -> None:
    # 576 elements per layer (arXiv 2405.04434): 61 x 576 x 2 bytes.
    assert kv_cache_bytes(DEEPSEEK_V3, 1000, 2.0, latent=True) == 70_272_000
    assert kv_cache_bytes(DEEPSEEK_V3, 1000, 2.0) == 61 * 128 * (192 + 128) * 2 * 1000


def test_window_bounds_what_sliding_layers_keep() -> None:
    per_layer = 2 * 16 * 128 * 2
    kept = kv_cache_bytes(GEMMA_3_27B, 100_000, 2.0, windowed=True)
    assert kept == per_layer * (10 * 100_000 + 52 * (1024 + CHUNK_TOKENS))
    # Measured for turboderp's 5.0bpw in ExLlamaV3 0.0.3, which keeps it all: 213 kB per token in 6 bits.
    assert kv_cache_bytes(GEMMA_3_27B, 1, 0.8125) == pytest.approx(213_000, rel=0.04)


def test_layers_without_a_cache_keep_their_state_whatever_the_context() -> None:
    hybrid = replace(GEMMA_3_27B, num_sliding_layers=0, num_state_layers=62, state_elements=1000)
    assert kv_cache_bytes(hybrid, 1, 2.0) == kv_cache_bytes(hybrid, 10**6, 2.0) == 4000


@given(st.sampled_from([DEEPSEEK_V3, GEMMA_3_27B]), st.integers(1, 10**6), st.integers(0, 10**6))
def test_more_tokens_never_need_less_and_saving_never_costs(shape: ModelShape, tokens: int, more: int) -> None:
    full = kv_cache_bytes(shape, tokens, 2.0)
    saved = kv_cache_bytes(shape, tokens, 2.0, windowed=True, latent=True)
    assert saved <= full
    assert saved <= kv_cache_bytes(shape, tokens + more, 2.0, windowed=True, latent=True)


def test_server_that_captures_its_decoding_holds_a_state_for_each_sequence_that_may_run() -> None:
    hybrid = ModelShape(64, 5120, 24, 4, 256, 17408, 248320, num_state_layers=48, state_elements=39714816)
    dense = ModelShape(64, 5120, 24, 4, 256, 17408, 248320)

    def cache(shape: ModelShape, sequences: int, *, eager: bool = False, version: str | None = None) -> int:
        settings = ServerSettings(max_num_seqs=sequences, enforce_eager=eager)
        return estimate(
            QuantSpec("awq", 4, 128), shape, engine="vllm", context_tokens=4096, settings=settings, version=version
        ).kv_cache_bytes

    assert cache(hybrid, 256) == state_pool_bytes(hybrid, 256, 2.0) > 12 * 2**30
    assert cache(hybrid, 256) > cache(hybrid, 16) > cache(hybrid, 1)
    assert cache(hybrid, 256, eager=True) == cache(hybrid, 256, version="0.17") == cache(hybrid, 1)
    assert cache(dense, 256) == cache(dense, 1)


def test_states_take_what_was_left_where_a_server_counted_their_blocks() -> None:
    # Qwen3.6-27B-FP8 at 0.95 of an H100's 79.18 GiB found 856 blocks (vllm-project/recipes #551).
    hybrid = ModelShape(
        64, 5120, 24, 4, 256, 17408, 248320, num_state_layers=48, state_elements=39714816,
        recurrent_weights=5_566_709_760, query_matrices=2,
    )  # fmt: skip
    in_16_bits = 2 * 2 * 248320 * 5120 + 460_000_000 * 2  # embedding, head and vision tower
    files = in_16_bits + (27_781_427_952 - in_16_bits // 2)
    need = estimate(
        QuantSpec("fp8", 8),
        hybrid,
        engine="vllm",
        context_tokens=4096,
        weights_file_bytes=files,
        settings=ServerSettings(max_num_batched_tokens=8192, max_num_seqs=1024),
    )
    beside = need.weights_bytes + need.scratch_bytes - need.graph_bytes
    left = 0.95 * 79.18 * 2**30 - beside
    assert state_pool_bytes(hybrid, 856, 2.0) == pytest.approx(left, rel=0.03)


def test_vllm_unpacks_the_cache_of_a_family_it_does_not_know_as_latent() -> None:
    # MiniCPM3 4B on an H200: "estimated maximum model length is 5616" in 4.98 GiB, by vLLM 0.26.0.
    shape = ModelShape(
        62, 2560, 40, 40, 96, 6400, 73448, model_type="minicpm3", kv_lora_rank=256, qk_rope_head_dim=32, v_head_dim=64
    )

    def cache(engine: str) -> int:
        return estimate(QuantSpec("awq", 4, 64), shape, engine=engine, context_tokens=5616).kv_cache_bytes

    assert cache("vllm") == pytest.approx(4.98 * 2**30, rel=0.001)
    assert cache("sglang") == 5616 * 62 * (256 + 32) * 2


@pytest.mark.parametrize(
    ("family", "layers", "states", "per_layer", "heads", "head_dim", "block_mib"),
    [
        # Granite 4 tiny, Falcon-H1 7B and Nemotron Nano 9B v2 on an H200: the cache by vLLM 0.26.0's count of blocks.
        ("granitemoehybrid", 40, 36, 48 * 64 * 128 + (3072 + 256) * 4, 4, 128, 3.126),
        ("falcon_h1", 44, 0, 24 * 128 * 256 + (3072 + 1024) * 4, 2, 128, 67.63),
        ("nemotron_h", 31, 27, 128 * 80 * 128 + (10240 + 2048) * 4, 8, 128, 20.52),
    ],
)
def test_state_has_the_bits_that_vllm_holds_it_in(
    family: str, layers: int, states: int, per_layer: int, heads: int, head_dim: int, block_mib: float
) -> None:
    elements = per_layer * (states or layers)
    shape = ModelShape(layers, 2048, 16, heads, head_dim, 8192, 100352, num_state_layers=states)
    shape = replace(shape, model_type=family, state_elements=elements)
    assert state_pool_bytes(shape, 1, 2.0) == pytest.approx(block_mib * 2**20, rel=0.02)
