"""Readers that turn a table cell into a value, one per kind of column; None if the cell has no such value."""

import re
from typing import Final

from quantpick.core.branch_name import read_number
from quantpick.core.card.figures import SIZE, size_bytes_of
from quantpick.core.card.inline import Inline
from quantpick.core.hub_url import is_git_ref
from quantpick.core.methods import Method, method_in, names_method
from quantpick.core.quant import NO_GROUP
from quantpick.core.units import UNIT_BYTES

_NUMBER: Final = re.compile(r"\d{1,9}(?:[._,]\d{1,6})?")
_YES: Final = (
    *("yes", "true", "y", "on", "enabled", "ja", "oui", "sí", "да", "✓", "✔", "✅", "☑"),
    *("是", "有", "はい", "あり", "예", "있음"),
)
_NO: Final = (
    *("no", "false", "n", "off", "disabled", "nein", "non", "нет", "✗", "✘", "❌", "✖"),
    *("否", "无", "無", "いいえ", "なし", "아니요", "아니오", "없음"),
)
_NO_GROUP: Final = ("keine", "aucun", "aucune", "ninguno", "nenhum", "нет", "无", "無", "なし", "없음")
_THOUSANDS: Final = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f](?=\d{3}\b)")
_BARE_UNIT: Final = re.compile(r"(?<=\d)( ?G)\b")
_RANGE: Final = re.compile(r"\d[\d.,]*\s*(?:-|–|—|~|to|bis)\s*\d+(?:[.,]\d+)?\b")
_MAX_METHOD_WORDS: Final = 3
_NOTHING: Final = ("", "-", "--", "—", "–", "?", "tbd", "tba", "n/a", "na", "none", "null")


def read_branch(cell: Inline, header: str = "") -> str | None:
    """A branch name in a cell without a link; a note in brackets after it ("still uploading") is ignored."""
    name = re.split(r"\s+[*_]{0,2}\(", cell.plain, maxsplit=1)[0].strip(" *")
    return name if is_git_ref(name) and name.lower() not in _NOTHING and not cell.links else None


def read_bits(cell: Inline, header: str) -> float | None:
    """Bits per weight, up to 32; not a number with a unit of size, nor a range."""
    text = cell.plain[:200]
    number = None if _RANGE.match(text) or any(size[2] for size in SIZE.finditer(text)) else _NUMBER.search(text)
    value = read_number(number[0]) if number else None
    return value if value is not None and 0 < value <= 32 else None


def read_group(cell: Inline, header: str) -> int | None:
    """Weights per scale; `NO_GROUP` if the cell says that there are no groups."""
    text = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", cell.plain.casefold())
    if text.startswith(("none", "-1", "no group", "per channel", "channel")) or text in _NO_GROUP:
        return NO_GROUP
    number = re.match(r"(?:gs?)?(\d{1,5}) ?g?\b", text)
    return int(number[1]) if number and int(number[1]) > 8 else None


def read_yes_no(cell: Inline, header: str) -> bool | None:
    """Yes or no, in words or as a mark."""
    text = cell.plain.casefold()
    word = re.split(r"[^\w]", text, maxsplit=1)[0] or text[:1]
    return True if word in _YES or text.startswith("✅") else False if word in _NO else None


def read_fraction(cell: Inline, header: str) -> float | None:
    """Dampening. A "%" in the header is ignored, one in the cell counts."""
    number = re.fullmatch(r"(\d?\.?\d{1,6})( ?%)?", cell.plain)
    value = float(number[1]) / (100 if number[2] else 1) if number else 1.0
    return value if 0 < value < 1 else None


def read_method(cell: Inline, header: str) -> Method | None:
    """The method, if the cell has little more than its name: ``GPTQ``, ``AutoAWQ GEMM``, ``EXL3 (mcg)``."""
    return method_in(cell.plain) if len(cell.plain.split()) <= _MAX_METHOD_WORDS else None


def read_name(cell: Inline, header: str) -> str | None:
    """The name of a data set or a tool; not a number, a size, a yes or no, or a sentence."""
    text = cell.links[0].label.strip() if cell.links and cell.links[0].label else cell.plain
    if (
        text.casefold() in {*_NOTHING, *_YES, *_NO}
        or len(text) > 80
        or re.fullmatch(r"[\d.,\s]+([kmgt]i?b)?", text, re.I)
    ):
        return None
    return text


def read_tool(cell: Inline, header: str) -> str | None:
    """What looks like the name of a quantizing tool: AutoGPTQ, GPTQ-for-LLaMa, exllamav2."""
    text = cell.plain
    named = names_method(text) or any(word in text.casefold() for word in ("exllama", "llama", "transformers"))
    return text if named and re.fullmatch(r"[\w.-]{1,48}", text) else None


def read_tokens(cell: Inline, header: str) -> int | None:
    """A length in tokens: 4096, 4,096 or 4k."""
    match = re.match(r"(\d{1,3}(?:,\d{3})+|\d{1,8}) ?(k\b)?", cell.plain, re.IGNORECASE)
    value = int(match[1].replace(",", "")) * (1024 if match[2] else 1) if match else 0
    return value if value >= 64 else None


def read_size(cell: Inline, header: str) -> int | None:
    """Bytes of "4.15 GB", "4.15G", or "4.15" below a header that names the unit. GB is 10^9, as publishers mean it."""
    found = list(SIZE.finditer(_BARE_UNIT.sub(r"\1B", _THOUSANDS.sub("", cell.plain[:200]))))
    with_unit = next((one for one in found if one[2]), found[0] if found else None)
    return size_bytes_of(with_unit, next((word for word in header.split() if word in UNIT_BYTES), None))


def read_figure(cell: Inline, header: str) -> float | None:
    """A figure that is not negative, without its margin of error or its footnote: ``5.83 ± 0.02``, ``~0.297``."""
    number = _FIGURE.match(cell.plain[:60])
    return None if number is None or number[2] else float(number[1].replace(",", "."))


def read_perplexity(cell: Inline, header: str) -> float | None:
    """A perplexity, at least 1: that of a model that always predicts right."""
    value = read_figure(cell, header)
    return value if value is not None and value >= 1 else None


def read_share(cell: Inline, header: str) -> float | None:
    """A share of 1: ``0.93``, ``93.1%`` or ``93.1``, as a number above 1 must be a percentage."""
    number = _FIGURE.match(cell.plain[:60])
    value = float(number[1].replace(",", ".")) if number else -1.0
    value = value / 100 if number and (number[2] or value > 1) else value
    return round(value, 12) if 0 <= value <= 1 else None


_FIGURE: Final = re.compile(r"[~≈≤<]? ?(\d{1,6}(?:[.,]\d{1,10})?(?:[eE][+-]?\d{1,2})?)(?![\d.,]*\d)\s?(%|[a-zA-Z])?")


def read_words(cell: Inline, header: str) -> str | None:
    """The cell's text."""
    return cell.text or None
