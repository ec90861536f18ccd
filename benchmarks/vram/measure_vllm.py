"""What vLLM says it takes: its profile run, its CUDA graphs and its cache, for random weights of real shapes.

    python measure_vllm.py NAME...     one JSON line per point; NAME is one of vllm_h100.json, whose settings are used

Each point is a process of its own. vLLM's figures are read from its log, as `vllm_h100.json` has them.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

POINTS = {
    point["name"]: point
    for point in json.loads(Path(__file__).with_name("vllm_h100.json").read_text(encoding="utf-8"))["points"]
}
ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
}
FIGURES = {
    "weights_gib": r"weights memory: ([\d.]+)",
    "peak_gib": r"torch peak memory increase: ([\d.]+)",
    "non_torch_gib": r"non-torch forward increase memory: ([\d.]+)",
    "graphs_gib": r"Graph capturing finished in \d+ secs, took ([\d.]+)",
    "available_gib": r"Available KV cache memory: ([\d.]+)",
    "cache_tokens": r"GPU KV cache size: ([\d,]+)",
}
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "DEBUG",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "HF_HUB_OFFLINE": "1",
}


def config_of(point: dict[str, Any]) -> dict[str, Any]:
    quantization: dict[str, Any] = {"quant_method": point["method"], "bits": point["bits"]}
    if point["method"] == "gptq":
        quantization |= {"group_size": point["group_size"] or -1, "desc_act": point["desc_act"], "sym": True}
    else:
        quantization |= {"group_size": point["group_size"], "zero_point": True, "version": "gemm"}
    shape = point["config"]
    return {
        "architectures": [ARCHITECTURES[shape["model_type"]]],
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "bos_token_id": 1,
        "eos_token_id": 2,
        **shape,
        "quantization_config": quantization,
    }


def run(name: str) -> None:
    point = POINTS[name]
    folder = Path(tempfile.mkdtemp())
    (folder / "config.json").write_text(json.dumps(config_of(point)), encoding="utf-8")
    from vllm import LLM

    LLM(
        model=str(folder),
        load_format="dummy",
        skip_tokenizer_init=True,
        max_model_len=point["max_model_len"],
        max_num_batched_tokens=point["max_num_batched_tokens"],
        max_num_seqs=point["max_num_seqs"],
        enforce_eager=point["enforce_eager"],
        kv_cache_dtype=point["kv_cache_dtype"],
        gpu_memory_utilization=0.9,
        dtype="bfloat16" if point["config"]["model_type"] in ("gemma3_text", "qwen3_moe") else "float16",
    )


def main() -> None:
    if sys.argv[1] == "--one":
        run(sys.argv[2])
        return
    for name in sys.argv[1:]:
        command = [sys.executable, __file__, "--one", name]
        ran = subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False)
        log = ran.stdout + ran.stderr
        found = {key: re.search(pattern, log) for key, pattern in FIGURES.items()}
        row = {key: float(match[1].replace(",", "")) if match else 0.0 for key, match in found.items()}
        if row["cache_tokens"]:
            row["kv_gib"] = row["available_gib"] * POINTS[name]["max_model_len"] / row["cache_tokens"]
        print(json.dumps({"name": name, "exit_code": ran.returncode, **row}), flush=True)


if __name__ == "__main__":
    main()
