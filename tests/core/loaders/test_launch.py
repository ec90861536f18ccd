"""The command that starts a loader, argument by argument."""

import re
import shlex
from pathlib import Path
from typing import Any, Final

import pytest

from quantpick import core
from quantpick.core.loaders.launch import PLACEHOLDERS, OnDisk, launch_argv
from quantpick.core.loaders.read import parse_loaders
from quantpick.core.loaders.table import Loader
from quantpick.core.loaders.versions import LoaderAt
from quantpick.core.quant import QuantSpec

TABLE: Final = parse_loaders((Path(core.__file__).parent / "loaders" / "loaders.toml").read_text(encoding="utf-8"))
HOSTILE: Final = "/models/a b'; $(touch x) {branch}"


def argv(name: str, *, path: str = "/m/x", hub_cache: str | None = None, **more: Any) -> tuple[str, ...]:
    known = TABLE.find(name)
    assert isinstance(known, Loader)
    placed = OnDisk(repo_id="o/n", branch="4.0bpw", path=path, hub_cache=hub_cache, files=more.pop("files", ()))
    chosen = LoaderAt(loader=known, extras=more.pop("extras", frozenset()))
    found = launch_argv(chosen, more.pop("quant", QuantSpec("gptq", 4, 128)), placed, context_tokens=4096, **more)
    assert found is not None
    return found


STARTING: Final = [known for known in TABLE.loaders if known.launch]


@pytest.mark.parametrize("known", STARTING, ids=lambda known: known.id)
def test_every_placeholder_of_the_table_is_known(known: Loader) -> None:
    parts = [*known.launch, *known.launch_from_cache]
    words = [word for part in parts for word in ((part,) if isinstance(part, str) else part)]
    assert {name for word in words for name in re.findall(r"{(.*?)}", word)} <= PLACEHOLDERS


@pytest.mark.parametrize("known", STARTING, ids=lambda known: known.id)
def test_a_path_stays_one_argument_whatever_is_in_it_and_nothing_in_it_is_filled_in(known: Loader) -> None:
    words = argv(known.id, path=HOSTILE)
    holding = [word for word in words if "touch x" in word]
    assert len(holding) == 1
    assert "{branch}" in holding[0]
    assert shlex.split(shlex.join(words)) == list(words)


@pytest.mark.parametrize("known", STARTING, ids=lambda known: known.id)
def test_a_command_for_a_folder_names_the_folder_and_one_for_the_cache_finds_it_there(known: Loader) -> None:
    assert any("/m" in word for word in argv(known.id))
    cached = argv(known.id, path="/c/models--o--n/snapshots/abc", hub_cache="/c")
    assert any("/c" in word for word in cached) or {"o/n", "4.0bpw"} <= set(cached)


@pytest.mark.parametrize(
    ("name", "kv_dtype", "words"),
    [
        ("vllm", "fp8", ["--kv-cache-dtype", "fp8"]),
        ("vllm", "FP8_E5M2", ["--kv-cache-dtype", "fp8_e5m2"]),
        ("sglang", "fp8_e4m3", ["--kv-cache-dtype", "fp8_e4m3"]),
        ("text-generation-webui", "q8_0", ["--cache-type", "q8_0"]),
        ("llama.cpp", "q8", ["-ctk", "q8_0", "-ctv", "q8_0"]),
        ("exllamav3", "q6", ["-cq", "6"]),
        ("exllamav3", "8,4", ["-cq", "8,4"]),
        ("exllamav3", "k4_v8", ["-cq", "4,8"]),
        ("exllamav2", "q4", ["-cq4"]),
        ("lmdeploy", "int8", ["--quant-policy", "8"]),
        ("koboldcpp", "q4_0", ["--quantkv", "2"]),
    ],
)
def test_the_cache_type_that_was_judged_is_the_one_that_is_started(name: str, kv_dtype: str, words: list[str]) -> None:
    assert list(argv(name, kv_dtype=kv_dtype)[-len(words) :]) == words
    assert argv(name) == argv(name, kv_dtype=kv_dtype)[: -len(words)]


@pytest.mark.parametrize(
    ("method", "kv_dtype", "word"),
    [
        ("gguf", "q8", "q8_0"),
        ("gguf", "q8_0", "q8_0"),
        ("gguf", "q4", "q4_0"),
        ("exl3", "q8", "q8"),
        ("exl3", "q6", "q6"),
    ],
)
def test_a_cache_type_is_called_as_the_loader_of_the_method_calls_it(method: str, kv_dtype: str, word: str) -> None:
    words = argv("text-generation-webui", quant=QuantSpec(method, 4), kv_dtype=kv_dtype)
    assert words[-2:] == ("--cache-type", word)


def test_an_option_without_a_value_is_left_out() -> None:
    assert "--quantize" in argv("tgi")
    assert "--quantize" not in argv("tgi", quant=QuantSpec("none", 16))


def test_llama_cpp_is_given_the_file_where_it_is_known() -> None:
    assert "/m/x/a-00001-of-2.gguf" in argv("llama.cpp", files=["README.md", "a-00002-of-2.gguf", "a-00001-of-2.gguf"])


@pytest.mark.parametrize("known", STARTING, ids=lambda known: known.id)
def test_a_file_that_is_the_model_is_named_whatever_the_loader_asks_for(known: Loader) -> None:
    words = argv(known.id, quant=QuantSpec("gguf", 4), files=["sub/a-Q4_K_M.gguf"])
    assert any("a-Q4_K_M.gguf" in word for word in words) or {"o/n", "4.0bpw"} & set(words)


def test_a_projector_is_named_where_one_was_fetched() -> None:
    known = TABLE.find("llama.cpp")
    assert isinstance(known, Loader)
    placed = OnDisk(repo_id="o/n", branch="main", path="/m/x", files=["a.gguf"], projector="mmproj-F16.gguf")
    words = launch_argv(LoaderAt(loader=known), QuantSpec("gguf", 4), placed, context_tokens=4096)
    assert words is not None
    assert list(words[:5]) == ["llama-server", "-m", "/m/x/a.gguf", "--mmproj", "/m/x/mmproj-F16.gguf"]
    assert "--mmproj" not in argv("llama.cpp", files=["a.gguf"])


def test_llama_cpp_is_given_a_slot_for_each_sequence_and_the_cache_of_all() -> None:
    words = argv("llama.cpp", files=["a.gguf"], batch=3)
    assert "-c 12288 -np 3" in " ".join(words)
    assert "-c 4096 -np 1" in " ".join(argv("llama.cpp", files=["a.gguf"]))


def test_a_loader_that_is_started_by_hand_has_no_command() -> None:
    known = TABLE.find("koboldai")
    assert isinstance(known, Loader)
    placed = OnDisk(repo_id="o/n", branch="main", path="/m/x")
    assert launch_argv(LoaderAt(loader=known), QuantSpec("gptq", 4, 128), placed, context_tokens=4096) is None


def test_what_a_loader_is_run_with_is_on_its_command_line() -> None:
    assert argv("vllm", extras=frozenset({"humming"}))[-2:] == ("--quantization", "humming")
