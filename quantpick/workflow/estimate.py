"""The VRAM that one quantization needs, asked without a repo."""

from quantpick.core.loaders.check import check
from quantpick.core.memory.estimate import VramEstimate, estimate
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape
from quantpick.errors import UsageError
from quantpick.workflow.choice import _kv_bytes, choose_loader


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
) -> VramEstimate:
    """VRAM that one quantization needs on one GPU, in bytes.

    Args:
        quant: the quantization.
        shape: the model's dimensions.
        loader: loader name.
        context_tokens: tokens the cache is made for, at least 1.
        prompt_tokens: the longest prompt, at least 1; None is the whole context.
        kv_dtype: as in `recommend`.
        batch: sequences at once, at least 1.
        weights_file_bytes: bytes of the weight files; None has them computed from the shape.
        version: loader version; None is the newest known.

    Raises:
        UsageError: an unknown loader, version or KV type, a number below its bound, or a quantization without bits and
            size.
    """
    counts = {"context_tokens": context_tokens, "prompt_tokens": prompt_tokens, "batch": batch}
    for name, count in counts.items():
        if count is not None and count < 1:
            raise UsageError(f"{name} is {count}: it is 1 at least")
    if weights_file_bytes is not None and weights_file_bytes < 0:
        raise UsageError(f"weights_file_bytes is {weights_file_bytes}: it is 0 at least")
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
        kv_bytes_per_element=_kv_bytes(chosen.loader, kv_dtype),
        batch=batch,
        weights_file_bytes=weights_file_bytes,
    )
