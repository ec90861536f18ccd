"""A whole repo as one table: what is a quantization, and where card and facts part."""

import json
from pathlib import Path
from typing import Any

import pytest

from quantpick.core.branches.table import BranchTable, table_from_repo
from quantpick.core.memory.weights import weights_file_size
from quantpick.core.quant import QuantSpec
from quantpick.core.repo import BranchFiles, RepoFacts, RepoFile
from quantpick.core.shape import ModelShape

SHARED = Path(__file__).parents[4] / "shared" / "data" / "configs"

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 32000,
}
SHAPE = ModelShape.from_config(LLAMA)
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True}
SIXTEEN_BIT = weights_file_size(QuantSpec("none", 16), SHAPE)
FOUR_BIT = weights_file_size(QuantSpec("gptq", 4, 128), SHAPE)


def branch(
    name: str,
    size_bytes: int = FOUR_BIT,
    *,
    config: Any = None,
    quantize_config: Any = None,
    file: str = "model.safetensors",
) -> BranchFiles:
    texts = {"config.json": config, "quantize_config.json": quantize_config}
    return BranchFiles(
        name=name,
        commit="c" * 40,
        files=(RepoFile(file, size_bytes, "b" * 40),),
        configs={path: json.dumps(text) for path, text in texts.items() if text is not None},
    )


def table(
    *branches: BranchFiles, card: str | None = None, repo_id: str = "pub/Finch-7B-GPTQ", **facts: Any
) -> BranchTable:
    names = tuple(one.name for one in branches)
    return table_from_repo(
        RepoFacts(repo_id=repo_id, asked_for=repo_id, branches=branches, names=names, card=card, **facts)
    )


def codes(found: BranchTable) -> list[tuple[str, str | None]]:
    return [(warning.code, warning.branch) for warning in found.warnings]


QUANTIZED = LLAMA | {"quantization_config": GPTQ}


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (branch("main", SIXTEEN_BIT, config=LLAMA), "16-bit by its size"),
        (branch("fp16", SIXTEEN_BIT, config=LLAMA), "a 16-bit copy"),
        (branch("gptq-4bit-128g-actorder_True", SIXTEEN_BIT, config=LLAMA), "16-bit by its size"),
        (branch("main", 4 * 10**9), "nothing says"),
        (branch("main", config=LLAMA | {"quantization_config": {"quant_method": "quanto"}}), "quanto"),
        (branch("main", file="adapter_model.safetensors", config=LLAMA), "adapter"),
    ],
)
def test_branch_that_is_no_quantization_is_skipped_with_its_reason(one: BranchFiles, why: str) -> None:
    found = table(one, repo_id="pub/Finch-7B")
    assert found.branches == ()
    assert found.skipped[0].branch == one.name
    assert why in found.skipped[0].reason


@pytest.mark.parametrize(
    "one",
    [
        branch("main", config=QUANTIZED),
        branch("main", config=LLAMA, quantize_config={"bits": 4, "group_size": 128, "desc_act": True}),
        branch("main", quantize_config={"bits": 4, "group_size": 128, "desc_act": True}),
        branch("gptq-4bit-128g-actorder_True", config=LLAMA),
        branch("gptq-4bit-128g-actorder_True"),
    ],
)
def test_gptq_is_known_by_config_by_quantize_config_or_by_name(one: BranchFiles) -> None:
    quant = table(one).branches[0].quant
    assert (quant.method, quant.bits, quant.group_size, quant.desc_act) == ("gptq", 4, 128, True)


def test_exl2_bits_cut_to_a_whole_number_are_mended_by_the_name() -> None:
    exl2 = LLAMA | {"quantization_config": {"quant_method": "exl2", "bits": 3, "head_bits": 6}}
    assert table(branch("3_5", config=exl2), repo_id="pub/Finch-7B-exl2").branches[0].quant.bits == 3.5


def test_size_is_that_of_the_weights_not_of_the_repo() -> None:
    one = branch("main", config=QUANTIZED)
    with_more = BranchFiles(
        name="main",
        commit=one.commit,
        files=(*one.files, RepoFile("tokenizer.json", 10**9, "d" * 40)),
        configs=one.configs,
    )
    assert table(with_more).branches[0].size_bytes == FOUR_BIT


