"""What the user named, judged once: the repo, the loader at a version, the GPUs."""

import os
from functools import cache
from importlib import resources

from quantpick.core.gpu import Gpu
from quantpick.core.loaders.kv_dtype import BadKvDtype, kv_dtype_bytes
from quantpick.core.loaders.read import parse_loaders
from quantpick.core.loaders.table import Loader, LoaderTable, UnknownLoader
from quantpick.core.loaders.versions import LoaderAt, UnknownVersion, at_version, parse_choice
from quantpick.core.quant import BranchWarning
from quantpick.core.target import Target, parse_target
from quantpick.errors import UsageError


def target(text: str) -> Target:
    """The repo, and perhaps the branch, that a user named.

    Raises:
        UsageError: the text names none.
    """
    found = parse_target(text, endpoint=os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    if found is None:
        raise UsageError(f"`{text}` is no repo", hint="a repo is owner/name, for example TheBloke/Mistral-7B-v0.1-GPTQ")
    return found


def detect_gpus() -> tuple[Gpu, ...]:
    """This machine's NVIDIA GPUs.

    Raises:
        UsageError: there are none, with NVML's reason.
    """
    return _detected()[0]


def _detected() -> tuple[tuple[Gpu, ...], tuple[BranchWarning, ...]]:
    """The GPUs of `detect_gpus`, and a warning where they are not all there is to say."""
    from quantpick.hardware.nvml import detect

    found = detect()
    if not found.gpus:
        raise UsageError(f"{found.problem}", hint='name the machine to ask about: --vram 24GiB, or --gpu "RTX 4090"')
    return found.gpus, () if found.problem is None else (BranchWarning("gpu-problem", None, found.problem),)


@cache
def loader_table() -> LoaderTable:
    """The loader rules that come with quantpick."""
    return parse_loaders(_core_data("loaders/loaders.toml"))


def choose_loader(text: str, kv_dtype: str = "fp16") -> LoaderAt:
    """The loader a user named, checked to be able to do what is asked of it.

    Args:
        text: ``NAME`` or ``NAME==VERSION``.
        kv_dtype: the KV type it has to offer.

    Raises:
        UsageError: unknown loader, version or KV type.
    """
    name, version = parse_choice(text)
    found = loader_table().find(name)
    if isinstance(found, UnknownLoader):
        near = " or ".join(f"--loader {candidate}" for candidate in found.nearest)
        raise UsageError(
            f"no known loader is called `{found.name}`", hint=f"did you mean {near}?" if near else "quantpick loaders"
        )
    chosen = at_version(found, version)
    if isinstance(chosen, UnknownVersion):
        raise UsageError(f"`{chosen.text}` is no version", hint=f"--loader {found.id}=={found.newest}")
    _kv_bytes(found, kv_dtype)
    return chosen


def _kv_bytes(loader: Loader, kv_dtype: str) -> float:
    size = kv_dtype_bytes(loader, kv_dtype)
    if isinstance(size, BadKvDtype):
        raise UsageError(f"{loader.name} has no KV cache of type `{kv_dtype}`", hint=f"it has {', '.join(size.known)}")
    return size


def _core_data(name: str) -> str:
    """The text of a data file of core, which does no I/O itself."""
    return resources.files("quantpick.core").joinpath(name).read_text(encoding="utf-8")
