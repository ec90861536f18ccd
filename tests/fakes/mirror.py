"""A mirror that fetches blocks from an origin while it answers, as olah 0.5.4 does, on loopback."""

import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from quantpick.core.units import MIB
from quantpick.demo.cdn import _Handler
from tests.fakes.cdn import FaultyCdn, Interference

_PIECE_BYTES = 256 * 1024


class ColdMirror(FaultyCdn):
    """Streams a block to the first who asks for any of it, lets others wait, and loses it when that one leaves.

    Args:
        content: the file, served under its name.
        block_bytes: how much it fetches at once.
        origin_bytes_per_s: how fast one block comes from the origin; None is as fast as it goes.
        interference: may misbehave instead.
        asks_head: whether that is asked about HEAD too.
    """

    def __init__(
        self,
        content: Path,
        *,
        block_bytes: int = 64 * MIB,
        origin_bytes_per_s: float | None = None,
        interference: Interference | None = None,
        asks_head: bool = False,
        **arguments: Any,
    ) -> None:
        self.origin_bytes = 0
        self.held: set[int] = set()
        self.fetching: dict[int, int] = {}
        """The blocks under way, and how much of each has come."""
        self.most_fetched = 0
        """The most bytes of blocks under way, which would be lost with it."""
        self.requests: list[tuple[int, int]] = []
        self._asks_head = asks_head
        self._block_bytes = block_bytes
        self._origin_bytes_per_s = origin_bytes_per_s
        self._flights: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        self._count_lock = threading.Lock()
        super().__init__({content.name: content}, interference, **arguments)

    def refuses(self, query: str) -> str | None:
        """Nobody needs a signature here."""
        return None

    def interfere(self, handler: _Handler, start: int, end: int) -> bool:
        if handler.command == "HEAD" and not (self._asks_head and super().interfere(handler, start, end)):
            handler.send_head(200, 0, handler.path_size(), handler.path_size())
        if handler.command == "HEAD":
            return True
        self.requests.append((start, end))
        if not super().interfere(handler, start, end):
            handler.send_head(206 if "Range" in handler.headers else 200, start, end, handler.path_size())
            self.send(handler, start, end)
        return True

    def send(self, handler: _Handler, start: int, end: int) -> None:
        """Send a range, block by block."""
        for number in range(start // self._block_bytes, (end - 1) // self._block_bytes + 1):
            lo = max(start, number * self._block_bytes)
            hi = min(end, (number + 1) * self._block_bytes)
            with self._flights[number]:
                if number not in self.held:
                    self._lead(handler, number, lo, hi)
                    continue
            handler.send_content(handler.file_path(), lo, hi)

    def _lead(self, handler: _Handler, number: int, lo: int, hi: int) -> None:
        """Fetch a block and stream what is wanted of it; the last piece when it is whole."""
        first, last = number * self._block_bytes, min((number + 1) * self._block_bytes, handler.path_size())
        began, at, sent = time.monotonic(), first, lo
        try:
            while at < last:
                count = min(_PIECE_BYTES, last - at)
                at += count
                with self._count_lock:
                    self.origin_bytes += count
                    self.fetching[number] = at - first
                    self.most_fetched = max(self.most_fetched, sum(self.fetching.values()))
                if self._origin_bytes_per_s:
                    time.sleep(max(0.0, began + (at - first) / self._origin_bytes_per_s - time.monotonic()))
                ready = min(hi, at) - _PIECE_BYTES
                if ready > sent:
                    handler.send_content(handler.file_path(), sent, ready)
                    sent = ready
            self.held.add(number)
        finally:
            with self._count_lock:
                del self.fetching[number]
        handler.send_content(handler.file_path(), sent, hi)
