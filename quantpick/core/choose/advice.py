"""What to do when no branch fits."""

from dataclasses import replace

from quantpick.core.choose.recommend import Advice, Recommendation, recommend
from quantpick.core.loaders.kv_dtype import BadKvDtype, kv_dtype_bytes
from quantpick.core.loaders.table import LoaderTable


def advise(answer: Recommendation, table: LoaderTable) -> tuple[Advice, ...]:
    """What makes a branch fit, the best first; nothing where one does.

    Args:
        answer: the answer as it is.
        table: the loader rules it was found by.
    """
    if answer.recommended is not None:
        return ()
    too_large = [choice for choice in answer.choices if {reason.code for reason in choice.reasons} == {"vram"}]
    advice = []
    kv_dtype = _smaller_cache_that_fits(answer, table) if too_large else None
    if kv_dtype is not None:
        message = f"with a cache in {kv_dtype} instead of {answer.wish.kv_dtype} a branch fits"
        advice.append(Advice("kv-dtype", message, ("--kv-dtype", kv_dtype)))
    longest = max((choice.fit.max_context_tokens for choice in too_large if choice.fit), default=0)
    if longest > 0:
        advice.append(Advice("context", f"{longest:,} tokens of context would fit", ("--context", str(longest))))
    if not too_large:
        advice.append(Advice("loader", "none of the branches that could fit is taken by this loader"))
    return tuple(advice)


def nothing_fits(answer: Recommendation) -> tuple[str, str]:
    """The line for an answer without a recommended branch, and what to try."""
    if not answer.advice:
        return "no branch fits", "a larger or second GPU, or a smaller model"
    best = answer.advice[0]
    return f"no branch fits: {best.message}", " ".join(best.options) or "quantpick loaders"


def _smaller_cache_that_fits(answer: Recommendation, table: LoaderTable) -> str | None:
    """The largest KV cache type of the wished loader that is smaller than the one asked for and makes a branch fit."""
    if answer.wish.loader is None:
        return None
    sizes = answer.wish.loader.loader.kv_dtypes
    asked = kv_dtype_bytes(answer.wish.loader.loader, answer.wish.kv_dtype)
    branches = [choice.branch for choice in answer.choices]
    for kv_dtype in sorted(sizes, key=lambda name: -sizes[name]):
        if isinstance(asked, BadKvDtype) or sizes[kv_dtype] >= asked:
            continue
        if recommend(branches, answer.gpus, replace(answer.wish, kv_dtype=kv_dtype), table).recommended:
            return kv_dtype
    return None
