"""What the names of models and repos say: the model, the method, and whether two names are of one model."""

import re
from collections.abc import Mapping
from typing import Final

from quantpick.core.quant import Method

_METHOD_WORDS: Final[Mapping[str, Method]] = {
    "gptq": "gptq",
    "awq": "awq",
    "exl2": "exl2",
    "exllamav2": "exl2",
    "exl3": "exl3",
    "exllamav3": "exl3",
    "gguf": "gguf",
    "ggml": "gguf",
}
QUANTIZED: Final = ("gptq", "awq", "exl2", "exl3")
_QUANT_SUFFIX: Final = re.compile(
    r"(?:[-_. ]+(?:\d+(?:[._]\d+)?[-_]?bpw|bpw[-_]?\d+(?:\.\d+)?|h\d{1,2}|exl[23]|exllamav[23]|gptq|awq|gguf|ggml|i1|hf"
    r"|fp16|bf16|int[2-8]|[2-8][-_]?bits?|w\da\d+|\d+g|quants?|quantized|imat))+$",
    re.IGNORECASE,
)


def letters_of(name: str) -> str:
    """A name's letters and digits, to compare names."""
    return re.sub(r"[\W_]+", "", name.casefold())


def stem_of(name: str) -> str:
    """A repo's name without what says how it is quantized.

    >>> [stem_of(name) for name in ("Finch-7B-GPTQ", "Finch-7B-4_25bpw_exl2", "Finch-7B-8.0bpw-h8-exl2", "Finch-7B")]
    ['Finch-7B', 'Finch-7B', 'Finch-7B', 'Finch-7B']
    """
    return _QUANT_SUFFIX.sub("", name[:200])


def alike(name: str, other: str) -> bool:
    """Whether two names are of one model: one holds the other, letters and digits compared."""
    one, two = letters_of(name), letters_of(other)
    return len(one) > 3 and len(two) > 3 and (one in two or two in one)


def method_in(text: str, *, last: bool = False) -> Method | None:
    """The method a text names, the first one or the last.

    >>> method_in("Exllama v2 Quantizations of Finch"), method_in("Finch-AWQ-exl3", last=True), method_in("Finch")
    ('exl2', 'exl3', None)
    """
    words = re.findall(r"[^\W_]+", re.sub(r"exllama[ -]v", "exllamav", text[:1000].casefold()))
    found = [_METHOD_WORDS[word] for word in words if word in _METHOD_WORDS]
    return found[-1 if last else 0] if found else None


def model_in(title: str) -> str:
    """The model a title names.

    >>> model_in("Finch 7B - GPTQ"), model_in("Exllama v2 Quantizations of Finch-7B"), model_in("EXL3 quants of o/F")
    ('Finch 7B', 'Finch-7B', 'F')
    """
    title = re.sub(r"^\W+", "", title)
    title = re.sub(r"^.{0,60}\bquant\w*\s+(?:of|for)\s+", "", title[:300], flags=re.IGNORECASE)
    title = re.sub(r"[\s\-–_(]*\b(?:gptq|awq|exl[23]|gguf|exllama\S*)\b.*$", "", title, flags=re.IGNORECASE)
    return stem_of(title.strip().rpartition("/")[2]).strip(" -–_:")
