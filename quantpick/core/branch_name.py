"""What a branch's name says about the quantization in it.

Publishers write the parameters into the name, each in a grammar of their own. `_GRAMMARS` holds one pattern per grammar
with the publishers who use it; a new grammar is a new row. A name that matches no pattern is a value, not an error:
``main`` and ``latest`` are valid names that say nothing.
"""

import re
from dataclasses import dataclass
from typing import Final

from quantpick.core.methods import IN_BRANCHES, METHODS, Method, method_in
from quantpick.core.quant import NO_GROUP, QuantFacts


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A branch name that no known grammar reads as a quantization."""

    name: str


_NUMBER = r"(?P<bits>\d{1,2}(?:[._]\d{1,3})?)"
_TAIL = r"(?P<tail>(?:[-_][a-z0-9.]+)*)"
_METHOD = r"(?:(?P<method>[a-z][a-z0-9-]{1,24}?)[-_])"

_GRAMMARS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # TheBloke: gptq-4bit-32g-actorder_True, gptq-8bit--1g-actorder_True, gptq-4-32g-actorder_True; and the
        # directories of his scripts: 4bits-128g-desc_act_True-damp_0.1; without act order: awq-4bit-128g.
        rf"{_METHOD}?(?P<bits>[2-8])(?:-?bits?)?[-_](?P<group>-1|\d{{2,4}})g"
        r"(?:[-_](?:act[-_]?order|desc_act)_(?P<act>true|false))?(?:-damp_(?P<damp>0\.\d{1,6}))?",
        # turboderp 2.4bpw, SC_1.40bpw_H3_V3, optimized-2.27bpw; cgus 4.25bpw-h6; Doctor-Shotgun 5.0bpw-h6-wiki;
        # ArtusDev 2.5bpw_H6; latimar 5_0-bpw-h8; khronnuz 4.05bpw_h6_ng6; sfxnz 2.0bpw-mcg; also exl2-4.0bpw and
        # H8-4.0BPW.
        rf"(?:h(?P<first>\d{{1,2}})[-_]|[a-z][a-z0-9]{{0,15}}[-_])?{_NUMBER}[-_]?bpw(?:[-_]?hb?(?P<head>\d{{1,2}}))?{_TAIL}",
        # zaq-hack bpw300-h6, blockblockblock bpw3.7
        rf"bpw(?:(?P<hundredths>\d{{3}})|{_NUMBER})(?:[-_]h(?P<head>\d{{1,2}}))?{_TAIL}",
        # ReadyArt 5.0_H6, mo137 5.8_h8
        rf"{_NUMBER}[-_]h(?P<head>\d{{1,2}}){_TAIL}",
        # rAIfle 2.25b6h, 3_5b6h
        rf"{_NUMBER}b(?P<head>\d{{1,2}})h",
        # bartowski 8_0, 4_25, 3.0
        r"(?P<bits>\d[._]\d{1,2})",
        # gptq-4bit, 8-bit, int4, GPTQ-Int8
        rf"{_METHOD}?(?:(?P<bits>[2-8])-?bits?|int(?P<int>[2-8]))",
        # w4a16, w4g128, w4a16-g128: compressed-tensors and AWQ recipes
        r"w(?P<bits>[2-8])(?:a(?:8|16))?[-_]?(?:g(?P<group>\d{2,4}))?",
        # nvfp4, fp8, FP8-dynamic, exl3: the method alone
        r"(?P<alone>[a-z][a-z0-9-]{2,24}?)(?:[-_](?:dynamic|static|block|channel|tensor|a16|a8|kv\d?))*",
        # the unquantized copy
        r"(?P<float>fp16|bf16|f16|float16|bfloat16)",
        # llama.cpp file types used as branches: Q4_K_M, IQ3_XS
        r"i?q(?P<gguf>[1-8])_(?:k(?:_[sml])?|[01]|x?x?[sm]|nl)",
    )
)
_NAME_WORDS: Final = {word: key for key, method in METHODS.items() for word in method.name_words}
_KEYS_ALONE: Final = {word.replace(" ", ""): key for key in IN_BRANCHES for word in METHODS[key].words}
_FURTHER_HEAD: Final = re.compile(r"[-_]h(\d{1,2})(?![a-z0-9.])", re.IGNORECASE)
_MAX_BITS: Final = 16


def read_branch_name(name: str) -> QuantFacts | UnknownName:
    """The facts in a branch's name.

    ``4.25bpw`` alone may be EXL2 or EXL3: the method is None unless a word in the name tells.

    >>> facts = read_branch_name("gptq-8bit--1g-actorder_True")
    >>> facts.bits, facts.group_size, facts.desc_act
    (8, -1, True)
    >>> read_branch_name("2.5bpw_H6").bits, read_branch_name("main")
    (2.5, UnknownName(name='main'))
    """
    for grammar in _GRAMMARS:
        match = grammar.fullmatch(name)
        if match is not None:
            facts = _facts({key: value for key, value in match.groupdict().items() if value is not None}, name.lower())
            if facts is not None:
                return facts
    return UnknownName(name)


def _facts(said: dict[str, str], name: str) -> QuantFacts | None:
    """The facts in one match; None if the numbers cannot be bits (a date, a version)."""
    if "float" in said:
        return QuantFacts(method="none", bits=16)
    if "gguf" in said:
        return QuantFacts(method="gguf", bits=int(said["gguf"]))
    if "alone" in said:
        key = _KEYS_ALONE.get(re.sub("[-_]", "", said["alone"].lower()))
        return None if key is None else QuantFacts(method=key, bits=METHODS[key].bits, scheme=METHODS[key].scheme)
    if "method" in said and method_in(said["method"]) is None:
        return None
    bits = int(said["hundredths"]) / 100 if "hundredths" in said else read_number(said.get("bits") or said["int"])
    if not 1 <= bits <= _MAX_BITS:
        return None
    group = int(said["group"]) if "group" in said else None
    return QuantFacts(
        method=_method_named(name),
        bits=bits,
        head_bits=_head(said),
        group_size=NO_GROUP if group == NO_GROUP else group,
        desc_act=said["act"].lower() == "true" if "act" in said else None,
        damp_percent=float(said["damp"]) if "damp" in said else None,
    )


def _head(said: dict[str, str]) -> int | None:
    """Bits of the head: after the bits, before them, or further on in the name."""
    further = _FURTHER_HEAD.search(said.get("tail", ""))
    text = said.get("head") or said.get("first") or (further[1] if further else None)
    return int(text) if text else None


def read_number(text: str) -> float:
    """``4.25``, ``4,25`` and ``4_25`` as 4.25; whole numbers stay int, as in the files.

    >>> read_number("4_25"), read_number("4")
    (4.25, 4)
    """
    text = text.replace("_", ".").replace(",", ".")
    return float(text) if "." in text else int(text)


def _method_named(name: str) -> Method | None:
    return method_in(name) or next((_NAME_WORDS[word] for word in re.split(r"[-_]", name) if word in _NAME_WORDS), None)
