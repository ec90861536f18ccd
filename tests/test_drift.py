"""The watch over what the loader rules rest on: what counts as moved, and what does not."""

import importlib.util
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest

from quantpick import core
from quantpick.core.loaders.read import parse_loaders

ROOT: Final = Path(__file__).parents[1]
TOOL: Final = ROOT / "benchmarks" / "drift.py"
SOURCE: Final = '''
SIZES = [32, 64]
METHODS: dict[str, type] = {"gptq": int, "awq": str}

class Config:
    BITS = {4: "four"}

    @classmethod
    def floor(cls) -> int:
        """Turing and up."""
        return 75  # sm75

    def takes(self, order: bool) -> bool:
        if order:
            raise ValueError("no")
        return True
'''


@pytest.fixture(name="drift", scope="module")
def drift_tool() -> Any:
    """The tool, which is no part of the package."""
    if not TOOL.exists():
        pytest.skip("benchmarks/ is not here")
    spec = importlib.util.spec_from_file_location("drift", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["drift"] = module
    spec.loader.exec_module(module)
    return module


def package(drift: Any, source: str = SOURCE) -> Any:
    """What is watched in a file, with its values as they are in a source."""
    symbols = ("SIZES", "METHODS", "Config.BITS", "Config.floor", "Config.takes")
    values = {symbol: drift.value_of({"m.py": source}.get, "m.py", symbol) for symbol in symbols}
    watch = tuple(drift.Watch("gptq", "m.py", symbol, value) for symbol, value in values.items())
    return drift.Package("one", "one", "1.0", watch)


@pytest.mark.parametrize(
    ("symbol", "value"),
    [
        ("SIZES", "[32, 64]"),
        ("METHODS", "{'gptq': int, 'awq': str}"),
        ("Config.BITS", "{4: 'four'}"),
        ("Config.floor", "returns 75"),
        ("Config.none", None),
        ("None.floor", None),
        ("~ sm\\d+", '["sm75"]'),
        ("~ sm9\\d", None),
    ],
)
def test_a_symbol_has_one_value_in_one_line(drift: Any, symbol: str, value: str | None) -> None:
    assert drift.value_of({"m.py": SOURCE}.get, "m.py", symbol) == value


@pytest.mark.parametrize(
    ("old", "new", "moved"),
    [
        ("[32, 64]", "[32, 64, 128]", ["SIZES"]),
        ('"awq": str', '"awq": str, "exl3": int', ["METHODS"]),
        ("return 75", "return 80", ["Config.floor"]),
        ('raise ValueError("no")', "return False", ["Config.takes"]),
        ("def takes(", "def accepts(", ["Config.takes"]),
        ("class Config:", "class Settings:", ["Config.BITS", "Config.floor", "Config.takes"]),
        ("# sm75", "# another comment", []),
        ('"""Turing and up."""', '"""Other words."""', []),
        ("if order:", "if  order :", []),
    ],
)
def test_what_moved_is_found_and_comments_and_layout_are_not(drift: Any, old: str, new: str, moved: list[str]) -> None:
    assert old in SOURCE
    files = {"m.py": SOURCE.replace(old, new)}
    assert [finding.watch.symbol for finding in drift.findings(package(drift), files.get)] == moved


def test_a_file_that_vanished_is_a_finding_for_each_symbol(drift: Any) -> None:
    found = list(drift.findings(package(drift), {}.get))
    assert len(found) == 5
    assert all("is gone" in str(finding) for finding in found)


def test_a_new_name_in_a_registry_is_named_alone(drift: Any) -> None:
    names = ", ".join(f"'m{number}': int" for number in range(12))
    watch = drift.Watch("all rules", "m.py", "METHODS", f"{{{names}}}")
    (finding,) = drift.findings(
        drift.Package("one", "one", "1.0", (watch,)), {"m.py": f"METHODS = {{{names}, 'exl4': int}}"}.get
    )
    assert "new  ['exl4']" in str(finding)
    assert "gone []" in str(finding)


def test_a_wheel_is_read_as_an_archive_and_a_folder_by_the_names_in_it(drift: Any, tmp_path: Path) -> None:
    wheel = tmp_path / "one-2.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("one/m.py", SOURCE)
        archive.writestr("one/deep/n.py", "")
        archive.writestr("one-2.0.dist-info/METADATA", "Requires-Dist: humming-kernels==1\n")
    read = drift.wheel_reader(wheel)
    assert drift.value_of(read, "one/m.py", "SIZES") == "[32, 64]"
    assert drift.value_of(read, "one-*.dist-info/METADATA", "~ humming[\\w-]*") == '["humming-kernels"]'
    assert drift.value_of(read, "one/*", "*") == '["m.py"]'


def test_recording_writes_the_values_and_the_version_of_now(drift: Any, tmp_path: Path) -> None:
    listed = tmp_path / "drift.toml"
    listed.write_text(
        '[[package]]\nloader = "one"\nname = "one"\nversion = "1.0"\nwatch = [\n'
        "    { rules = \"gptq\", file = \"m.py\", symbol = 'SIZES', value = '[32]' },\n"
        "    { rules = \"gptq\", file = \"m.py\", symbol = 'Config.floor', value = 'returns 75' },\n]\n"
    )
    (before,) = drift.load(listed)
    drift.record(before, "2.0", {"m.py": SOURCE}.get, listed)
    (after,) = drift.load(listed)
    assert (after.version, after.watch[0].value) == ("2.0", "[32, 64]")
    assert list(drift.findings(after, {"m.py": SOURCE}.get)) == []


def test_everything_watched_belongs_to_a_loader_and_was_read_for_a_version(drift: Any) -> None:
    table = parse_loaders((Path(core.__file__).parent / "loaders" / "loaders.toml").read_text(encoding="utf-8"))
    newest = {known.package: known.newest for known in table.loaders}
    for watched in drift.load():
        assert watched.loader in {known.id for known in table.loaders}
        assert watched.watch
        assert newest.get(watched.name, watched.version) == watched.version
