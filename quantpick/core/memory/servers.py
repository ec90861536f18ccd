"""What the servers use besides weights and cache: the peak of one step, and their CUDA graphs."""

from collections.abc import Iterator
from functools import cache
from typing import Final

from quantpick.core.memory.engine import Load, ServerSettings, by_first_runner
from quantpick.core.memory.kv_cache import UNPACKED
from quantpick.core.memory.weights import rounded_up
from quantpick.core.units import GIB, MIB

_FP16: Final = 2
_FP32: Final = 4

VLLM_CONTEXT_BYTES: Final = 552_000_000
"""The CUDA context at vLLM's start-up, outside its budget: 79.18 GiB in total less 78.66 free, on an H100."""

_NON_TORCH: Final = 236_000_000
"""Growth outside torch while vLLM starts (kernels, NCCL, cuBLAS): 0.22 GiB by its own log in each of 17 runs."""

_LARGE_GPU: Final = 70 * GIB


def default_settings(gpu_bytes: int | None, gpu_name: str = "") -> ServerSettings:
    """The defaults of vLLM's server: larger on a GPU of 70 GiB or more, an A100 excepted.

    vllm ``engine/arg_utils.py``, ``get_batch_defaults``, the same from 0.8.5 to 0.33 (0.8.5 makes no exception).

    Args:
        gpu_bytes: VRAM of one GPU; None counts as below 70 GiB.
        gpu_name: its name.

    >>> default_settings(24 * 2**30).max_num_seqs, default_settings(80 * 2**30, "H100").max_num_seqs
    (256, 1024)
    """
    if gpu_bytes is not None and gpu_bytes >= _LARGE_GPU and "a100" not in gpu_name.lower():
        return ServerSettings(max_num_batched_tokens=8192, max_num_seqs=1024)
    return ServerSettings()


def vllm_scratch(load: Load) -> int:
    """The peak of vLLM's profile run since 0.22, and its memory outside torch.

    Compilation copies the embedding once. With two hidden states per token, that is the peak of every compiled dense
    job measured on an H100 (0.26.0, vocabularies of 32,000 to 262,208, hidden sizes of 1,536 to 8,192), to 0.01 GiB.
    Without compilation it is the MLP: gate, up and their product, and four hidden states, to 0.02 GiB. The logits of
    one step are held in 16 and 32 bits (``v1/worker/gpu/sample/sampler.py``). The first runner also holds their
    probabilities and random numbers, and a row of 32 bits per multiprocessor (``v1/sample/ops/topk_topp_triton.py``):
    within 0.07 GiB of twelve mixtures and hybrids on an H200.
    """
    if by_first_runner(load.shape):
        return _step(load, bytes_per_logit=_FP16 + 3 * _FP32, rows=_MULTIPROCESSORS)
    return _step(load, bytes_per_logit=_FP16 + _FP32)


_MULTIPROCESSORS: Final = 132
"""Of an H100 and an H200; most smaller GPUs have fewer."""


def vllm_v1_scratch(load: Load) -> int:
    """The same with the first V1 runner, whose sampler sorts.

    The logits in 16 and 32 bits, sorted, their indices, probabilities, sums and mask
    (``v1/sample/ops/topk_topp_sampler.py``, read in 0.10; not measured).
    """
    return _step(load, bytes_per_logit=27)


def vllm_v0_scratch(load: Load) -> int:
    """The same before 0.8, which compiled nothing; its sampler sorts too (``model_executor/layers/sampler.py``)."""
    return _step(load, bytes_per_logit=27, compiled=False)


