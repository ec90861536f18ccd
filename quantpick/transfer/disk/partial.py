"""The partial file: bytes at their final place, a journal of which are there, and the way to the final name."""

import contextlib
import os
import re
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from quantpick.core.repo import RepoFile
from quantpick.core.units import MIB
from quantpick.errors import DiskError
from quantpick.files import make_folder, open_own, open_regular, sync_folder
from quantpick.transfer.disk.journal import BLOCK_BYTES, Journal, read_sums
from quantpick.transfer.disk.trouble import disk_errors

SYNC_EVERY_BYTES: Final = 512 * MIB
"""What a power loss can take on a fast line; syncing as often as this costs no measurable speed on ext4."""
SYNC_EVERY_S: Final = 2.0
"""What it can take on a slow one, in time; chosen: two seconds of any line."""


class PartialFile:
    """A file on its way; a context manager. One process at a time: who uses it holds the Hub's lock.

    Args:
        path: the partial file itself; its journal lies beside it.
        file: what it will be.
        sums: where the checksums of its blocks are kept when it is complete, on the same file system; None for nowhere.

    Raises:
        DiskError: it cannot be made.
    """

    def __init__(self, path: Path, file: RepoFile, *, sums: Path | None = None) -> None:
        self.path = path
        self.file = file
        self._sums_path = sums
        self._syncing = threading.Lock()
        self._unsure: dict[int, int] = {}
        """The checksums of blocks that are being written, as far as they are, and are not kept unfinished."""
        self._since_sync = 0
        self._synced_at = time.monotonic()
        with disk_errors(path):
            make_folder(path.parent)
            _remove_stale_links(path)
            self._fd, existed = open_own(path)
            try:
                there_bytes = os.fstat(self._fd).st_size
                os.ftruncate(self._fd, file.size_bytes)
                self.journal = Journal(
                    journal_path(path), identity=file.identity, size_bytes=file.size_bytes, trusted=existed
                )
            except BaseException:
                os.close(self._fd)
                raise
            if there_bytes != file.size_bytes:
                # Somebody cut it off, or wrote more to it.
                self.journal.forget(one for one in self.journal.held() if self.journal.span(one)[1] > there_bytes)
                self.drop_damaged()
            self.drop_damaged(self.journal.unsynced())
            self._drop_damaged_begun()
            os.fsync(self._fd)
            sync_folder(path.parent)

    def __enter__(self) -> "PartialFile":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(DiskError):
            self.journal.note_begun()
        self.journal.close()
        descriptor, self._fd = self._fd, -1
        os.close(descriptor)

    def write(self, offset: int, data: memoryview, *, unsure: bool = False) -> None:
        """Put bytes at their place and mark each block that ends among them.

        A block's bytes must be written in order; two threads may write different blocks.

        Args:
            offset: the first byte's place in the file.
            data: the bytes.
            unsure: whether the answer they are from said nothing of their place. A block of them that is not finished
                is not kept for the next run: a page that somebody sends instead of the file would stay in it.

        Raises:
            DiskError: the disk is full.
        """
        with disk_errors(self.path):
            written = 0
            while written < len(data):
                written += _pwrite(self._fd, data[written:], offset + written)
        at, end = offset, offset + len(data)
        while at < end:
            block = at // BLOCK_BYTES
            start, last = self.journal.span(block)
            piece = data[at - offset : min(end, last) - offset]
            before = self._unsure.get(block, 0) if unsure else self.journal.begun(block)[1]
            checksum = zlib.crc32(piece, 0 if at == start else before)
            at += len(piece)
            if at == last:
                self.journal.mark_written(block, checksum)
                self._since_sync += BLOCK_BYTES
            elif unsure:
                self._unsure[block] = checksum
                self.journal.forget([block])
            else:
                self.journal.begin(block, at - start, checksum)

    def take_over(self, path: Path, *, follow: bool) -> Iterator[int]:
        """Copy what is missing and is sound in a complete file of this content that was damaged since.

        Sound is a block that has its checksum, as far as they were kept. The file is only read.

        Args:
            path: the file.
            follow: whether the path may be a link to it.

        Yields:
            How many bytes were copied, block by block.

        Raises:
            DiskError: the disk is full.
        """
        sums = {} if self._sums_path is None else self._kept_sums(self._sums_path)
        missing = {block: checksum for block, checksum in sums.items() if not self.journal.holds(block)}
        if not missing:
            return
        try:
            descriptor = open_regular(path, follow=follow)
        except OSError:
            return
        buffer = memoryview(bytearray(BLOCK_BYTES))
        try:
            for block, checksum in missing.items():
                start, end = self.journal.span(block)
                data = buffer[:0]
                with contextlib.suppress(OSError):  # a block that cannot be read is damaged too
                    data = _read(descriptor, buffer[: end - start], start)
                if len(data) == end - start and zlib.crc32(data) == checksum:
                    self.write(start, data)
                    yield len(data)
        finally:
            os.close(descriptor)

    def _kept_sums(self, path: Path) -> dict[int, int]:
        return read_sums(path, identity=self.file.identity, size_bytes=self.file.size_bytes)

    def drop_damaged(self, blocks: Iterable[int] | None = None, stop: threading.Event | None = None) -> int:
        """Forget blocks whose bytes are not those that were received: something has damaged them since.

        Args:
            blocks: of those that are there, the ones to look at; None is all.
            stop: ends the looking early.

        Returns:
            How many bytes that were.

        Raises:
            DiskError: it cannot be noted.
        """
        buffer = memoryview(bytearray(BLOCK_BYTES))
        damaged = []
        for block in self.journal.held() if blocks is None else blocks:
            if stop is not None and stop.is_set():
                break
            with contextlib.suppress(DiskError):  # a block that cannot be read is damaged too
                if zlib.crc32(self.read_block(block, buffer)) == self.journal.checksum(block):
                    continue
            damaged.append(block)
        self.journal.forget(damaged)
        return sum(end - start for start, end in map(self.journal.span, damaged))

    def _drop_damaged_begun(self) -> None:
        """Forget the beginnings of blocks that are not what was received."""
        buffer = memoryview(bytearray(BLOCK_BYTES))
        for block in self.journal.all_begun():
            size_bytes, checksum = self.journal.begun(block)
            with contextlib.suppress(DiskError):
                if zlib.crc32(self.read_block(block, buffer)[:size_bytes]) == checksum:
                    continue
            self.journal.forget([block])

    def read_block(self, block: int, buffer: memoryview) -> memoryview:
        """The bytes of a block, in the buffer.

        Raises:
            DiskError: it cannot be read.
        """
        start, end = self.journal.span(block)
        with disk_errors(self.path):
            return _read(self._fd, buffer[: end - start], start)

    def sync_now_and_then(self) -> None:
        """Sync when enough has come since the last time, or it was long ago; blocks that are begun are noted too.

        Raises:
            DiskError: the disk is full or broken.
        """
        overdue = time.monotonic() - self._synced_at >= SYNC_EVERY_S
        if overdue:
            self.journal.note_begun()
            self._synced_at = time.monotonic()
        if self._since_sync >= SYNC_EVERY_BYTES or (self._since_sync and overdue):
            self.sync()

    def sync(self) -> None:
        """Put everything on the disk, then note in the journal that it is there."""
        with self._syncing, disk_errors(self.path):
            self._since_sync = 0
            blocks = self.journal.unsynced()
            getattr(os, "fdatasync", os.fsync)(self._fd)
            self.journal.mark_synced(blocks)
            self._synced_at = time.monotonic()

    def finish(self, final: Path) -> None:
        """Give the complete, verified file its final name, so that a power loss leaves one or the other.

        The checksums of its blocks are kept.

        Raises:
            DiskError: it cannot be renamed, or what lies under its name is not what was hashed.
        """
        with disk_errors(final):
            os.fsync(self._fd)
            make_folder(final.parent)
            if not os.path.samestat(os.fstat(self._fd), os.lstat(self.path)):
                raise DiskError(f"`{self.path}` was replaced while it was being fetched", hint="run again")
            self.path.replace(final)
            sync_folder(final.parent)
            if self.path.parent != final.parent:
                sync_folder(self.path.parent)
            if self._sums_path is None:
                self.journal.path.unlink(missing_ok=True)
            else:
                self.journal.keep(self._sums_path)

    def discard(self) -> None:
        """Remove it with its journal and the checksums that are kept: its content is wrong, and they may be why.

        Raises:
            DiskError: it cannot be removed.
        """
        with disk_errors(self.path):
            self.journal.path.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            if self._sums_path is not None:
                self._sums_path.unlink(missing_ok=True)


