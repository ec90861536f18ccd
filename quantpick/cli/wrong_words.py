"""What an unknown command or option probably meant, as a line to paste."""

import shlex
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Final

from quantpick.errors import UsageError

_COMMANDS: Final = {
    "recommend": ("choose", "pick", "best", "which", "fit", "fits", "suggest", "select", "find", "search", "info"),
    "download": ("get", "fetch", "pull", "install", "dl", "clone", "snapshot", "resume"),
    "list": ("ls", "branches", "show", "revisions", "quants", "table", "refs"),
    "verify": ("check", "hash", "checksum", "validate", "fsck"),
    "gpus": ("gpu", "devices", "nvidia-smi", "detect", "vram", "hardware"),
    "loaders": ("loader", "backends", "engines", "rules"),
}
"""Other names people use for the commands."""

_OPTIONS: Final = {
    "--context": (
        "--ctx",
        "--ctx-size",
        "--ctx-len",
        "--context-length",
        "--max-seq-len",
        "--max-model-len",
        "--tokens",
    ),
    "--local-dir": ("--output", "--out", "-o", "--dir", "--to", "--path", "--folder", "--output-dir", "-d"),
    "--revision": ("--rev", "--tag", "--ref", "-b", "-r", "--commit"),
    "--loader": ("--backend", "--engine", "--runtime", "--for", "--with"),
    "--vram": ("--memory", "--mem", "--gpu-memory", "--vram-gb", "--vram-gib", "-m"),
    "--kv-dtype": ("--kv", "--cache-type", "--kv-cache", "--kv-cache-dtype", "--cache-type-k", "--cache-dtype"),
    "--quiet": ("--silent", "-s"),
    "--connections": ("--threads", "-j", "--jobs", "--max-workers", "-x", "--workers", "-c"),
    "--card": ("--readme", "--model-card", "--file", "-f"),
    "--limit-rate": ("--rate", "--max-speed", "--max-rate", "--bwlimit"),
    "--gpu": ("--gpus", "--device", "--card-name", "-g"),
    "--gpu-index": ("--gpu-id", "--gpu-ids", "--device-id"),
    "--retry-for": ("--retries", "--retry"),
}
"""Other names for the options: from llama.cpp, vLLM, curl, aria2, git and hf."""


def no_such_command(args: Sequence[str], commands: Collection[str]) -> UsageError:
    """The error for a line that does not begin with a command.

    >>> print(no_such_command(["lst", "a/b"], ["list", "download"]).hint)
    quantpick list a/b
    """
    meant = next((name for name, others in _COMMANDS.items() if args[0].lower() in others), None)
    near = [meant] if meant else get_close_matches(args[0].lower(), commands, n=1)
    if near:
        return UsageError(f"no command `{args[0]}`", hint=_line([near[0], *args[1:]]))
    return UsageError(
        f"no command `{args[0]}`, and no repo: a repo is owner/name", hint="quantpick OWNER/NAME, or quantpick help"
    )


def no_such_option(option: str, argv: Sequence[str], command: str, possible: Collection[str]) -> UsageError:
    """The error for an option that a command does not have.

    Args:
        option: as typed.
        argv: the whole line, without ``quantpick``.
        command: as typed, for example ``quantpick list``.
        possible: the command's options.

    >>> print(no_such_option("--ctx", ["recommend", "a/b", "--ctx", "8192"], "quantpick recommend", ["--context"]).hint)
    quantpick recommend a/b --context 8192
    """
    meant = next((name for name, others in _OPTIONS.items() if option in others and name in possible), None)
    near = [meant] if meant else get_close_matches(option, [name for name in possible if name.startswith("--")], n=1)
    message = f"`{command}` has no option `{option}`"
    if not near:
        return UsageError(message, hint=f"{command} --help")
    given = [near[0] + word[len(option) :] if word.partition("=")[0] == option else word for word in argv]
    return UsageError(message, hint=_line(given) if given != list(argv) else f"{command} {near[0]}")


def _line(argv: Sequence[str]) -> str:
    return shlex.join(["quantpick", *argv])
