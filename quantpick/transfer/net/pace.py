"""A limit for the rate of all connections together."""

import threading
import time
from typing import Final

_BURST_S: Final = 0.1
"""Chosen: what was not used for so long may be caught up on."""
_READS_PER_S: Final = 50
"""Chosen: a limited line is read in so many pieces a second, so that it flows."""
_SMALLEST_READ: Final = 4096


class Pace:
    """Lets bytes through at a rate.

    Args:
        limit_bytes_per_s: the rate; None for no limit.
    """

    def __init__(self, limit_bytes_per_s: int | None = None) -> None:
        self.limit_bytes_per_s = limit_bytes_per_s
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def read_bytes(self, most: int) -> int:
        """How much to read at once."""
        if self.limit_bytes_per_s is None:
            return most
        return max(_SMALLEST_READ, min(most, self.limit_bytes_per_s // _READS_PER_S))

    def spend(self, count: int, stop: threading.Event) -> None:
        """Wait until so many bytes were due."""
        if self.limit_bytes_per_s is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now - _BURST_S) + count / self.limit_bytes_per_s
            wait = self._free_at - now
        if wait > 0:
            stop.wait(wait)
