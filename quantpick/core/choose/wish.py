"""What the user wants to run, and with which loader."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from quantpick.core import defaults

if TYPE_CHECKING:
    from quantpick.core.gpu import Gpu
    from quantpick.core.loaders.versions import LoaderAt

Prefer = Literal["quality", "speed", "context"]
VramBasis = Literal["free", "total"]


@dataclass(frozen=True, slots=True)
class Headroom:
    """VRAM to leave alone on each GPU: a share of its total plus a number of bytes."""

    fraction: float = 0.0
    size_bytes: int = 0

    def on(self, gpu: "Gpu") -> int:
        """Bytes to leave on one GPU."""
        return self.size_bytes + round(self.fraction * gpu.total_bytes)


DEFAULT_HEADROOM: Final = Headroom(fraction=defaults.HEADROOM_FRACTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user wants to run.

    Args:
        loader: the loader, or None for one of `candidates`.
        candidates: the loaders to choose from if none is named; empty for all maintained ones.
        context_tokens: tokens of context, at least 1; None is the model's own maximum.
        kv_dtype: type of the KV cache, in the loader's spelling or the common one.
        batch: sequences at once, at least 1.
        prefer: what makes one fitting branch better than another.
        vram_basis: whether to count the memory free now, or all of it.
        headroom: VRAM to leave alone.
        mmproj: whether the mmproj file beside a set of GGUF files is loaded too.
        allow_tight: whether a branch that fits only tightly ranks like any other.
    """

    loader: "LoaderAt | None" = None
    candidates: "tuple[LoaderAt, ...]" = ()
    context_tokens: int | None = defaults.CONTEXT_TOKENS
    kv_dtype: str = "fp16"
    batch: int = 1
    prefer: Prefer = "quality"
    vram_basis: VramBasis = "free"
    headroom: Headroom = DEFAULT_HEADROOM
    allow_tight: bool = False
    mmproj: bool = False

    @property
    def names_a_loader(self) -> bool:
        """Whether the user chose the loader, by name or as "what is installed"."""
        return self.loader is not None or bool(self.candidates)
