"""The `range` transport: connections that stream large ranges straight to their place in the file.

A range is one request of up to 64 MiB, so that the time to the first byte is paid seldom; what arrives is on its way to
the disk as it comes and marked in the journal by the MiB, so that little is lost with the process. There are as many
connections as the line is worth; one that falls behind the others is dropped, and what it left goes to them.
"""

import http.client
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import Final

from quantpick.core.refusal import BUSY, asked_pause_s
from quantpick.transfer.disk.journal import BLOCK_BYTES
from quantpick.transfer.net.crew import Crew
from quantpick.transfer.net.http import Answer, Connection, drain
from quantpick.transfer.net.patience import Stopped
from quantpick.transfer.net.source import Link
from quantpick.transfer.net.tempo import HEAD_S, MIRROR_HEAD_S
from quantpick.transfer.net.width import Width
from quantpick.transfer.transports.blocks import Blocks
from quantpick.transfer.transports.job import Job
from quantpick.transfer.transports.stretches import Stretch, Stretches
from quantpick.transfer.transports.whole import fetch_whole

_BUFFER_BYTES: Final = 256 * 1024
_LONGER: Final = 2
"""Chosen: a mirror's first byte is waited for longer after each time that it did not come, up to four times as long: a
block that is asked for again and left again never arrives."""
_REFUSED: Final = frozenset({401, 403, 404, 410})
"""How servers answer a link that has expired."""
_IDLE_S: Final = 0.1
_SLOW: Final = 0.2
"""Chosen: a connection below this share of the others' rate is dropped."""
_WRONG_ANSWERS: Final = 8
"""Chosen: after this many answers in a row without the range, no more ranges are asked for."""
_TICK_S: Final = 1.0


def fetch_ranges(job: Job) -> None:
    """Fetch all that is missing; from a server that knows no ranges in one stream.

    Raises:
        TransferError: next to nothing came for too long.
        DiskError: the disk is full.
        AccessError, NotFoundError, HubError: the Hub refuses for good.
        Stopped: the transfer was told to.
    """
    fetch_until(job, lambda _: False)


def fetch_until(job: Job, is_enough: Callable[[Width], bool], *, most_bytes: int | None = None) -> Width:
    """As `fetch_ranges`, but only until the measured line says that it is enough.

    Args:
        job: the file.
        is_enough: asked twenty times a second.
        most_bytes: and no more than so many.

    Returns:
        What was measured.
    """
    work = _Ranges(job, is_enough, most_bytes)
    try:
        work.run()
    except _NoRanges:
        work.stretches.close()
        fetch_whole(job)
    finally:
        work.stretches.close()
    if work.width.rate:
        job.line.found.connections = work.width.count
        job.line.found.collapsed_at = work.width.collapsed_at
    return work.width


