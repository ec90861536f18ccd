"""This machine's RAM, through psutil."""

from quantpick.core.gpu import Ram


def ram() -> Ram:
    """The RAM now."""
    import psutil

    now = psutil.virtual_memory()
    return Ram(total_bytes=now.total, available_bytes=now.available)
