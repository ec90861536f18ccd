"""A few threads on one job, each with a connection of its own; the first error of any ends them all."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from quantpick.threads import start_daemons
from quantpick.transfer.net.http import Connection
from quantpick.transfer.net.patience import Patience, Stopped

_LOOK_S: Final = 0.05
"""Chosen: how soon an interruption is noticed, and how often `meanwhile` is called."""
_LAST_S: Final = 0.5
"""Chosen: how long the threads that are told to stop are waited for; one that still connects writes nothing more."""


class Crew:
    """The threads of one job.

    Args:
        patience: its `stop` ends them; looked at twenty times a second.
        is_limited: whether their rate is limited.
    """

    def __init__(self, patience: Patience, *, is_limited: bool = False) -> None:
        self._patience = patience
        self._is_limited = is_limited
        self._is_abandoned = False
        self._errors: list[BaseException] = []
        self._connections: list[Connection] = []

    @property
    def is_over(self) -> bool:
        """Whether the threads are to end."""
        return bool(self._errors) or self._is_abandoned or self._patience.stop.is_set()

    def run(self, count: int, work: Callable[[Connection], None], *, meanwhile: Callable[[], None]) -> None:
        """Have `count` threads work until each returns.

        Args:
            count: how many.
            work: what each does; looks at `is_over` often.
            meanwhile: called twenty times a second.

        Raises:
            Stopped: the job was told to stop.
            BaseException: what the first thread to fail raised.
        """
        threads = start_daemons([partial(self._work, work)] * count, name="crew")
        try:
            for thread in threads:
                while thread.is_alive() and not self.is_over:
                    thread.join(_LOOK_S)
                    self._patience.look()
                    meanwhile()
        except BaseException:
            self._is_abandoned = True
            raise
        finally:
            for connection in self._connections if self.is_over else ():
                connection.abort()
            deadline = time.monotonic() + _LAST_S
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
        if self._errors:
            raise self._errors[0]
        if self._patience.stop.is_set():
            raise Stopped

    def _work(self, work: Callable[[Connection], None]) -> None:
        connection = Connection(is_limited=self._is_limited)
        self._connections.append(connection)
        try:
            work(connection)
        except Stopped:
            pass
        except BaseException as error:
            self._errors.append(error)
        finally:
            connection.close()
