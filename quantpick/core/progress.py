"""The progress of a download: counters that the transfer updates and a screen reads."""

from dataclasses import dataclass, field
from typing import Literal

from quantpick.core.transfer_options import TransportName

Phase = Literal["queued", "waiting", "fetching", "verifying", "done"]
"""``waiting``: another process is fetching the same file."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why no bytes are arriving.

    Args:
        problem: one clause for people: ``the server is slow to answer``, ``the connection was lost``.
        retries: retries in a row; 0 while waiting for the first answer.
        gives_up_at_s: when the download gives up, by ``time.monotonic``; None if never.
    """

    problem: str
    retries: int = 0
    gives_up_at_s: float | None = None


@dataclass(slots=True)
class FileProgress:
    """One file, in bytes: its size, present at the start, fetched since, and hashed."""

    path: str
    size_bytes: int
    reused_bytes: int = 0
    fetched_bytes: int = 0
    hashed_bytes: int = 0
    phase: Phase = "queued"

    @property
    def present_bytes(self) -> int:
        """Bytes on the disk."""
        return min(self.size_bytes, self.reused_bytes + self.fetched_bytes)


@dataclass(slots=True)
class DownloadProgress:
    """All files of a download.

    Args:
        files: in the branch's order.
        trouble: why no bytes are arriving; None while they are.
        retries: retries of anything so far.
        transport: what is fetching now, or None before the first byte.
        connections: how many it uses now.
    """

    files: list[FileProgress] = field(default_factory=list)
    trouble: Trouble | None = None
    retries: int = 0
    transport: TransportName | None = None
    connections: int = 0

    def wait_for(self, words: str | None) -> None:
        """Note what the download waits for, as a clause; None when it goes on."""
        self.trouble = None if words is None else Trouble(words)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def present_bytes(self) -> int:
        """Bytes present: fetched, or found on the disk and hashed."""
        return sum(max(file.present_bytes, file.hashed_bytes) for file in self.files)

    @property
    def reused_bytes(self) -> int:
        """Bytes present at the start."""
        return sum(file.reused_bytes for file in self.files)

    @property
    def fetched_bytes(self) -> int:
        """Bytes fetched since."""
        return sum(file.fetched_bytes for file in self.files)
