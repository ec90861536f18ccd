"""What each inference engine takes beside weights and cache: its buffers, its prefill's peak, its CUDA context.

`ENGINES` has one row per engine; a loader's rules name the row. Every formula says what it stands for and where it was
read or measured; ``benchmarks/vram_accuracy.py`` sets them beside measurements.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Final, Literal, TypedDict

from quantpick.core.memory.engine import (
    MEASURED_BAND,
    OLD_CUDA_CONTEXT_BYTES,
    PUBLISHED_BAND,
    UNMEASURED_BAND,
    Engine,
    Load,
)
from quantpick.core.memory.kv_cache import CHUNK_TOKENS, kv_cache_bytes
from quantpick.core.memory.llama_cpp import (
    CELLS,
    LLAMA_CPP_CONTEXT_BYTES,
    MICRO_BATCH,
    library_scratch_of_llama_cpp,
    server_scratch_of_llama_cpp,
)
from quantpick.core.memory.servers import (
    VLLM_CONTEXT_BYTES,
    server_scratch,
    vllm_graphs,
    vllm_scratch,
    vllm_v0_graphs,
    vllm_v0_scratch,
    vllm_v1_graphs,
    vllm_v1_scratch,
)
from quantpick.core.memory.sglang import SGLANG_CONTEXT_BYTES, sglang_graphs, sglang_scratch, sglang_settings
from quantpick.core.memory.weights import linears, rounded_up
from quantpick.core.units import MIB

_FP16: Final = 2
_FP32: Final = 4
_LOGITS: Final = _FP16 + _FP32
"""Bytes per logit where they are computed in 16 and converted to 32 bits."""


@cache
def engine_at(name: str, version: str | None) -> Engine:
    """The engine as it was in a version; None, or anything that is not a version, means the newest."""
    earlier = EARLIER.get(name, ())
    if version is None or not earlier:
        return ENGINES[name]
    from packaging.version import InvalidVersion, Version

    try:
        asked = Version(version)
    except InvalidVersion:
        return ENGINES[name]
    return next((engine for before, engine in earlier if asked < Version(before)), ENGINES[name])


def _exllama(load: Load) -> int:
    """ExLlama v1: the buffers of ``exllama_ext`` and the attention of one chunk without flash attention.

    temp_state, temp_mlp and temp_dq (turboderp/exllama at 3b013cd, ``model.py``); scores and softmax in fp16, and a
    chunk is cut so that queries x keys stay under ``max_attention_size`` = 2048 squared. Residuals of the README's
    table over weights, head and cache: 582, 738, 1064 and 1665 MiB for 7, 13, 33 and 65B; this gives 579, 752, 1029
    and 1330.
    """
    shape, tokens = load.shape, min(load.prompt_tokens, CHUNK_TOKENS)
    buffers = (CHUNK_TOKENS + 4) * shape.intermediate_size * _FP16
    dequantized = shape.hidden_size * shape.intermediate_size * _FP16
    attention = 2 * shape.num_attention_heads * tokens * tokens * _FP16
    return buffers + dequantized + load.batch * attention


def _exllamav2(load: Load) -> int:
    """ExLlamaV2: its scratch, and the larger of what the last layer needs while loading and the prefill.

    Scratch is the largest of what a layer asks for (turboderp-org/exllamav2 0.3.2, ``scratch_space_fixed`` of
    ``linear.py``, ``mlp.py``): a matrix in fp16, at most 512 Mi elements, and for an MLP the states of a chunk. A
    cache of fewer than 16 bits unpacks one layer (``cache.py``, ``touch_device``). ``load_autosplit`` runs a whole
    chunk through each layer while it holds 192 + 256 MiB back (``model.py``), the head's logits in fp16 included:
    within 1 MB of the peak measured on an H100 in 13 runs. The prefill without flash attention copies grouped keys
    and values to every head (``attn.py``, ``repeat_kv``) and has five states of a chunk: 0 to 131 MB above the same
    runs. With flash attention it needs less. 35 MiB and the rotary tables stay besides.
    """
    shape = load.shape
    hidden, width = shape.hidden_size, shape.intermediate_size
    keys = shape.num_key_value_heads * shape.head_dim
    queries = shape.num_attention_heads * shape.head_dim
    chunk = min(CHUNK_TOKENS, load.context_tokens)
    largest = 512 * MIB
    matrix = min(hidden * max(shape.vocab_size, width), largest) * _FP16
    mlp = load.batch * chunk * (hidden + 2 * max(hidden, width)) * _FP16 + min(hidden * width, largest) * _FP16
    unpacked = 2 * keys * load.context_tokens * load.batch * _FP16 if load.kv_bytes_per_element < _FP16 else 0
    loading = (192 + 256) * MIB + chunk * (shape.vocab_size + hidden) * _FP16
    spread = 2 * queries * load.context_tokens * _FP16 if keys < queries else 0
    prefill = load.batch * (spread + 5 * chunk * hidden * _FP16)
    rotary = 2 * load.context_tokens * shape.head_dim * _FP16
    return (
        max(matrix, mlp) + unpacked + max(loading, prefill) + rotary + rounded_up(load.quant, linears(shape)) + 35 * MIB
    )


def _exllamav3(load: Load) -> int:
    """ExLlamaV3: the matrix it reconstructs for a long prompt, and the MLP's states of a chunk; no large logits.

    Measured on an H100 over two shapes: 122 to 130 MB after load beside weights and cache; prefill adds
    2 x hidden x intermediate for the matrix, and per token of a 2048-token chunk six states of the intermediate and
    5.5 of the hidden size in fp16 (gate and up are fp32). The head sees only the last token (turboderp-org/exllamav3
    1.6.5, ``model_ls.py``). 64 MiB are room for what two shapes did not show.
    """
    shape = load.shape
    matrix = shape.hidden_size * shape.intermediate_size * _FP16
    states = min(CHUNK_TOKENS, load.context_tokens) * (12 * shape.intermediate_size + 11 * shape.hidden_size)
    return (125 + 64) * MIB + matrix + states


_CUBLAS_WORKSPACE: Final = 32 * MIB
"""torch's default for cuBLAS on Hopper (8 MiB elsewhere); seen as the constant part on an H100."""

