"""The `hf_transfer` transport: the unmodified package in a child process, behind the gate.

What it does of its own accord is contained here. It holds the interpreter's lock while it runs and has no timeouts, so
it is a child with a watchdog; it deletes its file on any error, so it is given a hard link; it reports success on a
full disk and keeps no account of its chunks, so what it wrote is read off the file's holes. It never learns a token.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from quantpick.core.units import MIB
from quantpick.transfer.disk.journal import BLOCK_BYTES
from quantpick.transfer.disk.partial import holes_can_be_seen
from quantpick.transfer.disk.trouble import disk_errors
from quantpick.transfer.net.patience import Stopped
from quantpick.transfer.transports.gate import Gate
from quantpick.transfer.transports.job import Job

CHUNK_BYTES: Final = 6 * MIB
"""hf_transfer holds about two chunks per connection in memory: 16 connections of 6 MiB are about 200 MiB."""
STALL_S: Final = 60.0
"""Without a finished chunk for so long, the other transport takes over: hf_transfer would hang for ever on a dead
connection, and writes nothing before a chunk is whole."""
_POLL_S: Final = 0.1
"""Chosen: a chunk takes longer, and looking for holes costs about a millisecond."""
_MAX_RETRIES: Final = 30
"""Chosen: the gate paces them, so that they last for minutes."""
_SECRETS: Final = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")

_CHILD: Final = """
import json, os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
task = json.load(sys.stdin)
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
except Exception:
    pass
if os.getppid() != task.pop("parent"):
    os._exit(1)
import hf_transfer
hf_transfer.download(**task)
"""
"""Dies with its parent (Linux: PR_SET_PDEATHSIG is 1, ``linux/prctl.h``); elsewhere it ends when the gate is gone."""


def why_unable(job: Job) -> str | None:
    """Why it cannot run for this file, or None."""
    if find_spec("hf_transfer") is None:
        return "its package is not installed"
    if not holes_can_be_seen(job.partial.path.parent):
        return "it needs hard links and a file system that shows holes"
    return None


def suits(job: Job) -> bool:
    """Whether the file's link is for a child process: not one that needs a login."""
    return not job.source.link().login


def fetch_chunks(job: Job) -> None:
    """Fetch what hf_transfer can get of what is missing; the journal says what it left.

    Raises:
        AccessError, NotFoundError, HubError, TransferError: no link can be had.
        DiskError: the disk cannot be written.
        Stopped: the transfer was told to.
    """
    gate = Gate(job, chunk_bytes=CHUNK_BYTES)
    with _hard_link(job.partial.path) as link, gate:
        child = _start(gate.url, link, job.line.connections)
        try:
            _watch(child, job, gate)
        finally:
            child.kill()
            child.wait()
        _adopt(job, job.partial.adopt(set()))
    if gate.error is not None:
        raise gate.error


def _watch(child: "subprocess.Popen[bytes]", job: Job, gate: Gate) -> None:
    """Until the child ends, stalls, gets no links, has filled the disk (which it would not notice) or is to stop."""
    patience, partial = job.line.patience, job.partial
    seen: set[int] = set()
    last_seen = time.monotonic()
    stall_s = min(STALL_S, patience.retry_for_s)
    while gate.error is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_POLL_S)
            return
        if patience.stop.is_set():
            raise Stopped
        now_seen = _adopt(job, seen)
        if now_seen - seen:
            last_seen = time.monotonic()
        is_full = shutil.disk_usage(partial.path.parent).free < BLOCK_BYTES
        if is_full or time.monotonic() - last_seen > stall_s:
            return
        seen = now_seen
        partial.sync_now_and_then()


def _adopt(job: Job, seen: set[int]) -> set[int]:
    """Take over what was seen filled twice, and count it."""
    before, partial = len(seen), job.partial
    filled = partial.adopt(seen)
    came = [block for block in filled if partial.journal.holds(block)]
    for block in came:
        start, end = partial.journal.span(block)
        job.tally.fetched(end - start)
    if came or len(filled) > before:
        job.line.patience.byte_came()
    return filled


@contextlib.contextmanager
def _hard_link(path: Path) -> Iterator[Path]:
    link = path.with_name(f"{path.name}.link-{os.getpid()}")
    with disk_errors(link):
        link.unlink(missing_ok=True)
        os.link(path, link)
    try:
        yield link
    finally:
        link.unlink(missing_ok=True)


def _start(url: str, link: Path, connections: int) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    direct = [environment.get("NO_PROXY") or environment.get("no_proxy"), "127.0.0.1"]
    environment["NO_PROXY"] = environment["no_proxy"] = ",".join(filter(None, direct))
    task = {
        "parent": os.getpid(),
        "url": url,
        "filename": str(link),
        "max_files": connections,
        "chunk_size": CHUNK_BYTES,
        "parallel_failures": connections,
        "max_retries": _MAX_RETRIES,
    }
    child = subprocess.Popen(  # noqa: S603 - this interpreter, on the program above
        [sys.executable, "-c", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError), child.stdin:
        child.stdin.write(json.dumps(task).encode())
    return child
