"""Bytes from and to text: VRAM in GiB (2^30), files in GB (10^9, as on the Hub and in cards)."""

import re
from typing import Final

MIB: Final = 2**20
GIB: Final = 2**30
GB: Final = 10**9

UNIT_BYTES: Final = {
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
"""Bytes of each unit, read literally."""
_FACTORS: Final = {"": GIB, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, **UNIT_BYTES}
_SIZE: Final = re.compile(r"\s*([0-9]{1,18}(?:\.[0-9]{1,9})?|\.[0-9]{1,9})\s*([kmgt]?i?b?)\s*", re.IGNORECASE)


def parse_bytes(text: str) -> int | None:
    """A size as people write it, in bytes; None if it is none (a negative number or an unknown unit).

    The unit is read literally: ``GiB`` is 2^30 and ``GB`` is 10^9. A bare number, or a bare ``G``, is GiB, as usual for
    VRAM.

    >>> parse_bytes("24GiB"), parse_bytes("24"), parse_bytes("17.69 GB"), parse_bytes("24XB")
    (25769803776, 25769803776, 17690000000, None)
    """
    match = _SIZE.fullmatch(text)
    if match is None or match[2].lower() not in _FACTORS:
        return None
    return round(float(match[1]) * _FACTORS[match[2].lower()])


_BARE_MIB: Final = 400
"""A bare number of at least this is MiB, as ``nvidia-smi --format=csv,noheader,nounits`` prints it: no GPU has 400 GiB
(B300: 288 GB)."""
MAX_VRAM_BYTES: Final = 2**40
"""More is a typo."""


def parse_vram(text: str) -> int | None:
    """One GPU's memory as people write it or ``nvidia-smi`` prints it, in bytes; None if it is none.

    >>> parse_vram("24"), parse_vram("12288"), parse_vram("24564 MiB"), parse_vram("0"), parse_vram("2TiB")
    (25769803776, 12884901888, 25757220864, None, None)
    """
    size_bytes = parse_bytes(text)
    if size_bytes is not None and is_bare(text) and float(text) >= _BARE_MIB:
        size_bytes = round(float(text) * MIB)
    return size_bytes if size_bytes and size_bytes <= MAX_VRAM_BYTES else None


def is_bare(text: str) -> bool:
    """Whether a size is a number without a unit."""
    match = _SIZE.fullmatch(text)
    return match is not None and not match[2]


_TOKENS: Final = re.compile(r"([0-9]{1,9}|[0-9]{1,3}(?:[_,][0-9]{3}){1,2})(?:\.([0-9]))?([kKmM]?)")


def parse_tokens(text: str) -> int | None:
    """A number of tokens as people write it, at least 1; None if it is none. ``k`` is 1024, as in model names.

    >>> parse_tokens("32k"), parse_tokens("8_192"), parse_tokens("4096"), parse_tokens("1M"), parse_tokens("0")
    (32768, 8192, 4096, 1048576, None)
    """
    match = _TOKENS.fullmatch(text.strip())
    if match is None or (match[2] and not match[3]):
        return None
    factor = {"": 1, "k": 2**10, "m": 2**20}[match[3].lower()]
    tokens = round(float(f"{re.sub('[_,]', '', match[1])}.{match[2] or 0}") * factor)
    return tokens or None


def format_gib(size_bytes: int) -> str:
    """VRAM for a screen, in GiB with two decimals.

    >>> format_gib(25769803776)
    '24.00 GiB'
    """
    return f"{size_bytes / GIB:.2f} GiB"


_SMALL: Final = ((10**3, "kB"), (10**6, "MB"))


def format_gb(size_bytes: int) -> str:
    """A file size for a screen, in GB (10^9 bytes) with two decimals; in MB or kB if that would be 0.00.

    >>> format_gb(17690000000), format_gb(2_300_000), format_gb(512)
    ('17.69 GB', '2.30 MB', '0.51 kB')
    """
    size, unit = next(((of, name) for of, name in _SMALL if 0 < size_bytes < of * 10), (GB, "GB"))
    return f"{size_bytes / size:.2f} {unit}"


def is_whole(value: object, least: int, most: int) -> bool:
    """Whether a value from outside is a whole number within bounds. True and False are not.

    >>> is_whole(4, 1, 8), is_whole(9, 1, 8), is_whole(4.0, 1, 8), is_whole(True, 0, 8)
    (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_number(value: object, most: float) -> bool:
    """Whether a value from outside is a number above zero and up to `most`. NaN is not.

    >>> is_number(4.25, 64), is_number(float("nan"), 64), is_number(0, 64), is_number("4", 64)
    (True, False, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= most
