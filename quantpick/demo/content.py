"""What the demo's Hub holds: a 34B model in seven GPTQ branches, of which no byte exists, and a small one to download.

The large one has a card, configs and file lists as such a repo has, with the sizes that its quantizations take, so that
the question which branch fits is a real one. The weights of the small one are random bytes.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from quantpick.core.memory.weights import weights_file_size
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape
from quantpick.core.units import MIB
from quantpick.demo.cdn import sha256_of
from quantpick.demo.hub import HubFile, HubRepo

LARGE_ID: Final = "quantpick-demo/Airoboros-c34B-3.1.2-GPTQ"
SMALL_ID: Final = "quantpick-demo/Finch-0.1B-GPTQ"
SMALL_BRANCH: Final = "gptq-4bit-32g-actorder_True"

CODELLAMA_34B: Final[dict[str, Any]] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8192,
    "num_hidden_layers": 48,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "intermediate_size": 22016,
    "vocab_size": 32000,
    "max_position_embeddings": 16384,
}
"""The dimensions of CodeLlama 34B (codellama/CodeLlama-34b-hf, ``config.json``)."""
_LARGE_BRANCHES: Final = {
    "main": QuantSpec("gptq", 4, None, desc_act=True),
    "gptq-4bit-128g-actorder_True": QuantSpec("gptq", 4, 128, desc_act=True),
    "gptq-4bit-32g-actorder_True": QuantSpec("gptq", 4, 32, desc_act=True),
    "gptq-3bit-128g-actorder_True": QuantSpec("gptq", 3, 128, desc_act=True),
    "gptq-8bit--1g-actorder_True": QuantSpec("gptq", 8, None, desc_act=True),
    "gptq-3bit-32g-actorder_True": QuantSpec("gptq", 3, 32, desc_act=True),
    "gptq-8bit-128g-actorder_True": QuantSpec("gptq", 8, 128, desc_act=True),
}
"""Those of TheBloke/Airoboros-c34B-3.1.2-GPTQ."""
_MODEL: Final[Mapping[str, Any]] = dict(CODELLAMA_34B) | {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
    "intermediate_size": 2048,
    "max_position_embeddings": 8192,
}


def large_repo() -> HubRepo:
    """The 34B model: everything but the weights, of which only the sizes are told."""
    shape = ModelShape.from_config(CODELLAMA_34B)
    branches, rows = {}, []
    for name, quant in _LARGE_BRANCHES.items():
        size = weights_file_size(quant, shape)
        nowhere = HubFile("model.safetensors", size, hashlib.sha256(name.encode()).hexdigest())
        branches[name] = [*_small_files(CODELLAMA_34B, quant), nowhere]
        rows.append(_row(LARGE_ID, name, quant, size))
    card = HubFile.small("README.md", _card("Airoboros c34B 3.1.2 - GPTQ", rows))
    return HubRepo({name: [card, *files] for name, files in branches.items()})


def small_repo(folder: Path) -> tuple[HubRepo, dict[str, Path]]:
    """The model to download, and the path of its weights by sha256.

    Args:
        folder: where the weights are written, 0.13 GB.
    """
    quant = QuantSpec("gptq", 4, 32, desc_act=True)
    size = weights_file_size(quant, ModelShape.from_config(_MODEL))
    path = folder / "weights"
    _write_random(path, size)
    weights = HubFile("model.safetensors", size, sha256_of(path))
    card = HubFile.small("README.md", _card("Finch 0.1B - GPTQ", [_row(SMALL_ID, SMALL_BRANCH, quant, size)]))
    files = [card, *_small_files(_MODEL, quant), weights]
    return HubRepo({"main": [card], SMALL_BRANCH: files}), {weights.sha256 or "": path}


def _write_random(path: Path, size_bytes: int) -> None:
    with path.open("wb") as target:
        for start in range(0, size_bytes, 16 * MIB):
            target.write(os.urandom(min(16 * MIB, size_bytes - start)))


def _small_files(model: Mapping[str, Any], quant: QuantSpec) -> list[HubFile]:
    section = {"bits": quant.bits, "group_size": quant.group_size or -1, "desc_act": quant.desc_act, "sym": True}
    config = dict(model) | {"quantization_config": section | {"quant_method": "gptq", "damp_percent": 0.1}}
    tokenizer = {"model": {"type": "BPE", "vocab": {f"<{token}>": token for token in range(2000)}, "merges": []}}
    return [
        HubFile.small("config.json", json.dumps(config, indent=2)),
        HubFile.small("quantize_config.json", json.dumps(section, indent=2)),
        HubFile.small("tokenizer.json", json.dumps(tokenizer)),
    ]


def _row(repo_id: str, name: str, quant: QuantSpec, size_bytes: int) -> str:
    act_order = "Yes" if quant.desc_act else "No"
    link = f"[{name}](https://huggingface.co/{repo_id}/tree/{name})"
    return f"| {link} | {quant.bits:g} | {quant.group_size} | {act_order} | 0.1 | 4096 | {size_bytes / 1e9:.2f} GB |"


def _card(title: str, rows: list[str]) -> str:
    head = "| Branch | Bits | GS | Act Order | Damp % | Seq Len | Size |\n| --- | --- | --- | --- | --- | --- | --- |"
    return f"---\nmodel_type: llama\n---\n# {title}\n\n" + "\n".join([head, *rows]) + "\n"
