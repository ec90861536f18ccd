"""quantpick's transports beside raw hf_transfer and `hf download`: speed, what a kill costs, memory, small files.

    python benchmarks/transfer.py [ROUNDS] [FOLDER]

A Hub and its second host run in a process of their own on loopback; every competitor is a process, and all take their
turn in every round. FOLDER (default: /dev/shm where there is one) takes the files: 2 GiB to serve and 2 GiB to write.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from quantpick.core.units import MIB
from quantpick.demo.cdn import LoopbackCdn, sha256_of
from quantpick.demo.hub import HubFile, HubRepo, LoopbackHub

CONNECTIONS = 16
OURS = ("auto", "hf_transfer", "range")
LARGE, SMALL = "bench/large", "bench/small"
SIZES = {"2g": 2048 * MIB, "512m": 512 * MIB}
SMALL_FILES = 200
PYTHON = sys.executable
HF = str(Path(PYTHON).parent / "hf")
RAW = """
import hf_transfer, sys
hf_transfer.download(url=sys.argv[1], filename=sys.argv[2], max_files=16, chunk_size=8 << 20, parallel_failures=3,
    max_retries=5)
"""
BARE = """
import sys
from pathlib import Path
from quantpick.core.progress import FileProgress
from quantpick.core.repo import RepoFile
from quantpick.transfer.disk.partial import PartialFile
from quantpick.transfer.net.line import Line
from quantpick.transfer.net.tally import Tally
from quantpick.transfer.transports.job import Job
from quantpick.transfer.transports.table import TRANSPORTS
transport, url, path, size = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
file, line = RepoFile("x", size, "", "0" * 64), Line(lambda file: url)
with PartialFile(path, file) as partial:
    TRANSPORTS[transport].fetch(Job(partial, line.source(file), line, Tally(FileProgress("x", size))))
