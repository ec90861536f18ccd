"""The first moment of the program: what has to be so before anything else is imported.

Nothing of this happens in a program that imports quantpick for its Python API.
"""

import os
import sys


def leave(number: int, _: object = None) -> None:
    """End at once, with nothing but the code that a shell has for a signal."""
    os._exit(128 + number)


def _is_the_program() -> bool:
    """Whether this process is quantpick, by ``-m`` or by its own script."""
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    if name != "-m":
        return name.partition(".")[0] in ("quantpick", "hf-quantpick")
    # What stands before the module's own arguments: `-m quantpick`, or `-Bmquantpick`.
    word = sys.orig_argv[-len(sys.argv)]
    return (word.partition("m")[2] if word.startswith("-") else word) in ("quantpick", "quantpick.__main__")


def _take_over() -> None:
    """End without a traceback when a signal comes; import nothing from the current folder."""
    # Not `signal`, which takes milliseconds to import, in which a Ctrl-C would still be a traceback.
    import _signal  # type: ignore[import-not-found]

    for number in (_signal.SIGINT, _signal.SIGTERM):
        # Who ignores it (`nohup`, a script's `&`) goes on ignoring it.
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, leave)

    if sys.argv[0] == "-m" and not sys.flags.safe_path:
        # `python -m quantpick` has put the current folder first. A json.py that lies there, perhaps downloaded, is not
        # ours: only a checkout, where the folder holds this package, stays on the path, behind everything else.
        current = sys.path.pop(0)
        if __file__.startswith(current.rstrip("/") + "/quantpick/"):
            sys.path.append(current)


if _is_the_program():
    _take_over()
