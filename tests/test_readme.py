"""The README says what is so: its examples are run, its figures counted, its links followed."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from quantpick import errors
from quantpick.demo.hub import LoopbackHub
from tests import readme

TEXT: Final = readme.README.read_text(encoding="utf-8")
BLOCKS: Final = readme.BLOCK.findall(TEXT)
PACKAGE: Final = readme.ROOT / "quantpick"


@pytest.mark.skipif(shutil.which("jq") is None, reason="no jq on this machine")
@pytest.mark.parametrize("block", BLOCKS, ids=[block.splitlines()[0][2:50] for block in BLOCKS])
def test_commands_print_what_the_readme_shows(block: str) -> None:
    assert readme.run(block) == block, "python -m tests.readme writes it anew"


def test_python_example_passes_strict_mypy_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(example)
    pytest.importorskip("mypy")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(readme.ROOT / ".mypy_cache"), str(script)],
        cwd=readme.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    with LoopbackHub({readme.REPO: readme.repo()}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("gptq-4bit-32g-actorder_True ('python', "), done.stderr


def test_loaders_and_gpus_are_counted_right() -> None:
    loaders = tomllib.loads((PACKAGE / "core" / "loaders" / "loaders.toml").read_text())["loader"]
    gpus = tomllib.loads((PACKAGE / "hardware" / "gpus.toml").read_text())
    assert re.findall(r"(\d+) loaders", TEXT) == [str(len(loaders))]
    assert re.findall(r"GPUs\*\*: (\d+)", TEXT) == [str(sum(map(len, gpus.values())))]


def test_every_exit_code_is_in_the_table_and_no_other() -> None:
    page = (readme.ROOT / "docs" / "scripts.md").read_text(encoding="utf-8")
    listed = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", page, re.MULTILINE) for code in row.split(",")}
    raised = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    assert listed == raised | {0, 1, 3, 130, 143, 141}


def test_links_lead_to_files_and_every_page_of_the_docs_is_linked() -> None:
    targets = {target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in target}
    assert {target for target in targets if not (readme.ROOT / target).exists()} == set()
    pages = {f"docs/{path.name}" for path in (readme.ROOT / "docs").glob("*.md")}
    assert pages <= targets
