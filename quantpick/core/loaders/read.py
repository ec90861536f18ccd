"""From the text of ``loaders.toml`` to the table. Every key and every value is checked as it is read.

A mistake is said with its line: whoever adds a loader or a version should not have to look for it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any, Final, get_args

from quantpick.core.loaders.table import (
    Answer,
    Entry,
    Extra,
    Layers,
    Loader,
    LoaderTable,
    MemoryFraction,
    Rule,
    Sharding,
    Split,
    Status,
)
from quantpick.core.methods import METHODS, Scheme


class TableError(ValueError):
    """A mistake in the text of a table: the line, from 1 (0 where it has none), and what is wrong there."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.line = line


_Kind = tuple[str, Callable[[Any], bool]]
"""What a value has to be: in words, and how to see that it is."""

_VERSION: Final = re.compile(r"\d[\w.]*")
_DAY: Final = re.compile(r"20\d\d-[01]\d-[0-3]\d")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _list_of(kind: _Kind) -> _Kind:
    return f"a list, each {kind[0]}", lambda value: isinstance(value, list) and bool(value) and all(map(kind[1], value))


def _one_of(*values: str) -> _Kind:
    return f"one of {', '.join(values)}", lambda value: value in values


def _map_to(kind: _Kind) -> _Kind:
    return f"a table, each {kind[0]}", lambda value: isinstance(value, dict) and all(map(kind[1], value.values()))


_TEXT: Final[_Kind] = ("text", lambda value: isinstance(value, str) and bool(value))
_FLAG: Final[_Kind] = ("true or false", lambda value: isinstance(value, bool))
_NUMBER: Final[_Kind] = ("a number", _number)
_POSITIVE: Final[_Kind] = ("a number above 0", lambda value: _number(value) and value > 0)
_WHOLE: Final[_Kind] = ("a whole number above 0", lambda value: isinstance(value, int) and value > 0)
_CAPABILITY: Final[_Kind] = ("a compute capability such as 8.9", lambda value: _number(value) and 3 <= value < 20)
_RELEASE: Final[_Kind] = (
    "a version such as 0.30.0 or a date such as 2026.08.13",
    lambda value: isinstance(value, str) and _VERSION.fullmatch(value) is not None,
)
_DATE: Final[_Kind] = (
    "a date such as 2026-11-24",
    lambda value: isinstance(value, str) and _DAY.fullmatch(value) is not None,
)
_METHOD: Final = _one_of(*METHODS)
_WORDS: Final = _list_of(_TEXT)
_COMMAND: Final[_Kind] = (
    "a list of texts and lists of texts",
    lambda value: isinstance(value, list) and all(_TEXT[1](part) or _WORDS[1](part) for part in value),
)
_TABLES: Final = _list_of(("a table", lambda value: isinstance(value, dict)))
_SPAN: Final[dict[str, _Kind]] = {"since": _RELEASE, "before": _RELEASE, "until": _RELEASE}
_EVIDENCE: Final[dict[str, _Kind]] = {"source": _TEXT, "checked": _DATE, "unverified": _FLAG}
_ANSWER: Final = _one_of(*get_args(Answer))
_SPLIT: Final = _one_of(*get_args(Split))

