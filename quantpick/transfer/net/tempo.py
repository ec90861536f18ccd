"""How slow a connection may be: measured while it is waited for, in an answer's head as in its body."""

import io
import socket
import time
from typing import Final

HEAD_S: Final = 20.0
"""Chosen: within so many seconds the whole head of an answer must be there."""
MIRROR_HEAD_S: Final = 60.0
"""The same where a Hub or mirror serves the bytes itself: olah fetches blocks of 64 MiB, and who asks for one that
another fetches, or for the end of one, waits until it is there. olah 0.5.4 sends the head after 5 s all the same
(``HEADER_HOLD_TIMEOUT``), so the first byte of the body has as long again."""
LOWEST_BYTES_PER_S: Final = 1024
"""Chosen, far below any line that could bring a model. curl's ``--speed-limit`` and aria2's ``--lowest-speed-limit``
are off unless they are asked for."""
_WINDOW_S: Final = 20.0
"""Chosen: a connection that says next to nothing for so long is given up."""


class TooSlow(OSError):
    """A connection that is slower than any line worth waiting for."""


class Tempo:
    """The patience with one connection; time that nobody waits for it does not count."""

    def __init__(self) -> None:
        self._head_by: float | None = None
        self._window_s = _WINDOW_S
        self._has_begun = False
        """Whether anything of the body came."""
        self._waited_s = 0.0
        self._got_bytes = 0

    def expect_head(self, seconds: float) -> None:
        """From now on the head of an answer is waited for, so long at most."""
        self._head_by = time.monotonic() + seconds

    def expect_body(self, first_s: float = _WINDOW_S) -> None:
        """From now on a body is read, whose first byte may take so many seconds."""
        self._head_by = None
        self._has_begun, self._window_s = False, first_s
        self._waited_s, self._got_bytes = 0.0, 0

    @property
    def timeout_s(self) -> float:
        """How long the next read may take.

        Raises:
            TooSlow: no longer at all.
        """
        left = self._window_s - self._waited_s if self._head_by is None else self._head_by - time.monotonic()
        if left <= 0:
            raise TooSlow("the server is too slow")
        return left

    def got(self, count: int, waited_s: float) -> None:
        """Note that a read brought so many bytes after so many seconds."""
        if count and not self._has_begun:
            self._has_begun, self._window_s = True, _WINDOW_S
        else:
            self._waited_s += waited_s
        self._got_bytes += count
        if self._got_bytes >= LOWEST_BYTES_PER_S * _WINDOW_S:
            self._waited_s, self._got_bytes = 0.0, 0


class TimedSocket(io.RawIOBase):
    """The reading side of a socket, held to a tempo.

    Args:
        raw: the unbuffered file of the socket, which keeps it open.
        sock: the socket.
        tempo: its patience.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, tempo: Tempo) -> None:
        self._raw = raw
        self._sock = sock
        self._tempo = tempo

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        """Read what is there, or wait for it as long as the tempo allows."""
        self._sock.settimeout(self._tempo.timeout_s)
        began = time.monotonic()
        count = self._raw.readinto(buffer)
        self._tempo.got(count or 0, time.monotonic() - began)
        return count

    def close(self) -> None:
        """Let the socket go."""
        self._raw.close()
        super().close()
