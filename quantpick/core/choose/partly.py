"""What llama.cpp keeps on the GPUs of a model too large for them: some layers, or all but some experts."""

from dataclasses import dataclass
from math import ceil, floor
from typing import Final

from quantpick.core.choose.fit import Fit
from quantpick.core.choose.verdict import Choice
from quantpick.core.loaders.versions import LoaderAt, UnknownVersion, parse_version
from quantpick.core.memory.weights import embedding_in_ram_bytes, linears
from quantpick.core.shape import ModelShape

LLAMA_CPPS: Final = frozenset({"llama.cpp", "llama.cpp-library"})
"""The engines that can leave part of a model in RAM."""

LEAST_SHARE: Final = 0.5
"""The least share of weights on the GPUs: below half, the RAM sets the pace. Chosen, not measured."""


@dataclass(frozen=True, slots=True)
class Part:
    """A model divided between GPUs and system RAM.

    Args:
        options: llama.cpp's arguments: ``-ngl`` with the layers on the GPU (the head counts as one), or
            ``--n-cpu-moe`` with the layers whose experts stay in RAM.
        gpu_share: share of the weights' bytes on the GPUs.
        ram_bytes: bytes of weights and cache in system RAM.
    """

    options: tuple[str, ...]
    gpu_share: float
    ram_bytes: int


def offload_words(part: Part, chosen: LoaderAt) -> str:
    """How to tell a loader to leave a part in RAM: its own way to work out how much, and roughly how much that is.

    llama.cpp's ``--fit`` gives up if ``-ngl`` or a tensor's place is named (``common_params_fit_impl`` in
    ``common/fit.cpp``), so it replaces the ``-ngl 99`` of the launch commands.
    """
    words, (option, count) = chosen.loader.offload, part.options
    since = parse_version(words.get("since", "0"))
    is_too_old = chosen.judged is not None and not isinstance(since, UnknownVersion) and chosen.judged < since
    itself = None if is_too_old else words.get("--fit")
    own = f"{words[option]} {count}" if option in words else None
    about = f", as about {own} would" if own else ""
    if itself == "itself":
        return f"{chosen.loader.name} sees to it by itself{about}"
    if itself is not None:
        return f"{chosen.loader.name}'s {itself} instead of -ngl 99 sees to it{about}"
    if own is not None:
        return f"{chosen.loader.name}'s {own}"
    return f"the experts of {count} layers in RAM" if option == "--n-cpu-moe" else f"{int(count) - 1} layers on the GPU"


def part_on_gpu(choice: Choice) -> Part | None:
    """How to divide a branch that is too large for the GPUs; None if it cannot be, fits, or is not llama.cpp's.

    Experts go to RAM before layers do, as each token passes few of them. A prompt is still computed on the GPU, to
    which each matrix is copied in turn: 272 MiB more for Mixtral's experts, 50 for a Qwen 2.5 7B's layers, measured on
    an H100. The engine's error band is counted as needed, so the part surely fits.
    """
    shape, fit = choice.branch.shape, choice.fit
    is_llama_cpps = choice.engine in LLAMA_CPPS and choice.branch.quant.method == "gguf"
    if shape is None or fit is None or not is_llama_cpps or not choice.lacks_only_memory:
        return None
    embedding = embedding_in_ram_bytes(choice.branch.quant, shape)
    return _without_experts(shape, fit, embedding) or _without_layers(choice, shape, fit, embedding)


def _without_experts(shape: ModelShape, fit: Fit, embedding: int) -> Part | None:
    """The experts of as few layers as possible in RAM."""
    sparse = shape.num_hidden_layers - shape.num_dense_layers
    if shape.num_local_experts == 1 or sparse < 1:
        return None
    weights = sum(rows * columns * count for rows, columns, count in linears(shape))
    experts = shape.num_local_experts * shape.mlp_matrices * shape.hidden_size * shape.intermediate_size
    each = fit.estimate.weights_bytes * experts / weights
    copied = each / shape.mlp_matrices
    layers = ceil(((fit.estimate.total_bytes + copied) * (1 + fit.band) - fit.budget_bytes) / each)
    if layers > sparse:
        return None
    return Part(
        options=("--n-cpu-moe", str(layers + shape.num_dense_layers)),
        gpu_share=1 - layers * each / fit.estimate.weights_bytes,
        ram_bytes=embedding + round(layers * each),
    )


def _without_layers(choice: Choice, shape: ModelShape, fit: Fit, embedding: int) -> Part | None:
    """As many layers as fit on the GPUs, the last ones, and the head (``load_tensors`` in llama.cpp)."""
    need, layers = fit.estimate, shape.num_hidden_layers
    head = round(shape.vocab_size * shape.hidden_size * (choice.branch.quant.effective_bpw or 16) / 8)
    repeating = need.weights_bytes - head
    each = (repeating + need.kv_cache_bytes) / layers
    copied = repeating / layers * _largest(shape)
    room = fit.budget_bytes / (1 + fit.band) - need.scratch_bytes - need.cuda_context_bytes - head - copied
    count = min(layers - 1, floor(room / each)) if repeating > 0 else 0
    if count < 1:
        return None
    return Part(
        options=("-ngl", str(count + 1)),
        gpu_share=(head + repeating * count / layers) / need.weights_bytes,
        ram_bytes=embedding + round((layers - count) * each),
    )


def _largest(shape: ModelShape) -> float:
    """The largest matrix's share of a layer's weights."""
    sizes = [rows * columns for rows, columns, _ in linears(shape)]
    experts = shape.num_local_experts * shape.hidden_size * shape.intermediate_size
    whole = sum(rows * columns * count for rows, columns, count in linears(shape)) / shape.num_hidden_layers
    return max(*sizes, experts) / whole
