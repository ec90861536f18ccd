"""How far an estimate is trusted: by what was measured, and in which version."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from quantpick.core.loaders import read as loaders_module
from quantpick.core.loaders.read import parse_loaders
from quantpick.core.loaders.table import Loader
from quantpick.core.memory.engine import MEASURED_BAND, PUBLISHED_BAND, UNMEASURED_BAND
from quantpick.core.memory.engines import EARLIER, ENGINES, engine_at
from quantpick.core.shape import ModelShape

TABLE = parse_loaders(Path(loaders_module.__file__).with_name("loaders.toml").read_text(encoding="utf-8"))
VRAM = Path(__file__).resolve().parents[3] / "benchmarks" / "vram"
MEASURED = dict(json.loads(file.read_text())["loader"].split() for file in VRAM.glob("*_h?00.json"))
"""Each engine that was measured for quantpick, with its version."""

DENSE = ModelShape(32, 4096, 32, 8, 128, 14336, 32000)
MIXTURE = replace(DENSE, num_local_experts=8, num_experts_per_tok=2)


def series(name: str, version: str) -> tuple[int, ...]:
    """The releases that count as one: as many numbers of the version as the bounds around the measured one have."""
    bounds = [Version(before).release for before, _ in EARLIER.get(name, ())]
    return Version(version).release[: max((len(bound) for bound in bounds if bound < (100,)), default=2)]


def test_measured_band_is_that_of_the_versions_that_were_measured_and_of_no_others() -> None:
    assert {"exllamav2", "exllamav3", "transformers", "vllm"} <= MEASURED.keys()
    for name in ENGINES:
        bounds = [before for before, _ in EARLIER.get(name, ())]
        versions = {"0.0.1", *bounds, *(f"{bound}.9" for bound in bounds)}
        narrow = {one for one in versions if engine_at(name, one).band <= MEASURED_BAND}
        if name not in MEASURED:
            assert not narrow | ({name} if ENGINES[name].band <= MEASURED_BAND else set()), name
            continue
        measured = Version(MEASURED[name])
        assert engine_at(name, str(measured)).band == MEASURED_BAND
        assert {series(name, one) for one in narrow} <= {series(name, MEASURED[name])}


@pytest.mark.parametrize("name", sorted(MEASURED.keys() & ENGINES.keys()))
def test_newest_known_version_has_the_measured_band_only_where_it_was_measured(name: str) -> None:
    loader = TABLE.find(name)
    assert isinstance(loader, Loader)
    same = series(name, loader.newest) == series(name, MEASURED[name])
    assert (ENGINES[name].band == MEASURED_BAND) == same


def test_mixture_of_experts_is_trusted_less_where_dense_models_were_measured() -> None:
    assert engine_at("sglang", "0.5.17").band_for(DENSE) == MEASURED_BAND
    assert engine_at("sglang", "0.5.17").band_for(MIXTURE) == PUBLISHED_BAND
    assert engine_at("vllm", "0.26.0").band_for(MIXTURE) == MEASURED_BAND
    assert engine_at("transformers", "5.17.0").band_for(MIXTURE) == MEASURED_BAND
    for engine in ENGINES.values():
        assert engine.band_for(MIXTURE) >= engine.band_for(DENSE) == engine.band


def test_server_that_profiles_with_images_is_trusted_less_where_the_model_has_a_tower_for_them() -> None:
    seeing = replace(DENSE, has_images=True)
    assert engine_at("vllm", "0.26.0").band_for(seeing) == UNMEASURED_BAND
    assert engine_at("exllamav2", "0.3.2").band_for(seeing) == MEASURED_BAND


def test_vllm_budgets_the_graphs_of_what_its_first_runner_runs() -> None:
    engine = engine_at("vllm", "0.26.0")
    second = replace(MIXTURE, model_type="deepseek_v2")
    hybrid = replace(DENSE, num_state_layers=24, state_elements=2**20)
    assert [engine.budgets_graphs(one) for one in (DENSE, MIXTURE, second, hybrid)] == [False, True, False, True]
    assert not engine_at("vllm", "0.19.0").budgets_graphs(hybrid)
    assert engine_at("vllm", "0.21.0").budgets_graphs(DENSE)