_RULE: Final[dict[str, _Kind]] = {
    "method": (
        f"a method or a list of methods, of {', '.join(METHODS)}",
        lambda value: value in METHODS if isinstance(value, str) else _list_of(_METHOD)[1](value),
    ),
    **_SPAN,
    "extra": _TEXT,
    "bits": _list_of(_POSITIVE),
    "bits_range": (
        "the lowest and the highest number",
        lambda value: isinstance(value, list) and len(value) == 2 and all(map(_number, value)) and value[0] <= value[1],
    ),
    "whole_bits": _FLAG,
    "group_sizes": _list_of(("a group size, -1 for none", lambda value: isinstance(value, int) and value >= -1)),
    "act_order_with_group": _ANSWER,
    "act_order_without_group": _ANSWER,
    "sym": _FLAG,
    "schemes": _list_of(_one_of(*get_args(Scheme))),
    "packings": _WORDS,
    "checkpoint_formats": _WORDS,
    "activation_bits": _list_of(_POSITIVE),
    "layers": _one_of(*get_args(Layers)),
    "quantized_head": _FLAG,
    "requires": _list_of(_one_of("bits", "group_size", "desc_act", "sym")),
    "model_types": _WORDS,
    "not_model_types": _WORDS,
    "moe": _FLAG,
    "in_multiple": _WHOLE,
    "out_multiple": _WHOLE,
    "writer_before": _RELEASE,
    "min_capability": _CAPABILITY,
    "max_capability": _CAPABILITY,
    "capabilities": _list_of(_CAPABILITY),
    "floor_inferred": _FLAG,
    "slow_capabilities": _list_of(_CAPABILITY),
    "rocm": _WORDS,
    "rocm_only": _FLAG,
    "kernel": _TEXT,
    "engine": _TEXT,
    "split": _SPLIT,
    "kv_dtypes": _WORDS,
    "needs": _TEXT,
    "unpacks": _FLAG,
    "why": _map_to(_TEXT),
    "rejects": _TEXT,
    "note": _TEXT,
    **_EVIDENCE,
}
_FRACTION: Final[dict[str, _Kind]] = {
    "value": ("a part above 0, at most 1", lambda value: _number(value) and 0 < value <= 1),
    "of": _one_of("total", "free"),
    **_SPAN,
    **_EVIDENCE,
}
_SHARDING: Final[dict[str, _Kind]] = {
    **dict.fromkeys(("in_multiple", "out_multiple", "least_expert_group"), _WHOLE),
    **_SPAN,
    **_EVIDENCE,
}
_EXTRA: Final[dict[str, _Kind]] = {"flags": _WORDS, "package": _TEXT}
_LOADER: Final[dict[str, _Kind]] = {
    **dict.fromkeys(("id", "name", "status_note", "engine", "package", "note", "source"), _TEXT),
    "aliases": _WORDS,
    "status": _one_of(*get_args(Status)),
    "newest": _RELEASE,
    "releases": _map_to(_DATE),
    "programs": _WORDS,
    "extras": _map_to(("an extra", lambda value: isinstance(value, dict))),
    "split": _SPLIT,
    **dict.fromkeys(
        ("engine_stands_in", "unequal_gpus", "heads_divisible", "architectures_strict", "card_column", "kv_pairs"),
        _FLAG,
    ),
    "kv_dtypes": _map_to(_POSITIVE),
    "kv_aliases": _map_to(_TEXT),
    "launch": _COMMAND,
    "launch_from_cache": _COMMAND,
    "launch_kv": _map_to(_TEXT),
    "offload": _map_to(_TEXT),
    "architectures": _WORDS,
    "memory_fraction": _TABLES,
    "sharding": _TABLES,
    "checked": _DATE,
    "rule": _TABLES,
}
_NEEDED: Final = {
    "a loader": (
        "id",
        "name",
        "status",
        "status_note",
        "newest",
        "engine",
        "split",
        "kv_dtypes",
        "source",
        "checked",
        "rule",
    ),
    "a rule": ("method", "source", "checked"),
    "a memory_fraction": ("value", "of", "source", "checked"),
    "a sharding": ("source", "checked"),
    "an extra": (),
}


_LOADER_STARTS: Final = "\n[[loader]]\n"
_NAMES: Final = re.compile(r"^(id|name|aliases|status) = (.*)$", re.MULTILINE)
_QUOTED: Final = re.compile(r'"([^"]*)"')


def parse_loaders(text: str) -> LoaderTable:
    """The table in the text of ``loaders.toml``. Each loader is read, and checked, when it is asked for.

    Raises:
        TableError: a mistake before the first loader, or a loader without an id; asked for a loader, a mistake in it.
    """
    before, *parts = f"\n{text}".split(_LOADER_STARTS)
    aliases = _toml(before, -1).get("kv_aliases", {})
    line = before.count("\n") + 1
    entries = []
    for part in parts:
        entries.append(_entry(part, line, aliases))
        line += part.count("\n") + 2
    return LoaderTable(tuple(entries))


