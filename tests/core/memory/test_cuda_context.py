"""What a process holds on a GPU before it allocates: by the card, never more than the bound."""

from dataclasses import replace

import pytest

from quantpick.core.gpu import Gpu
from quantpick.core.memory.cuda_context import cuda_context_bytes
from quantpick.core.memory.engine import CUDA_CONTEXT_BYTES, OLD_CUDA_CONTEXT_BYTES
from quantpick.core.units import GIB, MIB

RTX_3060 = Gpu(
    index=0, name="NVIDIA GeForce RTX 3060", total_bytes=12 * GIB, free_bytes=12 * GIB, compute_capability=8.6
)


@pytest.mark.parametrize(
    ("name", "gib", "capability", "published_mib"),
    [
        # ggml-org/llama.cpp PR #23604 and invoke-ai/InvokeAI #9413, before any kernel is loaded.
        ("NVIDIA GeForce RTX 4060 Ti", 16, 8.9, 107),
        ("NVIDIA GeForce RTX 3090", 24, 8.6, 256),
    ],
)
def test_context_is_what_was_published_and_the_kernels(
    name: str, gib: int, capability: float, published_mib: int
) -> None:
    card = Gpu(index=0, name=name, total_bytes=gib * GIB, free_bytes=gib * GIB, compute_capability=capability)
    context = cuda_context_bytes(CUDA_CONTEXT_BYTES, card) - 92_000_000
    assert published_mib * MIB <= context <= 1.08 * published_mib * MIB


def test_card_that_is_known_needs_no_more_than_one_that_is_only_as_large() -> None:
    unknown = replace(RTX_3060, name="GPU 12.00 GiB")
    laptop = replace(RTX_3060, name="NVIDIA GeForce RTX 3060 Laptop GPU")
    known, only_large = (
        cuda_context_bytes(CUDA_CONTEXT_BYTES, RTX_3060),
        cuda_context_bytes(CUDA_CONTEXT_BYTES, unknown),
    )
    assert known < only_large == cuda_context_bytes(CUDA_CONTEXT_BYTES, laptop) < CUDA_CONTEXT_BYTES


def test_bound_stands_where_nothing_is_known_and_where_every_kernel_was_loaded() -> None:
    nobody_said = replace(RTX_3060, compute_capability=None)
    h100 = replace(RTX_3060, name="NVIDIA H100", total_bytes=80 * GIB, compute_capability=9.0)
    for gpu in (None, nobody_said, h100):
        assert cuda_context_bytes(CUDA_CONTEXT_BYTES, gpu) == CUDA_CONTEXT_BYTES
    assert cuda_context_bytes(OLD_CUDA_CONTEXT_BYTES, RTX_3060) == OLD_CUDA_CONTEXT_BYTES
