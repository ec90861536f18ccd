"""How much VRAM a quantization needs: weights, KV cache, scratch and the CUDA context, per inference engine.

Every figure is in bytes, for the whole job over all the GPUs it is spread over.
"""

from dataclasses import dataclass
from typing import Final

from quantpick.core.memory.engines import Load, engine_at
from quantpick.core.memory.kv_cache import kv_cache_bytes
from quantpick.core.memory.weights import embedding_bytes, weights_file_size
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape

ALLOCATOR_SLACK: Final = 0.025
"""What torch's caching allocator cannot use of what it reserved, as a share of what is allocated. Under a cap on an
H100 the smallest memory in which ten models ran lies 0.3 to 4 % above context and peak allocated, in steps of 0.125
GiB."""


@dataclass(frozen=True, slots=True)
class VramEstimate:
    """VRAM in bytes over all GPUs used: weights, KV cache, the loader's buffers, and the CUDA contexts."""

    weights_bytes: int
    kv_cache_bytes: int
    scratch_bytes: int
    cuda_context_bytes: int

    @property
    def context_bytes(self) -> int:
        """The CUDA contexts, under the name that the JSON documents and the Python API have for them."""
        return self.cuda_context_bytes

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.kv_cache_bytes + self.scratch_bytes + self.cuda_context_bytes


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
    gpus: int = 1,
    kv_copies: float = 1.0,
) -> VramEstimate:
    """VRAM for one model, in bytes over all GPUs used.

    Args:
        quant: the quantization; its bits are needed where `weights_file_bytes` is None.
        shape: the model.
        engine: a key of `engines.ENGINES`.
        context_tokens: tokens the cache is made for, per sequence, at least 1.
        prompt_tokens: the longest prompt; None is the whole context.
        kv_bytes_per_element: 2 for fp16; K and V averaged.
        batch: sequences at once, at least 1.
        weights_file_bytes: bytes of the weight files; None computes them.
        version: the engine's version; None, or what is no version, is the newest.
        gpus: GPUs the job is spread over, at least 1; each has scratch and a context of its own.
        kv_copies: how often each key/value head is held; more than once where tensors are split over more GPUs.
    """
    model = engine_at(engine, version)
    file_bytes = weights_file_size(quant, shape) if weights_file_bytes is None else weights_file_bytes
    in_ram = embedding_bytes(shape) if model.embedding_in_ram else 0
    prompt = min(prompt_tokens or context_tokens, context_tokens)
    load = Load(quant, shape, context_tokens, prompt, batch, kv_bytes_per_element)
    weights = max(0, file_bytes - in_ram)
    least = -(-model.cache_least_tokens // batch)
    tokens = _in_blocks(max(context_tokens, least), model.cache_block_tokens)
    each = kv_cache_bytes(shape, tokens, kv_bytes_per_element, windowed=model.windowed, latent=model.latent)
    cache = round(batch * each * kv_copies)
    scratch = gpus * model.scratch(load)
    return VramEstimate(
        weights_bytes=weights,
        kv_cache_bytes=cache,
        scratch_bytes=scratch + round(ALLOCATOR_SLACK * (weights + cache + scratch)),
        cuda_context_bytes=gpus * model.cuda_context_bytes,
    )


def _in_blocks(tokens: int, block: int) -> int:
    return -(-tokens // block) * block
