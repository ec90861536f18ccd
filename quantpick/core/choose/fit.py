"""Whether one quantization fits these GPUs under this loader, by how much, and up to which context."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Final

from quantpick.core.choose.wish import Headroom, VramBasis
from quantpick.core.gpu import Gpu
from quantpick.core.loaders.shards import cuts_evenly
from quantpick.core.loaders.table import MemoryFraction, Sharding, Split
from quantpick.core.memory import estimate as memory
from quantpick.core.memory.cuda_context import cuda_context_bytes
from quantpick.core.memory.engine import CUDA_CONTEXT_BYTES, UNMEASURED_BAND, Engine, ServerSettings
from quantpick.core.memory.engines import engine_at
from quantpick.core.memory.estimate import Spread, VramEstimate
from quantpick.core.memory.servers import default_settings
from quantpick.core.memory.weights import embedding_bytes, head_bytes
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape

MAX_CONTEXT_TOKENS: Final = 2**20
"""Where the search for the largest context stops if the model's own limit is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to run, on which GPUs, and with how much of their memory.

    Args:
        quant, shape: the weights.
        size_bytes: bytes of the weight files; None computes them.
        engine: the memory model, a key of `engines.ENGINES`.
        version: the engine's version, None for the newest.
        engine_stands_in: whether the memory model is borrowed from another engine.
        split: how the loader uses several GPUs.
        heads_divisible: whether a tensor split needs attention heads that divide by the number of GPUs.
        sharding: how a tensor split may cut a matrix; None for whole groups.
        unequal_gpus: whether a layer split may put different amounts on unequal GPUs.
        fraction: the share of memory that a server allocates at start-up; None if it takes what it needs.
        kv_bytes: bytes per element of the KV cache.
        batch: sequences at once.
        gpus: the machine, at least one GPU.
        vram_basis: whether to count the memory free now, or all of it.
        headroom: VRAM to leave alone on each GPU.
        beside_bytes: bytes loaded besides the model, on one GPU. They count as scratch memory: none of it can stay in
            RAM.
    """

    quant: QuantSpec
    shape: ModelShape
    size_bytes: int | None
    engine: str
    version: str | None
    engine_stands_in: bool
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
    beside_bytes: int = 0

    @property
    def engine_at(self) -> Engine:
        """The engine at its version."""
        return engine_at(self.engine, self.version)

    @property
    def settings(self) -> tuple[ServerSettings, ...]:
        """The settings its server can be started with, the default first, each needing less memory than the last."""
        engine, largest = self.engine_at, max(self.gpus, key=lambda gpu: gpu.total_bytes)
        if not engine.has_settings:
            return (ServerSettings(),)
        if engine.own_defaults is not None:
            return (engine.own_defaults(largest.total_bytes, largest.name),)
        usual = default_settings(largest.total_bytes if engine.large_defaults else None, largest.name)
        few = replace(usual, max_num_batched_tokens=2048, max_num_seqs=max(_FEW_SEQUENCES, self.batch))
        return usual, few, replace(few, enforce_eager=True)


_FEW_SEQUENCES: Final = 16
"""Sequences at once if a server's default does not fit: enough for a few users, with a tenth of the CUDA graphs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a job fits its memory.

    Args:
        estimate: VRAM needed, over all GPUs used.
        budget_bytes: VRAM the loader may use on those GPUs.
        gpus_used: the number of GPUs used.
        max_context_tokens: the largest context that fits; 0 if not even one token does.
        settings: the server's settings; None if the engine has none.
        utilization: the share of each GPU that the server is told to use; None if it takes no such setting.
        band: how much more than the estimate the engine may need, as a share.
    """

    estimate: VramEstimate
    budget_bytes: int
    gpus_used: int
    max_context_tokens: int
    settings: ServerSettings | None = None
    utilization: float | None = None
    band: float = 0.0

    @property
    def fits_surely(self) -> bool:
        """Whether it fits even at the upper end of the engine's error band."""
        return self.spare_bytes >= 0 and not self.is_tight

    @property
    def is_tight(self) -> bool:
        """Whether it fits, but by less than the engine's error band."""
        return 0 <= self.spare_bytes < self.band * self.estimate.total_bytes

    @property
    def launch_values(self) -> dict[str, str]:
        """The judged settings, for the command that starts a server; empty for other loaders."""
        if self.settings is None or self.utilization is None:
            return {}
        return {
            "utilization": f"{self.utilization:g}",
            "max_num_seqs": str(self.settings.max_num_seqs),
            "max_num_batched_tokens": str(self.settings.max_num_batched_tokens),
            "eager": "--enforce-eager" if self.settings.enforce_eager else "",
        }

    @property
    def spare_bytes(self) -> int:
        """Bytes to spare; negative if some are missing."""
        return self.budget_bytes - self.estimate.total_bytes


