"""Progress bars during a download, with Rich."""

import threading
import time
from collections.abc import Iterable
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from quantpick.core.progress import DownloadProgress, FileProgress, Phase
from quantpick.render.at import LOOK_S, title, trouble
from quantpick.render.terminal import MIN_WIDTH, printable

_OWN_BAR_BYTES: Final = 100 * 10**6
"""Files of at least this size get their own bar while they are fetched."""
_AWAY_S: Final = 1.0
"""Chosen: after ten missed looks at the counters, the program was stopped."""
_NAME_CELLS: Final = 40
_ECHO_CELLS: Final = 3
"""What a terminal writes where the cursor is when Ctrl-C is pressed, ``^C``, and one more."""


class _Console(Console):
    """A console that never hides the cursor: it would stay hidden after Ctrl-Z or SIGKILL."""

    def show_cursor(self, show: bool = True) -> bool:
        """Nothing."""
        return False


class _Speed(TransferSpeedColumn):
    """The rate, as long as something comes."""

    def render(self, task: Task) -> Text:
        """Nothing where it would be the rate of before."""
        return Text() if task.fields.get("is_stalled") else super().render(task)


class _Left(TimeRemainingColumn):
    """The time that is left, as long as something comes."""

    def render(self, task: Task) -> Text:
        """Nothing where it would be the time of before."""
        return Text() if task.fields.get("is_stalled") else super().render(task)


class _Narrower:
    """Something that leaves `_ECHO_CELLS` free at the right."""

    def __init__(self, content: RenderableType) -> None:
        self._content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """It, in that width."""
        yield from console.render(self._content, options.update_width(max(MIN_WIDTH, options.max_width - _ECHO_CELLS)))


class _Screen(Progress):
    """Bars, and below them what is wrong: on a line of its own, so that no bar gets shorter for it.

    There is room for the terminal's echo of Ctrl-C: on a line that is full it would go to the next one, and the bars
    would be wiped away one line too low.
    """

    trouble = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars and the line."""
        yield _Narrower(Group(*super().get_renderables(), *([Text(self.trouble)] if self.trouble else [])))


def bars(counters: DownloadProgress, over: threading.Event) -> None:
    """One bar for the whole, and one for each large file in progress."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        DownloadColumn(),
        _Speed(),
        _Left(),
    )
    while not (counters.files or counters.trouble):
        # Nothing to show yet: leave the screen to other output.
        if over.wait(LOOK_S):
            return
    console = _Console(stderr=True, force_terminal=True)
    with _Screen(*columns, console=console, expand=True, transient=True, auto_refresh=False) as screen:
        shown = _Shown(screen)
        looked = time.monotonic()
        while not over.wait(LOOK_S):
            if time.monotonic() - looked > _AWAY_S:
                # Stopped by Ctrl-Z, and the shell has written since: draw the bars below that.
                console.file.write("\n" * (len(screen.tasks) + bool(screen.trouble)))
            shown.look(counters)
            screen.refresh()
            looked = time.monotonic()


class _Shown:
    """The bars on the screen: one for all, and one for each large file in progress if there are several."""

    def __init__(self, screen: _Screen) -> None:
        self._screen = screen
        self._whole = screen.add_task("all files", total=None)
        self._tasks: dict[tuple[int, Phase], TaskID] = {}

    def look(self, counters: DownloadProgress) -> None:
        """Show the counters as they are now."""
        why = counters.trouble
        self._screen.trouble = "" if why is None else printable(trouble(why, time.monotonic()))
        total, present = counters.size_bytes, counters.present_bytes
        self._screen.update(
            self._whole, total=total, completed=present, description=title(counters), is_stalled=why is not None
        )
        busy = [(at, file) for at, file in enumerate(counters.files) if _is_busy(file)]
        if len(busy) == 1 and busy[0][1].phase != "verifying":
            busy = []  # its bar would repeat the one for all
        keys = {(at, file.phase) for at, file in busy}
        for key in [key for key in self._tasks if key not in keys]:
            self._screen.remove_task(self._tasks.pop(key))
        for at, file in busy:
            self._one_bar(at, file)

    def _one_bar(self, at: int, file: FileProgress) -> None:
        """The bar of one phase of a file; hashing has its own rate, so its own bar."""
        done = file.hashed_bytes if file.phase == "verifying" else file.present_bytes
        key = at, file.phase
        if key not in self._tasks:
            self._tasks[key] = self._screen.add_task("", total=file.size_bytes, completed=done)
        name = printable(file.path)[:_NAME_CELLS]
        self._screen.update(self._tasks[key], completed=done, description=f"  {file.phase} {name}")


def _is_busy(file: FileProgress) -> bool:
    return file.size_bytes >= _OWN_BAR_BYTES and file.phase not in ("queued", "done")
