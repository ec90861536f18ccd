"""A download while it runs, on stderr: bars on a terminal, a line now and then elsewhere, JSON lines for a program."""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, Literal

from quantpick.core.progress import DownloadProgress, Trouble
from quantpick.core.units import format_gb
from quantpick.render.at import LOOK_S, title, trouble
from quantpick.render.terminal import say
from quantpick.threads import start_daemons

ProgressStyle = Literal["auto", "bar", "lines", "json", "none"]
"""``auto`` is bars on a terminal and lines elsewhere."""

_LINE_EVERY_S: Final = 10.0
_JSON_EVERY_S: Final = 1.0

_Show = Callable[[DownloadProgress, threading.Event], None]


@contextlib.contextmanager
def shown(style: ProgressStyle) -> Iterator[DownloadProgress]:
    """Counters that are shown as long as the block runs; after an interruption a line says what is kept."""
    counters = DownloadProgress()
    over = threading.Event()
    show = _way(style)
    thread = start_daemons([partial(show, counters, over)], name="progress")[0] if show else None
    try:
        yield counters
    except BaseException as error:
        _end(over, thread)
        kept = counters.fetched_bytes + counters.reused_bytes
        if kept and style not in ("none", "json") and not isinstance(error, GeneratorExit):
            say(f"kept {format_gb(kept)}, run the same command to go on")
        raise
    _end(over, thread)


def _end(over: threading.Event, thread: threading.Thread | None) -> None:
    over.set()
    if thread is not None:
        thread.join()


def _way(style: ProgressStyle) -> _Show | None:
    if style == "auto":
        style = "bar" if _is_terminal() else "lines"
    if style == "bar":
        from quantpick.render.bars import bars

        return bars
    return {"lines": _lines, "json": _json_lines}.get(style)


def _is_terminal() -> bool:
    """Whether bars can be drawn: on one that calls itself dumb Rich draws nothing."""
    try:
        return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
    except (AttributeError, ValueError):
        return False


def _lines(counters: DownloadProgress, over: threading.Event) -> None:
    """A line every so often, for a log."""
    began: tuple[float, int] | None = None
    said = time.monotonic()
    known: tuple[str, float] | None = None
    while not over.wait(LOOK_S):
        why, now = counters.trouble, time.monotonic()
        if why is None:
            known = None
        elif known is None or why.problem != known[0] or now - known[1] >= _LINE_EVERY_S:
            known = why.problem, now
            say(trouble(why, now))
        if not counters.fetched_bytes:
            continue
        if began is None:
            began = time.monotonic(), counters.fetched_bytes
            if title(counters) != "all files":
                say(title(counters))
        if time.monotonic() - said >= _LINE_EVERY_S:
            said = time.monotonic()
            say(_line(counters, (counters.fetched_bytes - began[1]) / (said - began[0])))


def _line(counters: DownloadProgress, bytes_per_s: float) -> str:
    """One line of a log.

    >>> from quantpick.core.progress import FileProgress
    >>> _line(DownloadProgress([FileProgress("a", 4 * 10**9, fetched_bytes=10**9)]), 50e6)
    '1.00 GB of 4.00 GB (25%), 50 MB/s, about 1 min left'
    """
    left = (counters.size_bytes - counters.present_bytes) / bytes_per_s if bytes_per_s else 0
    share = f"{format_gb(counters.present_bytes)} of {format_gb(counters.size_bytes)}"
    busy = [file.phase for file in counters.files if file.phase in ("waiting", "verifying")]
    phase = f", {busy[0]}" if busy else ""
    eta = f", about {left / 60:.0f} min left" if left >= 60 else f", {left:.0f} s left" if left else ""
    percent = f"{counters.present_bytes / max(1, counters.size_bytes):.0%}"
    return f"{share} ({percent}), {_rate(bytes_per_s)}{phase}{eta}"


def _rate(bytes_per_s: float) -> str:
    """A rate in two digits at least.

    >>> _rate(50e6), _rate(2.04e6), _rate(64e3)
    ('50 MB/s', '2.0 MB/s', '64 kB/s')
    """
    if bytes_per_s < 1e6:
        return f"{bytes_per_s / 1e3:.0f} kB/s"
    return f"{bytes_per_s / 1e6:.{0 if bytes_per_s >= 1e7 else 1}f} MB/s"


def _json_lines(counters: DownloadProgress, over: threading.Event) -> None:
    """An object every second and one at the end, a line each (docs/scripts.md, "Progress")."""
    before = time.monotonic(), 0
    running = True
    while running:
        running = not over.wait(_JSON_EVERY_S)
        if not counters.files:
            continue
        now = time.monotonic(), counters.fetched_bytes
        speed = (now[1] - before[1]) / max(1e-3, now[0] - before[0])
        before = now
        say(json.dumps(_event(counters, speed)))


def _event(counters: DownloadProgress, bytes_per_s: float) -> dict[str, object]:
    busy = [file for file in counters.files if file.phase not in ("queued", "done")]
    left = counters.size_bytes - counters.present_bytes
    return {
        "event": "progress",
        "bytes_total": counters.size_bytes,
        "bytes_present": counters.present_bytes,
        "bytes_fetched": counters.fetched_bytes,
        "bytes_reused": counters.reused_bytes,
        "bytes_per_second": max(0, round(bytes_per_s)),
        "seconds_left": round(left / bytes_per_s) if bytes_per_s >= 1 else None,
        "transport": counters.transport,
        "connections": counters.connections,
        "retries": counters.retries,
        "trouble": None if counters.trouble is None else _trouble(counters.trouble, time.monotonic()),
        "files": [
            {
                "path": one.path,
                "phase": one.phase,
                "bytes_present": one.present_bytes,
                "bytes_hashed": one.hashed_bytes,
                "bytes_total": one.size_bytes,
            }
            for one in busy
        ],
    }


def _trouble(why: Trouble, now_s: float) -> dict[str, object]:
    left = None if why.gives_up_at_s is None else max(0, round(why.gives_up_at_s - now_s))
    return {"problem": why.problem, "retries": why.retries, "gives_up_in_seconds": left}
