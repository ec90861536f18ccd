"""Small files of our own, read and written so that neither a crash nor a planted file does harm.

A record is whole or absent: it is written beside its name, put on the disk, and renamed. What is read is a regular file
of bounded size, whatever lies there: no link is followed, no pipe or device waited for.
"""

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

TEMPORARY: Final = ".quantpick.tmp"
"""The ending of what is being written; one that is left belongs to a process that was killed."""


def read_small(path: Path, limit_bytes: int) -> bytes | None:
    """The content of a regular file; None where there is none, it is larger than the limit, or it cannot be read."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            content = file.read(limit_bytes + 1)
    except (OSError, ValueError):
        return None
    return content if len(content) <= limit_bytes else None


def write_atomically(path: Path, content: bytes) -> None:
    """Give a file this content, so that a crash or a power loss leaves the old one or the new one.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=TEMPORARY)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
