"""What a download or a verification came to."""

from dataclasses import dataclass
from typing import Literal

from quantpick.core.repo import RepoFile
from quantpick.core.transfer_options import TransportName


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadResult:
    """A branch on disk, or with `planned` what it would take to bring it there.

    Args:
        repo_id: ``owner/name``.
        branch: the branch, tag or commit that was asked for.
        commit: 40 hex digits.
        path: the folder that shows the branch as it is in the repo.
        transport: what brought the large files; None when there was nothing to bring.
        files: what was chosen of the branch, each complete and verified.
        left_out: pickle weights that were not chosen, because the same weights are there as safetensors.
        left_behind: files in the folder of an earlier commit or branch, which are none of this one.
        fetched_bytes: what came now.
        reused_bytes: what was there already.
        seconds: wall time of the transfer.
        planned: whether nothing was done.
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
        """`total_bytes`, as the JSON document has it; so for the next two."""
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
"""``repaired``: it was missing or damaged, and was fetched again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What is on disk of a branch, against the Hub's hashes.

    Args:
        repo_id: ``owner/name``, or None where only hashes were recorded.
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
        """`is_sound`, as the JSON document has it."""
        return self.is_sound

    @property
    def is_sound(self) -> bool:
        """Whether everything is there and right. What is there besides differs from no hash, and is only named."""
        return all(state in ("ok", "repaired", "extra") for _, state in self.files)


LeftoverKind = Literal["partial", "scratch", "record", "lock"]
"""A file on its way; one of a moment; a note of what is gone or cannot be read; a lock that nobody holds."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file that an earlier run left: its path, the bytes of disk it takes, its kind, whether a process uses it."""

    path: str
    size_bytes: int
    kind: LeftoverKind
    in_use: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanReport:
    """What was left in a place; what is in use was not removed, and with `dry_run` nothing was.

    Args:
        path: the folder or cache.
        dry_run: whether it was only listed.
        leftovers: each file.
    """

    path: str
    dry_run: bool
    leftovers: tuple[Leftover, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of disk of what was, or would be, removed."""
        return sum(one.size_bytes for one in self.leftovers if not one.in_use)
