"""What a transport is given, and what it is: the nouns between `fetch` and the table."""

from collections.abc import Callable
from dataclasses import dataclass

from quantpick.core.transfer_options import TransportName
from quantpick.transfer.disk.partial import PartialFile
from quantpick.transfer.net.line import Line
from quantpick.transfer.net.source import Source
from quantpick.transfer.net.tally import Tally
from quantpick.transfer.net.width import Width


@dataclass(frozen=True, slots=True)
class Job:
    """One large file on its way.

    Args:
        partial: the file; its journal says what is missing.
        source: where its bytes are.
        line: connections and patience.
        tally: told of what arrives.
    """

    partial: PartialFile
    source: Source
    line: Line
    tally: Tally

    @property
    def missing_bytes(self) -> int:
        """What is still to be fetched."""
        return self.partial.file.size_bytes - self.partial.journal.held_bytes


@dataclass(frozen=True, slots=True)
class Transport:
    """A way for the bytes of a large file to come.

    Args:
        name: what the user calls it.
        fetch: brings what it can of what is missing; the journal says what it left. Raises `QuantpickError` or
            `Stopped`, and what arrived is kept.
        unable: why it cannot run for a file here, or None.
        suits: whether `auto` may hand the bulk of a file to it, on a line as it was measured.
        fetch_bulk: brings the bulk, as long as it is no slower than the line was.
    """

    name: TransportName
    fetch: Callable[[Job], None]
    unable: Callable[[Job], str | None] = lambda _: None
    suits: Callable[[Width], bool] = lambda _: False
    fetch_bulk: Callable[[Job, Width], None] | None = None
