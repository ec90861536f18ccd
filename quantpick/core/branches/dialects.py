"""Quantization sections of a config that are written in the quantizer's own words, read to the same facts."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Final

from quantpick.core.branches.values import (
    Section,
    bits,
    boolean,
    first,
    group,
    mapping,
    mappings,
    number,
    text,
    texts,
    tokens,
    word,
)
from quantpick.core.methods import Method, Scheme
from quantpick.core.quant import NO_GROUP, LayerQuant, QuantFacts

_MAX_LAYERS: Final = 16
"""The most ways to store a layer that are kept per branch; real files have one to three."""
MAX_OVERRIDES: Final = 100_000
"""The most overrides that are read; files of large mixtures of experts name every layer."""


def layer_quant(rule: Section) -> LayerQuant:
    """The quantization in a rule for some layers."""
    return LayerQuant(
        bits=bits(first(rule, "bits", "nbits", "num_bits")),
        group_size=group(first(rule, "group_size")),
        desc_act=boolean(rule.get("desc_act")),
        sym=boolean(first(rule, "sym", "symmetric")),
    )


def different_layers(layers: Iterable[LayerQuant], main: QuantFacts | None = None) -> tuple[LayerQuant, ...]:
    """Each kind of layer once, without those stored like `main`."""
    found: dict[LayerQuant, None] = {}
    for layer in layers:
        said = [(getattr(layer, name), getattr(main, name, None)) for name in ("bits", "group_size", "desc_act", "sym")]
        if any(value is not None and value != rest for value, rest in said):
            found[layer] = None
        if len(found) == _MAX_LAYERS:
            break
    return tuple(found)


def _compressed_tensors(section: Section, method: Method) -> QuantFacts:
    """llm-compressor's config groups: the one for all linear layers, else the first, and how the others differ.

    Act order ``weight`` (or ``static``) is undone before saving. Only ``group`` (or ``dynamic``, or true) leaves
    a group index to follow at run time (vllm-project/compressed-tensors ``quantization/quant_args.py``).
    """
    groups = [one for one in mappings(mapping(section.get("config_groups")).values()) if one.get("weights")]
    groups.sort(key=lambda one: "Linear" not in texts(one.get("targets")))
    if not groups:
        return QuantFacts(method=method, packing=word(section.get("format")))
    read = [_config_group(one, word(first(one, "format")) or word(section.get("format"))) for one in groups]
    main = read[0]
    ignored = section.get("ignore")
    head_is_16_bit = not isinstance(ignored, list) or any("lm_head" in name for name in texts(ignored))
    others = (
        LayerQuant(bits=one.bits, group_size=one.group_size, desc_act=one.desc_act, sym=one.sym, scheme=one.scheme)
        for one in read[1:]
    )
    return replace(
        main,
        method=method,
        head_bits=None if head_is_16_bit else main.bits,
        layers=different_layers(others, main) or None,
    )


def _config_group(one: Section, packing: str | None) -> QuantFacts:
    weights = mapping(one.get("weights"))
    size, strategy = group(weights.get("group_size")), word(weights.get("strategy"))
    stored = bits(weights.get("num_bits"))
    return QuantFacts(
        bits=stored,
        group_size=NO_GROUP if strategy in ("channel", "tensor", "block") else size,
        desc_act=weights.get("actorder") in ("group", "dynamic", True),
        sym=boolean(weights.get("symmetric")),
        scheme=_float_scheme(word(weights.get("type")), stored, size, packing),
        activation_bits=_activation_bits(mapping(one.get("input_activations")).get("num_bits")),
        packing=packing,
    )


def _float_scheme(kind: str | None, stored: float | None, size: int | None, packing: str | None) -> Scheme | None:
    """The scheme of a config group, by its number type; NVFP4 and MXFP4 by the format's name or group size."""
    if kind != "float":
        return "int" if kind == "int" else None
    if stored == 8:
        return "mxfp8" if packing is not None and packing.startswith("mx") else "fp8"
    if stored == 4:
        if packing is not None and packing.startswith("mx"):
            return "mxfp4"
        return "nvfp4" if size == 16 else "mxfp4" if size == 32 else "fp4"
    return None


def _activation_bits(value: object) -> int | None:
    found = bits(value)
    return int(found) if found is not None and found < 16 else None


def _auto_round(section: Section, method: Method) -> QuantFacts:
    """Intel's AutoRound: ``packing_format`` (older: ``backend``), ``data_type``, and exceptions in ``extra_config``."""
    kind = word(section.get("data_type")) or "int"
    stored = bits(section.get("bits"))
    size = group(section.get("group_size"))
    main = QuantFacts(
        method=method,
        bits=stored,
        group_size=size,
        desc_act=False,
        sym=boolean(section.get("sym")),
        dataset=text(section.get("dataset")),
        seq_len=tokens(section.get("seqlen")),
        scheme=_AUTO_ROUND_TYPES.get((kind.partition("_")[0], stored)) or ("int" if "int" in kind else None),
        activation_bits=_activation_bits(section.get("act_bits")),
        packing=word(first(section, "packing_format", "backend")),
    )
    extra = mapping(section.get("extra_config"))
    overrides = (layer_quant(rule) for rule in mappings(islice(extra.values(), MAX_OVERRIDES)))
    head = mapping(extra.get("lm_head"))
    head_bits = bits(head.get("bits")) or (stored if section.get("quant_lm_head") is True else None)
    return replace(
        main,
        head_bits=head_bits if head_bits is not None and head_bits < 16 else None,
        layers=different_layers(overrides, main) or None,
    )


