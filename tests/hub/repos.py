"""Small repos of the shapes that publishers make."""

import json
from typing import Any

from quantpick.demo.hub import HubFile, HubRepo
from tests.fakes.hub import weights

LLAMA_7B: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 32000,
}
EXL2_CARD = """# Finch 7B exl2
- [3.5 bits per weight](https://huggingface.co/pub/Finch-7B-exl2/tree/3.5bpw)
- [4.25 bits per weight](https://huggingface.co/pub/Finch-7B-exl2/tree/4.25bpw)
"""


def config(**quantization: Any) -> HubFile:
    """A Llama config; with arguments, a quantized one."""
    section = {"quantization_config": quantization} if quantization else {}
    return HubFile.small("config.json", json.dumps(LLAMA_7B | section))


def exl2_branch(bits: float, size_bytes: int) -> list[HubFile]:
    """What ExLlamaV2's convert.py leaves in a branch."""
    return [config(quant_method="exl2", bits=bits, head_bits=6), weights("output.safetensors", size_bytes)]


def exl2_repo(**arguments: Any) -> HubRepo:
    """One repo of EXL2 branches, with a measurement on main and the card beside it."""
    card = HubFile.small("README.md", EXL2_CARD)
    return HubRepo(
        {
            "main": [HubFile.small("measurement.json", "{}"), card],
            "3.5bpw": exl2_branch(3, 3_400_000_000),
            "4.25bpw": exl2_branch(4.25, 4_100_000_000),
            "exp/6.0bpw": exl2_branch(6, 5_600_000_000),
        },
        **arguments,
    )
