"""The command that starts a loader on a downloaded branch, as a list of arguments.

The table has it as a list with placeholders, so values are never pasted into a shell line.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from quantpick.core.loaders.kv_dtype import common_name, kv_pair
from quantpick.core.loaders.table import Loader, Template
from quantpick.core.loaders.versions import LoaderAt
from quantpick.core.quant import QuantSpec

_ANSWER_TOKENS: Final = 400
"""Reserved for the answer if a loader wants prompt and total: TheBloke's GPTQ cards show 3696 of 4096 tokens."""

PLACEHOLDERS: Final = frozenset(
    {"path", "parent", "folder", "hub_cache", "gguf", "mmproj", "repo_id", "branch"}
    | {"context", "cells", "batch", "prompt", "gpus", "method", "bits", "group_size", "kv"}
    | {"utilization", "max_num_seqs", "max_num_batched_tokens", "eager"}
)
"""The placeholders allowed in a command of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDisk:
    """A branch on disk.

    Args:
        repo_id: ``owner/name``.
        branch: the git branch.
        path: its folder.
        hub_cache: the Hub's cache, if that folder is in it, else None.
        files: the names of its files, if known.
        projector: the name of the mmproj file to use, or None.
    """

    repo_id: str
    branch: str
    path: str
    hub_cache: str | None = None
    files: Sequence[str] = ()
    projector: str | None = None


def launch_argv(
    chosen: LoaderAt,
    quant: QuantSpec,
    placed: OnDisk,
    *,
    context_tokens: int,
    batch: int = 1,
    gpus: int = 1,
    kv_dtype: str = "fp16",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> tuple[str, ...] | None:
    """The loader's own command for a branch on disk; None if the table has none.

    A loader that finds branches in the Hub's cache gets the repo's name; others get the path.

    Args:
        chosen: the loader, with the options of its extras.
        quant: the branch's quantization.
        placed: where it is.
        context_tokens: tokens of context, per sequence.
        batch: sequences at once.
        gpus: how many.
        kv_dtype: type of the KV cache, in the common or the loader's own spelling.
        settings: the judged settings, by placeholder; others are left out of the command.
    """
    loader = chosen.loader
    template = loader.launch_from_cache if placed.hub_cache is not None else ()
    if not (template or loader.launch):
        return None
    gguf = min((name for name in placed.files if name.endswith(".gguf")), default="")
    # If a file is the model, a loader that asks for a folder or a model in it gets the file.
    place = f"{placed.path}/{gguf}" if gguf and quant.method == "gguf" else placed.path
    asks_for_file = any("{gguf}" in part for part in template or loader.launch)
    parent, _, folder = place.rstrip("/").rpartition("/")
    values = {
        "path": placed.path if asks_for_file else place,
        "parent": parent or ("/" if place.startswith("/") else "."),
        "folder": folder,
        "hub_cache": placed.hub_cache or "",
        "gguf": gguf or "FILE.gguf",
        "mmproj": f"{placed.path}/{placed.projector}" if placed.projector else "",
        "repo_id": placed.repo_id,
        "branch": placed.branch,
        "context": str(context_tokens),
        "cells": str(context_tokens * batch),
        "batch": str(batch),
        "prompt": str(max(1, context_tokens - _ANSWER_TOKENS)),
        "gpus": str(gpus),
        "method": "" if quant.method in (None, "none") else str(quant.method),
        "bits": f"{quant.bits:g}" if quant.bits else "",
        "group_size": str(quant.group_size or -1),
        "kv": _kv(loader, kv_dtype, quant.method),
        **dict.fromkeys(("utilization", "max_num_seqs", "max_num_batched_tokens", "eager"), ""),
        **settings,
    }
    flags = (flag for extra in sorted(chosen.extras) for flag in loader.extras[extra].flags)
    return (*_filled(template or loader.launch, values), *flags)


def _kv(loader: Loader, kv_dtype: str, method: str | None) -> str:
    """What the command says for a KV cache type; a pair of widths, which no table lists, as ``K,V``."""
    name, pair = common_name(loader, kv_dtype), kv_pair(loader, kv_dtype)
    own = loader.launch_kv.get(f"{method}:{name}")
    if own is not None:
        return own
    unlisted = f"{pair[0]},{pair[1]}" if pair and name not in loader.kv_dtypes else ""
    return loader.launch_kv.get(kv_dtype.strip().lower()) or loader.launch_kv.get(name, unlisted)


def _filled(template: Template, values: Mapping[str, str]) -> Iterator[str]:
    """The arguments with values filled in; a group is omitted if one of its values is empty."""
    for part in template:
        if isinstance(part, str):
            yield part.format_map(values)
            continue
        group = [one.format_map(values) for one in part]
        if all(group):
            yield from group
