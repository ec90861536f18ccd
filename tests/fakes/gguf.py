"""Headers of GGUF files, written by the format's own description (``docs/gguf.md`` of ggml-org/ggml)."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

LLAMA_8B: Mapping[str, Any] = {
    "general.architecture": "llama",
    "general.file_type": 15,
    "llama.block_count": 32,
    "llama.context_length": 131072,
    "llama.embedding_length": 4096,
    "llama.feed_forward_length": 14336,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
}
"""A Llama 3.1 8B as convert_hf_to_gguf.py writes its keys."""


def string(text: str) -> bytes:
    """A length and the text."""
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(one: Any) -> bytes:
    """A value with its type: bool, int, float, text, or a list of one of these."""
    if isinstance(one, list):
        kind = value(one[0])[:4] if one else struct.pack("<I", 5)
        return struct.pack("<I", 9) + kind + struct.pack("<Q", len(one)) + b"".join(value(item)[4:] for item in one)
    if isinstance(one, bool):
        return struct.pack("<I?", 7, one)
    if isinstance(one, int):
        return struct.pack("<II", 4, one)
    if isinstance(one, float):
        return struct.pack("<If", 6, one)
    return struct.pack("<I", 8) + string(one)


def header(
    values: Mapping[str, Any], *, vocabulary: int = 0, tensors: Sequence[tuple[str, Sequence[int], int]] = ()
) -> bytes:
    """A header; with a vocabulary of so many one-letter tokens behind the keys."""
    said = {**values, **({"tokenizer.ggml.tokens": ["t"] * vocabulary} if vocabulary else {})}
    body = b"".join(string(key) + value(one) for key, one in said.items())
    for name, sizes, kind in tensors:
        body += string(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, 0)
    return b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(said)) + body
