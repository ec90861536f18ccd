"""The verdict on one branch: whether a loader takes it, and how it fits the memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from quantpick.core import defaults
from quantpick.core.choose.fit import Fit, Job, fit
from quantpick.core.choose.wish import Wish
from quantpick.core.gpu import Gpu
from quantpick.core.loaders.check import check
from quantpick.core.loaders.facts import About
from quantpick.core.loaders.kv_dtype import BadKvDtype, common_name, kv_dtype_bytes
from quantpick.core.loaders.table import Loader, Rule
from quantpick.core.loaders.versions import LoaderAt
from quantpick.core.memory.engine import UNMEASURED_BAND
from quantpick.core.memory.estimate import VramEstimate
from quantpick.core.memory.weights import weights_file_size
from quantpick.core.methods import METHODS
from quantpick.core.quant import Branch, BranchWarning, QuantSpec, Reason
from quantpick.core.shape import ModelShape
from quantpick.core.units import format_gb, format_gib

_IMPLAUSIBLE_SIZE: Final = 1.15
"""A stated size this many times below the computed one is a typo: real files are within 1 % of the formula."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The verdict on one branch.

    Args:
        branch: the branch.
        loader: the loader that judged it.
        reasons: why it was rejected; empty if it fits.
        context_tokens: the context it was judged at.
        fit: how it fits the memory; None if that could not be estimated.
        rank: 1 for the best that fits; None if rejected.
        rule: the loader's rule that accepts it or comes nearest, or None.
        rank_bpw: bits per weight that its quality is ranked by: its own, or for a GGUF type measured to be better or
            worse than its bits, those it is worth.
        slow: whether the loader's kernel for it is known to be slow.
        warnings: doubts about this verdict.
        launch: the command that starts the loader on it, as arguments; None if unknown.
    """

    branch: Branch
    loader: LoaderAt
    reasons: tuple[Reason, ...]
    context_tokens: int
    fit: Fit | None = None
    rank: int | None = None
    rule: Rule | None = None
    rank_bpw: float = 0
    slow: bool = False
    warnings: tuple[BranchWarning, ...] = ()
    launch: tuple[str, ...] | None = None

    @property
    def fits(self) -> bool:
        """Whether it can run as wished, if only tightly."""
        return not self.reasons

    @property
    def lacks_only_memory(self) -> bool:
        """Whether memory is the one reason against it."""
        return {reason.code for reason in self.reasons} == {"vram"}

    @property
    def engine(self) -> str:
        """The memory model, a key of `engines.ENGINES`."""
        return (self.rule.engine if self.rule else None) or self.loader.loader.engine

    @property
    def estimate(self) -> VramEstimate | None:
        """VRAM needed, in bytes; None if it could not be estimated."""
        return None if self.fit is None else self.fit.estimate

    @property
    def headroom_bytes(self) -> int | None:
        """Bytes it leaves free, or if negative, lacks; None if that could not be estimated."""
        return None if self.fit is None else self.fit.spare_bytes

    @property
    def max_context_tokens(self) -> int | None:
        """The largest context that fits, in tokens; None if that could not be estimated."""
        return None if self.fit is None else self.fit.max_context_tokens

    @property
    def is_tight(self) -> bool:
        """Whether it fits, but by less than the engine's error band."""
        return self.fits and self.fit is not None and self.fit.is_tight

    @property
    def verdict(self) -> Literal["fits", "tight", "rejected"]:
        """The verdict as one word."""
        return "tight" if self.is_tight else "fits" if self.fits else "rejected"


def rule_on(branch: Branch, chosen: LoaderAt, gpus: Sequence[Gpu], wish: Wish) -> Choice:
    """Whether a loader takes a branch, memory aside."""
    capabilities = [gpu.compute_capability for gpu in gpus]
    verdict = check(
        chosen,
        branch.quant,
        About(
            unknown=branch.unknown,
            capability=min((one for one in capabilities if one is not None), default=None),
            model_type=branch.model_type,
            moe=None if branch.shape is None else branch.shape.num_local_experts > 1,
            shape=branch.shape if branch.shape_is_sure else None,
            exllama=branch.exllama,
            branch=branch.name,
        ),
    )
    context_tokens, context_doubts = _context(branch, wish)
    return Choice(
        branch=branch,
        loader=chosen,
        reasons=(*verdict.reasons, *_on_kv_dtype(chosen.loader, verdict.rule, wish.kv_dtype)),
        context_tokens=context_tokens,
        rule=verdict.rule,
        rank_bpw=branch.bpw or 0,
        slow=verdict.slow,
        warnings=(*verdict.warnings, *context_doubts),
    )


def _on_kv_dtype(loader: Loader, rule: Rule | None, kv_dtype: str) -> Iterable[Reason]:
    size = kv_dtype_bytes(loader, kv_dtype)
    if isinstance(size, BadKvDtype):
        yield Reason("kv-dtype", f"{loader.name} has no {kv_dtype} cache; it has {', '.join(size.known)}")
    elif rule is not None and rule.kv_dtypes is not None and common_name(loader, kv_dtype) not in rule.kv_dtypes:
        method = METHODS[rule.method].title
        message = f"{loader.name} has no {kv_dtype} cache with {method}; it has {', '.join(rule.kv_dtypes)}"
        yield Reason("kv-dtype", message)


