"""A Hub with one repo of two branches, its second host, an empty home, and quantpick as a process in it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantpick.core.units import MIB
from quantpick.demo.cdn import sha256_of
from quantpick.demo.content import _MODEL as MODEL
from quantpick.demo.hub import HubFile, HubRepo
from tests.fakes.cdn import FaultyCdn
from tests.fakes.hub import FaultyHub

REPO = "pub/Finch-0.1B-GPTQ"
SECRET = "hf_notasecretbutlookslikeone"
SIZE = 72 * MIB + 4321
BRANCH = "gptq-4bit-128g-actorder_True"
HF = str(Path(sys.executable).parent / "hf")


@dataclass
class World:
    """A Hub with one repo of two branches, and an empty home."""

    hub: FaultyHub
    cdn: FaultyCdn
    home: Path
    weights: Path

    @property
    def environment(self) -> dict[str, str]:
        own = {"HF_ENDPOINT": self.hub.url, "HF_HOME": str(self.home), "HF_HUB_DISABLE_TELEMETRY": "1"}
        return {**os.environ, **own, "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1,localhost"}

    def start(self, *argv: str, **more: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "quantpick", *argv],
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *argv: str, **more: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*argv, **more)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def python(self, code: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], env=self.environment | more, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def open_world(folder: Path, **cdn: Any) -> Iterator[World]:
    """A world whose home is in the folder; the arguments are those of the second host."""
    with ExitStack() as stack:
        content = folder / "weights"
        content.write_bytes(os.urandom(SIZE))
        weights = HubFile("model.safetensors", SIZE, sha256_of(content))
        other = folder / "other"
        other.write_bytes(os.urandom(5 * MIB))
        smaller = HubFile("model.safetensors", 5 * MIB, sha256_of(other))
        pickle = HubFile("pytorch_model.bin", 5 * MIB, sha256_of(other))
        section = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True, "sym": True}
        config = HubFile.small("config.json", json.dumps(dict(MODEL) | {"quantization_config": section}))
        small = [HubFile.small(f"docs/{name}.txt", f"{name}\n") for name in ("a", "b")] + [HubFile.small("empty", b"")]
        server = stack.enter_context(FaultyCdn({str(weights.sha256): content, str(smaller.sha256): other}, **cdn))
        branches = {"main": [config, smaller, pickle], BRANCH: [config, weights, *small]}
        hub = stack.enter_context(FaultyHub({REPO: HubRepo(branches)}, link=server.link))
        yield World(hub, server, folder / "hf", content)