_FUSED_GATE: Final = frozenset({"phi3", "glm", "glm4", "chatglm"})
"""Families whose gate and up projections are one matrix, so that both halves and their product are held at once."""


def _activations(load: Load) -> int:
    """The prompt's states at their peak, in the MLP: gate, up and product, and four hidden states, in 16 bits.

    Measured on an H100 with Transformers 5.17 in 19 runs: Llama and Qwen2 of seven sizes 6 x intermediate + 8.1 x
    hidden bytes per token at any length and batch, Phi-3's one matrix for gate and up 8 + 8.1; Mixtral 12 x
    intermediate for each of its two experts; with a sliding window a mask of one byte per pair of tokens where the
    prompt is longer.
    """
    shape, tokens = load.shape, load.batch * load.prompt_tokens
    if shape.num_local_experts > 1:
        width = 12 * shape.num_experts_per_tok * shape.intermediate_size + 6 * shape.shared_intermediate_size
    else:
        width = (8 if shape.model_type in _FUSED_GATE else 6) * shape.intermediate_size
    masked = shape.sliding_window is not None and load.prompt_tokens > shape.sliding_window
    return tokens * (width + 8 * shape.hidden_size) + (tokens * load.prompt_tokens if masked else 0)


def _dequantized(load: Load) -> int:
    """The matrix that a GPTQ or AWQ kernel unpacks to 16 bits for a long prompt.

    0.1 to 0.4 GB more than unquantized models in QwenLM's Qwen2.5 table, growing as hidden x intermediate.
    """
    shape = load.shape
    return shape.hidden_size * shape.intermediate_size * _FP16 if load.quant.method != "none" else 0


_OWN_CODE: Final = frozenset({"qwen", "chatglm"})
"""Families that bring their own code: it makes the logits of every position and joins old and new cache into a new one
while the old is held, whatever Transformers does (``modeling_qwen.py``, ``modeling_chatglm.py``, ``torch.cat`` of
tuples). The cache twice: 1.05 MiB for each of 7680 tokens of a Qwen 7B, whose cache takes 0.5 (QwenLM/Qwen README,
"Quantization of KV cache"). Their attention is torch's own or FlashAttention: no scores."""