_AUTO_ROUND_TYPES: Final[Mapping[tuple[str, float | None], Scheme]] = {
    ("nv", 4): "nvfp4",
    ("mx", 4): "mxfp4",
    ("mx", 8): "mxfp8",
    ("fp8", 8): "fp8",
    ("fp", 8): "fp8",
}


def _fp8(section: Section, method: Method) -> QuantFacts:
    """FP8 as DeepSeek, vLLM and Transformers write it: a scale per tensor, row or block (``weight_block_size``)."""
    block = section.get("weight_block_size")
    sides = [size for size in block if isinstance(size, int) and 0 < size < 2**20] if isinstance(block, list) else []
    return QuantFacts(
        method=method,
        bits=8,
        group_size=NO_GROUP,
        scheme="fp8",
        activation_bits=8 if section.keys() & {"activation_scheme", "activation_scale_ub"} else None,
        packing=f"block-{sides[0]}x{sides[1]}" if len(sides) == 2 else None,
    )


def _mxfp4(section: Section, method: Method) -> QuantFacts:
    """MXFP4 as in gpt-oss: only the experts; attention and router have 16 bits (``modules_to_not_convert``)."""
    apart = (LayerQuant(bits=16),) if texts(section.get("modules_to_not_convert")) else None
    return QuantFacts(method=method, bits=4, group_size=32, scheme="mxfp4", layers=apart)


def _nvfp4(section: Section, method: Method) -> QuantFacts:
    return QuantFacts(method=method, bits=4, group_size=group(section.get("group_size")) or 16, scheme="nvfp4")


def _bitsandbytes(section: Section, method: Method) -> QuantFacts:
    """4 bits (NF4 or FP4) in blocks of 64 with a 32-bit scale; double quantization stores the scales in 8 bits.

    The scales cost 0.5 bits per weight, or 0.127 (arXiv 2305.14314, section 3). 8 bits: LLM.int8(), a scale per row.
    """
    if first(section, "load_in_4bit", "_load_in_4bit") is True:
        scheme: Scheme = "fp4" if section.get("bnb_4bit_quant_type") == "fp4" else "nf4"
        doubled = section.get("bnb_4bit_use_double_quant") is True
        bpw = 4 + 8 / 64 + 32 / (64 * 256) if doubled else 4 + 32 / 64
        return QuantFacts(method=method, bits=4, group_size=64, scheme=scheme, bpw=bpw)
    if first(section, "load_in_8bit", "_load_in_8bit") is True:
        return QuantFacts(method=method, bits=8, group_size=NO_GROUP, scheme="int", activation_bits=8)
    return QuantFacts(method=method)


_MODELOPT: Final[Mapping[str, tuple[float, Scheme, int | None, int | None]]] = {
    "fp8": (8, "fp8", 8, None),
    "fp8_per_channel_per_token": (8, "fp8", 8, None),
    "fp8_pb_wo": (8, "fp8", None, None),
    "nvfp4": (4, "nvfp4", 4, 16),
    "nvfp4_awq": (4, "nvfp4", 4, 16),
    "nvfp4_svdquant": (4, "nvfp4", 4, 16),
    "w4a16_nvfp4": (4, "nvfp4", None, 16),
    "w4a8_nvfp4_fp8": (4, "nvfp4", 8, 16),
    "w4a8_mxfp4_fp8": (4, "mxfp4", 8, 32),
    "mxfp8": (8, "mxfp8", 8, 32),
    "w4a16_awq": (4, "int", None, 128),
    "int4_awq": (4, "int", None, 128),
    "w4a8_awq": (4, "int", 8, 128),
    "w8a8_sq_per_channel": (8, "int", 8, None),
    "w8a16": (8, "int", None, None),
}
"""ModelOpt's ``quant_algo`` to bits, scheme, activation bits and group (NVIDIA/Model-Optimizer,
``export/model_config.py`` and ``export/quant_utils.py``)."""


def _modelopt(section: Section, method: Method) -> QuantFacts:
    """NVIDIA ModelOpt: ``quant_algo`` in config.json, or under ``quantization`` in an older hf_quant_config.json."""
    section = section if section.get("quant_algo") else mapping(section.get("quantization")) or section
    algo = word(section.get("quant_algo"))
    if algo is None or algo not in _MODELOPT:
        read = _compressed_tensors(section, method) if section.get("config_groups") else QuantFacts(method=method)
        return replace(read, packing=algo)
    stored, scheme, activation_bits, size = _MODELOPT[algo]
    ignored = first(section, "ignore", "exclude_modules")
    has_head = isinstance(ignored, list) and not any("lm_head" in name for name in texts(ignored))
    return QuantFacts(
        method=method,
        bits=stored,
        head_bits=stored if has_head else None,
        group_size=group(section.get("group_size")) or size or NO_GROUP,
        sym=True if scheme == "int" else None,
        scheme=scheme,
        activation_bits=activation_bits,
        packing=algo,
    )


