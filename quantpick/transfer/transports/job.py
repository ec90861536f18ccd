"""What a transport is given, and what it is: the nouns between `fetch` and the table."""

from collections.abc import Callable
from dataclasses import dataclass

from quantpick.core.transfer_options import TransportName
from quantpick.transfer.disk.partial import PartialFile
from quantpick.transfer.net.line import Line
from quantpick.transfer.net.source import Source
from quantpick.transfer.net.tally import Tally


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
        unable: why it cannot run here, or None.
        suits: whether it may bring this file, if it can run at all; another brings it otherwise.
        worth_bytes: `auto` takes it for no less.
    """

    name: TransportName
    fetch: Callable[[Job], None]
    unable: Callable[[Job], str | None] = lambda _: None
    suits: Callable[[Job], bool] = lambda _: True
    worth_bytes: int = 0
