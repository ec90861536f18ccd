"""What llama.cpp takes: the buffers that its log names, and what its server holds, for files without weights.

    python measure_llamacpp.py log OUT.jsonl [MODEL...]   buffers of many settings; nothing is allocated
    python measure_llamacpp.py run OUT.jsonl [MODEL...]   llama-server, a prompt as long as the context, and NVML

`log` asks llama-cpp-python (its libraries may stand in $LLAMA_CPP_LIB_PATH); `run` starts $LLAMA_SERVER. The files are
written to $GGUF_DIR. Nothing else may run on the GPU meanwhile. Each line of OUT is one point.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from gguf_models import MODELS, write

FOLDER = Path(os.environ.get("GGUF_DIR", "."))
KV = {"f16": 1, "q8_0": 8, "q4_0": 2, "q5_1": 7}
Point = dict[str, Any]

FIGURES = {
    "model": r"(\S+) model buffer size = +([\d.]+) MiB",
    "compute": r"(\S+) compute buffer size = +([\d.]+) MiB",
    "output": r"(\S+) +output buffer size = +([\d.]+) MiB",
    "state": r"(\S+) RS buffer size = +([\d.]+) MiB",
    "kv": r"(\S+) KV buffer size = +([\d.]+) MiB",
    "cache": r"(llama_kv_cache\S*): size = +([\d.]+) MiB",
}


def figures(log: str) -> dict[str, float]:
    """The buffers in MiB, as `name.where`."""
    found: dict[str, float] = {}
    for name, pattern in FIGURES.items():
        here: dict[str, float] = {}
        for where, size in re.findall(pattern, log):
            key = "all" if name == "cache" else where.lower()
            # the last word on a buffer counts, except that caches and states of one context add up
            here[key] = here.get(key, 0) * (name in ("cache", "state", "kv")) + float(size)
        found |= {f"{name}.{where}": round(size, 2) for where, size in here.items() if size}
    return found


def file_of(point: Point) -> tuple[Path, int]:
    layers = point.get("layers")
    path = FOLDER / f"{point['model']}-{point['type']}-{layers or 'all'}.gguf"
    if not path.exists():
        write(path, point["model"], point["type"], layers)
    return path, path.stat().st_size


def default_type(model: str) -> str:
    return "MXFP4" if model.startswith("gpt-oss") else "Q4_K_M"


def grid(model: str) -> Iterator[Point]:
    """The settings whose buffers are asked for, most with the server's four slots in one cache."""
    contexts = [4096, 8192, 32768, 131072]
    for context, ubatch, kv, (slots, unified), outputs in product(
        contexts, (512, 2048), ("f16", "q8_0"), ((4, True), (1, True), (4, False)), ("slots", "all")
    ):
        if (slots, outputs) != (4, "slots") and (kv != "f16" or context not in (4096, 32768)):
            continue
        yield {
            "model": model,
            "type": default_type(model),
            "ctx": context,
            "ub": ubatch,
            "kv": kv,
            "slots": slots,
            "unified": unified,
            "outputs": outputs,
            "fa": True,
        }
    base = {"model": model, "type": default_type(model), "kv": "f16", "slots": 4, "unified": True, "outputs": "slots"}
    for context, ubatch in product((4096, 32768), (512, 2048)):
        yield base | {"ctx": context, "ub": ubatch, "fa": False}
    layers = MODELS[model][2]["block_count"]
    for part in (layers // 2, layers * 3 // 4, layers):
        yield base | {"ctx": 8192, "ub": 512, "fa": True, "ngl": part}
    if "expert_count" in MODELS[model][2]:
        for part in (layers // 2, layers):
            yield base | {"ctx": 8192, "ub": 512, "fa": True, "ncmoe": part}
            yield base | {"ctx": 8192, "ub": 2048, "fa": True, "ncmoe": part}


def log_model(model: str, first: int) -> None:
    """Every setting of a model's grid from one on; prints the lines."""
    import ctypes

    import llama_cpp.llama_cpp as llama

    said: list[str] = []

    @llama.llama_log_callback
    def hear(level: int, text: bytes, _: Any) -> None:
        said.append(text.decode(errors="replace"))

    llama.llama_log_set(hear, ctypes.c_void_p(0))
    llama.llama_backend_init()
    loaded: dict[tuple[int, int], tuple[Any, str]] = {}
    for point in islice(grid(model), first, None):
        path, file_bytes = file_of(point)
        key = (point.get("ngl", 999), point.get("ncmoe", 0))
        if key not in loaded:
            said.clear()
            settings = llama.llama_model_default_params()
            settings.no_alloc, settings.load_mode = True, llama.LLAMA_LOAD_MODE_NONE
            settings.n_gpu_layers = key[0]
            if key[1]:
                settings.tensor_buft_overrides = ctypes.cast(_overrides(key[1]), ctypes.c_void_p)
            loaded[key] = llama.llama_model_load_from_file(str(path).encode(), settings), "".join(said)
        held, before = loaded[key]
        if not held:
            print(json.dumps(point | {"error": before[-300:]}), flush=True)
            continue
        said.clear()
        asked = llama.llama_context_default_params()
        asked.n_ctx, asked.n_batch, asked.n_ubatch = point["ctx"], max(2048, point["ub"]), point["ub"]
        asked.n_seq_max, asked.kv_unified = point["slots"], point["unified"]
        asked.n_outputs_max = point["slots"] if point["outputs"] == "slots" else 0
        asked.n_outputs_max_per_seq = 1
        asked.type_k = asked.type_v = KV[point["kv"]]
        asked.flash_attn_type = int(point["fa"])
        asked.offload_kqv = asked.op_offload = asked.no_perf = True
        asked.swa_full = False
        context = llama.llama_init_from_model(held, asked)
        log = "".join(said)
        if context:
            llama.llama_free(context)
        row = point | {"file_bytes": file_bytes} | figures(before + log)
        print(json.dumps(row if context else row | {"error": log[-300:]}), flush=True)


_KEPT: list[Any] = []


def _overrides(layers: int) -> Any:
    """``--n-cpu-moe``: the experts of the first layers stay in RAM."""
    import ctypes

    import llama_cpp.llama_cpp as llama

    class Override(ctypes.Structure):
        _fields_ = (("pattern", ctypes.c_char_p), ("buft", ctypes.c_void_p))

    base = ctypes.CDLL(str(Path(llama._lib._name).parent / "libggml-cpu.so"))
    base.ggml_backend_cpu_buffer_type.restype = ctypes.c_void_p
    where = base.ggml_backend_cpu_buffer_type()
    rows = [Override(rf"blk\.{n}\.ffn_(up|down|gate|gate_up)_(ch|)exps".encode(), where) for n in range(layers)]
    array = (Override * (layers + 1))(*rows, Override(None, None))
    _KEPT.append(array)
    return array


def _run(model: str, context: int, kind: str = "Q4_K_M", **more: Any) -> Point:
    return {"model": model, "type": kind, "ctx": context, "ub": 512, "kv": "f16", "fa": True} | more


RUNS = (
    _run("llama32-1b", 4096),
    _run("llama32-1b", 4096, layers=1),
    _run("llama31-8b", 8192),
    _run("llama31-8b", 32768),
    _run("llama31-8b", 32768, kv="q8_0"),
    _run("llama31-8b", 32768, kv="q4_0"),
    _run("llama31-8b", 32768, kv="q5_1"),
    _run("llama31-8b", 131072),
    _run("llama31-8b", 131072, kv="q8_0"),
    _run("llama31-8b", 8192, "Q8_0"),
    _run("llama31-8b", 8192, "F16"),
    _run("llama31-8b", 8192, "Q2_K"),
    _run("llama31-8b", 8192, "IQ3_XXS"),
    _run("llama31-8b", 8192, "Q6_K"),
    _run("llama31-8b", 8192, fa=False),
    _run("llama31-8b", 32768, fa=False),
    _run("llama31-8b", 8192, ub=2048),
    _run("llama31-8b", 32768, ub=2048, kv="q8_0"),
    _run("llama31-8b", 8192, slots=1),
    _run("llama31-8b", 32768, slots=4),
    _run("llama31-8b", 8192, slots=16),
    _run("llama31-8b", 8192, ngl=20),
    _run("llama2-7b", 4096),
    _run("llama2-7b", 4096, "Q8_0", kv="q8_0"),
    _run("mistral-7b", 32768, "Q5_K_M"),
    _run("mixtral-8x7b", 8192),
    _run("mixtral-8x7b", 8192, ncmoe=16),
    _run("qwen25-7b", 32768),
    _run("qwen25-32b", 16384),
    _run("qwen3-8b", 16384, "Q6_K"),
    _run("qwen3-30b-a3b", 32768),
    _run("qwen3-30b-a3b", 32768, kv="q8_0"),
    _run("qwen3-30b-a3b", 8192, ncmoe=24),
    _run("gemma2-9b", 8192),
    _run("gemma3-12b", 32768),
    _run("gemma3-12b", 131072, kv="q8_0"),
    _run("gemma3-27b", 8192),
    _run("phi3-mini", 4096),
    _run("phi4", 16384),
    _run("command-r-35b", 8192),
    _run("deepseek-v2-lite", 32768),
    _run("gpt-oss-20b", 32768, "MXFP4"),
    _run("gpt-oss-20b", 131072, "MXFP4"),
    _run("granite4-h-small", 8192),
    _run("qwen35-9b", 32768),
    _run("qwen3-next-80b-a3b", 8192),
    _run("mamba2-2.7b", 4096),
    _run("llama31-70b", 8192),
)
"""What is run; the server's own defaults where nothing else is said: four slots that share one cache."""


def run(point: Point) -> Point:
    """Start the server, send a prompt that fills the context, and read what the GPU holds more than before."""
    import pynvml

    pynvml.nvmlInit()
    device = pynvml.nvmlDeviceGetHandleByIndex(0)

    def used() -> int:
        return int(pynvml.nvmlDeviceGetMemoryInfo(device).used)

    path, file_bytes = file_of(point)
    options = {
        "-c": point["ctx"],
        "-ngl": point.get("ngl", 99),
        "-fa": "on" if point["fa"] else "off",
        "-ctk": point["kv"],
        "-ctv": point["kv"],
        "-np": point.get("slots"),
        "-ub": None if point["ub"] == 512 else point["ub"],
        "--n-cpu-moe": point.get("ncmoe"),
    }
    command = [os.environ["LLAMA_SERVER"], "-m", str(path), "--port", "8099", "-lv", "4"]
    command += [str(word) for name, value in options.items() if value is not None for word in (name, value)]
    base, peak = used(), 0
    log = path.with_suffix(".log")
    started = time.monotonic()
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as server:
        watching = True

        def watch() -> None:
            nonlocal peak
            while watching:
                peak = max(peak, used() - base)
                time.sleep(0.01)

        watcher = threading.Thread(target=watch)
        watcher.start()
        row: Point = {}
        try:
            while server.poll() is None and time.monotonic() - started < 90:
                try:
                    urllib.request.urlopen("http://127.0.0.1:8099/health", timeout=5).read()
                    break
                except OSError:
                    time.sleep(0.1)
            row["ready_bytes"] = used() - base
            row["load_s"] = round(time.monotonic() - started, 1)
            each = point["ctx"] // point.get("slots", 1)
            length = min(each - 40, 1500 if "ngl" in point or "ncmoe" in point else each)
            asked = {"prompt": [5] * length, "n_predict": 16, "ignore_eos": True, "cache_prompt": False}
            request = urllib.request.Request(
                "http://127.0.0.1:8099/completion",
                json.dumps(asked).encode(),
                headers={"Content-Type": "application/json"},
            )
            answer = json.loads(urllib.request.urlopen(request, timeout=120).read())
            row["tokens"] = answer["tokens_evaluated"] + answer["tokens_predicted"]
            row["run_bytes"] = used() - base
        except (OSError, KeyError, ValueError) as error:
            row["error"] = repr(error)
        finally:
            watching = False
            watcher.join()
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
    text = log.read_text(errors="replace")
    row |= {"peak_bytes": peak, "seconds": round(time.monotonic() - started, 1)}
    if "error" in row:
        row["log"] = text[-1500:]
    waited = time.monotonic()
    while used() - base > 64 << 20 and time.monotonic() - waited < 10:
        time.sleep(0.05)
    return point | {"file_bytes": file_bytes} | figures(text) | row


def main() -> None:
    what, out, *names = sys.argv[1:]
    if what == "--one":
        log_model(out, int(names[0]))
        return
    with open(out, "a", encoding="utf-8") as file:
        if what == "log":

            def ask(model: str) -> str:
                points, lines = list(grid(model)), ""
                environment = os.environ | {"GGML_NO_BACKTRACE": "1"}
                while (first := lines.count("\n")) < len(points):
                    command = [sys.executable, __file__, "--one", model, str(first)]
                    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
                    lines += done.stdout
                    if done.returncode:  # llama.cpp stops the process where a graph is too large
                        at = min(lines.count("\n"), len(points) - 1)
                        lines += json.dumps(points[at] | {"error": done.stderr[-300:]}) + "\n"
                return lines

            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for lines in pool.map(ask, names or MODELS):
                    file.write(lines)
                    file.flush()
            return
        for point in RUNS:
            if not names or point["model"] in names:
                file.write(json.dumps(run(point)) + "\n")
                file.flush()


if __name__ == "__main__":
    main()
