"""The two hashes the Hub publishes: sha256 of large files, git's blob sha1 of small ones."""

import hashlib
import os
import threading
from io import FileIO
from pathlib import Path
from typing import Final

from quantpick.core.repo import RepoFile
from quantpick.core.units import MIB
from quantpick.files import NoRegularFileError, open_regular
from quantpick.transfer.disk.trouble import disk_errors

_PIECE_BYTES: Final = 4 * MIB


class FileHash:
    """The running hash of a file whose content should be `file`."""

    def __init__(self, file: RepoFile) -> None:
        self._expected = file.identity
        if file.sha256 is not None:
            self._hash = hashlib.sha256()
        else:
            self._hash = hashlib.sha1(b"blob %d\0" % file.size_bytes, usedforsecurity=False)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Add the next bytes."""
        self._hash.update(data)

    @property
    def matches(self) -> bool:
        """Whether what was added is the whole right content."""
        return self._hash.hexdigest() == self._expected


def file_matches(path: Path, file: RepoFile, *, stop: threading.Event | None = None, follow: bool = True) -> bool:
    """Whether a regular file on disk has the size and the hash that the Hub has for it.

    Args:
        path: on disk. Anything but a regular file does not match; nothing is waited for.
        file: what it should be.
        stop: ends the reading early, with False.
        follow: whether the path may be a link to the file.

    Raises:
        FileNotFoundError: there is none.
        DiskError: it cannot be read.
    """
    try:
        with disk_errors(path), open(_opened(path, follow=follow), "rb", buffering=0) as content:
            return os.fstat(content.fileno()).st_size == file.size_bytes and _hash_matches(content, file, stop)
    except _NotThere as error:
        raise FileNotFoundError(2, "no such file", str(path)) from error
    except _NoFile:
        return False


class _NotThere(Exception):
    """There is nothing under the path."""


class _NoFile(Exception):
    """What lies there is no regular file."""


def _opened(path: Path, *, follow: bool) -> int:
    try:
        return open_regular(path, follow=follow)
    except FileNotFoundError as error:
        raise _NotThere from error
    except OSError as error:
        if isinstance(error, NoRegularFileError | IsADirectoryError) or path.is_symlink():
            raise _NoFile from error
        raise


def _hash_matches(content: FileIO, file: RepoFile, stop: threading.Event | None) -> bool:
    running = FileHash(file)
    buffer = memoryview(bytearray(_PIECE_BYTES))
    left = file.size_bytes
    while count := content.readinto(buffer):
        running.update(buffer[:count])
        left -= count
        if left < 0 or (stop is not None and stop.is_set()):
            return False
    return running.matches
