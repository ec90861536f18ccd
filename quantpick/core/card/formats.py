"""The ways in which cards list branches: to add one is an entry here and its reader in `tables` or `lists`."""

from typing import Final

from quantpick.core.card.lists import bare_names, linked_lines
from quantpick.core.card.tables import branch_tables

FORMATS: Final = (branch_tables, linked_lines, bare_names)
"""The ways to list branches, the most explicit first. The first that finds branches of this repo is the card's: what a
later one would find in the same card (a list of links below the table) only repeats it."""