CARD = """# Finch 7B - GPTQ
| Branch | Bits | GS | Act Order | Size |
| ------ | ---- | -- | --------- | ---- |
| [main](https://huggingface.co/pub/Finch-7B-GPTQ/tree/main) | 4 | 128 | Yes | {size} |
| [gptq-8bit--1g-actorder_True](https://huggingface.co/pub/Finch-7B-GPTQ/tree/gptq-8bit--1g-actorder_True) \
| 8 | None | Yes | 7.6 GB |
"""


def test_each_contradiction_between_card_and_repo_is_a_warning() -> None:
    found = table(
        branch("gptq-4bit-32g-actorder_True", config=LLAMA),
        branch("main", config=LLAMA | {"quantization_config": GPTQ | {"group_size": 64}}),
        card=CARD.format(size="5.00 GB"),
    )
    assert [one.name for one in found.branches] == ["main", "gptq-4bit-32g-actorder_True"]
    assert set(codes(found)) == {
        ("missing-branch", "gptq-8bit--1g-actorder_True"),
        ("unlisted-branch", "gptq-4bit-32g-actorder_True"),
        ("card-mismatch", "main"),
        ("stale-size", "main"),
    }


def test_card_that_agrees_gives_no_warning() -> None:
    eight = branch("gptq-8bit--1g-actorder_True", 7_600_000_000, config=LLAMA)
    agreeing = CARD.format(size=f"{FOUR_BIT / 1e9:.2f} GB")
    assert codes(table(branch("main", config=QUANTIZED), eight, card=agreeing)) == []


def test_one_branch_read_alone_is_not_reproached_with_the_others() -> None:
    one = branch("main", config=QUANTIZED)
    facts = RepoFacts(
        repo_id="pub/Finch-7B-GPTQ",
        asked_for="pub/Finch-7B-GPTQ",
        branches=(one,),
        names=("main", "other"),
        card=CARD.format(size=f"{FOUR_BIT / 1e9:.2f} GB"),
    )
    assert codes(table_from_repo(facts)) == []


def test_pickles_and_several_sets_are_doubts() -> None:
    pickled = branch("main", config=QUANTIZED, file="gptq_model-4bit-128g.bin")
    twice = branch("gptq-4bit-128g-actorder_True", config=QUANTIZED, file="a.safetensors")
    twice = BranchFiles(
        name=twice.name,
        commit=twice.commit,
        files=(*twice.files, RepoFile("b.safetensors", 7, "e" * 40)),
        configs=twice.configs,
    )
    assert codes(table(pickled, twice)) == [("pickle-weights", "main"), ("several-weights", twice.name)]


def test_refs_of_the_hub_itself_are_skipped() -> None:
    found = table(branch("main", config=QUANTIZED), conversions=("refs/convert/parquet",))
    assert [one.branch for one in found.skipped] == ["refs/convert/parquet"]


def test_branch_without_config_has_the_shape_of_the_others() -> None:
    found = table(branch("main", config=QUANTIZED), branch("gptq-4bit-32g-actorder_True"))
    assert found.branches[1].shape == SHAPE


def real_branches() -> list[Any]:
    if not SHARED.is_dir():
        return [pytest.param("", "", marks=pytest.mark.skip(reason="the shared configs are not here"))]
    sizes = json.loads((SHARED / "true_sizes.json").read_text())
    return [(repo_id, name) for repo_id, branches in sizes.items() for name in branches]


@pytest.mark.parametrize(("repo_id", "name"), real_branches())
def test_real_branches_are_quantizations_of_their_weight_files_size(repo_id: str, name: str) -> None:
    facts = json.loads((SHARED / "true_sizes.json").read_text())[repo_id][name]
    folder = SHARED / repo_id.replace("/", "_") / name
    one = BranchFiles(
        name=name,
        commit="c" * 40,
        files=tuple(RepoFile(path, size, "b" * 40) for path, size in facts["files"].items()),
        configs={path.name: path.read_text() for path in folder.glob("*.json")},
    )
    found = table(one, repo_id=repo_id)
    assert found.branches[0].size_bytes == facts["weights"]
    assert found.branches[0].sources["bits"] == "config"
    assert found.warnings == ()
