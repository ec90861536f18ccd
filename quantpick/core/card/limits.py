"""How much of a card is read: more than any real card has, and little enough for a hostile one."""

from collections.abc import Iterable
from typing import Final

MAX_TABLES: Final = 500
MAX_ROWS: Final = 500
MAX_COLUMNS: Final = 40
MAX_LINES: Final = 2000
_MAX_CHARACTERS: Final = 1_000_000
"""The most tables per card, rows per table, columns per row, and lines and characters that could list branches: far
more than any real card has."""


class Budget:
    """The lines and characters of a card still to be read for one purpose."""

    def __init__(self) -> None:
        self.lines = MAX_LINES
        self.characters = _MAX_CHARACTERS

    def spend(self, lines: Iterable[str]) -> list[str]:
        """The first of the lines, as far as the budget goes."""
        taken: list[str] = []
        for line in lines:
            if self.lines <= 0 or self.characters <= 0:
                break
            taken.append(line)
            self.lines -= 1
            self.characters -= len(line)
        return taken
