"""A few threads that a program which is interrupted need not wait for."""

import threading
from collections.abc import Callable, Sequence


def start_daemons(works: Sequence[Callable[[], None]], *, name: str) -> list[threading.Thread]:
    """Start a thread for each work.

    Daemon threads, not an executor, whose threads an interrupted program would wait for at its exit.
    """
    threads = [threading.Thread(target=work, daemon=True, name=name) for work in works]
    for thread in threads:
        thread.start()
    return threads
