"""The VRAM estimate beside measurements: per loader and method the errors.

    python benchmarks/vram_accuracy.py [--points]

`benchmarks/vram/` holds what was measured for quantpick, and in `public.json` what others published. `--points` lists
every point.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

from quantpick import ModelShape, QuantSpec, ServerSettings, VramEstimate, estimate_vram
from quantpick.core.gguf.header import GgufHeader
from quantpick.core.gguf.shape import read_shape
from quantpick.core.gguf.types import embedding_bits, nominal_bits, nominal_bpw
from quantpick.core.memory.engine import ALLOCATOR_SLACK, UNMEASURED_BAND, Load
from quantpick.core.memory.engines import ENGINES
from quantpick.core.memory.estimate import estimate
from quantpick.core.memory.llama_cpp import beside_the_buffers
from quantpick.core.memory.sglang import flashinfer_workspace
from quantpick.core.units import GIB, MIB

HERE = Path(__file__).resolve().parent
VLLM_PARTS = ("weights_gib", "peak_gib", "non_torch_gib")
LOADERS = (
    ("ExLlama v1", "exllama"),
    ("ExLlamaV2", "exllamav2"),
    ("ExLlamaV3", "exllamav3"),
    ("Transformers + AutoGPTQ exllama v1", "transformers"),
    ("Transformers + AutoGPTQ", "autogptq"),
    ("Transformers", "transformers"),
    ("AutoGPTQ", "autogptq"),
    ("AutoAWQ", "autoawq"),
    ("GPTQ-for-LLaMa", "gptq-for-llama"),
    ("LMDeploy", "lmdeploy"),
)


@dataclass(frozen=True)
class Point:
    """A measurement and the estimate for it, in bytes."""

    row: tuple[str, str]
    label: str
    measured: float
    estimated: float
    failed: float = 0.0

    @property
    def error(self) -> float:
        return self.estimated / self.measured - 1


def allocated(need: VramEstimate) -> float:
    """What torch counts as allocated: neither the CUDA context nor what its allocator cannot use."""
    return (need.total_bytes - need.cuda_context_bytes) / (1 + ALLOCATOR_SLACK)


def shape_of(point: dict[str, Any]) -> ModelShape:
    sys.path.insert(0, str(HERE / "vram"))
    from shapes import SHAPES

    window = {"sliding_window": 4096} if point.get("family") in ("mistral", "gemma2") else {}
    family = {"model_type": point.get("family", "llama")}
    experts = {"num_local_experts": 8, "num_experts_per_tok": 2} if point.get("family") == "mixtral" else {}
    return ModelShape.from_config(
        SHAPES[point["model"]] | {"num_hidden_layers": point["layers"]} | window | family | experts
    )


def exllama_points(loader: str) -> Iterator[Point]:
    for point in json.loads((HERE / "vram" / f"{loader}_h100.json").read_text())["points"]:
        method, bits, *rest = point["format"].split("-")
        group = int(rest[0]) or None if method == "gptq" and rest else None
        need = estimate_vram(
            QuantSpec(method, int(bits), group),
            shape_of(point),
            loader=loader,
            context_tokens=point["ctx"],
            kv_dtype=point["cache"],
            weights_file_bytes=point["file_bytes"],
        )
        label = f"{point['model']}/{point['layers']} {point['format']} {point['ctx']} {point['cache']}"
        peak = max(point.get("peak_load", 0), point.get("peak_run", 0))
        yield Point((f"{loader}, peak allocated", method), label, peak, allocated(need))
        if "min_gib" in point:
            failed = (point.get("not_at_gib") or 0) * GIB
            yield Point(
                (f"{loader}, smallest that runs", method), label, point["min_gib"] * GIB, need.total_bytes, failed
            )


def transformers_points() -> Iterator[Point]:
    for point in json.loads((HERE / "vram" / "transformers_h100.json").read_text())["points"]:
        need = estimate_vram(
            QuantSpec("none", 16),
            shape_of(point),
            loader="transformers",
            context_tokens=point["prompt"] + point["new"],
            prompt_tokens=point["prompt"],
            batch=point["batch"],
            weights_file_bytes=point["weights"],
        )
        label = f"{point['family']} {point['model']}/{point['layers']} {point['prompt']} x {point['batch']}"
        yield Point(("transformers, peak allocated", "none"), label, point["peak_alloc"], allocated(need))


def transformers_families() -> Iterator[Point]:
    document = json.loads((HERE / "vram" / "transformers_h200.json").read_text())
    for point in document["points"]:
        need = estimate_vram(
            QuantSpec("none", 16),
            ModelShape.from_config({"max_position_embeddings": 131072} | document["configs"][point["config"]]),
            loader="transformers",
            version="5.17.0",
            context_tokens=point["prompt"] + point["new"],
            prompt_tokens=point["prompt"],
            batch=point["batch"],
            weights_file_bytes=point["weights"],
        )
        label = f"{point['config']} {point['prompt']} x {point['batch']}"
        yield Point(("transformers, families, peak allocated", "none"), label, point["peak_alloc"], allocated(need))


def vllm_points(gpu: str) -> Iterator[Point]:
    for point in json.loads((HERE / "vram" / f"vllm_{gpu}.json").read_text())["points"]:
        need = estimate_vram(
            QuantSpec(point["method"], point["bits"], point["group_size"], point["desc_act"]),
            ModelShape.from_config(point["config"]),
            loader="vllm",
            version="0.26.0",
            context_tokens=point["max_model_len"],
            kv_dtype="fp16" if point["kv_cache_dtype"] == "auto" else point["kv_cache_dtype"],
            settings=ServerSettings(
                max_num_batched_tokens=point["max_num_batched_tokens"],
                max_num_seqs=point["max_num_seqs"],
                enforce_eager=point["enforce_eager"],
            ),
        )
        held = [point.get("non_kv_gib")] if point.get("non_kv_gib") else [point[name] for name in VLLM_PARTS]
        budget = (sum(held) + point["kv_gib"]) * GIB
        inside = need.total_bytes - need.cuda_context_bytes
        name = f"vllm, {gpu}"
        yield Point((f"{name}, budget", point["method"]), point["name"], budget, inside - need.graph_bytes)
        yield Point((f"{name}, cache", point["method"]), point["name"], point["kv_gib"] * GIB, need.kv_cache_bytes)
        graphs = point["graphs_gib"] * GIB
        yield Point((f"{name}, with CUDA graphs", point["method"]), point["name"], budget + graphs, inside)


def gguf_quant(file_type: str) -> QuantSpec:
    """What a name like ``Q4_K_M`` says."""
    bits = nominal_bits(file_type)
    return QuantSpec("gguf", bits, bpw=nominal_bpw(file_type), embedding_bits=embedding_bits(file_type))


def gguf_shape(model: dict[str, Any], layers: int | None = None, slots: int = 1) -> ModelShape:
    """The shape in a header's keys; windows and states for several slots that share one cache."""
    keys = {key: tuple(value) if isinstance(value, list) else value for key, value in model.items()}
    keys |= {"block_count": layers} if layers else {}
    values = {"general.architecture": model["arch"], **{f"{model['arch']}.{key}": value for key, value in keys.items()}}
    shape = read_shape(GgufHeader(values=values, lengths={"tokenizer.ggml.tokens": model["vocab"]}))
    assert isinstance(shape, ModelShape), shape
    window = shape.sliding_window * slots if shape.sliding_window else None
    return replace(
        shape,
        tie_word_embeddings=model["tied"],
        sliding_window=window,
        state_elements=shape.state_elements * slots,
    )


