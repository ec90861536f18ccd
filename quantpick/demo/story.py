"""``quantpick demo``: the whole job on a Hub of its own, with two SIGKILLs in it. What it shows is what happened.

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
from quantpick.demo.content import LARGE_ID, SMALL_BRANCH, SMALL_ID, large_repo, small_repo
from quantpick.demo.hub import LoopbackHub
from quantpick.errors import NothingFitsError

_BYTES_PER_S: Final = 10e6
"""Of each connection, so that there is something in the middle to be killed at."""
_CONNECTIONS: Final = "4"
_SECRETS: Final = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_PATIENCE_S: Final = 60.0


def tell() -> int:
    """Run the demo; the exit code of the first command that did not do what it should, else 0."""
    with tempfile.TemporaryDirectory(prefix="quantpick-demo-") as scratch:
        folder = Path(scratch)
        print("A Hub on this machine. It has a 34B model in seven quantizations, of which only the file lists exist:")
        print("enough to choose by. What is downloaded later is a model of 0.1B parameters, random bytes as weights.")
        repo, contents = small_repo(folder)
        with (
            LoopbackCdn(contents, bytes_per_s=_BYTES_PER_S) as cdn,
            LoopbackHub({LARGE_ID: large_repo(), SMALL_ID: repo}, link=cdn.link) as hub,
        ):
            return _Story(hub, cdn, folder).tell()


class _Story:
    def __init__(self, hub: LoopbackHub, cdn: LoopbackCdn, folder: Path) -> None:
        self._cdn = cdn
        self._size_bytes = next(iter(cdn.files.values())).stat().st_size
        self._target = folder / "Finch-0.1B-GPTQ"
        self._environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
        self._environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"}
        self._environment |= {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        self._environment.pop("HF_HUB_OFFLINE", None)

    def tell(self) -> int:
        download = ["download", SMALL_ID, "--revision", SMALL_BRANCH, "--local-dir", str(self._target)]
        download += ["--connections", _CONNECTIONS]
        code = (
            self._choose()
            or self._run_and_kill(*download, at=1 / 3)
            or self._run_and_kill(*download, at=2 / 3)
            or self._resume(*download)
            or self._run("verify", str(self._target))
        )
        print("\nThat was the whole job." if code == 0 else f"\nThe last command ended with exit code {code}.")
        return code

    def _choose(self) -> int:
        """A GPU with room for four of the seven, where memory decides; then one on which none fits."""
        print("\n24 GiB: the best that the loader reads and the memory holds.")
        code = self._run("recommend", LARGE_ID, "--gpu", "RTX 4090", "--loader", "exllamav2")
        if code:
            return code
        print("\n16 GiB: none fits, which is exit code 3 and a list of what would help.")
        code = self._run("recommend", LARGE_ID, "--vram", "16GiB", "--loader", "exllamav2", "--brief")
        return 0 if code == NothingFitsError.exit_code else code or 1

    def _run(self, *argv: str) -> int:
        _show(argv)
        return subprocess.run(self._command(argv), env=self._environment, check=False).returncode  # noqa: S603

    def _run_and_kill(self, *argv: str, at: float) -> int:
        """Start a download and kill it when so much of the file has been sent in all."""
        _show(argv)
        child = subprocess.Popen(self._command(argv), env=self._environment)  # noqa: S603
        deadline = time.monotonic() + _PATIENCE_S
        while self._cdn.sent_bytes < at * self._size_bytes and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
        print(f"\nKilled with SIGKILL after {self._cdn.sent_bytes / 1e6:.0f} MB had been sent.")
        return 0 if child.returncode == -signal.SIGKILL else child.returncode or 1

    def _resume(self, *argv: str) -> int:
        code = self._run(*argv)
        if code == 0:
            sent, size = self._cdn.sent_bytes, self._size_bytes
            print(
                f"The Hub sent {sent / 1e6:.0f} MB in three runs for a file of {size / 1e6:.0f} MB: "
                f"{(sent - size) / 1e6:.1f} MB were sent twice."
            )
        return code

    def _command(self, argv: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-P", "-m", "quantpick", *argv]


def _show(argv: tuple[str, ...]) -> None:
    print(f"\n$ quantpick {shlex.join(argv)}", flush=True)
