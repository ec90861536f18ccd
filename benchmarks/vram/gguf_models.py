"""GGUF files of real shapes without weights: the header, the tensors that llama.cpp asks for, and a hole for the data.

Dimensions are those of the models' public configs, under the names that the header has for them. Types are dealt out as
llama-quantize does in the main: more bits for values, the second MLP matrix and the head.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Keys = dict[str, Any]
Sizes = tuple[int, ...]

MODELS: dict[str, tuple[str, int, Keys]] = {}
"""Architecture, words in the vocabulary, and the header's keys without the architecture before them."""


def model(
    name: str, arch: str, vocab: int, dims: tuple[int, int, int, int | list[int], int], context: int, **more: Any
) -> None:
    layers, hidden, heads, kv_heads, width = dims
    MODELS[name] = (
        arch,
        vocab,
        {
            "block_count": layers,
            "context_length": context,
            "embedding_length": hidden,
            "feed_forward_length": width,
            "attention.head_count": heads,
            "attention.head_count_kv": kv_heads,
            **{key.replace("__", "."): value for key, value in more.items()},
        },
    )


def head(size: int) -> Keys:
    return {"attention__key_length": size, "attention__value_length": size}


def experts(count: int, used: int, width: int, **more: int) -> Keys:
    return {"expert_count": count, "expert_used_count": used, "expert_feed_forward_length": width, **more}


def recurrent(inner: int, heads: int, groups: int) -> Keys:
    return {
        "ssm__conv_kernel": 4,
        "ssm__inner_size": inner,
        "ssm__state_size": 128,
        "ssm__time_step_rank": heads,
        "ssm__group_count": groups,
    }


model("llama2-7b", "llama", 32000, (32, 4096, 32, 32, 11008), 4096)
model("llama31-8b", "llama", 128256, (32, 4096, 32, 8, 14336), 131072)
model("llama31-70b", "llama", 128256, (80, 8192, 64, 8, 28672), 131072)
model("llama32-1b", "llama", 128256, (16, 2048, 32, 8, 8192), 131072)
model("mistral-7b", "llama", 32000, (32, 4096, 32, 8, 14336), 32768)
model("mixtral-8x7b", "llama", 32000, (32, 4096, 32, 8, 14336), 32768, expert_count=8, expert_used_count=2)
model("qwen25-7b", "qwen2", 152064, (28, 3584, 28, 4, 18944), 32768)
model("qwen25-32b", "qwen2", 152064, (64, 5120, 40, 8, 27648), 32768)
model("qwen3-8b", "qwen3", 151936, (36, 4096, 32, 8, 12288), 40960, **head(128))
model("qwen3-30b-a3b", "qwen3moe", 151936, (48, 2048, 32, 4, 6144), 40960, **head(128), **experts(128, 8, 768))
model("gemma2-9b", "gemma2", 256000, (42, 3584, 16, 8, 14336), 8192, **head(256), attention__sliding_window=4096)
model("gemma3-12b", "gemma3", 262208, (48, 3840, 16, 8, 15360), 131072, **head(256), attention__sliding_window=1024)
model("gemma3-27b", "gemma3", 262208, (62, 5376, 32, 16, 21504), 131072, **head(128), attention__sliding_window=1024)
model("phi3-mini", "phi3", 32064, (32, 3072, 32, 32, 8192), 4096)
model("phi4", "phi3", 100352, (40, 5120, 40, 10, 17920), 16384)
model("command-r-35b", "command-r", 256000, (40, 8192, 64, 64, 22528), 131072)
model(
    "deepseek-v2-lite",
    "deepseek2",
    102400,
    (27, 2048, 16, 1, 10944),
    163840,
    **experts(64, 6, 1408, expert_shared_count=2, leading_dense_block_count=1),
    attention__kv_lora_rank=512,
    attention__key_length=576,
    attention__value_length=512,
    attention__key_length_mla=192,
    attention__value_length_mla=128,
    rope__dimension_count=64,
)
model(
    "gpt-oss-20b",
    "gpt-oss",
    201088,
    (24, 2880, 64, 8, 2880),
    131072,
    **head(64),
    **experts(32, 4, 2880),
    attention__sliding_window=128,
)
model(
    "granite4-h-small",
    "granitehybrid",
    100352,
    (40, 4096, 32, [8 if layer % 10 == 5 else 0 for layer in range(40)], 768),
    131072,
    **experts(72, 10, 768, expert_shared_feed_forward_length=1536),
    **recurrent(8192, 128, 1),
)
model(
    "qwen3-next-80b-a3b",
    "qwen3next",
    151936,
    (48, 2048, 16, 2, 5120),
    262144,
    **head(256),
    **experts(512, 10, 512, expert_shared_feed_forward_length=512),
    **recurrent(4096, 32, 16),
    rope__dimension_count=64,
)
model(
    "qwen35-9b",
    "qwen35",
    248320,
    (32, 4096, 16, 4, 12288),
    262144,
    **head(256),
    **recurrent(4096, 32, 16),
    rope__dimension_count=64,
    rope__dimension_sections=[11, 11, 10, 0],
    full_attention_interval=4,
)
model("mamba2-2.7b", "mamba2", 50288, (64, 2560, 0, 0, 0), 1048576, **recurrent(5120, 80, 1))

