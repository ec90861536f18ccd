"""``quantpick demo``: the whole job on a Hub of its own, with a SIGKILL in the middle. What it shows is what happened.

Every command is a process of its own, as a user would run it, and only reaches the Hub on loopback.
"""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from quantpick.demo.cdn import LoopbackCdn
from quantpick.demo.content import REPO_ID, make_repo
from quantpick.demo.hub import LoopbackHub

_BYTES_PER_S: Final = 10e6
"""Of each connection, so that there is a half-way to be killed at."""
_CONNECTIONS: Final = "4"
_BRANCH: Final = "gptq-4bit-32g-actorder_True"
_SECRETS: Final = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_PATIENCE_S: Final = 60.0


def tell() -> int:
    """Run the demo; the exit code of the first command that did not do what it should, else 0."""
    with tempfile.TemporaryDirectory(prefix="quantpick-demo-") as scratch:
        folder = Path(scratch)
        print("A Hub on this machine, with one model in four quantizations (random bytes as weights) ...")
        repo, contents = make_repo(folder)
        with (
            LoopbackCdn(contents, bytes_per_s=_BYTES_PER_S) as cdn,
            LoopbackHub({REPO_ID: repo}, link=cdn.link) as hub,
        ):
            return _Story(hub, cdn, folder).tell()


class _Story:
    def __init__(self, hub: LoopbackHub, cdn: LoopbackCdn, folder: Path) -> None:
        self._cdn = cdn
        self._target = folder / "Finch-0.1B-GPTQ"
        self._environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
        self._environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"}
        self._environment |= {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        self._environment.pop("HF_HUB_OFFLINE", None)

    def tell(self) -> int:
        download = ["download", REPO_ID, "--revision", _BRANCH, "--local-dir", str(self._target)]
        download += ["--connections", _CONNECTIONS]
        code = (
            self._run("list", REPO_ID)
            or self._run("recommend", REPO_ID, "--gpu", "RTX 4090", "--loader", "exllamav2")
            or self._run_and_kill(*download)
            or self._resume(*download)
            or self._run("verify", str(self._target))
        )
        print("\nThat was the whole job." if code == 0 else f"\nThe last command ended with exit code {code}.")
        return code

    def _run(self, *argv: str) -> int:
        _show(argv)
        return subprocess.run(self._command(argv), env=self._environment, check=False).returncode  # noqa: S603

    def _run_and_kill(self, *argv: str) -> int:
        """Start a download and kill it when half of the file has been sent."""
        _show(argv)
        half = next(iter(self._cdn.files.values())).stat().st_size // 2
        child = subprocess.Popen(self._command(argv), env=self._environment)  # noqa: S603
        deadline = time.monotonic() + _PATIENCE_S
        while self._cdn.sent_bytes < half and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
        print(f"\nKilled with SIGKILL after {self._cdn.sent_bytes / 1e6:.0f} MB had been sent.")
        return 0 if child.returncode == -signal.SIGKILL else child.returncode or 1

    def _resume(self, *argv: str) -> int:
        before = self._cdn.sent_bytes
        code = self._run(*argv)
        path = self._target / "model.safetensors"
        if code == 0:
            size, after = path.stat().st_size, self._cdn.sent_bytes - before
            print(
                f"The Hub sent {before / 1e6:.0f} MB before the kill and {after / 1e6:.0f} MB after it for a file of "
                f"{size / 1e6:.0f} MB: {(before + after - size) / 1e6:.1f} MB were sent twice."
            )
        return code

    def _command(self, argv: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-P", "-m", "quantpick", *argv]


def _show(argv: tuple[str, ...]) -> None:
    print(f"\n$ quantpick {shlex.join(argv)}", flush=True)
