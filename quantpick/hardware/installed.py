"""Which programs that load models are installed: in this Python environment, or by name on PATH.

Nothing is imported or run: a package's version is in its metadata.
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Installed:
    """A program or package that was found.

    Args:
        version: by its package's metadata; None without a package.
        place: the environment or the program's path.
        packages: those of the requested packages found beside it.
    """

    version: str | None
    place: str
    packages: frozenset[str] = frozenset()


def find_installed(package: str | None, programs: Sequence[str], beside: Sequence[str] = ()) -> Installed | None:
    """A Python package in this environment or in that of a program on PATH, or the program alone.

    Args:
        package: the package's name, or None.
        programs: names to look for on PATH, in this order.
        beside: further packages to look for in the same environment.
    """
    places = [(list(sys.path), sys.prefix)]
    paths = [Path(found) for program in programs if (found := shutil.which(program)) is not None]
    for path in paths:
        root = path.resolve().parent.parent
        places.append(([str(folder) for folder in root.glob("lib/python3*/site-packages")], str(root)))
    for folders, place in places:
        version = _version(package, folders) if package is not None else None
        if version is not None:
            return Installed(version, place, frozenset(one for one in beside if _version(one, folders) is not None))
    return Installed(None, str(paths[0])) if paths else None


def _version(package: str, folders: list[str]) -> str | None:
    """The version of a package in some folders; None if it is in none, or its metadata is unreadable."""
    try:
        found = (one.metadata for one in metadata.distributions(name=package, path=folders))
        # Asked first: to read a key that is not there is to become an error (importlib.metadata of Python 3.12).
        versions = (about["Version"] for about in found if "Version" in about)
        return next((version for version in versions if version), None)
    except (OSError, ValueError, KeyError):
        return None
