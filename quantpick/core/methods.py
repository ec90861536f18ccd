"""The quantization methods: what is known about each by name, one row per method.

All code that reads a card, a branch name, a config or a file tree, or names a method, asks `METHODS`. A new method is a
row here and a test.
"""

import re
from collections.abc import Iterable
from itertools import zip_longest
from typing import Final, Literal, NamedTuple

Scheme = Literal["int", "fp8", "fp4", "nvfp4", "mxfp4", "mxfp8", "nf4", "codebook"]
"""The kind of a stored weight: an integer with a scale, a small float (E4M3 for ``fp8``), a block format, or an index
into a table. ``nvfp4`` has groups of 16 with FP8 scales; ``mxfp4`` and ``mxfp8`` have groups of 32 with 8-bit
exponents (OCP Microscaling Formats 1.0)."""

Method = str
"""A key of `METHODS`: how the weights are stored. Usually the files' own ``quant_method``; ``none`` is 16-bit."""


class QuantMethod(NamedTuple):
    """One way to store quantized weights, with all its names.

    Args:
        title: what prose calls it.
        words: its names in cards, repo names and branch names, in lower case. There, a blank may be missing or be a
            hyphen.
        tools: the programs that make it, as cards name them; written like `words`.
        config_names: the values of ``quant_method`` that mean it.
        config_keys: keys found only in its files, to recognize files older than ``quant_method``.
        name_words: further words that identify it in a branch name but mean nothing in prose.
        endings: the endings of its files, if they identify it.
        in_branches: whether each quantization gets its own branch, not just its own file.
        has_groups: whether weights share scales in groups of a size that the files state.
        states_bpw: whether its stated bits are the effective figure, fractions allowed, as the loaders print it.
        zeros: how a group's zero point is stored beside its 16-bit scale: in as many bits as a weight, only if the
            quantization is asymmetric, in 16 bits, or ``none`` if groups store nothing significant.
        packs_all: whether the embedding is quantized like the rest.
        bits: bits per weight, if it has only one figure.
        scheme: the kind of its weights, if it has only one.
        group_size: weights that share a scale, if it has only one figure; -1 is one scale per column or tensor.
        writes: other methods whose files its tool writes too, so a card may use this name for them.
    """

    title: str
    words: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    config_names: tuple[str, ...] = ()
    config_keys: tuple[str, ...] = ()
    name_words: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    in_branches: bool = True
    has_groups: bool = True
    states_bpw: bool = False
    zeros: Literal["stored", "if asymmetric", "16-bit", "none"] = "stored"
    packs_all: bool = False
    bits: float | None = None
    scheme: Scheme | None = None
    group_size: int | None = None
    writes: tuple[Method, ...] = ()


