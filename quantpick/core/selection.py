"""Which files of a branch to fetch, and which names must not become local paths."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final
from unicodedata import normalize

from quantpick.core.branches.tree import holds_weights, is_pickle
from quantpick.core.repo import RepoFile

_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
"""Names of Windows devices, with any ending (learn.microsoft.com, "Naming Files, Paths, and Namespaces")."""
_MAX_NAME_BYTES: Final = 255
"""The longest name of a file or folder on ext4, XFS, APFS and NTFS."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What to fetch of a branch.

    Args:
        files: the files to fetch.
        pickles: weights left out because the same are there as safetensors.
    """

    files: tuple[RepoFile, ...]
    pickles: tuple[RepoFile, ...] = ()


def select_files(files: Sequence[RepoFile], *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Selection:
    """The files that match the patterns, which work as in ``hf download``. No pattern means all but needless pickles.

    A pickle can run code when loaded. It is left out if the branch has safetensors weights, unless a pattern of
    `include` asks for it.

    >>> files = [RepoFile(name, 1, "") for name in ("model.safetensors", "pytorch_model.bin", "onnx/model.onnx")]
    >>> [file.path for file in select_files(files, exclude=["onnx/"]).files]
    ['model.safetensors']
    """
    wanted = [file for file in files if not include or _matches(file.path, include)]
    wanted = [file for file in wanted if not _matches(file.path, exclude)]
    safe_folders = {_folder(file.path) for file in wanted if holds_weights(file.path) and not is_pickle(file.path)}
    pickles = tuple(
        file
        for file in wanted
        if not include and is_pickle(file.path) and holds_weights(file.path) and _folder(file.path) in safe_folders
    )
    left_out = {file.path for file in pickles}
    return Selection(tuple(file for file in wanted if file.path not in left_out), pickles)


def unsafe_path(path: str, *, windows: bool = False) -> str | None:
    r"""Why a file name from the Hub must not become a local path, or None if it may.

    Args:
        path: the name, ``/`` between folders.
        windows: whether the disk has the naming rules of Windows.

    >>> unsafe_path("model.safetensors"), unsafe_path("a/../../b"), unsafe_path("aux.json", windows=True)
    (None, 'it leads out of the folder', 'it is the name of a device on Windows')
    """
    parts = path.split("/")
    if not path.isprintable():
        return "it holds a character that no file name should"
    if path.startswith("/") or ".." in parts:
        return "it leads out of the folder"
    if "" in parts or "." in parts or any(len(part.encode()) > _MAX_NAME_BYTES for part in parts):
        return "it is not a plain file name"
    if [part.casefold() for part in parts[:2]] == [".cache", "huggingface"]:
        return "it would overwrite the folder's own records"
    return _unsafe_on_windows(parts) if windows else None


def _unsafe_on_windows(parts: Sequence[str]) -> str | None:
    if any(char in part for part in parts for char in '\\:*?"<>|'):
        return "it holds a character that Windows does not allow in file names"
    if any(part.endswith((" ", ".")) for part in parts):
        return "it ends in a way that Windows does not allow in file names"
    if any(_RESERVED.fullmatch(part) for part in parts):
        return "it is the name of a device on Windows"
    return None


def alike_names(files: Iterable[RepoFile]) -> Iterator[tuple[str, str]]:
    """Pairs of names of files or folders that some disks take for one.

    Disks of Windows and macOS ignore case, macOS' and some of Linux also how accents are written (Unicode's forms C
    and D).

    >>> list(alike_names([RepoFile("A/x", 1, ""), RepoFile("a/y", 1, "")]))
    [('A', 'a')]
    """
    spelled: dict[str, str] = {}
    seen = set()
    for file in files:
        name = file.path
        while name and name not in seen:
            seen.add(name)
            known = spelled.setdefault(normalize("NFC", normalize("NFC", name).casefold()), name)
            if known != name:
                yield known, name
            name = _folder(name)


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern + "*" if pattern.endswith("/") else pattern) for pattern in patterns)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
