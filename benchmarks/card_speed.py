"""How long hostile cards of 5 MB take to read: the time must grow with their length alone.

python benchmarks/card_speed.py [MB]
"""

import sys
import time

from quantpick.core.card.read import read_card

SHAPES = {
    "one line of pipes": lambda size: "|" * size,
    "lines of pipes": lambda size: "|\n" * (size // 2),
    "a table without an end": lambda size: "| Branch | Bits |\n|---|---|\n" + "| main | 4 |\n" * (size // 13),
    "headers without rows": lambda size: "| Branch |\n|---|\n" * (size // 17),
    "one line of letters": lambda size: "a" * size,
    "open brackets": lambda size: "[" * size,
    "links without an end": lambda size: "[a](" * (size // 4),
    "tree links": lambda size: "[4.0bpw](https://huggingface.co/o/r/tree/4.0bpw)\n" * (size // 49),
    "open tags": lambda size: "<" * size,
    "anchors without an end": lambda size: "<a href=x>" * (size // 10),
    "comments without an end": lambda size: "<!--" * (size // 4),
    "tables in HTML without an end": lambda size: "<table><tr><td>" * (size // 15),
    "backticks": lambda size: "`" * size,
    "fences without an end": lambda size: "```\n~~~\n" * (size // 8),
    "backslashes": lambda size: "\\" * size,
    "quotes": lambda size: ">" * size,
    "front matter without an end": lambda size: "---\n" + "a: b\n" * (size // 5),
    "blank lines": lambda size: "\n" * size,
}


def main() -> None:
    size = int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else 5_000_000
    print(f"cards of {size / 1e6:g} MB")
    for name, make in SHAPES.items():
        text = make(size)
        start = time.perf_counter()
        rows = len(read_card(text).rows)
        print(f"{name:32} {time.perf_counter() - start:6.2f} s   {rows} rows", flush=True)


if __name__ == "__main__":
    main()
