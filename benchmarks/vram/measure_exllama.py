"""Measure on a GPU the memory that ExLlamaV2 or ExLlamaV3 takes, for random weights of real shapes.

python measure_exllama.py exllamav2|exllamav3 SECONDS SPEC... one JSON line per point SPEC =
shape[/layers]:format:context:cache[:cap]

`format` is ``gptq-4-128`` (bits, group size, 0 for none), ``exl2-4`` (bits) or ``exl3-4``; heads have 6 bits but for
GPTQ. `cache` is fp16, fp8, q4, q6 or q8. The cache is filled to 64 tokens under the context, in chunks of at most
2048, and 8 tokens are decoded. With ``cap`` the smallest memory in which all that runs is searched, in steps of 0.125
GiB: the whole process, CUDA context included, under ``torch.cuda.set_per_process_memory_fraction``. Memory depends on
shapes alone, so the weights are random. Needs an NVIDIA GPU, nvcc, torch, safetensors, nvidia-ml-py and the loader;
no flash-attn was installed where the data here was made.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpu_process import started
from shapes import SHAPES

STEP_GIB = 0.125
HEAD_BITS = 6
CHUNK_TOKENS = 2048
Tensors = dict[str, Any]


def _random(shape: tuple[int, ...], kind: str) -> Any:
    import torch

    bits = torch.iinfo(getattr(torch, kind))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.randint(bits.min, bits.max, shape, dtype=getattr(torch, kind), device=device).cpu()


def _scales(*shape: int) -> Any:
    import torch

    return torch.full(shape, 1e-3, dtype=torch.float16)


def gptq(rows: int, columns: int, bits: int, group: int) -> Tensors:
    """A linear layer with act order."""
    import torch

    size = group or rows
    index = (torch.arange(rows, dtype=torch.int32) // size)[torch.randperm(rows)].contiguous()
    return {
        "qweight": _random((rows * bits // 32, columns), "int32"),
        "qzeros": _random((rows // size, columns * bits // 32), "int32"),
        "scales": _scales(rows // size, columns),
        "g_idx": index,
    }


def exl2(rows: int, columns: int, bits: int, _group: int = 0) -> Tensors:
    """A linear layer of one width."""
    import torch

    group = 128 if rows % 128 == 0 else 32
    starts = torch.arange(rows // group, dtype=torch.int16) * (group * bits // 32)
    return {
        "q_weight": _random((rows * bits // 32, columns), "int32"),
        "q_invperm": torch.randperm(rows).to(torch.int32),
        "q_scale": _random((rows // group, columns // 8), "int32"),
        "q_scale_max": _scales(rows // group),
        "q_groups": torch.stack((torch.full_like(starts, bits), starts), 1).reshape(-1).contiguous(),
    }


def exl3(rows: int, columns: int, bits: int, _group: int = 0) -> Tensors:
    """A linear layer."""
    import torch

    return {
        "trellis": _random((rows // 16, columns // 16, 16 * bits), "int16"),
        "suh": torch.ones(rows, dtype=torch.float16),
        "svh": _scales(columns),
    }


def make(folder: Path, shape: dict[str, int], form: str) -> int:
    """Write a model; returns the bytes of its weight files."""
    import torch
    from safetensors.torch import save_file

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    method, bits, group = (*form.split("-"), "0")[:3]
    linear: Callable[[int, int, int, int], Tensors] = {"gptq": gptq, "exl2": exl2, "exl3": exl3}[method]
    hidden, vocab, inter = shape["hidden_size"], shape["vocab_size"], shape["intermediate_size"]
    keys = hidden // shape["num_attention_heads"] * shape["num_key_value_heads"]
    layers = shape["num_hidden_layers"]
    ones = torch.ones(hidden, dtype=torch.float16)
    table = torch.zeros(vocab, hidden, dtype=torch.float16)
    shard: Tensors = {"model.embed_tokens.weight": table, "model.norm.weight": ones.clone()}
    head = {"weight": table.clone()} if method == "gptq" else linear(hidden, -(-vocab // 32) * 32, HEAD_BITS, 0)
    shard |= {f"lm_head.{name}": tensor for name, tensor in head.items()}
    for layer in range(layers):
        start = f"model.layers.{layer}."
        for name, rows, columns in (
            ("self_attn.q_proj", hidden, hidden),
            ("self_attn.k_proj", hidden, keys),
            ("self_attn.v_proj", hidden, keys),
            ("self_attn.o_proj", hidden, hidden),
            ("mlp.gate_proj", hidden, inter),
            ("mlp.up_proj", hidden, inter),
            ("mlp.down_proj", inter, hidden),
        ):
            tensors = linear(rows, columns, int(bits), int(group))
            shard |= {f"{start}{name}.{key}": tensor for key, tensor in tensors.items()}
        for norm in ("input_layernorm", "post_attention_layernorm"):
            shard[f"{start}{norm}.weight"] = ones.clone()
        if layer % 8 == 7 or layer == layers - 1:
            save_file(shard, folder / f"model-{layer:05d}.safetensors")
            shard = {}
    quantization = {"quant_method": method, "bits": int(bits)}
    quantization |= (
        {"group_size": int(group) or -1, "desc_act": True, "sym": True}
        if method == "gptq"
        else {"head_bits": HEAD_BITS, "version": "0.0.6", "calibration": {"rows": 100, "cols": 2048}}
    )
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **shape,
        "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "quantization_config": quantization,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "quantize_config.json").write_text(json.dumps(quantization))
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def load_exllamav2(folder: str, context: int, kind: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The loaded model's prefill and decode."""
    import exllamav2

    config = exllamav2.ExLlamaV2Config(folder)
    config.max_seq_len = context
    model = exllamav2.ExLlamaV2(config)
    name = {"fp16": "ExLlamaV2Cache", "fp8": "ExLlamaV2Cache_8bit"}.get(kind, f"ExLlamaV2Cache_{kind.upper()}")
    cache = getattr(exllamav2, name)(model, max_seq_len=context, lazy=True)
    model.load_autosplit(cache)
    return (lambda ids, _: model.forward(ids, cache, preprocess_only=True)), (lambda ids, _: model.forward(ids, cache))


