"""Which version of a loader is meant, and which rules hold for it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from quantpick.core.loaders.table import Loader, MemoryFraction, Sharding
from quantpick.core.quant import BranchWarning

if TYPE_CHECKING:
    from packaging.version import Version


@dataclass(frozen=True, slots=True)
class UnknownVersion:
    """A text that is not a version."""

    text: str


@dataclass(frozen=True, slots=True)
class UnknownExtra:
    """A name that is not among a loader's extras, and those that it has."""

    name: str
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamedLoader:
    """A loader as a user names it: name, extras, and version (None for the newest known)."""

    name: str
    extras: frozenset[str] = frozenset()
    version: str | None = None


_CHOICE: Final = re.compile(r"([^\[=]*?)\s*(?:\[([^\]]*)\])?\s*(?:==(.*))?", re.DOTALL)


def parse_choice(text: str) -> NamedLoader:
    """The loader in ``NAME``, ``NAME==VERSION`` or, as in pip, ``NAME[EXTRA,EXTRA]==VERSION``.

    >>> parse_choice("vllm[humming]==0.33.0")
    NamedLoader(name='vllm', extras=frozenset({'humming'}), version='0.33.0')
    >>> parse_choice("hf")
    NamedLoader(name='hf', extras=frozenset(), version=None)
    """
    found = _CHOICE.fullmatch(text.strip())
    if found is None:
        return NamedLoader(text.strip())
    name, extras, version = found.groups()
    named = frozenset(extra.strip().lower() for extra in (extras or "").split(",") if extra.strip())
    return NamedLoader(name, named, None if version is None else version.strip())


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
    """The rules that hold for a version, each with whether that is a guess about a version nobody read.

    For the newest version (None), exactly the ranges without an end hold; not comparing saves importing packaging
    (12 ms). A range that ends with ``until`` extends to the next ``since``: what was seen last is the best guess.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderAt:
    """A loader at a version. `at_version` judges the version once; everything after reads it here.

    Args:
        loader: the loader.
        version: the judged version as written; None for the newest known.
        judged: the same, comparable; None for the newest known.
        extras: the extras it runs with.
        doubts: a warning if this is not the version that was asked for.
    """

    loader: Loader
    version: str | None = None
    judged: "Version | None" = None
    extras: frozenset[str] = frozenset()
    doubts: tuple[BranchWarning, ...] = ()

    @property
    def shown_version(self) -> str:
        """The version that is judged."""
        return self.version or self.loader.newest

    @property
    def label(self) -> str:
        """The loader's name with its extras, and its version if the rules depend on it."""
        name = f"{self.loader.name} {self.shown_version}" if self.loader.has_versions else self.loader.name
        return f"{name} with {', '.join(sorted(self.extras))}" if self.extras else name

    def holding(self, ranged: Sequence[_R]) -> list[tuple[_R, bool]]:
        """The loader's rules (or fractions) that hold, each with whether nobody read this version."""
        return holding(ranged, self.judged)

    @property
    def memory_fraction(self) -> MemoryFraction | None:
        """The share of a GPU's memory that it allocates at start-up; None if it takes what it needs."""
        return next((fraction for fraction, _ in self.holding(self.loader.memory_fractions)), None)

    @property
    def sharding(self) -> Sharding | None:
        """What its tensor parallelism requires of the parts of a matrix; None for whole groups only."""
        return next((sharding for sharding, _ in self.holding(self.loader.shardings)), None)

    def engine_version(self, engine: str) -> str | None:
        """The version of the engine under it, None for the newest: known only where it is that engine itself."""
        return str(self.judged) if self.judged is not None and engine == self.loader.id else None


def at_version(loader: Loader, text: str | None, extras: frozenset[str] = frozenset()) -> LoaderAt | UnknownVersion:
    """The loader at the version that a user named; one not comparable with the known ones counts as the newest.

    If the rules go by dates and the user names a release, or the reverse, the table's list of releases translates. A
    version between two releases gets the date of the older one.

    Args:
        loader: the loader.
        text: a version, a date or a build tag; None for the newest known.
        extras: keys of the loader's extras.
    """
    if text is None:
        return LoaderAt(loader=loader, extras=extras)
    asked, newest = parse_version(text), parse_version(loader.newest)
    if isinstance(asked, UnknownVersion) or isinstance(newest, UnknownVersion):
        return UnknownVersion(text)
    if _is_date(asked) != _is_date(newest):
        released = _released(loader, asked)
        if released is not None:
            return LoaderAt(loader=loader, version=text, judged=released, extras=extras)
        if not loader.has_versions:
            return LoaderAt(loader=loader, version=text, extras=extras)
        problem = "cannot be compared with those known"
    elif asked > newest:
        problem = "is newer than those known"
    else:
        return LoaderAt(loader=loader, version=text, judged=asked, extras=extras)
    message = f"{loader.name}: version {text} {problem}; judged as the newest known, {loader.newest}"
    return LoaderAt(loader=loader, extras=extras, doubts=(BranchWarning("unknown-version", None, message),))


def _released(loader: Loader, asked: "Version") -> "Version | None":
    """A version's date, or the newest version at a date: of the latest release that is not after it."""
    earlier = []
    for release, date in loader.releases.items():
        pair = [parse_version(release), parse_version(date)]
        known, wanted = reversed(pair) if _is_date(asked) else pair
        if not isinstance(known, UnknownVersion) and not isinstance(wanted, UnknownVersion) and known <= asked:
            earlier.append((known, wanted))
    return max(earlier)[1] if earlier else None


def _is_date(version: "Version") -> bool:
    """Whether a version is a date. llama.cpp's build tags are as large, but have one part."""
    return len(version.release) > 1 and version.release[0] >= _FIRST_YEAR


_FIRST_YEAR: Final = 2000
