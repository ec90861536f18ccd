"""Headers of GGUF files: what the gguf package wrote is read, what anybody may have written is bounded."""

import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.gguf.header import BadHeader, GgufHeader, read_header
from quantpick.core.gguf.types import TENSOR_TYPES
from tests.fakes.gguf import LLAMA_8B, header, string

WRITTEN = Path(__file__).parents[2] / "fixtures" / "gguf" / "qwen3moe-tiny.gguf"
"""Header of a model of two blocks, written by the gguf package 0.19.0: the tensors' bytes are left out."""


def test_header_written_by_the_gguf_package_is_read_whole() -> None:
    found = read_header(WRITTEN.read_bytes(), 300_000)
    assert isinstance(found, GgufHeader)
    assert found.values["general.architecture"] == "qwen3moe"
    assert found.values["qwen3moe.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-6)
    assert found.values["tokenizer.ggml.add_bos_token"] is False
    assert found.lengths["tokenizer.ggml.tokens"] == 96
    assert found.tensors is not None
    types = {tensor.name: TENSOR_TYPES[tensor.type].name for tensor in found.tensors}
    assert types["blk.0.ffn_down_exps.weight"] == "Q6_K"
    assert types["token_embd.weight"] == "Q4_K"
    # Q4_K, Q6_K, IQ2_XXS, F32 and Q8_0: sizes as ggml counts them
    assert [tensor.size_bytes for tensor in found.tensors] == [13824, 215040, 16896, 1024, 26112]


def test_header_is_read_as_far_as_the_bytes_go() -> None:
    whole = WRITTEN.read_bytes()
    complete = read_header(whole, 300_000)
    assert isinstance(complete, GgufHeader)
    for end in range(24, len(whole), 7):
        part = read_header(whole[:end], 300_000)
        assert isinstance(part, GgufHeader), end
        assert part.tensors is None
        assert part.values.items() <= complete.values.items()
        assert part.lengths.items() <= complete.lengths.items()


def test_vocabulary_is_counted_though_its_words_are_not_there() -> None:
    whole = header(LLAMA_8B, vocabulary=128256)
    found = read_header(whole[:2000], len(whole))
    assert isinstance(found, GgufHeader)
    assert found.lengths == {"tokenizer.ggml.tokens": 128256}


def start(tensors: int = 0, keys: int = 1, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is not a GGUF file"),
        (b"<!doctype html>", "is not a GGUF file"),
        (b"GGUF" + struct.pack(">I", 3) + bytes(16), "big-endian"),
        (start(version=1), "version 1"),
        (start(version=2**31), "version 2147483648"),
        (start(keys=2**64 - 1), "18446744073709551615 keys"),
        (start(tensors=2**63), "9223372036854775808 tensors"),
        (start() + struct.pack("<Q", 2**40), "a name of 1099511627776 bytes"),
        (start() + string("k") + struct.pack("<I", 99), "a value of the unknown type 99"),
        (start() + string("k") + struct.pack("<IQ", 8, 2**62), "longer than the file"),
        (start() + string("k") + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 9, 1) * 50, "a list of lists"),
        (start() + string("k") + struct.pack("<IIQ", 9, 8, 2**60), "1152921504606846976 values, more than the file"),
        (start() + string("k") + struct.pack("<IIQ", 9, 77, 1), "a list of the unknown type 77"),
        (header({"a": 1}, tensors=[("t", [2**40, 2**40], 0)]), "weights"),
        (start(tensors=1, keys=0) + string("t") + struct.pack("<I", 2**32 - 1), "4294967295 dimensions"),
        (start(keys=2) + (string("k") + struct.pack("<II", 4, 1)) * 2, "the key `k` twice"),
        (start() + string("\x1b[31m") + struct.pack("<I", 99), "under `?[31m`"),
    ],
)
def test_hostile_header_is_one_clear_reason(data: bytes, why: str) -> None:
    found = read_header(data, 10**9)
    assert isinstance(found, BadHeader)
    assert why in found.reason
    assert found.reason.isprintable()


@given(st.binary(max_size=400), st.integers(0, 2**50))
def test_no_bytes_make_it_raise(data: bytes, size: int) -> None:
    for made in (data, start(3, 3) + data, WRITTEN.read_bytes()[:600] + data):
        found = read_header(made, size)
        assert isinstance(found, GgufHeader) or found.reason.isprintable()


@given(st.data())
def test_changed_bytes_never_make_it_raise(data: st.DataObject) -> None:
    changed = bytearray(WRITTEN.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    found = read_header(bytes(changed), 300_000)
    assert isinstance(found, GgufHeader | BadHeader)


def test_memory_stays_within_a_small_multiple_of_the_bytes() -> None:
    """The worst that 256 KiB can hold: nothing but lists of one-byte numbers, empty texts, tensors without a name."""
    lists = header({f"k{n}": [True] * 4000 for n in range(60)})
    texts = header({f"k{n}": "" for n in range(4096)})
    tensors = header({}, tensors=[("", [1], 0)] * 7000)
    for data in (lists, texts, tensors):
        tracemalloc.start()
        read_header(data[: 2**18], 2**40)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 16 * 2**18
