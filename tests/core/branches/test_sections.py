"""What 2026's quantizers write, each in its own words, and what a branch then is said to hold."""

import math
from typing import Any

import pytest

from quantpick.core.branches.config import read_config
from quantpick.core.branches.dialects import READERS
from quantpick.core.branches.merge import merge_branch
from quantpick.core.methods import METHODS
from quantpick.core.quant import NO_GROUP, LayerQuant, QuantFacts, QuantSpec


def spec(section: dict[str, Any], key: str = "quantization_config") -> QuantSpec:
    return merge_branch("main", config=read_config({key: section}))[0].quant


def compressed(weights: dict[str, Any], **rest: Any) -> dict[str, Any]:
    activations = rest.pop("input_activations", None)
    group = {"targets": ["Linear"], "weights": weights, "input_activations": activations}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}, "ignore": ["lm_head"], **rest}


FP8_WEIGHTS = {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True}
NVFP4_WEIGHTS = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16, "symmetric": True}
HELD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "compressed-tensors, W4A16 symmetric": (
        compressed(
            {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128, "symmetric": True},
            format="pack-quantized",
        ),
        {"bits": 4, "group_size": 128, "sym": True, "scheme": "int", "packing": "pack-quantized", "desc_act": False},
    ),
    "compressed-tensors, dynamic act order": (
        compressed({"num_bits": 4, "type": "int", "group_size": 64, "actorder": "dynamic", "symmetric": False}),
        {"bits": 4, "group_size": 64, "sym": False, "desc_act": True},
    ),
    "compressed-tensors, static act order": (
        compressed({"num_bits": 4, "type": "int", "group_size": 64, "actorder": "static"}),
        {"desc_act": False},
    ),
    "compressed-tensors, FP8 dynamic": (
        compressed(FP8_WEIGHTS, format="float-quantized", input_activations={"num_bits": 8, "type": "float"}),
        {"bits": 8, "group_size": None, "scheme": "fp8", "activation_bits": 8, "packing": "float-quantized"},
    ),
    "compressed-tensors, NVFP4": (
        compressed(NVFP4_WEIGHTS, format="nvfp4-pack-quantized", input_activations={"num_bits": 4}),
        {"bits": 4, "group_size": 16, "scheme": "nvfp4", "activation_bits": 4, "effective_bpw": 4.5},
    ),
    "compressed-tensors, MXFP4": (
        compressed({"num_bits": 4, "type": "float", "group_size": 32}, format="mxfp4-pack-quantized"),
        {"bits": 4, "group_size": 32, "scheme": "mxfp4", "effective_bpw": 4.25},
    ),
    "compressed-tensors, head too": (
        compressed({"num_bits": 8, "type": "int", "strategy": "channel"}) | {"ignore": []},
        {"head_bits": 8},
    ),
    "AutoRound, 2 bits": (
        {
            "quant_method": "auto-round",
            "bits": 2,
            "group_size": 32,
            "sym": False,
            "data_type": "int",
            "packing_format": "auto_round:auto_awq",
            "extra_config": {
                "a": {"bits": 16, "data_type": "fp"},
                "b": {"bits": 8},
                "c": {"bits": 2},
                "d": {"bits": 8},
            },
        },
        {
            "method": "auto-round",
            "bits": 2,
            "group_size": 32,
            "sym": False,
            "packing": "auto_round:auto_awq",
            "layers": (LayerQuant(bits=16), LayerQuant(bits=8)),
            "desc_act": False,
        },
    ),
    "AutoRound, NVFP4": (
        {"quant_method": "auto-round", "bits": 4, "group_size": 16, "data_type": "nv_fp", "act_bits": 4},
        {"scheme": "nvfp4", "activation_bits": 4, "effective_bpw": 4.5},
    ),
    "AutoRound, MXFP4": (
        {"quant_method": "auto-round", "bits": 4, "group_size": 32, "data_type": "mx_fp", "act_bits": 16},
        {"scheme": "mxfp4", "activation_bits": None},
    ),
    "AutoRound of 2023": (
        {"quant_method": "intel/auto-round", "bits": 4, "group_size": 128, "backend": "auto_round:gptq:exllamav2"},
        {"method": "auto-round", "packing": "auto_round:gptq:exllamav2", "scheme": "int"},
    ),
    "FP8 in blocks": (
        {
            "quant_method": "fp8",
            "fmt": "e4m3",
            "activation_scheme": "dynamic",
            "weight_block_size": [128, 128],
        },
        {"bits": 8, "group_size": None, "scheme": "fp8", "activation_bits": 8, "packing": "block-128x128"},
    ),
    "FBGEMM FP8": (
        {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0},
        {"method": "fp8", "bits": 8, "activation_bits": 8, "effective_bpw": 8},
    ),
    "gpt-oss": (
        {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]},
        {"bits": 4, "group_size": 32, "scheme": "mxfp4", "layers": (LayerQuant(bits=16),), "effective_bpw": 4.25},
    ),
    "bitsandbytes NF4, double": (
        {
            "quant_method": "bitsandbytes",
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": True,
        },
        {"bits": 4, "scheme": "nf4", "group_size": 64, "effective_bpw": 4.126953125},
    ),
    "bitsandbytes FP4, of 2023": (
        {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4"},
        {"method": "bitsandbytes", "scheme": "fp4", "effective_bpw": 4.5},
    ),
    "bitsandbytes 8-bit": ({"quant_method": "bitsandbytes", "load_in_8bit": True}, {"bits": 8, "effective_bpw": 8}),
    "ModelOpt NVFP4": (
        {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"], "producer": {"name": "modelopt"}},
        {"method": "modelopt", "bits": 4, "group_size": 16, "scheme": "nvfp4", "effective_bpw": 4.5, "head_bits": None},
    ),
    "ModelOpt FP8": ({"quant_algo": "FP8"}, {"method": "modelopt", "bits": 8, "scheme": "fp8", "group_size": None}),
    "ModelOpt W4A8": (
        {"quant_method": "modelopt", "quant_algo": "W4A8_AWQ", "group_size": 64},
        {"bits": 4, "group_size": 64, "scheme": "int", "activation_bits": 8, "packing": "w4a8_awq"},
    ),
    "torchao": (
        {
            "quant_method": "torchao",
            "quant_type": {"default": {"_type": "Int4WeightOnlyConfig", "_data": {"group_size": 128}}},
        },
        {"bits": 4, "group_size": 128, "scheme": "int", "activation_bits": None, "effective_bpw": 4.25},
    ),
    "torchao, two figures": (
        {"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8DynamicActivationInt4WeightConfig"}}},
        {"bits": 4, "activation_bits": 8},
    ),
    "torchao FP8": (
        {"quant_method": "torchao", "quant_type": {"default": {"_type": "Float8DynamicActivationFloat8WeightConfig"}}},
        {"bits": 8, "scheme": "fp8", "activation_bits": 8},
    ),
    "torchao of 2024": (
        {"quant_method": "torchao", "quant_type": "int8_weight_only", "quant_type_kwargs": {}},
        {"bits": 8, "scheme": "int"},
    ),
    "HQQ": (
        {"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64, "axis": 1}}},
        {"bits": 4, "group_size": 64, "sym": False, "effective_bpw": 4.5},
    ),
    "HQQ, each kind of layer": (
        {
            "quant_method": "hqq",
            "quant_config": {
                "self_attn.q_proj": {"weight_quant_params": {"nbits": 4, "group_size": 64}},
                "mlp.down_proj": {"weight_quant_params": {"nbits": 3, "group_size": 64}},
            },
        },
        {"bits": 4, "layers": (LayerQuant(bits=3, group_size=64),)},
    ),
    "AQLM": (
        {
            "quant_method": "aqlm",
            "in_group_size": 8,
            "out_group_size": 1,
            "num_codebooks": 1,
            "nbits_per_codebook": 16,
        },
        {"bits": 2, "scheme": "codebook", "effective_bpw": 2},
    ),
    "GPTQModel, layers apart": (
        {
            "quant_method": "gptq",
            "bits": 4,
            "group_size": 128,
            "desc_act": True,
            "sym": True,
            "lm_head": True,
            "checkpoint_format": "gptq_v2",
            "dynamic": {"-:.*router": {}, "+:.*down": {"bits": 8, "group_size": 64}, ".*up": {"desc_act": False}},
        },
        {
            "head_bits": 4,
            "checkpoint_format": "gptq_v2",
            "layers": (LayerQuant(bits=16), LayerQuant(bits=8, group_size=64), LayerQuant(desc_act=False)),
            "absent": frozenset(),
        },
    ),
    "GPTQ without act order": (
        {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True},
        {"desc_act": None, "absent": frozenset({"desc_act"})},
    ),
    "AWQ by GEMV": ({"quant_method": "awq", "bits": 4, "version": "gemv_fast"}, {"packing": "gemv_fast"}),
    "EXL3": (
        {"quant_method": "exl3", "version": "1.5.1", "bits": 2.27, "head_bits": 6, "codebook": "mcg"},
        {"bits": 2.27, "writer_version": "1.5.1", "packing": "mcg", "effective_bpw": 2.27},
    ),
}


