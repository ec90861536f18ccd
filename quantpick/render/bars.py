"""Bars while a download runs, by Rich."""

import threading
import time
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
from quantpick.render.at import LOOK_S, title, trouble
from quantpick.render.terminal import printable

_OWN_BAR_BYTES: Final = 100 * 10**6
"""Files of at least this size have a bar of their own while they are fetched."""
_NAME_CELLS: Final = 40


class _Console(Console):
    """A console that leaves the cursor alone: hidden, it would stay so after Ctrl-Z or SIGKILL."""

    def show_cursor(self, show: bool = True) -> bool:
        """Nothing."""
        return False


def bars(counters: DownloadProgress, over: threading.Event) -> None:
    """One bar for the whole, one for each large file that is being worked on."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    while not (counters.files or counters.trouble):
        # Nothing to show yet; what is said meanwhile has the screen to itself.
        if over.wait(LOOK_S):
            return
    console = _Console(stderr=True, force_terminal=True)
    with Progress(*columns, console=console, expand=True, transient=True) as screen:
        whole: TaskID | None = None
        tasks: dict[int, TaskID] = {}
        while not over.wait(LOOK_S):
            if whole is None:
                whole = screen.add_task("all files", total=counters.size_bytes, completed=counters.reused_bytes)
            what = (
                title(counters) if counters.trouble is None else printable(trouble(counters.trouble, time.monotonic()))
            )
            screen.update(whole, total=counters.size_bytes, completed=counters.present_bytes, description=what)
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
    screen.update(tasks[at], completed=done, description=f"  {file.phase} {printable(file.path)[:_NAME_CELLS]}")
