"""Print what to install for a run with the lowest version of each dependency: the floors, and what runs the tests."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS_TESTS = ("hypothesis", "jsonschema", "markdown-it-py", "pytest")
"""The linters and the build backend ask for newer packages than quantpick does."""


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for dependency in project["project"]["dependencies"]:
        print(re.sub(r">=([\w.]+).*", r"==\1", dependency))
    for tool in project["dependency-groups"]["dev"]:
        if tool.startswith(RUNS_TESTS):
            print(tool)


if __name__ == "__main__":
    main()