def fit(job: Job, context_tokens: int) -> Fit:
    """The job on the fewest GPUs it fits on; if it never fits, on those where the least is missing.

    A server's default settings are tried first, then settings that need less memory.

    Args:
        job: what to run.
        context_tokens: tokens of context, at least 1.
    """
    placements = [_Placement(job, way, settings) for settings in job.settings for way in _ways(job)]
    best = reduce(_better, (_fit_of(placement, context_tokens) for placement in placements))
    return replace(best, max_context_tokens=_largest_context(job, placements))


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to use the GPUs: those used, and the bytes available on each."""

    gpus: Sequence[Gpu]
    shares: tuple[int, ...]

    @property
    def available(self) -> int:
        """Bytes available on all of them together."""
        return sum(self.shares)


@dataclass(frozen=True, slots=True)
class _Placement:
    """A job on some of its GPUs, with a server's settings."""

    job: Job
    way: _Way
    settings: ServerSettings

    def estimate(self, context_tokens: int) -> VramEstimate:
        """The VRAM it needs there."""
        job, gpus = self.job, self.way.gpus
        alone = memory.estimate(
            job.quant,
            job.shape,
            engine=job.engine,
            context_tokens=context_tokens,
            kv_bytes_per_element=job.kv_bytes,
            batch=job.batch,
            weights_file_bytes=job.size_bytes,
            version=job.version,
            spread=Spread(
                gpus=len(gpus),
                splits_tensors=job.split == "tensor",
                largest=max(gpus, key=partial(cuda_context_bytes, CUDA_CONTEXT_BYTES)),
            ),
            settings=self.settings,
        )
        return replace(alone, scratch_bytes=alone.scratch_bytes + job.beside_bytes) if job.beside_bytes else alone

    def fits(self, context_tokens: int) -> bool:
        """Whether a context fits."""
        estimate = self.estimate(context_tokens)
        return estimate.total_bytes <= _budget(self, estimate)


def _fit_of(placement: _Placement, context_tokens: int) -> Fit:
    estimate, engine = placement.estimate(context_tokens), placement.job.engine_at
    return Fit(
        estimate=estimate,
        budget_bytes=_budget(placement, estimate),
        gpus_used=len(placement.way.gpus),
        max_context_tokens=0,
        settings=placement.settings if engine.has_settings else None,
        utilization=_utilization(placement, estimate) if engine.has_settings else None,
        band=max(engine.band_for(placement.job.shape), UNMEASURED_BAND if placement.job.engine_stands_in else 0.0),
    )