def _entry(part: str, line: int, kv_aliases: Mapping[str, str]) -> Entry:
    """A loader's place in the table, by a look at its first lines.

    Args:
        part: what stands under its ``[[loader]]``.
        line: the line of that, from 1.
        kv_aliases: spellings of KV cache types for all loaders.
    """
    said = {key: _QUOTED.findall(value) for key, value in _NAMES.findall(part.partition("\n[[")[0])}
    if not said.get("id"):
        raise TableError(line, "a loader has no `id`")
    names = (*said["id"], *said.get("name", ()), *said.get("aliases", ()))
    status = said.get("status", ["active"])[0]
    return Entry(said["id"][0], names, status, cache(partial(_read, part, line, kv_aliases)))


def _read(part: str, line: int, kv_aliases: Mapping[str, str]) -> Loader:
    (row,) = _toml(f"[[loader]]\n{part}", line - 1)["loader"]
    try:
        return _loader(row, kv_aliases)
    except _Mistake as mistake:
        raise TableError(line + _line_within(part, mistake), str(mistake)) from mistake


def _toml(text: str, lines_before: int) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = lines_before + (int(found[1]) if found else text.count("\n") + 1)
        raise TableError(line, f"no TOML: {str(error).partition(' (at')[0]}") from error


class _Mistake(Exception):
    """What is wrong, under which key, and in which of the loader's rules (from 0), if in one."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key
        self.rule: int | None = None


def _line_within(part: str, mistake: _Mistake) -> int:
    """The line of the mistake in a loader's text, from 1; where the key is missing, the one before its table begins."""
    lines = part.split("\n")
    starts = [number for number, line in enumerate(lines) if line.strip() == "[[loader.rule]]"] + [len(lines)]
    start, end = (0, starts[0]) if mistake.rule is None else (starts[mistake.rule], starts[mistake.rule + 1])
    found = (number for number in range(start, end) if re.match(rf"{re.escape(mistake.key)}\s*=", lines[number]))
    return next(found, start if mistake.rule is not None else -1) + 1


def _loader(row: dict[str, Any], common_kv_aliases: Mapping[str, str]) -> Loader:
    _check("a loader", row, _LOADER)
    rules = row.pop("rule")
    derived = {
        "unequal_gpus": row["split"] == "layers",
        "heads_divisible": row["split"] == "tensor",
        "kv_aliases": {**common_kv_aliases, **row.pop("kv_aliases", {})},
        "extras": {name: _extra(extra) for name, extra in row.pop("extras", {}).items()},
        "memory_fractions": tuple(map(_fraction, row.pop("memory_fraction", ()))),
        "shardings": tuple(map(_sharding, row.pop("sharding", ()))),
        "rules": tuple(rule for number, rule_row in enumerate(rules) for rule in _rules(rule_row, number)),
    }
    return Loader(**derived | _frozen(row))


def _extra(row: dict[str, Any]) -> Extra:
    _check("an extra", row, _EXTRA)
    return Extra(**_frozen(row))


def _fraction(row: dict[str, Any]) -> MemoryFraction:
    _check("a memory_fraction", row, _FRACTION)
    return MemoryFraction(**row)


def _sharding(row: dict[str, Any]) -> Sharding:
    _check("a sharding", row, _SHARDING)
    return Sharding(**row)


def _rules(row: dict[str, Any], number: int) -> Iterator[Rule]:
    """One rule for each method that the row names."""
    try:
        _check("a rule", row, _RULE)
    except _Mistake as mistake:
        mistake.rule = number
        raise
    methods = row.pop("method")
    for method in [methods] if isinstance(methods, str) else methods:
        yield Rule(method=method, **_frozen(row))


def _check(what: str, row: Mapping[str, Any], kinds: Mapping[str, _Kind]) -> None:
    for key, value in row.items():
        if key not in kinds:
            raise _Mistake(key, f"`{key}` is not a key of {what}; its keys are {', '.join(kinds)}")
        words, holds = kinds[key]
        if not holds(value):
            raise _Mistake(key, f"`{key}` is {str(value)[:60]!r}: it has to be {words}")
    for key in _NEEDED[what]:
        if key not in row:
            raise _Mistake(key, f"{what} has no `{key}`")


def _frozen(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _tuples(value) if isinstance(value, list) else value for key, value in row.items()}


def _tuples(items: list[Any]) -> tuple[Any, ...]:
    return tuple(_tuples(item) if isinstance(item, list) else item for item in items)
