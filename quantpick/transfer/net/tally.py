"""The transfer's side of a file's progress: counters that several threads add to."""

import threading

from quantpick.core.progress import FileProgress, Phase


class Tally:
    """Adds to the counters of one file; the screen reads `state`."""

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
        """How many bytes of the file are hashed."""
        self.state.hashed_bytes = size_bytes

    def phase(self, phase: Phase) -> None:
        """What is being done."""
        self.state.phase = phase
