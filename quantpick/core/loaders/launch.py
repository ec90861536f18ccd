"""The command that starts a loader on what was downloaded."""

import re
import shlex
from typing import Final

from quantpick.core.loaders.table import Loader
from quantpick.core.quant import QuantSpec

_ANSWER_TOKENS: Final = 400
"""Kept for the answer where a loader wants prompt and whole stated: TheBloke's GPTQ cards show 3696 of 4096 tokens."""


def launch_line(
    loader: Loader,
    quant: QuantSpec,
    *,
    repo_id: str,
    branch: str,
    path: str,
    in_hub_cache: bool,
    context_tokens: int,
    gpus: int = 1,
) -> str | None:
    """The loader's own command for a branch on disk; None where the rules know none.

    A loader that finds the branch in the Hub's cache is given its name there, the others the path.

    Args:
        loader: which.
        quant: what the branch holds.
        repo_id: ``owner/name``.
        branch: the git branch.
        path: the folder it lies in.
        in_hub_cache: whether that is the Hub's cache.
        context_tokens: tokens of context.
        gpus: how many.
    """
    lines = [line for line in loader.launch if not re.search(r"\bdownload|^cp ", line)]
    named = [line for line in lines if "{repo_id}" in line]
    line = next(iter(named if in_hub_cache and named else [line for line in lines if line not in named] or lines), None)
    if line is None:
        return None
    values = {
        "path": path if "'{path}'" in line else shlex.quote(path),
        "folder": shlex.quote(path.rstrip("/").rpartition("/")[2]),
        "repo_id": repo_id,
        "branch": branch,
        "context": str(context_tokens),
        "prompt": str(max(1, context_tokens - _ANSWER_TOKENS)),
        "gpus": str(gpus),
        "method": quant.method or "",
        "bits": f"{quant.bits:g}" if quant.bits else "",
        "group_size": str(quant.group_size or -1),
    }
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), line)
