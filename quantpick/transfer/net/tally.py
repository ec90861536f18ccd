"""The transfer's side of a file's progress: counters that several threads add to."""

import threading
from collections import Counter

from quantpick.core.progress import FileProgress, Phase
from quantpick.core.transfer_options import TransportName


class Tally:
    """Adds to the counters of one file; the screen reads `state`."""

    def __init__(self, state: FileProgress) -> None:
        self.state = state
        self.brought: Counter[TransportName] = Counter()
        """Bytes that came now, by what brought them."""
        self._lock = threading.Lock()

    def reused(self, size_bytes: int) -> None:
        """Bytes that an earlier run left."""
        self.state.reused_bytes = size_bytes
        self.state.phase = "fetching"

    def fetched(self, size_bytes: int, transport: TransportName) -> None:
        """Bytes that came now, and what brought them."""
        with self._lock:
            self.state.fetched_bytes += size_bytes
            self.brought[transport] += size_bytes

    @property
    def transport(self) -> TransportName | None:
        """What brought the most; None when nothing came."""
        return max(self.brought, key=lambda name: self.brought[name], default=None)

    def lost(self, size_bytes: int) -> None:
        """What an earlier run left turned out to be damaged."""
        with self._lock:
            self.state.reused_bytes = max(0, self.state.reused_bytes - size_bytes)
            self.state.hashed_bytes = 0
        self.state.phase = "fetching"

    def kept(self, size_bytes: int) -> None:
        """What is left for the next run, now that this one ends before its time."""
        with self._lock:
            self.state.reused_bytes = min(self.state.reused_bytes, size_bytes)
            self.state.fetched_bytes = size_bytes - self.state.reused_bytes

    def begin_anew(self) -> None:
        """What came so far is of no use."""
        with self._lock:
            self.brought.clear()
            self.state.fetched_bytes = self.state.reused_bytes = self.state.hashed_bytes = 0
        self.state.phase = "fetching"

    def hashed(self, size_bytes: int) -> None:
        """How many bytes of the file are hashed."""
        self.state.hashed_bytes = size_bytes

    def phase(self, phase: Phase) -> None:
        """What is being done."""
        self.state.phase = phase
