"""How far a download is: counters that its threads add to and a screen reads."""

import threading
from dataclasses import dataclass
from typing import Literal

Phase = Literal["waiting", "fetching", "verifying", "done"]


@dataclass(slots=True)
class FileProgress:
    """One file: its size, the bytes that were there at the start, that came since, and that were hashed."""

    path: str
    size_bytes: int
    reused_bytes: int = 0
    fetched_bytes: int = 0
    hashed_bytes: int = 0
    phase: Phase = "waiting"

    @property
    def present_bytes(self) -> int:
        """Bytes on the disk."""
        return min(self.size_bytes, self.reused_bytes + self.fetched_bytes)


class Progress:
    """The counters of one file; the renderer's view is `state`."""

    def __init__(self, state: FileProgress) -> None:
        self.state = state
        self._lock = threading.Lock()

    def reused(self, size_bytes: int) -> None:
        """Bytes that an earlier run left."""
        self.state.reused_bytes = size_bytes
        self.state.phase = "fetching"

    def fetched(self, size_bytes: int) -> None:
        """Bytes that came now."""
        with self._lock:
            self.state.fetched_bytes += size_bytes

    def hashed(self, size_bytes: int) -> None:
        """Bytes that were hashed, of the file as a whole."""
        self.state.hashed_bytes = size_bytes

    def phase(self, phase: Phase) -> None:
        """What is being done."""
        self.state.phase = phase
