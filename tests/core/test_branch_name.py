"""The grammars publishers use for branch names, one row per published name."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.branch_name import UnknownName, read_branch_name
from quantpick.core.quant import NO_GROUP, QuantFacts

GPTQ: dict[str, dict[str, Any]] = {
    "gptq-4bit-32g-actorder_True": {"bits": 4, "group_size": 32, "desc_act": True},
    "gptq-4bit-128g-actorder_False": {"bits": 4, "group_size": 128, "desc_act": False},
    "gptq-8bit--1g-actorder_True": {"bits": 8, "group_size": NO_GROUP, "desc_act": True},
    "gptq-3bit--1g-actorder_True": {"bits": 3, "group_size": NO_GROUP, "desc_act": True},
    "gptq-4-32g-actorder_True": {"bits": 4, "group_size": 32, "desc_act": True},
    "gptq-8--1g-actorder_True": {"bits": 8, "group_size": NO_GROUP, "desc_act": True},
    "gptq-4bit-128g": {"bits": 4, "group_size": 128},
}
EXL: dict[str, dict[str, Any]] = {
    "8_0": {"bits": 8.0},
    "4_25": {"bits": 4.25},
    "3.0": {"bits": 3.0},
    "2.4bpw": {"bits": 2.4},
    "4.65bpw": {"bits": 4.65},
    "2.00bpw": {"bits": 2.0},
    "4bpw": {"bits": 4},
    "SC_1.40bpw_H3": {"bits": 1.4, "head_bits": 3},
    "SC_1.40bpw_H3_V3": {"bits": 1.4, "head_bits": 3},
    "4.25bpw-h6": {"bits": 4.25, "head_bits": 6},
    "5bpw-h6": {"bits": 5, "head_bits": 6},
    "5.0bpw-h6-wiki": {"bits": 5.0, "head_bits": 6},
    "2.5bpw_H6": {"bits": 2.5, "head_bits": 6},
    "5.0_H6": {"bits": 5.0, "head_bits": 6},
    "5.8_h8": {"bits": 5.8, "head_bits": 8},
    "2.25b6h": {"bits": 2.25, "head_bits": 6},
    "3_5b6h": {"bits": 3.5, "head_bits": 6},
    "5_0-bpw-h8": {"bits": 5.0, "head_bits": 8},
    "2.0bpw-h16": {"bits": 2.0, "head_bits": 16},
    "4.05bpw_h6_ng6": {"bits": 4.05, "head_bits": 6},
    "bpw300-h6": {"bits": 3.0, "head_bits": 6},
    "bpw3.7": {"bits": 3.7},
    "optimized-2.27bpw": {"bits": 2.27},
    "2.27bpw_optimized": {"bits": 2.27},
    "optimized_2.04bpw_H6": {"bits": 2.04, "head_bits": 6},
    "H8-4.0BPW": {"bits": 4.0, "head_bits": 8},
    "h6_2.5bpw": {"bits": 2.5, "head_bits": 6},
    "4.0bpw_hb8": {"bits": 4.0, "head_bits": 8},
    "3.0bpw_V6_H8": {"bits": 3.0, "head_bits": 8},
}
OTHER: dict[str, dict[str, Any]] = {
    "2.0bpw-mcg": {"method": "exl3", "bits": 2.0},
    "4.0bpw-exl2": {"method": "exl2", "bits": 4.0},
    "awq-4bit-128g": {"method": "awq", "bits": 4, "group_size": 128},
    "4bits-128g-desc_act_True-damp_0.1": {"bits": 4, "group_size": 128, "desc_act": True, "damp_percent": 0.1},
    "int4": {"bits": 4},
    "w4g128": {"bits": 4, "group_size": 128},
    "fp16": {"method": "none", "bits": 16},
    "nvfp4": {"method": "nvfp4", "bits": 4, "scheme": "nvfp4"},
    "NVFP4": {"method": "nvfp4", "bits": 4, "scheme": "nvfp4"},
    "mxfp4": {"method": "mxfp4", "bits": 4, "scheme": "mxfp4"},
    "fp8": {"method": "fp8", "bits": 8, "scheme": "fp8"},
    "FP8-dynamic": {"method": "fp8", "bits": 8, "scheme": "fp8"},
    "auto-round": {"method": "auto-round"},
    "exl3": {"method": "exl3"},
    "exl3-3.5bpw-h6": {"method": "exl3", "bits": 3.5, "head_bits": 6},
    "bnb-4bit": {"method": "bitsandbytes", "bits": 4},
    "auto-round-4bit": {"method": "auto-round", "bits": 4},
    "hqq-3bit-64g": {"method": "hqq", "bits": 3, "group_size": 64},
    "Q4_K_M": {"method": "gguf", "bits": 4},
}


@pytest.mark.parametrize(("name", "facts"), [(n, f | {"method": "gptq"}) for n, f in GPTQ.items()])
def test_name_in_the_gptq_grammar_says_bits_group_and_act_order(name: str, facts: dict[str, Any]) -> None:
    assert read_branch_name(name) == QuantFacts(**facts)


@pytest.mark.parametrize(("name", "facts"), EXL.items())
def test_name_in_an_exl_grammar_says_bits_and_head_but_not_which_exl(name: str, facts: dict[str, Any]) -> None:
    assert read_branch_name(name) == QuantFacts(**facts)


@pytest.mark.parametrize(("name", "facts"), OTHER.items())
def test_name_with_a_method_word_says_the_method(name: str, facts: dict[str, Any]) -> None:
    assert read_branch_name(name) == QuantFacts(**facts)


@pytest.mark.parametrize(
    "name", ["main", "latest", "oobaCUDA", "model_v1", "v1.0", "2023_10", "99_9", "refs/pr/3", "", "0_5", "4bit-5kg"]
)
def test_name_outside_every_grammar_is_a_value_that_says_so(name: str) -> None:
    assert read_branch_name(name) == UnknownName(name)


@given(st.text(max_size=80))
def test_no_name_makes_it_raise(name: str) -> None:
    assert isinstance(read_branch_name(name), QuantFacts | UnknownName)


@given(st.sampled_from([2, 3, 4, 8]), st.sampled_from([-1, 32, 64, 128, 1024]), st.booleans())
def test_every_name_of_the_gptq_grammar_is_read_back(bits: int, group: int, act: bool) -> None:
    read = read_branch_name(f"gptq-{bits}bit-{group}g-actorder_{act}")
    assert read == QuantFacts(method="gptq", bits=bits, group_size=group, desc_act=act)
