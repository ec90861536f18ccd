"""A byte server that can misbehave in every way that real ones do, by script."""

import itertools
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from quantpick.demo.cdn import LoopbackCdn, _Handler

Interference = Callable[[_Handler, int, int], bool]
"""Given the request and its range: misbehave, and say so with True; or False to let it be answered."""


class FaultyCdn(LoopbackCdn):
    """A `LoopbackCdn` that `interference` may spoil.

    Args:
        files: as there.
        interference: asked before each answer.
        arguments: as there.
    """

    def __init__(self, files: Mapping[str, Path], interference: Interference | None = None, **arguments: Any) -> None:
        self.interference = interference
        self.ranges: list[tuple[int, int]] = []
        super().__init__(files, **arguments)

    def interfere(self, handler: _Handler, start: int, end: int) -> bool:
        self.ranges.append((start, end))
        return self.interference is not None and self.interference(handler, start, end)


def answers(
    status: int, share: float = 1.0, *, retry_after: str | None = None, times: float = float("inf")
) -> Interference:
    """Answer this status to a share of the requests, so many times at most."""
    dice = random.Random(7)
    left = [times]
    lock = threading.Lock()

    def interference(handler: _Handler, start: int, end: int) -> bool:
        with lock:
            hit = left[0] > 0 and dice.random() < share
            left[0] -= hit
        if hit:
            handler.answer(status, b"not now", {} if retry_after is None else {"Retry-After": retry_after})
        return hit

    return interference


def resets(share: float) -> Interference:
    """Cut a share of the connections in the middle of the body, with a TCP reset."""
    dice = random.Random(11)

    def interference(handler: _Handler, start: int, end: int) -> bool:
        if dice.random() >= share:
            return False
        size = handler.path_size()
        handler.send_head(206, start, end, size)
        handler.send_content(handler.file_path(), start, start + (end - start) // 2)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        return True

    return interference


def stalls(share: float, seconds: float) -> Interference:
    """Say nothing on a share of the connections for so long, then close."""
    dice = random.Random(13)

    def interference(handler: _Handler, start: int, end: int) -> bool:
        if dice.random() >= share:
            return False
        time.sleep(seconds)
        handler.close_connection = True
        return True

    return interference


def outage(after_requests: int, seconds: float) -> Interference:
    """After so many requests close every connection at once, for so long."""
    state = {"asked": 0, "until": 0.0}

    def interference(handler: _Handler, start: int, end: int) -> bool:
        state["asked"] += 1
        if state["asked"] == after_requests:
            state["until"] = time.monotonic() + seconds
        if time.monotonic() < state["until"]:
            handler.close_connection = True
            return True
        return False

    return interference


def another_range(handler: _Handler, start: int, end: int) -> bool:
    """Answer with the range after the one that was asked for."""
    handler.send_head(206, start + 1, end, handler.path_size())
    handler.send_content(handler.file_path(), start + 1, end)
    return True


def packed(handler: _Handler, start: int, end: int) -> bool:
    """Answer rightly, but for the packing of the bytes, of which there are as many as there should be."""
    size = handler.path_size()
    handler.send_response(206)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
    handler.send_header("Content-Length", str(end - start))
    handler.end_headers()
    handler.wfile.flush()
    handler.connection.sendall(b"\x1f\x8b" * ((end - start) // 2) + b"\x1f" * ((end - start) % 2))
    return True


def in_chunks(handler: _Handler, start: int, end: int) -> bool:
    """Send the right range without its length, in chunks."""
    handler.send_response(206)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{handler.path_size()}")
    handler.end_headers()
    with handler.file_path().open("rb") as content:
        content.seek(start)
        for at in range(start, end, 100_000):
            piece = content.read(min(100_000, end - at))
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    handler.wfile.write(b"0\r\n\r\n")
    handler.wfile.flush()
    handler.owner.count(end - start)
    return True


def whole_file(handler: _Handler, start: int, end: int) -> bool:
    """Know nothing of ranges."""
    size = handler.path_size()
    handler.send_head(200, 0, size, size)
    handler.send_content(handler.file_path(), 0, size)
    return True


def together(*interferences: Interference) -> Interference:
    """All of them, the first that strikes."""
    return lambda handler, start, end: any(one(handler, start, end) for one in interferences)


def drips(bytes_per_s: float, *, share: float = 1.0, in_head: bool = False) -> Interference:
    """Answer a share of the connections rightly, but a byte at a time."""
    dice = random.Random(17)

    def interference(handler: _Handler, start: int, end: int) -> bool:
        if dice.random() >= share:
            return False
        if in_head:
            while handler.owner.is_open:
                handler.connection.sendall(b"H")
                time.sleep(1 / bytes_per_s)
            return True
        handler.send_head(206, start, end, handler.path_size())
        with handler.file_path().open("rb") as content:
            content.seek(start)
            while handler.owner.is_open and (byte := content.read(1)):
                handler.connection.sendall(byte)
                time.sleep(1 / bytes_per_s)
        handler.close_connection = True
        return True

    return interference


def slow_connection(which: int, bytes_per_s: float) -> Interference:
    """Let the connection that came as the so-manieth be slow, and no other."""
    seen: list[object] = []

    def interference(handler: _Handler, start: int, end: int) -> bool:
        if handler.client_address not in seen:
            seen.append(handler.client_address)
        if seen.index(handler.client_address) != which:
            return False
        handler.send_head(206, start, end, handler.path_size())
        handler.send_content(handler.file_path(), start, end, rate=bytes_per_s)
        return True

    return interference


def cuts_every(size_bytes: int) -> Interference:
    """Close every connection after so many bytes of a body."""

    def interference(handler: _Handler, start: int, end: int) -> bool:
        handler.send_head(206, start, end, handler.path_size())
        handler.send_content(handler.file_path(), start, min(end, start + size_bytes))
        handler.close_connection = True
        return True

    return interference


def runs_on(handler: _Handler, start: int, end: int) -> bool:
    """Answer with the right range, and go on sending."""
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{handler.path_size()}")
    handler.send_header("Content-Length", str(10**12))
    handler.end_headers()
    handler.wfile.flush()
    handler.send_content(handler.file_path(), start, end)
    handler.send_endlessly()
    return True


def endless(status: int) -> Interference:
    """Refuse with a body that has no end."""

    def interference(handler: _Handler, start: int, end: int) -> bool:
        handler.send_response(status)
        handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        handler.wfile.flush()
        handler.send_endlessly()
        return True

    return interference


def whole_file_cut(share: float) -> Interference:
    """Know nothing of ranges, and close the connection after a share of the file."""

    def interference(handler: _Handler, start: int, end: int) -> bool:
        size = handler.path_size()
        handler.send_head(200, 0, size, size)
        handler.send_content(handler.file_path(), 0, int(size * share))
        handler.close_connection = True
        return True

    return interference


def whole_file_later(after_requests: int, *, is_other: bool = False) -> Interference:
    """Send ranges at first; from then on the whole file, or one that differs."""
    count = itertools.count()

    def interference(handler: _Handler, start: int, end: int) -> bool:
        if next(count) < after_requests:
            return False
        size = handler.path_size()
        handler.send_head(200, 0, size, size)
        if not is_other:
            handler.send_content(handler.file_path(), 0, size)
            return True
        for _ in range(0, size, 65536):
            handler.connection.sendall(bytes(65536))
        handler.close_connection = True
        return True

    return interference
