"""The console examples of the README, run as they stand: in a shell, and with the repo on a Hub on loopback.

``python -m tests.readme`` writes what they print today into the README.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from quantpick.core.card.read import read_card
from quantpick.demo.content import CODELLAMA_34B
from quantpick.demo.hub import HubFile, HubRepo, LoopbackHub

ROOT: Final = Path(__file__).resolve().parents[1]
README: Final = ROOT / "README.md"
CARD: Final = ROOT / "tests" / "fixtures" / "cards" / "airoboros-c34b-gptq.md"
REPO: Final = "TheBloke/Airoboros-c34B-3.1.2-GPTQ"
BLOCK: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def repo() -> HubRepo:
    """The seven branches of the card, with the files that such a repo has; of the weights only the sizes are there."""
    card = CARD.read_text(encoding="utf-8")
    branches = {}
    for number, row in enumerate(read_card(card).rows):
        facts = row.facts
        section = {
            "quant_method": "gptq",
            "bits": facts.bits,
            "group_size": facts.group_size or -1,
            "desc_act": bool(facts.desc_act),
            "damp_percent": facts.damp_percent,
            "sym": True,
        }
        config = HubFile.small("config.json", json.dumps(CODELLAMA_34B | {"quantization_config": section}))
        weights = HubFile("model.safetensors", row.size_bytes or 0, f"{number:064x}")
        branches[row.branch] = [HubFile.small("README.md", card), config, weights]
    return HubRepo(branches)


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block with what it is said to print."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, output = re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*\n)(.*)", part, re.DOTALL).groups()  # type: ignore[union-attr]
        yield command, output


def run(block: str) -> str:
    """The block with what its commands print on a terminal of 96 columns, one shell for all of them."""
    with tempfile.TemporaryDirectory() as folder, LoopbackHub({REPO: repo()}) as hub:
        (Path(folder) / "card.md").write_bytes(CARD.read_bytes())
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("HF_", "QUANTPICK_", "XDG_"))},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HF_ENDPOINT": hub.url,
            "HOME": folder,
            "COLUMNS": "96",
            "FORCE_COLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        mark = "--- the next command ---"
        script = "".join(f"{command}printf '%s\\n' '{mark}'\n" for command, _ in commands(block))
        done = subprocess.run(
            ["bash", "-c", f"exec 2>&1\n{script}"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        printed = re.sub(r"\x1b\[[\d;]*m", "", done.stdout).replace(folder, "/home/you")
        printed = re.sub(r"\b[0-9a-f]{40}\b", "COMMIT", printed)
    outputs = [re.sub(r" +$", "", output, flags=re.MULTILINE) for output in printed.split(f"{mark}\n")]
    return "".join(f"$ {command}{output}" for (command, _), output in zip(commands(block), outputs, strict=False))


def main() -> None:
    text = README.read_text(encoding="utf-8")
    README.write_text(BLOCK.sub(lambda block: f"```console\n{run(block[1])}```", text), encoding="utf-8")


if __name__ == "__main__":
    main()
