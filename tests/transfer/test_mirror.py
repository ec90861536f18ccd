"""A mirror that fetches blocks of 64 MiB, as olah does, is asked for whole blocks, each once."""

import os
from typing import Any

import pytest

from quantpick.core.units import MIB

BLOCK = 64 * MIB
SIZE = 2 * BLOCK + 5 * MIB


@pytest.mark.parametrize("transport", ["range", "auto"])
def test_mirror_is_asked_for_its_own_blocks_once(line: Any, transport: str) -> None:
    one = line(mirror=True, content=os.urandom(SIZE))
    one.fetch(transport, connections=8)
    asked = [request.headers["range"] for request in one.hub.requests if "range" in request.headers]
    spans = sorted(tuple(map(int, text.removeprefix("bytes=").split("-"))) for text in asked)
    assert spans == [(0, BLOCK - 1), (BLOCK, 2 * BLOCK - 1), (2 * BLOCK, SIZE - 1)]
    assert one.final.stat().st_size == SIZE