def _utilization(placement: _Placement, estimate: VramEstimate) -> float:
    """The share of each GPU that the server is told to use, in thousandths, rounded down.

    Its default, or more if the job needs more; but what lies outside that share must fit too.
    """
    job, count = placement.job, len(placement.way.gpus)
    graphs = 0 if job.engine_at.budgets_graphs(job.shape) else estimate.graph_bytes
    beside = (graphs + estimate.cuda_context_bytes) // count
    smallest = min(gpu.total_bytes for gpu in placement.way.gpus)
    if job.engine_at.takes_of_free:
        smallest = max(1, (placement.way.available - estimate.cuda_context_bytes) // count)
    most = int(1000 * max(0, placement.way.available // count - beside) / smallest) / 1000
    inside = -(-(estimate.total_bytes // count - beside) * 1000 // smallest) / 1000
    usual = job.fraction.value if job.fraction else most
    return min(most, max(usual, inside))


def _better(one: Fit, other: Fit) -> Fit:
    """The one that surely fits, else fits tightly (of equals the first); if neither fits, the one that lacks less."""
    if one.fits_surely or not other.fits_surely:
        return one if one.spare_bytes >= min(0, other.spare_bytes) else other
    return other


def _ways(job: Job) -> Iterator[_Way]:
    """Each way to use the GPUs, fewest first.

    A layer split can add up unequal GPUs. Tensor parallelism takes the same from each, so the smallest decides. The
    number of GPUs must divide the attention heads (vLLM ``config/model.py``), and the loader must be able to cut the
    matrices for it.
    """
    gpus = sorted(job.gpus, key=partial(_share, job), reverse=True)
    shares = [_share(job, gpu) for gpu in gpus]
    yield _Way(gpus[:1], (shares[0],))
    for count in range(2, len(shares) + 1):
        if job.split == "layers":
            filled = tuple(shares[:count]) if job.unequal_gpus else (shares[count - 1],) * count
            yield _Way(gpus[:count], filled)
        elif job.split == "tensor" and _cuts_evenly(job, count):
            yield _Way(gpus[:count], (shares[count - 1],) * count)


def _cuts_evenly(job: Job, count: int) -> bool:
    return cuts_evenly(job.quant, job.shape, count, job.sharding, heads_divisible=job.heads_divisible)


def _share(job: Job, gpu: Gpu) -> int:
    """Bytes usable on one GPU. A server's default share is no limit if it has a setting for it."""
    basis = gpu.free_bytes if job.vram_basis == "free" else gpu.total_bytes
    share = max(0, basis - job.headroom.on(gpu))
    if job.fraction is not None and job.fraction.of == "total" and not job.engine_at.has_settings:
        share = min(share, round(job.fraction.value * gpu.total_bytes))
    return share


def _budget(placement: _Placement, estimate: VramEstimate) -> int:
    """Bytes the loader may use. A server whose KV pool is a share of what is *left* cannot use the remainder."""
    fraction, available = placement.job.fraction, placement.way.available
    if placement.job.split == "layers" and len(placement.way.shares) > 1:
        available = estimate.total_bytes + _spare_for_layers(placement, estimate)
    if fraction is None or fraction.of == "total":
        return available
    return max(0, available - round(estimate.kv_cache_bytes * (1 / fraction.value - 1)))


def _spare_for_layers(placement: _Placement, estimate: VramEstimate) -> int:
    """Bytes to spare if each GPU holds whole layers; negative if some are missing.

    The embedding is on the first GPU and the head on the last; scratch and the CUDA context are on each. Space left on
    one GPU is of no use to the others. All layers count as equal.
    """
    job, shares = placement.job, placement.way.shares
    embedding = 0 if job.engine_at.embedding_in_ram else min(embedding_bytes(job.shape), estimate.weights_bytes)
    head = min(head_bytes(job.quant, job.shape), estimate.weights_bytes - embedding)
    layer = max(1, estimate.weights_bytes + estimate.kv_cache_bytes - embedding - head) / job.shape.num_hidden_layers
    beside = (estimate.scratch_bytes + estimate.cuda_context_bytes) / len(shares)
    rooms = [share - beside for share in shares]
    rooms[0] -= embedding
    rooms[-1] -= head
    whole = sum(int(room / layer) for room in rooms if room > 0)
    return int(layer * (whole - job.shape.num_hidden_layers) + sum(room for room in rooms if room < 0))


def _largest_context(job: Job, placements: Sequence[_Placement]) -> int:
    """The largest context that fits any placement, by bisection: a larger context never needs less memory."""
    last_first = tuple(reversed(placements))

    def fits(context_tokens: int) -> bool:
        return any(placement.fits(context_tokens) for placement in last_first)

    low, high = 0, job.shape.max_position_embeddings or MAX_CONTEXT_TOKENS
    if not fits(1):
        return 0
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
