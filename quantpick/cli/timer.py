"""A time limit for a whole command."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from quantpick.errors import TransferError, UsageError

MAX_SECONDS = 10**8
"""Three years: more is a typo, and more than a timer can count."""


@contextmanager
def within(seconds: float | None) -> Iterator[threading.Event]:
    """An event that ends a download, set when the time is up; None sets no limit.

    Raises:
        UsageError: the time is out of bounds.
        TransferError: the time was up first.
    """
    stop = threading.Event()
    if seconds is None:
        yield stop
        return
    if not 0 < seconds <= MAX_SECONDS:
        raise UsageError(f"`--timeout {seconds:g}`: seconds, above 0", hint="--timeout 3600")
    timer = threading.Timer(seconds, stop.set)
    timer.daemon = True
    timer.start()
    try:
        yield stop
    except KeyboardInterrupt as interrupt:
        if stop.is_set():
            message = f"not done within the {seconds:g} s of `--timeout`; what arrived is kept"
            raise TransferError(message, hint="run the same command again") from interrupt
        raise
    finally:
        timer.cancel()
