"""The results of a download, a verification and a clean-up."""

from dataclasses import dataclass
from typing import Literal

from quantpick.core.repo import RepoFile
from quantpick.core.transfer_options import TransportName


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadResult:
    """A branch on disk, or with `planned`, what it would take to fetch it.

    Args:
        repo_id: ``owner/name``.
        branch: the branch, tag or commit asked for.
        commit: 40 hex digits.
        path: the folder with the branch's files, laid out as in the repo.
        transport: what fetched the large files; None if there was nothing to fetch.
        files: the chosen files of the branch, each complete and verified.
        left_out: pickle weights not fetched because the same weights are there as safetensors.
        left_behind: files in the folder that belong to an earlier commit or branch.
        fetched_bytes: bytes fetched now.
        reused_bytes: bytes that were already there.
        seconds: wall time of the transfer.
        planned: whether this was a dry run.
        launch: the command that starts the loader on it, as arguments, or None.
    """

    repo_id: str
    branch: str
    commit: str
    path: str
    transport: TransportName | None
    files: tuple[RepoFile, ...]
    left_out: tuple[RepoFile, ...] = ()
    left_behind: tuple[str, ...] = ()
    fetched_bytes: int = 0
    reused_bytes: int = 0
    seconds: float = 0.0
    planned: bool = False
    launch: tuple[str, ...] | None = None

    @property
    def total_bytes(self) -> int:
        """Bytes of the files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def bytes_total(self) -> int:
        """`total_bytes`, under its name in the JSON document."""
        return self.total_bytes

    @property
    def bytes_fetched(self) -> int:
        """`fetched_bytes`."""
        return self.fetched_bytes

    @property
    def bytes_reused(self) -> int:
        """`reused_bytes`."""
        return self.reused_bytes


FileState = Literal["ok", "missing", "damaged", "extra", "repaired"]
"""``repaired``: it was missing or damaged and has been fetched again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """A branch on disk, compared with the Hub's hashes.

    Args:
        repo_id: ``owner/name``, or None if only hashes were recorded.
        branch: the branch, or None likewise.
        commit: 40 hex digits, or None likewise.
        path: the folder.
        files: each file's path and state, in the branch's order, then the extra ones.
    """

    repo_id: str | None
    branch: str | None
    commit: str | None
    path: str
    files: tuple[tuple[str, FileState], ...]

    def having(self, state: FileState) -> tuple[str, ...]:
        """The paths in a state."""
        return tuple(path for path, found in self.files if found == state)

    @property
    def sound(self) -> bool:
        """`is_sound`, under its name in the JSON document."""
        return self.is_sound

    @property
    def is_sound(self) -> bool:
        """Whether every file is there and right. Extra files have no hash to differ from and do not count."""
        return all(state in ("ok", "repaired", "extra") for _, state in self.files)


LeftoverKind = Literal["partial", "scratch", "record", "lock"]
"""An unfinished file; a temporary one; a record that is stale or unreadable; a lock that nobody holds."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file that an earlier run left: its path, bytes on disk, kind, and whether a process uses it."""

    path: str
    size_bytes: int
    kind: LeftoverKind
    in_use: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanReport:
    """What earlier runs left in a place. Files in use were not removed, and with `dry_run` none were.

    Args:
        path: the folder or cache.
        dry_run: whether they were only listed.
        leftovers: the files.
    """

    path: str
    dry_run: bool
    leftovers: tuple[Leftover, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes on disk of the files removed, or to be removed."""
        return sum(one.size_bytes for one in self.leftovers if not one.in_use)
