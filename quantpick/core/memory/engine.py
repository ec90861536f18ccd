"""The nouns of a memory model: the job that its formulas see, what a server is started with, and the engine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape

CUDA_CONTEXT_BYTES: Final = 743_000_000
"""What a CUDA process holds beside what torch allocates: its context before the first allocation (647,561,216 to
650,969,088 bytes) and the kernels it loads while it runs (78 to 92 MB more). Measured on an H100 with driver 580,
torch 2.11 and CUDA 13; smaller cards hold less, so this never promises too much."""

OLD_CUDA_CONTEXT_BYTES: Final = 1_470_000_000
"""The same with Transformers before 4.36: device memory less torch's reserved memory in eight runs on an A100 with
torch 2.1 and CUDA 11.8 and 12.1 (huggingface/optimum-benchmark, running-llamas), 1.46 to 1.48 GB. With 4.38 or 4.39 a
process held 0.48 GB beside it (kreas/FA_benchmarks)."""


ALLOCATOR_SLACK: Final = 0.025
"""What torch's caching allocator cannot use of what it reserved, as a share of what is allocated. Under a cap on an
H100 the smallest memory in which ten models ran lies 0.3 to 4 % above context and peak allocated, in steps of 0.125
GiB."""

MEASURED_BAND: Final = 0.025
"""The error band of the versions of ExLlamaV2, ExLlamaV3, llama.cpp, vLLM and Transformers that were measured: one of
169 measured jobs needed more above its estimate."""

PUBLISHED_BAND: Final = 0.05
"""The error band of an engine that is only known from what others published: nine of ten of their points lie no further
above the estimate (``make bench``). Also of versions beside the one that was measured, and of mixtures of experts where
dense models were measured."""

UNMEASURED_BAND: Final = 0.10
"""The error band of an engine whose need was read in its source or its users' reports, not measured: chosen, after the
worst that vLLM's estimate was off before it was measured (11 %)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What a server is started with, as far as it decides the memory; the names are vLLM's.

    Args:
        max_num_batched_tokens: tokens that one step takes, at least 1.
        max_num_seqs: sequences that are generated at once, at least 1.
        enforce_eager: no compiling and no CUDA graphs: slower, and less memory.
    """

    max_num_batched_tokens: int = 2048
    max_num_seqs: int = 256
    enforce_eager: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One job as the formulas see it.

    Args:
        quant, shape: the weights.
        context_tokens: tokens of context, per sequence.
        prompt_tokens: tokens of the longest prompt.
        batch: sequences at once.
        kv_bytes_per_element: 2 for fp16; K and V averaged.
        settings: what a server is started with.
        ways: GPUs that share each layer; 1 where layers are whole.
    """

    quant: QuantSpec
    shape: ModelShape
    context_tokens: int
    prompt_tokens: int
    batch: int
    kv_bytes_per_element: float
    settings: ServerSettings = ServerSettings()
    ways: int = 1


def _none(_: Load) -> int:
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How one inference engine takes its memory.

    Args:
        scratch: buffers and prefill peak on one GPU, in bytes.
        graphs: CUDA graphs on one GPU, and whatever else lies beside what a server is told to take, in bytes.
        embedding_in_ram: whether the embedding stays in system RAM.
        cache_block_tokens: the cache is made in blocks of so many tokens.
        cache_least_tokens: the cache is made for so many tokens at least, over all sequences.
        windowed: whether a sliding layer's cache holds no more than its window and what is being computed.
        batches_in_flight: steps whose tokens a sliding layer holds beyond its window.
        step_tokens: tokens that one step takes; None is what the settings say.
        latent: whether MLA's compressed cache is kept as it is, not unpacked to keys and values.
        cuda_context_bytes: CUDA context and kernels on one H100, the largest that was measured.
        slack: what its allocator cannot use, as a share of what it allocates.
        band: how much more than the estimate it may need, as a share: measured, or wide where it was not.
        mixtures_measured: whether mixtures of experts were among what the band was measured with.
        has_settings: whether it is started with `ServerSettings`.
        graphs_budgeted: for which models it counts a guess of its CUDA graphs into its budget.
        large_defaults: whether it takes larger settings on large GPUs.
        state_per_sequence: whether its cache is to hold the states of as many sequences as may run.
        own_defaults: the settings it chooses by the bytes and the name of a GPU; the only ones that are tried.
        takes_of_free: whether it is told to take a part of what is free when it starts, not of the whole GPU.
    """

    scratch: Callable[[Load], int]
    graphs: Callable[[Load], int] = _none
    embedding_in_ram: bool = False
    cache_block_tokens: int = 1
    cache_least_tokens: int = 1
    windowed: bool = False
    batches_in_flight: int = 1
    step_tokens: int | None = None
    latent: bool = False
    cuda_context_bytes: int = CUDA_CONTEXT_BYTES
    slack: float = ALLOCATOR_SLACK
    band: float = UNMEASURED_BAND
    mixtures_measured: bool = False
    has_settings: bool = False
    graphs_budgeted: Literal["none", "mixtures", "all"] = "none"
    large_defaults: bool = False
    state_per_sequence: bool = False
    own_defaults: Callable[[int, str], ServerSettings] | None = None
    takes_of_free: bool = False

    def band_for(self, shape: ModelShape) -> float:
        """How much more than the estimate a model may need, as a share."""
        if shape.has_images and self.has_settings:
            return max(
                self.band, UNMEASURED_BAND
            )  # what its profile run takes for the largest image is known from few starts
        strange = shape.num_local_experts > 1 and not self.mixtures_measured
        return max(self.band, PUBLISHED_BAND) if strange else self.band

    def budgets_graphs(self, shape: ModelShape) -> bool:
        """Whether a model's CUDA graphs count into the budget, not beside it."""
        mixture = shape.num_local_experts > 1
        return self.graphs_budgeted == "all" or (self.graphs_budgeted == "mixtures" and mixture)