def _or_own_code(scratch: Callable[[Load], int]) -> Callable[[Load], int]:
    """Transformers as it is for the families that it knows, and the others' own code."""
    return lambda load: _own_code(load) if load.shape.model_type in _OWN_CODE else scratch(load)


def _own_code(load: Load) -> int:
    return max(_all_logits(load), _activations(load), _copied_cache(load)) + _beside_matrices(load)


def _transformers(load: Load) -> int:
    """Transformers since 4.45, which computes the logits of the last token only."""
    return _activations(load) + _beside_matrices(load)


def _beside_matrices(load: Load) -> int:
    """What a matrix is unpacked to, what the allocator adds to packed ones, and cuBLAS's workspace."""
    return _dequantized(load) + rounded_up(load.quant, linears(load.shape)) + _CUBLAS_WORKSPACE


_LONGEST_OF_ITS_TIME: Final = 32768
"""Positions where nobody says for how many a model was made: Mistral's and Qwen2's, the most that was common then."""


def _all_logits(load: Load) -> int:
    """The logits of every prompt position: 0.5 to 3.3 % median error on QwenLM's Qwen1.5 and Qwen2 tables."""
    return load.batch * load.prompt_tokens * load.shape.vocab_size * _LOGITS


def _rotary_tables(load: Load) -> int:
    """Each layer's rotary tables for all positions: 0.54 GB for Mistral's 32,768 (huggingface/optimum-benchmark)."""
    shape = load.shape
    positions = max(load.context_tokens, shape.max_position_embeddings or _LONGEST_OF_ITS_TIME)
    return 2 * shape.num_hidden_layers * positions * shape.head_dim * _FP16


def _transformers_all_logits(load: Load) -> int:
    """Transformers before 4.45: the logits of every prompt position, and rotary tables in each layer."""
    return max(_activations(load), _all_logits(load)) + _rotary_tables(load) + _beside_matrices(load)


def _transformers_copied_cache(load: Load) -> int:
    """Transformers before 4.36: attention scores, and each new token copies the cache while the last one is held.

    Peak less weights and cache is the cache once more, and the rotary tables, in huggingface/optimum-benchmark's Llama
    13B (batch 1 to 8); in QwenLM's Qwen table (8192 tokens) the cache. Scores are held in 16 and 32 bits; the allocator
    keeps what logits and scores took in turn, so both count. AWQ's kernel makes 8 partial products and their sum
    (casper-hansen/AutoAWQ 0.1, ``gemm_forward_cuda`` with ``split_k_iters`` 8): 4 to 28 % under without, on 11 of its
    points.
    """
    shape = load.shape
    scores = load.batch * shape.num_attention_heads * load.prompt_tokens**2 * _LOGITS
    partial = 0
    if load.quant.method == "awq":
        widths = shape.intermediate_size + 2 * shape.hidden_size
        partial = _AWQ_PARTS * load.batch * load.prompt_tokens * widths * _FP16
    prompt = max(_activations(load), _all_logits(load)) + _activations(load) + scores + partial
    return max(prompt, _copied_cache(load)) + _rotary_tables(load) + _beside_matrices(load)


_AWQ_PARTS: Final = 9
"""Partial products of the old AWQ kernel, and their sum."""


def _copied_cache(load: Load) -> int:
    return load.batch * kv_cache_bytes(load.shape, load.context_tokens, load.kv_bytes_per_element)


def _autogptq_kernel(load: Load) -> int:
    """The buffer of AutoGPTQ's ExLlamaV2 kernel for 8 sequences of 2048 tokens, for 4 bits.

    ``qlinear_exllamav2.py``, ``scratch_space_fixed``: outputs x 2048 x 8 x 4 bytes; 728, 912 and 1352 MB more than
    the v1 kernel for 7, 13 and 65B (huggingface/optimum-benchmark).
    """
    return 4 * 8 * 2048 * load.shape.intermediate_size if load.quant.bits == 4 else 0


def _autogptq(load: Load) -> int:
    """AutoGPTQ since 0.6, which goes with Transformers whose attention is torch's own (4.36 and newer): no scores.

    Models with code of their own copy the cache for each token.
    """
    return _autogptq_kernel(load) + max(_transformers_all_logits(load), _copied_cache(load))


