"""What the demo's Hub holds: one small Llama in four GPTQ branches, with a card as publishers write them.

The weight files are random bytes, of the size that the quantization of such a model has.
"""

import json
import os
from pathlib import Path
from typing import Final

from quantpick.core.memory.weights import weights_file_size
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape
from quantpick.core.units import MIB
from quantpick.demo.cdn import sha256_of
from quantpick.demo.hub import HubFile, HubRepo

REPO_ID: Final = "quantpick-demo/Finch-0.1B-GPTQ"

_MODEL: Final = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
    "intermediate_size": 2048,
    "vocab_size": 32000,
    "max_position_embeddings": 8192,
}
_BRANCHES: Final = {
    "main": QuantSpec("gptq", 4, 128, desc_act=False),
    "gptq-4bit-32g-actorder_True": QuantSpec("gptq", 4, 32, desc_act=True),
    "gptq-8bit--1g-actorder_True": QuantSpec("gptq", 8, None, desc_act=True),
    "gptq-3bit-128g-actorder_True": QuantSpec("gptq", 3, 128, desc_act=True),
}


def make_repo(folder: Path) -> tuple[HubRepo, dict[str, Path]]:
    """The repo, and the paths of its large files by sha256.

    Args:
        folder: where the weight files are written, 0.6 GB in all.
    """
    shape = ModelShape.from_config(_MODEL)
    contents: dict[str, Path] = {}
    branches: dict[str, list[HubFile]] = {}
    rows = []
    for at, (name, quant) in enumerate(_BRANCHES.items()):
        size = weights_file_size(quant, shape)
        path = folder / f"weights-{at}"
        _write_random(path, size)
        weights = HubFile("model.safetensors", size, sha256_of(path))
        contents[weights.sha256 or ""] = path
        branches[name] = [*_small_files(quant), weights]
        rows.append(_row(name, quant, size))
    card = HubFile.small("README.md", _card(rows))
    return HubRepo({name: [card, *files] for name, files in branches.items()}), contents


def _write_random(path: Path, size_bytes: int) -> None:
    with path.open("wb") as target:
        for start in range(0, size_bytes, 16 * MIB):
            target.write(os.urandom(min(16 * MIB, size_bytes - start)))


def _small_files(quant: QuantSpec) -> list[HubFile]:
    section = {"bits": quant.bits, "group_size": quant.group_size or -1, "desc_act": quant.desc_act, "sym": True}
    config = _MODEL | {"quantization_config": section | {"quant_method": "gptq", "damp_percent": 0.1}}
    tokenizer = {"model": {"type": "BPE", "vocab": {f"<{token}>": token for token in range(2000)}, "merges": []}}
    return [
        HubFile.small("config.json", json.dumps(config, indent=2)),
        HubFile.small("quantize_config.json", json.dumps(section, indent=2)),
        HubFile.small("tokenizer.json", json.dumps(tokenizer)),
    ]


def _row(name: str, quant: QuantSpec, size_bytes: int) -> str:
    act_order = "Yes" if quant.desc_act else "No"
    link = f"[{name}](https://huggingface.co/{REPO_ID}/tree/{name})"
    return f"| {link} | {quant.bits:g} | {quant.group_size} | {act_order} | 0.1 | 4096 | {size_bytes / 1e9:.2f} GB |"


def _card(rows: list[str]) -> str:
    head = "| Branch | Bits | GS | Act Order | Damp % | Seq Len | Size |\n| --- | --- | --- | --- | --- | --- | --- |"
    return "---\nmodel_type: llama\n---\n# Finch 0.1B - GPTQ\n\n" + "\n".join([head, *rows]) + "\n"