class _Ranges:
    """The work of one file, shared by its threads."""

    def __init__(self, job: Job, is_enough: Callable[[Width], bool], most_bytes: int | None) -> None:
        self._job = job
        self._is_enough = is_enough
        self._patience = job.line.patience
        self._pace = job.line.pace
        is_limited = self._pace.limit_bytes_per_s is not None
        self._crew = Crew(self._patience, is_limited=is_limited)
        missing = list(_first_bytes(job.partial.journal.missing(), most_bytes))
        self._is_mirror = bool(missing) and self._first_link().is_the_hubs
        found = job.line.found
        self.width = Width(
            job.line.connections, found.connections, leaps=not self._is_mirror, collapsed_at=found.collapsed_at
        )
        may_split = not is_limited
        self.stretches = (
            Blocks(missing, job.line.connections, size_bytes=job.partial.file.size_bytes, may_split=may_split)
            if self._is_mirror
            else Stretches(missing, job.line.connections, may_split=may_split)
        )
        self._received = 0
        self._read_bytes, self._read_s = 0, 0.0
        """What came in answers that are over, and how long they were read."""
        self._busy: dict[Stretch, Connection] = {}
        """Which connection fetches what."""
        self._active = 0
        self._turn = threading.Condition()
        self._cut_at: deque[float] = deque(maxlen=job.line.connections)
        self._wrong_answers = 0
        self._ticked_at = time.monotonic()
        self._finished: deque[float] = deque(maxlen=16)
        """Bytes a second of the last stretches."""
        self._is_winding_down = False

    def _first_link(self) -> Link:
        """The link to begin with, asked for by a thread, so that a silent Hub is said and given up."""

        def ask(_: Connection) -> None:
            self._job.source.link()

        Crew(self._patience).run(1, ask, meanwhile=lambda: None)
        return self._job.source.link()

    def run(self) -> None:
        blocks = -(-self._job.missing_bytes // BLOCK_BYTES)
        self._crew.run(min(self.width.ceiling, blocks), self._work, meanwhile=self._look)

    def _look(self) -> None:
        """Twenty times a second: measure, adapt, and drop what is slow."""
        self._job.partial.sync_now_and_then()
        now = time.monotonic()
        before = self.width.count
        self.width.look(now, self._received)
        if self.width.count < before:
            self._job.source.renew_when_old()
        self.stretches.fit_to(self.width.first_byte_s, self.width.per_connection)
        if self.width.count != before:
            with self._turn:
                self._turn.notify_all()
        self._job.line.progress.transport = "range"
        self._job.line.progress.connections = len(self._busy)
        if now - self._ticked_at >= _TICK_S:
            self._ticked_at = now
            self._drop_slow(self.stretches.tick())
        if not self._is_winding_down and not self._is_mirror and self._is_enough(self.width):
            self._is_winding_down = True
            self.stretches.end_at_blocks()

    def _drop_slow(self, under_way: list[Stretch]) -> None:
        """Hang up on the connection that is slowest, if it is far behind the others, or what one brought before."""
        rates = {one: rate for one in under_way if (rate := one.recent_bytes_per_s) is not None}
        slowest = min(rates, key=lambda one: rates[one], default=None)
        if slowest is None:
            return
        usual = [*self._finished, *(rate for one, rate in rates.items() if one is not slowest)]
        connection = self._busy.get(slowest)
        if connection is not None and usual and rates[slowest] < median(usual) * _SLOW:
            slowest.ticks.clear()
            connection.abort()

    def _work(self, connection: Connection) -> None:
        buffer = memoryview(bytearray(_BUFFER_BYTES))[: self._pace.read_bytes(_BUFFER_BYTES)]
        attempt = 0
        while not self._is_over():
            self._patience.wait_for_turn(self._is_over)
            if not self._may_go():
                continue
            stretch = None
            try:
                stretch = self.stretches.take(_IDLE_S)
                if stretch is None:
                    continue
                self._busy[stretch] = connection
                self._fetch(connection, buffer, stretch, attempt)
                attempt = 0
                continue
            except _Failed as error:
                failure = error
                attempt = 0 if stretch and stretch.got else attempt + 1
                connection.close()
            finally:
                if stretch is not None:
                    if stretch.got:
                        self._finished.append(stretch.got / (time.monotonic() - stretch.began_s))
                    del self._busy[stretch]
                    self.stretches.give_back(stretch)
                with self._turn:
                    self._active -= 1
                    self._turn.notify()
            self._patience.failed(str(failure), attempt, pause_s=failure.pause_s, is_over=self._is_over)

    def _is_over(self) -> bool:
        return self._crew.is_over or self.stretches.is_done

    def _may_go(self) -> bool:
        """Whether this thread is one of those that the line is worth; waits a moment where it is not."""
        with self._turn:
            if self._active >= self.width.count:
                self._turn.wait(_IDLE_S)
            if self._active >= self.width.count:
                return False
            self._active += 1
            return True

    def _fetch(self, connection: Connection, buffer: memoryview, stretch: Stretch, attempt: int) -> None:
        """Ask for a stretch and read it, as far as it is still this thread's.

        Args:
            connection: to ask on.
            buffer: to read into.
            stretch: what to ask for.
            attempt: how many requests in a row brought nothing; a mirror is given longer each time.

        Raises:
            _Failed: it was not to be had; the stretch says how far it got.
            _NoRanges: nor will others be.
        """
        link = self._job.source.link()
        asked = (stretch.at, stretch.end)
        began = time.monotonic()
        try:
            answer = connection.get(
                link.url,
                {**link.login, "Range": f"bytes={asked[0]}-{asked[1] - 1}"},
                head_s=MIRROR_HEAD_S * 2 ** min(attempt, _LONGER) if link.is_the_hubs else HEAD_S,
            )
        except (OSError, http.client.HTTPException) as error:
            self._was_cut()
            raise _Failed(f"no connection ({str(error) or type(error).__name__})") from error
        self.width.first_byte_s = time.monotonic() - began
        self._check(connection, answer, link, asked)
        began, before = time.monotonic(), stretch.got
        try:
            self._receive(connection, answer, buffer, stretch)
        finally:
            with self._turn:
                self._read_bytes += stretch.got - before
                self._read_s += time.monotonic() - began
                self.width.per_connection = self._read_bytes / max(1e-3, self._read_s)

    def _check(self, connection: Connection, answer: Answer, link: Link, asked: tuple[int, int]) -> None:
        """See that an answer is the range that was asked for."""
        if answer.is_range(*asked, self._job.partial.file.size_bytes):
            self._wrong_answers = 0
            return
        if answer.status == 200:
            connection.close()
            raise _NoRanges
        body = drain(connection, answer)
        if self._job.source.moved(link, answer):
            raise _Failed(f"the link leads on ({answer.status})")
        said = f"{answer.status} {(_first_words(body) if answer.status >= 400 else '') or answer.reason}".strip()
        if answer.status in _REFUSED:
            self._job.source.refused(link, said)
            raise _Failed(f"the link is refused ({said})")
        if answer.status in BUSY:
            pause = asked_pause_s(answer.headers, now_s=time.time())
            if answer.status == 429:
                self.width.broke(time.monotonic())
            else:
                self._was_cut()
            raise _Failed(f"the server answers {said}", pause)
        self._job.source.expire(link)
        self._wrong_answers += 1
        if self._wrong_answers >= _WRONG_ANSWERS:
            raise _NoRanges
        raise _Failed(f"the server does not send the range that was asked for ({said})")

    def _receive(self, connection: Connection, answer: Answer, buffer: memoryview, stretch: Stretch) -> None:
        """Stream the body to the file, until the stretch is full, or was cut short by another, or nobody wants it."""
        while stretch.at < stretch.end:
            try:
                count = answer.read_some(buffer[: stretch.end - stretch.at])
            except (OSError, http.client.HTTPException) as error:
                self._was_cut()
                raise _Failed(f"the connection broke ({str(error) or type(error).__name__})") from error
            if count == 0:
                self._was_cut()
                raise _Failed("the connection was closed early")
            self._store(stretch, buffer[:count])
            if self._crew.is_over:
                raise Stopped
            if self._active > self.width.count and self.stretches.may_leave(stretch):
                break
        if not answer.isclosed():
            connection.close()

    def _store(self, stretch: Stretch, data: memoryview) -> None:
        count = self.stretches.reserve(stretch, len(data))
        if count == 0:
            return
        written = 0
        try:
            self._job.partial.write(stretch.at, data[:count])
            written = count
        finally:
            self.stretches.wrote(stretch, written)
        self._received += count
        self._patience.came(count)
        self._job.source.works()
        self._job.tally.fetched(count, "range")
        self._pace.spend(count, self._patience.stop)

    def _was_cut(self) -> None:
        """Note a connection that ended early; half of them within a second are too many at once."""
        now = time.monotonic()
        self._cut_at.append(now)
        recent = sum(now - at < _TICK_S for at in self._cut_at)
        if recent > max(1, self.width.count // 2):
            self._cut_at.clear()
            self.width.broke(now)
        self._job.source.renew_when_old()


def _first_bytes(missing: Iterable[tuple[int, int]], most: int | None) -> Iterator[tuple[int, int]]:
    """So many of the missing bytes, whole blocks."""
    for start, end in missing:
        if most is None:
            yield start, end
        elif most > 0:
            yield start, min(end, start + most)
            most -= end - start


class _Failed(Exception):
    """A request that did not bring all it should, and the pause that the server asks for."""

    def __init__(self, problem: str, pause_s: float | None = None) -> None:
        super().__init__(problem)
        self.pause_s = pause_s


class _NoRanges(Exception):
    """The server sends no ranges."""


def _first_words(body: bytes) -> str:
    """The start of an error's body, on one line."""
    return "".join(char for char in " ".join(body[:300].decode("utf-8", "replace").split()) if char.isprintable())[:120]
