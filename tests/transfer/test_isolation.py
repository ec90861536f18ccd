"""A folder full of Python that nobody asked for: none of it runs, wherever quantpick starts and whatever it starts."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from quantpick.demo.hub import HubFile, HubRepo
from tests.fakes.world import BRANCH, REPO, World

NAMES = ["json.py", "hf_transfer.py", "signal.py", "ctypes.py", "sitecustomize.py", "filelock.py", "email.py"]
CARD = str(Path(__file__).parent.parent / "fixtures" / "cards" / "airoboros-c34b-gptq.md")
MARK = "import os\nopen(os.environ['MARK'], 'a').write(__name__ + '\\n')\n"
SCRIPT = str(Path(sys.executable).parent / "quantpick")
STARTS = {
    "script": [SCRIPT],
    "module": [sys.executable, "-m", "quantpick"],
}


@pytest.mark.parametrize(("how", "transport"), [("script", "hf_transfer"), ("module", "auto")])
def test_code_in_the_repo_does_not_run(world: Callable[..., World], tmp_path: Path, how: str, transport: str) -> None:
    one = world()
    repo = one.hub.repos[REPO]
    planted = [HubFile.small(name, MARK) for name in NAMES]
    one.hub.repos[REPO] = HubRepo({**repo.branches, BRANCH: [*planted, *repo.branches[BRANCH]]})
    folder = tmp_path / "here"
    folder.mkdir()
    mark = tmp_path / "mark"
    argv = ["download", REPO, "--revision", BRANCH, "--local-dir", ".", "--transport", transport, "-q"]
    for _ in range(2):  # the second start finds the files there
        done = subprocess.run(
            [*STARTS[how], *argv],
            cwd=folder,
            env=one.environment | {"MARK": str(mark)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert {name for name in NAMES if (folder / name).exists()} == set(NAMES)
        assert not mark.exists(), mark.read_text()
        (folder / "model.safetensors").unlink()


@pytest.mark.parametrize("entries", [":/nowhere", ".", "/nowhere:"])
def test_folder_that_an_empty_entry_of_pythonpath_puts_on_the_path_is_data(entries: str, tmp_path: Path) -> None:
    for name in ("psutil.py", "pynvml.py", "rich.py", "yaml.py", "httpx2.py", "huggingface_hub.py"):
        (tmp_path / name).write_text(MARK)
    mark = tmp_path / "mark"
    environment = {**os.environ, "PYTHONPATH": entries, "MARK": str(mark)}
    done = subprocess.run([SCRIPT, "gpus"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not mark.exists(), mark.read_text()


def test_of_a_folder_with_every_name_there_is_only_what_python_itself_imports_for_m_runs(tmp_path: Path) -> None:
    """`python -m` looks for any package in the current folder before quantpick has a say: those names run for all."""
    here, empty, mark = tmp_path / "here", tmp_path / "empty", tmp_path / "mark"
    empty.mkdir()
    (empty / "nothing.py").touch()
    here.mkdir()
    names = {*sys.stdlib_module_names, "hf_transfer", "huggingface_hub", "rich", "typer", "psutil", "yaml", "httpx2"}
    for name in names:
        (here / f"{name}.py").write_text(MARK + f"raise SystemExit({name!r})\n")
    environment = {**os.environ, "MARK": str(mark)}

    def started(how: list[str], **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(how, cwd=here, env=environment | more, capture_output=True, text=True, check=False)

    while (done := started([sys.executable, "-m", "nothing"], PYTHONPATH=str(empty))).returncode:
        (here / f"{done.stderr.split()[-1]}.py").unlink()
    mark.unlink(missing_ok=True)
    for how in STARTS.values():
        done = started([*how, "list", "--card", CARD])
        assert done.returncode == 0, done.stderr
        assert not mark.exists(), mark.read_text()
