"""llama.cpp's memory against what its own log said to its users: sizes in MiB, as printed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.memory.engine import Load
from quantpick.core.memory.estimate import estimate
from quantpick.core.memory.kv_cache import kv_cache_bytes
from quantpick.core.memory.llama_cpp import beside_the_buffers
from quantpick.core.memory.weights import weights_file_size
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape
from quantpick.core.units import MIB

LLAMA_3_8B = ModelShape(32, 4096, 32, 8, 128, 14336, 128256)
QWEN_25_7B = ModelShape(28, 3584, 28, 4, 128, 18944, 152064)
QWEN_35_9B = ModelShape(32, 4096, 16, 4, 256, 12288, 248320, num_state_layers=24, state_elements=24 * 548864)
"""24 of 32 layers are gated delta nets: 3 x (4096 + 2 x 16 x 128) + 128 x 4096 elements each."""
Q4_K_M = QuantSpec("gguf", 4, bpw=4.9, embedding_bits=4.5)


def buffer_mib(engine: str, shape: ModelShape, context: int, kv: float = 2.0, version: str | None = None) -> float:
    """The compute buffer: the scratch without what no log names."""
    found = estimate(
        Q4_K_M, shape, engine=engine, context_tokens=context, kv_bytes_per_element=kv, version=version
    ).scratch_bytes
    load = Load(quant=Q4_K_M, shape=shape, context_tokens=context, prompt_tokens=1, batch=1, kv_bytes_per_element=kv)
    return (found - beside_the_buffers(load)) / MIB


@pytest.mark.parametrize(
    ("shape", "context", "logged"),
    [(LLAMA_3_8B, 512, 258.50), (QWEN_25_7B, 65536, 304.00)],
)
def test_library_has_room_for_the_logits_of_a_micro_batch(shape: ModelShape, context: int, logged: float) -> None:
    assert buffer_mib("llama.cpp-library", shape, context) == pytest.approx(logged, rel=0.001)
    assert buffer_mib("llama.cpp", shape, context, version="2026.5") == pytest.approx(logged, rel=0.001)
    assert buffer_mib("llama.cpp", shape, context, version="0.3.36") == pytest.approx(logged, rel=0.001)
    assert buffer_mib("llama.cpp", shape, context, version="2026.7") < logged


@pytest.mark.parametrize(
    ("shape", "context", "kv", "logged"),
    [
        (LLAMA_3_8B, 8192, 2.0, 116.01),
        (LLAMA_3_8B, 131072, 2.0, 236.01),
        (LLAMA_3_8B, 131072, 1.0625, 672.09),
        (QWEN_25_7B, 32768, 2.0, 164.01),
    ],
)
def test_compute_buffer_of_the_server_is_what_the_log_says(
    shape: ModelShape, context: int, kv: float, logged: float
) -> None:
    assert buffer_mib("llama.cpp", shape, context, kv) == pytest.approx(logged, rel=0.001)


def test_weights_are_the_file_without_the_embedding() -> None:
    """Llama 3 8B Q4_K_M: CUDA0 4403.49 MiB, CPU 281.81 MiB; the file of 4,920,734,272 bytes has a header besides."""
    found = estimate(Q4_K_M, LLAMA_3_8B, engine="llama.cpp", context_tokens=512, weights_file_bytes=4_920_734_272)
    assert found.weights_bytes / MIB == pytest.approx(4403.49, rel=0.003)
    assert found.weights_bytes / MIB > 4403.49


@pytest.mark.parametrize(
    ("shape", "context", "per_element", "logged"),
    [(LLAMA_3_8B, 512, 2.0, 64.0), (LLAMA_3_8B, 2048, 2.0, 256.0), (QWEN_35_9B, 262144, 1.0625, 4352.0 + 50.25)],
)
def test_cache_and_states_are_what_the_log_says(
    shape: ModelShape, context: int, per_element: float, logged: float
) -> None:
    found = estimate(Q4_K_M, shape, engine="llama.cpp", context_tokens=context, kv_bytes_per_element=per_element)
    assert found.kv_cache_bytes / MIB == pytest.approx(logged, abs=0.01)


def test_sliding_layers_hold_their_window_and_one_micro_batch() -> None:
    """``llama_kv_cache_iswa``: n_swa + n_ubatch cells, in blocks of 256."""
    gemma = ModelShape(62, 5376, 32, 16, 128, 21504, 262208, True, sliding_window=1024, num_sliding_layers=52)
    found = estimate(Q4_K_M, gemma, engine="llama.cpp", context_tokens=32768)
    cell = 2 * 16 * 128 * 2
    assert found.kv_cache_bytes == cell * (10 * 32768 + 52 * 1536)
    assert kv_cache_bytes(gemma, 32768, 2.0) == cell * 62 * 32768


def test_tied_head_is_copied_to_the_gpu() -> None:
    tied = ModelShape(28, 3072, 24, 8, 128, 8192, 128256, tie_word_embeddings=True)
    found = estimate(Q4_K_M, tied, engine="llama.cpp", context_tokens=4096, weights_file_bytes=2 * 10**9)
    assert found.weights_bytes == 2 * 10**9


def test_file_size_of_bits_per_weight() -> None:
    """Llama 3.1 8B has 8,030,261,248 weights; llama.cpp's table says 4.8944 bits and 4.58 GiB for Q4_K_M."""
    size = weights_file_size(QuantSpec("gguf", 4, bpw=4.8944), LLAMA_3_8B)
    assert size / 2**30 == pytest.approx(4.58, abs=0.01)


@given(st.integers(1, 131072), st.integers(1, 131072))
def test_more_context_never_needs_less(one: int, other: int) -> None:
    less, more = sorted((one, other))
    needs = [estimate(Q4_K_M, LLAMA_3_8B, engine="llama.cpp", context_tokens=n).total_bytes for n in (less, more)]
    assert needs[0] <= needs[1]
