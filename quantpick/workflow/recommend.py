"""Which branch, for this machine and this wish."""

from collections.abc import Sequence
from dataclasses import replace

from quantpick.core import defaults
from quantpick.core.choose.occupied import foreign_process_warnings
from quantpick.core.choose.recommend import Recommendation
from quantpick.core.choose.recommend import recommend as judge
from quantpick.core.choose.wish import DEFAULT_HEADROOM, Headroom, Prefer, VramBasis, Wish
from quantpick.core.gpu import Gpu
from quantpick.core.loaders.kv_dtype import BadKvDtype, kv_dtype_bytes
from quantpick.errors import UsageError
from quantpick.workflow.choice import _detected, choose_loader, loader_table
from quantpick.workflow.survey import StrPath, list_branches


def recommend(
    repo: str | None = None,
    *,
    gpus: Sequence[Gpu] | None = None,
    loader: str | None = None,
    context_tokens: int | None = defaults.CONTEXT_TOKENS,
    kv_dtype: str = "fp16",
    batch: int = 1,
    prefer: Prefer = "quality",
    vram_basis: VramBasis = "free",
    headroom: Headroom = DEFAULT_HEADROOM,
    token: str | bool | None = None,
    offline: bool = False,
    card: StrPath | None = None,
    config: StrPath | None = None,
) -> Recommendation:
    """Which branch to run, and why not the others. A repo where nothing fits is an answer, not an error.

    Args:
        repo: as in `list_branches`, and so are the last four.
        gpus: the machine to ask about; None detects this one's.
        loader: ``NAME`` or ``NAME==VERSION``; None judges by the maintained loaders.
        context_tokens: tokens of context, at least 1; None is the model's own maximum.
        kv_dtype: ``fp16``, ``fp8``, ``q8``, ``q6``, ``q4``, or the loader's own spelling.
        batch: sequences at once, at least 1.
        prefer: ``quality``, ``speed`` (the smallest of at least 4 bits) or ``context`` (what leaves the most room).
        vram_basis: count what is ``free`` now, or the ``total``.
        headroom: VRAM to leave alone on each GPU.
        token: see there.
        offline: see there.
        card: see there.
        config: see there.

    Raises:
        UsageError: an unknown loader, version or KV type; a number out of bounds; no GPU found and none named.
        NotFoundError, AccessError, HubError: as in `list_branches`.
    """
    if context_tokens is not None and context_tokens < 1:
        raise UsageError(f"a context of {context_tokens} tokens: at least 1 is needed")
    if batch < 1:
        raise UsageError(f"a batch of {batch}: at least 1 is needed")
    if loader is None and all(isinstance(kv_dtype_bytes(one, kv_dtype), BadKvDtype) for one in loader_table().loaders):
        raise UsageError(f"no loader has a KV cache of type `{kv_dtype}`", hint="fp16, fp8, q8, q6 or q4")
    wish = Wish(
        loader=None if loader is None else choose_loader(loader, kv_dtype),
        context_tokens=context_tokens,
        kv_dtype=kv_dtype,
        batch=batch,
        prefer=prefer,
        vram_basis=vram_basis,
        headroom=headroom,
    )
    machine, doubts = _detected() if gpus is None else (tuple(gpus), ())
    table = list_branches(repo, token=token, offline=offline, card=card, config=config)
    answer = judge(table.branches, machine, wish, loader_table())
    held = foreign_process_warnings(answer, table.branches, loader_table())
    warnings = (*doubts, *table.warnings, *answer.warnings, *held)
    return replace(answer, repo_id=table.repo_id, siblings=table.siblings, warnings=warnings)


def nothing_fits(answer: Recommendation) -> tuple[str, str]:
    """The line for an answer without a recommended branch, and what to try: a smaller cache, less context, or else."""
    too_large = [choice for choice in answer.choices if {reason.code for reason in choice.reasons} == {"vram"}]
    if not too_large:
        return "none of the branches that could fit is taken by this loader", "quantpick loaders"
    kv_dtype = _smaller_cache_that_fits(answer)
    if kv_dtype is not None:
        return (
            f"no branch fits with a cache in {answer.wish.kv_dtype}; in {kv_dtype} one does",
            f"--kv-dtype {kv_dtype}",
        )
    longest = max(choice.fit.max_context_tokens for choice in too_large if choice.fit)
    if longest > 0:
        return f"no branch fits at this context; {longest:,} tokens would fit", f"--context {longest}"
    return "no branch fits", "a larger or second GPU, or a smaller model"


def _smaller_cache_that_fits(answer: Recommendation) -> str | None:
    """The largest KV cache type of the wished loader that is smaller than the one asked for and makes a branch fit."""
    if answer.wish.loader is None:
        return None
    sizes = answer.wish.loader.loader.kv_dtypes
    asked = kv_dtype_bytes(answer.wish.loader.loader, answer.wish.kv_dtype)
    branches = [choice.branch for choice in answer.choices]
    for kv_dtype in sorted(sizes, key=lambda name: -sizes[name]):
        if isinstance(asked, BadKvDtype) or sizes[kv_dtype] >= asked:
            continue
        if judge(branches, answer.gpus, replace(answer.wish, kv_dtype=kv_dtype), loader_table()).recommended:
            return kv_dtype
    return None
