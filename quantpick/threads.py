"""Threads that an interrupted program need not wait for."""

import errno
import threading
from collections.abc import Callable, Sequence


def start_daemons(works: Sequence[Callable[[], None]], *, name: str) -> list[threading.Thread]:
    """Start a daemon thread for each piece of work.

    Not an executor: an interrupted program would wait for its threads at exit.

    Raises:
        OSError: the system has no room for another (``ulimit -u``, ``ulimit -v``).
    """
    threads = [threading.Thread(target=work, daemon=True, name=name) for work in works]
    for thread in threads:
        try:
            thread.start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, "no more threads can be started") from error
    return threads
