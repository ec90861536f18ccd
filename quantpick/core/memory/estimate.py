"""How much VRAM a quantization needs: weights, KV cache, scratch and the CUDA context, by inference engine.

Every figure is in bytes, over all the GPUs of the job.
"""

from dataclasses import dataclass
from typing import Final

from quantpick.core.gpu import Gpu
from quantpick.core.memory.cuda_context import cuda_context_bytes
from quantpick.core.memory.engine import Engine, Load, ServerSettings
from quantpick.core.memory.engines import engine_at
from quantpick.core.memory.kv_cache import kv_cache_bytes, state_pool_bytes
from quantpick.core.memory.weights import embedding_bytes, embedding_in_ram_bytes, weights_file_size
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape


@dataclass(frozen=True, slots=True)
class VramEstimate:
    """VRAM in bytes over all GPUs used.

    Args:
        weights_bytes: the weights.
        kv_cache_bytes: the KV cache.
        scratch_bytes: the loader's buffers, its peak and its CUDA graphs.
        cuda_context_bytes: the CUDA contexts.
        graph_bytes: the CUDA graphs among the scratch.
    """

    weights_bytes: int
    kv_cache_bytes: int
    scratch_bytes: int
    cuda_context_bytes: int
    graph_bytes: int = 0

    @property
    def context_bytes(self) -> int:
        """The CUDA contexts, under their name in the JSON documents and the Python API."""
        return self.cuda_context_bytes

    @property
    def total_bytes(self) -> int:
        """The sum."""
        return self.weights_bytes + self.kv_cache_bytes + self.scratch_bytes + self.cuda_context_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a job is spread over GPUs.

    Args:
        gpus: how many, at least 1.
        splits_tensors: whether each has a part of every layer, not whole layers.
        largest: the GPU with the largest CUDA context; None if unknown.
    """

    gpus: int = 1
    splits_tensors: bool = False
    largest: Gpu | None = None

    def kv_copies(self, shape: ModelShape) -> float:
        """Copies of each key/value head: more than one if tensors are split over more GPUs than there are heads."""
        return max(1.0, self.gpus / shape.num_key_value_heads) if self.splits_tensors else 1.0


ON_ONE_GPU: Final = Spread()
DEFAULT_SETTINGS: Final = ServerSettings()


def estimate(
    quant: QuantSpec,
    shape: ModelShape,
    *,
    engine: str,
    context_tokens: int,
    prompt_tokens: int | None = None,
    kv_bytes_per_element: float = 2.0,
    batch: int = 1,
    weights_file_bytes: int | None = None,
    version: str | None = None,
    spread: Spread = ON_ONE_GPU,
    settings: ServerSettings = DEFAULT_SETTINGS,
) -> VramEstimate:
    """VRAM for one model, in bytes over all GPUs used.

    AWQ files store a tied head a second time; it is on the GPU only while the model loads (Qwen2.5-0.5B and 1.5B in
    QwenLM's table: with one token of context as much as their files, with 6144 hardly more).

    Args:
        quant: the quantization; its bits are needed if `weights_file_bytes` is None.
        shape: the model.
        engine: a key of `engines.ENGINES`.
        context_tokens: tokens the cache is made for, per sequence, at least 1.
        prompt_tokens: the longest prompt; None is the whole context.
        kv_bytes_per_element: 2 for fp16; K and V averaged.
        batch: sequences at once, at least 1.
        weights_file_bytes: bytes of the weight files; None computes them.
        version: the engine's version; the newest if None or not a version.
        spread: the GPUs of the job; each has its own scratch and CUDA context.
        settings: those of a server; other engines ignore them.
    """
    model = engine_at(engine, version)
    file_bytes = weights_file_size(quant, shape) if weights_file_bytes is None else weights_file_bytes
    in_ram = embedding_in_ram_bytes(quant, shape) if model.embedding_in_ram else 0
    twice = embedding_bytes(shape) if quant.method == "awq" and shape.tie_word_embeddings else 0
    prompt = min(prompt_tokens or context_tokens, context_tokens)
    load = Load(
        quant=quant,
        shape=shape,
        context_tokens=context_tokens,
        prompt_tokens=prompt,
        batch=batch,
        kv_bytes_per_element=kv_bytes_per_element,
        settings=settings,
        ways=spread.gpus if spread.splits_tensors else 1,
    )
    weights = max(0, file_bytes - in_ram - twice)
    cache = _cache_bytes(model, load, spread.kv_copies(shape))
    graphs = spread.gpus * model.graphs(load)
    scratch = max(spread.gpus * model.scratch(load) + graphs, twice)
    return VramEstimate(
        weights_bytes=weights,
        kv_cache_bytes=cache,
        scratch_bytes=scratch + round(model.slack * (weights + cache + scratch)),
        cuda_context_bytes=spread.gpus * cuda_context_bytes(model.cuda_context_bytes, spread.largest),
        graph_bytes=graphs,
    )


def _cache_bytes(model: Engine, load: Load, kv_copies: float) -> int:
    """Bytes of the KV cache of all sequences, with the states of recurrent layers."""
    shape, settings, block = load.shape, load.settings, model.cache_block_tokens
    least = -(-model.cache_least_tokens // load.batch)
    window = shape.sliding_window or 0
    in_flight = model.batches_in_flight * (model.step_tokens or settings.max_num_batched_tokens)
    each = kv_cache_bytes(
        shape,
        _in_blocks(max(load.context_tokens, least), block),
        load.kv_bytes_per_element,
        windowed=model.windowed,
        in_flight=_in_blocks(window + in_flight, block) - window,
        latent=model.latent,
        unpacked=model.unpacked,
    )
    cache = round(load.batch * each * kv_copies)
    if model.state_per_sequence and not settings.enforce_eager:
        cache = max(cache, state_pool_bytes(shape, settings.max_num_seqs, load.kv_bytes_per_element))
    return cache


def _in_blocks(tokens: int, block: int) -> int:
    return -(-tokens // block) * block