def _old_autogptq(load: Load) -> int:
    """AutoGPTQ 0.5, the first with that kernel, with the Transformers of its time."""
    return _autogptq_kernel(load) + _transformers_copied_cache(load)


def _autoawq(load: Load) -> int:
    """AutoAWQ with fused layers: attention scores of the whole prompt, or the logits of every position.

    9 bytes per pair of tokens and head. Its own table (casper-hansen/AutoAWQ README): Mistral 7B 1.2 GB per sequence
    of 2048 tokens, Falcon 7B 2.5 GB, CodeLlama 34B 2.6 GB; Llama 13B needs 1 GB less. The cache is made for 2048
    tokens at least.
    """
    shape = load.shape
    scores = 9 * load.batch * shape.num_attention_heads * load.prompt_tokens**2
    logits = load.batch * load.prompt_tokens * shape.vocab_size * _LOGITS
    return max(scores, logits, _activations(load)) + _beside_matrices(load)


class _Vllm(TypedDict):
    cache_block_tokens: int
    cuda_context_bytes: int
    slack: float
    has_settings: bool


_VLLM: Final[_Vllm] = {
    "cache_block_tokens": 16,
    "cuda_context_bytes": VLLM_CONTEXT_BYTES,
    "slack": 0.0,
    "has_settings": True,
}
"""What holds for every vLLM. Its budget counts what torch allocates, not what torch reserves."""


def _vllm_with_windows(
    scratch: Callable[[Load], int],
    graphs: Callable[[Load], int],
    budgeted: Literal["none", "mixtures", "all"] = "none",
    *,
    state_per_sequence: bool = True,
) -> Engine:
    return Engine(
        state_per_sequence=state_per_sequence,
        scratch=scratch,
        graphs=graphs,
        graphs_budgeted=budgeted,
        band=PUBLISHED_BAND,
        large_defaults=True,
        windowed=True,
        latent=True,
        **_VLLM,
    )


_VLLM_0_26: Final = Engine(
    state_per_sequence=True,
    scratch=vllm_scratch,
    graphs=vllm_graphs,
    graphs_budgeted="mixtures",
    batches_in_flight=2,
    band=MEASURED_BAND,
    windowed=True,
    latent=True,
    large_defaults=True,
    **_VLLM,
)
_TRANSFORMERS_5_17: Final = Engine(
    scratch=_or_own_code(_transformers), windowed=True, band=MEASURED_BAND, mixtures_measured=True
)
_EXLLAMAV2: Final = Engine(scratch=_exllamav2, embedding_in_ram=True, cache_block_tokens=256, band=MEASURED_BAND)
_EXLLAMAV3: Final = Engine(
    scratch=_exllamav3, embedding_in_ram=True, cache_block_tokens=256, latent=True, band=MEASURED_BAND
)
_SGLANG: Final = Engine(
    scratch=sglang_scratch,
    graphs=sglang_graphs,
    own_defaults=sglang_settings,
    takes_of_free=True,
    has_settings=True,
    latent=True,
    cuda_context_bytes=SGLANG_CONTEXT_BYTES,
    slack=0.015,
    band=MEASURED_BAND,
)
_LLAMA_CPP: Final = Engine(
    scratch=server_scratch_of_llama_cpp,
    embedding_in_ram=True,
    cache_block_tokens=CELLS,
    windowed=True,
    step_tokens=MICRO_BATCH,
    latent=True,
    cuda_context_bytes=LLAMA_CPP_CONTEXT_BYTES,
    slack=0.0,
    band=PUBLISHED_BAND,
    mixtures_measured=True,
)
_OLD_LLAMA_CPP: Final = replace(_LLAMA_CPP, scratch=library_scratch_of_llama_cpp)

