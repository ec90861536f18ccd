"""This machine's RAM, through psutil."""

from dataclasses import dataclass


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
