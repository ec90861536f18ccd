"""The examples of CONTRIBUTING.md, applied to a copy of the package and run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[1]
GUIDE: Final = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTIONS: Final = [section for section in re.split(r"^### ", GUIDE, flags=re.MULTILINE)[1:] if "# then\n" in section]
PREAMBLE: Final = f'''
import json, subprocess, sys

CARD = {str(ROOT / "tests" / "fixtures" / "cards" / "airoboros-c34b-gptq.md")!r}


def quantpick(*argv, **environment):
    import os

    command = [sys.executable, "-m", "quantpick", *argv]
    done = subprocess.run(command, env={{**os.environ, **environment}}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def picked(*options):
    return quantpick("recommend", "--card", CARD, *options, "-q").strip()


def downloaded(*options):
    """The document of a download of 20 MiB from a Hub on loopback that has no second host."""
    from quantpick.demo.hub import HubFile, HubRepo, LoopbackHub

    content = bytes(range(256)) * 4096 * 20
    import hashlib

    weights = HubFile("model.safetensors", len(content), hashlib.sha256(content).hexdigest(), content)
    config = HubFile.small("config.json", '{{"quantization_config": {{"quant_method": "exl2", "bits": 4.0}}}}')
    with LoopbackHub({{"pub/Finch-exl2": HubRepo({{"4.0bpw": [config, weights]}})}}) as hub:
        argv = ["download", "pub/Finch-exl2", "--revision", "4.0bpw", "--local-dir", "model", "--json", *options]
        return json.loads(quantpick(*argv, HF_ENDPOINT=hub.url))["data"]


'''


def apply(example: str, folder: Path) -> None:
    """Put one example where its first line says."""
    where, _, text = example.partition("\n")
    named = re.fullmatch(r'# (\S+), (new|at the end|(above|below|instead of) "(.*)")', where)
    assert named, where
    path = folder / named[1]
    if named[2] == "new":
        assert not path.exists()
        path.write_text(text)
        return
    before = path.read_text()
    if named[2] == "at the end":
        path.write_text(f"{before}\n\n{text}")
        return
    lines = before.splitlines(keepends=True)
    at = [number for number, line in enumerate(lines) if line.startswith(named[4])]
    assert len(at) == 1, f"{named[1]} has {len(at)} lines that begin with {named[4]}"
    start, end = {"above": (at[0], at[0]), "below": (at[0] + 1, at[0] + 1), "instead of": (at[0], at[0] + 1)}[named[3]]
    path.write_text("".join([*lines[:start], text, *lines[end:]]))


@pytest.mark.parametrize("section", SECTIONS, ids=[section.partition("\n")[0] for section in SECTIONS])
def test_example_works_as_it_stands(section: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "quantpick", tmp_path / "quantpick", ignore=shutil.ignore_patterns("__pycache__"))
    *examples, check = re.findall(r"^```\w+\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    for example in examples:
        apply(example, tmp_path)
    assert check.startswith("# then\n")
    command = [sys.executable, "-c", PREAMBLE + check]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_each_table_of_the_house_has_its_example() -> None:
    assert len(SECTIONS) == 6


def test_paths_that_the_guide_names_are_there() -> None:
    new = set(re.findall(r"^# (\S+), new$", GUIDE, re.MULTILINE))
    named = set(re.findall(r"\b(?:quantpick|tests|benchmarks|\.github)/[\w./-]*\w", GUIDE)) - new
    assert {path for path in named if not (ROOT / path).exists()} == set()
