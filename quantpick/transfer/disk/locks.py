"""One process at a time: locks that end with their holder, and that say for whom they wait.

They are those of the Hub's library (``flock``, by filelock on Linux and macOS), so that `hf download` waits for
quantpick and quantpick for it.
"""

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quantpick.core import defaults
from quantpick.errors import TransferError
from quantpick.files import make_folder, open_regular
from quantpick.transfer.disk.trouble import disk_errors

if TYPE_CHECKING:
    import psutil

try:
    import fcntl
except ImportError:  # Windows: nothing here was tried there, and no lock is taken.
    fcntl = None  # type: ignore[assignment]

_POLL_S: Final = 0.2
"""Chosen: how soon the end of another process, or an interruption, is noticed."""
_SIGNED_BYTES: Final = 20
"""What the longest number of a process takes."""
_NO_LOCKS: Final = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK})
"""What a file system without locks answers; then none is taken, as huggingface_hub does."""


class Interrupted(Exception):
    """The waiting was told to end."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How another process is waited for.

    Args:
        stop: ends it.
        retry_for_s: seconds after which a holder that is stopped (Ctrl-Z) is given up. One that runs is waited for as
            long as it takes.
        say: told for whom, whenever that changes; None when the waiting is over.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    retry_for_s: float = defaults.RETRY_FOR_S
    say: Callable[[str | None], None] = lambda _: None


@contextlib.contextmanager
def held(path: Path, waiting: Waiting, *, what: str) -> Iterator[None]:
    """Hold a lock while the block runs.

    Args:
        path: the lock file, which stays.
        waiting: how others are waited for.
        what: what the lock is for, in the messages.

    Raises:
        TransferError: the holder is stopped, and stays so.
        Interrupted: instead of waiting.
        DiskError: the lock file cannot be made.
    """
    with disk_errors(path):
        make_folder(path.parent)
    descriptor = _taken(path, waiting, what)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextlib.contextmanager
def held_if_free(path: Path) -> Iterator[bool]:
    """Hold a lock while the block runs if nobody else does; whether that is so. Where there is no lock file, it is."""
    try:
        descriptor = open_regular(path, os.O_RDWR)
    except OSError:
        yield not path.exists()
        return
    try:
        yield _try(descriptor) is not False
    finally:
        os.close(descriptor)


def _taken(path: Path, waiting: Waiting, what: str) -> int | None:
    """The descriptor that holds the lock; None where the file system has no locks."""
    stopped_since: float | None = None
    said: str | None = None
    while True:
        with disk_errors(path):
            descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
        try:
            got = _try(descriptor)
            # A lock file may be removed by `clean` between opening and locking: then nobody else sees this lock.
            if got is None or (got and _is_still(descriptor, path)):
                if said is not None:
                    waiting.say(None)
                return _signed(descriptor)
            holder = None if got else _holder(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if got:
            continue
        stopped_since = (stopped_since or time.monotonic()) if holder is not None and holder.is_stopped else None
        if stopped_since is not None and time.monotonic() - stopped_since >= waiting.retry_for_s:
            going_on = f"let it go on: kill -CONT {holder.pid}" if holder else None
            raise TransferError(f"gave up: {what} is held by {holder}", hint=going_on)
        words = f"{what} is held by {holder or 'another process'}"
        if words != said:
            waiting.say(words)
            said = words
        if waiting.stop.wait(_POLL_S):
            raise Interrupted


def _try(descriptor: int) -> bool | None:
    """Whether the lock is ours now; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def _is_still(descriptor: int, path: Path) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    return False


def _signed(descriptor: int) -> int:
    """The descriptor, with this process's number in the file: for systems that do not tell who holds a lock.

    A file that is no lock file (it has another name too, or more in it than a number) is left as it is.
    """
    with contextlib.suppress(OSError):
        state = os.fstat(descriptor)
        if state.st_nlink == 1 and state.st_size <= _SIGNED_BYTES:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, b"%d\n" % os.getpid())
    return descriptor


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who holds a lock: words for a message."""

    pid: int
    name: str
    since: str
    is_stopped: bool

    def __str__(self) -> str:
        stopped = ", which is stopped" if self.is_stopped else ""
        return f"process {self.pid} ({self.name}, since {self.since}){stopped}"


def _holder(descriptor: int) -> _Holder | None:
    """The process that holds a lock, or None where that cannot be known: another machine, another container."""
    import psutil

    pid = _pid_by_kernel(os.fstat(descriptor).st_ino) or _pid_by_signature(descriptor)
    try:
        process = psutil.Process(pid) if pid else None
        if process is None or process.pid == os.getpid():
            return None
        with process.oneshot():
            since = datetime.fromtimestamp(process.create_time()).astimezone().strftime("%H:%M:%S")
            stopped = process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
            return _Holder(process.pid, _name(process), since, stopped)
    except (psutil.Error, OSError, ValueError):
        return None


def _name(process: "psutil.Process") -> str:
    """The program that runs; where that is an interpreter, its script or module."""
    name, words = process.name(), process.cmdline()[1:]
    words = words[1:] if words[:1] == ["-m"] else words
    script = words[0].rpartition("/")[2] if words and not words[0].startswith("-") else ""
    return script if script and name.startswith("python") else name


def _pid_by_kernel(inode: int) -> int | None:
    """Linux: ``/proc/locks``, a line a lock: ``1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`` (proc_locks(5))."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5].rpartition(":")[2] == str(inode):
                return int(words[4])
    return None


def _pid_by_signature(descriptor: int) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(os.pread(descriptor, _SIGNED_BYTES, 0) or b"0")
    return None
