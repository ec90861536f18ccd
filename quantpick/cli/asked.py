"""What a command line asks for, told without parsing it: an error before or in parsing needs it too."""

import os
from collections.abc import Sequence

from quantpick.cli.command import COMMANDS, YES, environment_name


def asked_for_json(line: Sequence[str]) -> bool:
    """Whether errors are printed as JSON too.

    >>> asked_for_json(["list", "--json", "a/b"]), asked_for_json(["list", "--", "--json"])
    (True, False)
    """
    options = line[: line.index("--")] if "--" in line else line
    return "--json" in options or os.environ.get(environment_name("--json"), "").lower() in YES


def command_of(line: Sequence[str]) -> str:
    """The command that a line names, or ``quantpick`` if none.

    >>> command_of(["list", "a/b"]), command_of(["a/b", "--json"]), command_of([])
    ('list', 'recommend', 'quantpick')
    """
    if line and line[0] in COMMANDS:
        return line[0]
    return "recommend" if line and ("/" in line[0] or line[0].startswith("-")) else "quantpick"
