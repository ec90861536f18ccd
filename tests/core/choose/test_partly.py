"""What of a model goes to the GPU where not all of it fits."""

from dataclasses import replace

import pytest

from quantpick.core.choose.advice import advise
from quantpick.core.choose.partly import part_on_gpu
from quantpick.core.choose.recommend import Recommendation, recommend
from quantpick.core.choose.wish import Wish
from quantpick.core.gpu import Gpu
from quantpick.core.quant import Branch, FileSet, QuantSpec
from quantpick.core.shape import ModelShape
from quantpick.core.units import GIB
from quantpick.workflow.loader import choose_loader, loader_table

LLAMA_8B = ModelShape(32, 4096, 32, 8, 128, 14336, 128256)
QWEN3_30B = ModelShape(
    48, 2048, 32, 4, 128, 768, 151936, num_local_experts=128, num_experts_per_tok=8, max_position_embeddings=40960
)


def branch(shape: ModelShape, size_bytes: int, name: str = "Q4_K_M") -> Branch:
    quant = QuantSpec("gguf", 4, bpw=4.9, embedding_bits=4.5)
    return Branch(
        name=name, quant=quant, size_bytes=size_bytes, shape=shape, files=FileSet("main", name, (f"{name}.gguf",))
    )


def ask(*branches: Branch, gib: float, loader: str = "llama.cpp") -> Recommendation:
    gpu = Gpu(index=0, name="GPU", total_bytes=round(gib * GIB), free_bytes=round(gib * GIB), compute_capability=8.9)
    return recommend(branches, [gpu], Wish(loader=choose_loader(loader)), loader_table())


def test_layers_that_fit_are_counted_with_the_head() -> None:
    (choice,) = ask(branch(LLAMA_8B, 4_920_000_000), gib=4).choices
    part = part_on_gpu(choice)
    assert part is not None
    assert choice.fit is not None
    assert part.options[0] == "-ngl"
    layers = int(part.options[1]) - 1
    assert 0 < layers < 32
    need = choice.fit.estimate
    head = 128256 * 4096 * 4.9 / 8
    each = (need.weights_bytes - head + need.kv_cache_bytes) / 32
    matrices = 2 * 4096 * (4096 + 1024) + 3 * 4096 * 14336
    copied = (need.weights_bytes - head) / 32 * 4096 * 14336 / matrices
    beside = need.scratch_bytes + need.cuda_context_bytes + copied
    assert (beside + head + layers * each) * (1 + choice.fit.band) <= choice.fit.budget_bytes
    assert (beside + head + (layers + 1) * each) * (1 + choice.fit.band) > choice.fit.budget_bytes
    assert part.ram_bytes == pytest.approx((32 - layers) * each + 128256 * 4096 * 4.5 / 8, rel=0.001)


def test_larger_gpu_never_takes_fewer_layers() -> None:
    layers = []
    for gib in (1.5, 3.0, 3.5, 4.0, 4.5, 5.0):
        part = part_on_gpu(ask(branch(LLAMA_8B, 4_920_000_000), gib=gib).choices[0])
        layers.append(0 if part is None else int(part.options[1]))
    assert layers == sorted(layers)
    assert layers[-1] > layers[1] > 0


def test_experts_go_to_ram_before_layers_do() -> None:
    (choice,) = ask(branch(QWEN3_30B, 18_600_000_000), gib=12).choices
    part = part_on_gpu(choice)
    assert part is not None
    assert choice.fit is not None
    assert part.options[0] == "--n-cpu-moe"
    assert 0 < int(part.options[1]) <= 48
    kept = choice.fit.estimate.total_bytes - part.ram_bytes
    assert kept <= choice.fit.budget_bytes


def test_what_fits_or_is_not_llama_cpps_has_no_part() -> None:
    assert part_on_gpu(ask(branch(LLAMA_8B, 4_920_000_000), gib=24).choices[0]) is None
    gptq = Branch(name="main", quant=QuantSpec("gptq", 4, 128), size_bytes=5 * 10**9, shape=LLAMA_8B)
    assert part_on_gpu(ask(gptq, gib=2, loader="exllamav2").choices[0]) is None
    assert part_on_gpu(ask(branch(LLAMA_8B, 4_920_000_000), gib=0.5).choices[0]) is None


@pytest.mark.parametrize(
    ("loader", "words"),
    [
        ("llama.cpp", "llama.cpp's --fit on instead of -ngl 99 sees to it, as about -ngl {} would"),
        ("llama.cpp==2025.06.01", "slower: llama.cpp's -ngl {}"),
        ("koboldcpp", "koboldcpp's --gpulayers {}"),
        ("ik_llama.cpp", "ik_llama.cpp's -ngl {}"),
        ("ollama", "Ollama sees to it by itself"),
        ("textgen", "text-generation-webui sees to it by itself, as about --gpu-layers {} would"),
        ("lmstudio", "slower: {layers} layers on the GPU"),
    ],
)
def test_each_loader_is_told_in_its_own_words(loader: str, words: str) -> None:
    answer = ask(branch(LLAMA_8B, 4_920_000_000), gib=4, loader=loader)
    part = part_on_gpu(answer.choices[0])
    assert part is not None
    (advice,) = [one for one in advise(answer, loader_table()) if one.code == "part-in-ram"]
    assert advice.message.endswith(words.format(part.options[1], layers=int(part.options[1]) - 1))


@pytest.mark.parametrize(("ram_gib", "said"), [(None, True), (64, True), (0.5, False)])
def test_advice_counts_the_free_ram(ram_gib: float | None, said: bool) -> None:
    answer = ask(branch(LLAMA_8B, 4_920_000_000), gib=4)
    answer = replace(answer, ram_free_bytes=None if ram_gib is None else round(ram_gib * GIB))
    advice = [one for one in advise(answer, loader_table()) if one.code == "part-in-ram"]
    assert bool(advice) == said
    assert not advice or "slower" in advice[0].message
    assert not advice or "-ngl" in advice[0].message
