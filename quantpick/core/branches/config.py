"""Facts from a branch's JSON files: ``config.json``, ``quantize_config.json`` and ``quant_config.json``.

`quantpick.core.branches.sections` reads the part about the quantization, which each quantizer writes in its own words.
Any value may be missing, null or of a wrong type: an unreadable value counts as absent.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from quantpick.core.branches.sections import read_section
from quantpick.core.branches.values import Section, mapping, text
from quantpick.core.branches.worth import MODEL_CONFIG
from quantpick.core.quant import QuantFacts
from quantpick.core.shape import ModelShape

_DECISIVE: Final = ("bits", "group_size", "desc_act", "sym")
"""Fields that a branch's own files must agree on. Not the method: it is often only inferred."""


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """What the JSON files of one branch say.

    Args:
        quant: the quantization; every field is None if the files name none.
        model_type: ``llama``, ``mixtral``, ... or None.
        shape: the model's dimensions, or None if the files do not give them.
        problems: what could not be read, a sentence each.
        foreign: the config's name for a quantization that quantpick does not know (``quanto``), or None.
    """

    quant: QuantFacts = field(default_factory=QuantFacts)
    model_type: str | None = None
    shape: ModelShape | None = None
    problems: tuple[str, ...] = ()
    foreign: str | None = None


def read_configs(texts: Mapping[str, str]) -> ConfigFacts:
    """The facts in all of a branch's JSON files. No text makes it raise: what cannot be read is a problem.

    ``config.json`` comes first, as that is where today's loaders read the quantization; the others fill the gaps.

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


def _parse(text: str) -> Section | str:
    """The JSON object in a text, or what the text is instead."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        return f"not JSON: see line {error.lineno}"
    except (ValueError, RecursionError):
        return "not JSON that can be read"
    return document if isinstance(document, dict) else "no JSON object"


def read_config(document: Section) -> ConfigFacts:
    """The facts in one parsed JSON file, whichever of the three it is.

    >>> read_config({"bits": 4, "group_size": 128, "desc_act": True, "damp_percent": 0.1}).quant.method
    'gptq'
    """
    section = _quant_section(document)
    quant = None if section is None else read_section(section)
    foreign = None if section is None or quant is not None else text(section.get("quant_method")) or "something unnamed"
    problems = []
    shape = None
    if section is not document:
        try:
            shape = ModelShape.from_config(document)
        except ValueError as error:
            problems.append(str(error))
    return ConfigFacts(quant or QuantFacts(), text(document.get("model_type")), shape, tuple(problems), foreign)


def _quant_section(document: Section) -> Section | None:
    """The part about the quantization: a section of config.json, or all of one of the smaller files.

    MLX calls it ``quantization`` and names no method, as does ModelOpt in its hf_quant_config.json.
    """
    apple = mapping(document.get("quantization"))
    for place in (document, mapping(document.get("text_config"))):
        for key in ("quantization_config", "compression_config"):
            section = place.get(key)
            if isinstance(section, Mapping) and (not apple or "quant_method" in section):
                return section
    if apple:
        return {"quant_method": "modelopt" if "quant_algo" in apple else "mlx", **apple}
    return document if document.keys() & {"bits", "w_bit", "config_groups"} else None
