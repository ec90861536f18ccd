"""What the Hub says of a repo, as values: its branches, the files in each, and the few small files worth reading."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RepoFile:
    r"""One file of a branch.

    Args:
        path: as the Hub lists it, ``/`` between folders. Not checked: never make a local path of it unseen.
        size_bytes: its size.
        blob_sha1: 40 hex digits, git's hash of ``blob SIZE\0`` and the content; of the pointer for a large file.
        sha256: 64 hex digits of the content of a large (LFS) file, else None.
    """

    path: str
    size_bytes: int
    blob_sha1: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchFiles:
    """One branch at one commit.

    Args:
        name: the branch as asked for.
        commit: 40 hex digits.
        files: all of it, in the Hub's order.
        configs: the text of its ``config.json`` and of one quantization config, by file name.
    """

    name: str
    commit: str
    files: tuple[RepoFile, ...]
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoFacts:
    """One repo as the Hub shows it now.

    Args:
        repo_id: ``owner/name`` as the Hub writes it today.
        asked_for: the same as the user wrote it; differs where the repo was renamed.
        branches: those that were read, in the Hub's order.
        names: every branch there is, read or not.
        conversions: refs that the Hub itself keeps (``refs/convert/...``, ``refs/pr/...``), which are no branches.
        card: the model card of ``main``, or None when there is none.
    """

    repo_id: str
    asked_for: str
    branches: tuple[BranchFiles, ...]
    names: tuple[str, ...]
    conversions: tuple[str, ...] = ()
    card: str | None = None
