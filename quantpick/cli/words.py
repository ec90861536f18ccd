"""Option values, turned into nouns."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from quantpick.core.units import is_bare, parse_bytes, parse_tokens, parse_vram
from quantpick.errors import UsageError

if TYPE_CHECKING:
    from quantpick.core.choose.wish import Headroom, Wish
    from quantpick.core.gpu import Gpu
    from quantpick.core.quant import BranchWarning

_SHOWN: Final = 60
"""The most characters of a wrong value in an error."""


def wish(options: Mapping[str, Any]) -> "Wish":
    """What to run, by the values of a command's options.

    Raises:
        UsageError: a value is unknown or out of bounds.
    """
    from quantpick.workflow.choice import make_wish

    as_they_are = ("loader", "kv_dtype", "batch", "prefer", "vram_basis", "allow_tight")
    return make_wish(
        context_tokens=context(options["context"]),
        headroom=headroom(options["headroom"]),
        **{name: options[name] for name in as_they_are},
    )


def context(text: str) -> int | None:
    """Tokens of context; None means the model's own maximum."""
    if text.lower() == "max":
        return None
    tokens = parse_tokens(text)
    if tokens is None:
        raise UsageError(
            f"`--context {_short(text)}`: a number of tokens, or `max`", hint="--context 4096 or --context 32k"
        )
    return tokens


def headroom(text: str) -> "Headroom":
    """VRAM to leave alone: a share or a size."""
    from quantpick.core.choose.wish import Headroom

    share = re.fullmatch(r"(\d{1,2}(?:\.\d{1,4})?)\s*%", text)
    if share is not None:
        return Headroom(fraction=float(share[1]) / 100)
    size_bytes = parse_bytes(text)
    if size_bytes is None:
        raise UsageError(f"`--headroom {text}`: a share or a size", hint="--headroom 5% or --headroom 1GiB")
    return Headroom(size_bytes=size_bytes)


def rate(text: str | None) -> int | None:
    """Bytes per second; None for no limit. A bare number is bytes, as in curl."""
    if text is None:
        return None
    speed = re.sub(r"\s*(/s|ps)$", "", text.strip(), flags=re.IGNORECASE)
    size_bytes = parse_bytes(f"{speed}B" if is_bare(speed) else speed)
    if size_bytes is None:
        raise UsageError(f"`--limit-rate {_short(text)}`: bytes a second", hint="--limit-rate 10MB")
    return size_bytes


def gpus(vram: str | None, gpu: str | None, capability: float | None, index: str | None) -> "tuple[Gpu, ...] | None":
    """The GPUs that the options name; None to detect them."""
    if vram is not None and gpu is not None:
        raise UsageError("`--vram` and `--gpu` both name the GPUs: give one of them")
    if index is not None and (vram is not None or gpu is not None):
        raise UsageError("`--gpu-index` chooses among detected GPUs: not with `--vram` or `--gpu`")
    if capability is not None and vram is None:
        raise UsageError("`--gpu-capability` goes with `--vram`")
    if gpu is not None:
        from quantpick.hardware.known import named_gpus

        return named_gpus(gpu)
    if vram is not None:
        return tuple(_vram_gpu(at, size, capability) for at, size in enumerate(_sizes(vram)))
    return None if index is None else _indexed(index)


def assumed(gpu: str | None) -> "tuple[BranchWarning, ...]":
    """Assumptions about the named GPUs, shown even with ``--quiet``."""
    if gpu is None:
        return ()
    from quantpick.core.quant import BranchWarning
    from quantpick.hardware.known import assumed_memories

    return tuple(BranchWarning("assumed-gpu", None, sentence) for sentence in assumed_memories(gpu))


def _sizes(text: str) -> list[str]:
    """The sizes in a list: separated by commas, or line by line as ``nvidia-smi`` prints them."""
    sizes = [size.strip() for size in re.split("[,\n]", text.strip())]
    if len(sizes) == 2 and "," in text and all(map(is_bare, sizes)) and sizes[0] != sizes[1]:
        raise UsageError(
            f"`--vram {text}`: one GPU or two?",
            hint=f"--vram {'.'.join(sizes)} for one, --vram {'GiB,'.join(sizes)}GiB for two",
        )
    return sizes


def _short(text: str) -> str:
    """A value for an error line, cut to a readable length."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _vram_gpu(index: int, text: str, capability: float | None) -> "Gpu":
    from quantpick.core.gpu import Gpu

    size_bytes = parse_vram(text)
    if size_bytes is None:
        raise UsageError(
            f"`--vram {_short(text)}`: a size above zero and below 1 TiB, in GiB or GB", hint="--vram 24GiB"
        )
    if capability is not None and not 1 <= capability < 100:
        raise UsageError(f"`--gpu-capability {capability:g}`: for example 8.9", hint="--gpu-capability 8.9")
    return Gpu(index=index, name="GPU", total_bytes=size_bytes, free_bytes=size_bytes, compute_capability=capability)


def _indexed(text: str) -> "tuple[Gpu, ...]":
    from quantpick.workflow.choice import detect_gpus

    found = {str(gpu.index): gpu for gpu in detect_gpus()}
    wanted = [part.strip() for part in text.split(",")]
    missing = [part for part in wanted if part not in found]
    if missing:
        raise UsageError(f"`--gpu-index {text}`: there is no GPU `{missing[0]}`", hint=f"there are {', '.join(found)}")
    return tuple(found[part] for part in dict.fromkeys(wanted))