METHODS: Final[dict[Method, QuantMethod]] = {
    "gptq": QuantMethod(
        title="GPTQ",
        words=("gptq",),
        tools=("auto gptq", "gptqmodel"),
        config_names=("gptq", "gptq_v2", "gptq_marlin", "marlin"),
    ),
    "awq": QuantMethod(
        title="AWQ",
        words=("awq",),
        tools=("auto awq",),
        config_names=("awq",),
        config_keys=("w_bit", "zero_point"),
    ),
    "exl2": QuantMethod(
        title="EXL2",
        words=("exl2", "exllama v2"),
        tools=("exl2", "exllama", "exllama v2"),
        config_names=("exl2",),
        has_groups=False,
        states_bpw=True,
    ),
    "exl3": QuantMethod(
        title="EXL3",
        words=("exl3", "exllama v3"),
        tools=("exl3", "exllama v3"),
        config_names=("exl3",),
        name_words=("mcg", "mul1"),  # its codebooks
        has_groups=False,
        states_bpw=True,
    ),
    "gguf": QuantMethod(
        title="GGUF",
        words=("gguf", "ggml"),
        config_names=("gguf",),
        endings=(".gguf",),
        in_branches=False,
        has_groups=False,
        packs_all=True,
    ),
    "compressed-tensors": QuantMethod(
        title="compressed-tensors",
        words=("compressed tensors", "llm compressor"),
        tools=("llm compressor",),
        config_names=("compressed-tensors",),
        config_keys=("config_groups",),
        zeros="if asymmetric",
    ),
    "auto-round": QuantMethod(
        title="AutoRound",
        words=("auto round",),
        tools=("auto round",),
        config_names=("auto-round", "intel/auto-round", "autoround"),
        writes=("gptq", "awq", "gguf", "compressed-tensors"),
    ),
    "modelopt": QuantMethod(
        title="ModelOpt",
        words=("modelopt",),
        tools=("modelopt",),
        config_names=("modelopt", "modelopt_fp4", "modelopt_mxfp8", "modelopt_mixed"),
        config_keys=("quant_algo",),
        zeros="if asymmetric",
    ),
    "nvfp4": QuantMethod(
        title="NVFP4", words=("nvfp4",), config_names=("nvfp4",), bits=4, scheme="nvfp4", group_size=16
    ),
    "mxfp4": QuantMethod(
        title="MXFP4", words=("mxfp4",), config_names=("mxfp4",), bits=4, scheme="mxfp4", group_size=32
    ),
    "fp8": QuantMethod(
        title="FP8",
        words=("fp8",),
        config_names=("fp8", "fbgemm_fp8", "finegrained_fp8"),
        has_groups=False,
        zeros="none",
        bits=8,
        scheme="fp8",
        group_size=-1,
    ),
    "bitsandbytes": QuantMethod(
        title="bitsandbytes",
        words=("bitsandbytes", "bnb"),
        tools=("bitsandbytes",),
        config_names=("bitsandbytes",),
        config_keys=("load_in_4bit", "load_in_8bit"),
        name_words=("nf4",),
        zeros="none",
    ),
    "torchao": QuantMethod(
        title="torchao", words=("torchao",), tools=("torchao",), config_names=("torchao",), zeros="16-bit"
    ),
    "hqq": QuantMethod(title="HQQ", words=("hqq",), tools=("hqq",), config_names=("hqq",), zeros="16-bit"),
    "aqlm": QuantMethod(
        title="AQLM", words=("aqlm",), tools=("aqlm",), config_names=("aqlm",), has_groups=False, scheme="codebook"
    ),
    "mlx": QuantMethod(
        title="MLX", words=("mlx",), tools=("mlx",), config_names=("mlx",), zeros="16-bit", packs_all=True
    ),
    "none": QuantMethod(title="16-bit weights", in_branches=False, has_groups=False, bits=16),
}


def spelled(words: Iterable[str]) -> str:
    """A regular expression for any of these words, longest first; each blank may be missing or a hyphen.

    >>> spelled(("exl2", "exllama v2"))
    'exllama[ -]?v2|exl2'
    """
    return "|".join(re.escape(word).replace("\\ ", "[ -]?") for word in sorted(words, key=len, reverse=True))


METHOD_WORDS: Final = spelled(word for method in METHODS.values() for word in method.words)
"""A regular expression for any word that names a method."""
IN_BRANCHES: Final = tuple(key for key, method in METHODS.items() if method.in_branches)
"""The methods whose quantizations are published as branches."""
BRANCH_WORDS: Final = tuple(word for key in IN_BRANCHES for word in METHODS[key].words)
"""The words for those methods."""
_KEYS: Final = {word.replace(" ", ""): key for key, method in METHODS.items() for word in method.words}
_BY_CONFIG_NAME: Final = {name: key for key, method in METHODS.items() for name in method.config_names}


def method_in(text: str, *, last: bool = False) -> Method | None:
    """The first method that a text names, or the last.

    >>> method_in("Exllama v2 Quantizations of Finch"), method_in("Finch-AWQ-exl3", last=True), method_in("Finch")
    ('exl2', 'exl3', None)
    """
    words = re.findall(r"[^\W_]+", text[:1000].casefold())
    found = [
        key
        for word, following in zip_longest(words, words[1:], fillvalue="")
        if (key := _KEYS.get(word) or _KEYS.get(word + following))
    ]
    return found[-1 if last else 0] if found else None


def names_method(text: str) -> bool:
    """Whether a name contains a word for a method published as branches, even within another word."""
    return any(word in text.casefold() for word in BRANCH_WORDS)


def method_of_config(quant_method: str) -> Method | None:
    """The method of a config's ``quant_method``; None if it is unknown.

    >>> method_of_config("gptq_v2"), method_of_config("quanto")
    ('gptq', None)
    """
    return _BY_CONFIG_NAME.get(quant_method.lower())
