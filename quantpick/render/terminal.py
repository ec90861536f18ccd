"""What reaches a terminal or a pipe: every text from outside passes `printable`, every answer `write_answer`."""

import contextlib
import os
import sys

from quantpick.errors import DiskError

MIN_WIDTH = 20
"""Cells that a screen is taken to have at least."""


def printable(text: str) -> str:
    r"""Text from outside with its control characters shown, so that nobody can write escape codes to a terminal.

    That includes C1 controls, the characters that turn the direction of writing, and those that are not seen.

    >>> print(printable("a\x1b[31m\u202e"))
    a\x1b[31m\u202e
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def write_answer(text: str) -> None:
    """The answer, on stdout and out of our hands.

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
    """One line of an answer, with nothing in it that a terminal obeys."""
    write_answer(printable(text) + "\n")


def write_path(path: str) -> None:
    """The path alone: byte for byte for a script, printable for a person."""
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
    """One line on stderr; where that is closed or full, nobody is there to be told."""
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
    """Where an error came from, for whoever mends it."""
    import traceback

    say_lines("".join(traceback.format_exception(error)))
