"""The types of the Python API's arguments, checked before anything is done with them."""

import os
import threading
from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module
from typing import Any, Final, ParamSpec, TypeVar, cast

from quantpick.errors import UsageError
from quantpick.workflow.choice import shown

StrPath = str | os.PathLike[str]

P = ParamSpec("P")
R = TypeVar("R")


def _is_path(value: object) -> bool:
    """Whether a value could name a file on this system."""
    try:
        return isinstance(value, str | os.PathLike) and b"\0" not in os.fsencode(value)
    except (TypeError, ValueError):
        return False


def _is_texts(value: object) -> bool:
    """Whether a value is a collection of texts. A single text would be read letter by letter."""
    return isinstance(value, list | tuple | set | frozenset) and all(isinstance(one, str) for one in value)


def _is_a(*kinds: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kinds)


def _is_ours(module: str, name: str) -> Callable[[object], bool]:
    """Like `_is_a`, for a class of quantpick that is imported only if there is a value to check."""
    return lambda value: isinstance(value, getattr(import_module(f"quantpick.core.{module}"), name))


_TEXT: Final = (_is_a(str), "a text")
_PATH: Final = (_is_path, "a path")
_PATTERNS: Final = (_is_texts, "a list of patterns")
_KINDS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    **dict.fromkeys(("repo", "revision", "file", "loader", "version", "kv_dtype"), _TEXT),
    **dict.fromkeys(("local_dir", "cache_dir", "card", "config", "place"), _PATH),
    **dict.fromkeys(("include", "exclude"), _PATTERNS),
    "token": (_is_a(str, bool), "a text or False"),
    "wish": (_is_ours("choose.wish", "Wish"), "what `make_wish` makes"),
    "options": (_is_ours("transfer_options", "TransferOptions"), "a TransferOptions"),
    "progress": (_is_ours("progress", "DownloadProgress"), "a DownloadProgress"),
    "stop": (_is_a(threading.Event), "a threading.Event"),
    "quant": (_is_ours("quant", "QuantSpec"), "a QuantSpec"),
    "shape": (_is_ours("shape", "ModelShape"), "a ModelShape"),
    "settings": (_is_ours("memory.engine", "ServerSettings"), "a ServerSettings"),
    **dict.fromkeys(("announce", "warn"), (callable, "a function")),
}
"""The type of each argument, by name, in all functions. Numbers are checked with their bounds, elsewhere."""
_NEVER_NONE: Final = ("place", "include", "exclude", "kv_dtype", "quant", "shape", "settings")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """The function with its argument types checked: a wrong one is a `UsageError` that names it."""
    names = cast("Any", function).__code__.co_varnames

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, value in (*zip(names, args, strict=False), *kwargs.items()):
            is_kind, kind = _KINDS.get(name, (None, ""))
            if is_kind is not None and (value is not None or name in _NEVER_NONE) and not is_kind(value):
                raise UsageError(f"{name} is {shown(value)}: {kind} is needed")
        return function(*args, **kwargs)

    return call
