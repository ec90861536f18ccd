"""A Hub on loopback that can misbehave as the real one does, by script."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from quantpick.demo.hub import HubFile, HubRepo, LoopbackHub, Request, Response


@dataclass
class Fault:
    """An answer that takes the place of the right one, for requests whose path matches, so many times."""

    path: str
    response: Response | Callable[[Request], Response | None]
    times: float = float("inf")


class FaultyHub(LoopbackHub):
    """A `LoopbackHub` with latency and faults.

    Args:
        repos: by ``owner/name``.
        latency_s: seconds before each answer.
        arguments: those of `LoopbackHub`.
    """

    def __init__(self, repos: Mapping[str, HubRepo], *, latency_s: float = 0.0, **arguments: Any) -> None:
        self.faults: list[Fault] = []
        self.latency_s = latency_s
        self._lock = threading.Lock()
        super().__init__(repos, **arguments)

    def answer(self, request: Request) -> Response:
        time.sleep(self.latency_s)
        with self._lock:
            fault = next((one for one in self.faults if one.times > 0 and re.search(one.path, request.path)), None)
            if fault is not None:
                fault.times -= 1
        if fault is None:
            return super().answer(request)
        response = fault.response(request) if callable(fault.response) else fault.response
        return super().answer(request) if response is None else response

    def paths(self, pattern: str = "") -> list[str]:
        """The paths that were asked for and match."""
        return [request.path for request in self.requests if re.search(pattern, request.path)]


def weights(name: str, size_bytes: int) -> HubFile:
    """A weight file of which only the size is known."""
    return HubFile(name, size_bytes, f"{size_bytes:064x}")
