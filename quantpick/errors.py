"""Every error quantpick raises on purpose, each with its exit code.

The exit codes are interface (docs/scripts.md). The adapter that meets a foreign exception raises one of these ``from``
it.
"""


class QuantpickError(Exception):
    """Something a user can act on: one line of what is wrong, and optionally one line to try.

    Args:
        message: one line, values in backticks, no full stop needed.
        hint: something to do or paste next, or None.
    """

    code = "bug"
    """For scripts, in the JSON of an error."""
    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(QuantpickError):
    """The call itself is wrong, or no GPU was found and none was named: fix the call (exit 2)."""

    code = "usage"
    exit_code = 2


class NothingFitsError(QuantpickError):
    """No branch fits, or none that the loader takes: less context, another repo or loader (exit 3)."""

    code = "nothing-fits"
    exit_code = 3

    def __init__(self, message: str, *, hint: str | None = None, answer: object = None) -> None:
        super().__init__(message, hint=hint)
        self.answer = answer
        """The `Recommendation` in which nothing fits: every branch with its reasons, and advice."""


class NotFoundError(QuantpickError):
    """No such repo, branch or file, or nothing quantized in it: fix the name (exit 4)."""

    code = "not-found"
    exit_code = 4


class AccessError(QuantpickError):
    """The repo is gated or private, or the token is refused: log in, accept the licence (exit 5)."""

    code = "access"
    exit_code = 5


class HubError(QuantpickError):
    """The Hub cannot be reached, is busy or answers nonsense; or offline and not cached: try later (exit 6)."""

    code = "hub"
    exit_code = 6


class TransferError(QuantpickError):
    """The transfer gave up; what arrived is kept and reused: run again (exit 7)."""

    code = "transfer"
    exit_code = 7


class DiskError(QuantpickError):
    """Not enough disk, or the target cannot be written: free space (exit 8)."""

    code = "disk"
    exit_code = 8


class DamagedError(QuantpickError):
    """A file differs from the Hub's hash: run again, tell the publisher (exit 9)."""

    code = "damaged"
    exit_code = 9
