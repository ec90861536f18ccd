"""What the project says of itself: its version, its dependencies, its packages, the documents at its root."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import quantpick
from quantpick.__main__ import main

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
