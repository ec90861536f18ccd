"""What setup scripts rely on: documents by the schema, lines to paste, the environment, the ends of a pipe."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from quantpick import errors
from quantpick.__main__ import main
from quantpick.cli.command import COMMANDS, environment_name
from quantpick.demo.hub import HubRepo
from tests.fakes.world import REPO, World, open_world

CARD = str(Path(__file__).parent / "fixtures" / "cards" / "airoboros-c34b-gptq.md")
ASK = ["recommend", "--card", CARD]
EVIL = "4bit-$(touch${IFS}pwned)"
SCHEMA = json.loads(resources.files("quantpick.render").joinpath("schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("world")) as one:
        yield one


def valid(text: str) -> Any:
    document = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    VALIDATOR.validate(document)
    return document


def test_schema_is_a_schema_and_quantpick_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        ([*ASK, "--vram", "24GiB", "-l", "exllama"], 0),
        ([*ASK, "--vram", "4GiB", "-l", "exllama"], 3),
        ([*ASK, "--gpu", "2x3090"], 0),
        (["list", "--card", CARD], 0),
        (["loaders"], 0),
        (["loaders", "vllm"], 0),
        (["gpus"], 0),
        (["clean", "--dry-run"], 0),
    ],
)
def test_document_is_as_the_schema_says(argv: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*argv, "--json"]) == code
    captured = capsys.readouterr()
    assert valid(captured.out)["command"] == argv[0]
    assert captured.err == ""


def test_documents_of_a_download_are_as_the_schema_says(world: World, tmp_path: Path) -> None:
    folder = str(tmp_path / "model")
    for argv in (["--revision", "main", "--local-dir", folder], ["--revision", "main", "--dry-run"]):
        done = world.run("download", REPO, *argv, "--json")
        assert done.returncode == 0, done.stderr
        assert Path(valid(done.stdout)["data"]["path"]).is_absolute()
    assert valid(world.run("verify", folder, "--json").stdout)["data"]["reports"][0]["sound"]
    none = world.run("download", REPO, "--vram", "0.5GiB", "-l", "exllamav2", "--json")
    assert none.returncode == 3
    assert valid(none.stdout)["data"]["path"] is None
    assert none.stderr == ""


@pytest.mark.parametrize(
    ("argv", "code", "error"),
    [
        (["list", "a/b/c", "--json"], 2, "usage"),
        ([*ASK, "--vram", "24", "--json", "--nonsense"], 2, "usage"),
        (["nonsense", "--json"], 2, "usage"),
        (["list", "--card", "nowhere.md", "--json"], 4, "not-found"),
        (["verify", "nowhere/nothing", "--json", "--offline"], 6, "hub"),
    ],
)
def test_error_is_one_document_on_stderr(
    argv: list[str], code: int, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    said = valid(captured.err)["error"]
    assert (said["code"], said["exit_code"]) == (error, code)


def test_environment_sets_every_option_and_the_line_wins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(environment_name("--vram"), "24GiB")
    monkeypatch.setenv(environment_name("--loader"), "exllama")
    assert main([*ASK, "-q"]) == 0
    assert capsys.readouterr().out == "gptq-4bit-32g-actorder_True\n"
    assert main([*ASK, "--vram", "8GiB", "-q"]) == 3
    assert main([*ASK, "--gpu", "RTX 4090", "-q"]) == 0, "another way to say the same is no contradiction"
    monkeypatch.setenv(environment_name("--json"), "1")
    assert main(ASK) == 0
    assert valid(capsys.readouterr().out.partition("\n")[2])["command"] == "recommend"
    monkeypatch.setenv(environment_name("--vram"), "plenty")
    assert main(ASK) == 2
    assert "(from QUANTPICK_VRAM)" in valid(capsys.readouterr().err)["error"]["message"]


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        (["-n", "32k"], 32768),
        (["-n", "128K"], 131072),
        (["-n", "4k"], 4096),
        (["-n", "8_192"], 8192),
    ],
)
def test_context_is_read_as_people_type_it(
    said: list[str], understood: int, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*ASK, "--vram", "80GiB", *said, "--json"])
    assert json.loads(capsys.readouterr().out)["data"]["context_tokens"] == understood


@pytest.mark.parametrize(
    ("vram", "bytes_"),
    [
        ("12288", [12288 * 2**20]),
        ("24564 MiB\n24111 MiB\n", [24564 * 2**20, 24111 * 2**20]),
        ("24,24", [24 * 2**30] * 2),
        ("24.5", [round(24.5 * 2**30)]),
    ],
)
def test_vram_is_read_as_nvidia_smi_prints_it(vram: str, bytes_: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    main([*ASK, "--vram", vram, "--json"])
    assert [gpu["total_bytes"] for gpu in json.loads(capsys.readouterr().out)["data"]["gpus"]] == bytes_


@pytest.mark.parametrize("vram", ["24,5", "2TiB", "99999999", "24XB"])
def test_vram_that_could_mean_two_things_or_cannot_be_is_asked_back(vram: str) -> None:
    assert main([*ASK, "--vram", vram]) == 2


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("recomend a/b -q", "quantpick recommend a/b -q"),
        ("get a/b", "quantpick download a/b"),
        ("recommend a/b --ctx 8192", "quantpick recommend a/b --context 8192"),
        ("recommend a/b --max-model-len=8192", "quantpick recommend a/b --context=8192"),
        ("download a/b --output models", "quantpick download a/b --local-dir models"),
        ("list a/b --nonsense", "quantpick list --help"),
    ],
)
def test_wrong_word_is_answered_by_the_right_line(line: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(line)) == 2
    assert f"hint: {hint}\n" in capsys.readouterr().err


def test_short_form_is_recommend_without_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--vram", "24", "-l", "exllama", "--brief"]) == 0
    brief = capsys.readouterr().out
    assert main(["--card", CARD, "--vram", "24", "-l", "exllama"]) == 0
    assert capsys.readouterr().out == brief
    assert "\nquantpick download TheBloke/Airoboros-c34B-3.1.2-GPTQ --revision gptq-4bit-32g" in brief
    assert "\t" not in brief
    assert main(["help", "list"]) == 0
    assert "quantpick list" in capsys.readouterr().out


def stub(folder: Path, name: str) -> None:
    path = folder / name
    record = 'import json, sys\nopen(sys.argv[0] + ".ran", "w").write(json.dumps(sys.argv[1:]))\n'
    path.write_text(f"#!{sys.executable}\n{record}")
    path.chmod(0o755)


def test_pasted_command_runs_nothing_but_itself(world: World, tmp_path: Path) -> None:
    """A branch whose name is shell code, in a home with a quote in its name: each line is run by a real shell."""
    repo = world.hub.repos[REPO]
    world.hub.repos["pub/Evil-GPTQ"] = HubRepo({EVIL: repo.branches["main"]})
    tools, here = tmp_path / "tools", tmp_path / "here"
    tools.mkdir()
    here.mkdir()
    ask = ["recommend", "pub/Evil-GPTQ", "--vram", "24GiB", "--gpu-capability", "8.9", "-l", "vllm==0.29.0"]
    home = {"HF_HOME": str(tmp_path / "it's here")}
    shown = world.run(*ask, **home)
    assert shown.returncode == 0, shown.stderr
    data = json.loads(world.run(*ask, "--json", **home).stdout)["data"]
    launch = data["recommended"]["launch"]
    assert data["recommended"]["branch"] == EVIL
    lines = [line for line in shown.stdout.splitlines() if EVIL in line or line.startswith(launch[0])]
    pasted = [line for line in lines if line.startswith(("quantpick ", f"{launch[0]} "))]
    assert len(pasted) == 2
    for name in ("quantpick", launch[0]):
        stub(tools, name)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    for line in pasted:
        subprocess.run(["bash", "-c", line], cwd=here, env=environment, check=True)
    assert list(here.iterdir()) == []
    assert json.loads((tools / f"{launch[0]}.ran").read_text()) == launch[1:]
    assert EVIL in json.loads((tools / "quantpick.ran").read_text())


def test_named_branch_that_the_loader_does_not_take_is_warned_of_and_not_launched(world: World) -> None:
    done = world.run("download", REPO, "--revision", "main", "-l", "exllamav3", "--vram", "24GiB", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "is not for ExLlamaV3" in done.stderr
    assert "Run it:" not in done.stdout + done.stderr


def test_download_says_what_it_picked_and_why_before_it_starts(world: World) -> None:
    done = world.run("download", REPO, "-l", "exllamav2", "--vram", "24GiB", "--kv-dtype", "q4", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "the best quality that fits" in done.stderr
    assert "would take" in done.stdout  # a dry run's answer is an answer
    assert "q4" in done.stdout[done.stdout.index("Run it:") :]


def run_shell(command: str, **more: str) -> "subprocess.CompletedProcess[str]":
    # The command, not a folder of that name in a path: the tests also run in an unpacked `quantpick-0.1.0`.
    line = re.sub(r"(?<![\w/.-])quantpick(?=\s|$)", f"{shlex.quote(sys.executable)} -m quantpick", command)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, check=False, env={**os.environ, **more}
    )


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("quantpick loaders >/dev/full", 8),
        ("quantpick loaders --json >/dev/full", 8),
        ("quantpick --help >/dev/full", 8),
        ("quantpick loaders >&-", 8),
        ("quantpick --help >&-", 8),
        ("quantpick --version >&-", 8),
        ("quantpick loaders -q >&- 2>&-", 2),
        (f"quantpick list --card {CARD} -q 2>&-", 0),
        (f"quantpick list --card {CARD} -q 2>/dev/full", 0),
        (f"quantpick {' '.join(ASK)} --vram 24 -n {'9' * 5000}", 2),
        ("quantpick verify '~nouser/x'", 2),
        (f"quantpick list --card - -q <{CARD}", 0),
        *((f"HF_ENDPOINT=http://127.0.0.1:x quantpick {line}", 2) for line in ("list a/b", "verify a/b")),
        ("HF_ENDPOINT=http://127.0.0.1:x quantpick clean", 0),
        ("HF_HUB_ETAG_TIMEOUT=x quantpick download a/b --revision main", 2),
        (f"HOME=/dev/null quantpick list --card {CARD} -q", 0),
    ],
)
def test_plain_condition_is_no_bug(command: str, code: int) -> None:
    done = run_shell(command)
    assert done.returncode == code, done.stderr
    assert "bug" not in done.stderr
    assert "Traceback" not in done.stderr


INTERRUPTED_START = """
import os, signal, sys
from quantpick.__main__ import run
imports = 0
def hook(event, arguments):
    global imports
    if event == "import":
        imports += 1
        if imports == {at}:
            os.kill(os.getpid(), {number})