"""
"""A transport alone, without hashing."""


def serve(folder: str) -> None:
    """The servers: print their addresses, then obey one line each: a rate, or `sent`."""
    files: dict[str, Path] = {}
    branches: dict[str, list[HubFile]] = {}
    for name, size in SIZES.items():
        path = Path(folder) / name
        with path.open("wb") as target:
            for start in range(0, size, 64 * MIB):
                target.write(os.urandom(min(64 * MIB, size - start)))
        file = HubFile("model.safetensors", size, sha256_of(path))
        files[str(file.sha256)] = path
        branches[name] = [file]
    small = [HubFile.small(f"file-{at:03}.json", json.dumps({"at": at}) * 100) for at in range(SMALL_FILES)]
    with LoopbackCdn(files) as cdn, LoopbackHub({LARGE: HubRepo(branches), SMALL: HubRepo({"main": small})}) as hub:
        hub.link = cdn.link
        links = {name: cdn.link(branches[name][0]) for name in SIZES}
        print(json.dumps({"hub": hub.url, "links": links}), flush=True)
        for line in sys.stdin:
            if line.strip() == "sent":
                print(cdn.sent_bytes, flush=True)
            else:
                cdn.bytes_per_s = float(line) or None
                cdn.sent_bytes = 0
                print("ok", flush=True)


class Servers:
    """The process that serves."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [PYTHON, __file__, "--serve", str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.known: Any = json.loads(self._line())

    def rate(self, bytes_per_s: float) -> None:
        """So many bytes a second on each connection, 0 for as fast as it goes; counts from 0 again."""
        self._say(str(bytes_per_s))

    def sent(self) -> int:
        """Bytes since then."""
        return int(self._say("sent"))

    def _say(self, line: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


class Bench:
    def __init__(self, servers: Servers, folder: Path) -> None:
        self.servers = servers
        self.folder = folder

    def run(self, argv: Sequence[str]) -> tuple[float, int]:
        """Seconds and peak bytes of memory of a command and its children, in an empty home."""
        with self.empty_home() as environment:
            return self.measured(argv, environment)

    @contextmanager
    def empty_home(self) -> Iterator[dict[str, str]]:
        home = tempfile.mkdtemp(dir=self.folder)
        own = {"HF_ENDPOINT": self.servers.known["hub"], "HF_HOME": home, "HF_HUB_DISABLE_TELEMETRY": "1"}
        environment = {**os.environ, **own, "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1", "TARGET": home + "/x"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        try:
            yield environment
        finally:
            shutil.rmtree(home)

    def measured(self, argv: Sequence[str], environment: dict[str, str]) -> tuple[float, int]:
        argv = [environment["TARGET"] if one == "TARGET" else one for one in argv]
        start = time.perf_counter()
        process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        peak = [0]
        watcher = threading.Thread(target=_watch_memory, args=(process.pid, peak))
        watcher.start()
        _, error = process.communicate()
        seconds = time.perf_counter() - start
        watcher.join()
        assert process.returncode == 0, error.decode()
        return seconds, peak[0]

    def compare(
        self, title: str, commands: dict[str, list[str]], rounds: int, size: int, goals: dict[str, tuple[str, float]]
    ) -> None:
        """Every command in every round; medians, and the median of each round's ratio to its rival."""
        taken: dict[str, list[tuple[float, int]]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, argv in commands.items():
                taken[name].append(self.run(argv))
        print(f"\n{title}, {rounds} rounds")
        for name, figures in taken.items():
            seconds = median(second for second, _ in figures)
            peak = max(memory for _, memory in figures) / MIB
            line = f"  {name:28} {seconds:7.2f} s {size / seconds / 1e6:7.0f} MB/s {peak:6.0f} MiB"
            if name in goals:
                rival, goal = goals[name]
                ratio = median(other[0] / own[0] for own, other in zip(figures, taken[rival], strict=True))
                line += f"   {ratio:5.2f}x {rival}, goal {goal} {'met' if ratio >= goal else 'MISSED'}"
            print(line, flush=True)

    def kill(self, transport: str, limit: int) -> None:
        """What SIGKILL at half of 2 GiB costs."""
        self.servers.rate(20e6)
        argv = download("2g", transport)
        with self.empty_home() as environment:
            process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while self.servers.sent() < SIZES["2g"] // 2:
                time.sleep(0.02)
            process.kill()
            process.wait()
            time.sleep(0.5)
            self.measured(argv, environment)
        again = self.servers.sent() - SIZES["2g"]
        print(
            f"  {transport:28} {again / MIB:7.1f} MiB again, at most {limit / MIB:.0f} MiB and what socket buffers held"
        )


def _watch_memory(pid: int, peak: list[int]) -> None:
    try:
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            family = [process, *process.children(recursive=True)]
            peak[0] = max(peak[0], sum(_resident(one) for one in family))
            time.sleep(0.1)
    except psutil.NoSuchProcess:
        return


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def download(branch: str, transport: str) -> list[str]:
    command = [PYTHON, "-m", "quantpick", "download", LARGE, "--revision", branch, "--transport", transport, "-q"]
    return [*command, "--connections", str(CONNECTIONS)]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    default = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else default) as scratch:
        folder = Path(scratch)
        servers = Servers(folder)
        bench = Bench(servers, folder)
        try:
            tell(bench, servers, rounds)
        finally:
            servers.process.kill()
            servers.process.communicate()


def tell(bench: Bench, servers: Servers, rounds: int) -> None:
    links, hub = servers.known["links"], servers.known["hub"]
    raw = {name: [PYTHON, "-c", RAW, links[name], "TARGET"] for name in SIZES}
    ours: Callable[[str], dict[str, list[str]]] = lambda size: {  # noqa: E731
        f"quantpick {name}": download(size, name) for name in OURS
    }

    servers.rate(10e6)
    goals = {f"quantpick {name}": ("raw hf_transfer", 0.9) for name in OURS}
    commands = {"raw hf_transfer": raw["2g"], **ours("2g")}
    bench.compare("2 GiB, 10 MB/s a connection, sha256 included", commands, rounds, SIZES["2g"], goals)

    servers.rate(40e6)
    hf = [HF, "download", LARGE, "--revision", "512m"]
    goals = {f"quantpick {name}": ("hf download", 5.0) for name in OURS}
    bench.compare("512 MiB, 40 MB/s a connection", {"hf download": hf, **ours("512m")}, rounds, SIZES["512m"], goals)

    servers.rate(0)
    url = f"{hub}/{LARGE}/resolve/2g/model.safetensors"
    bare = {
        f"{name} alone": [PYTHON, "-c", BARE, name, url, "TARGET", str(SIZES["2g"])]
        for name in ("hf_transfer", "range")
    }
    goals = {"hf_transfer alone": ("raw hf_transfer", 0.9), "range alone": ("raw hf_transfer", 1.0)}
    commands = {"raw hf_transfer": raw["2g"], **bare, **ours("2g")}
    bench.compare("2 GiB, as fast as it goes; alone is without verification", commands, rounds, SIZES["2g"], goals)

    print("\nSIGKILL at half of 2 GiB")
    bench.kill("hf_transfer", CONNECTIONS * 8 * MIB)
    bench.kill("range", CONNECTIONS * MIB)

    servers.rate(0)
    quantpick = [PYTHON, "-m", "quantpick", "download", SMALL, "--revision", "main", "-q"]
    commands = {"hf download": [HF, "download", SMALL], "quantpick": quantpick}
    bench.compare(
        f"{SMALL_FILES} small files", commands, rounds, SMALL_FILES * 1200, {"quantpick": ("hf download", 1.0)}
    )


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1:2] == ["--serve"] else main()
