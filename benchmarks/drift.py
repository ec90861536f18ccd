"""Has a loader moved away from what the rules of ``loaders.toml`` rest on? ``drift.toml`` lists what they rest on.

    python benchmarks/drift.py [LOADER ...]          every loader's newest release, or these
    python benchmarks/drift.py --record LOADER ...   write what is there now into drift.toml, once the rules are mended

Each package's newest release is fetched by pip, without its dependencies, and never installed or imported: wheels are
read as archives, Python is parsed with `ast`. A source archive is unpacked by pip where there are no build tools, so
that its own build does not start. What is printed: the rules, the file and symbol, the value that was read when the
rules were written, and the value now. A file or symbol that has vanished is a finding, and so is a new name in a
registry. Exit 1 where there is a finding, 2 where something could not be fetched.
"""

import argparse
import ast
import fnmatch
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
WATCHED = HERE / "drift.toml"
Read = Callable[[str], str | None]
"""The text of a file of a package by its path, or None; a path that ends in ``/*`` gives the names in that folder."""


@dataclass(frozen=True)
class Watch:
    """One thing that rules rest on: a symbol in a file, and its value when they were written."""

    rules: str
    file: str
    symbol: str
    value: str


@dataclass(frozen=True)
class Package:
    """A loader's package, the version that was read, and what is watched in it."""

    loader: str
    name: str
    version: str
    watch: tuple[Watch, ...]
    is_sdist: bool = False


@dataclass(frozen=True)
class Finding:
    """A watched value that is not what it was; `now` is None where the file or symbol is gone."""

    watch: Watch
    now: str | None

    def __str__(self) -> str:
        where = f"{self.watch.rules}\n  {self.watch.file}: {self.watch.symbol}"
        if self.now is None:
            return f"{where}\n  old {self.watch.value}\n  new is gone"
        before, after = set(_names(self.watch.value)), set(_names(self.now))
        if len(before) > 8 and before != after:
            return f"{where}\n  gone {sorted(before - after)}\n  new  {sorted(after - before)}"
        return f"{where}\n  old {self.watch.value}\n  new {self.now}"


def _names(value: str) -> list[str]:
    return re.findall(r"[\w.-]+", value)


def load(path: Path = WATCHED) -> tuple[Package, ...]:
    """What is watched, per package."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["package"]
    return tuple(
        Package(
            row["loader"],
            row["name"],
            row["version"],
            tuple(Watch(**one) for one in row["watch"]),
            row.get("sdist", False),
        )
        for row in rows
    )


def findings(package: Package, read: Read) -> Iterator[Finding]:
    """What is not as it was."""
    for watch in package.watch:
        now = value_of(read, watch.file, watch.symbol)
        if now != watch.value:
            yield Finding(watch, now)


def value_of(read: Read, file: str, symbol: str) -> str | None:
    """The value of a symbol, in one line; None where the file or the symbol is gone.

    ``*`` is a digest of the file, ``~ PATTERN`` all matches of a regular expression in its text. Else it is the name of
    an assignment, a function or a class's member in a Python file: literals as they are, a function that only returns
    a literal as that, any other body as a digest of its syntax tree, so that comments and layout do not count.
    """
    text = read(file)
    if text is None:
        return None
    if file.endswith("/*"):
        return text
    if symbol == "*":
        return _digest(text)
    if symbol.startswith("~ "):
        found = sorted(set(re.findall(symbol[2:], text)))
        return json.dumps(found) if found else None
    body: Iterable[ast.stmt] = ast.parse(text).body
    *owners, last = symbol.split(".")
    for owner in owners:
        body = next((node.body for node in body if isinstance(node, ast.ClassDef) and node.name == owner), ())
    return next((_shown(node) for node in body if last in _defined(node)), None)


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return [node.name] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else []


def _shown(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        return ast.unparse(node.value)
    statements = getattr(node, "body", [])
    if statements and isinstance(statements[0], ast.Expr) and isinstance(statements[0].value, ast.Constant):
        statements = statements[1:]
    if len(statements) == 1 and isinstance(statements[0], ast.Return) and statements[0].value is not None:
        return f"returns {ast.unparse(statements[0].value)}"
    return _digest("".join(ast.dump(statement) for statement in statements))


def _digest(text: str) -> str:
    return f"sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def wheel_reader(wheel: Path) -> Read:
    """Reads the files of a wheel, which stays packed."""
    archive = zipfile.ZipFile(wheel)
    return _reader(archive.namelist(), lambda name: archive.read(name).decode("utf-8", "replace"))


def folder_reader(folder: Path) -> Read:
    """Reads the files of an unpacked source archive."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    return _reader(names, lambda name: (folder / name).read_text(encoding="utf-8", errors="replace"))


