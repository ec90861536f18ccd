"""Several machines that set up from one download: the mirror olah between them and the Hub, on loopback.

    python benchmarks/fleet.py OLAH [SCENARIO...]      OLAH: the olah-cli of its own environment (make fleet)

Three clients, each with a home of its own, fetch the same branch through olah at the same moment. Counted is what the
Hub's second host sent, against the size of the files, and whether every client has verified bytes.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from quantpick.core.units import MIB
from quantpick.demo.cdn import sha256_of
from quantpick.demo.hub import HubFile, HubRepo
from tests.fakes import cdn as faults
from tests.fakes.cdn import FaultyCdn
from tests.fakes.hub import FaultyHub

REPO, BRANCH = "pub/Finch-0.1B-GPTQ", "gptq-4bit-128g-actorder_True"
SIZE = 200 * MIB + 4321
LARGE = 1400 * MIB + 4321
"""olah loses the block of 64 MiB that is on its way when it, or its first reader, is killed: a twentieth of this."""
CLIENTS = 3


@dataclass
class Fleet:
    """A Hub, its second host, and where olah and the clients live."""

    olah: str
    hub: FaultyHub
    cdn: FaultyCdn
    folder: Path
    content: Path
    port: int
    mirror: "subprocess.Popen[bytes] | None" = None

    def start_mirror(self) -> None:
        """Run olah, as the docs say."""
        hub, cdn = (server.url.partition("://")[2] for server in (self.hub, self.cdn))
        here = f"127.0.0.1:{self.port}"
        options = {"host": "127.0.0.1", "port": str(self.port), "mirror-netloc": here, "mirror-lfs-netloc": here}
        options |= {"hf-scheme": "http", "hf-netloc": hub, "hf-lfs-netloc": cdn}
        options |= {"repos-path": str(self.folder / "repos"), "log-path": str(self.folder / "logs")}
        self.mirror = subprocess.Popen(
            [self.olah, *(word for name, value in options.items() for word in (f"--{name}", value))],
            stdout=(self.folder / "olah.out").open("ab"),
            stderr=subprocess.STDOUT,
            env={**os.environ, "NO_PROXY": "*"},
            start_new_session=True,
        )
        for _ in range(300):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.1)
        sys.exit("olah did not start:\n" + (self.folder / "olah.out").read_text()[-2000:])

    def kill_mirror(self) -> None:
        """End olah as a crash would."""
        if self.mirror is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.mirror.pid, signal.SIGKILL)
            self.mirror.wait()

    def client(self, number: int) -> "subprocess.Popen[str]":
        """One machine's download."""
        environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{self.port}", "NO_PROXY": "*"}
        environment |= {"HF_HOME": str(self.folder / f"home{number}"), "HF_HUB_DISABLE_TELEMETRY": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "quantpick", "download", REPO, "--revision", BRANCH, "-q", "--retry-for", "120"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


Scenario = Callable[[Fleet, list["subprocess.Popen[str]"]], None]


def nothing(fleet: Fleet, clients: list["subprocess.Popen[str]"]) -> None:
    """nothing goes wrong"""


def client_killed(fleet: Fleet, clients: list["subprocess.Popen[str]"]) -> None:
    """one client is killed in the middle and started again"""
    _until(fleet, 0.4)
    clients[0].kill()
    clients[0].communicate()
    clients[0] = fleet.client(0)


def mirror_killed(fleet: Fleet, clients: list["subprocess.Popen[str]"]) -> None:
    """olah is killed in the middle and started again"""
    _until(fleet, 0.4)
    fleet.kill_mirror()
    time.sleep(2)
    fleet.start_mirror()


def _until(fleet: Fleet, share: float) -> None:
    while fleet.cdn.sent_bytes < share * fleet.content.stat().st_size:
        time.sleep(0.02)


GOAL = 1.05
SCENARIOS: dict[str, tuple[Scenario, int, dict[str, object]]] = {
    "plain": (nothing, SIZE, {"bytes_per_s": 40e6}),
    "client-killed": (client_killed, LARGE, {"bytes_per_s": 80e6}),
    "olah-killed": (mirror_killed, LARGE, {"bytes_per_s": 80e6}),
    "links-expire": (nothing, SIZE, {"bytes_per_s": 20e6, "link_life_s": 3.0}),
    "429": (nothing, SIZE, {"bytes_per_s": 40e6, "interference": faults.answers(429, 0.3, retry_after="1")}),
    "2MB/s": (nothing, SIZE, {"bytes_per_s": 2e6}),
}
"""What happens, the file's size, and the second host's manners."""


@contextmanager
def fleet_of(olah: str, size: int, manners: dict[str, object]) -> Iterator[Fleet]:
    """A fleet whose mirror runs."""
    with tempfile.TemporaryDirectory(prefix="fleet-") as scratch:
        folder = Path(scratch)
        content = folder / "weights"
        with content.open("wb") as target:
            for at in range(0, size, MIB):
                target.write(random.Random(at).randbytes(min(MIB, size - at)))
        weights = HubFile("model.safetensors", size, sha256_of(content))
        config = HubFile.small("config.json", '{"model_type": "llama"}')
        with (
            FaultyCdn({str(weights.sha256): content}, **manners) as cdn,  # type: ignore[arg-type]
            FaultyHub({REPO: HubRepo({"main": [config], BRANCH: [config, weights]})}, link=cdn.link) as hub,
        ):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            fleet = Fleet(olah, hub, cdn, folder, content, port)
            fleet.start_mirror()
            try:
                yield fleet
            finally:
                fleet.kill_mirror()


def measured(olah: str, name: str) -> bool:
    """One scenario; whether it went as it should."""
    happens, size, manners = SCENARIOS[name]
    with fleet_of(olah, size, manners) as fleet:
        began = time.monotonic()
        clients = [fleet.client(number) for number in range(CLIENTS)]
        happens(fleet, clients)
        ends = [client.communicate(timeout=900) for client in clients]
        took = time.monotonic() - began
        verified = 0
        for client, (out, err) in zip(clients, ends, strict=True):
            path = Path(out.strip()) / "model.safetensors"
            verified += client.returncode == 0 and sha256_of(path) == sha256_of(fleet.content)
            if client.returncode:
                print("    " + " ".join(err.split())[:300])
        share = fleet.cdn.sent_bytes / size
        held = verified == CLIENTS and share <= GOAL
        found = f"{verified} of {CLIENTS} verified   {share:5.2f}x from the Hub   {took:6.1f} s"
        print(f"{name:14} {found}{'' if held else '   FELL'}", flush=True)
        if not held and verified < CLIENTS:
            print((fleet.folder / "olah.out").read_text()[-1500:])
        return held


def main() -> int:
    """The exit code."""
    olah, *asked = sys.argv[1:]
    held = [measured(olah, name) for name in asked or SCENARIOS]
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())
