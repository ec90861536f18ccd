"""Finding programs and packages: real folders, real metadata, nothing run."""

from pathlib import Path

import pytest

from quantpick.hardware.installed import Installed, find_installed


def environment(root: Path, packages: dict[str, str], programs: tuple[str, ...] = ()) -> Path:
    """A folder laid out as a virtual environment with some packages and programs."""
    site = root / "lib" / "python3.11" / "site-packages"
    for name, version in packages.items():
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (root / "bin").mkdir(parents=True)
    for program in programs:
        path = root / "bin" / program
        path.write_text("#!/bin/sh\nexit 9\n")
        path.chmod(0o755)
    return root / "bin"


def test_a_package_of_this_environment_is_found_with_its_version() -> None:
    found = find_installed("pytest", ())
    assert found is not None
    assert found.version == pytest.__version__


def test_a_package_beside_a_program_on_path_is_found_with_its_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = environment(tmp_path, {"vllm": "0.22.0", "vllm-gguf-plugin": "0.0.5"}, ("vllm",))
    monkeypatch.setenv("PATH", str(folder))
    found = find_installed("vllm", ("vllm",), ("vllm-gguf-plugin", "vllm-bnb-plugin"))
    assert found == Installed("0.22.0", str(tmp_path), frozenset({"vllm-gguf-plugin"}))


def test_a_program_without_a_package_is_found_without_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = environment(tmp_path, {}, ("ollama",))
    monkeypatch.setenv("PATH", str(folder))
    assert find_installed(None, ("ollama",)) == Installed(None, str(folder / "ollama"))


def test_what_is_nowhere_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_installed("vllm", ("vllm",)) is None


def test_metadata_without_a_version_are_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = environment(tmp_path, {"vllm": "1.0"}, ("vllm",))
    (tmp_path / "lib/python3.11/site-packages/vllm-1.0.dist-info/METADATA").write_text("\0\0\n")
    monkeypatch.setenv("PATH", str(folder))
    assert find_installed("vllm", ("vllm",)) in (None, Installed(None, str(folder / "vllm")))