sys.argv[1:] = {argv}
sys.addaudithook(hook)
run()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [1, 5, 40, 120, 200])
def test_signal_in_the_middle_of_an_import_ends_it_without_a_traceback(number: signal.Signals, at: int) -> None:
    argv = ["recommend", "--card", CARD, "--vram", "24", "-l", "exllama"]
    code = INTERRUPTED_START.format(at=at, number=int(number), argv=argv)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode == 128 + number, done.stderr


def test_every_command_has_help_and_a_manual_page_line(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        assert main([command, "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: quantpick {command}")


def test_completion_knows_commands_options_and_choices() -> None:
    environment = {"_QUANTPICK_COMPLETE": "complete_bash", "COMP_WORDS": "quantpick rec", "COMP_CWORD": "1"}
    assert run_shell("quantpick", **environment).stdout.split() == ["recommend"]
    environment |= {"COMP_WORDS": "quantpick recommend --prefer ", "COMP_CWORD": "3"}
    assert set(run_shell("quantpick", **environment).stdout.split()) == {"quality", "speed", "context"}
    environment |= {"COMP_WORDS": "quantpick recommend --loader exl", "COMP_CWORD": "3"}
    assert "exllamav2" in run_shell("quantpick", **environment).stdout.split()


def test_cache_that_one_loader_has_is_judged_by_that_loader(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--vram", "24", "--kv-dtype", "int8", "--json"]) == 3
    data = valid(capsys.readouterr().out)["data"]
    assert data["loader"]["name"] == "lmdeploy"
    assert not any(reason["code"] == "kv-dtype" for one in data["branches"] for reason in one["reasons"])


DOCS = (Path(__file__).parent.parent / "docs" / "scripts.md").read_text(encoding="utf-8")


def test_docs_name_every_key_of_every_document() -> None:
    said = set(re.findall(r"\w+", DOCS))
    for name, definition in SCHEMA["$defs"].items():
        assert set(definition["properties"]) <= said, name


def test_docs_name_every_error_with_its_exit_code() -> None:
    rows = {code: int(number) for number, code in re.findall(r"^\| (\d+) \| `([\w-]+)`", DOCS, re.MULTILINE)}
    kinds: list[type[errors.QuantpickError]] = [errors.QuantpickError, *errors.QuantpickError.__subclasses__()]
    assert {kind.code: kind.exit_code for kind in kinds if kind.__module__ == errors.__name__} == rows
    assert set(rows) | {"interrupted", "terminated"} == set(SCHEMA["$defs"]["error"]["properties"]["code"]["enum"])


def test_manual_page_has_a_section_for_every_command() -> None:
    script = Path(__file__).parent.parent / ".ci" / "man.py"
    page = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout
    assert page.startswith(".TH QUANTPICK 1")
    assert re.findall(r"^\.SH ([A-Z]+)$", page, re.MULTILINE)[2:-1] == [name.upper() for name in COMMANDS]
