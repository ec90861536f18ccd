"""What SGLang takes, step by step, for random weights of real shapes: weights, pools, CUDA graphs, a prompt's peak.

    python measure_sglang.py OUT.jsonl [NAME...]     one JSON line per point of POINTS

Each point is a process of its own, which does what `sglang.benchmark.one_batch` does: the server's own model runner.
Sizes in bytes: what torch has allocated and reserved, and what NVML counts for the process.
"""

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
HERE = Path(__file__).parent
CONFIGS = {
    point["name"]: point for point in json.loads((HERE / "vllm_h100.json").read_text(encoding="utf-8"))["points"]
}
SMALL = {"chunked_prefill_size": 2048, "cuda_graph_max_bs_decode": 24}
"""What SGLang chooses by itself for a GPU of 20 to 35 GiB."""
SMALLEST = {"chunked_prefill_size": 2048, "cuda_graph_max_bs_decode": 8}
"""The same below 20 GiB."""
LOG = {
    "load": r"Load weight end.*?avail mem=([\d.]+) GB, mem usage=([\d.]+) GB",
    "pool": r"KV Cache is allocated.*",
    "prefill_graphs": r"Capture target prefill CUDA graph end.*?mem usage=([\d.]+) GB",
    "decode_graphs": r"Capture target decode CUDA graph end.*?mem usage=([\d.]+) GB",
}


def point(name: str, config: str, settings: dict[str, Any] | None = None, **more: Any) -> tuple[str, dict[str, Any]]:
    return name, {"config": config, "settings": settings or {}} | more


POINTS: dict[str, dict[str, Any]] = dict(
    (
        point("8b-awq-small", "8b-batched8192", SMALL),
        point("8b-awq-large", "8b-batched8192"),
        point("7b-small", "7b-g128", SMALL),
        point("14b-awq-small", "14b-awq", SMALL),
        point("8b-awq-smallest", "8b-batched8192", SMALLEST),
        point("8b-awq-eager", "8b-batched8192", SMALL | {"disable_cuda_graph": True}),
        point("8b-fp16-small", "8b-batched8192", SMALL, method="none"),
        point("8b-awq-fp8-cache", "8b-batched8192", SMALL | {"kv_cache_dtype": "fp8_e4m3"}),
        point("8b-awq-triton", "8b-batched8192", SMALL | {"attention_backend": "triton"}),
        point("8b-gptq-small", "8b-g128", SMALL),
        point("70b-large", "70b-g128"),
        point("7b-large", "7b-g128"),
        point("14b-awq-large", "14b-awq"),
        point("qwen3-moe-small", "qwen3-30b-a3b-g128", SMALL),
        point("8b-awq-4k", "8b-batched8192", {"chunked_prefill_size": 4096, "cuda_graph_max_bs_decode": 32}),
        point("70b-small", "70b-g128", SMALL),
        point("34b-act-small", "34b-none", SMALL),
        point("13b-small", "13b-g128", SMALL),
        point("8b-fp16-large", "8b-batched8192", method="none"),
        point("mistral-small", "mistral-7b-32k", SMALL),
    )
)


def config_of(asked: dict[str, Any]) -> dict[str, Any]:
    from measure_vllm import config_of as vllm_config_of

    config = vllm_config_of(CONFIGS[asked["config"]])
    if asked.get("method") == "none":
        del config["quantization_config"]
    return {"torch_dtype": "float16", **config}


