"""How far a download is: counters that the transfer adds to and a screen reads."""

from dataclasses import dataclass, field
from typing import Literal

from quantpick.core.transfer_options import TransportName

Phase = Literal["queued", "waiting", "fetching", "verifying", "done"]
"""``waiting`` is for another process that fetches the same file."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why no bytes come just now.

    Args:
        problem: one clause for people: ``the server is slow to answer``, ``the connection was lost``.
        retries: how often in a row it was tried again; 0 while the first answer is waited for.
        gives_up_at_s: when patience ends, on the clock of ``time.monotonic``; None where it has no end.
    """

    problem: str
    retries: int = 0
    gives_up_at_s: float | None = None


@dataclass(slots=True)
class FileProgress:
    """One file, in bytes: its size, what was there at the start, what came since, how much is hashed."""

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
        trouble: why no bytes come just now; None while they come.
        retries: how often anything was tried again so far.
        transport: what brings the bytes just now, or None before the first.
        connections: how many it uses just now.
    """

    files: list[FileProgress] = field(default_factory=list)
    trouble: Trouble | None = None
    retries: int = 0
    transport: TransportName | None = None
    connections: int = 0

    def wait_for(self, words: str | None) -> None:
        """Note whom the download waits for, a clause; None when it goes on."""
        self.trouble = None if words is None else Trouble(words)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def present_bytes(self) -> int:
        """Bytes that are there: fetched, or found there by hashing them."""
        return sum(max(file.present_bytes, file.hashed_bytes) for file in self.files)

    @property
    def reused_bytes(self) -> int:
        """Bytes that were there at the start."""
        return sum(file.reused_bytes for file in self.files)

    @property
    def fetched_bytes(self) -> int:
        """Bytes that came since."""
        return sum(file.fetched_bytes for file in self.files)
