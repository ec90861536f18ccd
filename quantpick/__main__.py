"""The entry point: the only place that turns an error into an exit code."""

try:
    import os
    import signal
    import sys
    from collections.abc import Sequence

    from quantpick._program import leave
    from quantpick.errors import DiskError, QuantpickError
except KeyboardInterrupt:
    # Nothing has started yet: report the signal to the shell, without a traceback.
    raise SystemExit(130) from None

_READER_LEFT = 141
"""The exit code that a shell gives a program ended by SIGPIPE."""

_ENDING = (signal.SIGINT, signal.SIGTERM)

_OBJECTS_PER_COLLECTION = 100_000
"""Chosen: no command short of a download makes so many, and a long download still gets its cycles collected. The
default of 700 costs 10 ms of start-up."""


class Terminated(BaseException):
    """SIGTERM came. Not an Exception: no handler of ordinary failures should catch it."""


class _Ended(QuantpickError):
    """The command was interrupted; what arrived is kept."""

    def __init__(self, code: str, exit_code: int) -> None:
        super().__init__(code)
        self.code = code
        self.exit_code = exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments without the program's name; None takes them from the process.

    Returns:
        The exit code (docs/scripts.md, "Exit codes").
    """
    line = sys.argv[1:] if argv is None else list(argv)
    try:
        from quantpick.cli.app import run as run_command

        return run_command(line)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except BrokenPipeError:
        # The reader is gone (`quantpick list ... | head`): nothing is wrong, and nothing more can be written.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return _READER_LEFT
    except BaseException as error:
        return _report(error, line)


def _report(error: BaseException, line: Sequence[str]) -> int:
    """Report what went wrong, as text or JSON."""
    from quantpick.cli.asked import asked_for_json, command_of
    from quantpick.render import terminal

    failure = _as_failure(error)
    as_json = asked_for_json(line)
    if os.environ.get("QUANTPICK_DEBUG") == "1" or (failure.exit_code == QuantpickError.exit_code and not as_json):
        terminal.print_traceback(error)
    if as_json:
        from quantpick.render.documents import error_document

        terminal.say_lines(error_document(command_of(line), failure))
    else:
        terminal.print_error(failure.message, failure.hint)
    return failure.exit_code


def _as_failure(error: BaseException) -> QuantpickError:
    """The exception as one with an exit code."""
    if isinstance(error, QuantpickError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return _Ended("interrupted", 130)
    if isinstance(error, Terminated):
        return _Ended("terminated", 143)
    if isinstance(error, MemoryError):
        return DiskError("there is not enough memory")
    if isinstance(error, OSError) and error.strerror:
        # The adapters of disk and net catch their own; one from elsewhere is still not a bug.
        where = f": `{os.fsdecode(error.filename)}`" if isinstance(error.filename, (str, bytes)) else ""
        return DiskError(f"{error.strerror}{where}")
    return QuantpickError(
        "this is a bug in quantpick", hint="report it with the command and what QUANTPICK_DEBUG=1 adds"
    )


def run() -> None:
    """The console script: `main` in a process of its own."""
    try:
        _catch_signals()
        _leave_folder_to_data()
        _hold_streams()
        import gc

        gc.set_threshold(_OBJECTS_PER_COLLECTION)
        code = _flushed(main())
        # From here on a signal could only cause a traceback from the interpreter's shutdown.
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)
    except KeyboardInterrupt:
        code = 130
    except Terminated:
        code = 143
    sys.exit(code)


def _catch_signals() -> None:
    """Make the first signal end the command cleanly, and a second one at once."""
    sys.unraisablehook = _unraisable
    for number in _ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _: object) -> None:
    for other in _ENDING:
        signal.signal(other, leave)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


def _unraisable(what: "sys.UnraisableHookArgs") -> None:
    """End the process on a signal that arrives in a finalizer, where Python would print its exception and go on."""
    for kind, number in ((KeyboardInterrupt, signal.SIGINT), (Terminated, signal.SIGTERM)):
        if isinstance(what.exc_value, kind):
            leave(number, None)
    sys.__unraisablehook__(what)


def _leave_folder_to_data() -> None:
    """Take the current folder off the import path, where an empty entry of PYTHONPATH puts it: it may hold a repo.

    Earlier imports are only safe with ``python -I`` or a PYTHONPATH without empty entries.
    """
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:
        here = ""  # it was removed: nothing can be imported from it
    package = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry or ".") not in {here} - {package}]


def _flushed(code: int) -> int:
    """The exit code once stdout is flushed; a failure to write changes it only if it was 0."""
    try:
        sys.stdout.flush()
    except OSError as error:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        if code == 0:
            return _READER_LEFT if isinstance(error, BrokenPipeError) else DiskError.exit_code
    return code


def _hold_streams() -> None:
    """Keep files from taking the number of a closed standard stream, and make every text writable."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # Read-only: writing to a closed stdout must fail.
            os.open(os.devnull, os.O_RDWR if number == 2 else os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    run()
