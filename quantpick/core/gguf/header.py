"""The header of a GGUF file, from its first bytes: keys with values, and the tensors if the bytes include them.

The format: ``docs/gguf.md`` of ggml-org/ggml, versions 2 and 3. The bytes may come from anyone. Reading them takes no
more memory than a small multiple of their size; an impossible count or length is a `BadHeader`.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from quantpick.core.gguf.types import TENSOR_TYPES

Value = int | float | bool | str | tuple[int | float | bool, ...]

MAX_LISTED: Final = 4096
"""The most numbers kept of an array: one per block is enough, and no model has more blocks."""
_MAX_KEYS: Final = 4096
"""A file has about 30 to 60 keys."""
_MAX_KEY_BYTES: Final = 2**16 - 1
"""The format's own bound for a key."""
_MAX_DIMENSIONS: Final = 4
_MAX_WEIGHTS: Final = 2**50
_VERSIONS: Final = (2, 3)

_STRING: Final = 8
_LENGTH: Final = struct.Struct("<Q")
_ARRAY: Final = 9
_NUMBERS: Final[Mapping[int, str]] = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
"""The value types of one size, as `struct` writes them, little-endian."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: its name, how many weights it has, and the number of its type in `TENSOR_TYPES`."""

    name: str
    weights: int
    type: int

    @property
    def size_bytes(self) -> int | None:
        """Bytes in the file; None for a type that is not known.

        >>> Tensor("output.weight", 256 * 100, 14).size_bytes
        21000
        """
        kind = TENSOR_TYPES.get(self.type)
        return None if kind is None else -(-self.weights // kind.block_weights) * kind.block_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """The contents of a file's first bytes.

    Args:
        values: single values, and short arrays of numbers, by key.
        lengths: the length of every array, by key.
        tensors: all tensors; None if the bytes end before the last.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)
    tensors: tuple[Tensor, ...] | None = None


@dataclass(frozen=True, slots=True)
class BadHeader:
    """Why there is no readable header: words that follow the file's name."""

    reason: str


class _Ended(Exception):
    """The bytes ended; what was read before is valid."""


class _Wrong(Exception):
    """The bytes cannot be a header."""


def read_header(data: bytes, size_bytes: int) -> GgufHeader | BadHeader:
    r"""The header in a file's first bytes, as far as they go: they may end anywhere after the first keys.

    Args:
        data: the first bytes of the file.
        size_bytes: size of the whole file: nothing in it can be longer.

    >>> read_header(b"GGUF\3\0\0\0" + bytes(8) + b"\xff" * 8, 2**30)
    BadHeader(reason='says that it has 18446744073709551615 keys')
    >>> read_header(b"<html>", 6)
    BadHeader(reason='is not a GGUF file')
    """
    reader = _Reader(data, max(size_bytes, len(data)))
    values: dict[str, Value] = {}
    lengths: dict[str, int] = {}
    tensors: tuple[Tensor, ...] | None = None
    try:
        tensor_count, key_count = _counts(reader)
        for _ in range(key_count):
            _read_key(reader, values, lengths)
        tensors = tuple(_tensor(reader) for _ in range(tensor_count))
    except _Ended:
        pass
    except _Wrong as wrong:
        return BadHeader(str(wrong))
    return GgufHeader(values=values, lengths=lengths, tensors=tensors)


def _counts(reader: "_Reader") -> tuple[int, int]:
    """The numbers of tensors and keys that the file states."""
    if reader.data[:4] != b"GGUF":
        raise _Wrong("is not a GGUF file")
    reader.at = 4
    version = reader.number("I")
    if version not in _VERSIONS:
        swapped = int.from_bytes(int(version).to_bytes(4, "little"), "big")
        what = "big-endian" if swapped in _VERSIONS else f"of version {version}"
        raise _Wrong(f"is {what}: versions {' and '.join(map(str, _VERSIONS))}, little-endian, can be read")
    tensors, keys = int(reader.number("Q")), int(reader.number("Q"))
    if keys > _MAX_KEYS:
        raise _Wrong(f"says that it has {keys} keys")
    if tensors * 33 > reader.size_bytes:  # a name of one character, one dimension, a type, an offset
        raise _Wrong(f"says that it has {tensors} tensors")
    return tensors, keys


