"""What a CUDA process holds on a GPU before it allocates anything."""

import re
from typing import Final

from quantpick.core.gpu import Gpu
from quantpick.core.memory.engine import CUDA_CONTEXT_BYTES
from quantpick.core.units import GIB, MIB

_PER_MULTIPROCESSOR: Final = round(3.2 * MIB)
"""A context grows with the GPU's multiprocessors. Published: 107 MiB on an RTX 4060 Ti (34) and 555 MiB on an RTX PRO
6000 Blackwell (188; both ggml-org/llama.cpp PR #23604), 256 MiB on an RTX 3090 (82; invoke-ai/InvokeAI #9413): 3.0 to
3.15 MiB each. An H100 takes more (4.7 MiB each, measured), so data-centre GPUs keep the bound."""

_KERNELS: Final = 92_000_000
"""Kernels loaded while the process runs: 78 to 92 MB, measured on an H100."""

_MOST_MULTIPROCESSORS: Final = ((8, 48), (11, 72), (12, 80), (16, 84), (24, 128), (32, 170))
"""(GiB, multiprocessors): no GeForce, RTX or Quadro with at most that much memory has more of them (NVIDIA's own
specifications: RTX 3070 Ti, 2080 Ti, 3080 Ti, 5080, 4090, 5090)."""

_MULTIPROCESSORS: Final = {
    "rtx 2060": 30, "rtx 2060 super": 34, "rtx 2070": 36, "rtx 2070 super": 40, "rtx 2080": 46, "rtx 2080 super": 48,
    "rtx 2080 ti": 68, "rtx 3050": 20, "rtx 3060": 28, "rtx 3060 ti": 38, "rtx 3070": 46, "rtx 3070 ti": 48,
    "rtx 3080": 70, "rtx 3080 ti": 80, "rtx 3090": 82, "rtx 3090 ti": 84, "rtx 4060": 24, "rtx 4060 ti": 34,
    "rtx 4070": 46, "rtx 4070 super": 56, "rtx 4070 ti": 60, "rtx 4070 ti super": 66, "rtx 4080": 76,
    "rtx 4080 super": 80, "rtx 4090": 128, "rtx 5060": 30, "rtx 5060 ti": 36, "rtx 5070": 48, "rtx 5070 ti": 70,
    "rtx 5080": 84, "rtx 5090": 170,
}  # fmt: skip
"""Multiprocessors of desktop GeForce GPUs by name (NVIDIA's own specifications: CUDA cores divided by 64 for Turing, by
128 since Ampere). Where two GPUs share a name, the larger number."""

_CONSUMER: Final = frozenset({6.1, 7.5, 8.6, 8.9, 12.0})
"""Compute capabilities of GeForce and RTX GPUs."""


def cuda_context_bytes(bound: int, gpu: Gpu | None) -> int:
    """Bytes of CUDA context and kernels of one process on a GPU, never more than `bound`.

    Args:
        bound: the engine's figure for the largest GPU measured, in bytes. It is the answer for an unknown GPU, and for
            engines of the time when CUDA loaded every kernel at start-up.
        gpu: the GPU; unknown if None or without a compute capability.

    >>> ada = Gpu(index=0, name="GPU", total_bytes=12 * GIB, free_bytes=12 * GIB, compute_capability=8.9)
    >>> cuda_context_bytes(743_000_000, ada) // MIB, cuda_context_bytes(743_000_000, None) // MIB
    (343, 708)
    """
    if gpu is None or gpu.compute_capability not in _CONSUMER or bound > CUDA_CONTEXT_BYTES:
        return bound
    most = _multiprocessors(gpu)
    return bound if most is None else min(bound, most * _PER_MULTIPROCESSOR + _KERNELS)


def _multiprocessors(gpu: Gpu) -> int | None:
    """An upper bound of its multiprocessors: by name for a desktop GeForce, else by memory.

    >>> memory = {"total_bytes": 12 * GIB, "free_bytes": 12 * GIB}
    >>> names = ("NVIDIA GeForce RTX 3060", "RTX 3060 12GB", "NVIDIA GeForce RTX 3060 Laptop GPU")
    >>> [_multiprocessors(Gpu(index=0, name=name, **memory)) for name in names]
    [28, 28, 80]
    """
    name = re.sub(r"nvidia|geforce|\d+ ?gi?b|[()]", " ", gpu.name.lower())
    named = _MULTIPROCESSORS.get(" ".join(name.split()))
    return named or next((count for gib, count in _MOST_MULTIPROCESSORS if gpu.total_bytes <= gib * GIB), None)
