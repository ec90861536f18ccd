"""The VRAM estimate beside published and own measurements: per loader and method the errors.

    python benchmarks/vram_accuracy.py [DIRECTORY]

The directory holds `exllamav2_gptq_h100.json`, `exllamav3_exl3_h100.json` (the smallest memory in which the loader ran)
and `points.json` (public measurements; only those of tier A count). Without it there is nothing to compare with.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from quantpick.core.branch import QuantSpec
from quantpick.core.memory import ALLOCATOR_SLACK, VramEstimate, estimate
from quantpick.core.shape import ModelShape

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "vram"
KV_BYTES = {"fp16": 2.0, "bf16": 2.0, "fp8": 1.0, "q8": 1.0625, "q6": 0.8125, "q4": 0.5625}
METHODS = {"GPTQ": "gptq", "AWQ": "awq", "EXL2": "exl2", "EXL3": "exl3", "FP16": "none", "BF16": "none"}


def engine_of(loader: str) -> str | None:
    for word, engine in (
        ("ExLlama v1", "exllama"),
        ("ExLlamaV2", "exllamav2"),
        ("ExLlamaV3", "exllamav3"),
        ("Transformers", "transformers"),
        ("transformers", "transformers"),
        ("AutoGPTQ", "transformers"),
        ("AutoAWQ", "transformers"),
        ("GPTQ-for-LLaMa", "transformers"),
        ("LMDeploy", "lmdeploy"),
    ):
        if loader.startswith(word):
            return engine
    return None


def own_points(folder: Path, name: str, engine: str, method: str) -> Iterator[tuple[tuple[str, str], float]]:
    path = folder / name
    document = json.loads(path.read_text()) if path.exists() else {"smallest_that_runs": [], "shapes": {}}
    for point in document["smallest_that_runs"]:
        shape = ModelShape.from_config(document["shapes"][point["model"]])
        group = point.get("group", -1)
        total = estimate(
            QuantSpec(method, point["bits"], None if group == -1 else group),  # type: ignore[arg-type]
            shape,
            engine=engine,
            context_tokens=point["ctx"],
            kv_bytes_per_element=KV_BYTES[point["cache"]],
            weights_file_bytes=point["file_bytes"],
        ).total_bytes
        yield (f"{engine} (smallest that runs)", method), total / (point["min_gib"] * 2**30) - 1


def without_context(need: VramEstimate) -> float:
    """What `max_memory_allocated` would say: neither the CUDA context nor what the allocator cannot use."""
    return (need.total_bytes - need.context_bytes) / (1 + ALLOCATOR_SLACK)


def public_points(folder: Path) -> Iterator[tuple[tuple[str, str], float]]:
    path = folder / "points.json"
    points: list[dict[str, Any]] = json.loads(path.read_text())["points"] if path.exists() else []
    for point in points:
        engine, method = engine_of(point["loader"]), METHODS.get(str(point["quant_format"]).upper())
        usable = point["check_tier"] == "A" and point["arch"] and point["vram_mib"] and point["kind"] == "measured"
        if not usable or engine is None or method is None or KV_BYTES.get(point["kv_dtype"] or "fp16") is None:
            continue
        arch = {key: value for key, value in point["arch"].items() if value is not None}
        try:
            shape = ModelShape.from_config(arch)
        except ValueError:
            continue
        group = point["group_size"]
        need = estimate(
            QuantSpec(
                method,  # type: ignore[arg-type]
                point["bpw"] or point["bits"] or 16,
                None if group in (None, -1) else group,
                point["desc_act"],
            ),
            shape,
            engine=engine,
            context_tokens=point["context_tokens"],
            prompt_tokens=point["prompt_tokens"],
            kv_bytes_per_element=KV_BYTES[point["kv_dtype"] or "fp16"],
            batch=point["batch"] or 1,
            weights_file_bytes=size if isinstance(size := point["weights_file_size"], int) else None,
        )
        allocated = "max_memory_allocated" in str(point["measure"]) or "max_allocated" in str(point["measure"])
        total = without_context(need) if allocated else need.total_bytes
        yield (point["loader"], method), total / (point["vram_mib"] * 2**20) - 1


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    for key, error in own_points(folder, "exllamav2_gptq_h100.json", "exllamav2", "gptq"):
        errors[key].append(error)
    for key, error in own_points(folder, "exllamav3_exl3_h100.json", "exllamav3", "exl3"):
        errors[key].append(error)
    for key, error in public_points(folder):
        errors[key].append(error)
    if not errors:
        print("VRAM estimate: no measurements found to compare with")
        return
    print(f"{'VRAM estimate against measurements':52} {'points':>6} {'median |error|':>15} {'worst under/over':>18}")
    for (loader, method), found in sorted(errors.items()):
        middle = median(abs(error) for error in found)
        print(f"{loader + ', ' + method:52} {len(found):6} {middle:15.1%} {min(found):+9.1%} {max(found):+8.1%}")


if __name__ == "__main__":
    main()
