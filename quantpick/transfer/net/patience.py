"""How long a failing transfer is tried, and how the threads of one transfer wait together."""

import random
import threading
import time
from typing import Final

from quantpick.core import defaults
from quantpick.errors import TransferError

_FIRST_WAIT_S: Final = 0.25
"""Chosen: a connection that was cut by chance is back at once."""
_LONGEST_WAIT_S: Final = 5.0
"""Chosen. Of a single connection: the others go on meanwhile, and an outage should not be outlasted by long."""


class Stopped(Exception):
    """The transfer was told to stop."""


class Patience:
    """The patience of one transfer: it ends when no byte came for `retry_for_s`.

    Args:
        retry_for_s: seconds without a byte after which to give up.
        stop: set from outside to end the transfer; every wait here ends with it.
    """

    def __init__(self, retry_for_s: float = defaults.RETRY_FOR_S, stop: threading.Event | None = None) -> None:
        self.retry_for_s = retry_for_s
        self.stop = stop or threading.Event()
        self._last_byte = time.monotonic()
        self._paused_until = 0.0

    def byte_came(self) -> None:
        """Note that something arrived."""
        self._last_byte = time.monotonic()

    @property
    def silence_s(self) -> float:
        """Seconds since the last byte."""
        return time.monotonic() - self._last_byte

    def wait_for_turn(self) -> None:
        """Sit out a pause that a server asked all connections for.

        Raises:
            Stopped: instead of going on.
        """
        while (left := self._paused_until - time.monotonic()) > 0 or self.stop.is_set():
            if self.stop.wait(left):
                raise Stopped

    def failed(self, problem: str, attempt: int, *, pause_s: float | None = None) -> None:
        """Wait before the next attempt: as long as the server asked, and then everyone; else longer each time.

        Args:
            problem: what went wrong, for the message when patience ends.
            attempt: how often in a row it has, from 1.
            pause_s: what the server asked for.

        Raises:
            TransferError: no byte came for too long, or the pause would outlast that.
            Stopped: instead of waiting.
        """
        if pause_s is not None:
            self._paused_until = max(self._paused_until, time.monotonic() + pause_s)
        wait = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(attempt - 1, 10)) * random.uniform(0.5, 1)  # noqa: S311
        wait = wait if pause_s is None else pause_s
        if self.silence_s + wait > self.retry_for_s:
            asked = "" if pause_s is None else f"; the server asks to wait {pause_s:.0f} s"
            raise TransferError(f"gave up after {self.silence_s:.0f} s without a byte: {problem}{asked}")
        if self.stop.wait(wait):
            raise Stopped
