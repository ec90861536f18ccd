"""All attacks, and a table of what held: ``python -m tests.attacks [FAMILY...] [--quick]``."""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.attacks import disks, lines, words
from tests.attacks.arena import ATTACKS, Arena, Attack, Fell, Skipped

ALL = (disks, lines, words)


def staged(attack: Attack, number: int) -> str | None:
    """One round; None when it held, else how it fell.

    Raises:
        Skipped: it cannot be staged here.
    """
    with tempfile.TemporaryDirectory(prefix="attack-", ignore_cleanup_errors=True) as folder:
        arena = Arena(Path(folder), random.Random(f"{attack.name} {number}"))
        with arena.stack:
            try:
                attack.stage(arena)
            except Fell as fell:
                return str(fell)
    return None


def main() -> int:
    """The exit code: 1 when something fell."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("family", nargs="*", help="only these families")
    parser.add_argument("--quick", action="store_true", help="one round of the quick ones")
    asked = parser.parse_args()
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A shell that starts this in the background has Ctrl-C ignored, also by what is attacked.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    chosen = [
        one for one in ATTACKS if (not asked.family or one.family in asked.family) and (one.quick or not asked.quick)
    ]
    order = list(dict.fromkeys(one.family for one in ATTACKS))
    print(f"{'family':12} {'tried':>5} {'held':>5} {'s':>5}  attack", flush=True)
    total: Counter[str] = Counter()
    for one in sorted(chosen, key=lambda one: order.index(one.family)):
        held, ways, began, rounds = 0, [], time.monotonic(), 1 if asked.quick else one.rounds
        for number in range(rounds):
            try:
                how = staged(one, number)
            except Skipped as reason:
                ways.append(f"skipped: {reason}")
                rounds = number
                break
            held += how is None
            ways += [f"round {number} fell: {how}"] if how else []
        total += Counter(tried=rounds, held=held)
        print(f"{one.family:12} {rounds:5} {held:5} {time.monotonic() - began:5.0f}  {one.name}", flush=True)
        for way in ways:
            print(f"{'':31}{' '.join(way.split())[:400]}", flush=True)
    print(f"{'all':12} {total['tried']:5} {total['held']:5}")
    return int(total["held"] != total["tried"])


if __name__ == "__main__":
    sys.exit(main())
