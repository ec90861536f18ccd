"""The laws of the choice, asked about machines nobody owns."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantpick.core.choose.recommend import Recommendation, recommend
from quantpick.core.choose.wish import Headroom, Prefer, Wish
from quantpick.core.gpu import Gpu
from quantpick.core.loaders import table as loaders_module
from quantpick.core.loaders.read import parse_loaders
from quantpick.core.loaders.table import Loader, LoaderTable
from quantpick.core.loaders.versions import LoaderAt, UnknownVersion, at_version
from quantpick.core.memory.cuda_context import cuda_context_bytes
from quantpick.core.memory.engine import (
    CUDA_CONTEXT_BYTES,
    MEASURED_BAND,
    PUBLISHED_BAND,
    UNMEASURED_BAND,
    ServerSettings,
)
from quantpick.core.memory.weights import weights_file_size
from quantpick.core.methods import Method
from quantpick.core.quant import Branch, FileSet, Home, Quality, QuantSpec
from quantpick.core.shape import ModelShape
from quantpick.core.units import GIB

TABLE: LoaderTable = parse_loaders(Path(loaders_module.__file__).with_name("loaders.toml").read_text(encoding="utf-8"))
CODELLAMA_34B = ModelShape(48, 8192, 64, 8, 128, 22016, 32000)
LLAMA2_13B = ModelShape(40, 5120, 40, 40, 128, 13824, 32000)
NOTHING = Headroom()


def loader(name: str) -> Loader:
    found = TABLE.find(name)
    assert isinstance(found, Loader)
    return found


def wish(name: str | None = None, version: str | None = None, **others: object) -> Wish:
    chosen = None if name is None else at_version(loader(name), version)
    assert not isinstance(chosen, UnknownVersion)
    return replace(Wish(loader=chosen), **others)  # type: ignore[arg-type]


def gptq(
    bits: float,
    group: int | None,
    act: bool | None = True,
    *,
    shape: ModelShape = CODELLAMA_34B,
    method: Method = "gptq",
) -> Branch:
    quant = QuantSpec(method, bits, group, act)
    return Branch(
        name=f"{method}-{bits}bit-{group or -1}g-actorder_{act}",
        quant=quant,
        size_bytes=weights_file_size(quant, shape),
        shape=shape,
        model_type="llama",
        sources={"method": "card", "bits": "card", "group_size": "card", "desc_act": "card"},
    )


def gpu(gib: float, index: int = 0, capability: float | None = 8.9) -> Gpu:
    size = round(gib * GIB)
    return Gpu(index=index, name="GPU", total_bytes=size, free_bytes=size, compute_capability=capability)


REPO = [gptq(4, None), gptq(4, 128), gptq(4, 32), gptq(3, 128), gptq(8, None), gptq(3, 32), gptq(8, 128)]


def best(answer: Recommendation) -> str | None:
    return answer.recommended.branch.name if answer.recommended else None


def codes(answer: Recommendation, name: str) -> list[str]:
    (choice,) = [choice for choice in answer.choices if choice.branch.name == name]
    return [reason.code for reason in choice.reasons]


@pytest.mark.parametrize(
    ("gib", "name", "version", "expected"),
    [
        (24, "exllama", None, "gptq-4bit-32g-actorder_True"),
        (24, "exllamav2", None, "gptq-4bit-32g-actorder_True"),
        (16, "exllama", None, None),
        (24, "vllm", None, "gptq-4bit--1g-actorder_True"),
        (24, "vllm", "0.29.0", "gptq-4bit-32g-actorder_True"),
        (48, "gptqmodel", None, "gptq-8bit-128g-actorder_True"),
        (48, "exllama", None, "gptq-4bit-32g-actorder_True"),
        (80, "lmdeploy", None, None),
        (80, "exllamav3", None, None),
        (80, "tabbyapi", None, None),
        (80, "tabbyapi", "2026-07-01", "gptq-4bit-32g-actorder_True"),
    ],
)
def test_pick_for_gpu_and_loader(gib: float, name: str, version: str | None, expected: str | None) -> None:
    assert best(recommend(REPO, [gpu(gib)], wish(name, version), TABLE)) == expected


def test_branch_larger_than_every_gpu_is_rejected_with_both_numbers() -> None:
    answer = recommend([gptq(4, 32)], [gpu(16)], wish("exllama", headroom=NOTHING), TABLE)
    (reason,) = answer.choices[0].reasons
    assert reason.code == "vram"
    assert "16.00 GiB" in reason.message
    fit = answer.choices[0].fit
    assert fit is not None
    assert f"{fit.estimate.total_bytes / GIB:.2f} GiB" in reason.message


def test_branch_without_size_and_bits_is_rejected_for_its_unknown_size() -> None:
    unknown = replace(gptq(4, 32), quant=QuantSpec("gptq", None), size_bytes=None, sources={"method": "card"})
    assert codes(recommend([unknown], [gpu(80)], wish("gptqmodel"), TABLE), unknown.name) == ["unknown-size"]
    shapeless = replace(gptq(4, 32), shape=None)
    assert codes(recommend([shapeless], [gpu(80)], wish("gptqmodel"), TABLE), shapeless.name) == ["unknown-size"]


def test_every_reason_is_told_at_once() -> None:
    answer = recommend([gptq(8, 128)], [gpu(16, capability=5.0)], wish("exllamav2"), TABLE)
    assert codes(answer, answer.choices[0].branch.name) == ["bits", "compute-capability", "vram"]


def test_act_order_without_a_group_loads_where_act_order_with_one_does_not() -> None:
    answer = recommend([gptq(4, None), gptq(4, 128)], [gpu(80)], wish("vllm"), TABLE)
    assert best(answer) == "gptq-4bit--1g-actorder_True"
    assert codes(answer, "gptq-4bit-128g-actorder_True") == ["act-order"]


def test_quality_orders_bits_then_group_then_act_order() -> None:
    branches = [gptq(4, group, act) for group in (None, 128, 64, 32) for act in (False, True)] + [
        gptq(3, 32),
        gptq(8, None),
    ]
    answer = recommend(branches, [gpu(1000)], wish("gptqmodel"), TABLE)
    assert [choice.branch.name for choice in answer.choices] == [
        "gptq-8bit--1g-actorder_True",
        *(f"gptq-4bit-{group}g-actorder_{act}" for group in (32, 64, 128, -1) for act in (True, False)),
        "gptq-3bit-32g-actorder_True",
    ]


def test_speed_takes_the_smallest_of_at_least_four_bits_and_goes_below_only_when_it_must() -> None:
    ample = recommend(REPO, [gpu(48)], wish("gptqmodel", prefer="speed"), TABLE)
    assert best(ample) == "gptq-4bit--1g-actorder_True"
    tight = recommend(REPO, [gpu(17.6)], wish("gptqmodel", prefer="speed", context_tokens=512), TABLE)
    assert best(tight) == "gptq-3bit-32g-actorder_True"


def test_context_takes_what_leaves_the_most_room() -> None:
    answer = recommend(REPO, [gpu(48)], wish("gptqmodel", prefer="context"), TABLE)
    assert best(answer) == "gptq-3bit-128g-actorder_True"


def test_layer_split_adds_up_unequal_gpus_and_tensor_parallel_takes_equal_shares() -> None:
    unequal = [gpu(24, 0), gpu(12, 1)]
    layers = recommend([gptq(8, None)], [gpu(32, 0), gpu(12, 1)], wish("gptqmodel", context_tokens=512), TABLE)
    assert layers.choices[0].fits
    assert layers.choices[0].fit is not None
    assert layers.choices[0].fit.gpus_used == 2
    plain = gptq(8, 128, False)
    tensor = recommend([plain], [gpu(32, 0), gpu(12, 1)], wish("vllm", context_tokens=512), TABLE)
    assert codes(tensor, plain.name) == ["vram"]
    assert recommend([plain], [gpu(24, 0), gpu(24, 1)], wish("vllm", context_tokens=512), TABLE).recommended
    assert best(recommend([gptq(4, None)], unequal, wish("vllm"), TABLE)) == "gptq-4bit--1g-actorder_True"


def test_context_of_several_gpus_is_that_of_the_card_that_needs_most_of_it() -> None:
    large, many = gpu(12, 0), gpu(10, 1)  # 28 and 70 multiprocessors
    machine = [replace(large, name="RTX 3060"), replace(many, name="RTX 3080")]
    answer = recommend([gptq(4, 128, False)], machine, wish("exllamav2", context_tokens=512), TABLE)
    fit = answer.choices[0].fit
    assert fit is not None
    assert fit.gpus_used == 2
    assert fit.estimate.cuda_context_bytes == 2 * cuda_context_bytes(CUDA_CONTEXT_BYTES, machine[1])


def test_layer_is_not_cut_where_layers_are_dealt_out_to_gpus() -> None:
    # Three layers of 1.88 GB in 16 bits: on each GPU there is room for one and a half beside scratch and CUDA.
    wide = ModelShape(3, 8192, 64, 64, 128, 27_000, 1000)
    branch = gptq(16, None, False, shape=wide, method="none")
    asked = wish("transformers", context_tokens=64, headroom=NOTHING)
    alone = recommend([branch], [gpu(80)], asked, TABLE).choices[0].fit
    assert alone is not None
    beside = alone.estimate.scratch_bytes + alone.estimate.cuda_context_bytes
    layer = (alone.estimate.weights_bytes + alone.estimate.kv_cache_bytes) / 3

    def fits(*layers: float) -> bool:
        machine = [gpu((beside + one * layer) / GIB, index) for index, one in enumerate(layers)]
        return recommend([branch], machine, asked, TABLE).choices[0].fits

    assert not fits(1.6, 1.6)
    assert fits(2.1, 1.1)
    assert fits(1.2, 1.2, 1.2)


def test_tensor_parallel_uses_only_as_many_gpus_as_divide_the_heads() -> None:
    three = [gpu(14, index) for index in range(3)]
    answer = recommend([gptq(8, 128, False)], three, wish("vllm", context_tokens=512), TABLE)
    assert not answer.choices[0].fits
    assert answer.choices[0].fit is not None
    assert answer.choices[0].fit.gpus_used == 2


def test_server_that_is_told_nothing_may_not_use_more_than_its_fraction_of_the_total() -> None:
    tgi = loader("tgi")
    takes = replace(tgi, memory_fractions=(replace(tgi.memory_fractions[0], value=0.85),))
    asked = replace(wish(headroom=NOTHING), loader=LoaderAt(loader=takes))
    answer = recommend([gptq(4, None)], [gpu(24)], asked, TABLE)
    assert answer.choices[0].fit is not None
    assert answer.choices[0].fit.budget_bytes == round(0.85 * 24 * GIB)


@pytest.mark.parametrize(("gib", "busy_gib"), [(24, 0), (24, 1.5), (21.5, 0), (80, 40)])
def test_sglang_is_told_a_part_of_what_is_free_that_holds_weights_and_cache_and_leaves_the_rest(
    gib: float, busy_gib: float
) -> None:
    machine = replace(gpu(gib), free_bytes=round((gib - busy_gib) * GIB))
    (choice,) = recommend([gptq(4, None, False)], [machine], wish("sglang", headroom=NOTHING), TABLE).choices
    assert choice.fits
    assert choice.fit is not None
    assert choice.fit.utilization is not None
    need, settings = choice.fit.estimate, choice.fit.settings
    assert settings is not None
    assert settings.max_num_batched_tokens == (8192 if gib == 80 else 2048)
    free = machine.free_bytes - need.cuda_context_bytes
    inside = need.total_bytes - need.graph_bytes - need.cuda_context_bytes
    assert inside <= choice.fit.utilization * free <= free - need.graph_bytes


def test_sglang_that_has_no_room_for_its_graphs_does_not_fit() -> None:
    asked = wish("sglang", headroom=NOTHING)
    fit = recommend([gptq(4, None, False)], [gpu(24)], asked, TABLE).choices[0].fit
    assert fit is not None
    small = gpu((fit.estimate.total_bytes - fit.estimate.graph_bytes // 2) / GIB)
    assert not recommend([gptq(4, None, False)], [small], asked, TABLE).choices[0].fits


@pytest.mark.parametrize(
    ("gib", "busy_gib", "settings", "utilization"),
    [
        (24, 0, ServerSettings(), (0.92, 0.92)),
        (80, 0, ServerSettings(max_num_batched_tokens=8192, max_num_seqs=1024), (0.92, 0.92)),
        (24, 3, ServerSettings(), (0.8, 0.87)),
        (20, 0, ServerSettings(), (0.9, 0.97)),
        (19.0, 0, ServerSettings(max_num_seqs=16, enforce_eager=True), (0.92, 0.98)),
        (18.7, 0, ServerSettings(max_num_seqs=16), (0.94, 0.98)),
        (18.5, 0, ServerSettings(max_num_seqs=16, enforce_eager=True), (0.94, 0.98)),
    ],
    ids=str,
)
def test_server_is_started_with_the_largest_settings_that_fit(
    gib: float, busy_gib: float, settings: ServerSettings, utilization: tuple[float, float]
) -> None:
    card = gpu(gib)
    busy = replace(card, free_bytes=card.total_bytes - round(busy_gib * GIB))
    (choice,) = recommend([gptq(4, None, False)], [busy], wish("vllm", "0.26.0", headroom=NOTHING), TABLE).choices
    assert choice.fit is not None
    assert choice.fits
    assert choice.fit.settings == settings
    assert choice.fit.utilization is not None
    assert utilization[0] <= choice.fit.utilization <= utilization[1]
    need, taken = choice.fit.estimate, choice.fit.utilization * card.total_bytes
    beside = need.graph_bytes + need.cuda_context_bytes
    assert need.total_bytes - beside <= taken <= busy.free_bytes - beside


@pytest.mark.parametrize(
    ("name", "version", "band"),
    [
        ("vllm", "0.26.0", MEASURED_BAND),
        ("vllm", None, PUBLISHED_BAND),
        ("vllm", "0.9.2", UNMEASURED_BAND),
        ("aphrodite", None, UNMEASURED_BAND),
        ("tensorrt-llm", None, UNMEASURED_BAND),
        ("exllamav2", None, MEASURED_BAND),
        ("tabbyapi", None, MEASURED_BAND),
        ("exllamav2", "0.0.21", PUBLISHED_BAND),
    ],
)
def test_promise_is_as_wide_as_the_measurement_allows(name: str, version: str | None, band: float) -> None:
    (choice,) = recommend([gptq(4, 128, False)], [gpu(48)], wish(name, version), TABLE).choices
    assert choice.fit is not None
    assert choice.fit.band == band


def test_branch_that_fits_tightly_ranks_behind_those_that_surely_fit_unless_it_is_allowed() -> None:
    large, small = gptq(8, None, False), gptq(4, 128, False)
    asked = wish("tgi", headroom=NOTHING)
    need = recommend([large], [gpu(80)], asked, TABLE).choices[0].fit
    assert need is not None
    machine = [gpu((need.estimate.total_bytes + 2 * 10**7) / GIB)]
    answer = recommend([large, small], machine, asked, TABLE)
    assert [(one.branch.name, one.verdict) for one in answer.choices] == [
        (small.name, "fits"),
        (large.name, "tight"),
    ]
    assert not [warning for warning in answer.choices[0].warnings if warning.code == "tight"]
    assert "tight" in {warning.code for warning in answer.choices[1].warnings}
    allowed = recommend([large, small], machine, replace(asked, allow_tight=True), TABLE)
    assert best(allowed) == large.name
    assert [one.rank for one in allowed.choices] == [1, 2]


def test_branch_that_alone_fits_and_tightly_is_recommended_with_a_warning() -> None:
    asked = wish("exllamav2", headroom=NOTHING)
    need = recommend([gptq(4, 128)], [gpu(80)], asked, TABLE).choices[0].fit
    assert need is not None
    answer = recommend([gptq(4, 128)], [gpu(need.estimate.total_bytes / GIB + 0.01)], asked, TABLE)
    assert answer.recommended is not None
    assert answer.recommended.verdict == "tight"
    assert "tight" in {warning.code for warning in answer.warnings}


def test_metric_of_the_card_ranks_where_every_fitting_branch_has_it_against_the_same() -> None:
    plain, optimized = gptq(4, 32), gptq(4, 128)
    quality = {plain.name: Quality(0.4, "bf16"), optimized.name: Quality(0.297, "bf16")}
    measured = [replace(one, quality={"kl_divergence": quality[one.name]}) for one in (plain, optimized)]
    answer = recommend([*measured, gptq(8, 32)], [gpu(24)], wish("exllamav2"), TABLE)
    assert best(answer) == optimized.name
    assert answer.ranked_by == "kl_divergence"
    other = replace(measured[0], quality={"kl_divergence": Quality(0.4, "fp16")})
    for unlike in (other, plain):
        by_bits = recommend([unlike, measured[1]], [gpu(24)], wish("exllamav2"), TABLE)
        assert (best(by_bits), by_bits.ranked_by) == (plain.name, None)
    more_is_better = [
        replace(one, quality={"top_1": Quality(value)}) for one, value in ((plain, 0.8), (optimized, 0.9))
    ]
    assert best(recommend(more_is_better, [gpu(24)], wish("exllamav2"), TABLE)) == optimized.name


def test_memory_that_others_hold_counts_unless_the_total_was_asked_for() -> None:
    busy = [replace(gpu(24), free_bytes=12 * GIB)]
    assert best(recommend(REPO, busy, wish("exllamav2"), TABLE)) is None
    assert best(recommend(REPO, busy, wish("exllamav2", vram_basis="total"), TABLE)) == "gptq-4bit-32g-actorder_True"


def test_size_that_cannot_be_true_is_replaced_by_the_computed_one_and_told() -> None:
    wrong = replace(gptq(8, 128), size_bytes=5_740_000_000, shape_is_sure=True)
    answer = recommend([wrong], [gpu(24)], wish("gptqmodel"), TABLE)
    assert codes(answer, wrong.name) == ["vram"]
    assert [warning.code for warning in answer.choices[0].warnings if warning.code == "implausible-size"]


def test_size_is_believed_where_the_shape_is_only_guessed() -> None:
    small = replace(gptq(8, 128), size_bytes=5_740_000_000)
    assert recommend([small], [gpu(24)], wish("gptqmodel"), TABLE).recommended is not None


def test_without_a_loader_a_maintained_one_is_assumed_and_named() -> None:
    answer = recommend(REPO, [gpu(48)], wish(), TABLE)
    assert answer.recommended is not None
    assert answer.recommended.loader.loader.status == "active"
    exl2 = Branch(
        name="4.0bpw",
        quant=QuantSpec("exl2", 4.0),
        shape=LLAMA2_13B,
        sources={"method": "card", "bits": "name"},
    )
    only_maintenance = recommend([exl2], [gpu(24)], wish(), TABLE)
    assert only_maintenance.recommended is not None
    assert only_maintenance.recommended.loader.loader.id == "exllamav2"


def test_cache_type_the_loader_lacks_is_a_reason() -> None:
    assert codes(recommend([gptq(4, 32)], [gpu(80)], wish("gptqmodel", kv_dtype="q4"), TABLE), gptq(4, 32).name) == [
        "kv-dtype"
    ]


bits_and_groups = st.tuples(st.sampled_from([2, 3, 4, 8]), st.sampled_from([None, 32, 64, 128]), st.booleans())
repos = st.lists(bits_and_groups, min_size=1, max_size=6, unique=True).map(
    lambda specs: [gptq(bits, group, act) for bits, group, act in specs]
)
machines = st.lists(st.sampled_from([8, 12, 16, 24, 32, 48, 80]), min_size=1, max_size=3).map(
    lambda sizes: [gpu(size, index) for index, size in enumerate(sizes)]
)
loader_names = st.sampled_from([one.id for one in TABLE.loaders] + [None])
prefers = st.sampled_from(["quality", "speed", "context"])


@settings(max_examples=60, deadline=None)
@given(repos, machines, loader_names, prefers, st.randoms())
def test_order_of_the_input_never_changes_the_answer(
    branches: list[Branch], gpus: Sequence[Gpu], name: str | None, prefer: Prefer, random: object
) -> None:
    asked = wish(name, prefer=prefer)
    shuffled = list(branches)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert recommend(branches, gpus, asked, TABLE) == recommend(shuffled, gpus, asked, TABLE)


@settings(max_examples=60, deadline=None)
@given(repos, machines, loader_names, prefers)
def test_every_branch_is_ranked_or_rejected_once(
    branches: list[Branch], gpus: Sequence[Gpu], name: str | None, prefer: Prefer
) -> None:
    answer = recommend(branches, gpus, wish(name, prefer=prefer), TABLE)
    assert sorted(choice.branch.name for choice in answer.choices) == sorted(branch.name for branch in branches)
    ranks = [choice.rank for choice in answer.choices if choice.fits]
    assert ranks == list(range(1, len(ranks) + 1))
    assert all((choice.rank is None) == bool(choice.reasons) for choice in answer.choices)


@settings(max_examples=60, deadline=None)
@given(repos, machines, loader_names, st.integers(0, 2), st.integers(1, 64))
def test_a_bigger_gpu_never_loses_a_fit(
    branches: list[Branch], gpus: list[Gpu], name: str | None, which: int, more: int
) -> None:
    at = which % len(gpus)
    grown = replace(
        gpus[at], total_bytes=gpus[at].total_bytes + more * GIB, free_bytes=gpus[at].free_bytes + more * GIB
    )
    bigger = [*gpus[:at], grown, *gpus[at + 1 :]]
    asked = wish(name)
    fits = {choice.branch.name for choice in recommend(branches, gpus, asked, TABLE).choices if choice.fits}
    assert fits <= {choice.branch.name for choice in recommend(branches, bigger, asked, TABLE).choices if choice.fits}


@settings(max_examples=60, deadline=None)
@given(repos, machines, loader_names, st.integers(1, 100_000), st.integers(0, 100_000))
def test_more_context_never_needs_less_memory(
    branches: list[Branch], gpus: list[Gpu], name: str | None, context: int, more: int
) -> None:
    asked = wish(name or "gptqmodel", context_tokens=context)
    less = {choice.branch.name: choice for choice in recommend(branches, gpus, asked, TABLE).choices}
    asked = replace(asked, context_tokens=context + more)
    for choice in recommend(branches, gpus, asked, TABLE).choices:
        before = less[choice.branch.name]
        assert not (choice.fits and not before.fits)


@settings(max_examples=40, deadline=None)
@given(repos, machines, loader_names)
def test_largest_context_fits_and_one_token_more_does_not(
    branches: list[Branch], gpus: list[Gpu], name: str | None
) -> None:
    for choice in recommend(branches, gpus, wish(name or "exllamav2"), TABLE).choices:
        assert choice.fit is not None
        longest = choice.fit.max_context_tokens

        def too_large(tokens: int, one: Branch = choice.branch) -> bool:
            asked = wish(name or "exllamav2", context_tokens=tokens)
            return "vram" in codes(recommend([one], gpus, asked, TABLE), one.name)

        if longest > 0:
            assert not too_large(longest)
        if longest < 2**20:
            assert too_large(longest + 1)


def test_ranking_across_formats_says_what_it_rests_on() -> None:
    rows = [gptq(4, 128), gptq(4, 128, None, method="awq")]

    def said(*branches: Branch, **others: object) -> set[str]:
        answer = recommend(branches, [gpu(48)], wish("vllm", "0.29.0", **others), TABLE)
        assert all(choice.fits for choice in answer.choices)
        return {warning.code for warning in answer.warnings} & {"across-formats"}

    measured = [replace(row, quality={"perplexity": Quality(at, "wikitext2")}) for at, row in enumerate(rows)]
    assert said(*rows) == {"across-formats"}
    assert said(*rows, prefer="speed") == said(*measured) == said(rows[0]) == set()


def test_of_equal_rows_the_repo_that_was_asked_about_comes_first() -> None:
    rows = [
        replace(gptq(4, 32), name=f"{repo}:main", home=Home(repo, "main", True, place))
        for place, repo in enumerate(("z/F-GPTQ", "a/F-GPTQ", "m/F-GPTQ"))
    ]
    answer = recommend(reversed(rows), [gpu(48)], wish("exllama"), TABLE)
    assert [choice.branch.repo_id(None) for choice in answer.choices] == ["z/F-GPTQ", "a/F-GPTQ", "m/F-GPTQ"]


def gguf(name: str, bpw: float, loss: float | None, *, shape: ModelShape = LLAMA2_13B) -> Branch:
    quant = QuantSpec("gguf", round(bpw), bpw=bpw)
    files = FileSet("main", name, (f"F-{name}.gguf",), file_type=name)
    size_bytes = weights_file_size(quant, shape)
    return Branch(name=name, quant=quant, size_bytes=size_bytes, shape=shape, files=files, type_loss=loss)


def ranking(*rows: Branch, prefer: Prefer = "quality") -> list[str]:
    answer = recommend(rows, [gpu(80)], wish("llama.cpp", prefer=prefer), TABLE)
    return [choice.branch.name for choice in answer.choices if choice.fits]


def test_gguf_types_of_near_bits_are_ranked_by_what_they_lose() -> None:
    rows = [
        gguf("Q4_1", 5.11, 0.0717),
        gguf("IQ4_XS", 4.46, 0.0363),
        gguf("Q3_K_L", 4.30, 0.0731),
        gguf("X_L", 4.9, None),
    ]
    assert ranking(*rows) == ["X_L", "IQ4_XS", "Q4_1", "Q3_K_L"]
    assert ranking(*reversed(rows)) == ranking(*rows)
    answer = recommend(rows[:3], [gpu(80)], wish("llama.cpp"), TABLE)
    (warning,) = [one for one in answer.warnings if one.code == "by-type"]
    assert (warning.branch, "before Q4_1" in warning.message) == ("IQ4_XS", True)
    assert "by-type" not in {one.code for one in recommend(rows, [gpu(80)], wish("llama.cpp"), TABLE).warnings}
    assert ranking(*rows, prefer="context") == ["Q3_K_L", "IQ4_XS", "X_L", "Q4_1"]


def test_losses_order_the_types_of_one_model_and_never_two_models() -> None:
    small = replace(LLAMA2_13B, num_hidden_layers=20)
    assert ranking(gguf("Q4_1", 5.11, 0.0717), gguf("IQ4_XS", 4.46, 0.0363, shape=small)) == ["Q4_1", "IQ4_XS"]


def test_what_a_card_measured_of_this_model_goes_before_what_was_measured_of_another() -> None:
    said = {"IQ4_XS": 5.3, "Q4_1": 5.2}
    rows = [gguf("Q4_1", 5.11, 0.0717), gguf("IQ4_XS", 4.46, 0.0363)]
    rows = [replace(row, quality={"perplexity": Quality(said[row.name], "wikitext2")}) for row in rows]
    assert ranking(*rows) == ["Q4_1", "IQ4_XS"]


def test_cache_type_that_a_loader_has_not_with_a_method_is_a_reason() -> None:
    """text-generation-webui passes over what llama.cpp has not, and takes 16 bits."""
    row = gguf("Q4_K_M", 4.89, None)
    for kv_dtype, fits in (("q8", True), ("q8_0", True), ("q4", True), ("q6", False), ("q8,q4", False)):
        (choice,) = recommend([row], [gpu(48)], wish("textgen", kv_dtype=kv_dtype), TABLE).choices
        assert [reason.code for reason in choice.reasons] == ([] if fits else ["kv-dtype"]), kv_dtype


def test_mmproj_takes_memory_where_it_is_asked_for() -> None:
    row = gguf("Q4_K_M", 4.89, None)
    assert row.files is not None
    seeing = replace(row, files=row.files._replace(projectors=("mmproj-F16.gguf",), projector_bytes=10**9))

    def judged(branch: Branch, *, mmproj: bool) -> Recommendation:
        return recommend([branch], [gpu(24)], wish("llama.cpp", mmproj=mmproj), TABLE)

    blind, sighted = (judged(seeing, mmproj=asked).choices[0].fit for asked in (False, True))
    assert blind is not None
    assert sighted is not None
    assert sighted.estimate.total_bytes == blind.estimate.total_bytes + 2 * 10**9
    assert sighted.estimate.weights_bytes == blind.estimate.weights_bytes
    assert sighted.max_context_tokens < blind.max_context_tokens
    assert judged(row, mmproj=False).choices[0].fit == blind
    assert {one.code for one in judged(row, mmproj=True).warnings} >= {"no-mmproj"}
    assert "no-mmproj" not in {one.code for one in judged(seeing, mmproj=True).warnings}


def test_metrics_of_two_cards_are_never_compared() -> None:
    rows = [
        replace(
            gptq(bits, 128),
            name=f"{repo}:main",
            home=Home(repo, "main", True, place),
            quality={"perplexity": Quality(value, "wikitext2")},
        )
        for place, (repo, bits, value) in enumerate([("a/F", 4, 5.0), ("b/F", 8, 6.0)])
    ]
    answer = recommend(rows, [gpu(80)], wish("gptqmodel"), TABLE)
    assert (answer.ranked_by, best(answer)) == (None, "b/F:main")
    at_home = [replace(row, home=Home("a/F", row.name, False, 0)) for row in rows]
    answer = recommend(at_home, [gpu(80)], wish("gptqmodel"), TABLE)
    assert (answer.ranked_by, best(answer)) == ("perplexity", "a/F:main")
