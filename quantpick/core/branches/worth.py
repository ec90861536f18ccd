"""Which files of a branch are worth reading to know what it holds."""

from collections.abc import Sequence
from typing import Final

from quantpick.core.branches.tree import NoWeights, find_weights
from quantpick.core.gguf.sets import GgufSet, find_sets
from quantpick.core.repo import RepoFile

MODEL_CONFIG: Final = "config.json"
"""Transformers' own."""
QUANT_CONFIGS: Final = ("quantize_config.json", "quant_config.json", "hf_quant_config.json")
"""AutoGPTQ's, AutoAWQ's and ModelOpt's own, of which the first that is there is read."""
MAX_MODELS: Final = 4
"""Headers that are read of one branch: one for each model in it, and a repo holds one."""


def configs_worth_reading(files: Sequence[RepoFile], *, most_bytes: int) -> list[RepoFile]:
    """The config and the first quantization config of a branch that holds weights, where they are no larger."""
    if isinstance(find_weights(files), NoWeights):
        return []
    by_path = {file.path: file for file in files if file.size_bytes <= most_bytes}
    quant_config = next((path for path in QUANT_CONFIGS if path in by_path), None)
    return [by_path[path] for path in (MODEL_CONFIG, quant_config) if path in by_path]


def headers_worth_reading(files: Sequence[RepoFile]) -> tuple[RepoFile, ...]:
    """The files whose header tells the shape: the first of the smallest set of each model, `MAX_MODELS` at most."""
    smallest: dict[str, GgufSet] = {}
    usable = [one for one in find_sets(files) if one.problem is None and not one.goes_with]
    for one in sorted(usable, key=lambda one: (one.size_bytes, one.paths)):
        smallest.setdefault(one.model, one)
    return tuple(one.files[0] for one in list(smallest.values())[:MAX_MODELS])
