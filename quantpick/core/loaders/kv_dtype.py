"""The types of KV cache that a loader has, and what an element of each costs."""

import re
from dataclasses import dataclass
from typing import Final

from quantpick.core.loaders.table import Loader


@dataclass(frozen=True, slots=True)
class BadKvDtype:
    """A KV cache type that a loader does not have, and those that it has."""

    text: str
    known: tuple[str, ...]


_KV_PAIR: Final = re.compile(r"[kq]?([2-8])(?:\s*[,_/]\s*[vq]?([2-8]))?")
"""Widths of keys and values as people write them: ``8,4`` ``q8_q4`` ``k8_v4`` ``k8v4``, or one for both."""


def common_name(loader: Loader, text: str) -> str:
    """The common name of a KV cache type that may be in the loader's own spelling: ``q8`` for ``q8_0``."""
    spelled = text.strip().lower()
    return loader.kv_aliases.get(spelled, spelled)


def kv_pair(loader: Loader, text: str) -> tuple[int, int] | None:
    """The bit widths of keys and of values, for a loader that takes any pair; None for what is no pair.

    Args:
        loader: the loader.
        text: ``8,4``, ``k8_v4``, or one width for both.
    """
    pair = _KV_PAIR.fullmatch(re.sub(r"(\d)v", r"\1_v", text.strip().lower())) if loader.kv_pairs else None
    return None if pair is None else (int(pair[1]), int(pair[2] or pair[1]))


def kv_dtype_bytes(loader: Loader, text: str) -> float | BadKvDtype:
    """Bytes per element of a KV cache type, K and V averaged.

    A pair of bit widths costs half a bit more each: one 16-bit scale serves 32 elements (turboderp-org/exllamav3 at
    4f8ad01, ``cache/quant.py``).

    Args:
        loader: the loader.
        text: ``fp16``, ``fp8``, ``q8``, ``q6``, ``q4`` or the loader's own spelling (``fp8_e5m2``, ``q8_0``, ``8,4``,
            ``k8_v4``).
    """
    name = common_name(loader, text)
    if name in loader.kv_dtypes:
        return loader.kv_dtypes[name]
    pair = kv_pair(loader, text)
    if pair is not None:
        return (sum(pair) + 1) / 16
    return BadKvDtype(text, (*loader.kv_dtypes, *(("K,V of 2 to 8 bits each",) if loader.kv_pairs else ())))
