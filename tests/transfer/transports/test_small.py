"""A small file is a whole answer with the right bytes; every other answer ends as what it is, and never as damage."""

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from quantpick.core.progress import FileProgress
from quantpick.core.repo import RepoFile
from quantpick.demo.hub import HubFile
from quantpick.errors import DamagedError, HubError, TransferError
from quantpick.transfer.disk.places import Place
from quantpick.transfer.net.http import Connection
from quantpick.transfer.net.line import Line
from quantpick.transfer.net.patience import Patience
from quantpick.transfer.net.tally import Tally
from quantpick.transfer.transports.small import fetch_small
from tests.fakes.raw import RawServer

BODY = b"a small file\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
NONSENSE = {
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "205": b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n",
    "206": b"HTTP/1.1 206 Part\r\n" + LENGTH + b"Content-Range: bytes 0-12/13\r\n\r\n" + BODY,
    "200 of a part": b"HTTP/1.1 200 OK\r\n" + LENGTH + b"Content-Range: bytes 0-12/99\r\n\r\n" + BODY,
    "203": b"HTTP/1.1 203 Changed\r\n" + LENGTH + b"\r\n" + BODY,
    "packed": b"HTTP/1.1 200 OK\r\n" + LENGTH + b"Content-Encoding: gzip\r\n\r\n" + BODY,
    "302 to nowhere": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
}
PASSING = {
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\na sma",
    "without a length": b"HTTP/1.1 200 OK\r\n\r\na sma",
    "interim": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
}


def fetch(folder: Path, url: str, patience: Patience | None = None, progress: FileProgress | None = None) -> bytes:
    file = HubFile.small("config.json", BODY.decode())
    of_repo = RepoFile(file.path, file.size_bytes, file.blob_sha1)
    place = Place(of_repo, folder / "config.json", folder / "partial", folder / "lock", folder / "sums")
    line = Line(lambda _: url, patience=patience or Patience(0.5))
    with contextlib.closing(Connection()) as connection:
        fetch_small(place, connection, line, Tally(progress or FileProgress(file.path, file.size_bytes)))
    return place.final.read_bytes()


def answering(*answers: bytes) -> RawServer:
    """One answer after the other, the last for ever."""
    left = list(answers)

    def script(_: bytes) -> Iterable[bytes]:
        yield left.pop(0) if len(left) > 1 else left[0]

    return RawServer(script)


RIGHT = b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\n" + BODY


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_hub_that_answers_with_something_else_is_a_hub_that_fails(tmp_path: Path, answer: bytes) -> None:
    with answering(answer) as hub, pytest.raises(HubError, match=r"the Hub answers \d+ instead"):
        fetch(tmp_path, hub.url)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("answer", [*NONSENSE.values(), *PASSING.values()], ids=[*NONSENSE, *PASSING])
def test_other_host_that_does_is_tried_as_long_as_patience_lasts(tmp_path: Path, answer: bytes) -> None:
    with answering(answer) as cdn:
        redirect = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s/x\r\n\r\n" % cdn.url.encode()
        with answering(redirect) as hub, pytest.raises(TransferError, match="gave up"):
            fetch(tmp_path, hub.url)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)
def test_answer_that_broke_is_asked_for_again(tmp_path: Path, answer: bytes) -> None:
    with answering(answer, RIGHT) as hub:
        assert fetch(tmp_path, hub.url) == BODY


def test_login_page_of_a_network_is_waited_out(tmp_path: Path) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: 5\r\n\r\nlogin"
    with answering(page, page, RIGHT) as hub:
        assert fetch(tmp_path, hub.url, Patience(5)) == BODY
    with answering(page) as hub, pytest.raises(TransferError, match="a login page of this network"):
        fetch(tmp_path / "other", hub.url)


def test_wrong_bytes_of_the_right_length_are_damage(tmp_path: Path) -> None:
    with answering(RIGHT.replace(b"small", b"SMALL")) as hub, pytest.raises(DamagedError):
        fetch(tmp_path, hub.url)
    assert not list(tmp_path.iterdir())


def test_it_counts_as_it_comes(tmp_path: Path) -> None:
    """On a slow line a small file takes a minute, and who looks is not told that nothing comes."""
    progress, seen = FileProgress("config.json", len(BODY)), []

    def script(_: bytes) -> Iterable[bytes]:
        yield RIGHT[:-5]
        for _again in range(500):
            if progress.fetched_bytes:
                break
            time.sleep(0.01)
        seen.append(progress.fetched_bytes)
        yield RIGHT[-5:]

    with RawServer(script) as hub:
        assert fetch(tmp_path, hub.url, progress=progress) == BODY
    assert seen == [len(BODY) - 5]
    assert progress.fetched_bytes == len(BODY)


class _Fed(Patience):
    """A patience that counts what it is fed with."""

    fed = 0

    def came(self, count: int) -> None:
        self.fed += count
        super().came(count)


def test_what_comes_again_is_no_reason_to_be_patient(tmp_path: Path) -> None:
    """A server that always hangs up at the same byte is given up, however often it sends the bytes before it."""
    patience = _Fed(0.5)
    with answering(PASSING["cut"]) as hub, pytest.raises(TransferError, match="gave up"):
        fetch(tmp_path, hub.url, patience)
    assert len(hub.heads) > 1
    assert patience.fed == len(b"a sma")
