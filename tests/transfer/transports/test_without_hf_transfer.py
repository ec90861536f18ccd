"""hf_transfer is a dependency that a machine may lack: no wheel for it, or one that cannot be loaded there."""

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from quantpick.demo.cdn import LoopbackCdn
from quantpick.demo.hub import HubFile, HubRepo, LoopbackHub

ROOT: Final = Path(__file__).resolve().parents[3]
REPO: Final = "pub/Finch-exl2"
SIZE: Final = 80 * 2**20


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A download of one large file, with a Hub and its second host on loopback."""
    content = tmp_path / "content"
    content.write_bytes(os.urandom(2**20) * (SIZE // 2**20))
    sha256 = hashlib.sha256(content.read_bytes()).hexdigest()
    config = HubFile.small("config.json", '{"quantization_config": {"quant_method": "exl2", "bits": 4.0}}')
    with LoopbackCdn({sha256: content}) as cdn:
        repo = HubRepo({"4.0bpw": [config, HubFile("output.safetensors", SIZE, sha256)]})
        with LoopbackHub({REPO: repo}, link=cdn.link) as hub:
            monkeypatch.setenv("HF_ENDPOINT", hub.url)
            yield ["-m", "quantpick", "download", REPO, "--revision", "4.0bpw", "--local-dir", str(tmp_path / "model")]


def run(argv: list[str], path: list[Path]) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run([sys.executable, *argv], env=environment, capture_output=True, text=True, check=False)


def test_everything_works_where_it_is_not_installed(command: list[str], tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith("hf_transfer"):
            (packages / entry.name).symlink_to(entry)
    without = ["-S", *command]  # no site-packages but these
    missing = run(["-S", "-c", "import hf_transfer"], [ROOT, packages])
    assert "No module named 'hf_transfer'" in missing.stderr
    refused = run([*without, "--transport", "hf_transfer"], [ROOT, packages])
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "its package is not installed" in refused.stderr
    done = run([*without, "--json"], [ROOT, packages])
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)["data"]
    assert data["transport"] == "range"
    assert all(file["verified"] for file in data["files"])


def test_everything_works_where_it_cannot_be_loaded(command: list[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "hf_transfer"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('version `GLIBC_9.99` not found')\n")
    for transport in ("auto", "hf_transfer"):
        done = run([*command, "--transport", transport, "--json", "--force"], [ROOT, broken.parent])
        assert done.returncode == 0, done.stderr
        (weights,) = [file for file in json.loads(done.stdout)["data"]["files"] if file["path"] == "output.safetensors"]
        assert weights["verified"] is True
        (tmp_path / "model" / "output.safetensors").unlink()
