"""Behind a mirror nothing comes from the origin twice, and whatever it answers meanwhile, the file arrives."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from quantpick.core.progress import FileProgress
from quantpick.core.repo import RepoFile
from quantpick.core.units import MIB
from quantpick.demo.cdn import _Handler, sha256_of
from quantpick.transfer.disk.partial import PartialFile
from quantpick.transfer.net.line import Line
from quantpick.transfer.net.patience import Patience, Stopped
from quantpick.transfer.net.tally import Tally
from quantpick.transfer.transports.fetch import Fetched, fetch_file
from quantpick.transfer.transports.job import Job
from tests.fakes import cdn as faults
from tests.fakes.mirror import ColdMirror

BLOCK = 8 * MIB
SIZE = 70 * MIB + 4321


class Fleet:
    """A mirror of one file, and clients of it in this process."""

    def __init__(self, mirror: ColdMirror, content: Path, folder: Path) -> None:
        self.mirror = mirror
        self._content = content
        self._folder = folder
        self._sha256 = sha256_of(content)

    def fetch(self, client: int = 0, *, stop: threading.Event | None = None) -> Fetched:
        file = RepoFile(self._content.name, self._content.stat().st_size, "0" * 40, self._sha256)
        line = Line(lambda file: f"{self.mirror.url}/{file.path}", connections=8, patience=Patience(20.0, stop))
        with PartialFile(self._folder / f"{client}.part", file) as partial:
            tally = Tally(FileProgress(file.path, file.size_bytes))
            return fetch_file(Job(partial, line.source(file), line, tally), self._folder / f"{client}.bin", "auto")

    def together(self, clients: int) -> None:
        threads = [threading.Thread(target=self.fetch, args=(client,)) for client in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    def verified(self) -> list[str]:
        return sorted(one.name for one in self._folder.glob("*.bin") if sha256_of(one) == self._sha256)


@contextmanager
def fleet(tmp_path: Path, size: int = SIZE, **mirror: Any) -> Iterator[Fleet]:
    content = tmp_path / "model.safetensors"
    content.write_bytes(os.urandom(size))
    with ColdMirror(content, **mirror) as server:
        yield Fleet(server, content, tmp_path)


@pytest.mark.parametrize("block_bytes", [MIB, BLOCK, 64 * MIB])
def test_clients_that_ask_at_once_cost_the_origin_the_file_once(tmp_path: Path, block_bytes: int) -> None:
    with fleet(tmp_path, block_bytes=block_bytes, origin_bytes_per_s=100e6) as one:
        one.together(4)
        assert one.verified() == [f"{client}.bin" for client in range(4)]
        assert one.mirror.origin_bytes == SIZE


def test_all_clients_together_have_little_more_than_one_block_fetched_at_once(tmp_path: Path) -> None:
    size = 2 * 64 * MIB
    with fleet(tmp_path, size, origin_bytes_per_s=60e6) as one:
        one.together(3)
        assert len(one.verified()) == 3
        assert one.mirror.origin_bytes == size
        assert one.mirror.most_fetched < 70 * MIB


def test_a_client_that_stops_costs_the_origin_no_more_than_its_block(tmp_path: Path) -> None:
    with fleet(tmp_path, 64 * MIB, origin_bytes_per_s=40e6) as one:
        stop = threading.Event()
        threading.Timer(0.8, stop.set).start()
        with pytest.raises(Stopped):
            one.fetch(stop=stop)
        lost = one.mirror.origin_bytes
        one.fetch()
        assert one.verified() == ["0.bin"]
        assert one.mirror.origin_bytes <= 64 * MIB + lost + MIB


def test_what_a_mirror_holds_is_shared_by_more_connections(tmp_path: Path) -> None:
    with fleet(tmp_path, 3 * 64 * MIB, bytes_per_s=30e6) as one:
        one.mirror.held.update(range(3))
        one.fetch()
        assert one.mirror.origin_bytes == 0
        assert len(one.mirror.requests) > 6


def busy_while_it_fetches(mirror: ColdMirror, status: int) -> faults.Interference:
    """Refuse what another is having fetched, as a proxy does that has no patience with itself."""

    def interference(handler: _Handler, start: int, end: int) -> bool:
        is_fetched = any(number * BLOCK < end and start < (number + 1) * BLOCK for number in list(mirror.fetching))
        if is_fetched:
            handler.answer(status, b"<html>upstream timed out</html>", {"Content-Type": "text/html"})
        return is_fetched

    return interference


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_mirror_that_refuses_while_it_fetches_is_asked_again(tmp_path: Path, status: int) -> None:
    with fleet(tmp_path, 40 * MIB, block_bytes=BLOCK, origin_bytes_per_s=40e6) as one:
        one.mirror.interference = busy_while_it_fetches(one.mirror, status)
        one.together(2)
        assert len(one.verified()) == 2
        assert one.mirror.origin_bytes == 40 * MIB


def whole_while_cold(mirror: ColdMirror, *, cut_at: float) -> faults.Interference:
    """Know nothing of ranges until the file is held; it is, once it was asked for, though that answer breaks off."""

    def interference(handler: _Handler, start: int, end: int) -> bool:
        size = handler.path_size()
        if mirror.held:
            return False
        handler.send_head(200, 0, size, size)
        mirror.held.update(range(-(-size // BLOCK)))
        handler.send_content(handler.file_path(), 0, int(size * cut_at))
        handler.close_connection = True
        return True

    return interference


@pytest.mark.parametrize("cut_at", [0.5, 1.0])
def test_a_mirror_that_knows_ranges_only_of_what_it_holds_brings_the_file(tmp_path: Path, cut_at: float) -> None:
    with fleet(tmp_path, 40 * MIB, block_bytes=BLOCK) as one:
        one.mirror.interference = whole_while_cold(one.mirror, cut_at=cut_at)
        one.fetch()
        assert one.verified() == ["0.bin"]


def test_a_mirror_that_cuts_each_answer_brings_the_file_all_the_same(tmp_path: Path) -> None:
    with fleet(tmp_path, 40 * MIB, block_bytes=BLOCK, interference=faults.cuts_every(5 * MIB)) as one:
        one.fetch()
        assert one.verified() == ["0.bin"]
        assert one.mirror.sent_bytes <= 44 * MIB


def test_a_mirror_may_redirect_to_itself_by_a_relative_address(tmp_path: Path) -> None:
    def interference(handler: _Handler, start: int, end: int) -> bool:
        if "bridge" in handler.path:
            return False
        handler.answer(302, b"", {"Location": "model.safetensors?bridge=1", "ETag": '"not-the-sha256"'})
        return True

    with fleet(tmp_path, 40 * MIB, block_bytes=BLOCK, interference=interference, asks_head=True) as one:
        one.fetch()
        assert one.verified() == ["0.bin"]
        assert one.mirror.origin_bytes == 40 * MIB
