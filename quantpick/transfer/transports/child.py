"""The process that hf_transfer runs in: it sees no file of the user's, no secret, and no folder to import from."""

import contextlib
import json
import os
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Final

_SECRETS: Final = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH")
_PACKAGE: Final = "hf_transfer"
_MAPPED_BYTES: Final = 256 * 1024
"""glibc gives blocks larger than this back as soon as they are freed (mallopt(3), ``M_MMAP_THRESHOLD``); left alone it
keeps hf_transfer's chunks for later ones."""

_PROGRAM: Final = """
import json, os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
task = json.load(sys.stdin)
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
except Exception:
    pass
if os.getppid() != task.pop("parent"):
    os._exit(1)
sys.path.append(task.pop("home"))
import hf_transfer
hf_transfer.download(**task)
"""
"""Dies with its parent (Linux: PR_SET_PDEATHSIG is 1, ``linux/prctl.h``)."""


def home_of_hf_transfer(*targets: Path) -> str | None:
    """The folder that hf_transfer is imported from; None when it is not installed.

    A folder that may hold downloaded files does not count: neither the current one nor the targets.
    """
    suspect = {os.path.realpath(folder) for folder in targets}
    with contextlib.suppress(FileNotFoundError):  # a current folder that was removed holds nothing
        suspect.add(os.path.realpath(os.getcwd()))
    trusted = [entry for entry in sys.path if os.path.isabs(entry) and os.path.realpath(entry) not in suspect]
    found = PathFinder.find_spec(_PACKAGE, trusted)
    if found is None or not found.submodule_search_locations:
        return None
    return os.path.dirname(next(iter(found.submodule_search_locations)))


def start(task: dict[str, Any], home: str, descriptor: int) -> "subprocess.Popen[bytes]":
    """Start hf_transfer on a task.

    Isolated (``-I``): neither the current folder, nor the environment, nor the user's own packages are on its path,
    and it does not run in a folder that anybody may have put files into.

    Args:
        task: the arguments of ``hf_transfer.download``.
        home: of `home_of_hf_transfer`.
        descriptor: the one file that it is given.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    direct = [environment.get("NO_PROXY") or environment.get("no_proxy"), "127.0.0.1"]
    environment["NO_PROXY"] = environment["no_proxy"] = ",".join(filter(None, direct))
    environment["MALLOC_MMAP_THRESHOLD_"] = str(_MAPPED_BYTES)
    child = subprocess.Popen(  # noqa: S603 - this interpreter, on the program above
        [sys.executable, "-I", "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd="/",
        pass_fds=(descriptor,),
    )
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError), child.stdin:
        child.stdin.write(json.dumps({"parent": os.getpid(), "home": home, **task}).encode())
    return child


def memory_bytes(child: "subprocess.Popen[bytes]") -> int:
    """What a child has in memory; 0 where that cannot be told."""
    try:
        pages = Path(f"/proc/{child.pid}/statm").read_bytes().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