def _read_key(reader: "_Reader", values: dict[str, Value], lengths: dict[str, int]) -> None:
    """Read one key and its value; keep it if it is a number, a text or a short list of numbers."""
    key = reader.string(_MAX_KEY_BYTES).decode("utf-8", "replace")
    if key in values or key in lengths:
        raise _Wrong(f"has the key `{_short(key)}` twice")
    kind = int(reader.number("I"))
    if kind in _NUMBERS:
        values[key] = reader.number(_NUMBERS[kind])
    elif kind == _STRING:
        values[key] = reader.string().decode("utf-8", "replace")
    elif kind == _ARRAY:
        _read_array(reader, key, values, lengths)
    else:
        raise _Wrong(f"has a value of the unknown type {kind} under `{_short(key)}`")


def _read_array(reader: "_Reader", key: str, values: dict[str, Value], lengths: dict[str, int]) -> None:
    kind, count = int(reader.number("I")), int(reader.number("Q"))
    if kind == _ARRAY:
        raise _Wrong(f"has a list of lists under `{_short(key)}`, which no loader reads")
    if kind != _STRING and kind not in _NUMBERS:
        raise _Wrong(f"has a list of the unknown type {kind} under `{_short(key)}`")
    least = 8 if kind == _STRING else struct.calcsize(_NUMBERS[kind])
    if count * least > reader.size_bytes:
        raise _Wrong(f"says that `{_short(key)}` holds {count} values, more than the file can")
    lengths[key] = count
    if count * least > len(reader.data) - reader.at:
        raise _Ended
    if kind == _STRING:
        reader.skip_strings(count)
    elif count <= MAX_LISTED:
        values[key] = reader.numbers(_NUMBERS[kind], count)
    else:
        reader.skip(count * least)


def _tensor(reader: "_Reader") -> Tensor:
    name = reader.string(_MAX_KEY_BYTES).decode("utf-8", "replace")
    dimensions = int(reader.number("I"))
    if dimensions > _MAX_DIMENSIONS:
        raise _Wrong(f"says that the tensor `{_short(name)}` has {dimensions} dimensions")
    weights = 1
    for size in reader.numbers("Q", dimensions):
        weights *= int(size)
    if weights > _MAX_WEIGHTS:
        raise _Wrong(f"says that the tensor `{_short(name)}` has {weights} weights")
    kind = int(reader.number("I"))
    reader.skip(8)  # its offset
    return Tensor(name, weights, kind)


class _Reader:
    """Little-endian values one after the other.

    Args:
        data: the first bytes of a file.
        size_bytes: size of the whole file.
    """

    def __init__(self, data: bytes, size_bytes: int) -> None:
        self.data = data
        self.size_bytes = size_bytes
        self.at = 0

    def skip(self, count: int) -> None:
        if self.at + count > self.size_bytes:
            raise _Wrong("says that something in it is longer than the file")
        if self.at + count > len(self.data):
            raise _Ended
        self.at += count

    def skip_strings(self, count: int) -> None:
        """Skip consecutive strings: a vocabulary has a hundred thousand."""
        data, at, end, length_at = self.data, self.at, len(self.data), _LENGTH.unpack_from
        read = 0
        while read < count and at + 8 <= end:
            at += 8 + length_at(data, at)[0]
            read += 1
        self.skip(at - self.at)
        if read < count:
            raise _Ended

    def number(self, kind: str) -> int | float | bool:
        return self.numbers(kind, 1)[0]

    def numbers(self, kind: str, count: int) -> tuple[int | float | bool, ...]:
        start = self.at
        self.skip(count * struct.calcsize(kind))
        return struct.unpack_from(f"<{count}{kind}", self.data, start)

    def string(self, most: int | None = None) -> bytes:
        length = int(self.number("Q"))
        if most is not None and length > most:
            raise _Wrong(f"has a name of {length} bytes")
        start = self.at
        self.skip(length)
        return self.data[start : self.at]


def _short(key: str) -> str:
    """A key as a message shows it."""
    return "".join(one if one.isprintable() else "?" for one in key[:60])
