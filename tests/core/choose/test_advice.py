"""What helps where nothing fits, and where little more would make a better branch fit."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantpick.core.card.siblings import Sibling
from quantpick.core.choose.advice import advise, nothing_fits
from quantpick.core.choose.recommend import Advice, Recommendation, recommend
from quantpick.core.choose.wish import Headroom, Wish
from quantpick.core.gpu import Gpu, GpuProcess
from quantpick.core.loaders import table as loaders_module
from quantpick.core.loaders.read import parse_loaders
from quantpick.core.loaders.table import Loader, LoaderTable
from quantpick.core.loaders.versions import LoaderAt
from quantpick.core.memory.weights import weights_file_size
from quantpick.core.quant import Branch, QuantSpec
from quantpick.core.shape import ModelShape
from quantpick.core.units import GIB

TABLE: LoaderTable = parse_loaders(Path(loaders_module.__file__).with_name("loaders.toml").read_text(encoding="utf-8"))
LLAMA2_13B = ModelShape(40, 5120, 40, 40, 128, 13824, 32000)
QWEN25_14B = replace(ModelShape(48, 5120, 40, 8, 128, 13824, 152064), max_position_embeddings=131072)


def wish(name: str, **others: object) -> Wish:
    loader = TABLE.find(name)
    assert isinstance(loader, Loader)
    return replace(Wish(loader=LoaderAt(loader=loader), headroom=Headroom()), **others)  # type: ignore[arg-type]


def exl2(bpw: float, shape: ModelShape = LLAMA2_13B) -> Branch:
    quant = QuantSpec("exl2", bpw, head_bits=6, bpw=bpw)
    return Branch(
        name=f"{bpw:g}bpw",
        quant=quant,
        size_bytes=weights_file_size(quant, shape),
        shape=shape,
        model_type="llama",
        sources={"method": "card", "bits": "card", "head_bits": "card"},
    )


def gpu(gib: float, *processes: GpuProcess) -> Gpu:
    size = round(gib * GIB)
    held = sum(one.used_bytes or 0 for one in processes)
    return Gpu(
        index=0,
        name="GPU",
        total_bytes=size,
        free_bytes=size - held,
        compute_capability=8.9,
        used_bytes=held,
        processes=processes,
    )


def need_gib(branch: Branch, asked: Wish) -> float:
    fit = recommend([branch], [gpu(80)], asked, TABLE).choices[0].fit
    assert fit is not None
    return fit.estimate.total_bytes / GIB


def ask(branches: list[Branch], card: Gpu, asked: Wish) -> tuple[Recommendation, dict[str, Advice]]:
    answer = recommend(branches, [card], asked, TABLE)
    advice = advise(answer, TABLE)
    return replace(answer, advice=advice), {one.code: one for one in advice}


def test_smaller_cache_and_less_context_are_advised_and_do_what_they_say() -> None:
    asked = wish("exllamav2", context_tokens=8192)
    card = gpu(need_gib(exl2(4), asked) - 1.0)
    answer, advice = ask([exl2(4), exl2(6)], card, asked)
    assert answer.recommended is None
    kv_dtype = advice["kv-dtype"].options[-1]
    assert recommend([exl2(4)], [card], replace(asked, kv_dtype=kv_dtype), TABLE).recommended
    tokens = int(advice["context"].options[-1])
    assert recommend([exl2(4)], [card], replace(asked, context_tokens=tokens), TABLE).recommended
    assert not recommend([exl2(4)], [card], replace(asked, context_tokens=tokens + 256), TABLE).recommended
    line, hint = nothing_fits(answer)
    assert "the smallest, 4bpw, needs" in line
    assert hint.startswith("--kv-dtype")
    assert "instead of fp16 4bpw fits" in line


def test_sentence_says_that_the_cache_is_not_what_is_in_the_way() -> None:
    asked = wish("exllamav2")
    shape = replace(LLAMA2_13B, num_key_value_heads=8)
    answer, advice = ask([exl2(4, shape)], gpu(3), asked)
    assert "and the cache is only 0.62 GiB of it" in nothing_fits(answer)[0]
    assert "kv-dtype" not in advice
    assert "context" not in advice


@pytest.mark.parametrize(("gib", "size"), [(12, "14B"), (24, "32B"), (48, "70B")])
def test_largest_model_that_would_fit_is_named(gib: int, size: str) -> None:
    huge = ModelShape(126, 16384, 128, 8, 128, 53248, 128256)
    _, advice = ask([exl2(4, huge)], gpu(gib), wish("exllamav2"))
    assert f"a model of about {size} in 4 bits would fit" in advice["size"].message


def test_gguf_sibling_and_other_loaders_are_named() -> None:
    branch = replace(exl2(4), quant=QuantSpec("gptq", 4, 128, False, True), sources={"method": "card", "bits": "card"})
    answer = recommend([branch], [gpu(24)], wish("exllamav3"), TABLE)
    answer = replace(answer, siblings=(Sibling(repo_id="someone/model-GGUF", method="gguf", label="GGUF"),))
    advice = advise(answer, TABLE)
    assert [one.options[:1] for one in advice if one.code == "loader"] == [("--loader",), ("--loader",)]
    assert [one.message.partition(" ")[0] for one in advice if one.code == "sibling"] == ["someone/model-GGUF"]


def test_program_to_close_for_a_better_branch_is_named_and_only_as_many_as_it_takes() -> None:
    asked = wish("exllamav2")
    need = need_gib(exl2(6), asked)
    chrome = GpuProcess(pid=1, name="chrome", used_bytes=round(1.5 * GIB))
    xorg = GpuProcess(pid=2, name="Xorg", used_bytes=round(0.2 * GIB))
    answer, advice = ask([exl2(4), exl2(6)], gpu(need + 1.2, xorg, chrome), asked)
    assert answer.recommended is not None
    assert answer.recommended.branch.name == "4bpw"
    assert advice["free-vram"].message == "close chrome (1.50 GiB) and 6bpw fits"


def test_longer_context_with_a_smaller_cache_is_offered_where_the_model_was_made_for_it() -> None:
    answer, advice = ask([exl2(4, QWEN25_14B)], gpu(12), wish("exllamav2"))
    assert answer.recommended is not None
    assert answer.recommended.fit is not None
    offered = int(advice["kv-dtype"].options[-1])
    assert answer.recommended.fit.max_context_tokens < offered <= 131072


def test_nothing_is_advised_where_nothing_better_can_be_had() -> None:
    assert ask([exl2(4)], gpu(80), wish("exllamav2"))[1] == {}