def one(name: str) -> None:
    asked = POINTS[name]
    folder = Path(tempfile.mkdtemp())
    (folder / "config.json").write_text(json.dumps(config_of(asked)), encoding="utf-8")

    import pynvml
    import torch

    pynvml.nvmlInit()
    device = pynvml.nvmlDeviceGetHandleByIndex(0)
    steps: dict[str, dict[str, int]] = {}

    def held() -> int:
        mine = [one for one in pynvml.nvmlDeviceGetComputeRunningProcesses(device) if one.pid == os.getpid()]
        return int(mine[0].usedGpuMemory or 0) if mine else 0

    def mark(step: str) -> None:
        torch.cuda.synchronize()
        steps[step] = {
            "allocated": torch.cuda.memory_allocated(),
            "reserved": torch.cuda.memory_reserved(),
            "peak": torch.cuda.max_memory_allocated(),
            "peak_reserved": torch.cuda.max_memory_reserved(),
            "process": held(),
            "device": int(pynvml.nvmlDeviceGetMemoryInfo(device).used),
        }
        torch.cuda.reset_peak_memory_stats()

    torch.zeros(1, device="cuda")
    mark("context")

    from sglang.benchmark import one_batch
    from sglang.srt.entrypoints.engine import _set_envs_and_config
    from sglang.srt.model_executor.model_runner import ModelRunner
    from sglang.srt.server_args import PortArgs, ServerArgs

    def marked(holder: Any, method: str, step: str, before: str | None = None) -> None:
        """Have a step of the server marked when it is done, and what came before it."""
        old = getattr(holder, method)

        def run(*words: Any, **more: Any) -> Any:
            if before:
                mark(before)
            result = old(*words, **more)
            mark(step)
            return result

        setattr(holder, method, run)

    from sglang.srt.model_executor.model_runner_components import cuda_graph_setup

    marked(ModelRunner, "alloc_memory_pool", "pool", before="weights")
    marked(ModelRunner, "init_attention_backends", "attention")
    marked(cuda_graph_setup, "capture_prefill_graph", "prefill_graphs")
    marked(cuda_graph_setup, "capture_decode_graph", "decode_graphs")
    logging.basicConfig(level=logging.INFO)
    one_batch.get_tokenizer = lambda *_, **__: None
    settings = {"attention_backend": "fa3", **asked["settings"]}
    args = ServerArgs(
        model_path=str(folder),
        load_format="dummy",
        skip_tokenizer_init=True,
        sampling_backend="pytorch",
        context_length=8192 if CONFIGS[asked["config"]]["config"]["max_position_embeddings"] >= 8192 else 4096,
        max_total_tokens=24576,
        log_level="info",
        **settings,
    )
    _set_envs_and_config(args)
    runner, _ = one_batch.load_model(args, PortArgs.init_new(args), 0, 0)
    torch_runner = getattr(runner, "torch_runner", runner)
    chunk = args.chunked_prefill_size
    length = min(chunk, args.context_length - 8)
    requests = one_batch.prepare_synthetic_inputs_for_latency_test(max(1, chunk // length), length)
    with torch.no_grad():
        tokens, _, batch = runner.extend(requests)
        mark("prompt")
        runner.decode(tokens, batch)
        mark("decode")
    found = {
        "chunked_prefill_size": chunk,
        "max_bs": args.cuda_graph_config.decode.max_bs,
        "mem_fraction_static": args.mem_fraction_static,
        "tokens": torch_runner.max_total_num_tokens,
        "graph_memory": str(getattr(torch_runner, "graph_memory_usage", None)),
        "length": length * len(requests),
    }
    print("RESULT " + json.dumps({"name": name, **found, "steps": steps}), flush=True)
    os._exit(0)


def main() -> None:
    if sys.argv[1] == "--one":
        one(sys.argv[2])
        return
    out, *names = sys.argv[1:]
    at_once = int(os.environ.get("JOBS", "1"))
    with open(out, "a", encoding="utf-8") as file, ThreadPoolExecutor(at_once) as pool:
        for row in pool.map(measured, names or POINTS):
            file.write(json.dumps(row) + "\n")
            file.flush()
            print(row["name"], row["seconds"], "ok" if "steps" in row else "FAILED", flush=True)


def measured(name: str) -> dict[str, Any]:
    """The point, by a process of its own."""
    started = time.monotonic()
    command = [sys.executable, __file__, "--one", name]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
        log, code = ran.stdout + ran.stderr, ran.returncode
    except subprocess.TimeoutExpired as error:
        log, code = f"{error.stdout!r} {error.stderr!r}", -1
    result = re.search(r"^RESULT (.*)$", log, re.MULTILINE)
    row: dict[str, Any] = json.loads(result[1]) if result else {"name": name, "exit_code": code, "log": log[-2500:]}
    row["said"] = {key: match[0] for key, pattern in LOG.items() if (match := re.search(pattern, log))}
    return row | {"seconds": round(time.monotonic() - started, 1)}


if __name__ == "__main__":
    main()
