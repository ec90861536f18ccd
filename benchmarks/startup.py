"""Start-up beside huggingface_hub's own command line: `quantpick` against `hf --help`, paired, medians.

    python benchmarks/startup.py [ROUNDS]

Every round runs each command once, in turn, so that a busy machine slows all alike. Goals: `quantpick --help` 5 and
`quantpick recommend --card` 2 times as fast as `hf --help`.
"""

import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
CARD = HERE.parent / "tests" / "fixtures" / "cards" / "airoboros-c34b-gptq.md"
ASK = ["recommend", "--card", str(CARD), "--vram", "24GiB", "--loader", "exllama"]
COMMANDS = {
    "hf --help": [str(BIN / "hf"), "--help"],
    "quantpick --help": [str(BIN / "quantpick"), "--help"],
    "quantpick recommend --card": [str(BIN / "quantpick"), *ASK],
    "quantpick recommend --card --json": [str(BIN / "quantpick"), *ASK, "--json"],
    "quantpick recommend --card -q": [str(BIN / "quantpick"), *ASK, "-q"],
}
GOALS = {"quantpick --help": 5.0, "quantpick recommend --card": 2.0}


def seconds(command: list[str]) -> float:
    # Python writes byte code on the first run; later ones must find it, as on a user's machine.
    environment = {**os.environ, "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - start


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    for command in COMMANDS.values():
        seconds(command)
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    base = times["hf --help"]
    print(f"start-up, {rounds} rounds, huggingface_hub {version('huggingface-hub')}, Python {sys.version.split()[0]}")
    print(f"{'command':36} {'median':>9} {'times as fast':>14}  goal")
    for name, taken in times.items():
        ratio = median(one / other for one, other in zip(base, taken, strict=True))
        goal = f"{GOALS[name]:.1f} {'met' if ratio >= GOALS[name] else 'MISSED'}" if name in GOALS else ""
        print(f"{name:36} {1000 * median(taken):6.0f} ms {ratio:14.2f}  {goal}")


if __name__ == "__main__":
    main()