_SGLANG_NCCL: Final = 70 * MIB
_LLAMA_CPP: Final = json.loads((HERE / "vram" / "llamacpp_h100.json").read_text())
_KV_BYTES: Final = {"f16": 2.0, "q8_0": 1.0625, "q4_0": 0.5625, "q5_1": 0.75}


def llama_cpp_points() -> Iterator[Point]:
    """Runs of llama.cpp's server; not those of which quantpick reckons otherwise, with options or a part in RAM."""
    for point in _LLAMA_CPP["runs"]:
        if {"layers", "ngl", "ncmoe", "slots"} & point.keys() or point["ub"] != 512 or not point["fa"]:
            continue
        need = estimate(
            gguf_quant(point["type"]),
            gguf_shape(_LLAMA_CPP["models"][point["model"]], slots=4),
            engine="llama.cpp",
            context_tokens=point["ctx"],
            kv_bytes_per_element=_KV_BYTES[point["kv"]],
            weights_file_bytes=point["file_bytes"],
        )
        label = f"{point['model']} {point['type']} {point['ctx']} {point['kv']}"
        yield Point(("llama.cpp, server", "gguf"), label, point["run_bytes"], need.total_bytes)


def llama_cpp_buffers() -> Iterator[Point]:
    """The buffers that llama.cpp's log names, with the weights as they are estimated, of settings that did not run."""
    files = {point["model"]: point for point in _LLAMA_CPP["runs"] if "layers" not in point}
    for row in _LLAMA_CPP["logs"]:
        point = dict(zip(_LLAMA_CPP["log_columns"], row, strict=True))
        slots = point["slots"]
        if point["ngl"] or point["ncmoe"] or not point["fa"] or point["ub"] != 512 or (slots > 1 and point["unified"]):
            continue
        job = {
            "quant": gguf_quant(files[point["model"]]["type"]),
            "shape": gguf_shape(_LLAMA_CPP["models"][point["model"]]),
            "context_tokens": point["ctx"] // slots,
            "prompt_tokens": 1,
            "kv_bytes_per_element": _KV_BYTES[point["kv"]],
            "batch": slots,
        }
        engine = "llama.cpp" if point["outputs"] == "slots" else "llama.cpp-library"
        need = estimate(engine=engine, weights_file_bytes=files[point["model"]]["file_bytes"], **job)
        measured = (point["cache_mib"] + point["state_mib"] + point["compute_mib"]) * MIB + need.weights_bytes
        named = need.total_bytes - need.cuda_context_bytes - beside_the_buffers(Load(**job))
        label = f"{point['model']} {point['ctx']} {point['kv']} x {slots}"
        yield Point((f"llama.cpp, logits of {point['outputs']}", "gguf"), label, measured, named)


