"""What an attack is, and what it has to hand: a world of its own, processes, and ways to be unfair."""

import contextlib
import fcntl
import os
import random
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from quantpick.demo.cdn import sha256_of
from tests.fakes.world import BRANCH, REPO, SIZE, World, open_world

MODEL: Final = "model.safetensors"


class Skipped(Exception):
    """This machine or user cannot stage the attack, and why."""


class Fell(AssertionError):
    """The attack succeeded, and how."""


@dataclass
class Arena:
    """One round of one attack.

    Args:
        folder: empty, of this round alone.
        dice: the same in every run of the same round.
    """

    folder: Path
    dice: random.Random
    stack: ExitStack = field(default_factory=ExitStack)

    def world(self, **cdn: Any) -> World:
        """A Hub, its second host and a home."""
        return self.stack.enter_context(open_world(self.folder, **cdn))

    def mounted(self, *options: str, device: str = "tmpfs", kind: str = "tmpfs") -> Path:
        """A file system of its own, taken away at the end."""
        place = self.folder / "mounted"
        place.mkdir(exist_ok=True)
        command = ["mount", "-t", kind, *(("-o", ",".join(options)) if options else ()), device, str(place)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise Skipped(f"cannot mount a {kind}: {done.stderr.strip()[:60]}")
        self.stack.callback(subprocess.run, ["umount", "-l", str(place)], check=False, capture_output=True)
        return place


@dataclass(frozen=True)
class Attack:
    """An attack, and how often it is tried.

    Args:
        family: what it belongs to.
        name: what is done.
        stage: one round; raises `Fell` or `Skipped`.
        rounds: how often.
        quick: whether a round is worth its time in every run of the tests.
    """

    family: str
    name: str
    stage: Callable[[Arena], None]
    rounds: int
    quick: bool


ATTACKS: Final[list[Attack]] = []


def attack(
    family: str, *, rounds: int = 1, quick: bool = False
) -> Callable[[Callable[[Arena], None]], Callable[[Arena], None]]:
    """Put a function among the attacks; its docstring's first line says what is done."""

    def put(stage: Callable[[Arena], None]) -> Callable[[Arena], None]:
        name = (stage.__doc__ or stage.__name__).strip().splitlines()[0].rstrip(".")
        ATTACKS.append(Attack(family, name, stage, rounds, quick))
        return stage

    return put


def require(holds: object, how: str) -> None:
    """See that something held."""
    if not holds:
        raise Fell(how)


def plain(done: "subprocess.CompletedProcess[str]", *codes: int) -> None:
    """See that a process ended with one of the codes, and without a traceback."""
    words = f"exit {done.returncode}: {done.stderr.strip()[-300:]}"
    require("Traceback" not in done.stderr and "bug in quantpick" not in done.stderr, f"a bug shows: {words}")
    require(done.returncode in codes, words)


def download(folder: Path, *more: str, branch: str = BRANCH) -> list[str]:
    """The command line of a download into a folder, path on stdout."""
    return ["download", REPO, "--revision", branch, "--local-dir", str(folder), "-q", *more]


def started_and_seen(one: World, argv: list[str], until_bytes: int) -> "subprocess.Popen[str]":
    """A download that has brought so much."""
    process, before = one.start(*argv), one.cdn.sent_bytes
    while one.cdn.sent_bytes - before < until_bytes and process.poll() is None:
        time.sleep(0.005)
    return process


def ended(process: "subprocess.Popen[str]", timeout_s: float = 90.0) -> "subprocess.CompletedProcess[str]":
    """What a process came to; one that does not end has fallen."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Fell(f"did not end within {timeout_s:.0f} s") from None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def ran(one: World, *argv: str, timeout_s: float = 90.0, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A whole run."""
    return ended(one.start(*argv, **environment), timeout_s)


def killed(process: "subprocess.Popen[str]", signum: int = signal.SIGKILL) -> None:
    """End a process."""
    process.send_signal(signum)
    process.communicate()


def right(one: World, folder: Path) -> None:
    """See that the large file is the publisher's."""
    path = folder / MODEL
    require(path.is_file(), f"there is no {MODEL}")
    require(sha256_of(path.resolve()) == sha256_of(one.weights), f"{MODEL} holds wrong bytes")


def nothing_left(folder: Path) -> None:
    """See that no scratch file or partial stayed behind."""
    left = [
        path.name for path in folder.rglob("*") if path.name.endswith((".tmp", ".incomplete")) or "link-" in path.name
    ]
    require(not left, f"left behind: {left}")


def power_off(mounted: Path) -> None:
    """Take the power from a file system: nothing that is not on its disk gets there any more.

    FS_IOC_SHUTDOWN with NOLOGFLUSH (linux/fs.h: ``_IOR('X', 125, __u32)``, flag 2).
    """
    handle = os.open(mounted, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, 0x8004587D, struct.pack("I", 2))
    except OSError as error:
        raise Skipped(f"this file system cannot be shut down: {error.strerror}") from error
    finally:
        os.close(handle)


@contextlib.contextmanager
def image(arena: Arena, size_mb: int) -> Iterator[Path]:
    """A file that holds an ext4, on a real disk."""
    path = arena.folder / "disk.img"
    with path.open("wb") as file:
        file.truncate(size_mb * 10**6)
    made = subprocess.run(["mkfs.ext4", "-q", "-F", str(path)], check=False, capture_output=True)
    if made.returncode != 0 or os.geteuid() != 0:
        raise Skipped("needs root and mkfs.ext4")
    yield path


def same_size_noise(dice: random.Random, size_bytes: int) -> bytes:
    """Bytes that are not what was there."""
    return dice.randbytes(size_bytes)


__all__ = [
    "ATTACKS", "BRANCH", "MODEL", "REPO", "SIZE", "Arena", "Attack", "Fell", "Skipped", "World", "attack",
    "download", "ended", "image", "killed", "nothing_left", "plain", "power_off", "ran", "require", "right",
    "same_size_noise", "started_and_seen",
]  # fmt: skip
