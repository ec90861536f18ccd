"""A download while it runs, on stderr: bars on a terminal, a line now and then elsewhere, nothing when quiet."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from quantpick.core.progress import DownloadProgress, FileProgress
from quantpick.core.units import format_gb
from quantpick.render.terminal import printable

_LOOK_S: Final = 0.1
_LINE_EVERY_S: Final = 10.0
_OWN_BAR_BYTES: Final = 100 * 10**6
"""Files of at least this size have a bar of their own while they are fetched."""


@contextlib.contextmanager
def shown(*, quiet: bool) -> Iterator[DownloadProgress]:
    """Counters that are shown as long as the block runs; after an interruption a line says what is kept."""
    counters = DownloadProgress()
    over = threading.Event()
    console = Console(stderr=True)
    show = _lines if not console.is_terminal else _bars
    thread = threading.Thread(target=show, args=(counters, over, console), daemon=True)
    if not quiet:
        thread.start()
    try:
        yield counters
    except BaseException as error:
        _end(over, thread)
        kept = counters.fetched_bytes + counters.reused_bytes
        if kept and not quiet and not isinstance(error, GeneratorExit):
            print(f"kept {format_gb(kept)}, run the same command to go on", file=sys.stderr)
        raise
    _end(over, thread)


def _end(over: threading.Event, thread: threading.Thread) -> None:
    over.set()
    if thread.is_alive():
        thread.join()


def _bars(counters: DownloadProgress, over: threading.Event, console: Console) -> None:
    """One bar for the whole, one for each large file that is being worked on."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, expand=True, transient=True) as screen:
        whole: TaskID | None = None
        tasks: dict[int, TaskID] = {}
        while not over.wait(_LOOK_S):
            if not counters.files:
                continue
            if whole is None:
                whole = screen.add_task("all files", total=counters.size_bytes, completed=counters.reused_bytes)
            screen.update(
                whole, total=counters.size_bytes, completed=counters.present_bytes, description=_title(counters)
            )
            for at, file in enumerate(counters.files):
                _one_bar(screen, tasks, at, file)


def _one_bar(screen: Progress, tasks: dict[int, TaskID], at: int, file: FileProgress) -> None:
    if file.size_bytes < _OWN_BAR_BYTES or file.phase == "queued":
        return
    if file.phase == "done":
        if at in tasks:
            screen.remove_task(tasks.pop(at))
        return
    if at not in tasks:
        tasks[at] = screen.add_task("", total=file.size_bytes, completed=file.reused_bytes)
    done = file.hashed_bytes if file.phase == "verifying" else file.present_bytes
    screen.update(tasks[at], completed=done, description=f"  {file.phase} {printable(file.path)[:40]}")


def _title(counters: DownloadProgress) -> str:
    """What the whole is at.

    >>> _title(DownloadProgress([FileProgress("a", 100, reused_bytes=61)]))
    'resuming at 61%'
    """
    share = counters.reused_bytes / counters.size_bytes if counters.size_bytes else 0
    return f"resuming at {share:.0%}" if 0 < share < 1 else "all files"


def _lines(counters: DownloadProgress, over: threading.Event, console: Console) -> None:
    """A line every so often, for a log."""
    began: tuple[float, int] | None = None
    said = time.monotonic()
    while not over.wait(_LOOK_S):
        if not counters.files:
            continue
        if began is None:
            began = time.monotonic(), counters.fetched_bytes
            if counters.reused_bytes:
                print(_title(counters), file=sys.stderr, flush=True)
        if time.monotonic() - said >= _LINE_EVERY_S:
            said = time.monotonic()
            print(_line(counters, (counters.fetched_bytes - began[1]) / (said - began[0])), file=sys.stderr, flush=True)


def _line(counters: DownloadProgress, bytes_per_s: float) -> str:
    """One line of a log.

    >>> _line(DownloadProgress([FileProgress("a", 4 * 10**9, fetched_bytes=10**9)]), 50e6)
    '1.00 GB of 4.00 GB (25%), 50 MB/s, about 1 min left'
    """
    left = (counters.size_bytes - counters.present_bytes) / bytes_per_s if bytes_per_s else 0
    share = f"{format_gb(counters.present_bytes)} of {format_gb(counters.size_bytes)}"
    busy = [file.phase for file in counters.files if file.phase in ("waiting", "verifying")]
    phase = f", {busy[0]}" if busy else ""
    eta = f", about {left / 60:.0f} min left" if left >= 60 else f", {left:.0f} s left" if left else ""
    percent = f"{counters.present_bytes / max(1, counters.size_bytes):.0%}"
    return f"{share} ({percent}), {bytes_per_s / 1e6:.0f} MB/s{phase}{eta}"