ENGINES: Final[Mapping[str, Engine]] = {
    "exllama": Engine(scratch=_exllama, embedding_in_ram=True, band=PUBLISHED_BAND),
    "exllamav2": _EXLLAMAV2,
    "exllamav3": _EXLLAMAV3,
    "transformers": Engine(scratch=_or_own_code(_transformers), windowed=True, band=PUBLISHED_BAND),
    "autogptq": Engine(scratch=_autogptq, band=PUBLISHED_BAND),
    "autoawq": Engine(scratch=_autoawq, cache_least_tokens=2048, band=PUBLISHED_BAND),
    "gptq-for-llama": Engine(scratch=_transformers_copied_cache),
    "vllm": replace(_VLLM_0_26, band=PUBLISHED_BAND),
    "sglang": replace(_SGLANG, band=PUBLISHED_BAND),
    "tgi": Engine(scratch=server_scratch),
    "lmdeploy": Engine(scratch=server_scratch, cache_block_tokens=64),
    "llama.cpp": _LLAMA_CPP,
    "llama.cpp-library": replace(_LLAMA_CPP, scratch=library_scratch_of_llama_cpp, band=UNMEASURED_BAND),
}
"""One row per engine in its newest version. To add one: write its scratch formula and name it here."""

EARLIER: Final[Mapping[str, tuple[tuple[str, Engine], ...]]] = {
    "autogptq": (
        (
            "0.5",
            Engine(scratch=_or_own_code(_transformers_copied_cache), cuda_context_bytes=OLD_CUDA_CONTEXT_BYTES),
        ),
        ("0.6", Engine(scratch=_old_autogptq, cuda_context_bytes=OLD_CUDA_CONTEXT_BYTES)),
    ),
    "exllamav2": (("0.3", replace(_EXLLAMAV2, band=PUBLISHED_BAND)),),
    "exllamav3": (("1.6", replace(_EXLLAMAV3, band=PUBLISHED_BAND)),),
    "llama.cpp": (
        ("0.3.36", _OLD_LLAMA_CPP),
        ("0.3.37", replace(_OLD_LLAMA_CPP, band=MEASURED_BAND)),
        ("2026.6.2", _OLD_LLAMA_CPP),
    ),
    "sglang": (("0.5.17", replace(_SGLANG, band=UNMEASURED_BAND)), ("0.5.18", _SGLANG)),
    "transformers": (
        (
            "4.36",
            Engine(scratch=_or_own_code(_transformers_copied_cache), cuda_context_bytes=OLD_CUDA_CONTEXT_BYTES),
        ),
        ("4.45", Engine(scratch=_or_own_code(_transformers_all_logits), band=PUBLISHED_BAND)),
        ("4.56", Engine(scratch=_or_own_code(_transformers), band=PUBLISHED_BAND)),
        ("5.17", Engine(scratch=_or_own_code(_transformers), windowed=True, band=PUBLISHED_BAND)),
        ("5.18", _TRANSFORMERS_5_17),
    ),
    "vllm": (
        ("0.8", Engine(scratch=vllm_v0_scratch, graphs=vllm_v0_graphs, **_VLLM)),
        ("0.9", Engine(scratch=vllm_v1_scratch, graphs=vllm_v1_graphs, large_defaults=True, **_VLLM)),
        ("0.10", Engine(scratch=vllm_v1_scratch, graphs=vllm_v1_graphs, large_defaults=True, latent=True, **_VLLM)),
        ("0.11", _vllm_with_windows(vllm_v1_scratch, vllm_v1_graphs, state_per_sequence=False)),
        ("0.20", _vllm_with_windows(vllm_v1_scratch, vllm_graphs, state_per_sequence=False)),
        ("0.22", _vllm_with_windows(vllm_v1_scratch, vllm_graphs, "all")),
        ("0.26", _vllm_with_windows(vllm_scratch, vllm_graphs, "mixtures")),
        ("0.27", _VLLM_0_26),
    ),
}
"""Before which version an engine was another, the oldest first.

Transformers: cache classes, last-token logits (huggingface/transformers #31292), sliding caches. vLLM: ``use_mla``
(docs.vllm.ai/en/v0.9.0, ``kv_cache_interface``; it may be older), windows in the hybrid cache manager (docs.vllm.ai,
``design/hybrid_kv_cache_manager``; 0.9.2 may have had it), whole graphs (0.11), the second runner (0.22,
``use_v2_model_runner``), graphs that count into the budget (0.20, ``VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS``, which
the second runner, for dense models, leaves out) and windows that hold two steps (0.26, ``max_in_flight_tokens``).

Measured were ExLlamaV2 0.3.2, ExLlamaV3 1.6.5, llama-cpp-python 0.3.36, SGLang 0.5.17, Transformers 5.17.0 and vLLM
0.26.0. What lies beside, later versions too, has a wider band.
"""
