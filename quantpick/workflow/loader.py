"""The loader that the user named, at its version, or the installed ones."""

from dataclasses import replace
from functools import cache
from typing import Final

from quantpick.core.loaders.kv_dtype import BadKvDtype, kv_dtype_bytes
from quantpick.core.loaders.read import parse_loaders
from quantpick.core.loaders.table import Loader, LoaderTable, UnknownLoader
from quantpick.core.loaders.versions import LoaderAt, UnknownVersion, at_version, parse_choice
from quantpick.core.quant import BranchWarning
from quantpick.errors import UsageError
from quantpick.workflow.data import core_data

_AUTO: Final = "auto"
"""The name that stands for whichever loader is installed."""


@cache
def loader_table() -> LoaderTable:
    """The loader rules that come with quantpick."""
    return parse_loaders(core_data("loaders/loaders.toml"))


def named_loaders(name: str | None, kv_dtype: str) -> tuple[LoaderAt | None, tuple[LoaderAt, ...]]:
    """The loader of that name, or for ``auto`` those to choose from; neither without a name.

    Raises:
        UsageError: as `choose_loader` and `installed_loaders`; without a name, a KV type that no loader has.
    """
    if name is None:
        if all(isinstance(kv_dtype_bytes(one, kv_dtype), BadKvDtype) for one in loader_table().loaders):
            raise UsageError(f"no loader has a KV cache of type `{kv_dtype}`", hint="fp16, fp8, q8, q6 or q4")
        return None, ()
    if name.strip().lower() == _AUTO:
        return None, installed_loaders()
    return choose_loader(name, kv_dtype), ()


def choose_loader(text: str, kv_dtype: str = "fp16") -> LoaderAt:
    """The loader that a user named, if it has the KV type.

    Args:
        text: ``NAME``, ``NAME==VERSION`` or ``NAME[EXTRA]==VERSION``.
        kv_dtype: the type of KV cache it must have.

    Raises:
        UsageError: unknown loader, version or KV type.
    """
    if not text:
        raise UsageError("no loader is named", hint="quantpick loaders")
    named = parse_choice(text)
    found = loader_table().find(named.name)
    if isinstance(found, UnknownLoader):
        near = " or ".join(f"--loader {candidate}" for candidate in found.nearest)
        raise UsageError(
            f"no known loader is called `{found.name}`", hint=f"did you mean {near}?" if near else "quantpick loaders"
        )
    for extra in sorted(named.extras - found.extras.keys()):
        has = ", ".join(f"{found.id}[{known}]" for known in found.extras) or f"--loader {found.id}"
        raise UsageError(f"{found.name} is not known to run with `{extra}`", hint=has)
    chosen = at_version(found, named.version, named.extras)
    if isinstance(chosen, UnknownVersion):
        raise UsageError(f"`{chosen.text}` is not a version", hint=f"--loader {found.id}=={found.newest}")
    kv_bytes(found, kv_dtype)
    return chosen


def installed_loaders() -> tuple[LoaderAt, ...]:
    """The loaders installed in this Python environment or on PATH, each at its version and with its plugins.

    Each has a doubt that tells where it was found.

    Raises:
        UsageError: there is none.
    """
    from quantpick.hardware.installed import find_installed

    found = []
    for loader in loader_table().loaders:
        plugins = {extra.package: name for name, extra in loader.extras.items() if extra.package is not None}
        here = find_installed(loader.package, loader.programs, tuple(plugins))
        if here is None:
            continue
        extras = frozenset(plugins[package] for package in here.packages)
        chosen = at_version(loader, here.version, extras)
        if isinstance(chosen, UnknownVersion):
            chosen = LoaderAt(loader=loader, extras=extras)
        version = here.version or f"its version is not known; judged as {loader.newest}"
        said = BranchWarning("installed-loader", None, f"{loader.name} is installed: {version} ({here.place})")
        found.append(replace(chosen, doubts=(said, *chosen.doubts)))
    if not found:
        raise UsageError("no loader that quantpick knows is installed here", hint="quantpick loaders")
    return tuple(found)


def kv_bytes(loader: Loader, kv_dtype: str) -> float:
    """Bytes per value of a loader's KV cache.

    Raises:
        UsageError: it has none of this type.
    """
    size = kv_dtype_bytes(loader, kv_dtype)
    if isinstance(size, BadKvDtype):
        raise UsageError(f"{loader.name} has no KV cache of type `{kv_dtype}`", hint=f"it has {', '.join(size.known)}")
    return size
