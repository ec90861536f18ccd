"""Where a child process writes: a file in memory that is emptied as fast as it fills.

The child never has the partial file. What it wrote is copied there once, and only what was copied is hashed, so that
nothing it does later can change a byte that was counted. The file has no name, so that nothing of it is left behind,
and it cannot grow beyond its size. Linux only (memfd_create(2), and the holes of its file system, tmpfs).
"""

import contextlib
import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from typing import Final

from quantpick.transfer.disk.journal import BLOCK_BYTES

_PUNCH: Final = 1 | 2
"""``FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE`` (``linux/falloc.h``)."""
_SEALS: Final = 2 | 4
"""``F_SEAL_SHRINK | F_SEAL_GROW`` (``linux/fcntl.h``)."""


def is_possible() -> bool:
    """Whether this system has such files."""
    try:
        with Scratch(2 * BLOCK_BYTES) as scratch:
            os.pwrite(scratch.descriptor, bytes(BLOCK_BYTES), BLOCK_BYTES)
            return os.path.exists(scratch.path) and list(scratch.filled()) == [1]
    except (OSError, AttributeError, ValueError):
        return False


class Scratch:
    """The file; a context manager.

    Args:
        size_bytes: its size; what was not written takes no memory.

    Raises:
        OSError, AttributeError: this system has no such files.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.descriptor = os.memfd_create("quantpick", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.descriptor, size_bytes)
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)
            self._libc = ctypes.CDLL(None, use_errno=True)
        except BaseException:
            os.close(self.descriptor)
            raise

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    @property
    def path(self) -> str:
        """Its name in a process that has the same descriptor."""
        return f"/proc/self/fd/{self.descriptor}"

    def filled(self) -> Iterator[int]:
        """The blocks that are written to their last page, in order. A page counts once its bytes are in it."""
        position = 0
        while position < self.size_bytes:
            try:
                start = os.lseek(self.descriptor, position, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return
                raise
            position = min(os.lseek(self.descriptor, start, os.SEEK_HOLE), self.size_bytes)
            for block in range(-(-start // BLOCK_BYTES), -(-position // BLOCK_BYTES)):
                if min((block + 1) * BLOCK_BYTES, self.size_bytes) <= position:
                    yield block

    def take(self, block: int, buffer: memoryview) -> memoryview:
        """The bytes of a filled block, which is empty afterwards."""
        start = block * BLOCK_BYTES
        size = min(BLOCK_BYTES, self.size_bytes - start)
        count = 0
        while count < size:
            count += os.preadv(self.descriptor, [buffer[count:size]], start + count)
        with contextlib.suppress(OSError):
            self._libc.fallocate(self.descriptor, _PUNCH, ctypes.c_long(start), ctypes.c_long(BLOCK_BYTES))
        return buffer[:size]
