"""What `import quantpick` gives: names that are seen, typed, and called as in the JSON documents."""

import contextlib
import io
import json
import pydoc
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import quantpick
from quantpick.__main__ import main
from quantpick.core.branches.table import BranchTable

CARD = str(Path(__file__).parent / "fixtures" / "cards" / "airoboros-c34b-gptq.md")
ROOT = Path(__file__).parent.parent
GPU = quantpick.Gpu(index=0, name="RTX 4090", total_bytes=24 * 2**30, free_bytes=24 * 2**30, compute_capability=8.9)
PROMISED = {
    *("list_branches", "recommend", "download", "verify", "detect_gpus", "estimate_vram"),
    *("QuantSpec", "ModelShape", "Gpu"),
    *("QuantpickError", "UsageError", "NothingFitsError", "NotFoundError", "AccessError", "HubError"),
    *("TransferError", "DiskError", "DamagedError"),
}


def test_every_promised_name_is_seen_and_has_help() -> None:
    assert set(dir(quantpick)) >= PROMISED
    for name in dir(quantpick):
        assert getattr(quantpick, name) is not None
    shown = io.StringIO()
    pydoc.Helper(output=shown)(quantpick)
    for name in PROMISED:
        assert re.search(rf"\b{name}\b", shown.getvalue()), name


def test_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        quantpick.recomend  # noqa: B018


def test_fields_are_called_as_in_the_json_documents(capsys: pytest.CaptureFixture[str]) -> None:
    answer = quantpick.recommend(card=CARD, gpus=[GPU], loader="exllamav2")
    assert (
        main(["recommend", "--card", CARD, "--vram", "24GiB", "--gpu-capability", "8.9", "-l", "exllamav2", "--json"])
        == 0
    )
    document = json.loads(capsys.readouterr().out)["data"]
    assert [choice.branch.name for choice in answer.branches] == [one["branch"] for one in document["branches"]]
    for choice, said in zip(answer.branches, document["branches"], strict=True):
        for key in ("verdict", "rank", "headroom_bytes", "max_context_tokens"):
            assert getattr(choice, key) == said[key], key
        for key in ("weights_bytes", "kv_cache_bytes", "scratch_bytes", "context_bytes", "total_bytes"):
            assert getattr(choice.estimate, key) == said["estimate"][key]
        assert choice.launch == (None if said["launch"] is None else tuple(said["launch"]))
        assert [(one.code, one.message) for one in choice.reasons] == [
            (r["code"], r["message"]) for r in said["reasons"]
        ]
        for key in ("commit", "method", "bits", "bpw", "head_bits", "group_size", "desc_act", "sym", "size_bytes"):
            assert getattr(choice.branch, key) == said[key], key
    assert [one.code for one in answer.warnings] == [one["code"] for one in document["warnings"]]
    assert answer.repo_id == document["repo_id"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"gpus": []},
        {"gpus": [GPU], "prefer": "fast"},
        {"gpus": [GPU], "context_tokens": "max"},
        {"gpus": [GPU], "context_tokens": 0},
        {"gpus": [GPU], "batch": -1},
        {"gpus": [GPU], "loader": "exlama"},
        {"gpus": [GPU], "kv_dtype": "q9"},
    ],
)
def test_wrong_argument_raises_usage_error_and_prints_nothing(
    wrong: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(quantpick.UsageError):
        quantpick.recommend(card=CARD, **wrong)  # type: ignore[arg-type]
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


NONSENSE = [None, float("nan"), float("inf"), -1, 10**400, "\0", "\ud800", [], [None], {}, object(), b"x", 1.5]
ASKED = {
    "list_branches": ("repo", "token", "timeout_s", "card", "config"),
    "recommend": ("wish", "gpus", "loader", "context_tokens", "kv_dtype", "batch", "prefer", "headroom", "nonsense"),
    "download": (
        *("revision", "file", "local_dir", "cache_dir", "options", "progress", "stop", "token", "wish", "gpus"),
        *("announce", "include", "exclude", "transport", "connections", "retry_for_s", "limit_bytes_per_s"),
    ),
    "verify": ("place", "cache_dir", "token", "retry_for_s"),
    "estimate_vram": ("quant", "shape", "loader", "context_tokens", "kv_dtype", "batch", "version", "settings"),
}
RIGHT: dict[str, dict[str, object]] = {
    "list_branches": {"card": CARD},
    "recommend": {"card": CARD, "gpus": [GPU]},
    "download": {"repo": "owner/name", "revision": "main", "dry_run": True},
    "verify": {"place": "owner/name", "offline": True},
    "estimate_vram": {
        "quant": quantpick.QuantSpec("gptq", 4, 128),
        "shape": quantpick.ModelShape(40, 5120, 40, 40, 128, 13824, 32000),
        "loader": "exllamav2",
        "context_tokens": 4096,
    },
}


@pytest.mark.parametrize("name", ASKED)
def test_nonsense_in_any_argument_raises_only_our_own_errors(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    for argument in ASKED[name]:
        for value in NONSENSE:
            with contextlib.suppress(quantpick.QuantpickError):
                getattr(quantpick, name)(**{**RIGHT[name], argument: value})


@pytest.mark.parametrize("field", ["index", "name", "total_bytes", "free_bytes", "compute_capability"])
def test_gpu_that_is_none_raises_only_our_own_errors(field: str) -> None:
    for value in [*NONSENSE, 0]:
        with contextlib.suppress(quantpick.QuantpickError):
            quantpick.recommend(card=CARD, gpus=[replace(GPU, **{field: value})], loader="vllm")  # type: ignore[arg-type]


def test_one_text_is_no_list_of_patterns() -> None:
    with pytest.raises(quantpick.UsageError, match="include"):
        quantpick.download("owner/name", "main", include="*.json", dry_run=True)


def test_values_are_frozen() -> None:
    table: BranchTable = quantpick.list_branches(card=CARD)
    with pytest.raises(AttributeError):
        table.repo_id = "another"  # type: ignore[misc]


def test_examples_are_typed(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    for page in (ROOT / "README.md", ROOT / "docs" / "python.md"):
        blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        assert blocks
        for at, block in enumerate(blocks):
            (tmp_path / f"{page.stem}_{at}.py").write_text(block)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "/dev/null", *map(str, tmp_path.glob("*.py"))],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert checked.returncode == 0, checked.stdout