TIED = frozenset({"llama32-1b", "gemma2-9b", "gemma3-12b", "gemma3-27b", "command-r-35b", "mamba2-2.7b"})
"""The models whose head is the embedding."""
FILE_TYPES = {"F16": 1, "Q8_0": 7, "Q2_K": 10, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18, "IQ3_XXS": 23, "MXFP4": 38}
TYPES = {
    name: (number, block, size)
    for name, number, block, size in (
        ("F32", 0, 1, 4),
        ("F16", 1, 1, 2),
        ("Q4_0", 2, 32, 18),
        ("Q5_0", 6, 32, 22),
        ("Q5_1", 7, 32, 24),
        ("Q8_0", 8, 32, 34),
        ("Q2_K", 10, 256, 84),
        ("Q3_K", 11, 256, 110),
        ("Q4_K", 12, 256, 144),
        ("Q5_K", 13, 256, 176),
        ("Q6_K", 14, 256, 210),
        ("IQ3_XXS", 18, 256, 98),
        ("IQ4_NL", 20, 32, 18),
        ("IQ3_S", 21, 256, 110),
        ("MXFP4", 39, 32, 17),
    )
}
"""Number in the file, weights and bytes of a block."""
_WHERE_NOT_DIVISIBLE = {
    "Q2_K": "Q4_0",
    "Q3_K": "Q4_0",
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
    "IQ3_XXS": "IQ4_NL",
    "IQ3_S": "IQ4_NL",
}
_MIXES = {
    "Q2_K": ("Q2_K", "Q3_K", "Q6_K"),
    "Q4_K_M": ("Q4_K", "Q6_K", "Q6_K"),
    "Q5_K_M": ("Q5_K", "Q6_K", "Q6_K"),
    "IQ3_XXS": ("IQ3_XXS", "IQ3_S", "Q5_K"),
    "MXFP4": ("MXFP4", "Q8_0", "Q8_0"),
}
"""Of a file type: most tensors, the values and second matrices, the head."""


def type_of(name: str, sizes: Sizes, file_type: str, layers: int, *, tied: bool) -> str:
    """The type of one tensor."""
    plain = ("norm", "ffn_gate_inp", "conv1d", "ssm_a", "ssm_d", "ssm_beta.", "ssm_alpha.")
    if len(sizes) == 1 or not name.endswith(".weight") or any(word in name for word in plain):
        return "F32"
    most, values, last = _MIXES.get(file_type, (file_type,) * 3)
    kind = most
    if name == "output.weight" or (tied and name == "token_embd.weight"):
        kind = last
    elif name == "token_embd.weight" and file_type == "IQ3_XXS":
        kind = "IQ3_S"
    elif file_type == "MXFP4":
        kind = "MXFP4" if "_exps" in name else "Q8_0"
    elif any(word in name for word in ("attn_v.", "ffn_down", "attn_v_b")):
        layer = int(name.split(".")[1])
        kind = values if layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2 else most
    return _WHERE_NOT_DIVISIBLE.get(kind, kind) if sizes[0] % TYPES[kind][1] else kind


def tensors(name: str, layers: int | None = None) -> Iterator[tuple[str, Sizes]]:
    """The tensors that llama.cpp looks for in a file of this architecture (``src/models``)."""
    arch, vocab, keys = MODELS[name]
    hidden = keys["embedding_length"]
    yield "token_embd.weight", (hidden, vocab)
    yield "output_norm.weight", (hidden,)
    if name not in TIED:
        yield "output.weight", (hidden, vocab)
    for layer in range(layers or keys["block_count"]):
        for rest, sizes in (*_mixer(arch, keys, layer), *_mlp(arch, keys, layer)):
            yield f"blk.{layer}.{rest}", sizes


