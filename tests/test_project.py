"""What the project says about itself: its version, its dependencies, its packages, the documents at its root."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import quantpick
from quantpick.__main__ import main
from quantpick.demo.hub import HubFile, HubRepo
from tests.fakes.hub import FaultyHub

ROOT: Final = Path(__file__).resolve().parents[1]
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
DECLARED: Final = {canonicalize_name(one.name): one for one in map(Requirement, PROJECT["project"]["dependencies"])}
IN_A_CHILD: Final = {"hf-transfer"}
"""Imported by the program that the transport starts, not by a file of the package."""


def test_version_is_one_in_package_metadata_and_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"quantpick {quantpick.__version__}\n"
    assert metadata.version("quantpick") == quantpick.__version__


def test_import_reads_no_package_metadata() -> None:
    code = "import sys, quantpick; quantpick.__version__; print('importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def third_party_imports() -> set[str]:
    """The distributions that quantpick's own files import by name."""
    modules = set()
    for path in (ROOT / "quantpick").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    modules -= {*sys.stdlib_module_names, "quantpick"}
    homes = metadata.packages_distributions()
    return {canonicalize_name(homes[module][0]) for module in modules}


def test_what_is_imported_is_declared() -> None:
    assert third_party_imports() | IN_A_CHILD <= set(DECLARED)


def test_each_python_of_the_classifiers_is_allowed() -> None:
    named = re.findall(r"Python :: (3\.\d+)$", "\n".join(PROJECT["project"]["classifiers"]), re.MULTILINE)
    assert PROJECT["project"]["requires-python"] == f">={named[0]}"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that would be published."""
    pytest.importorskip("hatchling", reason="packages are built with the tools of the lock file")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_sdist_holds_every_file_of_the_checkout(dist: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        held = {name.partition("/")[2] for name in packed.getnames()}
    assert {name for name in listed.stdout.splitlines() if (ROOT / name).exists()} - held == set()


def test_wheel_holds_the_package_its_data_and_the_licence_alone(dist: Path) -> None:
    (archive,) = dist.glob("*.whl")
    with zipfile.ZipFile(archive) as wheel:
        held = set(wheel.namelist())
    package = {str(path.relative_to(ROOT)) for path in (ROOT / "quantpick").rglob("*") if path.is_file()}
    expected = {name for name in package if "__pycache__" not in name}
    about = f"quantpick-{quantpick.__version__}.dist-info"
    assert {name for name in held if not name.startswith(about)} == expected
    assert f"{about}/licenses/LICENSE" in held


def test_lock_names_hashes_for_every_package_and_satisfies_every_range() -> None:
    lock = (ROOT / "requirements-dev.lock").read_text()
    entries = re.findall(
        r"^([\w.-]+)==([\w.]+)[^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}[^\n]*\n)+)", lock, re.MULTILINE
    )
    assert len(entries) == len(re.findall(r"^\w", lock, re.MULTILINE)), "a line without a hash"
    locked = {canonicalize_name(name): version for name, version, _ in entries}
    for asked in [*DECLARED.values(), *map(Requirement, PROJECT["dependency-groups"]["dev"])]:
        assert locked[canonicalize_name(asked.name)] in asked.specifier, asked


def test_every_request_says_which_version_asks(tmp_path: Path) -> None:
    section = {"quantization_config": {"quant_method": "exl2", "bits": 4.0}}
    files = [HubFile.small("config.json", json.dumps(section)), HubFile.small("model.safetensors", "x" * 2**20)]
    with FaultyHub({"pub/Finch-exl2": HubRepo({"4.0bpw": files})}) as hub:
        subprocess.run(
            [sys.executable, "-m", "quantpick", "download", "pub/Finch-exl2", "--revision", "4.0bpw"],
            env={**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)},
            check=True,
            capture_output=True,
        )
        said = {request.headers["user-agent"].split(";")[0] for request in hub.requests}
    assert hub.paths("/refs$")
    assert hub.paths("model.safetensors$")
    assert said == {f"quantpick/{quantpick.__version__}"}


def test_hf_runs_it_as_an_extension(tmp_path: Path) -> None:
    """Where `hf extensions install` puts a Python extension: a manifest that names the console script."""
    scripts = Path(sys.executable).parent
    folder = tmp_path / ".local" / "share" / "hf" / "extensions" / "hf-quantpick"
    folder.mkdir(parents=True)
    manifest = {
        "owner": "quantpick",
        "repo": "hf-quantpick",
        "repo_id": "quantpick/hf-quantpick",
        "short_name": "quantpick",
        "executable_path": str(scripts / "hf-quantpick"),
        "type": "python",
        "installed_at": "2026-01-01T00:00:00+00:00",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    environment = {**os.environ, "HOME": str(tmp_path), "HF_HUB_DISABLE_UPDATE_CHECK": "1"}

    def hf(*argv: str) -> subprocess.CompletedProcess[str]:
        command = [str(scripts / "hf"), *argv]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    card = ROOT / "tests" / "fixtures" / "cards" / "airoboros-c34b-gptq.md"
    ask = ["recommend", "--card", str(card), "-l", "exllama", "-q", "--vram"]
    assert hf("quantpick", *ask, "24GiB").stdout == "gptq-4bit-32g-actorder_True\n"
    assert hf("extensions", "exec", "quantpick", *ask, "24GiB").stdout == "gptq-4bit-32g-actorder_True\n"
    refused = hf("quantpick", *ask, "16GiB")
    assert (refused.returncode, refused.stdout) == (3, "")


@pytest.mark.parametrize(
    ("tag", "heading", "code"),
    [
        (f"v{quantpick.__version__}", f"## [{quantpick.__version__}] - 2026-11-24", 0),
        (f"v{quantpick.__version__}", "## [Unreleased]", 1),
        ("v99.0", f"## [{quantpick.__version__}] - 2026-11-24", 1),
    ],
)
def test_only_the_version_that_the_changelog_knows_is_released(
    tag: str, heading: str, code: int, tmp_path: Path
) -> None:
    for name in (".ci/check-release", "quantpick/_version.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n")
    done = subprocess.run([str(tmp_path / ".ci/check-release"), tag], capture_output=True, check=False)
    assert done.returncode == code


@pytest.mark.parametrize("name", ["ci", "release"])
def test_workflow_asks_for_little_and_runs_what_there_is(name: str) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    rights = {right for job in workflow["jobs"].values() for right in job.get("permissions", {})}
    assert rights == ({"id-token", "attestations"} if name == "release" else set())
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = [step["run"].split() for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert commands
    for command, *argv in commands:
        assert set(argv) <= targets if command == "make" else os.access(ROOT / command, os.X_OK)


def test_changelog_has_its_sections_in_the_order_of_keep_a_changelog() -> None:
    order = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    for release in re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]:
        headings = re.findall(r"^### (.+)$", release, re.MULTILINE)
        assert headings == [heading for heading in order if heading in headings]
