"""The entry point: the only place that turns an error into an exit code."""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

from quantpick.errors import QuantpickError

INTERRUPTED: Final = 130
TERMINATED: Final = 143
BUG: Final = 1


class Terminated(BaseException):
    """SIGTERM came. Not a KeyboardInterrupt, which Typer turns into exit code 130."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments without the program's name; None takes them from the process.

    Returns:
        The exit code (README, "Exit codes").
    """
    from quantpick.render.terminal import print_error

    try:
        from quantpick.cli.app import run as run_command

        code = run_command(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except QuantpickError as error:
        if os.environ.get("QUANTPICK_DEBUG") == "1":
            _print_traceback()
        print_error(error.message, error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        print_error("interrupted")
        return INTERRUPTED
    except Terminated:
        print_error("terminated")
        return TERMINATED
    except BrokenPipeError:
        # The reader went away (`quantpick list ... | head`): nothing is wrong, and nothing more can be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        _print_traceback()
        print_error("this is a bug in quantpick", "report it with the lines above and the command")
        return BUG


def _print_traceback() -> None:
    import traceback

    traceback.print_exc()


def run() -> None:
    """The console script."""
    # A command lives for a fraction of a second: collecting cycles among what it imports is 10 ms of it for nothing.
    gc.disable()
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(main())


def _terminate(*_: object) -> None:
    raise Terminated


if __name__ == "__main__":
    run()
