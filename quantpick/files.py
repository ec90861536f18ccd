"""quantpick's own files, opened, read and written safely despite crashes and planted files.

A record is whole or absent: it is written under another name, synced and renamed. Only regular files of bounded size
are read: no link is followed, no pipe or device waited for.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

TEMPORARY: Final = ".quantpick.tmp"
"""The ending of a file being written. One that is left behind is from a killed process."""

_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class NoRegularFileError(OSError):
    """A pipe, a device, a folder or a link is in the place of a file."""


def open_regular(path: Path, flags: int = os.O_RDONLY, *, follow: bool = False) -> int:
    """A descriptor of a regular file; it never waits for a pipe or device in its place.

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
    """A descriptor to read and write a file that nobody else can write, and whether it was there before.

    Anything else in its place (a link, a pipe, a hard link, a file of another user, who could still write it) is
    removed and a new file made.

    Raises:
        OSError: it cannot be opened or made.
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
    """The content of a regular file; None if there is none, it exceeds the limit, or cannot be read."""
    try:
        with open(open_regular(path), "rb") as file:
            content = file.read(limit_bytes + 1)
    except (OSError, ValueError):
        return None
    return content if len(content) <= limit_bytes else None


def write_atomically(path: Path, content: bytes, *, synced: bool = True) -> None:
    """Replace a file's content; a crash or power loss leaves either the old or the new one.

    Args:
        path: the file; its folder is made if missing.
        content: all of it.
        synced: if False, a power loss may leave an empty file: for content that is recognizably whole, and dispensable.

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
    """The first path component below a folder that is not itself a folder (but a link, file or pipe); None if all are.

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
        return False  # it does not exist, or something above it is odd


def scratch_name(path: Path) -> Path:
    """An unused name beside a path, which tells the process that writes it."""
    return path.with_name(f".{os.getpid()}-{secrets.token_hex(8)}{TEMPORARY}")


def writer_of(name: str) -> int | None:
    """The process id in such a name, or None.

    >>> writer_of(scratch_name(Path("x")).name) == os.getpid(), writer_of("x")
    (True, None)
    """
    pid, _, rest = name.removeprefix(".").partition("-")
    return int(pid) if rest.endswith(TEMPORARY) and pid.isascii() and pid.isdigit() else None


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each synced against power loss.

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
    """Sync files and their folders; many at once cost little more than one.

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
    """Sync a folder's entries, if the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _is_special(path: Path) -> bool:
    """Whether it is a pipe, a socket or a device."""
    mode = path.lstat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))