_TORCHAO_WEIGHT: Final = re.compile(r"(u?int|float|nvfp|mxfp|mx)x?_?(\d{1,2})_?(?:dynamic_?)?(?:weight|config|$)")
_TORCHAO_ACTIVATION: Final = re.compile(r"(?:int|float|mxfp|nvfp)(\d{1,2})_?(?:dynamic|static)?_?activation")
_TORCHAO_SCHEMES: Final[Mapping[str, Scheme]] = {"float8": "fp8", "nvfp4": "nvfp4", "mxfp4": "mxfp4", "mxfp8": "mxfp8"}


def _torchao(section: Section, method: Method) -> QuantFacts:
    """PyTorch's torchao: the name of a config class (``Int4WeightOnlyConfig``), or of an older version's type."""
    quant_type = section.get("quant_type")
    default = mapping(mapping(quant_type).get("default")) or mapping(quant_type)
    name = word(default.get("_type")) or word(quant_type) or ""
    data = mapping(default.get("_data")) or mapping(section.get("quant_type_kwargs"))
    weight, activation = _TORCHAO_WEIGHT.search(name), _TORCHAO_ACTIVATION.search(name)
    stored = bits(int(weight[2])) if weight else None
    return QuantFacts(
        method=method,
        bits=stored,
        group_size=group(data.get("group_size")),
        scheme=_TORCHAO_SCHEMES.get(f"{weight[1]}{weight[2]}", "int" if "int" in weight[1] else None)
        if weight
        else None,
        activation_bits=_activation_bits(int(activation[1])) if activation else None,
        packing=name or None,
    )


def _hqq(section: Section, method: Method) -> QuantFacts:
    """HQQ: ``weight_quant_params`` for all layers or each kind; a 16-bit scale and zero per group."""
    settings = mapping(section.get("quant_config"))
    nested = mappings(settings.values())
    all_params = [mapping(one.get("weight_quant_params")) for one in [settings, *nested]]
    params = [one for one in all_params if one]
    if not params:
        return QuantFacts(method=method)
    main = replace(QuantFacts(method=method, sym=False), bits=bits(params[0].get("nbits")))
    main = replace(main, group_size=group(first(params[0], "group_size")), scheme="int")
    return replace(main, layers=different_layers(map(layer_quant, params[1:]), main) or None)


def _aqlm(section: Section, method: Method) -> QuantFacts:
    """AQLM: per group of weights, a code of ``nbits_per_codebook`` bits in each codebook (Vahe1994/AQLM, README)."""
    codes = number(section.get("num_codebooks")), number(section.get("nbits_per_codebook"))
    weights = number(section.get("in_group_size")), number(first(section, "out_group_size") or 1)
    if None in codes or not weights[0] or not weights[1]:
        return QuantFacts(method=method, scheme="codebook")
    per_weight = bits((codes[0] or 0) * (codes[1] or 0) / (weights[0] * weights[1]))
    whole = per_weight is not None and per_weight == int(per_weight)
    return QuantFacts(method=method, bits=int(per_weight or 0) if whole else per_weight, scheme="codebook")


def _mlx(section: Section, method: Method) -> QuantFacts:
    """MLX: ``bits``, ``group_size`` and ``mode``, for embedding and head too; exceptions under the layer's name."""
    mode = word(section.get("mode")) or "affine"
    schemes: Mapping[str, Scheme] = {"affine": "int", "mxfp4": "mxfp4", "nvfp4": "nvfp4", "mxfp8": "mxfp8"}
    stored = bits(section.get("bits"))
    main = QuantFacts(
        method=method,
        bits=stored,
        head_bits=stored,
        group_size=group(section.get("group_size")),
        sym=False if mode == "affine" else None,
        scheme=schemes.get(mode),
        packing=mode,
    )
    layers = (
        LayerQuant(bits=16) if rule is False else layer_quant(rule)
        for rule in islice(section.values(), MAX_OVERRIDES)
        if rule is False or isinstance(rule, Mapping)
    )
    return replace(main, layers=different_layers(layers, main) or None)


READERS: Final[Mapping[Method, Callable[[Section, Method], QuantFacts]]] = {
    "compressed-tensors": _compressed_tensors,
    "auto-round": _auto_round,
    "fp8": _fp8,
    "mxfp4": _mxfp4,
    "nvfp4": _nvfp4,
    "bitsandbytes": _bitsandbytes,
    "modelopt": _modelopt,
    "torchao": _torchao,
    "hqq": _hqq,
    "aqlm": _aqlm,
    "mlx": _mlx,
}
"""The methods whose sections have their own words."""
