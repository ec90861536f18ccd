"""What a command waits for before it has an answer, said to whoever listens.

The command line listens; the Python API has nobody who does, and prints nothing.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Final

Listener = Callable[[str], None]
SAID_AFTER_S: Final = 1.5
"""Chosen: silence of two seconds is on the screen."""


def _nobody(_: str) -> None:
    return


_listener: ContextVar[Listener] = ContextVar("listener", default=_nobody)


@contextlib.contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Have a listener be told as long as the block runs."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


class Teller:
    """Tells each thing once; for many threads. The listener is whoever listens when it is made."""

    def __init__(self) -> None:
        self._listener = _listener.get()
        self._told: set[str] = set()

    def tell(self, what: str) -> None:
        """Tell it, if it is new: ``waiting for `huggingface.co```."""
        if what not in self._told:
            self._told.add(what)
            self._listener(what)