def load_exllamav3(folder: str, context: int, kind: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The loaded model's prefill and decode."""
    from exllamav3 import Cache, CacheLayer_fp16, CacheLayer_quant, Config, Model

    model = Model.from_config(Config.from_directory(folder))
    bits = {} if kind == "fp16" else {"k_bits": int(kind[1:]), "v_bits": int(kind[1:])}
    cache = Cache(model, max_num_tokens=context, layer_type=CacheLayer_quant if bits else CacheLayer_fp16, **bits)
    model.load("cuda:0", progressbar=False)
    settings = {"attn_mode": "flash_attn", "cache": cache, "batch_shape": (1, context)}
    return (
        lambda ids, done: model.prefill(ids, settings | {"past_len": done}),
        lambda ids, done: model.forward(ids, settings | {"past_len": done}),
    )


def point(loader: str, folder: str, context: int, kind: str, cap_gib: float) -> dict[str, int]:
    """Load, fill the cache, decode; bytes at each stage."""
    import torch

    held, context_bytes = started()
    if cap_gib:
        torch.cuda.set_per_process_memory_fraction((cap_gib * 2**30 - context_bytes) / torch.cuda.mem_get_info()[1])
    load = {"exllamav2": load_exllamav2, "exllamav3": load_exllamav3}[loader]
    prefill, decode = load(folder, context, kind)
    result = {
        "context": context_bytes,
        "after_load": held(),
        "alloc_after_load": torch.cuda.memory_allocated(),
        "peak_load": torch.cuda.max_memory_allocated(),
    }
    torch.cuda.reset_peak_memory_stats()
    ids = torch.randint(3, 30000, (1, context - 64))
    for start in range(0, context - 64, CHUNK_TOKENS):
        prefill(ids[:, start : start + CHUNK_TOKENS], start)
    for step in range(8):
        decode(torch.tensor([[5]]), context - 64 + step)
    torch.cuda.synchronize()
    return result | {"peak_run": torch.cuda.max_memory_allocated()}


def child(loader: str, folder: Path, context: str, kind: str, cap_gib: float) -> dict[str, int] | None:
    """One point in a process of its own; None when it ran out of memory."""
    command = [sys.executable, __file__, "point", loader, str(folder), context, kind, str(cap_gib)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in run.stdout.splitlines():
        if line.startswith("POINT "):
            return dict(json.loads(line[6:]))
    said = run.stdout + run.stderr
    if not any(word in said for word in ("out of memory", "OutOfMemory", "nsufficient")):
        print("ODD", said[-900:], file=sys.stderr, flush=True)
    return None


def search(runs: Callable[[float], bool], start_gib: float, deadline: float) -> tuple[float, float | None]:
    """The smallest cap that works and the largest that does not, in GiB, one step apart if time allows."""
    high, low = -(-start_gib // STEP_GIB) * STEP_GIB, None
    while not runs(high):
        low, high = high, high + STEP_GIB
    while (low is None or high - low > STEP_GIB) and time.time() < deadline:
        if runs(high - STEP_GIB):
            high -= STEP_GIB
        else:
            low = high - STEP_GIB
    return high, low


def main() -> None:
    loader, deadline = sys.argv[1], time.time() + float(sys.argv[2])
    made, size = None, 0
    folder = Path(tempfile.gettempdir(), "vram-model")
    for spec in sys.argv[3:]:
        if time.time() > deadline:
            print("SKIP", spec, file=sys.stderr, flush=True)
            continue
        model, form, context, kind, *cap = spec.split(":")
        name, _, layers = model.partition("/")
        shape = SHAPES[name] | ({"num_hidden_layers": int(layers)} if layers else {})
        if made != (model, form):
            size, made = make(folder, shape, form), (model, form)
        row: dict[str, Any] = {"model": name, "layers": shape["num_hidden_layers"], "format": form}
        row |= {"file_bytes": size, "ctx": int(context), "cache": kind}
        found = child(loader, folder, context, kind, 0)
        if found and cap:
            guess = (found["context"] + max(found["peak_load"], found["peak_run"])) / 2**30

            def runs(gib: float, context: str = context, kind: str = kind) -> bool:
                return child(loader, folder, context, kind, gib) is not None

            row["min_gib"], row["not_at_gib"] = search(runs, guess, deadline)
        print(json.dumps(row | (found or {"failed": True})), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "point":
        print("POINT " + json.dumps(point(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5], float(sys.argv[6]))))
    else:
        main()
