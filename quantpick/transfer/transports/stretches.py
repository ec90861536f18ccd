"""Who fetches which bytes: stretches of a file, handed out, split where one lasts, and given back.

A byte is written by one thread only, and by none once its block is marked: what is hashed is never written again.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from quantpick.core.units import MIB
from quantpick.transfer.disk.journal import BLOCK_BYTES

_WORTH_S: Final = 0.25
_WORTH_WAITS: Final = 8
"""Chosen: a part is to last so long at least, and so many times as long as its first byte is waited for."""
_SLOW_REQUEST_S: Final = 0.1
"""Chosen: where a first byte is waited for longer, there are few parts."""
_SPLIT_S: Final = 1.0
"""Chosen: what lasts no longer is not split, because what the server has sent of it would come twice."""
_LAST_SHARE: Final = 8
"""Chosen: where a request is slow, the last part of a connection is so small a part of what it gets: when all has come
there is as much to hash as all of these, and to ask for it has cost as much as for a long one."""
_SMALLEST: Final = 2 * BLOCK_BYTES
_LARGEST: Final = 64 * MIB
_PER_CONNECTION: Final = 2
"""Chosen: of what waits a connection gets one part in twice their number; parts shrink, and all end together, and what
is hashed in their order has come when they do."""
_MOST_SHARES: Final = 2
"""Chosen: but no more than so many such parts to be worth its request, or others would have nothing to do."""
_TICKS: Final = 4


@dataclass(eq=False, slots=True)
class Stretch:
    """A part of the file that one connection fetches.

    Args:
        at: the first byte that is still missing.
        end: the one after the last.
        reserved: up to here the connection may write; `at` follows when it has.
        got: bytes so far.
        ticks: `got` at the last few looks, a second apart.
        began_s: when it was handed out, on the monotonic clock.
        may_be_cut: whether its connection may be hung up on before its end.
    """

    at: int
    end: int
    reserved: int = 0
    got: int = 0
    ticks: deque[int] = field(default_factory=lambda: deque(maxlen=_TICKS))
    began_s: float = field(default_factory=time.monotonic)
    may_be_cut: bool = True

    @property
    def left_s(self) -> float:
        """How long it takes for the rest, as it went so far; 0 as long as it is too young to say."""
        took = time.monotonic() - self.began_s
        if took < _SPLIT_S / 2:
            return 0.0
        return (self.end - self.at) * took / self.got if self.got else math.inf

    @property
    def recent_bytes_per_s(self) -> float | None:
        """How fast it was of late; None when it is too young to say."""
        return (self.ticks[-1] - self.ticks[0]) / (_TICKS - 1) if len(self.ticks) == _TICKS else None


class Stretches:
    """The missing parts of a file.

    Args:
        missing: first byte and the one after the last, of each.
        connections: the most that fetch at once.
        may_split: whether a part that lasts is split: not where the rate is limited, because it makes nothing faster.
    """

    def __init__(
        self,
        missing: Iterable[tuple[int, int]],
        connections: int,
        *,
        may_split: bool = True,
    ) -> None:
        self._least_bytes = 0
        """A part smaller than this is not worth its request; none is smaller than a block, or what is left of one."""
        self._are_requests_slow = True
        """Taken to be so until an answer tells."""
        self._split_s = _SPLIT_S
        self._may_split = may_split
        self._split_at = BLOCK_BYTES
        self._connections = connections
        self._waiting = deque(missing)
        self._waiting_bytes = sum(end - start for start, end in self._waiting)
        self._taken: list[Stretch] = []
        self._writing = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def fit_to(self, first_byte_s: float, bytes_per_s: float) -> None:
        """Make the parts to come as large as the line asks for.

        Args:
            first_byte_s: how long the first byte of a part is waited for; 0 where none has come.
            bytes_per_s: of one connection.
        """
        worth_s = max(_WORTH_S, _WORTH_WAITS * first_byte_s)
        self._least_bytes = int(bytes_per_s * worth_s)
        self._are_requests_slow = not 0 < first_byte_s <= _SLOW_REQUEST_S
        self._split_s = max(_SPLIT_S, worth_s)

    def take(self, wait_s: float) -> Stretch | None:
        """The next part to fetch; None when none is free within the time."""
        with self._changed:
            found = self._next() or self._half_of_the_longest()
            if found is None and self._taken and not self._is_closed:
                self._changed.wait(wait_s)
                found = self._next()
            if found is not None:
                self._taken.append(found)
            return found

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to hand out, now or later."""
        with self._changed:
            return self._is_closed or not (self._waiting or self._taken)

    def reserve(self, stretch: Stretch, count: int) -> int:
        """How many of the bytes at hand this stretch still has; until `wrote` nobody else gets them."""
        with self._changed:
            count = 0 if self._is_closed else min(count, stretch.end - stretch.at)
            stretch.reserved = stretch.at + count
            self._writing += count > 0
            return count

    def wrote(self, stretch: Stretch, count: int) -> None:
        """Note that what was reserved is in the file, or will never be."""
        with self._changed:
            stretch.at += count
            stretch.got += count
            self._writing -= 1
            self._changed.notify_all()

    def give_back(self, stretch: Stretch) -> None:
        """Let another fetch what is left of it."""
        with self._changed:
            self._taken.remove(stretch)
            if stretch.at < stretch.end:
                self._put_back(stretch.at, stretch.end)
            self._changed.notify_all()

    def end_at_blocks(self) -> None:
        """Hand out no more, and let each stretch end with the block it is at."""
        with self._changed:
            self._waiting.clear()
            self._waiting_bytes = 0
            for stretch in self._taken:
                stretch.end = min(stretch.end, -(-max(stretch.at, stretch.reserved) // BLOCK_BYTES) * BLOCK_BYTES)

    def may_leave(self, stretch: Stretch) -> bool:
        """Whether who fetches it may hang up, where fewer connections do as well."""
        return stretch.may_be_cut

    def close(self) -> None:
        """Let nobody write any more; returns when nobody does."""
        with self._changed:
            self._is_closed = True
            while self._writing:
                self._changed.wait(1)

    def tick(self) -> list[Stretch]:
        """Note how far each stretch is; to be called once a second. Those under way that may be cut."""
        with self._changed:
            for stretch in self._taken:
                stretch.ticks.append(stretch.got)
            return [one for one in self._taken if self.may_leave(one)]

    def _next(self) -> Stretch | None:
        if not self._waiting or self._is_closed:
            return None
        start, end = self._waiting.popleft()
        self._waiting_bytes -= end - start
        part_end = min(end, self._part_end(start, self._waiting_bytes + end - start))
        if part_end < end:
            self._put_back(part_end, end)
        return Stretch(start, part_end, reserved=start)

    def _part_end(self, start: int, left_bytes: int) -> int:
        if self._are_requests_slow:
            # One long part for each, then a short one: no request more, and little is left to hash when all has come.
            share = (left_bytes + sum(one.end - one.at for one in self._taken)) // self._connections
            size = share - share // _LAST_SHARE if share > 2 * self._least_bytes else share + BLOCK_BYTES - 1
        else:
            share = left_bytes // (self._connections * _PER_CONNECTION)
            size = max(share, min(self._least_bytes, _MOST_SHARES * share))
        return (start // BLOCK_BYTES + min(_LARGEST // BLOCK_BYTES, max(1, size // BLOCK_BYTES))) * BLOCK_BYTES

    def _put_back(self, start: int, end: int) -> None:
        self._waiting.appendleft((start, end))
        self._waiting_bytes += end - start

    def _half_of_the_longest(self) -> Stretch | None:
        if self._is_closed or self._waiting or not self._may_split:
            return None
        splittable = [one for one in self._taken if one.may_be_cut and one.end - one.at >= _SMALLEST]
        longest = max(splittable, key=lambda one: one.left_s, default=None)
        if longest is None or longest.left_s < self._split_s:
            return None
        middle = (longest.at + longest.end) // 2 // self._split_at * self._split_at
        if middle <= longest.reserved:
            return None
        stretch = Stretch(middle, longest.end, reserved=middle)
        longest.end = middle
        return stretch
