"""The two hashes the Hub publishes: sha256 of large files, git's blob sha1 of small ones."""

import hashlib
import threading
from pathlib import Path
from typing import Final

from quantpick.core.repo import RepoFile
from quantpick.core.units import MIB

_PIECE_BYTES: Final = 4 * MIB


class FileHash:
    """The running hash of a file whose content should be `file`."""

    def __init__(self, file: RepoFile) -> None:
        self._expected = file.sha256 or file.blob_sha1
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


def file_matches(path: Path, file: RepoFile, *, stop: threading.Event | None = None) -> bool:
    """Whether the file on disk has the size and the hash that the Hub has for it.

    Args:
        path: on disk.
        file: what it should be.
        stop: ends the reading early, with False.

    Raises:
        OSError: it cannot be read.
    """
    if path.stat().st_size != file.size_bytes:
        return False
    running = FileHash(file)
    buffer = memoryview(bytearray(_PIECE_BYTES))
    with path.open("rb", buffering=0) as content:
        while count := content.readinto(buffer):
            running.update(buffer[:count])
            if stop is not None and stop.is_set():
                return False
    return running.matches
