"""The command line as a script sees it: exit codes, stdout, JSON. One row per exit code, real files, no patches."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quantpick.__main__ import main
from quantpick.core.choose.wish import DEFAULT_HEADROOM
from quantpick.core.gpu import Gpu

CARD = str(Path(__file__).parent / "fixtures" / "cards" / "airoboros-c34b-gptq.md")
ASK = ["recommend", "--card", CARD]

BRANCH_KEYS = {
    "repo_id",
    "kind",
    "name",
    "files",
    "imatrix",
    "mmproj",
    "branch",
    "commit",
    "method",
    "bits",
    "bpw",
    "head_bits",
    "group_size",
    "desc_act",
    "sym",
    "damp_percent",
    "dataset",
    "seq_len",
    "size_bytes",
    "exllama",
    "description",
    "quality",
    "sources",
}
CHOICE_KEYS = BRANCH_KEYS | {
    "verdict",
    "rank",
    "reasons",
    "loader",
    "estimate",
    "headroom_bytes",
    "max_context_tokens",
    "launch",
}


def run_json(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    assert main([*argv, "--json"]) == code
    out = capsys.readouterr().out
    document = json.loads(out)
    assert set(document) == {"schema_version", "command", "data"}
    assert document["schema_version"] == 1
    return document["data"]


@pytest.mark.parametrize(
    ("argv", "picked"),
    [
        (["--vram", "24GiB", "--loader", "exllama"], "gptq-4bit-32g-actorder_True"),
        (["--vram", "24", "-l", "ExLlama_HF"], "gptq-4bit-32g-actorder_True"),
        (["--vram", "24GiB", "--loader", "vllm"], "main"),
        (["--vram", "24GiB", "--loader", "vllm==0.29.0"], "gptq-4bit-32g-actorder_True"),
        (["--vram", "48GiB", "--loader", "gptqmodel"], "gptq-8bit-128g-actorder_True"),
        (["--gpu", "RTX 4090", "--loader", "exllamav2"], "gptq-4bit-32g-actorder_True"),
        (["--gpu", "2xRTX 3090", "--loader", "hf"], "gptq-8bit-128g-actorder_True"),
        (["--vram", "24GiB,24GiB", "--loader", "gptqmodel"], "gptq-8bit-128g-actorder_True"),
        (["--vram", "48GiB", "--loader", "gptqmodel", "--prefer", "speed"], "main"),
        (["--vram", "48GiB", "--loader", "gptqmodel", "--prefer", "context"], "gptq-3bit-128g-actorder_True"),
        (["--vram", "20GiB", "--loader", "exllamav2", "-n", "2048"], "gptq-4bit-128g-actorder_True"),
    ],
)
def test_quiet_prints_the_branch_alone_and_exits_0(
    argv: list[str], picked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ASK, *argv, "-q"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{picked}\n"
    assert captured.err == ""


def test_nothing_that_fits_is_exit_3_with_an_answer_on_stdout_and_one_error_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*ASK, "--vram", "16GiB", "--loader", "exllama"]) == 3
    captured = capsys.readouterr()
    assert "more than the 15.84 GiB usable" in " ".join(captured.out.split())
    assert sum(line.startswith("error: ") for line in captured.err.splitlines()) == 1
    assert main([*ASK, "--vram", "16GiB", "--loader", "exllama", "-q"]) == 3
    assert capsys.readouterr().out == ""


def test_recommend_json_has_its_keys_and_every_branch_once(capsys: pytest.CaptureFixture[str]) -> None:
    data = run_json(capsys, *ASK, "--vram", "24GiB", "--loader", "exllama", "--gpu-capability", "8.9")
    assert set(data) == {
        "repo_id",
        "loader",
        "context_tokens",
        "kv_dtype",
        "gpus",
        "budget_bytes",
        "recommended",
        "branches",
        "advice",
        "siblings",
        "family",
        "warnings",
    }
    assert data["repo_id"] == "TheBloke/Airoboros-c34B-3.1.2-GPTQ"
    assert data["loader"] == {"name": "exllama", "version": "2023.09.12"}
    assert data["gpus"] == [
        {
            "index": 0,
            "uuid": None,
            "name": "GPU",
            "total_bytes": 24 * 2**30,
            "free_bytes": 24 * 2**30,
            "compute_capability": "8.9",
        }
    ]
    assert len({branch["branch"] for branch in data["branches"]}) == len(data["branches"]) == 7
    for choice in [data["recommended"], *data["branches"]]:
        assert set(choice) == CHOICE_KEYS
        assert set(choice["loader"]) == {"name", "version"}
        assert set(choice["estimate"]) == {
            "weights_bytes",
            "kv_cache_bytes",
            "scratch_bytes",
            "context_bytes",
            "total_bytes",
        }
        assert choice["estimate"]["total_bytes"] == sum(
            size for name, size in choice["estimate"].items() if name != "total_bytes"
        )
        assert all(set(reason) == {"code", "message"} for reason in choice["reasons"])
        assert choice["verdict"] in (["rejected"] if choice["reasons"] else ["fits", "tight"])
    assert all(set(warning) == {"code", "branch", "message"} for warning in data["warnings"])


def test_recommend_json_of_nothing_that_fits_is_a_whole_document(capsys: pytest.CaptureFixture[str]) -> None:
    data = run_json(capsys, *ASK, "--vram", "8GiB", "--loader", "exllama", code=3)
    assert data["recommended"] is None
    assert {branch["verdict"] for branch in data["branches"]} == {"rejected"}


def test_list_json_has_its_keys_and_the_cards_facts(capsys: pytest.CaptureFixture[str]) -> None:
    data = run_json(capsys, "list", "--card", CARD)
    assert set(data) == {"repo_id", "branches", "skipped", "warnings", "siblings"}
    assert all(set(branch) == BRANCH_KEYS for branch in data["branches"])
    facts = [
        (branch["branch"], branch["bits"], branch["group_size"], branch["desc_act"], branch["size_bytes"])
        for branch in data["branches"]
    ]
    assert facts == [
        ("main", 4, None, True, 17_690_000_000),
        ("gptq-4bit-128g-actorder_True", 4, 128, True, 18_330_000_000),
        ("gptq-4bit-32g-actorder_True", 4, 32, True, 20_280_000_000),
        ("gptq-3bit-128g-actorder_True", 3, 128, True, 14_140_000_000),
        ("gptq-8bit--1g-actorder_True", 8, None, True, 34_300_000_000),
        ("gptq-3bit-32g-actorder_True", 3, 32, True, 15_990_000_000),
        ("gptq-8bit-128g-actorder_True", 8, 128, True, 35_070_000_000),
    ]
    assert {sibling["repo_id"] for sibling in data["siblings"]} >= {
        "TheBloke/Airoboros-c34B-3.1.2-AWQ",
        "TheBloke/Airoboros-c34B-3.1.2-GGUF",
    }
    assert ("card-mismatch", "gptq-3bit-32g-actorder_True") in {
        (warning["code"], warning["branch"]) for warning in data["warnings"]
    }


def test_gpus_without_a_driver_is_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    data = run_json(capsys, "gpus")
    assert set(data) == {
        "driver_version",
        "cuda_version",
        "gpus",
        "hidden",
        "problem",
        "ram_total_bytes",
        "ram_available_bytes",
    }
    assert bool(data["gpus"]) or isinstance(data["problem"], str)
    assert data["ram_total_bytes"] > 0
    assert main(["gpus"]) == 0


def test_loaders_lists_all_and_shows_the_rules_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["loaders"]) == 0
    assert "gptq-for-llama" in capsys.readouterr().out
    assert main(["loaders", "oobabooga"]) == 0
    assert "text-generation-webui" in capsys.readouterr().out
    (vllm,) = run_json(capsys, "loaders", "vllm")["loaders"]
    assert all(rule["source"] and rule["checked"] for rule in vllm["rules"])


JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb0043") + bytes(range(256)) * 40


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", 4),
        (JPEG, 4),
        (b"|" * 5_000_000, 4),
        (b"|\n" * 500_000, 4),
        ("# 模型\n\n這裡沒有分支。\n".encode(), 4),
        (b"# A model\n\n| Model | Average |\n|---|---|\n| me | 60.1 |\n", 4),
        ("這裡是 main\n\n[4.0bpw-h6](/kenny/Breeze-7B-exl2/tree/4.0bpw-h6) 4 bits per weight.\n".encode(), 0),
    ],
    ids=["empty", "JPEG", "pipes", "lines of pipes", "Chinese", "benchmark", "Chinese card"],
)
def test_card_that_is_none_is_exit_4_and_one_line(
    content: bytes, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = tmp_path / "README.md"
    card.write_bytes(content)
    assert main(["recommend", "--card", str(card), "--vram", "24GiB", "-q"]) == code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert sum(line.startswith("error: ") for line in captured.err.splitlines()) == (1 if code else 0)


def test_directory_and_missing_file_as_card_are_exit_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--card", str(tmp_path)]) == 4
    assert main(["list", "--card", str(tmp_path / "nowhere.md")]) == 4
    assert len([line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]) == 2


def test_config_that_is_no_json_is_exit_4(tmp_path: Path) -> None:
    for text in ('{"bits": 4 "group_size": 128}', "[1]", ""):
        (tmp_path / "config.json").write_text(text)
        assert main([*ASK, "--vram", "24", "--config", str(tmp_path / "config.json")]) == 4


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--vram", "-1"], "`--vram -1`"),
        (["--vram", "24XB"], "`--vram 24XB`"),
        (["--vram", "0"], "`--vram 0`"),
        (["--vram", ""], "`--vram `"),
        (["--vram", "24,,24"], "`--vram `"),
        (["--vram", "24", "--loader", "exlama"], "did you mean --loader exllama"),
        (["--vram", "24", "--loader", "vllm==banana"], "`banana` is not a version"),
        (["--vram", "24", "--context", "0"], "`--context 0`"),
        (["--vram", "24", "--context", "many"], "`--context many`"),
        (["--vram", "24", "--headroom", "lots"], "`--headroom lots`"),
        (["--vram", "24", "--batch", "0"], "batch of 0"),
        (["--vram", "24", "--kv-dtype", "q9"], "`q9`"),
        (["--vram", "24", "--loader", "gptqmodel", "--kv-dtype", "q4"], "it has fp16"),
        (["--vram", "24", "--gpu", "RTX 4090"], "give one of them"),
        (["--gpu", "RTX 4091"], "RTX 4090"),
        (["--gpu-capability", "8.9"], "goes with `--vram`"),
        (["--vram", "24", "--gpu-capability", "89000"], "for example 8.9"),
        (["--vram", "24", "--prefer", "beauty"], "beauty"),
        (["--vram", "24", "--nonsense"], "--nonsense"),
        (["not a repo", "--vram", "24"], "`not a repo`"),
    ],
)
def test_wrong_usage_is_exit_2_and_one_line_that_names_the_value(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ASK, *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[0].startswith("error: ")
    assert len(lines) <= 2
    assert says in captured.err


def test_no_gpu_found_and_none_named_is_exit_2() -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    asked = subprocess.run(
        [sys.executable, "-m", "quantpick", "gpus", "--json"], capture_output=True, env=environment, check=True
    )
    if json.loads(asked.stdout)["data"]["gpus"]:
        pytest.skip("this machine has a GPU")
    assert main(ASK) == 2


@pytest.mark.parametrize(
    "argv", [["recommend", "--vram", "24"], ["list"], ["list", "owner"], ["list", "owner/name:-x"]]
)
def test_call_that_names_no_repo_is_wrong_usage(argv: list[str]) -> None:
    assert main(argv) == 2


def test_debug_adds_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("QUANTPICK_DEBUG", "1")
    assert main([*ASK, "--vram", "-1"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("width", ["40", "200"])
def test_screen_in_a_pipe_is_a_row_a_line_whatever_the_width(width: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "quantpick", *ASK, "--vram", "24GiB", "--loader", "exllama"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": width, "PYTHONIOENCODING": "utf-8"},
    )
    lines = shown.stdout.splitlines()
    assert lines[0] == "gptq-4bit-32g-actorder_True"
    for name in ("gptq-4bit-32g-actorder_True", "gptq-8bit--1g-actorder_True", "main"):
        (row,) = [line.split("\t") for line in lines if re.match(rf"\S\t{name}\t", line)]
        assert len(row) == 8
    assert "…" not in shown.stdout
    assert not any(line.endswith((" ", "\t")) for line in lines)


def test_screen_falls_back_to_ascii_where_the_terminal_has_no_more() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "quantpick", *ASK, "--vram", "24GiB", "--loader", "exllama"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "COLUMNS": "120", "FORCE_COLOR": "1"},
    )
    assert shown.stdout.isascii()
    assert b"####" in shown.stdout


def test_reader_that_goes_away_ends_it_as_sigpipe_would() -> None:
    command = f"{sys.executable} -m quantpick loaders --json | true"
    closed = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert closed.stderr == ""
    assert closed.returncode == 141


def test_heavy_libraries_are_imported_only_when_used() -> None:
    code = (
        "import sys; from quantpick.__main__ import main; main(sys.argv[1:]); "
        "heavy = {'huggingface_hub', 'rich', 'pynvml', 'psutil', 'packaging', 'pydantic'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    for argv in (["--help"], [*ASK, "--vram", "24", "--loader", "exllama"]):
        imported = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True)
        assert imported.stderr.strip().endswith("[]"), argv


def test_named_branch_is_fetched_without_what_judges_branches() -> None:
    code = (
        "import sys, quantpick.workflow.download, quantpick.hub.survey, quantpick.transfer.download; "
        "judges = {'card.read', 'loaders.table', 'memory.estimate', 'choose.recommend', 'branches.table', 'shape'}; "
        "print(sorted(name for name in judges if f'quantpick.core.{name}' in sys.modules))"
    )
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert imported.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["--vram", "19.5GiB", "--loader", "exllama", "-n", "16384"], "--context "),
        (["--vram", "18.8GiB", "--loader", "exllamav2"], "--kv-dtype q"),
        (["--vram", "8GiB", "--loader", "exllama"], "a larger or second GPU"),
        (["--vram", "80GiB", "--loader", "exllamav3"], "--loader "),
    ],
)
def test_hint_of_nothing_that_fits_can_be_pasted(
    argv: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ASK, *argv, "-q"]) == 3
    said = capsys.readouterr().err.splitlines()[1]
    assert said.startswith(f"hint: {hint}")
    if said.startswith("hint: --"):
        flag, value = said.removeprefix("hint: ").split()
        assert main([*ASK, *argv, "-q", flag, value]) == 0


def test_no_command_shows_the_help_and_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith("Usage: ")
    assert captured.err == ""


def test_config_that_is_not_clear_about_its_layers_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = {
        "num_hidden_layers": 48,
        "hidden_size": 8192,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "intermediate_size": 22016,
        "vocab_size": 32000,
        "layer_types": ["holographic"] * 48,
    }
    config = tmp_path / "config.json"
    config.write_text(json.dumps(shape))
    assert main([*ASK, "--config", str(config), "--vram", "24GiB", "--loader", "exllama", "--json"]) == 0
    warnings = json.loads(capsys.readouterr().out)["data"]["warnings"]
    (unclear,) = [warning for warning in warnings if warning["code"] == "unclear-shape"]
    assert unclear["branch"] is None
    assert "`holographic` is not a known kind of layer" in unclear["message"]


def test_headroom_of_the_command_line_is_that_of_python(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--vram", "24GiB", "--loader", "exllama", "--json"]) == 0
    budget = json.loads(capsys.readouterr().out)["data"]["budget_bytes"]
    gpu = Gpu(index=0, name="GPU", total_bytes=24 * 2**30, free_bytes=24 * 2**30)
    assert budget == gpu.free_bytes - DEFAULT_HEADROOM.on(gpu)


def test_every_branch_shows_what_its_memory_is_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--vram", "24GiB", "--loader", "exllamav2"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    rows = [line for line in lines if len(line) == 8]
    assert rows[0][1:] == [
        "branch",
        "needs GiB",
        "max context",
        "weights GiB",
        "cache GiB",
        "scratch GiB",
        "CUDA GiB",
    ]
    assert len(rows) == 8
    for row in rows[1:]:
        needs, *parts = (float(row[at]) for at in (2, 4, 5, 6, 7))
        assert sum(parts) == pytest.approx(needs, abs=0.03)
