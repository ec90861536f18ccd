"""Bytes of a model's weight files, computed from its shape and quantization."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from quantpick.core.methods import METHODS
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape
from quantpick.core.units import MIB

_FP16: Final = 2
_GPTQ_SCALE_BITS: Final = 16
_GROUP_INDEX_BYTES: Final = 4
_DEFAULT_HEAD_BITS: Final = 6
"""The default of ``-hb`` in ``convert.py`` of exllamav2 and exllamav3."""


def embedding_bytes(shape: ModelShape) -> int:
    """The embedding in 16 bits."""
    return shape.vocab_size * shape.hidden_size * _FP16


def embedding_in_ram_bytes(quant: QuantSpec, shape: ModelShape) -> int:
    """Bytes of the embedding kept out of VRAM by an engine that has it in system RAM.

    llama.cpp stores it as the file does. A tied head is copied to the GPU (``TENSOR_DUPLICATED`` in
    ``src/llama-model.cpp``), so nothing is saved.

    >>> llama_3_8b = ModelShape(32, 4096, 32, 8, 128, 14336, 128256)
    >>> round(embedding_in_ram_bytes(QuantSpec("gguf", 4, embedding_bits=4.5), llama_3_8b) / 2**20, 2)
    281.81
    """
    if quant.method != "gguf":
        return embedding_bytes(shape)
    bits = quant.embedding_bits or quant.effective_bpw or 16
    return 0 if shape.tie_word_embeddings else round(shape.vocab_size * shape.hidden_size * bits / 8)


def weights_file_size(quant: QuantSpec, shape: ModelShape) -> int:
    """Bytes of the weight files, computed.

    Linear layers at the quantization's bits; embedding, norms and (except in EXL2 and EXL3) the head in 16 bits. GPTQ
    and AWQ: AutoGPTQ's tensors qweight, scales, qzeros and, for GPTQ, g_idx. Within 0.1 % of the published files of
    CodeLlama-34B and Llama-30B. EXL2 and EXL3: embedding + body x bpw / 8 + head x head bits / 8, within 0.5 % of seven
    published trees. EXL2, EXL3 and AWQ store tied heads separately (Qwen2.5-0.5B-Instruct-AWQ is 0.73 GB). GGUF and
    MLX: every weight at the file's bits per weight.

    Args:
        quant: its bits must be known.
        shape: the model.

    >>> shape = ModelShape(48, 8192, 64, 8, 128, 22016, 32000)
    >>> [round(weights_file_size(QuantSpec("gptq", 4, group), shape) / 1e9, 2) for group in (None, 128, 32)]
    [17.68, 18.32, 20.27]
    """
    assert quant.bits is not None, "the caller asks only for a known number of bits"
    if quant.method and METHODS[quant.method].packs_all:
        return round(weights_file_size(QuantSpec("none", 16), shape) / _FP16 * (quant.effective_bpw or quant.bits) / 8)
    layers = linears(shape)
    norms = (2 * shape.num_hidden_layers + 1) * shape.hidden_size * _FP16
    sparse = (shape.num_mlp_layers or shape.num_hidden_layers) - shape.num_dense_layers
    routers = sparse * shape.hidden_size * shape.num_local_experts * _FP16
    rest = (
        embedding_bytes(shape)
        + shape.per_layer_embedding * _FP16
        + norms
        + (routers if shape.num_local_experts > 1 else 0)
    )
    if quant.method and METHODS[quant.method].states_bpw:
        head_bits = quant.head_bits or _DEFAULT_HEAD_BITS
        body = sum(rows * columns * count for rows, columns, count in layers) * (quant.bpw or quant.bits) / 8
        return rest + round(body + shape.vocab_size * shape.hidden_size * head_bits / 8)
    body_bytes = sum(count * _linear_bytes(quant, rows, columns) for rows, columns, count in layers)
    return rest + head_bytes(quant, shape) + body_bytes


def head_bytes(quant: QuantSpec, shape: ModelShape) -> int:
    """Bytes of the output head: 0 if it is tied to the embedding, else in 16 bits or quantized like the rest."""
    if shape.tie_word_embeddings and quant.method != "awq":
        return 0
    method = METHODS[quant.method] if quant.method else None
    bits = quant.head_bits or (_DEFAULT_HEAD_BITS if method and method.states_bpw else None)
    if bits is None and method and method.packs_all:
        bits = quant.effective_bpw or quant.bits
    if bits is None or quant.bits is None:
        return embedding_bytes(shape)
    return _linear_bytes(replace(quant, bits=bits, bpw=None), shape.hidden_size, shape.vocab_size)


def linears(shape: ModelShape) -> tuple[tuple[int, int, int], ...]:
    """Every kind of linear layer as (inputs, outputs, count)."""
    hidden = shape.hidden_size
    sparse = (shape.num_mlp_layers or shape.num_hidden_layers) - shape.num_dense_layers
    widths = (
        (shape.expert_hidden_size or hidden, shape.intermediate_size, sparse * shape.num_local_experts),
        (hidden, shape.shared_intermediate_size, sparse),
        (hidden, shape.dense_intermediate_size, shape.num_dense_layers),
    )
    mlps = tuple(
        linear
        for taken, width, count in widths
        if width and count
        for linear in ((taken, width, (shape.mlp_matrices - 1) * count), (width, taken, count))
    )
    latent = ((hidden, shape.expert_hidden_size, 2 * sparse),) if shape.expert_hidden_size else ()
    return (*_attention_linears(shape), *_recurrent_linears(shape), *mlps, *latent)


def _recurrent_linears(shape: ModelShape) -> tuple[tuple[int, int, int], ...]:
    """The matrices of recurrent blocks, joined to one per block: all have the hidden state as input."""
    count = (shape.num_state_layers - shape.num_bare_layers) or shape.num_hidden_layers
    columns = shape.recurrent_weights // count // shape.hidden_size
    return ((shape.hidden_size, columns, count),) if columns else ()


def _attention_linears(shape: ModelShape) -> tuple[tuple[int, int, int], ...]:
    """Queries, keys, values and output; with MLA the down and up projections.

    Recurrent layers whose matrices are unknown count as attention.
    """
    hidden, heads = shape.hidden_size, shape.num_attention_heads
    layers = shape.num_hidden_layers - shape.num_bare_layers
    if shape.recurrent_weights and shape.num_state_layers:
        layers -= shape.num_state_layers - shape.num_bare_layers
    queries = heads * shape.head_dim
    if not shape.kv_lora_rank:
        keys = shape.num_key_value_heads * shape.head_dim
        if shape.full_head_dim:
            return _linears_with_wide_heads(shape, layers)
        return ((hidden, queries, shape.query_matrices * layers), (hidden, keys, 2 * layers), (queries, hidden, layers))
    values = heads * (shape.v_head_dim or shape.head_dim)
    unrotated = heads * (shape.head_dim - shape.qk_rope_head_dim)
    low = shape.q_lora_rank
    return (
        *(((hidden, low, layers), (low, queries, layers)) if low else ((hidden, queries, layers),)),
        (hidden, shape.kv_lora_rank + shape.qk_rope_head_dim, layers),
        (shape.kv_lora_rank, unrotated + values, layers),
        (values, hidden, layers),
    )


def _linears_with_wide_heads(shape: ModelShape, layers: int) -> tuple[tuple[int, int, int], ...]:
    """The same if layers that see the whole context have heads of their own size (Gemma 4), whose keys may be values.

    ``attention_k_eq_v`` (``modeling_gemma4.py``): the cache has both, the weights only the keys.
    """
    hidden, full = shape.hidden_size, min(layers, shape.num_full_layers)
    queries, wide = shape.num_attention_heads * shape.head_dim, shape.num_attention_heads * shape.full_head_dim
    keys, cached = shape.num_key_value_heads * shape.head_dim, shape.full_kv_elements // 2
    return (
        (hidden, queries, layers - full),
        (hidden, keys, 2 * (layers - full)),
        (queries, hidden, layers - full),
        (hidden, wide, full),
        (hidden, cached, full if shape.keys_are_values else 2 * full),
        (wide, hidden, full),
    )


def _linear_bytes(quant: QuantSpec, rows: int, columns: int) -> int:
    """Bytes of one linear layer as AutoGPTQ and AutoAWQ store it; in 16 bits if not quantized."""
    bits = quant.bits or 16
    if quant.method == "none" or bits >= 16:
        return rows * columns * _FP16
    if quant.bpw is not None:
        return round(rows * columns * quant.bpw / 8)
    groups = -(-rows // quant.group_size) if quant.group_size else 1
    scales_and_zeros = groups * columns * quant.group_overhead_bits / 8
    indexed = quant.method in ("gptq", None) or quant.desc_act
    group_index = rows * _GROUP_INDEX_BYTES if indexed else 0
    return round(rows * columns * bits / 8 + scales_and_zeros) + group_index


def rounded_up(quant: QuantSpec, layers: Iterable[tuple[int, int, int]]) -> int:
    """Bytes that torch's allocator adds to GPTQ's and AWQ's matrices.

    From 10 MiB it rounds up to 2 MiB, but splits off a remainder of more than 1 MiB: pytorch
    ``c10/cuda/CUDACachingAllocator.cpp`` (kMinLargeAlloc, kRoundLarge, kSmallSize); 50 of the 52 MB that a Llama 2 7B
    holds beyond the sum of its tensors on an H100.

    Args:
        quant: the quantization.
        layers: the matrices as held in memory, in the form of `linears`.
    """
    if quant.method not in ("gptq", "awq") or quant.bits is None:
        return 0
    sizes = ((round(rows * columns * quant.bits / 8), count) for rows, columns, count in layers)
    return sum(count * (-size % (2 * MIB)) for size, count in sizes if size >= 10 * MIB and -size % (2 * MIB) <= MIB)
