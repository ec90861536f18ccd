"""A repo of 40 branches on a Hub 50 ms away: quantpick cold and warm beside a plain loop over `HfApi`.

    python benchmarks/hub_survey.py [ROUNDS]

The loop asks one thing after the other: refs, then per branch its tree and its config (two requests, as
`hf_hub_download` makes them). Goals, start-up aside: 1.0 s cold, 0.25 s warm.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from quantpick.demo.hub import HubFile, HubRepo
from tests.fakes.hub import FaultyHub, weights

BRANCHES = 40
LATENCY_S = 0.05
REPO = "bench/Finch-7B-GPTQ"
GOALS = {"quantpick cold": 1.0, "quantpick warm": 0.25}

QUANTPICK = """
from quantpick import list_branches
import quantpick.hub.survey
start = time.perf_counter()
assert len(list_branches(repo).branches) == branches
"""
HF_API = """
import json
from huggingface_hub import HfApi
api = HfApi(token=False)
start = time.perf_counter()
for ref in api.list_repo_refs(repo).branches:
    files = list(api.list_repo_tree(repo, revision=ref.target_commit, recursive=True))
    json.load(open(api.hf_hub_download(repo, "config.json", revision=ref.target_commit)))
"""


def repo() -> HubRepo:
    config = {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
    config |= {"num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000}
    branches = {}
    for at in range(BRANCHES):
        quant = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True, "damp_percent": at / 100}
        text = json.dumps(config | {"quantization_config": quant})
        small = [HubFile.small(f"tokenizer-{number}.json", f"{number}") for number in range(8)]
        branches["main" if at == 0 else f"gptq-4bit-128g-actorder_True-damp_0.{at:02}"] = [
            HubFile.small("config.json", text),
            HubFile.small("quantize_config.json", json.dumps(quant)),
            weights("model.safetensors", 4_160_000_000),
            *small,
        ]
    return HubRepo(branches)


def seconds(code: str, hub: FaultyHub, home: str) -> tuple[float, int]:
    """Seconds between the imports and the answer, and requests."""
    hub.requests.clear()
    head = f"import time\nrepo, branches = {REPO!r}, {BRANCHES}\n"
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": home, "HF_HUB_DISABLE_TELEMETRY": "1"}
    asked = subprocess.run(
        [sys.executable, "-c", head + code + "print(time.perf_counter() - start)"],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return float(asked.stdout), len(hub.requests)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    times: dict[str, list[tuple[float, int]]] = {"HfApi, one by one": [], "quantpick cold": [], "quantpick warm": []}
    with FaultyHub({REPO: repo()}, latency_s=LATENCY_S) as hub:
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as other:
                times["HfApi, one by one"].append(seconds(HF_API, hub, other))
                times["quantpick cold"].append(seconds(QUANTPICK, hub, home))
                times["quantpick warm"].append(seconds(QUANTPICK, hub, home))
    print(f"a repo of {BRANCHES} branches, {1000 * LATENCY_S:.0f} ms a request, {rounds} rounds, start-up aside")
    for name, taken in times.items():
        typical = median(second for second, _ in taken)
        goal = f"goal {GOALS[name]} {'met' if typical <= GOALS[name] else 'MISSED'}" if name in GOALS else ""
        print(f"{name:20} {typical:7.2f} s {taken[0][1]:5} requests  {goal}")


if __name__ == "__main__":
    main()
