"""How long a failing transfer is tried, how the threads of one transfer wait together, and what is said meanwhile."""

import random
import threading
import time
from collections.abc import Callable
from typing import Final

from quantpick.core import defaults
from quantpick.core.progress import DownloadProgress, Trouble
from quantpick.errors import TransferError
from quantpick.transfer.net.tempo import LOWEST_BYTES_PER_S
from quantpick.waits import SAID_AFTER_S

_FIRST_WAIT_S: Final = 0.25
"""Chosen: a connection that was cut by chance is back at once."""
_LONGEST_WAIT_S: Final = 5.0
"""Chosen. Of a single connection: the others go on meanwhile, and an outage should not be outlasted by long."""
_TRIES: Final = 8
"""Chosen: so often at least it is tried before patience ends."""
_SHORTEST_LOOK_S: Final = 3.0
"""Chosen: however short the patience, an answer may take this long."""
_LOOK_S: Final = 0.1
_WORTH_SAYING_S: Final = 2.0
"""Chosen: a shorter pause is over before it is read."""
_SLEPT_S: Final = 5.0
"""Chosen: nobody looked for so long, so that the machine or the process was asleep, and the server is not to blame."""


class Stopped(Exception):
    """The transfer was told to stop."""


class Patience:
    """The patience of one transfer: it ends when next to nothing came for `retry_for_s`.

    Next to nothing is less than `LOWEST_BYTES_PER_S` since the last time that more came.

    Args:
        retry_for_s: seconds after which to give up.
        stop: set from outside to end the transfer; every wait here ends with it.
        progress: told of troubles and retries.
    """

    def __init__(
        self,
        retry_for_s: float = defaults.RETRY_FOR_S,
        stop: threading.Event | None = None,
        progress: DownloadProgress | None = None,
    ) -> None:
        self.retry_for_s = retry_for_s
        self.stop = stop or threading.Event()
        self._progress = progress or DownloadProgress()
        self._silent_since = self._looked_at = time.monotonic()
        self._since_then_bytes = 0
        self._problem: str | None = None
        self._paused_until = 0.0

    def fresh(self) -> None:
        """Begin anew: something was finished, or what took the time was not the line."""
        self._silent_since = self._looked_at = time.monotonic()
        self._since_then_bytes = 0
        self._problem = None
        if self._progress.trouble is not None:
            self._progress.trouble = None

    def came(self, count: int) -> None:
        """Note that bytes arrived that were not there before."""
        self._since_then_bytes += count
        if self._since_then_bytes >= LOWEST_BYTES_PER_S * self.silence_s:
            self.fresh()

    @property
    def silence_s(self) -> float:
        """Seconds in which next to nothing came."""
        return time.monotonic() - self._silent_since

    @property
    def gives_up_at_s(self) -> float:
        """When patience ends unless something comes, on the monotonic clock."""
        return self._silent_since + self.retry_for_s

    def look(self) -> None:
        """Say what is waited for, if it is for long; to be called several times a second.

        Raises:
            TransferError: patience has ended.
        """
        now = time.monotonic()
        if now - self._looked_at > _SLEPT_S:
            self._silent_since += now - self._looked_at
        self._looked_at = now
        if self.silence_s > max(self.retry_for_s, _SHORTEST_LOOK_S) and now >= self._paused_until:
            raise self._given_up(self._problem or "the server does not answer")
        if self._progress.trouble is None and self.silence_s > SAID_AFTER_S:
            self._progress.trouble = Trouble("the server is slow to answer", 0, self.gives_up_at_s)

    def wait_for_turn(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Sit out a pause that a server asked all connections for.

        Raises:
            Stopped: instead of going on.
        """
        self._wait_until(self._paused_until, is_over)

    def failed(
        self,
        problem: str,
        attempt: int,
        *,
        pause_s: float | None = None,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wait before the next attempt: as long as the server asked, and then everyone; longer each time at least.

        Args:
            problem: what went wrong, for the screen, and for the message when patience ends.
            attempt: how often in a row it has, from 1; 0 for a failure that brought bytes.
            pause_s: what the server asked for.
            is_over: ends the waiting early.

        Raises:
            TransferError: nothing came for too long, or the pause would outlast that.
            Stopped: instead of waiting.
        """
        longest = min(_LONGEST_WAIT_S, self.retry_for_s / _TRIES)
        wait = min(longest, _FIRST_WAIT_S * 2 ** min(attempt - 1, 10)) * random.uniform(0.5, 1)  # noqa: S311
        if pause_s is not None:
            wait = max(wait, pause_s)
            self._paused_until = max(self._paused_until, time.monotonic() + wait)
        self._problem = problem
        if self.silence_s + wait > self.retry_for_s:
            raise self._given_up(problem if pause_s is None else f"{problem}; the server asks to wait {pause_s:.0f} s")
        self._progress.retries += 1
        before = self._progress.trouble
        # Each connection counts its own; what is shown does not go back.
        often = max(attempt, before.retries if before else 0)
        asked = f"; the server asks to wait {pause_s:.0f} s" if pause_s and pause_s >= _WORTH_SAYING_S else ""
        self._progress.trouble = Trouble(f"{problem}{asked}", often, self.gives_up_at_s)
        self._wait_until(time.monotonic() + wait, is_over)

    def _wait_until(self, when: float, is_over: Callable[[], bool]) -> None:
        while (left := when - time.monotonic()) > 0 and not is_over():
            if self.stop.wait(min(left, _LOOK_S)):
                break
        if self.stop.is_set():
            raise Stopped

    def _given_up(self, problem: str) -> TransferError:
        return TransferError(f"gave up after {self.silence_s:.0f} s with almost no bytes: {problem}")