def sglang_points() -> Iterator[Point]:
    """What the process held at the end, and what of it counts into its fraction; measured without FlashInfer."""
    configs = {point["name"]: point for point in json.loads((HERE / "vram" / "vllm_h100.json").read_text())["points"]}
    for point in json.loads((HERE / "vram" / "sglang_h100.json").read_text())["points"]:
        of = configs[point["config"]]
        shape = ModelShape.from_config(of["config"])
        quant = QuantSpec(of["method"], of["bits"], of["group_size"], of["desc_act"])
        eager = point["settings"].get("disable_cuda_graph", False)
        need = estimate_vram(
            QuantSpec("none", 16) if point.get("method") == "none" else quant,
            shape,
            loader="sglang",
            version="0.5.17",
            context_tokens=point["context"],
            batch=point["tokens"] // point["context"],
            settings=ServerSettings(
                max_num_batched_tokens=point["chunk"], max_num_seqs=point["max_bs"], enforce_eager=eager
            ),
        )
        workspace = flashinfer_workspace(shape)
        held = point["steps"]["decode"][3]
        inside = point["steps"]["pool"][0] + _SGLANG_NCCL
        kind = point.get("method", of["method"])
        estimated = need.total_bytes - need.cuda_context_bytes - need.graph_bytes
        yield Point(("sglang, weights and cache", kind), point["name"], inside, estimated)
        yield Point(("sglang, all of it", kind), point["name"], held, need.total_bytes - workspace)


def own_points() -> list[Point]:
    """What was measured for quantpick."""
    exllama = (*exllama_points("exllamav2"), *exllama_points("exllamav3"))
    vllm = (*vllm_points("h100"), *vllm_points("h200"))
    transformers = (*transformers_points(), *transformers_families())
    return [*exllama, *vllm, *transformers, *llama_cpp_points(), *sglang_points()]


