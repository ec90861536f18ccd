"""Facts from the part of a config about the quantization.

`quantpick.core.branches.dialects` reads the methods that have their own words; all others say ``bits`` and
``group_size``. A method's other names are in `quantpick.core.methods.METHODS`.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from quantpick.core.branches.dialects import MAX_OVERRIDES, READERS, different_layers, layer_quant
from quantpick.core.branches.values import (
    Section,
    bits,
    boolean,
    first,
    fraction,
    group,
    mapping,
    text,
    tokens,
    word,
)
from quantpick.core.methods import METHODS, Method, method_of_config
from quantpick.core.quant import LayerQuant, QuantFacts

_DEFAULT_DATASET: Final = "(default)"


def read_section(section: Section) -> QuantFacts | None:
    """The facts in a quantization section; None if its method is unknown.

    >>> read_section({"bits": 4, "group_size": 128, "desc_act": True}).method
    'gptq'
    >>> read_section({"quant_method": "auto-round", "bits": 2, "group_size": 32, "sym": True}).bits
    2
    """
    method = method_of(section)
    return None if method is None else READERS.get(method, _plain)(section, method)


def method_of(section: Section) -> Method | None:
    """The method by its name, or by the section's keys in files older than ``quant_method``.

    AutoGPTQ (``quantization/config.py`` at 9f7d3707) takes version "gemm" to mean AWQ.
    """
    named = section.get("quant_method")
    if isinstance(named, str):
        return method_of_config(named)
    if word(section.get("version")) in _AWQ_VERSIONS:
        return "awq"
    told = (key for key, method in METHODS.items() if section.keys() & set(method.config_keys))
    return next(told, "gptq")


_AWQ_VERSIONS: Final = ("gemm", "gemv", "gemv_fast")
_AWQ_LAYOUTS: Final = (*_AWQ_VERSIONS, "llm-awq", "marlin", "exllama", "ipex")


def _plain(section: Section, method: Method) -> QuantFacts:
    """GPTQ, AWQ, EXL2, EXL3, and others with the same words."""
    calibration = mapping(section.get("calibration"))
    dataset = text(first(section, "dataset") or first(calibration, "dataset"))
    zero_point = boolean(section.get("zero_point"))
    known = METHODS[method]
    stated = bits(first(section, "bits", "w_bit")) or known.bits
    return QuantFacts(
        method=method,
        bits=stated,
        head_bits=bits(section.get("head_bits")) or (stated if section.get("lm_head") is True else None),
        group_size=group(first(section, "group_size", "q_group_size")),
        desc_act=_act_order(section, method),
        sym=boolean(section.get("sym")) if zero_point is None else not zero_point,
        damp_percent=fraction(section.get("damp_percent")),
        dataset=None if dataset == _DEFAULT_DATASET else dataset,
        seq_len=tokens(first(section, "model_seqlen") or first(calibration, "length")),
        scheme=known.scheme,
        packing=_packing(section, method),
        checkpoint_format=_checkpoint_format(section) if method == "gptq" else None,
        layers=different_layers(_dynamic(section.get("dynamic"))) or None,
        writer_version=text(section.get("version")) if known.states_bpw else None,
        absent=frozenset({"desc_act", "sym"} - section.keys()) or None if method == "gptq" else None,
    )


def _act_order(section: Section, method: Method) -> bool | None:
    """Act order. AWQ and Marlin checkpoints have none (AutoGPTQ ``quantization/config.py``)."""
    if method == "awq" or _checkpoint_format(section) == "marlin":
        return False
    return boolean(section.get("desc_act"))


def _packing(section: Section, method: Method) -> str | None:
    """AWQ's layout (AutoAWQ's ``version``, GPTQModel's ``format``) or EXL3's codebook."""
    if method == "awq":
        said = (word(first(section, key)) for key in ("version", "checkpoint_format", "format"))
        return next((value for value in said if value in _AWQ_LAYOUTS), None)
    return word(section.get("codebook")) if method == "exl3" else None


def _checkpoint_format(section: Section) -> str | None:
    if section.get("is_marlin_format") is True or section.get("quant_method") == "marlin":
        return "marlin"
    said = word(first(section, "checkpoint_format", "format"))
    return said or ("gptq_v2" if section.get("quant_method") == "gptq_v2" else None)


def _dynamic(rules: object) -> Iterator[LayerQuant]:
    """GPTQModel's ``dynamic``: rules by regular expressions for layers; those with ``-:`` are not quantized."""
    for name, rule in islice(mapping(rules).items(), MAX_OVERRIDES):
        if name.startswith("-"):
            yield LayerQuant(bits=16)
        elif isinstance(rule, Mapping):
            yield layer_quant(rule)
