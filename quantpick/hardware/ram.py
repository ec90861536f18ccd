"""This machine's RAM and free disk, through psutil."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ram:
    """Bytes of memory: installed, and what a new process could use without swapping."""

    total_bytes: int
    available_bytes: int


def ram() -> Ram:
    """The RAM now."""
    import psutil

    now = psutil.virtual_memory()
    return Ram(total_bytes=now.total, available_bytes=now.available)


def free_disk_bytes(path: Path) -> int:
    """Bytes that this user can write below `path`, which need not exist yet: its nearest folder that does counts."""
    import psutil

    folder = next(one for one in (path.absolute(), *path.absolute().parents) if one.is_dir())
    return int(psutil.disk_usage(str(folder)).free)
