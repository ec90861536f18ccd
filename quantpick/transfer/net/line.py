"""What all files of one download share of the line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from quantpick.core import defaults
from quantpick.core.progress import DownloadProgress
from quantpick.core.repo import RepoFile
from quantpick.transfer.net.pace import Pace
from quantpick.transfer.net.patience import Patience
from quantpick.transfer.net.source import Source
from quantpick.transfer.net.width import FIRST


@dataclass(slots=True)
class Found:
    """What one file found out about the line, for the next.

    Args:
        connections: how many it was worth.
        collapsed_at: so many broke it down; None where none did.
    """

    connections: int = FIRST
    collapsed_at: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Where the files are asked for, as whom, by how many connections, and how long.

    Args:
        address: the address of a file on the Hub, by commit.
        login: the Authorization header for the Hub, or none.
        connections: at once, at least 1.
        patience: how long to try, and whether to stop.
        pace: the limit of the rate.
        progress: of the download, which says what brings the bytes.
        found: what the files before found out.
    """

    address: Callable[[RepoFile], str]
    login: Mapping[str, str] = field(default_factory=dict)
    connections: int = defaults.CONNECTIONS
    patience: Patience = field(default_factory=Patience)
    pace: Pace = field(default_factory=Pace)
    progress: DownloadProgress = field(default_factory=DownloadProgress)
    found: Found = field(default_factory=Found)

    def source(self, file: RepoFile) -> Source:
        """The one place to ask for the links of a large file."""
        return Source(self.address(file), login=self.login, size_bytes=file.size_bytes, patience=self.patience)
