"""What a branch's JSON files say: ``config.json``, ``quantize_config.json`` and ``quant_config.json`` to facts.

Written by AutoGPTQ, GPTQModel, Optimum, AutoAWQ, AutoRound, ExLlamaV2, ExLlamaV3 and llm-compressor, each in its own
words.
Any value may be missing, null or of a wrong type: what cannot be read is not said.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from quantpick.core.methods import METHODS, Method, method_of_config
from quantpick.core.quant import NO_GROUP, QuantFacts
from quantpick.core.shape import ModelShape

MODEL_CONFIG: Final = "config.json"
QUANT_CONFIGS: Final = ("quantize_config.json", "quant_config.json")
"""The files of a branch worth reading: Transformers' config, and the first of AutoGPTQ's and AutoAWQ's own."""

_DECISIVE: Final = ("bits", "group_size", "desc_act", "sym")
"""What a branch's own files must agree on; the method is often only inferred."""
_DEFAULT_DATASET: Final = "(default)"
_MAX_BITS: Final = 16


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """What the JSON files of one branch say.

    Args:
        quant: the quantization; every field None when the files name none.
        model_type: ``llama``, ``mixtral``, ... or None.
        shape: the model's dimensions, or None when the files do not give them.
        problems: what could not be read, a sentence each.
        foreign: the quantization as the config names it, where it is none that quantpick knows (``bitsandbytes``).
    """

    quant: QuantFacts = field(default_factory=QuantFacts)
    model_type: str | None = None
    shape: ModelShape | None = None
    problems: tuple[str, ...] = ()
    foreign: str | None = None


def read_configs(texts: Mapping[str, str]) -> ConfigFacts:
    """The facts in a branch's JSON files together. No text makes it raise: what cannot be read is a problem.

    ``config.json`` comes first, because the loaders of today read the quantization there; the others fill in.

    Args:
        texts: the files' contents, by file name.

    >>> read_configs({"config.json": '{"bits": 4,}', "quantize_config.json": '{"bits": 4, "group_size": 32}'}).problems
    ('config.json is not JSON: see line 1',)
    """
    facts, problems = ConfigFacts(), []
    said: dict[str, Any] = {}
    for name in sorted(texts, key=lambda name: name != MODEL_CONFIG):
        document = _parse(texts[name])
        if isinstance(document, str):
            problems.append(f"{name} is {document}")
            continue
        read = read_config(document)
        problems += read.problems
        facts = facts if name != MODEL_CONFIG else read
        for one in fields(QuantFacts):
            value = getattr(read.quant, one.name)
            if value is not None and said.setdefault(one.name, value) != value and one.name in _DECISIVE:
                problems.append(f"{one.name}: config.json says {said[one.name]}, {name} says {value}")
    return replace(facts, quant=QuantFacts(**said), problems=tuple(problems))


