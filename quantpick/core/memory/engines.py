"""What each inference engine uses besides weights and cache: buffers, the peak of its prefill, the CUDA context.

`ENGINES` has one row per engine; a loader's rules name the row. Every formula says what it stands for and where it was
read or measured; ``benchmarks/vram_accuracy.py`` compares them with measurements.
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
from quantpick.core.memory.kv_cache import CHUNK_TOKENS, UNPACKED
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
from quantpick.core.memory.transformers import (
    all_logits_scratch,
    autoawq_scratch,
    autogptq_scratch,
    copied_cache_scratch,
    grouped_experts_scratch,
    old_autogptq_scratch,
    or_own_code,
    transformers_scratch,
)
from quantpick.core.memory.weights import linears, rounded_up
from quantpick.core.units import MIB

_FP16: Final = 2


@cache
def engine_at(name: str, version: str | None) -> Engine:
    """The engine at a version; the newest if that is None or not a version."""
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

    temp_state, temp_mlp and temp_dq (turboderp/exllama at 3b013cd, ``model.py``); scores and softmax in fp16, and
    chunks are cut to keep queries x keys under ``max_attention_size`` = 2048 squared. Residuals of the README's
    table over weights, head and cache: 582, 738, 1064 and 1665 MiB for 7, 13, 33 and 65B; this gives 579, 752, 1029
    and 1330.
    """
    shape, tokens = load.shape, min(load.prompt_tokens, CHUNK_TOKENS)
    buffers = (CHUNK_TOKENS + 4) * shape.intermediate_size * _FP16
    dequantized = shape.hidden_size * shape.intermediate_size * _FP16
    attention = 2 * shape.num_attention_heads * tokens * tokens * _FP16
    return buffers + dequantized + load.batch * attention


def _exllamav2(load: Load) -> int:
    """ExLlamaV2: its scratch, and the larger of the last layer's need while loading and the prefill's.

    Scratch is the largest request of any layer (turboderp-org/exllamav2 0.3.2, ``scratch_space_fixed`` of
    ``linear.py``, ``mlp.py``): a matrix in fp16, at most 512 Mi elements, and for an MLP the states of a chunk. A
    cache of fewer than 16 bits unpacks one layer (``cache.py``, ``touch_device``). ``load_autosplit`` reserves
    192 + 256 MiB and runs a whole chunk through each layer (``model.py``), including the head's logits in fp16:
    within 1 MB of the peak measured on an H100 in 13 runs. The prefill without flash attention copies grouped keys
    and values to every head (``attn.py``, ``repeat_kv``) and has five states of a chunk: 0 to 131 MB above the same
    runs. With flash attention it needs less. 35 MiB and the rotary tables come on top.
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
    2 x hidden x intermediate bytes for the matrix and, per token of a 2048-token chunk, six fp16 states of the
    intermediate size and 5.5 of the hidden size (gate and up are fp32). The head sees only the last token
    (turboderp-org/exllamav3 1.6.5, ``model_ls.py``). 64 MiB are a margin for what two shapes did not show.
    """
    shape = load.shape
    matrix = shape.hidden_size * shape.intermediate_size * _FP16
    states = min(CHUNK_TOKENS, load.context_tokens) * (12 * shape.intermediate_size + 11 * shape.hidden_size)
    return (125 + 64) * MIB + matrix + states


class _Vllm(TypedDict):
    cache_block_tokens: int
    cuda_context_bytes: int
    slack: float
    has_settings: bool
    unpacked: frozenset[str]


_VLLM: Final[_Vllm] = {
    "cache_block_tokens": 16,
    "cuda_context_bytes": VLLM_CONTEXT_BYTES,
    "slack": 0.0,
    "has_settings": True,
    "unpacked": UNPACKED,
}
"""True of every vLLM. Its budget counts what torch allocates, not what torch reserves."""


