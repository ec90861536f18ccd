"""The ways in which cards list branches. A new one is an entry here and a reader in `tables` or `lists`."""

from typing import Final

from quantpick.core.card.lists import bare_names, commanded, linked_lines
from quantpick.core.card.tables import branch_tables, named_tables

FORMATS: Final = (branch_tables, linked_lines, named_tables, bare_names, commanded)
"""The ways to list branches, the most explicit first. The first that finds branches of this repo wins: anything that a
later one finds in the same card (a list of links below the table) only repeats it."""
