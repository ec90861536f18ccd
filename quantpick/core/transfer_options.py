"""What a user may say about a download: which files, how they come, and how long to try."""

from dataclasses import dataclass
from typing import Final, Literal

from quantpick.core import defaults

TransportName = Literal["hf_transfer", "range"]
"""Each has its row in ``transfer/transports/table.py``."""
TransportChoice = Literal["auto", TransportName]
"""``auto`` leaves it to what the line does."""

MAX_CONNECTIONS: Final = 64
"""Chosen: beyond it no line was seen to gain, and a CDN may take it for an attack."""

MIN_LIMIT_BYTES_PER_S: Final = 16_000
"""Chosen: below it a connection could not be told from one that is dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOptions:
    """How a branch is to be brought to disk.

    Args:
        transport: ``hf_transfer``, ``range``, or ``auto``.
        connections: at once, 1 to `MAX_CONNECTIONS`.
        retry_for_s: seconds without a byte after which it gives up, 0 or more.
        limit_bytes_per_s: for all connections together; None is as fast as it goes.
        include: patterns of files to fetch, as ``hf download`` reads them; none is all.
        exclude: patterns of files not to fetch.
        force: put it over another branch in the same folder.
        dry_run: only say what it would take.
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
        if not 1 <= self.connections <= MAX_CONNECTIONS:
            return f"{self.connections} connections: it must be 1 to {MAX_CONNECTIONS}"
        if not self.retry_for_s >= 0:
            return f"{self.retry_for_s} seconds to retry for: it must be 0 or more"
        if self.limit_bytes_per_s is not None and self.limit_bytes_per_s < MIN_LIMIT_BYTES_PER_S:
            return f"a limit of {self.limit_bytes_per_s} bytes a second: at least {MIN_LIMIT_BYTES_PER_S} are needed"
        return None
