"""The Python API as a setup script uses it."""

import json
from pathlib import Path
from typing import Any

import pytest

import quantpick
from quantpick import Gpu, ModelShape, NotFoundError, QuantSpec, UsageError
from quantpick.core.choose.wish import Wish
from quantpick.demo.content import CODELLAMA_34B
from quantpick.workflow.choice import make_wish

CARD = Path(__file__).parent / "fixtures" / "cards" / "airoboros-c34b-gptq.md"
GIB = 2**30


def gpu(gib: int, index: int = 0) -> Gpu:
    return Gpu(index=index, name="GPU", total_bytes=gib * GIB, free_bytes=gib * GIB, compute_capability=8.9)


def test_everything_the_package_promises_is_there() -> None:
    assert all(getattr(quantpick, name) is not None for name in quantpick.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = quantpick.nonsense


def test_recommend_answers_for_a_machine_nobody_owns() -> None:
    answer = quantpick.recommend(card=CARD, gpus=[gpu(24)], loader="exllamav2")
    assert answer.recommended is not None
    assert answer.recommended.branch.name == "gptq-4bit-32g-actorder_True"
    assert answer.repo_id == "TheBloke/Airoboros-c34B-3.1.2-GPTQ"


def test_nothing_that_fits_is_an_answer_and_no_error() -> None:
    answer = quantpick.recommend(card=CARD, gpus=[gpu(4)], loader="exllamav2")
    assert answer.recommended is None
    assert len(answer.choices) == 7


def test_shape_is_assumed_without_a_config_and_the_warning_names_the_model() -> None:
    table = quantpick.list_branches(card=CARD)
    assert {branch.shape for branch in table.branches if branch.shape} == {
        ModelShape(48, 8192, 64, 8, 128, 22016, 32000, model_type="llama")
    }
    (warning,) = [warning for warning in table.warnings if warning.code == "assumed-shape"]
    assert "CodeLlama-34b" in warning.message


def test_config_gives_the_shape_and_nothing_is_assumed(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CODELLAMA_34B))
    table = quantpick.list_branches(card=CARD, config=config)
    assert not [warning for warning in table.warnings if warning.code == "assumed-shape"]
    longest = quantpick.recommend(card=CARD, config=config, gpus=[gpu(80)], loader="gptqmodel", context_tokens=None)
    assert longest.choices[0].context_tokens == 16384


def test_repo_id_says_whose_card_it_is() -> None:
    assert quantpick.list_branches("TheBloke/Airoboros-c34B-3.1.2-GPTQ", card=CARD).branches
    with pytest.raises(NotFoundError, match="not of `someone/Else-7B-GPTQ`"):
        quantpick.list_branches("someone/Else-7B-GPTQ", card=CARD)


def test_estimate_adds_up_and_grows_with_the_context() -> None:
    shape = ModelShape(32, 4096, 32, 8, 128, 14336, 32000)
    spec = QuantSpec("gptq", 4, 128)
    short, long = (
        quantpick.estimate_vram(spec, shape, loader="exllamav2", context_tokens=tokens) for tokens in (4096, 32768)
    )
    assert short.kv_cache_bytes == 32 * 8 * 128 * 2 * 2 * 4096
    assert long.kv_cache_bytes == 8 * short.kv_cache_bytes
    parts = (short.weights_bytes, short.kv_cache_bytes, short.scratch_bytes, short.context_bytes)
    assert short.total_bytes == sum(parts) < long.total_bytes


@pytest.mark.parametrize(
    ("loader", "kv_dtype", "says"),
    [("nonsense", "fp16", "nonsense"), ("vllm", "q4", "q4"), ("vllm==x.y", "fp16", "x.y")],
)
def test_estimate_of_what_the_loader_cannot_do_says_what_it_can(loader: str, kv_dtype: str, says: str) -> None:
    shape = ModelShape(32, 4096, 32, 8, 128, 14336, 32000)
    with pytest.raises(UsageError, match=says) as caught:
        quantpick.estimate_vram(QuantSpec("gptq", 4), shape, loader=loader, context_tokens=4096, kv_dtype=kv_dtype)
    assert caught.value.hint


