"""Values of a config that anyone may have written: what is of the right kind and within bounds, else None."""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Final

from quantpick.core.quant import NO_GROUP

_MAX_BITS: Final = 16
_MAX_GROUP: Final = 2**20
_MAX_TOKENS: Final = 10**9
_MAX_TEXT: Final = 200

Section = Mapping[str, object]


def first(section: Section, *keys: str) -> object:
    """The value of the first of some keys that is there and not null."""
    return next((section[key] for key in keys if section.get(key) is not None), None)


def mapping(value: object) -> Section:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def mappings(values: Iterable[object]) -> list[Section]:
    """Those of the values that are JSON objects."""
    return [value for value in values if isinstance(value, Mapping)]


def texts(values: object) -> list[str]:
    """The texts in a JSON list; none in anything else."""
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def boolean(value: object) -> bool | None:
    """True or false."""
    return value if isinstance(value, bool) else None


def number(value: object) -> float | None:
    """A finite number; NaN and the infinities, which Python's JSON takes, are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or isfinite(value) else None


def fraction(value: object) -> float | None:
    """A number between 0 and 1, both left out."""
    found = number(value)
    return found if found is not None and 0 < found < 1 else None


def bits(value: object) -> float | None:
    """Bits of a weight, up to 16.

    >>> bits(4.25), bits(0), bits(float("nan")), bits(True)
    (4.25, None, None, None)
    """
    found = number(value)
    return found if found is not None and 0 < found <= _MAX_BITS else None


def group(value: object) -> int | None:
    """A group size as the files write it: a positive number, or -1 (some write 0) for none."""
    if isinstance(value, bool) or not isinstance(value, int) or value > _MAX_GROUP:
        return None
    return value if value > 0 else NO_GROUP


def tokens(value: object) -> int | None:
    """A length in tokens."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 < value <= _MAX_TOKENS else None  # type: ignore[operator,return-value]


def text(value: object) -> str | None:
    """A short text that can be printed."""
    return value if isinstance(value, str) and 0 < len(value) <= _MAX_TEXT and value.isprintable() else None


def word(value: object) -> str | None:
    """A short text in small letters, to be compared."""
    found = text(value)
    return found.lower() if found else None