def weigh(choice: Choice, gpus: Sequence[Gpu], wish: Wish) -> Choice:
    """The choice with its memory judged: too much, or an unknown need, rejects it. Without a GPU it stays as it is."""
    branch, loader = choice.branch, choice.loader.loader
    if not gpus:
        return choice
    if branch.shape is None or (branch.size_bytes is None and branch.quant.bits is None):
        missing = "the model's shape" if branch.shape is None else "its size and its bits"
        reason = Reason("unknown-size", f"nothing says {missing}, so the VRAM it needs cannot be estimated")
        return replace(choice, reasons=(*choice.reasons, reason))
    kv_bytes = kv_dtype_bytes(loader, wish.kv_dtype)
    if isinstance(kv_bytes, BadKvDtype):
        return choice
    size_bytes, size_doubts = _plausible_size(branch, branch.shape)
    rule, engine = choice.rule, choice.engine
    unpacked = rule is not None and rule.unpacks
    job = Job(
        quant=QuantSpec("none", 16) if unpacked else branch.quant,
        shape=branch.shape,
        size_bytes=None if unpacked else size_bytes,
        engine=engine,
        version=choice.loader.engine_version(engine),
        engine_stands_in=loader.engine_stands_in and engine == loader.engine,
        split=(rule.split if rule else None) or loader.split,
        heads_divisible=loader.heads_divisible,
        sharding=choice.loader.sharding,
        unequal_gpus=loader.unequal_gpus,
        fraction=choice.loader.memory_fraction,
        kv_bytes=kv_bytes,
        batch=wish.batch,
        gpus=gpus,
        vram_basis=wish.vram_basis,
        headroom=wish.headroom,
        beside_bytes=_beside(branch) if wish.mmproj else 0,
    )
    placed = fit(job, choice.context_tokens)
    too_large = () if placed.spare_bytes >= 0 else (_too_large(placed, choice.context_tokens),)
    shape_doubts = (BranchWarning("unclear-shape", None, f"the config: {doubt}") for doubt in branch.shape.doubts)
    tight = (_tight(branch, loader, placed),) if placed.is_tight and not choice.reasons else ()
    blind = (_blind(branch),) if wish.mmproj and branch.files and not branch.files.projectors else ()
    warnings = (*choice.warnings, *blind, *size_doubts, *shape_doubts, *tight)
    return replace(choice, fit=placed, reasons=(*choice.reasons, *too_large), warnings=warnings)


def _beside(branch: Branch) -> int:
    """Bytes of the mmproj that goes with a set of GGUF files, and as much again for its graph.

    The graph's size is chosen, not measured: published logs show 248 MiB for a projector of 888 MiB (Qwen VL, an image
    of 1472 x 1472), and more without flash attention.
    """
    return 0 if branch.files is None else 2 * branch.files.projector_bytes


def _blind(branch: Branch) -> BranchWarning:
    return BranchWarning("no-mmproj", branch.name, "no mmproj file goes with it: it is judged without")


def _context(branch: Branch, wish: Wish) -> tuple[int, tuple[BranchWarning, ...]]:
    """The context to judge at, in tokens, and a warning if the model was made for less, or its maximum is unknown."""
    limit = branch.shape.max_position_embeddings if branch.shape else None
    if wish.context_tokens is None:
        if limit is not None:
            return limit, ()
        message = f"the model's maximum context is not known: judged at {defaults.CONTEXT_TOKENS} tokens"
        return defaults.CONTEXT_TOKENS, (BranchWarning("unknown-context", branch.name, message),)
    if limit is None or wish.context_tokens <= limit:
        return wish.context_tokens, ()
    message = f"{wish.context_tokens} tokens are more than the {limit} the model was made for"
    return wish.context_tokens, (BranchWarning("long-context", branch.name, message),)


def _plausible_size(branch: Branch, shape: ModelShape) -> tuple[int | None, tuple[BranchWarning, ...]]:
    """The size to use: the stated one, or if that cannot be true, the computed one with a warning."""
    checkable = branch.shape_is_sure and shape.num_local_experts == 1 and branch.files is None
    if branch.size_bytes is None or branch.quant.bits is None or not checkable:
        return branch.size_bytes, ()
    computed = weights_file_size(branch.quant, shape)
    if computed <= _IMPLAUSIBLE_SIZE * branch.size_bytes:
        return branch.size_bytes, ()
    message = (
        f"the stated {format_gb(branch.size_bytes)} are too few for {branch.quant.bits:g} bits: "
        f"judged by the computed {format_gb(computed)}"
    )
    return computed, (BranchWarning("implausible-size", branch.name, message),)


def _tight(branch: Branch, loader: Loader, fit: Fit) -> BranchWarning:
    doubt = ", which was not measured," if fit.band >= UNMEASURED_BAND else ""
    message = (
        f"tight: {format_gib(fit.spare_bytes)} to spare, but what {loader.name} needs{doubt} may be "
        f"{format_gib(round(fit.band * fit.estimate.total_bytes))} more than estimated"
    )
    return BranchWarning("tight", branch.name, message)


def _too_large(fit: Fit, context_tokens: int) -> Reason:
    where = "" if fit.gpus_used == 1 else f" of {fit.gpus_used} GPUs"
    return Reason(
        "vram",
        f"needs {format_gib(fit.estimate.total_bytes)} at {context_tokens} tokens, "
        f"{format_gib(-fit.spare_bytes)} more than the {format_gib(fit.budget_bytes)} usable{where}",
    )