@pytest.mark.parametrize(("section", "held"), HELD.values(), ids=HELD)
def test_branch_says_what_its_files_hold(section: dict[str, Any], held: dict[str, Any]) -> None:
    quant = spec(section)
    assert {field: getattr(quant, field) for field in held} == held


def test_mlx_is_read_where_it_writes_its_section_twice() -> None:
    section = {"group_size": 64, "bits": 4, "mode": "affine", "lm_head": {"group_size": 64, "bits": 8}, "x": False}
    quant = read_config({"quantization": section, "quantization_config": section}).quant
    assert (quant.method, quant.bits, quant.group_size, quant.sym) == ("mlx", 4, 64, False)
    assert quant.layers == (LayerQuant(bits=8, group_size=64), LayerQuant(bits=16))
    assert spec(section, "quantization").effective_bpw == 4.5


def test_modelopts_own_file_is_read() -> None:
    inner = {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16, "exclude_modules": ["lm_head"]}
    quant = read_config({"producer": {"name": "modelopt"}, "quantization": inner}).quant
    assert (quant.method, quant.scheme, quant.bits) == ("modelopt", "nvfp4", 4)


def test_every_method_is_read_from_a_bare_section_without_a_word_too_many() -> None:
    for key, method in METHODS.items():
        for name in method.config_names:
            quant = read_config({"quantization_config": {"quant_method": name}}).quant
            assert (quant.method, quant.bits) == (key, 8 if key == "fp8" else 4 if key in ("nvfp4", "mxfp4") else None)
    assert set(READERS) <= set(METHODS)