def _step(load: Load, *, bytes_per_logit: int, rows: int = 0, compiled: bool = True) -> int:
    """The peak of one step, what stays beside the weights, and the memory outside torch.

    A mixture's experts work in buffers that outlast them (``v1/worker/workspace.py``, since 0.13), so that the next
    layer's attention and the logits come on top: Mixtral at 8,192 tokens 1.88 GiB, measured 1.87.
    """
    shape, settings = load.shape, load.settings
    tokens = min(settings.max_num_batched_tokens, settings.max_num_seqs * load.context_tokens)
    states = tokens * shape.hidden_size * _FP16
    copied = shape.vocab_size * shape.hidden_size * _FP16 // load.ways + 2 * states
    sampled = min(settings.max_num_seqs, tokens)
    logits = (sampled * bytes_per_logit + min(rows, sampled) * _FP32) * shape.vocab_size
    compiling = copied if compiled and not settings.enforce_eager else 0
    experts = tokens * _experts_bytes(load)
    step = max(tokens * (mlp_bytes(load) - _experts_bytes(load)), _unpacked_bytes(load)) + 4 * states
    images, outputs = _image_bytes(load)
    peak = max(compiling, experts + max(step, logits + 2 * states))
    return max(peak + outputs, images) + _beside_weights(load) + _NON_TORCH


_IMAGE_STATES: Final = 29
"""16-bit states per patch that a vision tower holds at its peak. Three published starts of vLLM: 4.92 GiB for
Qwen2.5-VL-7B and 8.3 for Qwen3.6-35B-A3B with two images (their logs; 31 and 28 states), and no more than 3.7 for
Qwen3.6-27B on an H100 (856 blocks, vllm-project/recipes #551; 26)."""