def _mixer(arch: str, keys: Keys, layer: int) -> Iterator[tuple[str, Sizes]]:
    hidden, heads = keys["embedding_length"], keys["attention.head_count"]
    listed = keys["attention.head_count_kv"]
    kv_heads = listed[layer] if isinstance(listed, list) else listed
    yield "attn_norm.weight", (hidden,)
    if arch in ("qwen3next", "qwen35") and (layer + 1) % 4:
        yield from _delta_net(arch, keys)
        return
    if kv_heads == 0:
        yield from _mamba(keys)
        return
    if arch == "deepseek2":
        latent, rope, values = keys["attention.kv_lora_rank"], keys["rope.dimension_count"], 128
        plain = keys["attention.key_length_mla"] - rope
        yield "attn_q.weight", (hidden, heads * (plain + rope))
        yield "attn_kv_a_mqa.weight", (hidden, latent + rope)
        yield "attn_kv_a_norm.weight", (latent,)
        yield "attn_k_b.weight", (plain, latent, heads)
        yield "attn_v_b.weight", (latent, values, heads)
        yield "attn_output.weight", (heads * values, hidden)
        return
    size = keys.get("attention.key_length", hidden // heads)
    gated = 2 if arch in ("qwen3next", "qwen35") else 1
    if arch == "phi3":
        yield "attn_qkv.weight", (hidden, (heads + 2 * kv_heads) * size)
    else:
        for part, width in (("q", gated * heads * size), ("k", kv_heads * size), ("v", kv_heads * size)):
            yield f"attn_{part}.weight", (hidden, width)
            if arch in ("qwen2", "gpt-oss"):
                yield f"attn_{part}.bias", (width,)
    yield "attn_output.weight", (heads * size, hidden)
    if arch == "gpt-oss":
        yield "attn_output.bias", (hidden,)
        yield "attn_sinks.weight", (heads,)
    if arch in ("qwen3", "qwen3moe", "gemma3", "qwen3next", "qwen35"):
        yield "attn_q_norm.weight", (size,)
        yield "attn_k_norm.weight", (size,)


def _delta_net(arch: str, keys: Keys) -> Iterator[tuple[str, Sizes]]:
    hidden, state, heads = keys["embedding_length"], keys["ssm.state_size"], keys["ssm.time_step_rank"]
    values, keyed = keys["ssm.inner_size"], state * keys["ssm.group_count"]
    yield "attn_qkv.weight", (hidden, 2 * keyed + values)
    yield "attn_gate.weight", (hidden, values)
    yield "ssm_conv1d.weight", (4, 2 * keyed + values)
    yield "ssm_dt.bias", (heads,)
    yield "ssm_a", (heads,)
    if arch == "qwen3next":
        yield "ssm_ba.weight", (hidden, 2 * heads)
    else:
        yield "ssm_beta.weight", (hidden, heads)
        yield "ssm_alpha.weight", (hidden, heads)
    yield "ssm_norm.weight", (state,)
    yield "ssm_out.weight", (values, hidden)


def _mamba(keys: Keys) -> Iterator[tuple[str, Sizes]]:
    hidden, inner, heads = keys["embedding_length"], keys["ssm.inner_size"], keys["ssm.time_step_rank"]
    groups = keys["ssm.group_count"]
    mixed = inner + 2 * groups * keys["ssm.state_size"]
    yield "ssm_in.weight", (hidden, inner + mixed + heads)
    yield "ssm_conv1d.weight", (4, mixed)
    yield "ssm_conv1d.bias", (mixed,)
    yield "ssm_dt.bias", (heads,)
    yield "ssm_a", (1, heads)
    yield "ssm_d", (1, heads)
    yield "ssm_norm.weight", (inner // groups, groups)
    yield "ssm_out.weight", (inner, hidden)


def _mlp(arch: str, keys: Keys, layer: int) -> Iterator[tuple[str, Sizes]]:
    hidden, width, count = keys["embedding_length"], keys["feed_forward_length"], keys.get("expert_count", 0)
    if not width:
        return
    if arch in ("gpt-oss", "qwen3next", "qwen35"):
        yield "post_attention_norm.weight", (hidden,)
    elif arch != "command-r":
        yield "ffn_norm.weight", (hidden,)
    if arch.startswith("gemma"):
        yield "post_attention_norm.weight", (hidden,)
        yield "post_ffw_norm.weight", (hidden,)
    if arch == "phi3":
        yield "ffn_up.weight", (hidden, 2 * width)
        yield "ffn_down.weight", (width, hidden)
        return
    if not count or layer < keys.get("leading_dense_block_count", 0):
        yield from _gated("", hidden, width)
        return
    yield "ffn_gate_inp.weight", (hidden, count)
    each = keys.get("expert_feed_forward_length", width)
    yield from _gated("_exps", hidden, each, count)
    if arch == "gpt-oss":
        yield "ffn_gate_inp.bias", (count,)
        yield "ffn_gate_exps.bias", (each, count)
        yield "ffn_up_exps.bias", (each, count)
        yield "ffn_down_exps.bias", (hidden, count)
    shared = keys.get("expert_shared_feed_forward_length", each * keys.get("expert_shared_count", 0))
    if shared:
        yield from _gated("_shexp", hidden, shared)
    if arch == "qwen3next":
        yield "ffn_gate_inp_shexp.weight", (hidden,)


def _gated(suffix: str, hidden: int, width: int, *count: int) -> Iterator[tuple[str, Sizes]]:
    yield f"ffn_gate{suffix}.weight", (hidden, width, *count)
    yield f"ffn_up{suffix}.weight", (hidden, width, *count)
    yield f"ffn_down{suffix}.weight", (width, hidden, *count)


def header_keys(name: str, file_type: str, layers: int | None = None) -> Keys:
    """The keys of the header, all but the vocabulary."""
    arch, _, keys = MODELS[name]
    keys = dict(keys)
    if layers:
        keys["block_count"] = layers
        listed = keys["attention.head_count_kv"]
        if isinstance(listed, list):
            keys["attention.head_count_kv"] = listed[:layers]
    norm = "layer_norm_epsilon" if arch == "command-r" else "layer_norm_rms_epsilon"
    found = {f"{arch}.{key}": value for key, value in keys.items()} | {f"{arch}.attention.{norm}": 1e-5}
    return {"general.architecture": arch, "general.file_type": FILE_TYPES[file_type]} | found


def write(path: Path, name: str, file_type: str, layers: int | None = None) -> int:
    """Write the file; returns its size in bytes. Its weights are a hole, which reads as zeros.

    Args:
        path: where.
        name: a key of `MODELS`.
        file_type: a key of `FILE_TYPES`.
        layers: how many layers of the model; None is all.
    """
    _, vocab, _ = MODELS[name]
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words += [f"w{number}" for number in range(len(words), vocab)]
    kinds = [2, 3, 3, *[6] * 256, *[1] * (vocab - 259)]
    keys = header_keys(name, file_type, layers) | {"tokenizer.ggml.model": "llama"}
    listed = [
        _key("tokenizer.ggml.tokens", 9) + struct.pack("<IQ", 8, vocab) + b"".join(map(_text, words)),
        _key("tokenizer.ggml.scores", 9) + struct.pack(f"<IQ{vocab}f", 6, vocab, *(0.0,) * vocab),
        _key("tokenizer.ggml.token_type", 9) + struct.pack(f"<IQ{vocab}i", 5, vocab, *kinds),
    ]
    listed += [_value(key, value) for key, value in keys.items()]
    held, offset = [], 0
    depth = layers or MODELS[name][2]["block_count"]
    for tensor, sizes in tensors(name, layers):
        number, block, size = TYPES[type_of(tensor, sizes, file_type, depth, tied=name in TIED)]
        held.append(_text(tensor) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, number, offset))
        weights = 1
        for one in sizes:
            weights *= one
        offset += -(-(weights // block * size) // 32) * 32
    head_bytes = b"GGUF" + struct.pack("<IQQ", 3, len(held), len(listed)) + b"".join(listed) + b"".join(held)
    with path.open("wb") as file:
        file.write(head_bytes)
        file.truncate(-(-len(head_bytes) // 32) * 32 + offset)
    return path.stat().st_size


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _key(key: str, kind: int) -> bytes:
    return _text(key) + struct.pack("<I", kind)


def _value(key: str, value: Any) -> bytes:
    if isinstance(value, str):
        return _key(key, 8) + _text(value)
    if isinstance(value, float):
        return _key(key, 6) + struct.pack("<f", value)
    if isinstance(value, list):
        return _key(key, 9) + struct.pack(f"<IQ{len(value)}i", 5, len(value), *value)
    return _key(key, 4) + struct.pack("<I", value)
