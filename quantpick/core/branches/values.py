"""Values of a config that anyone may have written: of the right type and within bounds, else None."""

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
    """The value of the first key that is present and not null."""
    return next((section[key] for key in keys if section.get(key) is not None), None)


def mapping(value: object) -> Section:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def mappings(values: Iterable[object]) -> list[Section]:
    """The JSON objects among the values."""
    return [value for value in values if isinstance(value, Mapping)]


def texts(values: object) -> list[str]:
    """The texts in a JSON list; none in anything else."""
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def boolean(value: object) -> bool | None:
    """True or false."""
    return value if isinstance(value, bool) else None


def number(value: object) -> float | None:
    """A finite number. Python's JSON also accepts NaN and the infinities; they are refused."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or isfinite(value) else None


def fraction(value: object) -> float | None:
    """A number between 0 and 1, exclusive."""
    found = number(value)
    return found if found is not None and 0 < found < 1 else None


def bits(value: object) -> float | None:
    """Bits per weight, above 0 and up to 16.

    >>> bits(4.25), bits(0), bits(float("nan")), bits(True)
    (4.25, None, None, None)
    """
    found = number(value)
    return found if found is not None and 0 < found <= _MAX_BITS else None


def group(value: object) -> int | None:
    """A group size as in the files: a positive number up to 2**20, or -1 (some write 0) for none."""
    if isinstance(value, bool) or not isinstance(value, int) or value > _MAX_GROUP:
        return None
    return value if value > 0 else NO_GROUP


def tokens(value: object) -> int | None:
    """A length in tokens, from 1 to 10**9."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 < value <= _MAX_TOKENS else None  # type: ignore[operator,return-value]


def text(value: object) -> str | None:
    """A printable text of up to 200 characters."""
    return value if isinstance(value, str) and 0 < len(value) <= _MAX_TEXT and value.isprintable() else None


def word(value: object) -> str | None:
    """The same in lower case, for comparison."""
    found = text(value)
    return found.lower() if found else None
