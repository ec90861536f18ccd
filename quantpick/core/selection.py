"""Which files of a branch are fetched, and which names no local path may be made of."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from quantpick.core.branches.tree import holds_weights, is_pickle
from quantpick.core.repo import RepoFile

_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
"""Names that Windows gives to devices, with any ending (learn.microsoft.com, "Naming Files, Paths, and Namespaces")."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What to fetch of a branch.

    Args:
        files: these.
        pickles: weights left out, because the same are there as safetensors.
    """

    files: tuple[RepoFile, ...]
    pickles: tuple[RepoFile, ...] = ()


def select_files(files: Sequence[RepoFile], *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Selection:
    """The files that match the patterns, which work as ``hf download``'s; none means all, without needless pickles.

    A pickle can run code when it is loaded. It is left out where safetensors weights lie beside it, unless a pattern of
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
    return Selection(tuple(file for file in wanted if file not in pickles), pickles)


def unsafe_path(path: str) -> str | None:
    r"""Why a file name from the Hub is not to be made a local path, or None when it may.

    >>> unsafe_path("model.safetensors"), unsafe_path("a/../../b"), unsafe_path("C:\\x")
    (None, 'it leads out of the folder', 'it holds a character that no file name should')
    """
    parts = path.split("/")
    if any(char in path for char in '\\:*?"<>|') or not path.isprintable():
        return "it holds a character that no file name should"
    if path.startswith("/") or ".." in parts:
        return "it leads out of the folder"
    if "" in parts or "." in parts or any(part.endswith((" ", ".")) or len(part.encode()) > 255 for part in parts):
        return "it is no plain file name"
    if any(_RESERVED.fullmatch(part) for part in parts):
        return "it is the name of a device on Windows"
    if parts[:2] == [".cache", "huggingface"]:
        return "it would overwrite what is known of the folder"
    return None


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern + "*" if pattern.endswith("/") else pattern) for pattern in patterns)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
