"""docs/screen.svg: the real screen of one command, drawn by Rich from what it wrote; `make screenshot`."""

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
CARD = "tests/fixtures/cards/airoboros-c34b-gptq.md"
LINE = f"quantpick recommend --card {CARD} --vram 24GiB --gpu-capability 8.9 --loader exllamav2"
COLUMNS = 112


def main() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("QUANTPICK_", "HF_"))}
    environment |= {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "LINES": "40", "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    shown = subprocess.run(
        [sys.executable, "-m", *LINE.split()], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    console = Console(width=COLUMNS, record=True, file=StringIO(), force_terminal=True)
    console.print(Text(f"$ {LINE.replace(CARD, 'README.md')}", "bold"))
    console.print(Text.from_ansi(shown), soft_wrap=False)
    svg = console.export_svg(title="quantpick", unique_id="quantpick")
    # The fonts that Rich names are fetched from elsewhere; the viewer's own do.
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("<text ", '<text xml:space="preserve" ').replace("&#160;", " ")
    (ROOT / "docs" / "screen.svg").write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


if __name__ == "__main__":
    main()
