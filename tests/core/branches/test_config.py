"""The JSON files of real quantizers, each in its own words, to the same facts."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.branches.config import read_config
from quantpick.core.quant import NO_GROUP, LayerQuant, QuantFacts

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 32000,
}
SECTIONS: dict[str, tuple[dict[str, Any], QuantFacts]] = {
    "AutoGPTQ": (
        {"bits": 4, "group_size": 128, "damp_percent": 0.1, "desc_act": True, "sym": True, "quant_method": "gptq"},
        QuantFacts(method="gptq", bits=4, group_size=128, damp_percent=0.1, desc_act=True, sym=True),
    ),
    "AutoGPTQ before quant_method": (
        {"bits": 3, "group_size": -1, "damp_percent": 0.01, "desc_act": False, "sym": False},
        QuantFacts(method="gptq", bits=3, group_size=NO_GROUP, damp_percent=0.01, desc_act=False, sym=False),
    ),
    "Optimum": (
        {"bits": 4, "dataset": "wikitext2", "group_size": 128, "model_seqlen": 4096, "quant_method": "gptq"},
        QuantFacts(
            method="gptq",
            bits=4,
            dataset="wikitext2",
            group_size=128,
            seq_len=4096,
            absent=frozenset({"desc_act", "sym"}),
        ),
    ),
    "Marlin": (
        {"bits": 4, "group_size": 128, "desc_act": True, "is_marlin_format": True, "quant_method": "gptq"},
        QuantFacts(
            method="gptq",
            bits=4,
            group_size=128,
            desc_act=False,
            checkpoint_format="marlin",
            absent=frozenset({"sym"}),
        ),
    ),
    "AutoAWQ quant_config.json": (
        {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM"},
        QuantFacts(method="awq", bits=4, group_size=128, desc_act=False, sym=False, packing="gemm"),
    ),
    "AutoAWQ in config.json": (
        {"quant_method": "awq", "bits": 4, "group_size": 64, "version": "gemm", "zero_point": False},
        QuantFacts(method="awq", bits=4, group_size=64, desc_act=False, sym=True, packing="gemm"),
    ),
    "AutoRound": (
        {"quant_method": "auto-round", "packing_format": "auto_round:auto_gptq", "bits": 4, "group_size": 128},
        QuantFacts(
            method="auto-round",
            bits=4,
            group_size=128,
            desc_act=False,
            scheme="int",
            packing="auto_round:auto_gptq",
        ),
    ),
    "EXL2": (
        {
            "quant_method": "exl2",
            "version": "0.1.1",
            "bits": 4.25,
            "head_bits": 6,
            "calibration": {"rows": 115, "length": 2048, "dataset": "(default)"},
        },
        QuantFacts(method="exl2", bits=4.25, head_bits=6, seq_len=2048, writer_version="0.1.1"),
    ),
    "EXL3": (
        {"quant_method": "exl3", "version": "0.0.3", "bits": 3.02, "head_bits": 6, "calibration": {"rows": 100}},
        QuantFacts(method="exl3", bits=3.02, head_bits=6, writer_version="0.0.3"),
    ),
    "compressed-tensors": (
        {
            "quant_method": "compressed-tensors",
            "config_groups": {
                "group_0": {
                    "weights": {
                        "num_bits": 4,
                        "group_size": 128,
                        "strategy": "group",
                        "symmetric": True,
                        "actorder": "weight",
                    },
                    "targets": ["Linear"],
                }
            },
        },
        QuantFacts(method="compressed-tensors", bits=4, group_size=128, desc_act=False, sym=True),
    ),
    "compressed-tensors per channel": (
        {"config_groups": {"g": {"weights": {"num_bits": 8, "group_size": None, "strategy": "channel"}}}},
        QuantFacts(method="compressed-tensors", bits=8, group_size=NO_GROUP, desc_act=False),
    ),
}


@pytest.mark.parametrize("key", ["quantization_config", "compression_config"])
@pytest.mark.parametrize(("section", "facts"), SECTIONS.values(), ids=SECTIONS)
def test_section_of_config_json_gives_facts_and_shape(section: dict[str, Any], facts: QuantFacts, key: str) -> None:
    read = read_config(LLAMA | {key: section})
    assert read.quant == facts
    assert read.model_type == "llama"
    assert read.shape is not None
    assert (read.shape.num_key_value_heads, read.shape.head_dim) == (8, 128)
    assert read.problems == ()


@pytest.mark.parametrize(("section", "facts"), SECTIONS.values(), ids=SECTIONS)
def test_small_file_of_its_own_gives_the_same_facts_and_no_shape(section: dict[str, Any], facts: QuantFacts) -> None:
    read = read_config(section)
    assert read.quant == facts
    assert read.shape is None
    assert read.problems == ()


def test_config_without_quantization_says_nothing_of_one() -> None:
    assert read_config(LLAMA).quant == QuantFacts()


def test_method_that_nobody_knows_is_foreign_and_named() -> None:
    read = read_config(LLAMA | {"quantization_config": {"quant_method": "quanto", "bits": 4}})
    assert read.quant == QuantFacts()
    assert read.foreign == "quanto"


def test_config_that_gives_no_shape_says_what_is_missing() -> None:
    read = read_config({"model_type": "mystery", "quantization_config": {"quant_method": "gptq", "bits": 4}})
    assert read.shape is None
    assert "hidden_size" in read.problems[0]


def test_group_of_all_linear_layers_counts_and_the_others_are_layers_apart() -> None:
    narrow = {"targets": ["re:.*v_proj"], "weights": {"num_bits": 8, "group_size": -1, "type": "int"}}
    wide = {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 128, "type": "int"}}
    quant = read_config({"config_groups": {"a": narrow, "b": wide}}).quant
    assert (quant.bits, quant.group_size) == (4, 128)
    assert quant.layers == (LayerQuant(bits=8, group_size=NO_GROUP, desc_act=False, scheme="int"),)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    [
        *LLAMA,
        *("bits", "w_bit", "group_size", "desc_act", "sym", "zero_point", "quant_method", "version", "head_bits"),
        *("calibration", "config_groups", "quantization_config", "damp_percent", "dataset", "text_config"),
    ]
)


@given(st.dictionaries(keys, json_values | st.dictionaries(keys, json_values, max_size=4), max_size=8))
def test_no_json_makes_it_raise(document: dict[str, Any]) -> None:
    read_config(document)


SHARED = Path(__file__).parents[4] / "shared" / "data" / "configs"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not beside this checkout")
def test_both_files_of_every_real_branch_agree_with_its_name() -> None:
    from quantpick.core.branch_name import UnknownName, read_branch_name

    checked = 0
    for path in SHARED.rglob("quantize_config.json"):
        small = read_config(json.loads(path.read_text())).quant
        whole = read_config(json.loads((path.parent / "config.json").read_text()))
        assert whole.shape is not None, path
        if whole.quant.bits is not None:
            assert (small.bits, small.group_size, small.desc_act) == (
                whole.quant.bits,
                whole.quant.group_size,
                whole.quant.desc_act,
            ), path
        named = read_branch_name(path.parent.name)
        if not isinstance(named, UnknownName):
            assert (small.bits, small.group_size, small.desc_act) == (named.bits, named.group_size, named.desc_act)
            checked += 1
    assert checked > 0
