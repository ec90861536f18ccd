"""A branch's files, each to its final name: the disk first, then the small ones together, then the large one by one."""

import contextlib
import os
import queue
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from quantpick.core.progress import DownloadProgress, FileProgress
from quantpick.core.transfer_options import TransportChoice
from quantpick.core.units import MIB, format_gb
from quantpick.errors import DamagedError, DiskError
from quantpick.files import make_folder, open_own, scratch_name, sync_files
from quantpick.transfer.disk.hashing import file_matches
from quantpick.transfer.disk.locks import Interrupted, Waiting, held
from quantpick.transfer.disk.partial import PartialFile, allocated_bytes
from quantpick.transfer.disk.places import Layout, Place
from quantpick.transfer.disk.trouble import disk_errors
from quantpick.transfer.net.crew import Crew
from quantpick.transfer.net.http import Connection
from quantpick.transfer.net.line import Line
from quantpick.transfer.net.patience import Stopped
from quantpick.transfer.net.tally import Tally
from quantpick.transfer.transports.fetch import Fetched, fetch_file
from quantpick.transfer.transports.job import Job
from quantpick.transfer.transports.small import fetch_small

SMALL_BYTES: Final = 2 * MIB
"""Chosen: up to this size a file is one request, and several are fetched at once. Those that are on their way are lost
with the process: no more than sixteen MiB."""
_SMALL_AT_ONCE: Final = 8
"""As many as huggingface_hub 2.4 fetches at once (``snapshot_download``, ``max_workers``)."""
_MARGIN_BYTES: Final = 16 * MIB
"""Chosen, for journals, folders and what the file system itself needs."""


def needed_bytes(places: Sequence[Place], *, anew: bool = False) -> int:
    """Bytes of disk that the files still need: what is there, whole or in part, is taken off.

    Args:
        places: of the files.
        anew: whether what has the right size is known to be wrong, so that another is made beside it.
    """
    return sum(
        max(0, place.file.size_bytes - allocated_bytes(place.partial))
        for place in places
        if anew or not place.is_filled
    )


def check_disk(places: Sequence[Place], folder: Path, *, anew: bool = False) -> None:
    """See that the target can take the files, before the first byte.

    Args:
        places: of the files.
        folder: where they go.
        anew: as for `needed_bytes`.

    Raises:
        DiskError: too little is free, or nothing can be written there.
    """
    with disk_errors(folder):
        make_folder(folder)
        probe = scratch_name(folder / "x")
        os.close(open_own(probe)[0])
        probe.unlink()
        needed, free = needed_bytes(places, anew=anew), shutil.disk_usage(folder).free
    if needed and needed + _MARGIN_BYTES > free:
        raise DiskError(
            f"not enough disk for `{folder}`: {format_gb(needed)} needed, {format_gb(free)} free",
            hint="free some space, or another --local-dir or --cache-dir",
        )


def fetch_branch(
    layout: Layout, places: Sequence[Place], line: Line, choice: TransportChoice, progress: DownloadProgress
) -> list[Fetched]:
    """Bring every file to its final name, verified. What is there already is hashed, not fetched.

    Args:
        layout: told of every file that is there.
        places: of its files, those to fetch.
        line: how they are asked for.
        choice: the transport for the large ones.
        progress: filled with the files and kept up to date.

    Returns:
        What each cost, in the order of the places.

    Raises:
        QuantpickError: as `fetch_file`; what arrived is kept.
        Stopped: the transfer was told to; what arrived is kept.
    """
    return _Download(layout, places, line, choice, progress).run()


class _Download:
    """The files of one branch on their way."""

    def __init__(
        self,
        layout: Layout,
        places: Sequence[Place],
        line: Line,
        choice: TransportChoice,
        progress: DownloadProgress,
    ) -> None:
        self._layout = layout
        self._line = line
        self._choice = choice
        self._places = places
        self._tallies = [Tally(FileProgress(place.file.path, place.file.size_bytes)) for place in places]
        self._results: dict[int, Fetched] = {}
        self._progress = progress
        progress.files.extend(tally.state for tally in self._tallies)

    def run(self) -> list[Fetched]:
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        large = []
        for at, place in enumerate(self._places):
            if place.file.size_bytes <= SMALL_BYTES:
                waiting.put(at)
            else:
                large.append(at)
        crew = Crew(self._line.patience)

        def work(connection: Connection) -> None:
            with contextlib.suppress(queue.Empty):
                while not crew.is_over:
                    self._fetch(waiting.get_nowait(), connection)

        crew.run(min(_SMALL_AT_ONCE, waiting.qsize()), work, meanwhile=lambda: None)
        self._sync_small()
        for at in large:
            self._fetch(at, None)
        return [self._results[at] for at in range(len(self._places))]

    def _sync_small(self) -> None:
        """Put the small files that came on the disk, all together; until then they are not said to be there."""
        came = [self._places[at].final for at, one in self._results.items() if one.fetched_bytes]
        for final in came[:1]:
            with disk_errors(final):
                sync_files(came)

    def _fetch(self, at: int, connection: Connection | None) -> None:
        place, tally = self._places[at], self._tallies[at]
        with self._locked(place, tally):
            self._results[at] = self._found(place, tally) or self._brought(place, tally, connection)
            self._layout.placed(place.file)

    def _found(self, place: Place, tally: Tally) -> Fetched | None:
        """A file that is there already, if it is right."""
        if not place.is_filled:
            return None
        stop = self._line.patience.stop
        tally.phase("verifying")
        if file_matches(place.final, place.file, stop=stop, follow=place.may_be_link):
            tally.reused(place.file.size_bytes)
            tally.phase("done")
            return Fetched(None, 0, place.file.size_bytes)
        if stop.is_set():
            raise Stopped
        return None

    def _brought(self, place: Place, tally: Tally, connection: Connection | None) -> Fetched:
        if connection is not None:
            try:
                return fetch_small(place, connection, self._line, tally)
            except BaseException:
                tally.kept(0)
                raise
        with PartialFile(place.partial, place.file, sums=place.sums) as partial:
            self._take_over(place, partial, tally)
            job = Job(partial, self._line.source(place.file), self._line, tally)
            try:
                return fetch_file(job, place.final, self._choice)
            except DamagedError:
                tally.kept(0)
                raise
            except BaseException:
                tally.kept(partial.journal.held_bytes)
                raise

    def _take_over(self, place: Place, partial: PartialFile, tally: Tally) -> None:
        """What is sound in a file that is damaged does not have to come again."""
        for size_bytes in partial.take_over(place.final, follow=place.may_be_link):
            tally.reused(tally.state.reused_bytes + size_bytes)
            partial.sync_now_and_then()
            if self._line.patience.stop.is_set():
                raise Stopped

    @contextlib.contextmanager
    def _locked(self, place: Place, tally: Tally) -> Iterator[None]:
        """The Hub's own lock, so that `hf download` waits too; waiting ends with the patience's `stop`."""
        patience = self._line.patience

        def say(for_whom: str | None) -> None:
            self._progress.wait_for(for_whom)
            tally.phase("waiting" if for_whom else "queued")

        try:
            with held(place.lock, Waiting(patience.stop, patience.retry_for_s, say), what=f"`{place.file.path}`"):
                patience.fresh()
                yield
        except Interrupted as error:
            raise Stopped from error
