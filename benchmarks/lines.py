"""quantpick on lines that are limited, far, crowded or slow, beside raw hf_transfer, `hf download`, aria2c and curl.

    python benchmarks/lines.py [ROUNDS] [LINE ...]

Each line is a Hub and its second host on loopback, in a process of their own, whose connections are shaped. Every
competitor is a process and all take their turn in every round. aria2c and curl take part where they are installed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from quantpick.core.units import MIB
from quantpick.demo.cdn import LoopbackCdn, sha256_of
from quantpick.demo.hub import HubFile, HubRepo, LoopbackHub

REPO = "bench/lines"
PYTHON = sys.executable
HF = str(Path(PYTHON).parent / "hf")
RAW = """
import hf_transfer, sys
hf_transfer.download(url=sys.argv[1], filename=sys.argv[2], max_files=16, chunk_size=8 << 20, parallel_failures=3,
    max_retries=5)
"""
LONGEST_S = 40.0
"""A competitor that takes longer is stopped and counted as slower than that."""


@dataclass(frozen=True, slots=True)
class Line:
    """How connections are shaped, in bytes a second and seconds.

    Args:
        size_mib: of the file.
        per_connection: the most of one connection.
        total: the most of all together.
        breaks_above: with more connections than this, all together get `broken_total`.
        broken_total: see there.
        latency_s: before each answer.
    """

    size_mib: int
    per_connection: float = 0.0
    total: float = 0.0
    breaks_above: int = 0
    broken_total: float = 1e6
    latency_s: float = 0.0


LINES = {
    "10 MB/s a connection": Line(1024, per_connection=10e6),
    "40 MB/s in all": Line(256, total=40e6),
    "breaks down above 6 connections": Line(64, per_connection=2e6, breaks_above=6),
    "200 ms latency, 10 MB/s a connection": Line(1024, per_connection=10e6, latency_s=0.2),
    "1 MB/s in all": Line(16, total=1e6),
}


class ShapedCdn(LoopbackCdn):
    """A byte server on such a line."""

    line = Line(0)

    def rate(self) -> float | None:
        busy, line = max(1, self.busy), self.line
        if line.breaks_above and busy > line.breaks_above:
            return line.broken_total / busy
        limits = [limit for limit in (line.per_connection, line.total / busy) if limit]
        return min(limits) if limits else None

    def interfere(self, handler: Any, start: int, end: int) -> bool:
        time.sleep(self.line.latency_s)
        return False


def serve(folder: str) -> None:
    """The servers: print their addresses, then take a line's JSON from each line of stdin."""
    files: dict[str, Path] = {}
    branches: dict[str, list[HubFile]] = {}
    for size_mib in {line.size_mib for line in LINES.values()}:
        path = Path(folder) / f"{size_mib}"
        with path.open("wb") as target:
            for _ in range(size_mib):
                target.write(os.urandom(MIB))
        file = HubFile("model.safetensors", size_mib * MIB, sha256_of(path))
        files[str(file.sha256)] = path
        branches[f"{size_mib}m"] = [file]
    with ShapedCdn(files) as cdn, LoopbackHub({REPO: HubRepo(branches)}) as hub:
        hub.link = cdn.link
        links = {name: cdn.link(own[0]) for name, own in branches.items()}
        print(json.dumps({"hub": hub.url, "links": links}), flush=True)
        for text in sys.stdin:
            cdn.line = Line(**json.loads(text))
            print("ok", flush=True)


def competitors(branch: str, link: str) -> dict[str, list[str]]:
    """The commands; TARGET is a path of their own."""
    quantpick = [PYTHON, "-m", "quantpick", "download", REPO, "--revision", branch, "-q", "--transport"]
    found = {
        "quantpick": [*quantpick, "auto"],
        "quantpick range": [*quantpick, "range"],
        "raw hf_transfer": [PYTHON, "-c", RAW, link, "TARGET"],
        "hf download": [HF, "download", REPO, "--revision", branch],
        "aria2c -x16": ["aria2c", "-q", "-x16", "-s16", "-k1M", "--file-allocation=none", "-d/", "-oTARGET", link],
        "curl": ["curl", "-s", "-o", "TARGET", link],
    }
    return {name: argv for name, argv in found.items() if shutil.which(argv[0])}


def seconds_of(argv: list[str], hub: str, folder: Path) -> float:
    """How long a command takes, in an empty home."""
    home = tempfile.mkdtemp(dir=folder)
    own = {"HF_ENDPOINT": hub, "HF_HOME": home, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
    environment = {**os.environ, **own, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    began = time.perf_counter()
    try:
        subprocess.run(
            [one.replace("TARGET", f"{home}/x"[1:] if one.startswith("-o") else f"{home}/x") for one in argv],
            env=environment,
            check=True,
            capture_output=True,
            timeout=LONGEST_S,
        )
        return time.perf_counter() - began
    except subprocess.TimeoutExpired:
        return LONGEST_S
    finally:
        shutil.rmtree(home)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    chosen = sys.argv[2:] or list(LINES)
    default = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=default) as scratch:
        folder = Path(scratch)
        servers = subprocess.Popen(
            [PYTHON, __file__, "--serve", scratch], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert servers.stdin is not None
        assert servers.stdout is not None
        try:
            known = json.loads(servers.stdout.readline())
            for name in chosen:
                servers.stdin.write(json.dumps(asdict(LINES[name])) + "\n")
                servers.stdin.flush()
                servers.stdout.readline()
                branch = f"{LINES[name].size_mib}m"
                tell(name, competitors(branch, known["links"][branch]), known["hub"], folder, rounds)
        finally:
            servers.kill()
            servers.communicate()


def tell(name: str, commands: dict[str, list[str]], hub: str, folder: Path, rounds: int) -> None:
    taken: dict[str, list[float]] = {one: [] for one in commands}
    for _ in range(rounds):
        for one, argv in commands.items():
            taken[one].append(seconds_of(argv, hub, folder))
    size = LINES[name].size_mib * MIB
    rivals = [one for one in taken if not one.startswith("quantpick")]
    print(f"\n{name}, {LINES[name].size_mib} MiB, {rounds} rounds")
    for one, seconds in taken.items():
        line = f"  {one:18} {median(seconds):7.2f} s {size / median(seconds) / 1e6:7.1f} MB/s"
        if one == "quantpick":
            ratio = median(min(taken[rival][at] for rival in rivals) / seconds[at] for at in range(rounds))
            line += f"   {ratio:5.2f}x the best of the others, goal 0.9 {'met' if ratio >= 0.9 else 'MISSED'}"
        print(line, flush=True)


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1:2] == ["--serve"] else main()