def _parse(text: str) -> Mapping[str, object] | str:
    """The JSON object in a text, or why there is none."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        return f"not JSON: see line {error.lineno}"
    except (ValueError, RecursionError):
        return "not JSON that can be read"
    return document if isinstance(document, dict) else "no JSON object"


def read_config(document: Mapping[str, object]) -> ConfigFacts:
    """The facts in one parsed JSON file, whichever of the three it is.

    >>> read_config({"bits": 4, "group_size": 128, "desc_act": True, "damp_percent": 0.1}).quant.method
    'gptq'
    """
    section = _quant_section(document)
    method = None if section is None else _method(section)
    foreign = None if section is None or method is not None else str(section.get("quant_method"))
    if isinstance(document.get("quantization"), Mapping):
        method, foreign = None, "MLX"
    quant = QuantFacts() if section is None or method is None else _read_section(section, method)
    problems = []
    shape = None
    if section is not document:
        try:
            shape = ModelShape.from_config(document)
        except ValueError as error:
            problems.append(str(error))
    model_type = document.get("model_type")
    return ConfigFacts(quant, model_type if isinstance(model_type, str) else None, shape, tuple(problems), foreign)


def _quant_section(document: Mapping[str, object]) -> Mapping[str, object] | None:
    """The part that describes the quantization: a section of config.json, or the whole of the smaller files."""
    places = [document, document.get("text_config")]
    for place in places:
        for key in ("quantization_config", "compression_config"):
            section = place.get(key) if isinstance(place, Mapping) else None
            if isinstance(section, Mapping):
                return section
    return document if document.keys() & {"bits", "w_bit", "config_groups"} else None


def _read_section(section: Mapping[str, object], method: Method) -> QuantFacts:
    if method == "compressed-tensors":
        return _compressed_tensors(section)
    calibration = section.get("calibration")
    if not isinstance(calibration, Mapping):
        calibration = {}
    dataset = section.get("dataset", calibration.get("dataset"))
    zero_point = section.get("zero_point")
    return QuantFacts(
        method=method,
        bits=_bits(section.get("bits", section.get("w_bit"))),
        head_bits=_bits(section.get("head_bits")),
        group_size=_group(section.get("group_size", section.get("q_group_size"))),
        desc_act=_act_order(section, method),
        sym=_bool(section.get("sym")) if not isinstance(zero_point, bool) else not zero_point,
        damp_percent=_float(section.get("damp_percent")),
        dataset=dataset if isinstance(dataset, str) and dataset != _DEFAULT_DATASET else None,
        seq_len=_int(section.get("model_seqlen", calibration.get("length"))),
    )


def _method(section: Mapping[str, object]) -> Method | None:
    """The method as named, or as the fields give it away in files from before ``quant_method`` was written.

    AutoGPTQ (``quantization/config.py`` at 9f7d3707) takes version "gemm" for AWQ; AutoRound names what it packed for
    in ``packing_format``.
    """
    named = section.get("quant_method")
    if isinstance(named, str):
        packing = str(section.get("packing_format", section.get("backend", "")))
        if named.lower() in ("auto-round", "intel/auto-round"):
            return "awq" if "awq" in packing else "gptq"
        return method_of_config(named)
    if str(section.get("version")).lower() in ("gemm", "gemv", "gemv_fast"):
        return "awq"
    told = (key for key, method in METHODS.items() if section.keys() & set(method.config_keys))
    return next(told, "gptq")


def _act_order(section: Mapping[str, object], method: Method) -> bool | None:
    """Act order; AWQ has none, and Marlin checkpoints were written without (AutoGPTQ ``quantization/config.py``)."""
    if method == "awq" or section.get("is_marlin_format") is True or section.get("quant_method") == "marlin":
        return False
    return _bool(section.get("desc_act"))


def _compressed_tensors(section: Mapping[str, object]) -> QuantFacts:
    """The weights of the config groups; bits stay unsaid where the groups differ."""
    groups = section.get("config_groups")
    weights = [
        group["weights"]
        for group in (groups.values() if isinstance(groups, Mapping) else ())
        if isinstance(group, Mapping) and isinstance(group.get("weights"), Mapping)
    ]
    if not weights or any(_bits(other.get("num_bits")) != _bits(weights[0].get("num_bits")) for other in weights):
        return QuantFacts(method="compressed-tensors")
    first = weights[0]
    group = _group(first.get("group_size"))
    return QuantFacts(
        method="compressed-tensors",
        bits=_bits(first.get("num_bits")),
        group_size=NO_GROUP if group is None and first.get("strategy") in ("channel", "tensor") else group,
        # "weight" order is undone before saving: only "group" (or true) leaves a group index to follow at run time.
        desc_act=first.get("actorder") in ("group", True),
        sym=_bool(first.get("symmetric")),
    )


def _bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _float(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _bits(value: object) -> float | None:
    number = _float(value)
    return number if number is not None and 0 < number <= _MAX_BITS else None


def _group(value: object) -> int | None:
    """A group size as the files write it: a positive number, or -1 (some write 0) for none."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if value > 0 else NO_GROUP
