"""How many connections a line is worth: few at first, then all at once, and fewer where those bring no more."""

from typing import Final

FIRST: Final = 4
"""Chosen: enough for most lines; on one that broke down from 6 on (huggingface_hub#4893) it does no harm."""
_GAIN: Final = 0.3
"""Chosen: more connections are kept only if they bring this share of what they would bring at best."""
_NOISE: Final = 1.05
"""Chosen: less than this much more is chance."""
_LOSS: Final = 0.5
"""Chosen: a total below this share of what fewer connections brought is a collapse."""
_SETTLE_S: Final = 0.15
_MEASURE_S: Final = 0.25
"""Chosen: how long new connections are given to start, and how long they are measured; the time to the first byte where
that is longer."""
_FIRST_SETTLE_S: Final = 0.05
_FIRST_MEASURE_S: Final = 0.1
"""Chosen: the same for the first ones. Measured so soon they seem slower than they are, and more are tried."""
_FINEST_STEP: Final = 1.25
"""Chosen: between numbers that are closer than this no better one is looked for."""
_STEADY_S: Final = 1.0
"""Chosen: over how long a settled line is measured, and how long one that collapsed is given to recover."""
_HOLD_S: Final = 20.0
"""Chosen: after a collapse, and where more brought nothing, so long until the next try."""


class Width:
    """The number of connections in use; asks no clock.

    Args:
        ceiling: the most there may be.
        first: how many to begin with.
        leaps: whether all are tried at once, or twice as many at a time: where each costs the server much.
        collapsed_at: so many broke the line down before: there are fewer now, and not the most below it at once.
    """

    def __init__(
        self, ceiling: int, first: int = FIRST, *, leaps: bool = True, collapsed_at: int | None = None
    ) -> None:
        self.ceiling = ceiling
        self._leaps = leaps
        self.count = min(first, ceiling, ceiling if collapsed_at is None else max(1, collapsed_at - 1))
        self.rate = 0.0
        """Bytes a second in all, as last measured."""
        self.per_connection = 0.0
        """Bytes a second of one connection while it reads, so far; as long as no answer is over, as last measured."""
        self.first_byte_s = 0.0
        """Seconds to the first byte of an answer, as last seen."""
        self._proven: tuple[int, float] | None = None
        """The last number that was worth its connections, with its rate."""
        self.collapsed_at = collapsed_at
        """So many broke the line down; None where none did."""
        self._useless_at = ceiling + 1
        """So many brought no more than fewer, of late."""
        self._hold_until = 0.0
        self._from: tuple[float, int] | None = None
        self._changed_at: float | None = None
        self._settle_s = _FIRST_SETTLE_S if leaps else _SETTLE_S
        self._alone: tuple[float, int, int] | None = None
        """Since when, from which byte on, and how many connections bring all that comes, while others wait for it."""

    @property
    def is_settled(self) -> bool:
        """Whether no more connections are being tried."""
        return self._proven is not None and (self._proven[0] >= self._goal or self._hold_until > 0)

    def look(self, now_s: float, received_bytes: int) -> None:
        """Measure, and change the number where that tells to.

        Args:
            now_s: on any clock.
            received_bytes: by all connections so far.
        """
        if self._changed_at is None:
            self._changed_at = now_s
        if self._alone is not None:
            self._measure_alone(now_s, received_bytes, *self._alone)
            return
        if self._is_first and received_bytes and self.first_byte_s > _FIRST_SETTLE_S + _FIRST_MEASURE_S:
            self._alone = (now_s, received_bytes, self.count)
            self._change(now_s, self._goal)
            return
        if now_s < self._changed_at + (self._settle_s if self._is_first else max(self._settle_s, self.first_byte_s)):
            return
        if self._from is None:
            self._from = (now_s, received_bytes) if received_bytes or not self._is_first else None
            return
        span = now_s - self._from[0]
        if span < self._measure_s:
            return
        self.rate = (received_bytes - self._from[1]) / span
        self.per_connection = self.per_connection or self.rate / self.count
        self._from = (now_s, received_bytes)
        self._judge(now_s)

    def _measure_alone(self, now_s: float, received_bytes: int, since_s: float, from_bytes: int, count: int) -> None:
        """The first measurement, where an answer is waited for so long that the others were asked meanwhile."""
        span = now_s - since_s
        if span >= _FIRST_MEASURE_S:
            self.rate = (received_bytes - from_bytes) / span
            self.per_connection = self.per_connection or self.rate / count
            self._proven = (count, self.rate)
            self._alone = None

    def broke(self, now_s: float) -> None:
        """Halve: the servers refuse for now, or cut connections in numbers. Once a second at most."""
        if self._changed_at is None or now_s > self._changed_at + _STEADY_S:
            self._proven = None
            self._shrink(now_s, max(1, self.count // 2), hold_s=_HOLD_S / 4)

    @property
    def _measure_s(self) -> float:
        if self.is_settled:
            return _STEADY_S
        return _FIRST_MEASURE_S if self._is_first else max(_MEASURE_S, self.first_byte_s)

    @property
    def _is_first(self) -> bool:
        return self._settle_s == _FIRST_SETTLE_S

    @property
    def _goal(self) -> int:
        """The most that is worth trying."""
        collapsed_at = self.ceiling + 1 if self.collapsed_at is None else max(2, self.collapsed_at)
        return min(self.ceiling, collapsed_at - 1, self._useless_at - 1)

    def _judge(self, now_s: float) -> None:
        proven, rate = self._proven, self.rate
        if proven is None or self._is_gain(*proven) or (self.count == proven[0] and rate >= proven[1] * _LOSS):
            self._proven = (self.count, rate)
            self._grow(now_s)
        elif self.count > proven[0]:
            between = (proven[0] + self.count) // 2
            if rate < proven[1] * _LOSS:
                self.collapsed_at = self.count
                self._shrink(now_s, proven[0])
            elif between < proven[0] * _FINEST_STEP:
                self._shrink(now_s, proven[0])
            else:
                self._useless_at = self.count
                self._change(now_s, between)
        elif rate < proven[1] * _LOSS:
            # The line itself became slower. Fewer connections are tried once, and the new rate is what counts.
            self._proven = None
            self._shrink(now_s, max(1, self.count // 2), hold_s=0.0)

    def _is_gain(self, count: int, rate: float) -> bool:
        """Whether more connections than so many were worth it, which brought so much."""
        wanted = max(_NOISE, 1 + _GAIN * (self.count / count - 1))
        return self.count > count and self.rate >= rate * wanted

    def _grow(self, now_s: float) -> None:
        if now_s < self._hold_until:
            return
        if self._hold_until:
            self._hold_until, self._useless_at = 0.0, self.ceiling + 1
        if self.count < self._goal:
            # No further than half of the way to where they were too many.
            room = self._goal - self.count
            step = max(1, room // 2) if self._goal < self.ceiling else room if self._leaps else min(self.count, room)
            self._change(now_s, self.count + step)

    def _shrink(self, now_s: float, count: int, *, hold_s: float = _HOLD_S) -> None:
        self._hold_until = now_s + hold_s if hold_s else 0.0
        self._change(now_s, count, settle_s=_STEADY_S)

    def _change(self, now_s: float, count: int, *, settle_s: float = _SETTLE_S) -> None:
        self.count, self._settle_s = count, settle_s
        self._changed_at = now_s
        self._from = None