WRONG = [math.nan, math.inf, -math.inf, 10**400, -(10**400), "4", True, None, [], {}, -5, 1e300]


@pytest.mark.parametrize("wrong", WRONG, ids=[str(one)[:9] for one in WRONG])
@pytest.mark.parametrize("key", ["bits", "head_bits", "group_size", "damp_percent", "model_seqlen", "desc_act", "sym"])
def test_absurd_value_is_not_said(key: str, wrong: object) -> None:
    sound = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True, "sym": True}
    said = read_config({"quantization_config": sound | {key: wrong}}).quant
    for value in (said.bits, said.head_bits, said.group_size, said.damp_percent, said.seq_len):
        assert value is None or (math.isfinite(value) and -1 <= value < 2**20)
    assert said.damp_percent is None or 0 < said.damp_percent < 1


def test_layers_apart_are_kept_once_and_not_without_end() -> None:
    many = {f".*layer{n}\\.": {"bits": 2 + n % 2} for n in range(1000)}
    quant = read_config({"quantization_config": {"quant_method": "gptq", "bits": 4, "dynamic": many}}).quant
    assert quant.layers == (LayerQuant(bits=2), LayerQuant(bits=3))
    endless = {f"{n}": {"bits": 4, "group_size": n} for n in range(1, 1000)}
    layers = read_config({"quantization_config": {"quant_method": "gptq", "bits": 4, "dynamic": endless}}).quant.layers
    assert layers is not None
    assert len(layers) <= 16


def test_group_of_a_whole_column_is_said() -> None:
    quant = read_config({"quantization_config": compressed(FP8_WEIGHTS)}).quant
    assert quant.group_size == NO_GROUP
    assert isinstance(quant, QuantFacts)
