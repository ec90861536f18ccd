"""Whether one quantization fits these GPUs under this loader, by how much, and up to which context."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Final

from quantpick.core.choose.wish import Headroom, VramBasis
from quantpick.core.gpu import Gpu
from quantpick.core.loaders.shards import cuts_evenly
from quantpick.core.loaders.table import MemoryFraction, Sharding, Split
from quantpick.core.memory import estimate as memory
from quantpick.core.memory.estimate import VramEstimate
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape

MAX_CONTEXT_TOKENS: Final = 2**20
"""Where the search for the largest context stops when nobody knows the model's own limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be run, where, and with how much of the memory.

    Args:
        quant, shape: the weights.
        size_bytes: bytes of the weight files; None has them computed.
        engine: the memory model, a key of `engines.ENGINES`.
        version: the engine's version, None for the newest.
        split: how the loader uses several GPUs.
        heads_divisible: whether a tensor split needs attention heads that divide by the number of GPUs.
        sharding: what a tensor split wants of the parts of a matrix, None for whole groups.
        unequal_gpus: whether a layer split may fill unequal GPUs unequally.
        fraction: the part of the memory a pre-allocating server takes, or None for what is needed.
        kv_bytes: bytes per element of the KV cache.
        batch: sequences at once.
        gpus: the machine, at least one GPU.
        vram_basis: count what is free now, or the whole card.
        headroom: VRAM to leave alone on each GPU.
    """

    quant: QuantSpec
    shape: ModelShape
    size_bytes: int | None
    engine: str
    version: str | None
    split: Split
    heads_divisible: bool
    sharding: Sharding | None
    unequal_gpus: bool
    fraction: MemoryFraction | None
    kv_bytes: float
    batch: int
    gpus: Sequence[Gpu]
    vram_basis: VramBasis
    headroom: Headroom


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a job sits in its memory.

    Args:
        estimate: VRAM needed, over all GPUs used.
        budget_bytes: VRAM the loader may use on those GPUs.
        gpus_used: how many GPUs that is.
        max_context_tokens: the largest context that fits, 0 when not even one token does.
    """

    estimate: VramEstimate
    budget_bytes: int
    gpus_used: int
    max_context_tokens: int

    @property
    def spare_bytes(self) -> int:
        """Bytes to spare; negative is what is missing."""
        return self.budget_bytes - self.estimate.total_bytes


def fit(job: Job, context_tokens: int) -> Fit:
    """The job on as few of its GPUs as it fits on; where it fits on none, on those where the least is missing.

    Args:
        job: what to run.
        context_tokens: tokens of context, at least 1.
    """
    return reduce(_better, (_sit(job, count, available, context_tokens) for count, available in _ways(job)))


def _sit(job: Job, count: int, available: int, context_tokens: int) -> Fit:
    """The job on `count` GPUs with `available` bytes over them."""
    estimate = _estimate(job, count, context_tokens)
    return Fit(
        estimate=estimate,
        budget_bytes=_budget(job, available, estimate),
        gpus_used=count,
        max_context_tokens=_largest_context(job, partial(_fits, job, count, available)),
    )


def _better(one: Fit, other: Fit) -> Fit:
    """The one that fits, the earlier first; else the one that misses less. The larger context of the two is kept."""
    taken = one if one.spare_bytes >= min(0, other.spare_bytes) else other
    return replace(taken, max_context_tokens=max(one.max_context_tokens, other.max_context_tokens))


def _ways(job: Job) -> Iterator[tuple[int, int]]:
    """Each way to use the GPUs, fewest first: how many, and the bytes available over them.

    A layer split adds up unequal GPUs. Tensor parallelism takes the same from each, so the smallest counts, and only as
    many as divide the attention heads (vLLM ``config/model.py``) and as the loader can cut the matrices for.
    """
    shares = sorted((_share(job, gpu) for gpu in job.gpus), reverse=True)
    yield 1, shares[0]
    for count in range(2, len(shares) + 1):
        if job.split == "layers":
            yield count, sum(shares[:count]) if job.unequal_gpus else count * shares[count - 1]
        elif job.split == "tensor" and _cuts_evenly(job, count):
            yield count, count * shares[count - 1]


def _cuts_evenly(job: Job, count: int) -> bool:
    return cuts_evenly(job.quant, job.shape, count, job.sharding, heads_divisible=job.heads_divisible)


def _share(job: Job, gpu: Gpu) -> int:
    """Bytes that may be used on one GPU."""
    basis = gpu.free_bytes if job.vram_basis == "free" else gpu.total_bytes
    share = max(0, basis - job.headroom.on(gpu))
    if job.fraction is not None and job.fraction.of == "total":
        share = min(share, round(job.fraction.value * gpu.total_bytes))
    return share


def _budget(job: Job, available: int, estimate: VramEstimate) -> int:
    """Bytes the loader may use. A server whose KV pool is a share of what is *left* cannot use the rest of it."""
    if job.fraction is None or job.fraction.of == "total":
        return available
    return max(0, available - round(estimate.kv_cache_bytes * (1 / job.fraction.value - 1)))


def _estimate(job: Job, count: int, context_tokens: int) -> VramEstimate:
    """VRAM on `count` GPUs; under tensor parallelism key/value heads are copied where there are fewer than GPUs."""
    copies = max(1.0, count / job.shape.num_key_value_heads) if job.split == "tensor" else 1.0
    return memory.estimate(
        job.quant,
        job.shape,
        engine=job.engine,
        context_tokens=context_tokens,
        kv_bytes_per_element=job.kv_bytes,
        batch=job.batch,
        weights_file_bytes=job.size_bytes,
        version=job.version,
        gpus=count,
        kv_copies=copies,
    )


def _fits(job: Job, count: int, available: int, context_tokens: int) -> bool:
    estimate = _estimate(job, count, context_tokens)
    return estimate.total_bytes <= _budget(job, available, estimate)


def _largest_context(job: Job, fits: Callable[[int], bool]) -> int:
    """The largest context for which `fits` holds, by bisection: a larger context never needs less."""
    low, high = 0, job.shape.max_position_embeddings or MAX_CONTEXT_TOKENS
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
