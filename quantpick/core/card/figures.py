"""Figures in a card's text: bits, head bits, sizes."""

import re
from typing import Final

from quantpick.core.branch_name import UnknownName, read_branch_name, read_number
from quantpick.core.units import UNIT_BYTES

SIZE: Final = re.compile(
    r"(\d{1,15}(?:[.,]\d{1,6})*)\s*([kmgt]i?b|[gm]i?o|[гмт]б)?\b(?!\s*(?:of\s+)?v?ram|\s*(?:cards?|gpus?)\b)", re.I
)
_UNIT_LETTERS: Final = str.maketrans("oгмтб", "bgmtb")
"""French and Russian units: Go, Mo, ГБ, МБ."""
_NUMBER_TEXT: Final = r"(\d{1,2}(?:[._]\d{1,4})?)"
_BPW: Final = re.compile(
    rf"{_NUMBER_TEXT}[ _-]?(?:bpw|b/w|(?:decoder )?bits? ?(?:per|/) ?weight)|\bbpw[ :=_-]{{0,2}}{_NUMBER_TEXT}", re.I
)
_HEAD_BITS: Final = re.compile(
    r"(?:(?<![a-z])hb?|head(?:[ _-]?bits?)?)[ :=_-]{0,2}(\d{1,2})(?!\d)"
    r"|(\d{1,2})[ -]?bits?[ -](?:lm_?)?head|(\d{1,2}) (?:lm_?)?head[ -]bits?",
    re.IGNORECASE,
)
_BITS_WORD: Final = re.compile(rf"{_NUMBER_TEXT}[ -]?bits?\b(?![ -](?:lm_?)?head)", re.IGNORECASE)


def explicit_bits_in(text: str) -> float | None:
    """The bits per weight that a text states with their unit."""
    match = _BPW.search(text)
    return read_number(match[1] or match[2]) if match else None


def bits_in(label: str) -> float | None:
    """The bits that a label states.

    >>> [bits_in(label) for label in ("2.06 bpw h6", "4_25", "2.5_H6", "8 bits, 6bit lm_head", "main")]
    [2.06, 4.25, 2.5, 8, None]
    """
    bits = explicit_bits_in(label)
    if bits is None:
        named = read_branch_name(label.strip("*_~` "))
        bits = None if isinstance(named, UnknownName) else named.bits
    if bits is None and (match := _BITS_WORD.search(label)):
        bits = read_number(match[1])
    return bits if bits is not None and 0 < bits <= 32 else None


def head_bits_in(text: str) -> float | None:
    """The bits of the output head that a label states.

    >>> [head_bits_in(text) for text in ("8bpw h8", "2.25bpw, 6bit lm_head", "4.0bpw_H6", "6 head bits", "on an H100")]
    [8, 6, 6, 6, None]
    """
    match = _HEAD_BITS.search(text)
    return int(match[1] or match[2] or match[3]) if match else None


def size_bytes_of(match: re.Match[str] | None, header_unit: str | None) -> int | None:
    """The bytes of a match of `SIZE`, in its own unit or the header's; None without a unit."""
    unit = (match[2] or header_unit or "").lower().translate(_UNIT_LETTERS) if match else ""
    if match is None or not unit:
        return None
    digits = match[1]
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    elif re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+", digits):
        digits = digits.replace(".", "")
    whole, _, fraction = digits.replace(",", ".").partition(".")
    if not fraction.isdigit() and fraction:
        return None
    return int(whole + fraction) * UNIT_BYTES[unit] // 10 ** len(fraction) or None
