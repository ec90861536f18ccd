"""quantpick.1 from the help of every command, in roff, on stdout; `make man`."""

import os
import subprocess
import sys

from quantpick import __version__
from quantpick.cli.command import COMMANDS


def main() -> None:
    parts = [
        f'.TH QUANTPICK 1 "" "quantpick {__version__}" "User Commands"',
        ".SH NAME",
        "quantpick \\- pick the quantization of a Hugging Face repo that fits a GPU and a loader",
        ".SH SYNOPSIS",
        ".B quantpick\n.I OWNER/NAME\n[\\fIOPTION\\fR]...",
        ".br\n.B quantpick\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...",
        *(_section(name, help_of(name)) for name in COMMANDS),
        ".SH ENVIRONMENT",
        "Every option is set by QUANTPICK_ and its name in capitals too; what is typed wins.",
        ".SH EXIT STATUS",
        "0 done, 1 bug, 2 usage, 3 nothing fits, 4 not found, 5 no access, 6 Hub, 7 transfer, 8 disk, 9 damaged,",
        "130 interrupted, 141 the reader went away, 143 terminated.",
    ]
    print("\n".join(parts))


def help_of(command: str) -> str:
    environment = {**os.environ, "COLUMNS": "78", "NO_COLOR": "1"}
    argv = [sys.executable, "-m", "quantpick", command, "--help"]
    return subprocess.run(argv, capture_output=True, text=True, check=True, env=environment).stdout


def _section(name: str, text: str) -> str:
    return f".SH {name.upper()}\n.nf\n{_escaped(text.rstrip())}\n.fi"


def _escaped(text: str) -> str:
    """Text that roff takes as it stands."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in text.split("\n"))


if __name__ == "__main__":
    main()
