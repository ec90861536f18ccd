"""The estimate beside everything that was measured and published, as `make bench` prints it."""

import runpy
from pathlib import Path
from statistics import median
from typing import Any

import pytest

BENCH: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[3] / "benchmarks" / "vram_accuracy.py"))
OWN: list[Any] = BENCH["own_points"]()

PROMISED = {
    "exllamav2, peak allocated": (-0.01, 0.04),
    "exllamav2, smallest that runs": (-0.01, 0.08),
    "exllamav3, peak allocated": (-0.01, 0.02),
    "exllamav3, smallest that runs": (-0.01, 0.08),
    "llama.cpp, server": (-0.01, 0.02),
    "sglang, weights and cache": (-0.01, 0.03),
    "sglang, all of it": (-0.01, 0.02),
    "transformers, peak allocated": (-0.04, 0.03),
    "transformers, families, peak allocated": (-0.045, 0.06),
    "vllm, h100, budget": (-0.02, 0.03),
    "vllm, h100, cache": (-0.01, 0.01),
    "vllm, h100, with CUDA graphs": (-0.01, 0.06),
    "vllm, h200, budget": (-0.02, 0.04),
    "vllm, h200, cache": (-0.01, 0.02),
    "vllm, h200, with CUDA graphs": (-0.035, 0.04),
}
"""How far under and over each kind of own measurement the estimate may lie, as shares."""


@pytest.mark.parametrize("point", [pytest.param(one, id=f"{one.row[0]}-{one.label}") for one in OWN])
def test_what_was_measured_here_is_met(point: Any) -> None:
    under, over = PROMISED.get(point.row[0], (-0.02, 0.06))
    assert under <= point.error <= over
    assert point.estimated > point.failed, "a memory in which it did not run"


def test_buffers_that_llama_cpp_names_are_met() -> None:
    points = list(BENCH["llama_cpp_buffers"]())
    assert len(points) > 250
    assert min(point.error for point in points) >= -0.01
    assert max(point.error for point in points) <= 0.03


def shares(points: list[Any]) -> tuple[float, float, float]:
    """The median error, and the shares that lie more than 3 % under and more than 8 % over."""
    errors = [point.error for point in points]
    low, high = (sum(far) / len(errors) for far in ([e < -0.03 for e in errors], [e > 0.08 for e in errors]))
    return median(map(abs, errors)), low, high


def test_estimate_is_as_near_to_what_was_measured_here_as_the_documentation_says() -> None:
    middle, low, _ = shares(OWN)
    assert middle <= 0.005
    assert low <= 0.015


def test_estimate_is_as_near_to_what_others_published_as_the_documentation_says() -> None:
    counted, plenty = list(BENCH["public_points"](plenty=False)), list(BENCH["public_points"](plenty=True))
    middle, low, high = shares(counted)
    assert len(counted) >= 295
    assert middle <= 0.02
    assert low <= 0.08
    assert high <= 0.08
    assert shares(counted + plenty)[1] <= 0.10
