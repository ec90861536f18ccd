"""The VRAM estimate beside measurements: per loader and method the errors.

    python benchmarks/vram_accuracy.py [--points] [FILE]

`benchmarks/vram/` holds what was measured for quantpick. FILE is a `points.json` of public measurements, of which those
of tier A count; without it only the first table is printed. `--points` lists every point.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from quantpick import ModelShape, QuantSpec, VramEstimate, estimate_vram
from quantpick.core.memory.engine import ALLOCATOR_SLACK
from quantpick.core.units import GIB, MIB

HERE = Path(__file__).resolve().parent
PUBLIC = HERE.parents[1] / "shared" / "data" / "vram" / "points.json"
METHODS = {"GPTQ": "gptq", "AWQ": "awq", "EXL2": "exl2", "EXL3": "exl3", "FP16": "none", "BF16": "none"}
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


def public_points(path: Path) -> Iterator[Point]:
    for point in json.loads(path.read_text())["points"]:
        loader = next((known for word, known in LOADERS if point["loader"].startswith(word)), None)
        method = METHODS.get(str(point["quant_format"]).upper())
        usable = point["check_tier"] == "A" and point["arch"] and point["vram_mib"] and point["kind"] == "measured"
        if not usable or loader is None or method is None or point["kv_dtype"] == "int8":
            continue
        try:
            shape = ModelShape.from_config({key: value for key, value in point["arch"].items() if value is not None})
        except ValueError:
            continue
        group = point["group_size"]
        written = re.search(r"(?:transformers |^)(\d+(?:\.\d+)+)", point["loader_version"] or "")
        need = estimate_vram(
            QuantSpec(method, point["bpw"] or point["bits"] or 16, None if group in (None, -1) else group),
            shape,
            loader=loader,
            context_tokens=point["context_tokens"],
            prompt_tokens=point["prompt_tokens"],
            kv_dtype=point["kv_dtype"] or "fp16",
            batch=point["batch"] or 1,
            weights_file_bytes=size if isinstance(size := point["weights_file_size"], int) else None,
            version=written[1] if written and loader == "transformers" else None,
        )
        whole = re.search(r"nvml|nvidia-smi|nvtop|VRAM after load|memory comparison table", point["measure"])
        estimated = need.total_bytes if whole and "torch max_memory" not in point["measure"] else allocated(need)
        label = f"{point['id']} {point['model'][-30:]} {point['bits'] or point['bpw']} bits, {point['prompt_tokens']}"
        label += f" of {point['context_tokens']} x {point['batch']}, {point['measure'][:24]}"
        yield Point((point["loader"], method), label, point["vram_mib"] * MIB, estimated)


def show(title: str, points: list[Point], *, each: bool) -> None:
    rows: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for point in points:
        rows[point.row].append(point)
    print(f"{title:52} {'points':>6} {'median |error|':>15} {'worst under/over':>18} {'under 3 %':>10}")
    for (loader, method), found in sorted(rows.items()):
        errors = [point.error for point in found]
        middle = median(abs(error) for error in errors)
        low = sum(error < -0.03 for error in errors)
        print(
            f"{f'{loader}, {method}':52} {len(found):6} {middle:15.1%} {min(errors):+9.1%} {max(errors):+8.1%} {low:10}"
        )
        for point in found if each else ():
            below = "  BELOW WHAT FAILED" if point.estimated <= point.failed else ""
            print(f"    {point.error:+7.1%}  {point.measured / 1e9:7.2f} GB  {point.label}{below}")
    errors = [point.error for point in points]
    low = sum(error < -0.03 for error in errors) / len(errors)
    print(f"{'all':52} {len(errors):6} {median(abs(error) for error in errors):15.1%} {'':18} {low:10.1%}")


def main() -> None:
    arguments = [one for one in sys.argv[1:] if one != "--points"]
    each = "--points" in sys.argv
    own = [*exllama_points("exllamav2"), *exllama_points("exllamav3"), *transformers_points()]
    show("VRAM estimate against own measurements", own, each=each)
    path = Path(arguments[0]) if arguments else PUBLIC
    if path.exists():
        print()
        show("VRAM estimate against public measurements", list(public_points(path)), each=each)


if __name__ == "__main__":
    main()