def _reader(names: Sequence[str], text: Callable[[str], str]) -> Read:
    """Reads by path, in which a ``*`` stands for what changes with the version."""

    def read(path: str) -> str | None:
        found = sorted(fnmatch.filter(names, path))
        if path.endswith("/*"):
            inside = [name for name in found if "/" not in name[len(path) - 1 :]]
            return json.dumps([name.rpartition("/")[2] for name in inside]) if inside else None
        return text(found[0]) if found else None

    return read


def fetch(package: Package, place: Path, version: str | None = None) -> tuple[str, Read] | None:
    """A release of a package, the newest where none is named, and how to read it; None where pip brings none.

    pip looks at the newest release that has a wheel for this Python and a recent Linux.
    """
    wanted = package.name if version is None else f"{package.name}=={version}"
    if package.is_sdist:
        return _fetch_sdist(wanted, place)
    common = ["download", "--no-deps", "--only-binary", ":all:", "--dest", str(place), wanted]
    linux = [f"--platform=manylinux_2_{glibc}_x86_64" for glibc in (28, 31, 34, 35, 39)]
    for more in ([], [*linux, "--platform=manylinux2014_x86_64", "--python-version=3.12", "--implementation=cp"]):
        if _pip([*common, *more]) == 0:
            break
    wheel = next(place.glob("*.whl"), None)
    return None if wheel is None else (wheel.name.split("-")[1], wheel_reader(wheel))


def _fetch_sdist(wanted: str, place: Path) -> tuple[str, Read] | None:
    """A source archive, unpacked. Without build tools in its environment pip stops before it runs anything of it."""
    venv.create(place / "bare", with_pip=False)
    scratch = place / "tmp"
    scratch.mkdir()
    python = place / "bare" / "bin" / "python"
    options = ["--no-deps", "--no-clean", "--no-build-isolation", "--no-binary", ":all:", "--dest", str(place / "out")]
    _pip(["download", *options, wanted], python=python, scratch=scratch)
    unpacked = next((info.parent for info in scratch.glob("pip-download-*/*/PKG-INFO")), None)
    if unpacked is None:
        return None
    found = re.search(r"^Version: (.*)$", (unpacked / "PKG-INFO").read_text(encoding="utf-8"), re.MULTILINE)
    return (found[1] if found else "?"), folder_reader(unpacked)


def _pip(arguments: Sequence[str], *, python: Path | None = None, scratch: Path | None = None) -> int:
    command = [sys.executable, "-m", "pip", *(() if python is None else ("--python", str(python))), *arguments]
    environment = os.environ | ({} if scratch is None else {"TMPDIR": str(scratch)})
    return subprocess.run([*command, "--quiet"], capture_output=True, env=environment, check=False).returncode


def record(package: Package, version: str, read: Read, path: Path = WATCHED) -> None:
    """Write the values of now, and the version, into the file of what is watched."""
    text = path.read_text(encoding="utf-8")
    start = text.index(f'name = "{package.name}"')
    end = text.find("[[package]]", start)
    own = text[start:] if end < 0 else text[start:end]
    new = own.replace(f'version = "{package.version}"', f'version = "{version}"', 1)
    for finding in findings(package, read):
        symbol = _said(finding.watch.symbol)
        line = next(one for one in new.splitlines() if f'"{finding.watch.file}"' in one and symbol in one)
        head, _, _ = line.partition("value = ")
        new = new.replace(line, f"{head}value = {_said(finding.now or 'gone')} }},", 1)
    path.write_text(text.replace(own, new, 1), encoding="utf-8")


def _said(value: str) -> str:
    return f"'{value}'" if "'" not in value else json.dumps(value, ensure_ascii=False)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("loaders", nargs="*")
    parser.add_argument("--record", action="store_true", help="write what is there now into drift.toml")
    parser.add_argument("--at", metavar="VERSION", help="this release instead of the newest (with one loader)")
    options = parser.parse_args(arguments)
    worst = 0
    for package in load():
        if options.loaders and package.loader not in options.loaders:
            continue
        with tempfile.TemporaryDirectory(prefix="drift-") as place:
            brought = fetch(package, Path(place), options.at)
            if brought is None:
                print(f"{package.loader}: pip brings no release of {package.name}")
                worst = max(worst, 2)
                continue
            version, read = brought
            moved = list(findings(package, read))
            if options.record:
                record(package, version, read)
        print(f"{package.loader}: {package.name} {version} beside {package.version}: {len(moved)} findings", flush=True)
        for finding in moved:
            print(f"  {str(finding).replace(chr(10), f'{chr(10)}  ')}")
        worst = max(worst, 1 if moved and not options.record else 0)
    return worst


if __name__ == "__main__":
    sys.exit(main())
