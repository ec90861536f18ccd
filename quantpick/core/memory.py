"""How much VRAM a quantization needs: weights, KV cache, scratch and the CUDA context, per inference engine.

`ENGINES` has one row per engine; a loader's rules name the row. Every figure is in bytes, for the whole job over all
the GPUs it is spread over. Measured points are in the benchmark ``benchmarks/vram_accuracy.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from quantpick.core.branch import QuantSpec
from quantpick.core.shape import ModelShape
from quantpick.core.units import MIB

CUDA_CONTEXT_BYTES: Final = 650_969_088
"""What a CUDA process holds before it allocates: measured on an H100 with driver 580 and torch 2.11 (exllamav3
650,969,088, exllamav2 647,561,216). Smaller cards hold less, so this never promises too much."""

ALLOCATOR_SLACK: Final = 0.01
"""What torch's caching allocator cannot use of what it reserved. Measured on an H100 with exllamav2 and exllamav3: the
smallest cap under which a model ran lies 0.4 to 1.6 % above context plus peak allocated."""

CHUNK_TOKENS: Final = 2048
"""Tokens prefilled at once: the default of ExLlama, ExLlamaV2 (``max_input_len``), ExLlamaV3 and vLLM."""

_FP16: Final = 2
_FP32: Final = 4
_GPTQ_SCALE_BITS: Final = 16
_GROUP_INDEX_BYTES: Final = 4
_DEFAULT_HEAD_BITS: Final = 6
"""exllamav2 and exllamav3 ``convert.py`` default of ``-hb``."""


@dataclass(frozen=True, slots=True)
class VramEstimate:
    """VRAM in bytes over all GPUs used: weights, KV cache, the loader's buffers, and the CUDA contexts."""

    weights_bytes: int
    kv_cache_bytes: int
    scratch_bytes: int
    context_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.kv_cache_bytes + self.scratch_bytes + self.context_bytes


