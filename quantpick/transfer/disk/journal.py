"""Which blocks of a partial file hold their bytes: a sidecar that survives SIGKILL and knows what a power loss takes.

4096 bytes of JSON that say what the file is, then five bytes for each block of 1 MiB: a mark, and the checksum of what
was received. A mark says that the bytes were handed to the system, which keeps them when the process is killed, or that
they were put on the disk. Those that were not are compared with their checksums when the file is taken up again: a
machine that lost power, or a disk that was unplugged, has lost some of them. The others are compared when the whole has
the wrong hash, which finds what was damaged meanwhile.

Marks are written, not mapped into memory: a disk that is full or a file that somebody cuts off is then an error that
can be told, where a mapping ends the process with SIGBUS.
"""

import json
import os
import struct
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from quantpick.core.units import MIB
from quantpick.files import open_own
from quantpick.transfer.disk.trouble import disk_errors

BLOCK_BYTES: Final = MIB
MISSING, WRITTEN, SYNCED = 0, 1, 2

_HEAD_BYTES: Final = 4096
_VERSION: Final = 2
_ENTRY: Final = struct.Struct("<BI")


class Journal:
    """The marks of one partial file; a context manager.

    A journal that is damaged, of another size or of another file starts from nothing.

    Args:
        path: the sidecar.
        identity: what the file will be: its hash.
        size_bytes: its size.
        trusted: whether the partial file was there before; without it no mark can be true.

    Raises:
        DiskError: it cannot be made.
    """

    def __init__(self, path: Path, *, identity: str, size_bytes: int, trusted: bool) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self.blocks = -(-size_bytes // BLOCK_BYTES)
        self._table = bytearray(self.blocks * _ENTRY.size)
        self._writing = threading.Lock()
        expected = {"version": _VERSION, "identity": identity, "size_bytes": size_bytes, "block_bytes": BLOCK_BYTES}
        with disk_errors(path):
            self._fd, existed = open_own(path)
            try:
                if not (existed and trusted and self._take_over(expected)):
                    os.ftruncate(self._fd, 0)
                    _write(self._fd, json.dumps(expected).encode().ljust(_HEAD_BYTES), 0)
                    _write(self._fd, self._table, _HEAD_BYTES)
                os.fsync(self._fd)
            except BaseException:
                os.close(self._fd)
                raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; the sidecar stays."""
        descriptor, self._fd = self._fd, -1
        os.close(descriptor)

    def holds(self, block: int) -> bool:
        """Whether a block has its bytes."""
        return self._table[block * _ENTRY.size] != MISSING

    def checksum(self, block: int) -> int:
        """The CRC-32 of what was received of a block that has its bytes."""
        return int(_ENTRY.unpack_from(self._table, block * _ENTRY.size)[1])

    def mark_written(self, block: int, checksum: int) -> None:
        """Note that a block has its bytes.

        Args:
            block: its number.
            checksum: their CRC-32.

        Raises:
            DiskError: it cannot be noted.
        """
        with self._writing:
            if not self.holds(block):
                self._note(block, WRITTEN, checksum)

    def forget(self, blocks: Iterable[int] | None = None) -> None:
        """Believe blocks no more: they are not what was received, or the whole was wrong (None).

        Raises:
            DiskError: it cannot be noted.
        """
        with self._writing:
            for block in range(self.blocks) if blocks is None else blocks:
                if self.holds(block):
                    self._note(block, MISSING, 0)

    def unsynced(self) -> list[int]:
        """The blocks that a power loss would take."""
        return self._marked(WRITTEN)

    def mark_synced(self, blocks: list[int]) -> None:
        """Note that blocks which were `unsynced` before the file was synced are on the disk now.

        Raises:
            DiskError: it cannot be noted.
        """
        if not blocks:
            return
        with disk_errors(self.path):
            with self._writing:
                for block in blocks:
                    self._table[block * _ENTRY.size] = SYNCED
                first, end = min(blocks) * _ENTRY.size, (max(blocks) + 1) * _ENTRY.size
                _write(self._fd, self._table[first:end], _HEAD_BYTES + first)
            os.fsync(self._fd)

    def span(self, block: int) -> tuple[int, int]:
        """The first byte of a block and the one after its last."""
        return block * BLOCK_BYTES, min((block + 1) * BLOCK_BYTES, self.size_bytes)

    def held(self) -> list[int]:
        """The blocks that have their bytes."""
        return [block for block in range(self.blocks) if self.holds(block)]

    def missing(self) -> Iterator[tuple[int, int]]:
        """The stretches without their bytes, as first byte and the one after the last."""
        start = None
        for block in range(self.blocks + 1):
            absent = block < self.blocks and not self.holds(block)
            if absent and start is None:
                start = block
            elif not absent and start is not None:
                yield start * BLOCK_BYTES, min(block * BLOCK_BYTES, self.size_bytes)
                start = None

    @property
    def held_bytes(self) -> int:
        """How many bytes are there; asked often, so counted at once."""
        held = (self.blocks - self._table[:: _ENTRY.size].count(MISSING)) * BLOCK_BYTES
        last_is_short = self.blocks > 0 and self.holds(self.blocks - 1)
        return held - (self.blocks * BLOCK_BYTES - self.size_bytes if last_is_short else 0)

    def _marked(self, mark: int) -> list[int]:
        return [block for block, found in enumerate(self._table[:: _ENTRY.size]) if found == mark]

    def _note(self, block: int, mark: int, checksum: int) -> None:
        """Set an entry, first on the disk and then here: who reads it here finds it there."""
        entry = _ENTRY.pack(mark, checksum)
        with disk_errors(self.path):
            _write(self._fd, entry, _HEAD_BYTES + block * _ENTRY.size)
        # The mark last: whoever sees it may ask for the checksum.
        at = block * _ENTRY.size
        self._table[at + 1 : at + _ENTRY.size] = entry[1:]
        self._table[at] = mark

    def _take_over(self, expected: dict[str, Any]) -> bool:
        """Take the marks of an earlier run, where they are of this file; whether they are."""
        size_bytes = _HEAD_BYTES + len(self._table)
        if os.fstat(self._fd).st_size != size_bytes:
            return False
        with open(os.dup(self._fd), "rb") as file:
            content = file.read(size_bytes)
        try:
            head = json.loads(content[:_HEAD_BYTES])
        except (ValueError, RecursionError):
            return False
        if head != expected:
            return False
        self._table[:] = content[_HEAD_BYTES:]
        self.forget(block for block in range(self.blocks) if self._table[block * _ENTRY.size] not in (WRITTEN, SYNCED))
        return True


def _write(fd: int, data: bytes | bytearray, offset: int) -> None:
    """All of the data at its place."""
    if hasattr(os, "pwrite"):
        written = 0
        while written < len(data):
            written += os.pwrite(fd, memoryview(data)[written:], offset + written)
        return
    os.lseek(fd, offset, os.SEEK_SET)
    os.write(fd, data)
