"""Which files of a branch are its weights, and why a branch without weights has none."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from quantpick.core.methods import METHODS
from quantpick.core.repo import RepoFile

_SAFETENSORS: Final = (".safetensors",)
_PICKLES: Final = (".bin", ".pt", ".pth", ".ckpt")
_OTHER_FORMATS: Final = {
    **{
        ending: f"{method.title} files, one per quantization: quantpick chooses among branches"
        for method in METHODS.values()
        for ending in method.endings
    },
    ".ggml": "GGML files, for llama.cpp of 2023",
    ".onnx": "ONNX files",
    ".npz": "MLX arrays",
    ".h5": "TensorFlow weights",
    ".msgpack": "Flax weights",
}
_NO_WEIGHTS: Final = re.compile(
    r"(?:training_args|optimizer|scheduler|scaler|rng_state|tokenizer|random_states|trainer_state|calibration"
    r"|measurement|hidden_states|cal_data|global_step).*",
    re.IGNORECASE,
)
"""Files named like weights that hold a trainer's or quantizer's state."""
_ADAPTER: Final = re.compile(r"adapter(?:_model|_config)?\b.*|(?:.*[-_.])?lora[-_.].*", re.IGNORECASE)
_GGML: Final = re.compile(r"ggml|\.q\d_[01k]", re.IGNORECASE)
_SHARD: Final = re.compile(r"(?P<family>.*?)[-_.]\d{1,5}-of-\d{1,5}")
_USUAL: Final = ("model", "output", "gptq_model", "pytorch_model")
"""The names loaders look for first: that of Transformers and ExLlamaV3, of ExLlamaV2, of AutoGPTQ, and of pickles."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The weight files that a loader would read.

    Args:
        files: the shards, or the one file.
        others: other weight files in the branch, which the loader would not read: other formats or quantizations.
    """

    files: tuple[RepoFile, ...]
    others: tuple[RepoFile, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of the weights."""
        return sum(file.size_bytes for file in self.files)

    @property
    def is_pickle(self) -> bool:
        """Whether they are pickles, which can run code when loaded."""
        return is_pickle(self.files[0].path)


@dataclass(frozen=True, slots=True)
class NoWeights:
    """Why a branch holds nothing to load."""

    reason: str


def find_weights(files: Sequence[RepoFile]) -> Weights | NoWeights:
    """The weights at the top level of a branch: safetensors if there are any, else pickles.

    Of several sets, the one under the loaders' usual name counts, else the largest.

    >>> shards = [RepoFile(f"output-0000{n}-of-00002.safetensors", 4, "") for n in (1, 2)]
    >>> find_weights([*shards, RepoFile("adapter_model.safetensors", 1, "")]).size_bytes
    8
    >>> find_weights([RepoFile("measurement.json", 9, ""), RepoFile("README.md", 2, "")]).reason
    'no weights, only the measurement.json from which EXL2 quantizations are made'
    """
    top = [file for file in files if "/" not in file.path]
    candidates = [file for file in top if holds_weights(file.path)]
    for endings in (_SAFETENSORS, _PICKLES):
        found = [file for file in candidates if file.path.lower().endswith(endings)]
        if found:
            chosen = _one_set(found)
            counted = {file.path for file in chosen}
            return Weights(chosen, tuple(file for file in candidates if file.path not in counted))
    return NoWeights(_why_none(files, top))


def is_pickle(path: str) -> bool:
    """Whether a file is a pickle, by its ending."""
    return path.lower().endswith(_PICKLES)


def holds_weights(path: str) -> bool:
    """Whether a file holds weights, by its name without the folder."""
    path = path.rpartition("/")[2]
    return path.lower().endswith((*_SAFETENSORS, *_PICKLES)) and not (
        _NO_WEIGHTS.fullmatch(path) or _ADAPTER.fullmatch(path) or _is_ggml(path)
    )


def _is_ggml(path: str) -> bool:
    """Whether a ``.bin`` is a file for llama.cpp of 2023, not a pickle."""
    return path.lower().endswith(".bin") and bool(_GGML.search(path))


def _one_set(files: Iterable[RepoFile]) -> tuple[RepoFile, ...]:
    """The files of one set: they differ only in their shard number."""
    sets: dict[str, list[RepoFile]] = {}
    for file in files:
        stem = file.path.rpartition(".")[0]
        shard = _SHARD.fullmatch(stem)
        sets.setdefault(shard["family"] if shard else stem, []).append(file)
    merit = {name: (name not in _USUAL, -sum(file.size_bytes for file in files), name) for name, files in sets.items()}
    return tuple(sets[min(sets, key=lambda name: merit[name])])


def _why_none(files: Sequence[RepoFile], top: Sequence[RepoFile]) -> str:
    """Why there are no weights to load, for the user."""
    paths = [file.path for file in top]
    endings = {ending: None for file in files for ending in _OTHER_FORMATS if file.path.endswith(ending)}
    foreign = next((why for ending, why in _OTHER_FORMATS.items() if ending in endings), None)
    folders = sorted({file.path.split("/")[0] for file in files if "/" in file.path and holds_weights(file.path)})
    if any(_ADAPTER.fullmatch(path) for path in paths):
        return "an adapter (LoRA), which needs its base model"
    if foreign is not None:
        return foreign
    if any(_is_ggml(path) for path in paths):
        return _OTHER_FORMATS[".ggml"]
    if folders:
        shown = ", ".join(f"{folder}/" for folder in folders[:3])
        return (
            f"weights only in folders ({shown}{' ...' if len(folders) > 3 else ''}), which no loader takes as a branch"
        )
    if any(path.startswith("measurement") for path in paths):
        return "no weights, only the measurement.json from which EXL2 quantizations are made"
    if all(path.startswith(".git") or path.lower().startswith(("readme", "license")) for path in paths):
        return "empty"
    return "no weight files"
