"""Which version of a loader is meant, and which rules hold for it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from quantpick.core.loaders.table import Loader, MemoryFraction
from quantpick.core.quant import BranchWarning

if TYPE_CHECKING:
    from packaging.version import Version


@dataclass(frozen=True, slots=True)
class UnknownVersion:
    """A text that is no version."""

    text: str


def parse_choice(text: str) -> tuple[str, str | None]:
    """The loader and the version in ``NAME`` or ``NAME==VERSION``; a version of None is the newest known.

    >>> parse_choice("vllm==0.13.0"), parse_choice("hf")
    (('vllm', '0.13.0'), ('hf', None))
    """
    name, equals, version = text.partition("==")
    return name.strip(), version.strip() if equals else None


_DATE: Final = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_BUILD: Final = re.compile(r"b\d+")


def parse_version(text: str) -> "Version | UnknownVersion":
    """A version by PEP 440, a date, or a build tag of llama.cpp.

    >>> str(parse_version("2026-03-01")), str(parse_version("b4567")), parse_version("foo")
    ('2026.3.1', '4567', UnknownVersion(text='foo'))
    """
    from packaging.version import Version

    spelled = text.strip()
    if _DATE.fullmatch(spelled):
        spelled = spelled.replace("-", ".")
    if _BUILD.fullmatch(spelled):
        spelled = spelled[1:]
    try:
        return Version(spelled)
    except ValueError:
        return UnknownVersion(text)


class _Ranged(Protocol):
    """What holds for some versions."""

    @property
    def since(self) -> str | None: ...
    @property
    def before(self) -> str | None: ...
    @property
    def until(self) -> str | None: ...


_R = TypeVar("_R", bound=_Ranged)


def holding(ranged: Sequence[_R], version: "Version | None") -> list[tuple[_R, bool]]:
    """Those that hold for a version, each with whether that is a guess about a version nobody opened.

    The newest version (None) needs no comparing, which saves importing packaging (12 ms): exactly the ranges without an
    end hold. One that ends with ``until`` is stretched to the next ``since``: what was seen last is the best guess.
    """
    if version is None:
        return [(one, False) for one in ranged if one.before is None and one.until is None]
    from packaging.version import Version

    starts = [Version(one.since) for one in ranged if one.since]

    def holds(one: _R) -> bool | None:
        """Whether it holds, or None for a guess."""
        if (one.since and version < Version(one.since)) or (one.before and version >= Version(one.before)):
            return False
        if one.until is None or version <= Version(one.until):
            return True
        later = [start for start in starts if start > Version(one.until)]
        return None if later and version < min(later) else False

    return [(one, held is None) for one in ranged if (held := holds(one)) is not False]


def judged_version(loader: Loader, version: str | None) -> "tuple[Version | None, tuple[BranchWarning, ...]]":
    """The version to judge, None for the newest known, and a warning where that is not the one that was asked for."""
    if version is None:
        return None, ()
    asked, newest = parse_version(version), parse_version(loader.newest)
    judged = f"judged as the newest known, {loader.newest}"
    if isinstance(asked, UnknownVersion) or isinstance(newest, UnknownVersion):
        problem = f"`{version}` is no version"
    elif _is_date(asked) != _is_date(newest):
        problem = f"version {version} cannot be compared with those known"
    elif asked > newest:
        problem = f"version {version} is newer than those known"
    else:
        return asked, ()
    return None, (BranchWarning("unknown-version", None, f"{loader.name}: {problem}; {judged}"),)


def _is_date(version: "Version") -> bool:
    """Whether a version is a date. llama.cpp's build tags are as large, but have one part."""
    return len(version.release) > 1 and version.release[0] >= 2000


def label_of(loader: Loader, version: str | None) -> str:
    """The loader's name, with the version where its rules depend on it."""
    ranged = any(rule.since or rule.before or rule.until for rule in loader.rules)
    return f"{loader.name} {version or loader.newest}" if ranged else loader.name


def memory_fraction(loader: Loader, version: str | None) -> MemoryFraction | None:
    """The part of a GPU's memory that the loader takes whatever the model; None when it takes what it needs.

    Args:
        loader: the loader.
        version: its version, judged as in `check`; None is the newest known.
    """
    judged, _ = judged_version(loader, version)
    return next((fraction for fraction, _ in holding(loader.memory_fractions, judged)), None)


def engine_version(loader: Loader, engine: str, version: str | None) -> str | None:
    """The version of the engine under a loader, None for the newest: known only where the loader is the engine itself.

    Args:
        loader: the loader.
        engine: its engine for a quantization.
        version: the loader's version, judged as in `check`; None is the newest known.
    """
    judged, _ = judged_version(loader, version)
    return str(judged) if judged is not None and engine == loader.id else None
