"""A Hub and its second host with one large file, and the transfer of that file in this process."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from quantpick.core.progress import FileProgress
from quantpick.core.repo import RepoFile
from quantpick.core.transfer_options import TransportChoice
from quantpick.core.units import MIB
from quantpick.demo.cdn import sha256_of
from quantpick.demo.hub import HubFile, HubRepo
from quantpick.transfer.disk.partial import PartialFile
from quantpick.transfer.net import line as transfer_line
from quantpick.transfer.net.patience import Patience
from quantpick.transfer.net.tally import Tally
from quantpick.transfer.transports.fetch import Fetched, fetch_file
from quantpick.transfer.transports.job import Job
from tests.fakes.cdn import FaultyCdn
from tests.fakes.hub import FaultyHub
from tests.fakes.world import World, open_world

REPO = "pub/Finch-7B-GPTQ"
SIZE = 40 * MIB + 12_345


@dataclass
class Line:
    """A Hub, its second host, and where a file goes."""

    hub: FaultyHub
    cdn: FaultyCdn
    file: RepoFile
    content: Path
    folder: Path
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def final(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def partial(self) -> Path:
        return self.folder / "model.safetensors.part"

    def fetch(
        self,
        transport: TransportChoice = "range",
        *,
        retry_for_s: float = 20.0,
        connections: int = 4,
        login: str | None = None,
    ) -> Fetched:
        line = transfer_line.Line(
            lambda file: f"{self.hub.url}/{REPO}/resolve/main/{file.path}",
            login={} if login is None else {"authorization": f"Bearer {login}"},
            connections=connections,
            patience=Patience(retry_for_s, self.stop),
        )
        with PartialFile(self.partial, self.file) as partial:
            tally = Tally(FileProgress(self.file.path, self.file.size_bytes))
            return fetch_file(Job(partial, line.source(self.file), line, tally), self.final, transport)

    def left_over(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {"model.safetensors"}


Open = Callable[..., Line]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Open]:
    """Open a line: with `interference` for the second host, `content` for the file, `mirror` for a Hub without one."""
    with ExitStack() as stack:

        def start(*, content: bytes | None = None, mirror: bool = False, token: str | None = None, **cdn: Any) -> Line:
            path = tmp_path / "content"
            path.write_bytes(os.urandom(SIZE) if content is None else content)
            sha256 = sha256_of(path)
            file = HubFile("model.safetensors", path.stat().st_size, sha256, path.read_bytes() if mirror else None)
            server = stack.enter_context(FaultyCdn({sha256: path}, **cdn))
            link = None if mirror else server.link
            hub = stack.enter_context(FaultyHub({REPO: HubRepo({"main": [file]}, token=token)}, link=link))
            folder = tmp_path / "target"
            folder.mkdir()
            return Line(hub, server, RepoFile(file.path, file.size_bytes, file.blob_sha1, sha256), path, folder)

        yield start


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB, where this user may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a small tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make the world of these tests, with the arguments of its second host."""
    with ExitStack() as stack:
        yield lambda **cdn: stack.enter_context(open_world(tmp_path, **cdn))