def _vllm_with_windows(
    scratch: Callable[[Load], int],
    graphs: Callable[[Load], int],
    budgeted: Literal["none", "first-runner", "all"] = "none",
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
    graphs_budgeted="first-runner",
    batches_in_flight=2,
    band=MEASURED_BAND,
    mixtures_measured=True,
    windowed=True,
    latent=True,
    large_defaults=True,
    **_VLLM,
)
_TRANSFORMERS_5_17: Final = Engine(
    scratch=or_own_code(grouped_experts_scratch), latent=True, band=MEASURED_BAND, mixtures_measured=True
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
    "transformers": replace(_TRANSFORMERS_5_17, band=PUBLISHED_BAND, mixtures_measured=False),
    "autogptq": Engine(scratch=autogptq_scratch, band=PUBLISHED_BAND),
    "autoawq": Engine(scratch=autoawq_scratch, cache_least_tokens=2048, band=PUBLISHED_BAND),
    "gptq-for-llama": Engine(scratch=copied_cache_scratch),
    "vllm": replace(_VLLM_0_26, band=PUBLISHED_BAND, mixtures_measured=False),
    "sglang": replace(_SGLANG, band=PUBLISHED_BAND),
    "tgi": Engine(scratch=server_scratch),
    "lmdeploy": Engine(scratch=server_scratch, cache_block_tokens=64),
    "llama.cpp": _LLAMA_CPP,
    "llama.cpp-library": replace(_LLAMA_CPP, scratch=library_scratch_of_llama_cpp, band=UNMEASURED_BAND),
}
"""One row per engine, at its newest version. To add one, write its scratch formula and name it here."""

EARLIER: Final[Mapping[str, tuple[tuple[str, Engine], ...]]] = {
    "autogptq": (
        (
            "0.5",
            Engine(scratch=or_own_code(copied_cache_scratch), cuda_context_bytes=OLD_CUDA_CONTEXT_BYTES),
        ),
        ("0.6", Engine(scratch=old_autogptq_scratch, cuda_context_bytes=OLD_CUDA_CONTEXT_BYTES)),
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
            Engine(scratch=or_own_code(copied_cache_scratch), cuda_context_bytes=OLD_CUDA_CONTEXT_BYTES),
        ),
        ("4.45", Engine(scratch=or_own_code(all_logits_scratch), band=PUBLISHED_BAND)),
        ("5.0", Engine(scratch=or_own_code(transformers_scratch), band=PUBLISHED_BAND)),
        ("5.17", Engine(scratch=or_own_code(grouped_experts_scratch), band=PUBLISHED_BAND)),
        ("5.18", _TRANSFORMERS_5_17),
    ),
    "vllm": (
        ("0.8", Engine(scratch=vllm_v0_scratch, graphs=vllm_v0_graphs, **_VLLM)),
        ("0.9", Engine(scratch=vllm_v1_scratch, graphs=vllm_v1_graphs, large_defaults=True, **_VLLM)),
        ("0.10", Engine(scratch=vllm_v1_scratch, graphs=vllm_v1_graphs, large_defaults=True, latent=True, **_VLLM)),
        ("0.11", _vllm_with_windows(vllm_v1_scratch, vllm_v1_graphs, state_per_sequence=False)),
        ("0.20", _vllm_with_windows(vllm_v1_scratch, vllm_graphs, state_per_sequence=False)),
        ("0.22", _vllm_with_windows(vllm_v1_scratch, vllm_graphs, "all")),
        ("0.26", _vllm_with_windows(vllm_scratch, vllm_graphs, "first-runner")),
        ("0.27", _VLLM_0_26),
    ),
}
"""Older forms of an engine, each with the version it ends before, the oldest first.

Transformers: cache classes, last-token logits (huggingface/transformers #31292), joined experts (5.0), MLA's compressed
cache (it may be older than 5.17). vLLM: ``use_mla``
(docs.vllm.ai/en/v0.9.0, ``kv_cache_interface``; it may be older), windows in the hybrid cache manager (docs.vllm.ai,
``design/hybrid_kv_cache_manager``; 0.9.2 may have had it), whole graphs (0.11), the second runner (0.22,
``use_v2_model_runner``), graphs counted in the budget (0.20, ``VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS``, which
the second runner ignores) and windows that hold two steps (0.26, ``max_in_flight_tokens``).

Measured: ExLlamaV2 0.3.2, ExLlamaV3 1.6.5, llama-cpp-python 0.3.36, SGLang 0.5.17, Transformers 5.17.0 and vLLM
0.26.0. All other versions, later ones too, have a wider band.
"""
