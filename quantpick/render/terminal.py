"""Output to a terminal or a pipe: text from outside goes through `printable`, answers through `write_answer`."""

import contextlib
import os
import sys

from quantpick.errors import DiskError

MIN_WIDTH = 20
"""The least width assumed of a screen, in columns."""


def printable(text: str) -> str:
    r"""Text from outside with control characters escaped: nobody can send escape codes to a terminal.

    This includes C1 controls, bidirectional controls and invisible characters.

    >>> print(printable("a\x1b[31m\u202e"))
    a\x1b[31m\u202e
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def write_answer(text: str) -> None:
    """Write the answer to stdout and flush it.

    Raises:
        DiskError: it cannot be written there.
        BrokenPipeError: its reader went away.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        # The interpreter would try once more when it ends, or when it clears the stream away, and say that it cannot.
        refused, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115
        with contextlib.suppress(OSError, ValueError):
            refused.close()
        reason = getattr(error, "strerror", None) or "it is closed"
        raise DiskError(f"the answer cannot be written to stdout: {reason}") from error


def write_line(text: str) -> None:
    """Write one line of an answer, without terminal controls."""
    write_answer(printable(text) + "\n")


def write_path(path: str) -> None:
    """Write only the path: byte for byte for a script, printable for a person."""
    if sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
        write_line(path)
        return
    write_answer("")
    try:
        sys.stdout.buffer.write(os.fsencode(path) + b"\n")
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        raise DiskError(f"the path cannot be written to stdout: {error.strerror or error}") from error  # type: ignore[union-attr]
    write_answer("")


def say(text: str) -> None:
    """Write one line to stderr; ignored if that is closed or full."""
    try:
        print(printable(text), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return


def print_error(message: str, hint: str | None = None) -> None:
    """``error: ...`` and optionally ``hint: ...``."""
    say(f"error: {message}")
    if hint is not None:
        say(f"hint: {hint}")


def say_lines(text: str) -> None:
    """Several of them."""
    for line in text.rstrip("\n").split("\n"):
        say(line)


def print_traceback(error: BaseException) -> None:
    """Print the traceback of an error, to help fix it."""
    import traceback

    say_lines("".join(traceback.format_exception(error)))
