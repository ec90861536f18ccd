"""Who fetches which bytes behind a mirror, which may be fetching them itself: few until they are known to be there.

What olah 0.5.4 does (``olah/proxy/files.py``, ``olah/constants.py``): it fetches blocks of 64 MiB, each for the first
who asks for any of it, and streams to that one; others who ask wait until it is whole. A block that is not whole is
nowhere but in its memory, so a block whose first reader leaves is lost, and all that are being fetched when it dies.
Each waiting request holds one of 40 threads, of which it needs one to end a block: with more of them it stands still.

So a block is asked for by one connection, and its first MiB by a second one when the first streams, which costs nothing
twice. Where that comes at once, the block lay there, or the server is no such mirror: then more connections share what
is there, and one goes ahead from block to block to see where that ends. All clients walk in one order, so that they
wait for one block and do not have each another one fetched.
"""

import math
import time
from bisect import insort
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from quantpick.core.units import MIB
from quantpick.transfer.disk.journal import BLOCK_BYTES
from quantpick.transfer.transports.stretches import Stretch, Stretches

_MIRROR_BLOCK: Final = 64 * MIB
"""olah's (``LFS_FILE_BLOCK``). Other mirrors have smaller ones, or none; each divides this or does not care."""
_MOST_LOST: Final = 0.05
"""Chosen: what a mirror that dies can lose of a file, as far as that is more than one block."""
_ENDING: Final = 4 * MIB
"""Chosen: so long before the end of a block the next is asked for, or the mirror's own line would stand still."""
_SPLIT_BYTES: Final = 8 * MIB
"""Chosen: where parts end, blocks of a mirror that has smaller ones should end too."""
_LASTS_S: Final = 10.0
"""Chosen: what ends sooner is not hung up on, which such a mirror may be fetching."""
_PROMPT_S: Final = 1.0
"""Chosen: what is waited for longer was not there."""


