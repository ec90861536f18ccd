"""The nouns of the memory model: the job that its formulas see, a server's settings, and the engine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape

CUDA_CONTEXT_BYTES: Final = 743_000_000
"""What a CUDA process holds outside torch's allocator: its context before the first allocation (647,561,216 to
650,969,088 bytes) and the kernels loaded later (78 to 92 MB more). Measured on an H100 with driver 580, torch 2.11 and
CUDA 13. Smaller GPUs hold less, so this never promises too much."""

OLD_CUDA_CONTEXT_BYTES: Final = 1_470_000_000
"""The same with Transformers before 4.36: device memory less torch's reserved memory in eight runs on an A100 with
torch 2.1 and CUDA 11.8 and 12.1 (huggingface/optimum-benchmark, running-llamas), 1.46 to 1.48 GB. With 4.38 or 4.39 a
process held 0.48 GB beside it (kreas/FA_benchmarks)."""


ALLOCATOR_SLACK: Final = 0.025
"""Memory that torch's caching allocator reserves but cannot use, as a share of what is allocated. With memory capped on
an H100 in steps of 0.125 GiB, ten models needed 0.3 to 4 % more than context plus peak allocation."""

MEASURED_BAND: Final = 0.025
"""The error band of the measured versions of ExLlamaV2, ExLlamaV3, llama.cpp, vLLM and Transformers: one of 169
measured jobs exceeded its estimate by more."""

PUBLISHED_BAND: Final = 0.05
"""The error band of an engine known only from published figures: nine in ten of them lie no further above the estimate
(``make bench``). It also holds for other versions than the measured one, and for mixtures of experts where only dense
models were measured."""

UNMEASURED_BAND: Final = 0.10
"""The error band of an engine known only from its source or its users' reports. Chosen, after the worst error of vLLM's
estimate before vLLM was measured (11 %)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The settings of a server that decide its memory, under vLLM's names.

    Args:
        max_num_batched_tokens: tokens in one step, at least 1.
        max_num_seqs: sequences generated at once, at least 1.
        enforce_eager: no compilation and no CUDA graphs: slower, but less memory.
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
        settings: those of a server.
        ways: GPUs that share each layer; 1 if layers are whole.
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
    """How one inference engine uses memory.

    Args:
        scratch: buffers and prefill peak on one GPU, in bytes.
        graphs: CUDA graphs on one GPU, and whatever else a server uses beyond its memory budget, in bytes.
        embedding_in_ram: whether the embedding stays in system RAM.
        cache_block_tokens: tokens per block of the cache.
        cache_least_tokens: the fewest tokens the cache is made for, over all sequences.
        windowed: whether a sliding layer's cache holds only its window and the tokens being computed.
        batches_in_flight: steps whose tokens a sliding layer holds beyond its window.
        step_tokens: tokens in one step; None takes them from the settings.
        latent: whether MLA's cache stays compressed, not unpacked to keys and values.
        unpacked: families whose cache is unpacked nevertheless.
        cuda_context_bytes: CUDA context and kernels on one H100, the largest GPU measured.
        slack: memory its allocator cannot use, as a share of what it allocates.
        band: how much more than the estimate it may need, as a share: measured, or wide.
        mixtures_measured: whether mixtures of experts were measured for the band.
        has_settings: whether it has `ServerSettings`.
        graphs_budgeted: the models for which it counts an estimate of its CUDA graphs into its budget.
        large_defaults: whether its default settings are larger on large GPUs.
        state_per_sequence: whether its cache must hold a state for each sequence that may run.
        own_defaults: the settings it chooses by the bytes and the name of a GPU; no others are tried.
        takes_of_free: whether its memory budget is a share of what is free at start-up, not of the whole GPU.
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
    unpacked: frozenset[str] = frozenset()
    cuda_context_bytes: int = CUDA_CONTEXT_BYTES
    slack: float = ALLOCATOR_SLACK
    band: float = UNMEASURED_BAND
    mixtures_measured: bool = False
    has_settings: bool = False
    graphs_budgeted: Literal["none", "first-runner", "all"] = "none"
    large_defaults: bool = False
    state_per_sequence: bool = False
    own_defaults: Callable[[int, str], ServerSettings] | None = None
    takes_of_free: bool = False

    def band_for(self, shape: ModelShape) -> float:
        """How much more than the estimate a model may need, as a share."""
        if shape.has_images and self.has_settings:
            # What its profile run takes for the largest image is known from few starts.
            return max(self.band, UNMEASURED_BAND)
        unmeasured = shape.num_local_experts > 1 and not self.mixtures_measured
        return max(self.band, PUBLISHED_BAND) if unmeasured else self.band

    def budgets_graphs(self, shape: ModelShape) -> bool:
        """Whether a model's CUDA graphs are part of the budget."""
        first = self.graphs_budgeted == "first-runner" and by_first_runner(shape)
        return self.graphs_budgeted == "all" or first


_SECOND_RUNNER: Final = frozenset({"deepseek_v2", "granitemoe", "inkling", "longcat_flash_ngram", "qwen2_moe"})
"""Mixtures that vLLM's second runner takes (vllm ``config/vllm.py``, ``DEFAULT_V2_MODEL_RUNNER_ARCHITECTURES``)."""


def by_first_runner(shape: ModelShape) -> bool:
    """Whether vLLM since 0.22 still runs a model by its first runner: most mixtures of experts, and every hybrid."""
    mixture = shape.num_local_experts > 1 and shape.model_type not in _SECOND_RUNNER
    return mixture or shape.state_elements > 0
