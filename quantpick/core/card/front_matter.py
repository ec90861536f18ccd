"""The YAML between two ``---`` above a card: some top-level keys, each with its text or list of texts.

PyYAML reads it to a graph of nodes and no further: ``no`` and ``2024-01-01`` stay as the author wrote them, and aliases
are never expanded. Its C parser is not used: many open brackets crash the process.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from yaml import Node

KEYS: Final = frozenset(
    ("base_model", "base_model_relation", "library_name", "model_name", "model_type", "quantized_by", "tags")
)
"""The keys that are read; a card may have megabytes of others."""
_MAX_CHARACTERS: Final = 65_536
"""The most characters in those keys; the real cards seen have less than 3,000 in all keys together."""
_MAX_VALUE: Final = 500
_MAX_VALUES: Final = 200
_MAX_ALIASES: Final = 20
_KEY: Final = re.compile(r"""["']?(\w[\w.-]*)["']?[ \t]*:(?=\s|$)""")
_PLAIN: Final = re.compile(r"(\w+): ([A-Za-z][\w./-]*(?: [\w./-]+)*)(?<!: null)(?<!: Null)(?<!: NULL)", re.ASCII)
"""A key and words without any YAML syntax. Many cards have no other values, and importing PyYAML takes 10 ms."""
_MAX_NESTING: Final = 500
_NESTING: Final = re.compile(r"[\[{]|[-?] +(?=[-?] )")
"""What opens a level within a line; PyYAML's time grows with the square of the depth."""
_ALIAS: Final = re.compile(r"(?:^|[\s\[{,:-])[*&]\w")


def read_front_matter(lines: Sequence[str]) -> tuple[dict[str, tuple[str, ...]], int]:
    """The values of `KEYS`, and the index of the first line after the YAML.

    Nested values and nulls are left out. If the whole is not valid YAML, each key is read separately.
    """
    start = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    if start == len(lines) or lines[start].strip() != "---":
        return {}, 0
    end = next((i for i in range(start + 1, len(lines)) if lines[i] in ("---", "...")), 0)
    return (_read(_wanted(lines[start + 1 : end])), end + 1) if end else ({}, 0)


def _wanted(lines: Sequence[str]) -> list[str]:
    """The text of each wanted key with its value, the first of each name, within bounds."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        key = _KEY.match(line)
        if key is not None:
            current = found.setdefault(key[1], []) if key[1] in KEYS and key[1] not in found else None
        if current is not None:
            current.append(line)
    texts = ["\n".join(one) for one in found.values()]
    return [text for text in texts if len(text) <= _MAX_CHARACTERS]


def _read(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    plain = [match for text in texts if (match := _PLAIN.fullmatch(text))]
    if len(plain) == len(texts):
        return {match[1]: (match[2],) for match in plain}
    whole = "\n".join(texts)
    if len(whole) <= _MAX_CHARACTERS and (read := _load(whole)) is not None:
        return read
    return {key: values for text in texts for key, values in (_load(text) or {}).items()}


def _load(text: str) -> dict[str, tuple[str, ...]] | None:
    """The keys of a YAML mapping; None for anything else, or for more aliases than a person writes."""
    if not text:
        return {}
    if len(_ALIAS.findall(text)) > _MAX_ALIASES or len(_NESTING.findall(text)) > _MAX_NESTING:
        return None
    from yaml import MappingNode, ScalarNode, YAMLError, compose
    from yaml.loader import SafeLoader

    try:
        root = compose(text, Loader=SafeLoader)
    except (YAMLError, ValueError, RecursionError):
        return None
    if not isinstance(root, MappingNode):
        return None
    pairs = ((key.value, value) for key, value in root.value if isinstance(key, ScalarNode))
    return {key: tuple(islice(_values(value), _MAX_VALUES)) for key, value in pairs if key in KEYS}


def _values(node: "Node") -> Iterator[str]:
    """The texts of a scalar or of a list of scalars."""
    from yaml import ScalarNode, SequenceNode

    for one in node.value if isinstance(node, SequenceNode) else [node]:
        if isinstance(one, ScalarNode) and one.tag != "tag:yaml.org,2002:null":
            yield " ".join(one.value[:_MAX_VALUE].split())
