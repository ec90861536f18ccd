"""What SGLang uses besides weights and cache.

Measured on an H100 with SGLang 0.5.17 in 14 jobs of seven models (`benchmarks/vram/sglang_h100.json`): what torch
allocates at each step, and what the process holds outside it. Weights and cache get the share
`--mem-fraction-static` of the memory that is free before loading; what counts as graphs here must fit into the rest.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final

from quantpick.core.memory.engine import Load, ServerSettings
from quantpick.core.memory.servers import mlp_bytes
from quantpick.core.shape import ModelShape
from quantpick.core.units import GIB, MIB

_FP16: Final = 2
_FP32: Final = 4

SGLANG_CONTEXT_BYTES: Final = 642_000_000
"""The CUDA context before the first allocation: 612 MiB."""
_NCCL: Final = 70 * MIB
"""Allocated outside torch while the weights load, before the cache is sized."""
_ATTENTION: Final = 68 * MIB
"""Loaded outside torch by the first products: cuBLAS and kernels."""
_BUFFERS: Final = (32 + 9) * MIB
"""Allocated by attention and by a prompt in every model."""
_CAPTURES: Final = 48 * MIB
"""Allocated while graphs of batches are captured, in every model."""
_PREFILL_GRAPH_LAYER: Final = 153_000
"""Outside torch, per layer and captured prompt length: 0.135 to 0.146 MiB in 13 jobs, 0.153 in a mixture."""
_DECODE_GRAPH_LAYER: Final = 48_000
"""Outside torch, per layer and captured batch size: 0.036 to 0.046 MiB."""
_WORKSPACE: Final = 384 * MIB
_LARGER_WORKSPACE: Final = 512 * MIB
_LARGER_WORKSPACES: Final = frozenset({"qwen2", "qwen3", "qwen3_vl", "qwen3_vl_moe", "mimo"})
"""Families with the larger workspace of FlashInfer, the default backend except on Hopper and B200
(``layers/attention/flashinfer_backend.py``)."""

_DEFAULTS: Final = ((20, 2048, 8), (35, 2048, 24), (60, 4096, 32), (160, 8192, 256))
"""(GiB, tokens, sequences): below that size a GPU gets this prompt chunk and largest batch (``server_args.py``)."""


def sglang_settings(gpu_bytes: int | None, gpu_name: str = "") -> ServerSettings:
    """The chunk of a prompt and the largest captured batch that SGLang chooses for a GPU.

    Args:
        gpu_bytes: VRAM of one GPU; None counts as 20 to 35 GiB.
        gpu_name: ignored.

    >>> sglang_settings(24 * 2**30).max_num_batched_tokens, sglang_settings(80 * 2**30).max_num_seqs
    (2048, 256)
    """
    gib = 24 if gpu_bytes is None else gpu_bytes / GIB
    chunk, batch = next(((chunk, batch) for below, chunk, batch in _DEFAULTS if gib < below), (16384, 512))
    return ServerSettings(max_num_batched_tokens=chunk, max_num_seqs=batch)


def sglang_scratch(_: Load) -> int:
    """What counts into ``--mem-fraction-static`` besides weights and cache."""
    return _NCCL


def sglang_graphs(load: Load) -> int:
    """What must fit into the rest: a prompt's states, graphs of prompts and batches, logits, tables and workspaces.

    A chunk's peak is gate, up and their product, and four hidden states per token, in 16 bits. Capturing its graph
    takes two states more, and two remain: within 2 MiB of the measured peak in eleven quantized dense jobs. Logits are
    held twice in 32 bits, for the largest batch.
    """
    shape, settings = load.shape, load.settings
    chunk = settings.max_num_batched_tokens
    states = chunk * (mlp_bytes(load) + 8 * shape.hidden_size)
    if shape.num_local_experts > 1:
        states += chunk * 8 * shape.hidden_size
    requests = min(max(512 * load.batch, 2048), 4096) * (load.context_tokens + 4) * _FP32
    if not settings.enforce_eager:
        states += chunk * 8 * shape.hidden_size + 2 * settings.max_num_seqs * shape.vocab_size * _FP32
        captured = len(_prompt_sizes(chunk)) * _PREFILL_GRAPH_LAYER
        captured += len(_batch_sizes(settings.max_num_seqs)) * _DECODE_GRAPH_LAYER
        states += shape.num_hidden_layers * captured + _CAPTURES
    return states + requests + _ATTENTION + _BUFFERS + flashinfer_workspace(shape)


def flashinfer_workspace(shape: ModelShape) -> int:
    """Bytes of FlashInfer's workspace for a model; Hopper GPUs and the B200 need none."""
    return _LARGER_WORKSPACE if shape.model_type in _LARGER_WORKSPACES else _WORKSPACE


@cache
def _prompt_sizes(largest: int) -> tuple[int, ...]:
    """The captured prompt lengths (up to `largest` tokens; ``_generate_prefill_cuda_graph_batch_sizes``).

    >>> [len(_prompt_sizes(chunk)) for chunk in (2048, 4096, 8192)]
    [42, 50, 58]
    """

    def steps() -> Iterator[int]:
        yield from range(4, 33, 4)
        yield from range(48, 257, 16)
        yield from range(288, 513, 32)
        yield from range(576, 1025, 64)
        yield from range(1280, 4097, 256)
        yield from range(4608, largest + 1, 512)

    return tuple(size for size in steps() if size <= largest)


@cache
def _batch_sizes(largest: int) -> tuple[int, ...]:
    """The captured batch sizes (up to `largest` sequences; ``_generate_decode_cuda_graph_batch_sizes``).

    >>> [len(_batch_sizes(largest)) for largest in (8, 24, 256)]
    [4, 7, 36]
    """
    steps = (1, 2, 4, 8, 12, *range(16, 257, 8), *range(272, 512, 16), *range(512, largest + 1, 32))
    return tuple(size for size in steps if size <= largest)
