"""The names of models and repos: which model they name, and whether two of them name the same."""

import re
from typing import Final

from quantpick.core.methods import METHOD_WORDS

_QUANT_SUFFIX: Final = re.compile(
    rf"(?:[-_. ]+(?:{METHOD_WORDS}|\d+(?:[._]\d+)?[-_]?bpw|bpw[-_]?\d+(?:\.\d+)?|h\d{{1,2}}|i1|hf"
    r"|fp16|bf16|int[2-8]|[2-8][-_]?bits?|w\da\d+|\d+g|quants?|quantized|imat))+$",
    re.IGNORECASE,
)
_NAMED_METHOD: Final = re.compile(rf"[\s\-–_(]*\b(?:{METHOD_WORDS}|exllama\S*)\b.*$", re.IGNORECASE)


def letters_of(name: str) -> str:
    """A name's letters and digits, for comparison."""
    return re.sub(r"[\W_]+", "", name.casefold())


def stem_of(name: str) -> str:
    """A repo's name without the words about its quantization.

    >>> [stem_of(name) for name in ("Finch-7B-GPTQ", "Finch-7B-4_25bpw_exl2", "Finch-7B-8.0bpw-h8-exl2", "Finch-7B")]
    ['Finch-7B', 'Finch-7B', 'Finch-7B', 'Finch-7B']
    """
    return _QUANT_SUFFIX.sub("", name[:200])


def alike(name: str, other: str) -> bool:
    """Whether two names are of one model: the letters and digits of one contain the other's."""
    one, two = letters_of(name), letters_of(other)
    return len(one) > 3 and len(two) > 3 and (one in two or two in one)


def model_in(title: str) -> str:
    """The model a title names.

    >>> model_in("Finch 7B - GPTQ"), model_in("Exllama v2 Quantizations of Finch-7B"), model_in("EXL3 quants of o/F")
    ('Finch 7B', 'Finch-7B', 'F')
    """
    title = re.sub(r"^\W+", "", title)
    title = re.sub(r"^.{0,60}\bquant\w*\s+(?:of|for)\s+", "", title[:300], flags=re.IGNORECASE)
    title = _NAMED_METHOD.sub("", title)
    return stem_of(title.strip().rpartition("/")[2]).strip(" -–_:")
