"""What a user may choose about a download: which files, how to fetch them, and how long to try."""

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

from quantpick.core import defaults
from quantpick.core.units import is_number, is_whole

TransportName = Literal["hf_transfer", "range"]
"""Each has its row in ``transfer/transports/table.py``."""
TransportChoice = Literal["auto", TransportName]
"""``auto`` decides by how the line performs."""

MAX_CONNECTIONS: Final = 64
"""Chosen: no line was seen to gain beyond it, and a CDN may take more for an attack."""

MAX_LIMIT_BYTES_PER_S: Final = 10**18
"""No line is faster: a larger value is a mistake."""

MIN_LIMIT_BYTES_PER_S: Final = 16_000
"""Chosen: below it, a connection looks dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOptions:
    """How to fetch a branch.

    Args:
        transport: ``hf_transfer``, ``range``, or ``auto``.
        connections: the most connections at once, 1 to `MAX_CONNECTIONS`.
        retry_for_s: seconds without a byte after which it gives up, 0 or more.
        limit_bytes_per_s: for all connections together; None for no limit.
        include: patterns of files to fetch, as in ``hf download``; none means all.
        exclude: patterns of files not to fetch.
        force: replace another branch in the same folder.
        dry_run: only report what it would fetch.
    """

    transport: TransportChoice = "auto"
    connections: int = defaults.CONNECTIONS
    retry_for_s: float = defaults.RETRY_FOR_S
    limit_bytes_per_s: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    force: bool = False
    dry_run: bool = False

    @property
    def problem(self) -> str | None:
        """What is out of bounds, or None.

        >>> TransferOptions(connections=0).problem
        '0 connections: it must be 1 to 64'
        """
        if self.transport not in get_args(TransportChoice):
            return "no such transport: it is auto, hf_transfer or range"
        if not is_whole(self.connections, 1, MAX_CONNECTIONS):
            return f"{_shown(self.connections)} connections: it must be 1 to {MAX_CONNECTIONS}"
        if self.retry_for_s != 0 and not is_number(self.retry_for_s, math.inf):
            return f"{_shown(self.retry_for_s)} seconds to retry for: it must be 0 or more"
        limit = self.limit_bytes_per_s
        if limit is not None and not is_whole(limit, MIN_LIMIT_BYTES_PER_S, MAX_LIMIT_BYTES_PER_S):
            return f"a limit of {_shown(limit)} bytes a second: at least {MIN_LIMIT_BYTES_PER_S} are needed"
        if not all(isinstance(one, str) for one in (*self.include, *self.exclude)):
            return "a pattern of files that is no text"
        return None


def _shown(value: object) -> str:
    return "more" if isinstance(value, int) and abs(value) >= 10**30 else str(value)[:60]
