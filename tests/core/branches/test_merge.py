"""Config beats tree beats name beats card, and every contradiction is told."""

from typing import Any

import pytest

from quantpick.core.branches.config import ConfigFacts, read_config
from quantpick.core.branches.merge import merge_branch
from quantpick.core.branches.table import table_from_card
from quantpick.core.card.read import Card, read_card
from quantpick.core.card.rows import CardRow
from quantpick.core.quant import NO_GROUP, Branch, BranchWarning, QuantFacts, QuantSpec


def row(branch: str, *, size_bytes: int | None = None, **facts: Any) -> CardRow:
    return CardRow(
        branch=branch,
        facts=QuantFacts(**facts),
        size_bytes=size_bytes,
        exllama=None,
        description=None,
        vram_bytes={},
        made_with=None,
    )


FP8_GROUP = {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}}


def codes(warnings: tuple[BranchWarning, ...]) -> list[str]:
    return [warning.code for warning in warnings]


def test_agreeing_sources_give_one_branch_without_a_warning() -> None:
    config = ConfigFacts(QuantFacts(method="gptq", bits=4, group_size=32, desc_act=True, sym=True))
    named = row("gptq-4bit-32g-actorder_True", method="gptq", bits=4, group_size=32, desc_act=True)
    branch, warnings = merge_branch(named.branch, rows=[named], config=config)
    assert warnings == ()
    assert branch.quant == QuantSpec("gptq", 4, 32, True, True)
    assert branch.sources["bits"] == "config"
    assert branch.unknown == {"head_bits"}


@pytest.mark.parametrize(
    ("config", "card", "bits", "source"),
    [(3, 2, 3, "config"), (None, 2, 4, "name"), (None, None, 4, "name")],
)
def test_config_beats_name_beats_card(config: float | None, card: float | None, bits: float, source: str) -> None:
    name = "gptq-4bit-128g-actorder_False"
    branch, _ = merge_branch(name, rows=[row(name, bits=card)], config=ConfigFacts(QuantFacts(bits=config)))
    assert (branch.quant.bits, branch.sources["bits"]) == (bits, source)


def test_contradiction_names_both_sides() -> None:
    name = "gptq-4bit-32g-actorder_True"
    _, warnings = merge_branch(name, rows=[row(name, bits=4, group_size=32, desc_act=False)])
    assert warnings == (BranchWarning("card-mismatch", name, "act order: the name says yes, the card says no"),)


def test_group_of_minus_one_is_none_known_and_a_missing_group_is_unknown() -> None:
    said, _ = merge_branch("main", rows=[row("main", bits=4, group_size=NO_GROUP)])
    unsaid, _ = merge_branch("main", rows=[row("main", bits=4)])
    assert said.quant.group_size is unsaid.quant.group_size is None
    assert "group_size" not in said.unknown
    assert "group_size" in unsaid.unknown


def test_tree_size_beats_the_card_and_a_size_that_moved_is_told() -> None:
    branch, warnings = merge_branch("main", rows=[row("main", size_bytes=4_160_000_000)], tree_bytes=5_000_000_000)
    assert (branch.size_bytes, branch.sources["size_bytes"]) == (5_000_000_000, "tree")
    assert codes(warnings) == ["stale-size"]
    assert "5.00 GB" in warnings[0].message
    assert "4.16 GB" in warnings[0].message


def test_size_that_the_card_only_rounded_is_no_contradiction() -> None:
    branch, warnings = merge_branch("main", rows=[row("main", size_bytes=16_940_000_000)], tree_bytes=16_940_128_464)
    assert (branch.size_bytes, warnings) == (16_940_128_464, ())


def test_bits_that_the_config_cut_to_a_whole_number_come_from_the_name() -> None:
    branch, warnings = merge_branch("3.5bpw", config=ConfigFacts(QuantFacts(method="exl2", bits=3)))
    assert (branch.quant.bits, branch.sources["bits"], warnings) == (3.5, "name", ())


def test_two_rows_for_one_branch_give_one_branch_and_a_warning() -> None:
    text = (
        "[2.60 bits per weight](https://huggingface.co/someone/Model-35B-exl2/tree/3.0bpw)\n"
        "[3.00 bits per weight](https://huggingface.co/someone/Model-35B-exl2/tree/3.0bpw)\n"
    )
    table = table_from_card(read_card(text))
    assert [branch.name for branch in table.branches] == ["3.0bpw"]
    assert table.branches[0].quant.bits == 3.0
    assert "the name says 3, the card says 2.6" in " ".join(warning.message for warning in table.warnings)


def test_one_config_for_several_branches_gives_the_shape_and_no_quantization() -> None:
    config = read_config(
        {
            "model_type": "llama",
            "hidden_size": 4096,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "intermediate_size": 11008,
            "vocab_size": 32000,
            "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True},
        }
    )

    def merged(*names: str) -> tuple[Branch, ...]:
        rows = tuple(row(name) for name in names)
        card = Card(
            repo_id=None,
            model_name=None,
            model_type=None,
            base_models=(),
            method=None,
            rows=rows,
            siblings=(),
            warnings=(),
        )
        return table_from_card(card, config).branches

    several, alone = merged("main", "latest"), merged("main")
    assert all(branch.shape is not None for branch in (*several, *alone))
    assert several[0].quant.bits is None
    assert alone[0].quant.bits == 4


@pytest.mark.parametrize(
    ("name", "section", "expected"),
    [
        ("fp8", {"quant_method": "compressed-tensors", "config_groups": FP8_GROUP}, []),
        ("nvfp4", {"quant_method": "modelopt", "quant_algo": "NVFP4"}, []),
        ("auto-round-4bit", {"quant_method": "gptq", "bits": 4, "group_size": 128}, []),
        ("fp8", {"quant_method": "gptq", "bits": 8, "group_size": 128}, ["name-mismatch"]),
        ("gptq-4bit-128g", {"quant_method": "awq", "bits": 4, "group_size": 128}, ["name-mismatch"]),
    ],
)
def test_other_word_for_what_the_config_says_is_no_contradiction(
    name: str, section: dict[str, Any], expected: list[str]
) -> None:
    branch, warnings = merge_branch(name, config=read_config({"quantization_config": section}))
    assert branch.quant.method == section["quant_method"]
    assert codes(warnings) == expected


def test_method_that_leaves_no_choice_gives_bits_and_group_by_whoever_named_it() -> None:
    card = read_card("# Finch 7B - NVFP4")
    branch, warnings = merge_branch("main", card=card)
    assert (branch.quant.bits, branch.quant.group_size, branch.quant.scheme) == (4, 16, "nvfp4")
    assert branch.quant.effective_bpw == 4.5
    assert {branch.sources[field] for field in ("method", "bits", "group_size")} == {"card"}
    assert warnings == ()
