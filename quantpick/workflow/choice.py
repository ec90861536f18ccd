"""What the user named, checked in one place: the repo, the GPUs, the wish."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, TypedDict, Unpack, get_args

from quantpick.core import defaults
from quantpick.core.choose.wish import Headroom, Prefer, VramBasis, Wish
from quantpick.core.gpu import Gpu
from quantpick.core.target import NoModel, Target, parse_target
from quantpick.core.units import is_number, is_whole
from quantpick.errors import UsageError

if TYPE_CHECKING:
    from quantpick.core.quant import BranchWarning

_MAX_GPU_BYTES: Final = 2**60
"""More than any GPU has: a larger value is a mistake."""
_MAX_CAPABILITY: Final = 100
"""Likewise; the newest is 12.1."""


def target(text: str) -> Target:
    """The repo, and perhaps the branch, that a user named.

    Raises:
        UsageError: the text names none.
    """
    found = parse_target(text, endpoint=os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    if isinstance(found, NoModel):
        raise UsageError(f"`{text}` is a {found.kind}, not a model", hint="a model's address is owner/name")
    if found is None:
        raise UsageError(
            f"`{text}` is not a repo", hint="a repo is owner/name, for example TheBloke/Mistral-7B-v0.1-GPTQ"
        )
    return found


def detect_gpus() -> tuple[Gpu, ...]:
    """This machine's NVIDIA GPUs.

    Raises:
        UsageError: there are none, with NVML's reason.
    """
    return _detected()[0]


def _detected() -> "tuple[tuple[Gpu, ...], tuple[BranchWarning, ...]]":
    """The GPUs of `detect_gpus`, and a warning if NVML reports a problem."""
    from quantpick.core.quant import BranchWarning
    from quantpick.hardware.nvml import detect

    found = detect()
    if not found.gpus:
        raise UsageError(f"{found.problem}", hint='name the machine to ask about: --vram 24GiB, or --gpu "RTX 4090"')
    return found.gpus, () if found.problem is None else (BranchWarning("gpu-problem", None, found.problem),)


class WishWords(TypedDict, total=False):
    """The fields of `Wish`, with the loader by name."""

    loader: str | None
    context_tokens: int | None
    kv_dtype: str
    batch: int
    prefer: Prefer
    vram_basis: VramBasis
    headroom: Headroom
    allow_tight: bool


def make_wish(**words: Unpack[WishWords]) -> Wish:
    """What to run, checked before it reaches core.

    Args:
        words: the fields of `Wish` to set; `loader` is ``NAME``, ``NAME==VERSION``, ``NAME[EXTRA]`` or ``auto``.

    Raises:
        UsageError: an unknown loader, version, KV type or preference; a number that cannot be read or is out of bounds.
    """
    unknown = words.keys() - WishWords.__annotations__.keys()
    if unknown:
        raise UsageError(f"there is no argument called {', '.join(sorted(unknown))}")
    _check_words(words)
    if words.get("loader") is None and words.get("kv_dtype", "fp16") == "fp16":
        return Wish(**words)  # type: ignore[arg-type]  # the loader is none: its rules need not be read

    from quantpick.workflow.loader import named_loaders

    loader, candidates = named_loaders(words.get("loader"), words.get("kv_dtype", "fp16"))
    return Wish(**{**words, "loader": loader, "candidates": candidates})  # type: ignore[arg-type]


def _check_words(words: WishWords) -> None:
    if words.get("context_tokens") is not None:
        check_count("context_tokens", words["context_tokens"], defaults.MAX_CONTEXT_TOKENS)
    check_count("batch", words.get("batch", 1), defaults.MAX_BATCH)
    for name, known in (("prefer", get_args(Prefer)), ("vram_basis", get_args(VramBasis))):
        if words.get(name, known[0]) not in known:
            raise UsageError(f"{name} is {shown(words.get(name))}: it is {' or '.join(known)}")
    for name, kind in (("loader", str), ("kv_dtype", str), ("headroom", Headroom), ("allow_tight", bool)):
        unsaid = name not in words or (name == "loader" and words.get(name) is None)
        if not unsaid and not isinstance(words.get(name), kind):
            raise UsageError(f"{name} is {shown(words.get(name))}: it is a {kind.__name__}")

    headroom = words.get("headroom")
    if headroom is not None and not (
        (headroom.fraction == 0 or is_number(headroom.fraction, 1)) and is_whole(headroom.size_bytes, 0, _MAX_GPU_BYTES)
    ):
        raise UsageError(f"headroom is {shown(headroom)}: a share from 0 to 1 and bytes as a whole number are needed")


def check_count(name: str, value: object, most: int, least: int = 1) -> None:
    """Check that a value is a whole number from `least` to `most`.

    Raises:
        UsageError: it is not.
    """
    if not is_whole(value, least, most):
        raise UsageError(f"{name} of {shown(value)}: a whole number from {least} to {most} is needed")


def shown(value: object) -> str:
    """A value for a message, shortened.

    >>> shown("max"), shown(10**5000)
    ("'max'", 'a number of more than 30 digits')
    """
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    return repr(value)[:60]


def check_gpus(gpus: Iterable[Gpu]) -> tuple[Gpu, ...]:
    """The GPUs to ask about, checked.

    Raises:
        UsageError: the list is empty, or an entry is not a GPU with its memory in bytes.
    """
    if not hasattr(gpus, "__iter__"):
        raise UsageError(f"gpus is {shown(gpus)}: a list of Gpu is needed")
    machine = tuple(gpus)
    if not machine:
        raise UsageError("gpus is empty: at least one GPU is needed; None detects this machine's")
    for gpu in machine:
        if not _is_gpu(gpu):
            raise UsageError(f"gpus holds {shown(gpu)}: a Gpu with its bytes as whole numbers is needed")
    return machine


def _is_gpu(value: object) -> bool:
    if not isinstance(value, Gpu):
        return False
    name: object = value.name
    capability = value.compute_capability
    sizes = (value.free_bytes, value.used_bytes)
    return (
        is_whole(value.total_bytes, 1, _MAX_GPU_BYTES)
        and all(is_whole(size, 0, _MAX_GPU_BYTES) for size in sizes)
        and (capability is None or is_number(capability, _MAX_CAPABILITY))
        and isinstance(name, str)
        and is_whole(value.index, 0, _MAX_GPU_BYTES)
    )