@pytest.mark.parametrize(
    "wrong", [{"context_tokens": 0}, {"prompt_tokens": 0}, {"batch": -1}, {"weights_file_bytes": -1}], ids=str
)
def test_estimate_of_a_number_out_of_bounds_is_the_callers_fault(wrong: dict[str, int]) -> None:
    shape = ModelShape(32, 4096, 32, 8, 128, 14336, 32000)
    asked: dict[str, Any] = {"context_tokens": 4096, "batch": 1} | wrong
    with pytest.raises(UsageError, match=next(iter(wrong))):
        quantpick.estimate_vram(QuantSpec("gptq", 4), shape, loader="exllamav2", **asked)


def test_version_counts_only_where_the_loader_is_the_engine() -> None:
    shape = ModelShape(32, 4096, 32, 8, 128, 14336, 32000)
    need = {
        loader: quantpick.estimate_vram(
            QuantSpec("gptq", 4, 128), shape, loader=loader, context_tokens=4096
        ).scratch_bytes
        for loader in ("transformers", "transformers==4.38.2", "gptqmodel", "gptqmodel==2.2.0")
    }
    assert need["transformers==4.38.2"] > need["transformers"]
    assert need["gptqmodel==2.2.0"] == need["gptqmodel"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"quant": QuantSpec("gptq", float("nan"))},
        {"quant": QuantSpec("gptq", float("inf"))},
        {"quant": QuantSpec("gptq", -4)},
        {"quant": QuantSpec("gptq", 4, 0)},
        {"quant": QuantSpec("exl2", 4, head_bits=float("nan"))},
        {"shape": ModelShape(32, -4096, 32, 8, 128, 14336, 32000)},
        {"shape": ModelShape(32, 4096, 32, 0, 128, 14336, 32000)},
        {"shape": ModelShape(32, 4096, 32, 8, 128, 14336, 32000, num_sliding_layers=33)},
        {"context_tokens": float("nan")},
        {"context_tokens": 10**5000},
        {"batch": True},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_estimate_of_what_is_no_number_is_the_callers_fault(wrong: dict[str, Any]) -> None:
    shape = ModelShape(32, 4096, 32, 8, 128, 14336, 32000)
    asked: dict[str, Any] = {"quant": QuantSpec("gptq", 4), "shape": shape, "context_tokens": 4096} | wrong
    with pytest.raises(UsageError, match=r"needed|there are"):
        quantpick.estimate_vram(loader="exllamav2", **asked)


@pytest.mark.parametrize(
    "wrong",
    [
        {"context_tokens": 0},
        {"context_tokens": -5},
        {"context_tokens": "max"},
        {"batch": 0},
        {"batch": 1.5},
        {"prefer": "fast"},
        {"vram_basis": "some"},
        {"headroom": "1%"},
        {"gpus": []},
        {"gpus": ["RTX 4090"]},
        {"wish": Wish(), "batch": 2},
    ],
    ids=str,
)
def test_wish_that_cannot_be_reckoned_with_is_the_callers_fault(wrong: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"gpus": [gpu(24)]} | wrong
    with pytest.raises(UsageError, match=next(reversed(wrong))):
        quantpick.recommend(card=CARD, **asked)


def test_wish_and_its_words_ask_the_same() -> None:
    words: dict[str, Any] = {"loader": "exllamav2", "context_tokens": 8192, "prefer": "context"}
    by_words = quantpick.recommend(card=CARD, gpus=[gpu(24)], **words)
    assert quantpick.recommend(card=CARD, gpus=[gpu(24)], wish=make_wish(**words)) == by_words


def test_loader_auto_judges_by_what_is_installed_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "lib" / "python3.11" / "site-packages" / "vllm-0.22.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.22.0\n")
    program = tmp_path / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    wish = make_wish(loader="auto")
    assert [(one.loader.id, one.shown_version) for one in wish.candidates] == [("vllm", "0.22.0")]
    assert str(tmp_path) in wish.candidates[0].doubts[0].message


def test_loader_auto_where_none_is_installed_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="installed"):
        make_wish(loader="auto")
