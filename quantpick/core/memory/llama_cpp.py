"""What llama.cpp uses besides weights and cache: the compute buffer of one micro-batch, its CUDA pool, cuBLAS.

Measured on an H100 with the llama.cpp of llama-cpp-python 0.3.36: the buffers that its log names for 1,226 settings of
22 models, and 48 servers that filled their context (`benchmarks/vram/llamacpp_h100.json`).
"""

from typing import Final

from quantpick.core.memory.engine import Load
from quantpick.core.shape import ModelShape
from quantpick.core.units import MIB

MICRO_BATCH: Final = 512
"""Tokens computed at once: the default of ``-ub``."""
CELLS: Final = 256
"""Cells per block of the cache (``GGML_PAD`` in ``llama-context.cpp``)."""

LLAMA_CPP_CONTEXT_BYTES: Final = 633_000_000
"""The CUDA context and the kernels loaded at start-up: a ready server held 595 to 604 MiB more than the buffers in its
log, in 48 runs on an H100 (driver 580, CUDA 13)."""

_FP16: Final = 2
_FP32: Final = 4
_FIXUP: Final = 132 * 128 * 128 * _FP32
"""Partial tiles of quantized products, one for each multiprocessor of an H100 (``ggml-cuda/mmq.cuh``, stream-k)."""
_Q8_BYTES: Final = 36 / 32
"""Activations are rounded to 8 bits in blocks of 32 with two 16-bit numbers (``block_q8_1``)."""
_CUBLAS: Final = 96 * MIB
"""cuBLAS and its kernels, loaded for products that are not quantized: 110 to 116 MiB with the pool in nine runs."""
_STATE_WIDTHS: Final = 16
"""Hidden states held by a recurrent layer at its peak: 14.9 in Mamba 2, fewer in gated delta nets."""


def server_scratch_of_llama_cpp(load: Load) -> int:
    """``llama-server`` since June 2026: it computes the logits of one token per slot (ggml-org/llama.cpp #23861)."""
    return _states(load) + beside_the_buffers(load)


def library_scratch_of_llama_cpp(load: Load) -> int:
    """The library in other programs, and older servers: room for the logits of every token of a micro-batch.

    They take 32 bits each, besides the last state: 258.50 MiB for a Llama 3 8B, 304.00 for a Qwen 2.5 7B.
    """
    logits = (load.shape.vocab_size + load.shape.hidden_size) * _FP32
    return max(_states(load), min(MICRO_BATCH, load.context_tokens) * logits) + beside_the_buffers(load)


def _states(load: Load) -> int:
    """The compute buffer of one micro-batch without logits, at its peak.

    With flash attention: an MLP is gate, up and product, two hidden states and the queries, in 32 bits (within 0.1 % in
    14 dense models); a mixture of experts ends with the output of each chosen expert, twice; a cache that is not in 16
    bits is unpacked, one layer at a time. The mask has 16 bits for each cell of a sequence, and again for a window.
    """
    shape, tokens = load.shape, min(MICRO_BATCH, load.context_tokens)
    head = shape.kv_lora_rank + shape.qk_rope_head_dim if shape.kv_lora_rank else shape.head_dim
    queries = shape.num_attention_heads * head
    dense = shape.dense_intermediate_size if shape.num_local_experts > 1 else shape.intermediate_size
    widest = max(3 * dense + queries + 2 * shape.hidden_size, _mixture(shape, queries + 2 * shape.hidden_size))
    if shape.num_state_layers:
        widest = max(widest, _STATE_WIDTHS * shape.hidden_size)
    unpacked = _unpacked_cache(load)
    attention = unpacked + tokens * 2 * (shape.hidden_size + queries) * _FP32 if unpacked else 0
    cells = _in_blocks(load.context_tokens)
    if shape.sliding_window and shape.num_sliding_layers:
        cells += min(cells, _in_blocks(shape.sliding_window + MICRO_BATCH))
    return max(tokens * widest * _FP32, attention) + tokens * cells * _FP16


def _mixture(shape: ModelShape, attention: int) -> int:
    """The larger width of a mixture of experts: between its matrices, or where the experts' outputs are summed."""
    if shape.num_local_experts == 1:
        return 0
    chosen = shape.num_experts_per_tok * shape.intermediate_size
    outputs = 2 * shape.num_experts_per_tok * shape.hidden_size + chosen + 2 * shape.hidden_size
    if shape.shared_intermediate_size:
        outputs += chosen + 2 * shape.hidden_size + 3 * shape.shared_intermediate_size
    return max(3 * chosen + attention, outputs)


def _unpacked_cache(load: Load) -> int:
    """Keys and values of one layer in 16 bits: flash attention unpacks a cache of another type to them."""
    shape = load.shape
    if load.kv_bytes_per_element == _FP16 or shape.num_state_layers == shape.num_hidden_layers:
        return 0
    if shape.kv_lora_rank:  # the values are part of the keys
        each = shape.kv_lora_rank + shape.qk_rope_head_dim
    else:
        each = shape.num_key_value_heads * (shape.head_dim + (shape.v_head_dim or shape.head_dim))
    return load.batch * _in_blocks(load.context_tokens) * each * _FP16


def beside_the_buffers(load: Load) -> int:
    """The CUDA pool and cuBLAS, which the log does not show: 10 to 144 MiB, allocated while a prompt is read."""
    shape, tokens = load.shape, min(MICRO_BATCH, load.context_tokens)
    chosen = shape.num_experts_per_tok if shape.num_local_experts > 1 else 1
    widest = max(chosen * shape.intermediate_size, shape.dense_intermediate_size, chosen * shape.hidden_size)
    in_16_bits = (load.quant.effective_bpw or load.quant.bits or 0) >= 16
    pool = tokens * widest * (_FP16 if in_16_bits else _Q8_BYTES)
    plain = in_16_bits or shape.num_local_experts > 1 or shape.num_state_layers > 0
    return round(pool) + _FIXUP + (_CUBLAS if plain else 0)


def _in_blocks(tokens: int) -> int:
    return -(-tokens // CELLS) * CELLS