@dataclass(frozen=True, slots=True)
class Load:
    """One job as the scratch formulas see it: tokens of context and of the longest prompt, sequences at once."""

    shape: ModelShape
    context_tokens: int
    prompt_tokens: int
    batch: int
    quantized_cache: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How one inference engine takes its memory.

    Args:
        scratch: buffers and prefill peak on one GPU, in bytes.
        embedding_in_ram: whether the embedding stays in system RAM.
        cache_block_tokens: the cache is made in blocks of so many tokens.
    """

    scratch: Callable[[Load], int]
    embedding_in_ram: bool = False
    cache_block_tokens: int = 1


def estimate(
    quant: QuantSpec,
    shape: ModelShape,
    *,
    engine: str,
    context_tokens: int,
    prompt_tokens: int | None = None,
    kv_bytes_per_element: float = 2.0,
    batch: int = 1,
    weights_file_bytes: int | None = None,
    gpus: int = 1,
) -> VramEstimate:
    """VRAM for one model, in bytes over all GPUs used.

    Args:
        quant: the quantization; its bits are needed where `weights_file_bytes` is None.
        shape: the model.
        engine: a key of `ENGINES`.
        context_tokens: tokens the cache is made for, per sequence, at least 1.
        prompt_tokens: the longest prompt; None is the whole context.
        kv_bytes_per_element: 2 for fp16; K and V averaged.
        batch: sequences at once, at least 1.
        weights_file_bytes: bytes of the weight files; None computes them.
        gpus: GPUs the job is spread over, at least 1; each has scratch and a context of its own.
    """
    model = ENGINES[engine]
    file_bytes = weights_file_size(quant, shape) if weights_file_bytes is None else weights_file_bytes
    in_ram = embedding_bytes(shape) if model.embedding_in_ram else 0
    quantized_cache = kv_bytes_per_element not in (1.0, 2.0, 4.0)
    load = Load(shape, context_tokens, min(prompt_tokens or context_tokens, context_tokens), batch, quantized_cache)
    weights = max(0, file_bytes - in_ram)
    cache = batch * kv_cache_bytes(shape, _in_blocks(context_tokens, model.cache_block_tokens), kv_bytes_per_element)
    scratch = gpus * model.scratch(load)
    return VramEstimate(
        weights_bytes=weights,
        kv_cache_bytes=cache,
        scratch_bytes=scratch + round(ALLOCATOR_SLACK * (weights + cache + scratch)),
        context_bytes=gpus * CUDA_CONTEXT_BYTES,
    )


def kv_cache_bytes(shape: ModelShape, tokens: int, bytes_per_element: float) -> int:
    """Keys and values of one sequence: 2 x layers x KV heads x head size x tokens (turboderp-org/exllamav2 issue #383).

    >>> kv_cache_bytes(ModelShape(48, 8192, 64, 8, 128, 22016, 32000), 4096, 2.0)
    805306368
    """
    elements = 2 * shape.num_hidden_layers * shape.num_key_value_heads * shape.head_dim * tokens
    return round(elements * bytes_per_element)


def embedding_bytes(shape: ModelShape) -> int:
    """The embedding in 16 bits."""
    return shape.vocab_size * shape.hidden_size * _FP16


def weights_file_size(quant: QuantSpec, shape: ModelShape) -> int:
    """Bytes of the weight files, computed.

    Linear layers at the quantization's bits; embedding, norms and (but for EXL2 and EXL3) the head in 16 bits. GPTQ and
    AWQ: AutoGPTQ's tensors qweight, scales, qzeros and, for GPTQ, g_idx. Within 0.1 % of the published files of
    CodeLlama-34B and Llama-30B. EXL2 and EXL3: embedding + body x bpw / 8 + head x head bits / 8, within 0.5 % of
    seven published trees; tied heads are stored apart.

    Args:
        quant: its bits must be known.
        shape: the model.

    >>> shape = ModelShape(48, 8192, 64, 8, 128, 22016, 32000)
    >>> [round(weights_file_size(QuantSpec("gptq", 4, group), shape) / 1e9, 2) for group in (None, 128, 32)]
    [17.68, 18.32, 20.27]
    """
    assert quant.bits is not None, "the caller asks only for a known number of bits"
    linears = _linears(shape)
    norms = (2 * shape.num_hidden_layers + 1) * shape.hidden_size * _FP16
    routers = shape.num_hidden_layers * shape.hidden_size * shape.num_local_experts * _FP16
    rest = embedding_bytes(shape) + norms + (routers if shape.num_local_experts > 1 else 0)
    if quant.method in ("exl2", "exl3"):
        head_bits = quant.head_bits or _DEFAULT_HEAD_BITS
        body = sum(rows * columns * count for rows, columns, count in linears) * (quant.bpw or quant.bits) / 8
        return rest + round(body + shape.vocab_size * shape.hidden_size * head_bits / 8)
    head = 0 if shape.tie_word_embeddings else embedding_bytes(shape)
    return rest + head + sum(count * _linear_bytes(quant, rows, columns) for rows, columns, count in linears)


def _linears(shape: ModelShape) -> tuple[tuple[int, int, int], ...]:
    """Every kind of linear layer as (inputs, outputs, how many)."""
    hidden, layers = shape.hidden_size, shape.num_hidden_layers
    queries = shape.num_attention_heads * shape.head_dim
    keys = shape.num_key_value_heads * shape.head_dim
    mlps = layers * shape.num_local_experts
    return (
        (hidden, queries, layers),
        (hidden, keys, 2 * layers),
        (queries, hidden, layers),
        (hidden, shape.intermediate_size, (shape.mlp_matrices - 1) * mlps),
        (shape.intermediate_size, hidden, mlps),
    )


def _linear_bytes(quant: QuantSpec, rows: int, columns: int) -> int:
    """One linear layer as AutoGPTQ and AutoAWQ store it; 16-bit where nothing is quantized."""
    bits = quant.bits or 16
    if quant.method == "none" or bits >= 16:
        return rows * columns * _FP16
    groups = -(-rows // quant.group_size) if quant.group_size else 1
    scales_and_zeros = groups * columns * (_GPTQ_SCALE_BITS + bits) / 8
    group_index = 0 if quant.method == "awq" else rows * _GROUP_INDEX_BYTES
    return round(rows * columns * bits / 8 + scales_and_zeros) + group_index


def _in_blocks(tokens: int, block: int) -> int:
    return -(-tokens // block) * block


def _largest_linear(shape: ModelShape) -> int:
    """Elements of the largest matrix, the output head included."""
    return max(shape.hidden_size * shape.vocab_size, shape.hidden_size * shape.intermediate_size)


def _exllama(load: Load) -> int:
    """ExLlama v1: the buffers of ``exllama_ext`` and the attention of one chunk without flash attention.

    temp_state, temp_mlp and temp_dq (turboderp/exllama at 3b013cd, ``model.py``); scores and softmax in fp16, and a
    chunk is cut so that queries x keys stay under ``max_attention_size`` = 2048 squared. Residuals of the README's
    table over weights,
    head and cache: 582, 738, 1064 and 1665 MiB for 7, 13, 33 and 65B; this gives 579, 752, 1029 and 1330.
    """
    shape, tokens = load.shape, min(load.prompt_tokens, CHUNK_TOKENS)
    buffers = (CHUNK_TOKENS + 4) * shape.intermediate_size * _FP16
    dequantized = shape.hidden_size * shape.intermediate_size * _FP16
    attention = 2 * shape.num_attention_heads * tokens * tokens * _FP16
    return buffers + dequantized + load.batch * attention


def _exllamav2(load: Load) -> int:
    """ExLlamaV2: the matrix it dequantizes into, the chunk's states, the logits of a whole chunk.

    The largest linear in fp16, at most 512 Mi elements (turboderp-org/exllamav2 at da07fac, ``linear.py:280-307``);
    logits of 2048 positions in fp16 and fp32; a quantized cache unpacks one layer to fp16 (``cache.py:442-470``).
    Measured on an H100
    over four shapes: what stays after load beside weights, cache and the matrix is 40 to 137 MB, here four key/value
    and two hidden states of a chunk; the prefill takes 574 MiB + one hidden state of a chunk more, of which the logits
    are 375 MiB at a vocabulary of 32,000 and the rest is taken as fixed.
    """
    shape = load.shape
    keys = shape.num_key_value_heads * shape.head_dim
    matrix = min(_largest_linear(shape), 512 * MIB) * _FP16
    states = CHUNK_TOKENS * (4 * keys + 3 * shape.hidden_size) * _FP16
    logits = CHUNK_TOKENS * shape.vocab_size * (_FP16 + _FP32)
    one_layer = 2 * keys * load.context_tokens * load.batch * _FP16 if load.quantized_cache else 0
    return matrix + states + logits + 199 * MIB + one_layer


def _exllamav3(load: Load) -> int:
    """ExLlamaV3: the matrix it reconstructs for a long prompt, and the MLP's states of a chunk; no large logits.

    Measured on an H100 over two shapes: 122 to 130 MB after load beside weights and cache; prefill adds
    2 x hidden x intermediate for the matrix, and per token of a 2048-token chunk six states of the intermediate and
    5.5 of the hidden size in fp16 (gate and up are fp32). The cap search found 27 to 160 MB more needed than context
    and peak
    allocated: 64 MiB of it are taken here, the rest is `ALLOCATOR_SLACK`. Model: turboderp-org/exllamav3 at 4f8ad01,
    ``model_init.py`` (max_output_size 32).
    """
    shape = load.shape
    matrix = shape.hidden_size * shape.intermediate_size * _FP16
    states = CHUNK_TOKENS * (12 * shape.intermediate_size + 11 * shape.hidden_size)
    return (125 + 64) * MIB + matrix + states


def _transformers(load: Load) -> int:
    """Transformers since about 4.45: the activations of the whole prompt, 7.5 bytes per token and intermediate element.

    Three tensors of the intermediate size in fp16 and the hidden states; fitted on QwenLM's Qwen2.5 table, 102 points
    on one GPU, median error 0.1 to 0.5 %, so other families are less certain.
    """
    return round(7.5 * load.batch * load.prompt_tokens * load.shape.intermediate_size)


def _server(load: Load) -> int:
    """vLLM, SGLang, TGI, LMDeploy: activations of one scheduled chunk, sampling of 256 sequences, CUDA graphs.

    Gate and up together, their product, and four hidden states in fp16 per scheduled token (``max_num_batched_tokens``
    2048); logits of ``max_num_seqs`` = 256 in fp32, twice; graphs 0.5 GiB, a rule of thumb (logs of 0.5 to 1.5 GiB:
    vLLM PR #10511,
    #13109). Not measured yet.
    """
    shape = load.shape
    activations = CHUNK_TOKENS * (3 * shape.intermediate_size + 4 * shape.hidden_size) * _FP16
    return activations + 2 * 256 * shape.vocab_size * _FP32 + 512 * MIB


def _llama_cpp(load: Load) -> int:
    """llama.cpp: the compute buffer of one micro-batch of 512 tokens in fp32 (``-ub``). Not measured yet."""
    shape = load.shape
    return 512 * (shape.vocab_size + 3 * shape.intermediate_size + 4 * shape.hidden_size) * _FP32


ENGINES: Final[Mapping[str, Engine]] = {
    "exllama": Engine(scratch=_exllama, embedding_in_ram=True),
    "exllamav2": Engine(scratch=_exllamav2, embedding_in_ram=True, cache_block_tokens=256),
    "exllamav3": Engine(scratch=_exllamav3, embedding_in_ram=True, cache_block_tokens=256),
    "transformers": Engine(scratch=_transformers),
    "vllm": Engine(scratch=_server, cache_block_tokens=16),
    "sglang": Engine(scratch=_server),
    "tgi": Engine(scratch=_server),
    "lmdeploy": Engine(scratch=_server, cache_block_tokens=64),
    "llama.cpp": Engine(scratch=_llama_cpp, cache_block_tokens=256),
}
"""One row per engine. To add one: write its scratch formula above and name it here."""
