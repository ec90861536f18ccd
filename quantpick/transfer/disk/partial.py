"""The partial file: bytes at their final place, a journal of which are there, and the way to the final name."""

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from quantpick.core.repo import RepoFile
from quantpick.core.units import MIB, format_gb
from quantpick.errors import DiskError
from quantpick.files import sync_folder
from quantpick.transfer.disk.journal import BLOCK_BYTES, Journal

SYNC_EVERY_BYTES: Final = 512 * MIB
"""What a power loss can take; syncing as often as this costs no measurable speed on ext4."""

_DISK_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM})


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what a full or read-only disk raises into the error that says so.

    Raises:
        DiskError: the disk is full or cannot be written; what is there is kept.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_ERRORS and not isinstance(error, FileExistsError | NotADirectoryError):
            raise
        free = ""
        with contextlib.suppress(OSError):
            free = f" ({format_gb(shutil.disk_usage(path.parent).free)} free)"
        raise DiskError(f"cannot write `{path}`: {error.strerror}{free}", hint="what arrived is kept") from error


class PartialFile:
    """A file on its way; a context manager. One process at a time: who uses it holds the Hub's lock.

    Args:
        path: the partial file itself; its journal lies beside it.
        file: what it will be.

    Raises:
        DiskError: it cannot be made.
    """

    def __init__(self, path: Path, file: RepoFile) -> None:
        self.path = path
        self.file = file
        self._syncing = threading.Lock()
        self._since_sync = 0
        with disk_errors(path):
            _remove_stale_links(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            existed = path.exists() and path.stat().st_size == file.size_bytes
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
            try:
                os.ftruncate(self._fd, file.size_bytes)
                self.journal = Journal(
                    path.with_name(path.name + ".journal"),
                    identity=file.sha256 or file.blob_sha1,
                    size_bytes=file.size_bytes,
                    trusted=existed,
                )
            except BaseException:
                os.close(self._fd)
                raise
            os.fsync(self._fd)
            sync_folder(path.parent)

    def __enter__(self) -> "PartialFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.close()
        descriptor, self._fd = self._fd, -1
        os.close(descriptor)

    def write(self, offset: int, data: memoryview) -> None:
        """Put bytes at their place and mark each block that ends among them.

        A block's bytes must be written in order; two threads may write different blocks.

        Raises:
            DiskError: the disk is full.
        """
        with disk_errors(self.path):
            written = 0
            while written < len(data):
                written += _pwrite(self._fd, data[written:], offset + written)
        end = offset + len(data)
        first = offset // BLOCK_BYTES
        last = self.journal.blocks if end == self.file.size_bytes else end // BLOCK_BYTES
        for block in range(first, last):
            self.journal.mark_written(block)
            self._since_sync += BLOCK_BYTES

    def read_block(self, block: int, buffer: memoryview) -> memoryview:
        """The bytes of a block, in the buffer."""
        start, end = self.journal.span(block)
        count = 0
        while count < end - start:
            piece = _pread(self._fd, buffer[count : end - start], start + count)
            if piece == 0:
                break
            count += piece
        return buffer[:count]

    def sync_now_and_then(self) -> None:
        """Sync when enough has come since the last time."""
        if self._since_sync >= SYNC_EVERY_BYTES:
            self.sync()

    def sync(self) -> None:
        """Put everything on the disk, then note in the journal that it is there."""
        with self._syncing, disk_errors(self.path):
            self._since_sync = 0
            blocks = self.journal.unsynced()
            getattr(os, "fdatasync", os.fsync)(self._fd)
            self.journal.mark_synced(blocks)

    def adopt(self, seen_before: set[int]) -> set[int]:
        """Mark the blocks that another process wrote into the file's holes, if they were seen filled before as well.

        A file system shows a hole as filled a moment before the bytes are in it; hence twice. One that keeps zeros as
        holes hides them: such blocks stay missing and are fetched again.

        Args:
            seen_before: what the last call returned.

        Returns:
            All missing blocks that are filled now, for the next call.
        """
        filled: set[int] = set()
        for start, end in _extents(self._fd, self.file.size_bytes):
            last = self.journal.blocks if end >= self.file.size_bytes else end // BLOCK_BYTES
            filled.update(block for block in range(-(-start // BLOCK_BYTES), last) if not self.journal.holds(block))
        for block in filled & seen_before:
            self.journal.mark_written(block)
            self._since_sync += BLOCK_BYTES
        return filled

    def finish(self, final: Path) -> None:
        """Give the complete, verified file its final name, so that a power loss leaves one or the other."""
        with disk_errors(final):
            os.fsync(self._fd)
            final.parent.mkdir(parents=True, exist_ok=True)
            self.path.replace(final)
            sync_folder(final.parent)
            self.journal.path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove it with its journal: its content is wrong."""
        self.journal.path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def holes_can_be_seen(folder: Path) -> bool:
    """Whether this file system has hard links and tells holes from data: tried on a scratch file.

    On macOS, Windows and file systems such as vfat or some NFS it says no.
    """
    probe, link = folder / f".probe-{os.getpid()}", folder / f".probe-{os.getpid()}-link"
    try:
        with probe.open("w+b") as file:
            file.truncate(4 * MIB)
            _pwrite(file.fileno(), memoryview(b"x" * 4096), 2 * MIB)
            os.link(probe, link)
            return list(_extents(file.fileno(), 4 * MIB)) == [(2 * MIB, 2 * MIB + 4096)]
    except (OSError, AttributeError):
        return False
    finally:
        for path in (probe, link):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def allocated_bytes(path: Path) -> int:
    """Bytes of disk that a partial file has already; 0 when there is none."""
    try:
        state = path.stat()
    except OSError:
        return 0
    return getattr(state, "st_blocks", 0) * 512


def _extents(fd: int, size_bytes: int) -> Iterator[tuple[int, int]]:
    """The stretches of a file that are no holes."""
    position = 0
    while position < size_bytes:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        position = min(os.lseek(fd, start, os.SEEK_HOLE), size_bytes)
        yield start, position


_seek_lock = threading.Lock()


def _pwrite(fd: int, data: memoryview, offset: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(fd, data, offset)
    with _seek_lock:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)


def _pread(fd: int, buffer: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(fd, [buffer], offset)
    with _seek_lock:
        os.lseek(fd, offset, os.SEEK_SET)
        data = os.read(fd, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def _remove_stale_links(path: Path) -> None:
    """Hard links and probes of transfers that were killed: the process that made them is gone."""
    for probe in path.parent.glob(".probe-*"):
        probe.unlink(missing_ok=True)
    for link in path.parent.glob(path.name.replace("[", "[[]") + ".link-*"):
        link.unlink(missing_ok=True)