def journal_path(partial: Path) -> Path:
    """Where the journal of a partial file lies."""
    return partial.with_name(partial.name + ".journal")


def allocated_bytes(path: Path) -> int:
    """Bytes of disk that a partial file has already; 0 when there is none."""
    try:
        state = path.lstat()
    except OSError:
        return 0
    return getattr(state, "st_blocks", 0) * 512


_MADE_BY: Final = re.compile(r"(?:^\.probe-|\.link-)([0-9]{1,10})(?:-link)?$")
_seek_lock = threading.Lock()


def _pwrite(fd: int, data: memoryview, offset: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(fd, data, offset)
    with _seek_lock:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)


def _read(fd: int, buffer: memoryview, offset: int) -> memoryview:
    """Fill a buffer from a place in a file; less than that at its end."""
    count = 0
    while count < len(buffer):
        piece = _pread(fd, buffer[count:], offset + count)
        if piece == 0:
            break
        count += piece
    return buffer[:count]


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
    for link in stale_links(path.parent):
        if link.name.startswith((".probe-", f"{path.name}.link-")):
            link.unlink(missing_ok=True)


def stale_links(folder: Path) -> Iterator[Path]:
    """Hard links and probes in a folder whose process is gone."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        made_by = _MADE_BY.search(name)
        if made_by is not None and not _is_alive(int(made_by[1])):
            yield folder / name


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True
