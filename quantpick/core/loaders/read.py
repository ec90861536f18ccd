"""From the text of ``loaders.toml`` to the table."""

from collections.abc import Iterator
from typing import Any

from quantpick.core.loaders.table import Loader, LoaderTable, MemoryFraction, Rule
from quantpick.core.methods import Method


def parse_loaders(text: str) -> LoaderTable:
    """The table in the text of ``loaders.toml``.

    Raises:
        ValueError, TypeError, KeyError: the text is no such table; a mistake in the file that comes with quantpick.
    """
    import tomllib

    document = tomllib.loads(text)
    return LoaderTable(tuple(_read_loader(row, document["kv_aliases"]) for row in document["loader"]))


def _read_loader(row: dict[str, Any], common_kv_aliases: dict[str, str]) -> Loader:
    rules = row.pop("rule")
    fractions = row.pop("memory_fraction", ())
    derived = {
        "unequal_gpus": row["split"] == "layers",
        "heads_divisible": row["split"] == "tensor",
        "kv_aliases": common_kv_aliases | row.pop("kv_aliases", {}),
        "memory_fractions": tuple(MemoryFraction(**fraction) for fraction in fractions),
        "rules": tuple(rule for rule_row in rules for rule in _read_rules(rule_row)),
    }
    return Loader(**derived | _frozen(row))


def _read_rules(row: dict[str, Any]) -> Iterator[Rule]:
    """One rule for each method that the row names."""
    methods: Method | list[Method] = row.pop("method")
    for method in [methods] if isinstance(methods, str) else methods:
        yield Rule(method=method, **_frozen(row))


def _frozen(row: dict[str, Any]) -> dict[str, Any]:
    return {key: _tuples(value) if isinstance(value, list) else value for key, value in row.items()}


def _tuples(items: list[Any]) -> tuple[Any, ...]:
    return tuple(_tuples(item) if isinstance(item, list) else item for item in items)
