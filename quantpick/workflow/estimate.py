"""The VRAM that one quantization needs, without a repo."""

from typing import Final

from quantpick.core import defaults
from quantpick.core.loaders.check import check
from quantpick.core.memory.engine import ServerSettings
from quantpick.core.memory.estimate import DEFAULT_SETTINGS, Spread, VramEstimate, estimate
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape
from quantpick.errors import UsageError
from quantpick.workflow.arguments import checked
from quantpick.workflow.choice import check_count
from quantpick.workflow.loader import choose_loader, kv_bytes

_MAX_FILE_BYTES: Final = 2**60
"""More than any model has."""

_MAX_GPUS: Final = 64
"""More than any machine has."""


@checked
def estimate_vram(
    quant: QuantSpec,
    shape: ModelShape,
    *,
    loader: str,
    context_tokens: int,
    prompt_tokens: int | None = None,
    kv_dtype: str = "fp16",
    batch: int = 1,
    weights_file_bytes: int | None = None,
    version: str | None = None,
    gpus: int = 1,
    settings: ServerSettings = DEFAULT_SETTINGS,
) -> VramEstimate:
    """The VRAM that one quantization needs, in bytes.

    Args:
        quant: the quantization.
        shape: the model's dimensions.
        loader: the loader's name.
        context_tokens: tokens the cache is made for, at least 1.
        prompt_tokens: the longest prompt, at least 1; None means the whole context.
        kv_dtype: as in `recommend`.
        batch: sequences at once, at least 1.
        weights_file_bytes: bytes of the weight files; None computes them from the shape.
        version: the loader's version; None means the newest known.
        gpus: GPUs that the loader spreads it over, 1 to 64. Each has buffers and a CUDA context; the result is the sum.
        settings: those of a server with such settings (vLLM); by default, vLLM's on a GPU below 70 GiB.

    Raises:
        UsageError: an unknown loader, version or KV type, a number out of its bounds, or a quantization without
            bits and size.
    """
    for name, value, most, least in (
        ("context_tokens", context_tokens, defaults.MAX_CONTEXT_TOKENS, 1),
        ("batch", batch, defaults.MAX_BATCH, 1),
        ("prompt_tokens", 1 if prompt_tokens is None else prompt_tokens, defaults.MAX_CONTEXT_TOKENS, 1),
        ("weights_file_bytes", 0 if weights_file_bytes is None else weights_file_bytes, _MAX_FILE_BYTES, 0),
        ("gpus", gpus, _MAX_GPUS, 1),
        ("max_num_batched_tokens", settings.max_num_batched_tokens, defaults.MAX_CONTEXT_TOKENS, 1),
        ("max_num_seqs", settings.max_num_seqs, defaults.MAX_BATCH, 1),
    ):
        check_count(name, value, most, least)
    problem = quant.problem or shape.problem
    if problem is not None:
        raise UsageError(problem)
    chosen = choose_loader(loader if version is None else f"{loader}=={version}", kv_dtype)
    if quant.bits is None and weights_file_bytes is None:
        raise UsageError("neither bits nor file size: the weights cannot be estimated")
    verdict = check(chosen, quant)
    engine = (verdict.rule.engine if verdict.rule else None) or chosen.loader.engine
    return estimate(
        quant,
        shape,
        engine=engine,
        version=chosen.engine_version(engine),
        context_tokens=context_tokens,
        prompt_tokens=prompt_tokens,
        kv_bytes_per_element=kv_bytes(chosen.loader, kv_dtype),
        batch=batch,
        weights_file_bytes=weights_file_bytes,
        spread=Spread(gpus=gpus, splits_tensors=chosen.loader.split == "tensor"),
        settings=settings,
    )
