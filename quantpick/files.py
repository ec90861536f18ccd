"""Files of our own, opened, read and written so that neither a crash nor a planted file does harm.

A record is whole or absent: it is written beside its name, put on the disk, and renamed. What is read is a regular file
of bounded size, whatever lies there: no link is followed, no pipe or device waited for.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

TEMPORARY: Final = ".quantpick.tmp"
"""The ending of what is being written; one that is left belongs to a process that was killed."""

_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class NoRegularFileError(OSError):
    """A pipe, a device, a folder or a link lies where a file should."""


def open_regular(path: Path, flags: int = os.O_RDONLY, *, follow: bool = False) -> int:
    """A descriptor of a regular file, without waiting for whatever else lies there.

    Args:
        path: the file.
        flags: of `os.open`.
        follow: whether the last part of the path may be a link.

    Raises:
        OSError: there is none, or it cannot be opened.
        NoRegularFileError: it is not a regular file.
    """
    descriptor = os.open(path, flags | _NO_WAIT | (0 if follow else _NO_LINK), 0o666)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise NoRegularFileError(0, "no regular file", str(path))


def open_own(path: Path) -> tuple[int, bool]:
    """A descriptor to read and write a file that nobody else writes through another name, and whether it was there.

    What is not so (a link, a pipe, a second name of another file, a file of another user, who may still write it) is
    taken away, and a new file made.

    Raises:
        OSError: it cannot be had.
    """
    with contextlib.suppress(FileNotFoundError):
        try:
            descriptor = open_regular(path, os.O_RDWR)
            state = os.fstat(descriptor)
            if state.st_nlink == 1 and (not hasattr(os, "geteuid") or state.st_uid == os.geteuid()):
                return descriptor, True
            os.close(descriptor)
        except IsADirectoryError:
            raise
        except FileNotFoundError:
            raise
        except OSError:
            if not path.is_symlink() and not _is_special(path):
                raise
        path.unlink()
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_WAIT | _NO_LINK, 0o666), False


def read_small(path: Path, limit_bytes: int) -> bytes | None:
    """The content of a regular file; None where there is none, it is larger than the limit, or it cannot be read."""
    try:
        with open(open_regular(path), "rb") as file:
            content = file.read(limit_bytes + 1)
    except (OSError, ValueError):
        return None
    return content if len(content) <= limit_bytes else None


def write_atomically(path: Path, content: bytes, *, synced: bool = True) -> None:
    """Give a file this content, so that a crash or a power loss leaves the old one or the new one.

    Args:
        path: its name; its folder is made where there is none.
        content: all of it.
        synced: without it a power loss may leave an empty file: for what can be told from a whole one, and spared.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    make_folder(path.parent)
    scratch = scratch_name(path)
    try:
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_WAIT | _NO_LINK, 0o666), "wb") as file:
            file.write(content)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise
    if synced:
        sync_folder(path.parent)


def odd_folder(base: Path, paths: Iterable[str | Path]) -> Path | None:
    """The first folder between a folder and what lies in it that is none: a link, a file, a pipe; None where none is.

    Args:
        base: the folder, which may be a link itself.
        paths: relative to it, of files.
    """
    folders = {folder for path in paths for folder in Path(path).parents}
    return next((base / folder for folder in sorted(folders - {Path()}) if _is_odd(base / folder)), None)


def _is_odd(folder: Path) -> bool:
    try:
        return not stat.S_ISDIR(folder.lstat().st_mode)
    except OSError:
        return False  # it is not there, or something above it is odd


def scratch_name(path: Path) -> Path:
    """A name beside a path that nothing else has, and that says who writes it."""
    return path.with_name(f".{os.getpid()}-{secrets.token_hex(8)}{TEMPORARY}")


def writer_of(name: str) -> int | None:
    """The process that made such a name, or None.

    >>> writer_of(scratch_name(Path("x")).name) == os.getpid(), writer_of("x")
    (True, None)
    """
    pid, _, rest = name.removeprefix(".").partition("-")
    return int(pid) if rest.endswith(TEMPORARY) and pid.isascii() and pid.isdigit() else None


def make_folder(folder: Path) -> None:
    """Make a folder, with those above it, so that a power loss does not take one of them.

    Raises:
        OSError: it cannot be made.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        if folder == folder.parent:
            break
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        sync_folder(one.parent)


def sync_files(paths: Iterable[Path]) -> None:
    """Put files and the folders they are in on the disk: after many at once it costs little more than after one.

    Raises:
        OSError: a file cannot be synced.
    """
    folders = set()
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        folders.add(path.parent)
    for folder in folders:
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _is_special(path: Path) -> bool:
    """Whether a pipe, a socket or a device lies there."""
    mode = path.lstat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))