def public_points(*, plenty: bool) -> Iterator[Point]:
    """What others published; `plenty` gives what torch only kept because there was room."""
    document = json.loads((HERE / "vram" / "public.json").read_text())
    for point in document["points"]:
        if point.get("reserved_in_plenty", False) is not plenty:
            continue
        loader = next(known for word, known in LOADERS if point["loader"].startswith(word))
        need = estimate_vram(
            QuantSpec(point["method"], point["bits"], point.get("group_size")),
            ModelShape.from_config(document["shapes"][point["shape"]]),
            loader=loader,
            context_tokens=point["context_tokens"],
            prompt_tokens=point.get("prompt_tokens"),
            kv_dtype=point.get("kv_dtype", "fp16"),
            batch=point.get("batch", 1),
            weights_file_bytes=point.get("weights_file_bytes"),
            version=version_of(loader, point.get("loader_version", "")),
            gpus=point.get("gpus", 1),
        )
        estimated = {
            "device": need.total_bytes,
            "reserved": need.total_bytes - need.cuda_context_bytes,
            "allocated": allocated(need),
            "kept": need.weights_bytes + need.kv_cache_bytes,
        }[point["measures"]]
        label = f"{point['model'][-32:]} {point['bits']:g} bits, {point.get('prompt_tokens')} of "
        label += f"{point['context_tokens']} x {point.get('batch', 1)}, {point['measures']}"
        gpus = ", 2 GPUs" if "gpus" in point else ""
        yield Point((point["loader"] + gpus, point["method"]), label, point["vram_mib"] * MIB, estimated)


GROUPS = (
    ("ExLlama v1, V2, V3", ("ExLlama",)),
    ("Transformers with GPTQ and AWQ, AutoGPTQ", ("Transformers", "AutoGPTQ")),
    ("AutoAWQ", ("AutoAWQ",)),
    ("GPTQ-for-LLaMa", ("GPTQ-for-LLaMa",)),
    ("LMDeploy", ("LMDeploy",)),
)
"""The published points as the documentation groups them, by how the loader's name begins."""


def grouped(points: list[Point]) -> list[Point]:
    """The points, each in the row of its group."""
    names = [next(name for name, words in GROUPS if one.row[0].startswith(words)) for one in points]
    return [replace(one, row=(name, "published")) for one, name in zip(points, names, strict=True)]


def version_of(loader: str, written: str) -> str | None:
    """The loader's version in what a table says of its versions; None where it says nothing."""
    transformers = re.search(r"(?:transformers |^)(\d+(?:\.\d+)+)", written)
    if loader == "transformers":
        return transformers[1] if transformers else None
    if loader == "autogptq":
        own = re.search(r"auto-gptq (\d+(?:\.\d+)+)", written)
        if own or not transformers:
            return own[1] if own else None
        return "0.5.0" if tuple(map(int, transformers[1].split(".")[:2])) < (4, 36) else None
    return None


def show(title: str, points: list[Point], *, each: bool) -> None:
    rows: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for point in points:
        rows[point.row].append(point)
    print(f"{title:52} {'points':>6} {'median |error|':>15} {'worst under/over':>18} {'under 3 %':>10} {'over 8 %':>9}")
    for (loader, method), found in sorted(rows.items()):
        errors = [point.error for point in found]
        middle = median(abs(error) for error in errors)
        low, high = sum(error < -0.03 for error in errors), sum(error > 0.08 for error in errors)
        print(
            f"{f'{loader}, {method}':52} {len(found):6} {middle:15.1%} {min(errors):+9.1%} {max(errors):+8.1%} "
            f"{low:10} {high:9}"
        )
        for point in found if each else ():
            below = "  BELOW WHAT FAILED" if point.estimated <= point.failed else ""
            print(f"    {point.error:+7.1%}  {point.measured / 1e9:7.2f} GB  {point.label}{below}")
    errors = [point.error for point in points]
    low, high = (sum(errors) / len(errors) for errors in ([e < -0.03 for e in errors], [e > 0.08 for e in errors]))
    middle = median(abs(error) for error in errors)
    print(f"{'all':52} {len(errors):6} {middle:15.1%} {'':18} {low:10.1%} {high:9.1%}")


def unmeasured() -> str:
    """The engines that nobody measured here, and what is allowed for that."""
    wide = ", ".join(sorted(name for name, engine in ENGINES.items() if engine.band >= UNMEASURED_BAND))
    return f"Not measured here, so that a fit within {UNMEASURED_BAND:.0%} of the need is called tight: {wide}"


def main() -> None:
    each = "--points" in sys.argv
    show("VRAM estimate against own measurements", own_points(), each=each)
    print()
    show("VRAM estimate against the buffers of llama.cpp's log", list(llama_cpp_buffers()), each=each)
    print()
    published = list(public_points(plenty=False))
    show("VRAM estimate against public measurements", published, each=each)
    print()
    show("the same by loader", grouped(published), each=False)
    print()
    show("not counted: what torch kept in plenty", list(public_points(plenty=True)), each=each)
    print(f"\n{unmeasured()}")


if __name__ == "__main__":
    main()
