"""Which blocks of a partial file hold their bytes: a sidecar that survives SIGKILL and knows what a power loss takes.

4096 bytes of JSON that say what the file is, then nine bytes for each block of 1 MiB: a mark, the checksum of what
was received, and of a block that is only begun how much that is. A mark says that the bytes were handed to the
system, which keeps them when the process is killed, or that they were put on the disk. Those that were not, and the
begun blocks, are compared with their checksums when the file is taken up again: a machine that lost power, or a disk
that was unplugged, has lost some of them. The others are compared when the whole has the wrong hash, which finds what
was damaged meanwhile.

When the file is complete its journal is kept elsewhere, as the checksums of its blocks: what is damaged later can be
told from what is sound, and that alone is fetched again.

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
from quantpick.files import make_folder, open_own, read_small
from quantpick.transfer.disk.trouble import disk_errors

BLOCK_BYTES: Final = MIB
MISSING, WRITTEN, SYNCED, BEGUN = 0, 1, 2, 3

_HEAD_BYTES: Final = 4096
_VERSION: Final = 3
_ENTRY: Final = struct.Struct("<BII")


class Journal:
    """The marks of one partial file; a context manager.

    A journal that is damaged, of another size, of another file or of another version starts from nothing.

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
        self._begun: dict[int, tuple[int, int]] = {}
        """Of each block that is begun: how many bytes, and their checksum; what is in the sidecar may be older."""
        expected = _head(identity, size_bytes)
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
        return self._table[block * _ENTRY.size] in (WRITTEN, SYNCED)

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
            self._begun.pop(block, None)

    def begin(self, block: int, size_bytes: int, checksum: int) -> None:
        """Remember that the first bytes of a block are there; `note_begun` notes it.

        Args:
            block: its number.
            size_bytes: how many, fewer than it has.
            checksum: their CRC-32.
        """
        self._begun[block] = (size_bytes, checksum)

    def begun(self, block: int) -> tuple[int, int]:
        """How many bytes of an unfinished block are there, and their CRC-32."""
        return self._begun.get(block, (0, 0))

    def all_begun(self) -> list[int]:
        """The blocks of which only the first bytes are there."""
        return [block for block in list(self._begun) if not self.holds(block)]

    def note_begun(self) -> None:
        """Note how far the blocks are that are begun: every two seconds, and at the end.

        Raises:
            DiskError: it cannot be noted.
        """
        with self._writing:
            for block in self.all_begun():
                size_bytes, checksum = self.begun(block)
                self._note(block, BEGUN, checksum, size_bytes)

    def forget(self, blocks: Iterable[int] | None = None) -> None:
        """Believe blocks no more: they are not what was received, or the whole was wrong (None).

        Raises:
            DiskError: it cannot be noted.
        """
        with self._writing:
            for block in range(self.blocks) if blocks is None else blocks:
                self._begun.pop(block, None)
                if self._table[block * _ENTRY.size] != MISSING:
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
        """The stretches without their bytes, as first byte and the one after the last; a begun block lacks its rest."""
        start = None
        for block in range(self.blocks + 1):
            first = min(block * BLOCK_BYTES, self.size_bytes)
            absent = block < self.blocks and not self.holds(block)
            there = self.begun(block)[0] if absent else 0
            if start is not None and (there or not absent):
                yield start, first
                start = None
            if absent and start is None:
                start = first + there

    @property
    def held_bytes(self) -> int:
        """How many bytes are there, those of begun blocks among them; asked often, so counted at once."""
        marks = self._table[:: _ENTRY.size]
        held = (marks.count(WRITTEN) + marks.count(SYNCED)) * BLOCK_BYTES
        if self.blocks > 0 and self.holds(self.blocks - 1):
            held -= self.blocks * BLOCK_BYTES - self.size_bytes
        return held + sum(self.begun(block)[0] for block in self.all_begun())

    def _marked(self, mark: int) -> list[int]:
        return [block for block, found in enumerate(self._table[:: _ENTRY.size]) if found == mark]

    def _note(self, block: int, mark: int, checksum: int, size_bytes: int = 0) -> None:
        """Set an entry, first on the disk and then here: who reads it here finds it there."""
        entry = _ENTRY.pack(mark, checksum, size_bytes)
        with disk_errors(self.path):
            _write(self._fd, entry, _HEAD_BYTES + block * _ENTRY.size)
        # The mark last: whoever sees it may ask for the checksum.
        at = block * _ENTRY.size
        self._table[at + 1 : at + _ENTRY.size] = entry[1:]
        self._table[at] = mark

    def keep(self, path: Path) -> None:
        """Leave the checksums under another name, now that the file is complete. Where that cannot be they are lost."""
        try:
            make_folder(path.parent)
            os.replace(self.path, path)
        except OSError:
            self.path.unlink(missing_ok=True)

    def _take_over(self, expected: dict[str, Any]) -> bool:
        """Take the marks of an earlier run, where they are of this file; whether they are."""
        size_bytes = _HEAD_BYTES + len(self._table)
        if os.fstat(self._fd).st_size != size_bytes:
            return False
        with open(os.dup(self._fd), "rb") as file:
            table = _table(file.read(size_bytes), expected)
        if table is None:
            return False
        self._table[:] = table
        for block in range(self.blocks):
            mark, checksum, begun_bytes = _ENTRY.unpack_from(self._table, block * _ENTRY.size)
            start, end = self.span(block)
            if mark == BEGUN and 0 < begun_bytes < end - start:
                self.begin(block, begun_bytes, checksum)
            elif mark not in (MISSING, WRITTEN, SYNCED):
                self.forget([block])
        return True


def read_sums(path: Path, *, identity: str, size_bytes: int) -> dict[int, int]:
    """The CRC-32 of each block of a complete file, by its number, as its journal had them; none where none are kept.

    Args:
        path: where the journal was kept.
        identity: the file's hash.
        size_bytes: its size.
    """
    blocks = -(-size_bytes // BLOCK_BYTES)
    table = _table(read_small(path, _HEAD_BYTES + blocks * _ENTRY.size) or b"", _head(identity, size_bytes))
    if table is None or len(table) != blocks * _ENTRY.size:
        return {}
    entries = enumerate(_ENTRY.iter_unpack(table))
    return {block: checksum for block, (mark, checksum, _) in entries if mark in (WRITTEN, SYNCED)}


def _head(identity: str, size_bytes: int) -> dict[str, Any]:
    return {"version": _VERSION, "identity": identity, "size_bytes": size_bytes, "block_bytes": BLOCK_BYTES}


def _table(content: bytes, expected: dict[str, Any]) -> bytes | None:
    """The entries of a journal, where it is of the file that is expected."""
    try:
        head = json.loads(content[:_HEAD_BYTES])
    except (ValueError, RecursionError):
        return None
    return content[_HEAD_BYTES:] if head == expected else None


def _write(fd: int, data: bytes | bytearray, offset: int) -> None:
    """All of the data at its place."""
    if hasattr(os, "pwrite"):
        written = 0
        while written < len(data):
            written += os.pwrite(fd, memoryview(data)[written:], offset + written)
        return
    os.lseek(fd, offset, os.SEEK_SET)
    os.write(fd, data)