@dataclass(order=True, slots=True)
class _Block:
    """A block of the mirror that is not known to be there.

    Args:
        number: its place in the file.
        parts: what is missing of it and not under way, in order.
        head: who fetches it from its start.
        head_bytes: how much that was to be.
        scout: who fetches the MiB that shows whether it is there.
        is_streaming: whether the head's first byte came without a wait.
        first_s: when it came, on the monotonic clock.
    """

    number: int
    parts: list[tuple[int, int]] = field(compare=False)
    head: Stretch | None = field(default=None, compare=False)
    head_bytes: int = field(default=0, compare=False)
    scout: Stretch | None = field(default=None, compare=False)
    is_streaming: bool = field(default=False, compare=False)
    first_s: float = field(default=math.inf, compare=False)

    @property
    def is_ending(self) -> bool:
        """Whether so little of it is to come that the mirror should hear of the next one."""
        return self.head is not None and self.is_streaming and self.head.end - self.head.at <= _ENDING

    @property
    def may_be_scouted(self) -> bool:
        """Whether its head comes as from a line: at once, or for longer than from the mirror's disk."""
        return self.is_streaming or time.monotonic() > self.first_s + _PROMPT_S

    def take_head(self) -> Stretch:
        """The longest part, without its first MiB unless that is all: that is left to the scout.

        A follower gets that no sooner than any other part. But should all readers be killed, olah goes on for each who
        waits until the first byte that it asked for, to see then that nobody is there.
        """
        start, end = max(self.parts, key=lambda part: part[1] - part[0])
        self.parts.remove((start, end))
        first = min(end, (start // BLOCK_BYTES + 1) * BLOCK_BYTES)
        if not self.parts and first < end:
            self.parts.append((start, first))
            start = first
        self.head, self.head_bytes = Stretch(start, end, reserved=start, may_be_cut=False), end - start
        return self.head

    def take_scout(self) -> Stretch:
        """A MiB that shows whether the block is there: of one that streams the first, else the last."""
        start, end = self.parts.pop(0 if self.head else -1)
        if self.head is not None:
            middle = min(end, (start // BLOCK_BYTES + 1) * BLOCK_BYTES)
            mine, rest = (start, middle), (middle, end)
        else:
            middle = max(start, (end - 1) // BLOCK_BYTES * BLOCK_BYTES)
            mine, rest = (middle, end), (start, middle)
        if rest[0] < rest[1]:
            insort(self.parts, rest)
        self.scout = Stretch(*mine, reserved=mine[0], may_be_cut=False)
        return self.scout


class Blocks(Stretches):
    """The missing parts of a file behind a mirror.

    Args:
        missing: first byte and the one after the last, of each.
        connections: the most that fetch at once.
        size_bytes: of the file.
        may_split: as for `Stretches`, of what is known to be there.
    """

    def __init__(
        self, missing: Iterable[tuple[int, int]], connections: int, *, size_bytes: int, may_split: bool = True
    ) -> None:
        super().__init__((), connections, may_split=may_split)
        self._split_at = _SPLIT_BYTES
        self._unseen = deque(_blocks_of(missing))
        self._under_way: list[_Block] = []
        """Blocks of which somebody fetches a part, and which are not known to be there."""
        self._most = max(1, min(connections, int(size_bytes * _MOST_LOST) // _MIRROR_BLOCK))
        self._leads = False
        """Whether the mirror fetches for this client: others wait for what it fetches for another."""
        self._is_warm = False
        """Whether the last block that was looked at lay there."""

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to hand out, now or later."""
        with self._changed:
            return super().is_done and (self._is_closed or not self._unseen)

    def may_leave(self, stretch: Stretch) -> bool:
        """Whether who fetches it may hang up: where it is known to be there, and comes so slowly that it lasts."""
        return stretch.may_be_cut and stretch.left_s > _LASTS_S

    def wrote(self, stretch: Stretch, count: int) -> None:
        """Note that what was reserved is in the file, or will never be; a first byte says what the mirror does."""
        with self._changed:
            is_first = count > 0 and stretch.got == 0
            super().wrote(stretch, count)
            if is_first and (block := self._block_of(stretch)) is not None:
                self._answered(block, stretch)

    def give_back(self, stretch: Stretch) -> None:
        """Let another fetch what is left of it. What failed is asked for with care."""
        with self._changed:
            block = self._block_of(stretch)
            if block is None:
                super().give_back(stretch)
                return
            self._taken.remove(stretch)
            is_head = block.head is stretch
            if is_head:
                block.head = None
            else:
                block.scout = None
            if stretch.at < stretch.end:
                # It failed, and what the mirror had of the block may be lost: carefully from the start.
                insort(block.parts, (stretch.at, stretch.end))
                self._leads = self._is_warm = block.is_streaming = False
                block.first_s = math.inf
                if block.head is None and block.scout is None:
                    self._under_way.remove(block)
                    self._unseen = deque(sorted([block, *self._unseen]))
            else:
                self._is_there(block)
            self._changed.notify_all()

    def _next(self) -> Stretch | None:
        if self._is_closed:
            return None
        first = self._scout()
        if first is None and not (self._waiting and self._waiting[0][1] - self._waiting[0][0] <= BLOCK_BYTES):
            first = self._head()
        return first or super()._next()

    def _half_of_the_longest(self) -> Stretch | None:
        # A request costs olah 50 ms: only the end is shared in smaller parts.
        return None if self._unseen or self._under_way else super()._half_of_the_longest()

    def _part_end(self, start: int, left_bytes: int) -> int:
        return (start // _MIRROR_BLOCK + 1) * _MIRROR_BLOCK

    def _scout(self) -> Stretch | None:
        """A MiB of a block, to see whether that lies there: one at a time."""
        if any(block.scout is not None for block in self._under_way):
            return None
        for block in self._under_way:
            if block.parts and (block.may_be_scouted or self._is_warm):
                return block.take_scout()
        if self._is_warm and self._unseen and self._waiting_bytes < self._connections * _MIRROR_BLOCK:
            return self._begin().take_scout()
        return None

    def _head(self) -> Stretch | None:
        """The start of the next block, as long as no more are under way than may be lost with the mirror."""
        if self._is_warm or not self._unseen:
            return None
        most = self._most if self._leads else 1
        if sum(not block.is_ending for block in self._under_way) >= most:
            return None
        return self._begin().take_head()

    def _begin(self) -> _Block:
        block = self._unseen.popleft()
        self._under_way.append(block)
        return block

    def _answered(self, block: _Block, stretch: Stretch) -> None:
        """Learn from a first byte."""
        is_prompt = time.monotonic() - stretch.began_s < _PROMPT_S
        if stretch is block.head:
            self._leads = block.is_streaming = is_prompt
            block.first_s = time.monotonic()
        elif block.head is None:
            self._is_warm = is_prompt
            self._is_there(block)
        elif is_prompt or block.head.end - block.head.at > block.head_bytes // 2:
            self._is_warm = True
            self._is_there(block)

    def _is_there(self, block: _Block) -> None:
        """Let everybody fetch what is missing of a block."""
        self._under_way.remove(block)
        for stretch in (block.head, block.scout):
            if stretch is not None:
                stretch.may_be_cut = True
        self._waiting.extend(block.parts)
        self._waiting_bytes += sum(end - start for start, end in block.parts)
        self._changed.notify_all()

    def _block_of(self, stretch: Stretch) -> _Block | None:
        """The block that this is the head or the scout of, while it is not known to be there."""
        return next((block for block in self._under_way if stretch in (block.head, block.scout)), None)


def _blocks_of(missing: Iterable[tuple[int, int]]) -> list[_Block]:
    blocks: dict[int, _Block] = {}
    for start, end in missing:
        for number in range(start // _MIRROR_BLOCK, (end - 1) // _MIRROR_BLOCK + 1):
            part = max(start, number * _MIRROR_BLOCK), min(end, (number + 1) * _MIRROR_BLOCK)
            blocks.setdefault(number, _Block(number, [])).parts.append(part)
    return [blocks[number] for number in sorted(blocks)]