def _image_bytes(load: Load) -> tuple[int, int]:
    """The peak of a vision tower in the profile run, and the bytes of its outputs while the language model runs.

    It sees as many of the largest images as fit a step's tokens, at least one (vllm
    ``v1/worker/gpu_model_runner.py``, ``profile_run``). Every GPU holds all of their states.
    """
    shape = load.shape
    if not shape.image_patches:
        return 0, 0
    images = max(1, load.settings.max_num_batched_tokens // shape.image_tokens)
    states = images * shape.image_patches * shape.image_hidden_size * _FP16
    return _IMAGE_STATES * states, images * shape.image_tokens * shape.hidden_size * _FP16


_LATENT_TOKENS: Final = 64 * 1024
_LATENT_BLOCK: Final = 64
"""Tokens of a block of MLA's cache on Hopper (FlashMLA); 16 with Triton's kernel, which takes less."""


def _latent_tokens(load: Load) -> int:
    """Tokens of context that MLA unpacks at once: 8 whole contexts or 4 blocks per sequence, at most 65,536.

    vllm ``layers/attention/mla_attention.py``, ``determine_chunked_prefill_workspace_size``. The peaks of DeepSeek-V2
    Lite and of a DeepSeek-V3 with five layers are within 0.1 GiB.
    """
    asked = max(8 * load.context_tokens, 4 * load.settings.max_num_seqs * _LATENT_BLOCK)
    return min(asked, _LATENT_TOKENS) if load.shape.kv_lora_rank and load.shape.model_type not in UNPACKED else 0


def _value_dims(load: Load) -> int:
    """Elements of one head unpacked from MLA's latent vector: values, and keys without their rotated part."""
    shape = load.shape
    return shape.head_dim - shape.qk_rope_head_dim + (shape.v_head_dim or shape.head_dim)


def _unpacked_bytes(load: Load) -> int:
    """The keys and values that MLA unpacks at once; the profile run reserves room for them."""
    return _latent_tokens(load) * (load.shape.num_attention_heads // load.ways) * _value_dims(load) * _FP16


def _latent_bytes(load: Load) -> int:
    """What MLA holds besides: a second, 16-bit copy of the unpacking matrix, for decoding, and a context's buffer.

    ``process_weights_after_loading`` (``W_UK_T``, ``W_UV``) and ``chunked_prefill_workspace`` of the same file.
    """
    shape = load.shape
    absorbed = shape.num_attention_heads // load.ways * _value_dims(load) * shape.kv_lora_rank * shape.num_hidden_layers
    return (absorbed + _latent_tokens(load) * (shape.kv_lora_rank + shape.qk_rope_head_dim)) * _FP16


def _beside_weights(load: Load) -> int:
    """What vLLM holds with the weights that is not in the files: rotary tables, AWQ's zeros in 16 bits, rounding.

    The tables cover every position the model was made for; windowed layers may have a second one
    (``rotary_embedding/base.py``). Machete, which reads no experts, unpacks the zeros
    (``kernels/linear/mixed_precision/machete.py``). The sum with the weights is 0.02 GiB below to 0.03 above vLLM's log
    in 13 of 16 runs, 0.2 below for Gemma 3.
    """
    shape, quant = load.shape, load.quant
    positions = max(load.context_tokens, shape.max_position_embeddings or 0)
    tables = positions * (shape.qk_rope_head_dim or shape.head_dim) * _FP16 * (1 + (shape.num_sliding_layers > 0))
    fused = _fused(load)
    zeros = 0
    if quant.method == "awq" and quant.bits and quant.group_size:
        weights = sum(rows * columns * count for rows, columns, count in (fused if _is_dense(load) else fused[:2]))
        zeros = round(weights / quant.group_size * (_FP16 - quant.bits / 8))
    return tables + zeros + rounded_up(quant, fused) + (_latent_bytes(load) if shape.kv_lora_rank else 0)


def _fused(load: Load) -> tuple[tuple[int, int, int], ...]:
    """One GPU's matrices as vLLM holds them, as (inputs, outputs, count): those with the same input are joined."""
    shape, layers = load.shape, load.shape.num_hidden_layers
    queries, keys = shape.num_attention_heads * shape.head_dim, shape.num_key_value_heads * shape.head_dim
    width = shape.intermediate_size * (shape.mlp_matrices - 1)
    return (
        (shape.hidden_size, (queries + 2 * keys) // load.ways, layers),
        (queries // load.ways, shape.hidden_size, layers),
        (shape.hidden_size, width * shape.num_local_experts // load.ways, layers),
        (shape.intermediate_size * shape.num_local_experts // load.ways, shape.hidden_size, layers),
    )


def mlp_bytes(load: Load) -> int:
    """Bytes of the MLP's states per token: gate, up and their product, in each expert the token passes.

    A mixture's first and third state share a buffer.
    """
    shape = load.shape
    if _is_dense(load):
        return 3 * (shape.intermediate_size // load.ways) * _FP16
    return _experts_bytes(load) + 3 * (shape.shared_intermediate_size // load.ways) * _FP16


def _is_dense(load: Load) -> bool:
    return load.shape.num_local_experts == 1


def _experts_bytes(load: Load) -> int:
    """The same of the experts alone: two buffers (``fused_moe/experts/marlin_moe.py``, ``workspace_shapes``)."""
    shape, width = load.shape, load.shape.intermediate_size // load.ways
    if _is_dense(load):
        return 0
    taken = shape.expert_hidden_size or shape.hidden_size
    return shape.num_experts_per_tok * (max(2 * width, taken) + max(width, taken)) * _FP16


_GRAPH_LAYER: Final = 240_000
"""Bytes per layer and captured batch size: 0.17 to 0.24 MB in eight models on an H100 (vLLM 0.26)."""

_GRAPH_LAYER_MORE: Final = 50_000
"""More bytes per layer if every head has its own keys (0.05 MB in two models); as many again if act order permutes the
inputs of its matrices (one model)."""

_GRAPH_LAYER_WIDE: Final = 860_000
"""Bytes per layer of the second runner's whole graph of more than 256 sequences, if heads share keys: 0.51 to 0.84 MB
in seven models, of 512 and of 1,024 sequences."""

_SPLITS: Final = 32
"""Parts in which FlashAttention reads the latent cache of each sequence (vllm ``flashattn_mla.py``,
``flash_attn_max_num_splits_for_cuda_graph``)."""


def vllm_graphs(load: Load) -> int:
    """CUDA graphs since 0.11: per batch size the pieces between attention layers, and the whole model for decoding.

    Outside the budget since 0.22, as the second runner does not count them (vllm ``v1/worker/gpu_worker.py``).
    """
    largest = min(2 * load.settings.max_num_seqs, 512)
    largest = min(_CAPTURED.get(load.shape.model_type or "", largest), load.settings.max_num_batched_tokens)
    return _graph_bytes(load, *_captured(load.settings.max_num_seqs, largest)) + _latent_graph_bytes(load, largest)


_CAPTURED: Final = {"gpt_oss": 1024}
"""Families whose largest captured batch size is fixed (vllm ``model_executor/models/config.py``)."""


def _latent_graph_bytes(load: Load, largest: int) -> int:
    """What MLA's graphs keep: the context that pieces unpack, and each sequence's partial sums in 32 bits.

    Measured on an H200 beside the graphs themselves: 1.0 GiB for DeepSeek-V2 Lite (estimate 0.75, and 1.0 at 512
    sequences), 6.1 for a DeepSeek-V3 with four layers (6.0), 2.5 for one of five (2.5) with 64 sequences. A hybrid of
    twelve layers kept neither.
    """
    shape, settings = load.shape, load.settings
    if not _latent_tokens(load) or settings.enforce_eager or shape.num_state_layers:
        return 0
    heads = shape.num_attention_heads // load.ways
    return _unpacked_bytes(load) + _SPLITS * min(settings.max_num_seqs, largest) * heads * shape.kv_lora_rank * _FP32


@cache
def _captured(sequences: int, largest: int) -> tuple[int, int]:
    """How many graphs are captured but for whole ones of more than 256 sequences, and how many of those."""
    pieces = list(_capture_sizes(largest))
    whole = [size for size in pieces if size <= sequences]
    wide = sum(size > 256 for size in whole)
    return len(pieces) + len(whole) - wide, wide


def vllm_v1_graphs(load: Load) -> int:
    """CUDA graphs of 0.8 to 0.10: only the pieces, for every eighth batch size up to 512 (``config.py``)."""
    return _graph_bytes(load, 3 + 512 // 8)


def vllm_v0_graphs(load: Load) -> int:
    """CUDA graphs before 0.8: the whole model, for every eighth batch size up to 256 (``worker/model_runner.py``)."""
    return _graph_bytes(load, 3 + min(load.settings.max_num_seqs, 256) // 8)


def _graph_bytes(load: Load, graphs: int, wide: int = 0) -> int:
    shape = load.shape
    if load.settings.enforce_eager:
        return 0
    own_keys = shape.num_key_value_heads == shape.num_attention_heads
    layer = _GRAPH_LAYER + _GRAPH_LAYER_MORE * ((own_keys and not shape.kv_lora_rank) + (load.quant.desc_act is True))
    wider = layer if own_keys or by_first_runner(shape) else _GRAPH_LAYER_WIDE
    return shape.num_hidden_layers * (graphs * layer + wide * wider)


def _capture_sizes(largest: int) -> Iterator[int]:
    """The captured batch sizes (vllm ``config/vllm.py``, ``_set_cudagraph_sizes``).

    >>> len(list(_capture_sizes(512))), list(_capture_sizes(32))
    (51, [1, 2, 4, 8, 16, 24, 32])
    """
    yield from (size for size in (1, 2, 4) if size <= largest)
    yield from range(8, min(largest + 1, 256), 8)
    yield from range(256, largest + 1, 16)


def server_scratch(load: Load) -> int:
    """TGI, LMDeploy: the states of one chunk of 2048 tokens, sampling of 256 sequences, and 0.5 GiB of graphs.

    The graphs are a rule of thumb (logs of 0.5 to 1.5 GiB: vLLM PR #10511, #13109). Not measured.
    """
    chunk = load.settings.max_num_batched_tokens
    states = chunk * (mlp_bytes(load) + 4 * load.shape.hidden_size * _FP16)
    return states + 2 * 256 * load.shape.vocab_size * _FP32 + 512 * MIB
