"""What goes wrong with a disk, as the error that says so: anywhere under ``transfer/disk``, of whatever kind."""

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from quantpick.core.units import format_gb
from quantpick.errors import DiskError

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE})


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn whatever a disk raises into the error that says so.

    Args:
        path: what was to be written or read.

    Raises:
        DiskError: the disk is full, broken, read-only or gone, or something else lies in the way.
    """
    try:
        yield
    except OSError as error:
        about = error.strerror or str(error) or type(error).__name__
        if error.errno in _FULL:
            raise DiskError(
                f"cannot write `{path}`: {about}{_free(path)}",
                hint="free some space, then run again: what arrived is kept",
            ) from error
        if error.errno in _GONE:
            hint = "was the folder moved, removed or replaced meanwhile?"
            raise DiskError(f"cannot write `{path}`: {about}", hint=hint) from error
        raise DiskError(f"cannot write `{path}`: {about}") from error


def _free(path: Path) -> str:
    with contextlib.suppress(OSError):
        return f" ({format_gb(shutil.disk_usage(path.parent).free)} free)"
    return ""
