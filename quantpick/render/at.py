"""The state of a download, in words."""

from typing import Final

from quantpick.core.progress import DownloadProgress, Trouble

LOOK_S: Final = 0.1
"""Seconds between two looks at the counters. Chosen: short enough for a bar to look smooth."""


def title(counters: DownloadProgress) -> str:
    """The state of the whole. It resumes if part was there and something must still be fetched.

    >>> from quantpick.core.progress import FileProgress
    >>> title(DownloadProgress([FileProgress("a", 100, reused_bytes=61, fetched_bytes=1)]))
    'resuming at 61%'
    >>> title(DownloadProgress([FileProgress("a", 100, reused_bytes=100)]))
    'checking what is there'
    """
    if not counters.fetched_bytes:
        return "checking what is there" if counters.reused_bytes else "all files"
    share = int(100 * counters.reused_bytes / max(1, counters.size_bytes))
    return f"resuming at {share}%" if share else "all files"


def trouble(why: Trouble, now_s: float) -> str:
    """Why nothing arrives, how often it was retried, and when the download gives up.

    >>> trouble(Trouble("the server is slow to answer", 2, 1280.0), 1000.0)
    'the server is slow to answer, retry 2, gives up in 4:40'
    """
    said = why.problem
    if why.retries:
        said += f", retry {why.retries}"
    if why.gives_up_at_s is not None:
        left = max(0, round(why.gives_up_at_s - now_s))
        said += f", gives up in {left // 60}:{left % 60:02}"
    return said
