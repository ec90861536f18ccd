"""What the Hub says about a repo, as values: its branches, the files in each, and the few small files worth reading.

Names, commits, hashes and sizes come from a Hub, a mirror, a cache file or a folder's record, any of which anyone may
have written. `repo_id`, `ref_name`, `commit_id`, `repo_file` and `file_list` are the doors: they let pass only what git
and the Hub can hold; anything else is a `Refused` with the reason.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

LARGEST_FILE_BYTES: Final = 2**50
"""The largest size believed. Chosen far above the Hub's limit; a journal of nine bytes per MiB still stays small."""
MAX_FILES: Final = 100_000
"""The most files in one branch; the Hub recommends fewer in a whole repo (hub-docs, "Storage limits": below 100k)."""
_MAX_PATH_BYTES: Final = 1024
_MAX_REF_CHARS: Final = 250
_REPO_ID: Final = re.compile(r"(?!.*(?:--|\.\.))[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}", re.ASCII)
"""The Hub's own rule (huggingface_hub ``utils/_validators.py``), with the owner required."""
_NOT_IN_REFS: Final = re.compile(r"[\s\x00-\x1f\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/]|(?:^|/)\.|(?:\.lock|\.|/)(?:/|$)|^@$")
"""What git-check-ref-format forbids in a ref, and a leading hyphen."""
_SHA1: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a value from outside was refused: words that follow "the branch"."""

    reason: str


@dataclass(frozen=True, slots=True)
class RepoFile:
    r"""One file of a branch. Data from outside goes through `repo_file`, which checks it.

    Args:
        path: as the Hub lists it, with ``/`` between folders; it never leads out of its folder. Not every name that
            git holds is safe on a disk: see `selection.unsafe_path`.
        size_bytes: its size.
        blob_sha1: 40 hex digits, git's hash of ``blob SIZE\0`` and the content; for a large file, of its pointer.
        sha256: 64 hex digits of the content of a large (LFS) file, else None.
    """

    path: str
    size_bytes: int
    blob_sha1: str
    sha256: str | None = None

    @property
    def identity(self) -> str:
        """The hash that its content must have, in hex digits: a valid file name on any disk."""
        return self.sha256 or self.blob_sha1


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchFiles:
    """One branch at one commit.

    Args:
        name: the branch as asked for.
        commit: 40 hex digits.
        files: all its files, in the Hub's order.
        configs: the text of its ``config.json`` and of one quantization config, by file name.
        heads: the first bytes of the GGUF files whose header was read, by path.
    """

    name: str
    commit: str
    files: tuple[RepoFile, ...]
    configs: Mapping[str, str] = field(default_factory=dict)
    heads: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoFacts:
    """One repo as the Hub has it now.

    Args:
        repo_id: ``owner/name`` as the Hub writes it today.
        asked_for: the name as the user wrote it; differs if the repo was renamed.
        branches: those that were read, in the Hub's order.
        names: all branches, read or not.
        conversions: refs that the Hub itself manages (``refs/convert/...``, ``refs/pr/...``), which are not branches.
        card: the model card of ``main``, or None if there is none.
        refused_card: whether there is one, and something else was sent for it.
        unread: branches that could not be read, each with the reason.
    """

    repo_id: str
    asked_for: str
    branches: tuple[BranchFiles, ...]
    names: tuple[str, ...]
    conversions: tuple[str, ...] = ()
    card: str | None = None
    refused_card: bool = False
    unread: Mapping[str, str] = field(default_factory=dict)


def repo_id(value: object) -> str | Refused:
    """A repo's name.

    >>> repo_id("TheBloke/Mistral-7B-v0.1-GPTQ"), repo_id("../etc/passwd")
    ('TheBloke/Mistral-7B-v0.1-GPTQ', Refused(reason='does not belong to a repo: its name is not owner/name'))
    """
    if isinstance(value, str) and _REPO_ID.fullmatch(value):
        return value
    return Refused("does not belong to a repo: its name is not owner/name")


def ref_name(value: object) -> str | Refused:
    """The name of a branch or tag, or the full name of another ref; a relative path on any disk.

    >>> ref_name("gptq-4bit-32g-actorder_True"), ref_name("exp/6.0bpw"), ref_name("../../x"), ref_name(None)
    ('gptq-4bit-32g-actorder_True', 'exp/6.0bpw', Refused(reason='has a name that git does not allow for a branch'), \
Refused(reason='has no name'))
    """
    if not isinstance(value, str) or not value:
        return Refused("has no name")
    if _NOT_IN_REFS.search(value) or not value.isprintable() or len(value) > _MAX_REF_CHARS:
        return Refused("has a name that git does not allow for a branch")
    if any(len(part.encode()) > 255 for part in value.split("/")):
        return Refused("has a name that no disk accepts")
    return value


def commit_id(value: object) -> str | Refused:
    """A commit: 40 hex digits.

    >>> commit_id("../../etc/passwd")
    Refused(reason='is at something that is not a commit')
    """
    return (
        value if isinstance(value, str) and _SHA1.fullmatch(value) else Refused("is at something that is not a commit")
    )


def repo_file(path: object, size_bytes: object, blob_sha1: object, sha256: object = None) -> RepoFile | Refused:
    """A file as a Hub, a cache or a record describes it.

    >>> repo_file("a/../../b", 1, "0" * 40)
    Refused(reason='lists a file whose name leads out of the folder')
    >>> repo_file("model.safetensors", 1.5, "0" * 40).reason, repo_file("x", 1, "0" * 40, "../../x").reason
    ('lists `model.safetensors` with something that is not a size', 'lists `x` with something that is not a hash')
    """
    if not isinstance(path, str) or not path:
        return Refused("lists a file without a name")
    if not _is_git_path(path):
        return Refused("lists a file whose name leads out of the folder")
    if type(size_bytes) is not int or not 0 <= size_bytes <= LARGEST_FILE_BYTES:
        return Refused(f"lists `{path}` with something that is not a size")
    if not isinstance(blob_sha1, str) or not _SHA1.fullmatch(blob_sha1):
        return Refused(f"lists `{path}` with something that is not a hash")
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        return Refused(f"lists `{path}` with something that is not a hash")
    return RepoFile(path, size_bytes, blob_sha1, sha256)


def file_list(files: Iterable[RepoFile | Refused]) -> tuple[RepoFile, ...] | Refused:
    """The files of one branch, or the first reason against one: it was refused, or another is in its way.

    >>> file_list([RepoFile("a", 1, "0" * 40), RepoFile("a/b", 1, "0" * 40)])
    Refused(reason='lists `a` as a file and as a folder')
    """
    found: dict[str, RepoFile] = {}
    for file in files:
        if isinstance(file, Refused):
            return file
        if file.path in found:
            return Refused(f"lists `{file.path}` twice")
        if len(found) == MAX_FILES:
            return Refused(f"lists more than {MAX_FILES} files")
        found[file.path] = file
    for path in found:
        folder = path
        while folder := folder.rpartition("/")[0]:
            if folder in found:
                return Refused(f"lists `{folder}` as a file and as a folder")
    return tuple(found.values())


def _is_git_path(path: str) -> bool:
    """Whether git could hold a file of this name: it refuses names that lead out, or into its own folder."""
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        return False
    parts = path.split("/")
    own = any(part.lower() in ("", ".", "..", ".git") for part in parts)
    return length <= _MAX_PATH_BYTES and "\0" not in path and not own
