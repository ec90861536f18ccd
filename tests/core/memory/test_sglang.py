"""SGLang's memory: what counts into its fraction, and what must fit beside it."""

from dataclasses import replace

import pytest

from quantpick.core.memory.engine import Load, ServerSettings
from quantpick.core.memory.estimate import estimate
from quantpick.core.memory.sglang import flashinfer_workspace, sglang_graphs, sglang_settings
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape
from quantpick.core.units import GIB, MIB

LLAMA_8B = ModelShape(32, 4096, 32, 8, 128, 14336, 128256, model_type="llama")
AWQ = QuantSpec("awq", 4, 128)
SMALL = ServerSettings(max_num_batched_tokens=2048, max_num_seqs=24)


def load(settings: ServerSettings = SMALL, *, context: int = 8192, batch: int = 1) -> Load:
    return Load(
        quant=AWQ,
        shape=LLAMA_8B,
        context_tokens=context,
        prompt_tokens=context,
        batch=batch,
        kv_bytes_per_element=2.0,
        settings=settings,
    )


@pytest.mark.parametrize(
    ("gib", "chunk", "batch"),
    [(8, 2048, 8), (16, 2048, 8), (24, 2048, 24), (32, 2048, 24), (48, 4096, 32), (80, 8192, 256), (180, 16384, 512)],
)
def test_its_defaults_grow_with_the_gpu(gib: int, chunk: int, batch: int) -> None:
    assert sglang_settings(gib * GIB) == ServerSettings(max_num_batched_tokens=chunk, max_num_seqs=batch)


@pytest.mark.parametrize(
    ("settings", "measured_mib"),
    [
        (SMALL, 9230 - 8738 + 938 - 680),
        (replace(SMALL, max_num_seqs=8), 9238 - 8738 + 932 - 680),
        (ServerSettings(max_num_batched_tokens=8192, max_num_seqs=256), 10328 - 8738 + 1054 - 680),
        (replace(SMALL, enforce_eager=True), 9102 - 8738 + 748 - 680),
    ],
)
def test_what_lies_beside_its_fraction_is_what_was_measured(settings: ServerSettings, measured_mib: int) -> None:
    """An 8B with AWQ: reserved at the end less weights and cache, and what grew outside torch after the weights."""
    found = sglang_graphs(load(settings)) - flashinfer_workspace(LLAMA_8B)
    assert found / MIB == pytest.approx(measured_mib, rel=0.08)


def test_qwen_has_a_larger_workspace() -> None:
    assert flashinfer_workspace(LLAMA_8B) == 384 * MIB
    assert flashinfer_workspace(replace(LLAMA_8B, model_type="qwen3")) == 512 * MIB


def test_every_token_of_context_and_every_sequence_takes_its_place_in_the_table() -> None:
    more = sglang_graphs(load(context=16384)) - sglang_graphs(load())
    assert more == 8192 * 2048 * 4
    assert sglang_graphs(load(batch=6)) - sglang_graphs(load()) == 1024 * (8192 + 4) * 4
    assert sglang_graphs(load(batch=100)) == sglang_graphs(load(batch=8))


def test_beside_the_fraction_lies_all_but_weights_cache_and_the_context() -> None:
    need = estimate(AWQ, LLAMA_8B, engine="sglang", context_tokens=8192, settings=SMALL)
    inside = need.total_bytes - need.cuda_context_bytes - need.graph_bytes
    assert need.graph_bytes == sglang_graphs(load())
    assert need.weights_bytes + need.kv_cache_bytes < inside < 1.04 * (need.weights_bytes + need.kv_cache_bytes)
