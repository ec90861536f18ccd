"""What a sequence keeps on the GPU while it is generated: the KV cache, and the states of recurrent layers."""

from typing import Final

from quantpick.core.shape import ModelShape

CHUNK_TOKENS: Final = 2048
"""Tokens prefilled at once, by default, in ExLlama, ExLlamaV2 (``max_input_len``), ExLlamaV3 and vLLM."""

_FP16: Final = 2
_FP32: Final = 4

UNPACKED: Final = frozenset({"minicpm3"})
"""Families with MLA whose cache vLLM unpacks, values as wide as keys (vllm ``models/minicpm3.py``; 9.5 MB for 10 tokens
of MiniCPM3 4B, measured)."""

_HALF_STATES: Final = frozenset({"bamba", "falcon_h1", "granitemoehybrid", "qwen3_next"})
"""Families whose recurrent states vLLM holds in the model's 16 bits. Measured on an H200 by the size of a block; those
of Nemotron-H and Kimi Linear are in 32."""


def kv_cache_bytes(
    shape: ModelShape,
    tokens: int,
    bytes_per_element: float,
    *,
    windowed: bool = False,
    in_flight: int = CHUNK_TOKENS,
    latent: bool = False,
    unpacked: frozenset[str] = frozenset(),
) -> int:
    """Bytes that one sequence keeps: keys and values, and the states of layers without a cache.

    2 x layers x KV heads x head size x tokens (turboderp-org/exllamav2 issue #383). MLA: all heads' keys and values, or
    per layer the compressed vector and the rotated key (DeepSeek-V2, arXiv 2405.04434, table 1). States are in 32 bits.

    Args:
        shape: the model.
        tokens: tokens of context.
        bytes_per_element: 2 for fp16; K and V averaged.
        windowed: whether sliding layers hold only their window and the tokens in flight.
        in_flight: tokens computed at once.
        latent: whether MLA's cache stays compressed.
        unpacked: families whose cache does not, and has values as wide as keys.

    >>> kv_cache_bytes(ModelShape(48, 8192, 64, 8, 128, 22016, 32000), 4096, 2.0)
    805306368
    """
    padded = shape.model_type in unpacked
    per_token = 2 * shape.num_key_value_heads * shape.head_dim if padded else _elements_per_token(shape, latent=latent)
    full, sliding = shape.full_kv_elements or per_token, shape.sliding_kv_elements or per_token
    seen = min(tokens, shape.sliding_window + in_flight) if windowed and shape.sliding_window else tokens
    cached = full * shape.num_full_layers * tokens + sliding * shape.num_sliding_layers * seen
    return round(cached * bytes_per_element) + shape.state_elements * _FP32


def _elements_per_token(shape: ModelShape, *, latent: bool) -> int:
    """Elements that one layer caches per token."""
    if latent and shape.kv_lora_rank:
        return shape.kv_lora_rank + shape.qk_rope_head_dim
    return shape.num_key_value_heads * (shape.head_dim + (shape.v_head_dim or shape.head_dim))


def state_pool_bytes(shape: ModelShape, sequences: int, bytes_per_element: float) -> int:
    """Bytes of the smallest cache with a state for each of `sequences`, as vLLM shares it with attention.

    A block holds the state of one recurrent layer, or at least as many bytes of one attention layer's tokens. One block
    spans as many layers as the rarer kind has, or all of the commoner kind if that has less than 1.5 times as many
    (vllm ``platforms/interface.py``; ``v1/core/kv_cache_utils.py``, ``_get_kv_cache_groups_uniform_page_size``). Within
    0.5 % of the blocks of five hybrids on an H200, 6 % above those of a Kimi Linear. If CUDA graphs of decoding are
    captured, vLLM starts only with a block for each of ``max_num_seqs`` sequences (``config/compilation.py``, since
    0.20). Published: 856 blocks for Qwen3.6-27B-FP8 on an H100 at 0.95 (vllm-project/recipes #551); this gives 42.6 GiB
    for them, where weights and peak leave 42 to 43.

    >>> qwen_3_5_27b = ModelShape(64, 5120, 24, 4, 256, 17408, 248320, num_state_layers=48, state_elements=39714816)
    >>> [round(state_pool_bytes(qwen_3_5_27b, sequences, 2.0) / 2**30, 2) for sequences in (16, 256)]
    [0.8, 12.75]
    """
    if not shape.state_elements:
        return 0
    recurrent = shape.num_state_layers - shape.num_bare_layers or shape.num_hidden_layers
    attending = max(1, shape.num_full_layers + shape.num_sliding_layers)
    fewer, more = sorted((recurrent, attending))
    layers = more if more < 1.5 * fewer else fewer
    token = _elements_per_token(shape, latent=True) * bytes_per_element
    step = max(1, round(16 * token))
    width = _FP16 if shape.model_type in _HALF_STATES else _FP32
    block = -(-shape.state_elements // recurrent * width // step) * step
    return sequences * block * layers
