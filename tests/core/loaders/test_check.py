"""The loader rules: one row per law of loaders.md, and the completeness of the table itself."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from quantpick import core
from quantpick.core.loaders.check import Verdict
from quantpick.core.loaders.check import check as check_rules
from quantpick.core.loaders.facts import About
from quantpick.core.loaders.kv_dtype import BadKvDtype, kv_dtype_bytes
from quantpick.core.loaders.read import parse_loaders
from quantpick.core.loaders.table import Loader, LoaderTable, UnknownLoader
from quantpick.core.loaders.versions import (
    LoaderAt,
    NamedLoader,
    UnknownVersion,
    at_version,
    parse_choice,
    parse_version,
)
from quantpick.core.loaders.words import accepts_in_words, versions_in_words
from quantpick.core.memory.engines import ENGINES
from quantpick.core.methods import METHODS
from quantpick.core.quant import LayerQuant, QuantSpec

TOML: Final = Path(core.__file__).parent / "loaders" / "loaders.toml"
TABLE: Final = parse_loaders(TOML.read_text(encoding="utf-8"))

ADA: Final = 8.9


REASONS: Final = (
    *("bits", "group-size", "act-order", "sym", "scheme", "packing", "checkpoint-format", "activations"),
    *("missing-key", "layers", "head", "writer-version", "compute-capability", "platform", "architecture", "shape"),
)


def loader(name: str) -> Loader:
    found = TABLE.find(name)
    assert isinstance(found, Loader), found
    return found


def gptq(
    bits: float = 4, group_size: int | None = 128, desc_act: bool | None = True, sym: bool | None = True
) -> QuantSpec:
    return QuantSpec("gptq", bits, group_size, desc_act, sym)


def chosen(choice: str) -> LoaderAt:
    named = parse_choice(choice)
    found = at_version(loader(named.name), named.version, named.extras)
    assert isinstance(found, LoaderAt), found
    return found


def check(choice: str, quant: QuantSpec, capability: float | None = ADA, **more: Any) -> Verdict:
    return check_rules(chosen(choice), quant, About(capability=capability, **more))


def codes(verdict: Verdict) -> set[str]:
    return {reason.code for reason in verdict.reasons}


def warned(verdict: Verdict) -> set[str]:
    return {warning.code for warning in verdict.warnings}


SEED: Final = {
    "main": gptq(4, None),
    "4-128": gptq(4, 128),
    "4-32": gptq(4, 32),
    "3-128": gptq(3, 128),
    "3-32": gptq(3, 32),
    "8-none": gptq(8, None),
    "8-128": gptq(8, 128),
}
ALL: Final = " ".join(SEED)


@pytest.mark.parametrize(
    ("choice", "capability", "accepted"),
    [
        ("exllama", ADA, "main 4-128 4-32"),
        ("exllamav2", ADA, "main 4-128 4-32"),
        ("exllamav3", ADA, ""),
        ("autogptq", ADA, ALL),
        ("gptqmodel", ADA, ALL),
        ("gptqmodel", 5.2, ALL),
        ("gptq-for-llama", ADA, "main 4-128 4-32 8-none 8-128"),
        ("transformers", ADA, ALL),
        ("transformers==4.57.6", ADA, ALL),
        ("transformers==4.31", ADA, ""),
        ("tgi", ADA, "main 4-128 4-32 8-none 8-128"),
        ("tgi", 7.0, ""),
        ("vllm", ADA, "main 8-none"),
        ("vllm==0.33.0", ADA, "main 8-none"),
        ("vllm==0.30.0", ADA, "main 8-none"),
        ("vllm==0.29.0", ADA, "main 4-128 4-32 8-none 8-128"),
        ("vllm==0.22.0", 7.5, "main 4-128 4-32 8-none 8-128"),
        ("vllm==0.22.0", 7.0, ""),
        ("vllm==0.20.0", ADA, ALL),
        ("vllm==0.13.0", 7.5, ALL),
        ("vllm==0.13.0", 6.0, ALL),
        ("vllm==0.13.0", 5.2, ""),
        ("sglang", ADA, "main 4-128 4-32 8-none 8-128"),
        ("sglang", 7.5, ""),
        ("aphrodite", ADA, "main 4-128 4-32 8-none 8-128"),
        ("aphrodite==0.6.5", ADA, ALL),
        ("tabbyapi", ADA, ""),
        ("tabbyapi==2026-07-13", ADA, "main 4-128 4-32"),
        ("tabbyapi==2026.07.14", ADA, ""),
        ("text-generation-webui", ADA, ALL),
        ("text-generation-webui==2026-03-01", ADA, "main 4-128 4-32"),
        ("text-generation-webui==2024-12-01", ADA, ALL),
        ("koboldai", ADA, "main 4-128 4-32"),
        ("lmdeploy", ADA, ""),
        ("autoawq", ADA, ""),
        ("llama.cpp", ADA, ""),
        ("koboldcpp", ADA, ""),
        ("mlc-llm", ADA, ""),
    ],
)
def test_each_loader_takes_these_of_the_seed_repos_branches(choice: str, capability: float, accepted: str) -> None:
    taken = [name for name, quant in SEED.items() if check(choice, quant, capability, model_type="llama").accepted]
    assert taken == accepted.split()


@pytest.mark.parametrize(
    ("choice", "quant", "accepted"),
    [
        ("exllamav3", QuantSpec("exl3", 3.0), True),
        ("exllamav3", QuantSpec("exl3", 0.5), False),
        ("exllamav3", QuantSpec("none", 16), True),
        ("exllamav2", QuantSpec("exl2", 4.25), True),
        ("exllamav2", QuantSpec("exl2", 1.5), False),
        ("exllamav2", QuantSpec("exl3", 4.0), False),
        ("exllamav2", QuantSpec("awq", 4, 128), False),
        ("exllamav2", gptq(4, 48), False),
        ("tabbyapi", QuantSpec("exl3", 4.0), True),
        ("tabbyapi", QuantSpec("exl2", 4.0), False),
        ("tabbyapi==2026-07-01", QuantSpec("exl2", 4.0), True),
        ("text-generation-webui", QuantSpec("exl2", 4.0), False),
        ("text-generation-webui==2026.03.04", QuantSpec("exl2", 4.0), True),
        ("text-generation-webui", QuantSpec("exl3", 4.0), True),
        ("text-generation-webui", QuantSpec("gguf", 4.8), True),
        ("koboldai", QuantSpec("exl2", 4.0), True),
        ("tgi", QuantSpec("exl2", 4.0), True),
        ("aphrodite==0.5.3", QuantSpec("exl2", 4.0), True),
        ("aphrodite==0.6.0", QuantSpec("exl2", 4.0), False),
        ("aphrodite", QuantSpec("exl3", 4.0), True),
        ("aphrodite==0.6.5", QuantSpec("gguf", 4.8), True),
        ("aphrodite", QuantSpec("gguf", 4.8), False),
        ("vllm", QuantSpec("awq", 4, 128), True),
        ("vllm", QuantSpec("awq", 4, 16), False),
        ("vllm", QuantSpec("exl2", 4.0), False),
        ("vllm", QuantSpec("compressed-tensors", 4, 128), True),
        ("vllm==0.22.0", QuantSpec("gguf", 4.8), True),
        ("vllm", QuantSpec("gguf", 4.8), False),
        ("sglang", QuantSpec("awq", 4, 128), True),
        ("sglang", QuantSpec("gguf", 4.8), True),
        ("transformers", QuantSpec("awq", 4, 128), True),
        ("transformers==4.34", QuantSpec("awq", 4, 128), False),
        ("gptqmodel", QuantSpec("awq", 4, 16), True),
        ("autoawq", QuantSpec("awq", 4, 128, sym=False), True),
        ("autoawq", QuantSpec("awq", 4, 128, sym=True), False),
        ("lmdeploy", QuantSpec("awq", 4, 128), True),
        ("lmdeploy", QuantSpec("awq", 4, 64), False),
        ("lmdeploy", QuantSpec("compressed-tensors", 4, 32), True),
        ("lmdeploy", gptq(4, 128, desc_act=False), True),
        ("lmdeploy", gptq(4, 128, desc_act=False, sym=False), False),
        ("lmdeploy", gptq(4, None, desc_act=False), False),
        ("llama.cpp", QuantSpec("gguf", 4.8), True),
        ("koboldcpp", QuantSpec("gguf", 4.8), True),
        ("mlc-llm", QuantSpec("awq", 4, 128), False),
        ("vllm==0.20.0", gptq(sym=False), True),
        ("vllm==0.22.0", gptq(sym=False), False),
        ("tgi", gptq(8, 128, sym=False), True),
        ("gptqmodel", gptq(5, 16), True),
        ("gptqmodel", gptq(9), False),
    ],
)
def test_each_loader_takes_these_formats(choice: str, quant: QuantSpec, accepted: bool) -> None:
    assert check(choice, quant).accepted is accepted


def test_vllm_since_0_30_rejects_act_order_with_groups_and_takes_it_without() -> None:
    grouped = check("vllm", gptq(4, 32))
    assert codes(grouped) == {"act-order"}
    assert "vLLM 0.33.0" in grouped.reasons[0].message
    assert "group size 32, act order" in grouped.reasons[0].message
    assert "no longer supported" in grouped.reasons[0].message
    assert check("vllm", gptq(4, None)).accepted
    assert check("vllm", gptq(4, 32, desc_act=False)).accepted


@pytest.mark.parametrize(
    ("choice", "quant", "capability", "model_type", "code", "both_sides"),
    [
        ("exllama", gptq(3), ADA, "llama", "bits", ("ExLlama takes 4-bit GPTQ", "this branch is 3-bit")),
        ("exllama", gptq(), ADA, "falcon", "architecture", ("ExLlama runs llama and mistral", "this model is falcon")),
        ("exllamav2", QuantSpec("exl2", 1.5), ADA, None, "bits", ("2 to 8 bpw EXL2", "has 1.5 bpw")),
        ("exllamav3", QuantSpec("exl3", 4.0), 7.0, None, "compute-capability", ("7.5 or newer", "this GPU has 7.0")),
        ("gptqmodel", gptq(9), ADA, None, "bits", ("2-, 3-, 4-, 5-, 6-, 7- or 8-bit", "is 9-bit")),
        ("autogptq", gptq(5), ADA, None, "bits", ("2-, 3-, 4- or 8-bit", "is 5-bit")),
        ("gptq-for-llama", gptq(3, 16, False), ADA, "llama", "group-size", ("groups of 32 to 4096", "groups of 16")),
        ("gptqmodel", gptq(4, 48), ADA, None, "group-size", ("groups of 16 to 1024", "groups of 48")),
        ("lmdeploy", gptq(4, 64, False), ADA, None, "group-size", ("groups of 128,", "has groups of 64")),
        (
            "lmdeploy",
            gptq(4, 128),
            ADA,
            None,
            "act-order",
            ("does not load act order (", "group size 128"),
        ),
        ("vllm", gptq(4, 128, False, False), ADA, None, "sym", ("symmetric GPTQ only", "is asymmetric")),
        ("vllm==0.13.0", gptq(), 5.2, None, "compute-capability", ("6.0 or newer", "this GPU has 5.2")),
        ("sglang", gptq(3), ADA, None, "bits", ("4- or 8-bit", "3-bit", "kernel has been removed")),
        ("autoawq", gptq(), ADA, None, "format", ("AutoAWQ 0.2.9 does not read GPTQ", "it reads AWQ")),
        ("tabbyapi", gptq(), ADA, None, "format", ("TabbyAPI 2026.08.13", "GPTQ", "exl2-checkpoint")),
        ("vllm", QuantSpec("gguf", 4), ADA, None, "format", ("vLLM 0.33.0", "GGUF", "vllm-gguf-plugin")),
        ("mlc-llm", gptq(), ADA, None, "format", ("MLC-LLM does not read GPTQ", "converted")),
    ],
)
def test_a_rejection_has_one_reason_that_names_both_sides(
    choice: str, quant: QuantSpec, capability: float, model_type: str | None, code: str, both_sides: tuple[str, ...]
) -> None:
    verdict = check(choice, quant, capability, model_type=model_type)
    assert [reason.code for reason in verdict.reasons] == [code]
    assert all(side in verdict.reasons[0].message for side in both_sides), verdict.reasons[0].message


def test_a_gpu_too_old_for_the_fast_kernel_gets_the_general_one() -> None:
    kernels = [rule.kernel for floor in (9.0, 7.5, 5.2) if (rule := check("gptqmodel", gptq(), floor).rule)]
    assert kernels == ["machete", "marlin", "torch"]


def test_a_group_makes_act_order_matter_and_no_group_makes_it_nothing() -> None:
    for choice in ("vllm", "gptqmodel", "autogptq", "sglang", "exllama", "transformers"):
        ordered, plain = (check(choice, gptq(4, None, desc_act), model_type="llama") for desc_act in (True, False))
        assert (ordered.accepted, ordered.slow) == (plain.accepted, plain.slow) == (True, False)


@pytest.mark.parametrize(
    ("choice", "quant", "unknown", "capability", "code"),
    [
        ("vllm", gptq(4, None, sym=None), "", ADA, "unknown-fact"),
        ("vllm", gptq(4, 32, desc_act=None), "", ADA, "unknown-fact"),
        ("vllm", gptq(4, None), "group_size", ADA, "unknown-fact"),
        ("vllm", QuantSpec("gptq", None, None, True, True), "", ADA, "unknown-fact"),
        ("vllm", gptq(4, None), "", None, "unknown-capability"),
        ("exllamav2", QuantSpec("exl2", None), "", ADA, "unknown-fact"),
        ("lmdeploy", gptq(4, None, desc_act=False), "group_size", ADA, "unknown-fact"),
        ("vllm", QuantSpec(None, 4, 128, False, True), "method", ADA, "unknown-fact"),
        ("exllama", gptq(), "", ADA, "unknown-fact"),
    ],
)
def test_an_unknown_fact_warns_and_does_not_reject(
    choice: str, quant: QuantSpec, unknown: str, capability: float | None, code: str
) -> None:
    verdict = check(choice, quant, capability, unknown=frozenset(unknown.split()), branch="main")
    assert verdict.accepted
    assert warned(verdict) == {code}


def test_an_unknown_fact_is_no_matter_when_another_kernel_does_not_need_it() -> None:
    assert check("gptqmodel", gptq(sym=None), None).warnings == ()
    assert "unknown-fact" not in warned(check("vllm==0.20.0", gptq(sym=None)))


def test_an_unknown_fact_does_not_save_a_branch_from_what_is_known() -> None:
    assert codes(check("vllm", gptq(3, None, sym=None), None)) == {"bits"}


@pytest.mark.parametrize(
    ("quant", "method"),
    [
        (QuantSpec(None, 4.25), "exl2"),
        (QuantSpec(None, 4, 128, True), "gptq"),
        (QuantSpec(None, 4, None, True), "gptq"),
        (QuantSpec(None, 16), "none"),
        (QuantSpec(None, 3, 128), None),
    ],
)
def test_an_unnamed_method_is_the_loaders_first_that_bits_and_groups_allow(
    quant: QuantSpec, method: str | None
) -> None:
    verdict = check("exllamav2", quant)
    assert (verdict.rule.method if verdict.rule else None) == method
    assert codes(verdict) == (set() if method else {"format"})


@pytest.mark.parametrize(
    ("choice", "quant"),
    [("aphrodite", gptq()), ("llama.cpp", QuantSpec("gguf", 4.8)), ("gptqmodel", gptq(2))],
)
def test_a_verdict_by_an_unverified_rule_says_so_with_its_source(choice: str, quant: QuantSpec) -> None:
    verdict = check(choice, quant)
    assert verdict.rule is not None
    assert verdict.rule.unverified
    said = [warning.message for warning in verdict.warnings if warning.code == "unverified-rule"]
    assert len(said) == 1
    assert verdict.rule.source in said[0]


def test_a_rejection_by_an_unverified_rule_does_not_speak_of_it() -> None:
    assert check("aphrodite", gptq(3)).warnings == ()


def test_transformers_says_which_packages_gptq_needs() -> None:
    said = [warning.message for warning in check("hf", gptq()).warnings if warning.code == "needs-package"]
    assert len(said) == 1
    assert "gptqmodel>=1.4.3" in said[0]


@pytest.mark.parametrize(
    ("choice", "quant", "capability", "slow"),
    [
        ("autogptq", gptq(8, 128), ADA, True),
        ("autogptq", gptq(8, None), ADA, False),
        ("autogptq", gptq(8, 128, False), ADA, False),
        ("autogptq", gptq(4, 128), ADA, False),
        ("gptqmodel", gptq(3, 128), ADA, True),
        ("gptqmodel", gptq(8, 32), ADA, False),
        ("tgi", gptq(4, 32, sym=False), ADA, True),
        ("tgi", gptq(4, 32), ADA, False),
        ("exllama", gptq(), 6.1, True),
        ("exllama", gptq(), 6.0, False),
        ("exllamav2", QuantSpec("exl2", 4.0), 6.1, True),
        ("vllm==0.13.0", gptq(), 6.1, True),
        ("tabbyapi==2026-07-01", gptq(), 6.1, True),
    ],
)
def test_slow_is_act_order_on_old_kernels_and_exllama_kernels_on_a_p40(
    choice: str, quant: QuantSpec, capability: float, slow: bool
) -> None:
    verdict = check(choice, quant, capability, model_type="llama")
    assert verdict.accepted
    assert verdict.slow is slow
    assert ("slow-kernel" in warned(verdict)) is slow


@pytest.mark.parametrize(
    ("choice", "model_type", "exllama", "accepted", "warning"),
    [
        ("exllama", "llama", None, True, None),
        ("exllama", "Mistral", True, True, None),
        ("exllama", "mixtral", None, False, None),
        ("exllama", "mixtral", False, False, None),
        ("exllama", "mixtral", True, True, "unlisted-architecture"),
        ("exllama", "llama", False, True, "card-says-no"),
        ("exllama", None, False, True, "card-says-no"),
        ("exllama", None, True, True, None),
        ("exllama", None, None, True, "unknown-fact"),
        ("exllamav2", "falcon", None, True, "unlisted-architecture"),
        ("exllamav2", "qwen2", None, True, None),
        ("exllamav2", "llama", False, True, None),
        ("exllamav2", None, None, True, None),
        ("gptq-for-llama", "mistral", None, False, None),
        ("gptq-for-llama", "gptj", None, True, None),
        ("gptqmodel", "falcon", False, True, None),
    ],
)
def test_an_unlisted_architecture_rejects_where_keys_are_hard_coded_unless_the_card_says_yes(
    choice: str, model_type: str | None, exllama: bool | None, accepted: bool, warning: str | None
) -> None:
    verdict = check(choice, gptq(), model_type=model_type, exllama=exllama)
    assert verdict.accepted is accepted
    assert codes(verdict) == (set() if accepted else {"architecture"})
    if accepted:
        assert warned(verdict) == ({warning} if warning else set())


@pytest.mark.parametrize(
    ("choice", "capability", "warning"),
    [
        ("vllm==0.13.0", 8.0, None),
        ("vllm==0.14.0", 8.0, None),
        ("vllm==0.3.0", 8.0, "unverified-version"),
        ("vllm==0.21.3", 8.0, "unverified-version"),
        ("vllm==0.34.0", 8.0, "unknown-version"),
        ("transformers==4.58", 8.0, "unverified-version"),
        ("lmdeploy==0.9.2", 8.0, None),
        ("lmdeploy==0.18.0", 8.0, None),
        ("text-generation-webui==3.5", 8.0, None),
        ("tabbyapi==2027-01-01", 8.0, "unknown-version"),
        ("llama.cpp==b4567", 8.0, None),
        ("exllamav2==0.2.9", 8.0, None),
    ],
)
def test_a_version_nobody_looked_at_is_judged_by_its_neighbour_with_a_warning(
    choice: str, capability: float, warning: str | None
) -> None:
    quant = QuantSpec("gptq", 4, 128, False, True)
    verdict = check(choice, quant, capability)
    assert warned(verdict) & {"unverified-version", "unknown-version"} == ({warning} if warning else set())


@pytest.mark.parametrize("choice", ["lmdeploy==2026.08.21", "tabbyapi==1.0", "vllm==2026.01.01"])
def test_dates_and_other_versions_are_not_compared(choice: str) -> None:
    messages = [warning.message for warning in check(choice, gptq(4, None)).warnings]
    assert any("cannot be compared" in message for message in messages), messages


def test_in_a_gap_the_older_rules_hold() -> None:
    gap, after = (check(f"vllm=={version}", gptq(3), 7.5) for version in ("0.3.2", "0.3.3"))
    assert codes(gap) == {"bits"}
    assert warned(gap) == {"unverified-version"}
    assert after.accepted


def test_a_version_that_is_newer_than_all_known_is_judged_as_the_newest() -> None:
    newest, newer = check("vllm", gptq(4, 32)), check("vllm==1.0", gptq(4, 32))
    assert newer.reasons == newest.reasons
    assert newer.rule == newest.rule


@pytest.mark.parametrize("known", TABLE.loaders, ids=lambda known: known.id)
def test_no_version_means_the_newest(known: Loader) -> None:
    for method in METHODS:
        quant = QuantSpec(method, 4, 128, True, True)
        assert check(known.id, quant) == check(f"{known.id}=={known.newest}", quant)
    assert chosen(known.id).memory_fraction == chosen(f"{known.id}=={known.newest}").memory_fraction


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.13.0", "0.13.0"),
        ("v0.13", "0.13"),
        ("2026-03-01", "2026.3.1"),
        ("2026.03.01", "2026.3.1"),
        ("b4567", "4567"),
        ("0.30.0rc1", "0.30.0rc1"),
        ("foo", None),
        ("", None),
        (">=1", None),
        ("9" * 5000, None),
    ],
)
def test_a_text_that_is_no_version_is_a_value_that_says_so(text: str, version: str | None) -> None:
    parsed = parse_version(text)
    assert parsed == (UnknownVersion(text) if version is None else Version(version))


def test_a_loader_at_what_is_no_version_is_refused_at_the_door() -> None:
    assert at_version(loader("vllm"), "foo") == UnknownVersion("foo")


def test_the_version_that_is_shown_is_the_one_that_was_judged() -> None:
    newer = chosen("vllm==99.0")
    assert (newer.shown_version, newer.label) == (loader("vllm").newest, f"vLLM {loader('vllm').newest}")
    assert "99.0" in newer.doubts[0].message
    assert chosen("vllm==0.13").shown_version == "0.13"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vllm", "vllm"),
        ("VLLM", "vllm"),
        ("ExLlama_HF", "exllama"),
        ("exllamav2-hf", "exllamav2"),
        ("exllamav3 hf", "exllamav3"),
        ("oobabooga", "text-generation-webui"),
        ("text_generation_webui", "text-generation-webui"),
        ("text-generation-inference", "tgi"),
        ("hf", "transformers"),
        ("Hugging Face Transformers", "transformers"),
        ("turboderp/exllama", "exllama"),
        ("turboderp-org/exllamav3", "exllamav3"),
        ("auto-gptq", "autogptq"),
        ("llamacpp", "llama.cpp"),
        ("llama.cpp", "llama.cpp"),
        ("kobold.cpp", "koboldcpp"),
        ("KoboldAI", "koboldai"),
        ("tabby", "tabbyapi"),
        ("sonar", "aphrodite"),
        ("turbomind", "lmdeploy"),
    ],
)
def test_a_loader_is_found_by_id_name_and_alias_whatever_case_and_hyphens(name: str, expected: str) -> None:
    assert loader(name).id == expected


@pytest.mark.parametrize(("name", "nearest"), [("exlama", "exllama"), ("vlm", "vllm"), ("transfomers", "transformers")])
def test_a_mistyped_loader_gets_the_nearest_name_first(name: str, nearest: str) -> None:
    found = TABLE.find(name)
    assert isinstance(found, UnknownLoader)
    assert found.nearest[0] == nearest


@pytest.mark.parametrize("name", ["", "zzzzzzzzzz", "x" * 100_000])
def test_a_name_like_no_other_has_no_nearest(name: str) -> None:
    assert TABLE.find(name) == UnknownLoader(name, ())


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("vllm", NamedLoader("vllm")),
        ("vllm==0.13.0", NamedLoader("vllm", version="0.13.0")),
        ("vllm == 0.13.0", NamedLoader("vllm", version="0.13.0")),
        ("vllm==", NamedLoader("vllm", version="")),
        ("vllm[humming]", NamedLoader("vllm", frozenset({"humming"}))),
        (" vllm[ a, B ] == 1 ", NamedLoader("vllm", frozenset({"a", "b"}), "1")),
        ("vllm[", NamedLoader("vllm[")),
    ],
)
def test_a_choice_is_a_name_and_perhaps_a_version(text: str, choice: NamedLoader) -> None:
    assert parse_choice(text) == choice


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("vllm", (0.92, "total")),
        ("vllm==0.20.0", (0.92, "total")),
        ("vllm==0.17.0", (0.9, "total")),
        ("vllm==0.15.1", (0.9, "total")),
        ("aphrodite", (0.92, "total")),
        ("aphrodite==0.6.5", (0.9, "total")),
        ("sglang", (0.85, "total")),
        ("tgi", (1.0, "total")),
        ("lmdeploy", (0.8, "free")),
        ("mlc-llm", (0.85, "total")),
        ("exllamav2", None),
        ("transformers", None),
        ("llama.cpp", None),
    ],
)
def test_servers_take_their_fraction_and_the_others_what_they_need(
    choice: str, expected: tuple[float, str] | None
) -> None:
    fraction = chosen(choice).memory_fraction
    assert (None if fraction is None else (fraction.value, fraction.of)) == expected


@pytest.mark.parametrize(
    ("name", "split", "unequal_gpus", "heads_divisible"),
    [
        ("exllamav2", "layers", True, False),
        ("transformers", "layers", True, False),
        ("llama.cpp", "layers", True, False),
        ("vllm", "tensor", False, True),
        ("tgi", "tensor", False, True),
        ("lmdeploy", "tensor", False, True),
    ],
)
def test_layers_are_split_over_unequal_gpus_and_tensors_over_equal_ones(
    name: str, split: str, unequal_gpus: bool, heads_divisible: bool
) -> None:
    known = loader(name)
    assert (known.split, known.unequal_gpus, known.heads_divisible) == (split, unequal_gpus, heads_divisible)


def test_tgi_does_not_split_exl2() -> None:
    rule = check("tgi", QuantSpec("exl2", 4.0)).rule
    assert rule is not None
    assert rule.split == "none"


@pytest.mark.parametrize(
    ("name", "text", "size"),
    [
        ("exllamav2", "fp16", 2.0),
        ("exllamav2", "fp8", 1.0),
        ("exllamav2", "Q8", 1.0625),
        ("exllamav2", "q6", 0.8125),
        ("exllamav2", "q4", 0.5625),
        ("exllamav3", "q8", 1.0625),
        ("exllamav3", "8,8", 1.0625),
        ("exllamav3", "6, 4", 0.6875),
        ("exllamav3", "5", 0.6875),
        ("text-generation-webui", "q8_q4", 0.8125),
        ("text-generation-webui", "q4_0", 0.5625),
        ("vllm", "auto", 2.0),
        ("vllm", "fp8_e5m2", 1.0),
        ("sglang", "fp8_e4m3", 1.0),
        ("tgi", "fp8_e4m3fn", 1.0),
        ("aphrodite", "fp8", 1.0),
        ("lmdeploy", "int8", 1.03125),
        ("lmdeploy", "4", 0.53125),
        ("llama.cpp", "q8_0", 1.0625),
        ("llama.cpp", "q5_1", 0.75),
        ("llama.cpp", "f16", 2.0),
        ("koboldcpp", "2", 0.5625),
        ("transformers", "bf16", 2.0),
    ],
)
def test_kv_types_cost_these_bytes_per_element_in_common_and_own_spellings(name: str, text: str, size: float) -> None:
    assert kv_dtype_bytes(loader(name), text) == size


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("transformers", "q8"),
        ("exllamav3", "fp8"),
        ("exllamav3", "9,9"),
        ("vllm", "q4"),
        ("exllama", "8,8"),
        ("tgi", ""),
    ],
)
def test_a_kv_type_a_loader_lacks_is_answered_with_those_it_has(name: str, text: str) -> None:
    answer = kv_dtype_bytes(loader(name), text)
    assert isinstance(answer, BadKvDtype)
    assert set(answer.known) >= set(loader(name).kv_dtypes)


def test_without_a_loader_the_active_ones_come_first_and_the_dead_ones_never() -> None:
    tried = list(TABLE.maintained())
    assert [known.status for known in tried] == sorted(known.status for known in tried)
    assert {known.id for known in TABLE.loaders} - {known.id for known in tried} == {
        "exllama",
        "gptq-for-llama",
        "autogptq",
        "autoawq",
        "koboldai",
    }


@pytest.mark.parametrize(
    ("quant", "first"),
    [
        (gptq(), ["gptqmodel", "transformers", "sglang"]),
        (gptq(4, None), ["gptqmodel", "vllm", "transformers", "sglang"]),
        (QuantSpec("exl3", 4.0), ["exllamav3"]),
        (QuantSpec("exl2", 4.0), ["exllamav2", "tgi"]),
        (QuantSpec("awq", 4, 128), ["gptqmodel", "vllm"]),
        (QuantSpec("gguf", 4.8), ["llama.cpp"]),
    ],
)
def test_without_a_named_loader_these_are_the_first_to_take_a_method(quant: QuantSpec, first: list[str]) -> None:
    taking = [known.id for known in TABLE.maintained() if check(known.id, quant).accepted]
    assert taking[: len(first)] == first


# The table itself.


@pytest.mark.parametrize("known", TABLE.loaders, ids=lambda known: known.id)
def test_every_fact_has_a_source_and_the_date_it_was_read(known: Loader) -> None:
    facts = [(fact.source, fact.checked) for fact in known.rules]
    facts += [(fact.source, fact.checked) for fact in known.memory_fractions]
    for source, checked in [(known.source, known.checked), *facts]:
        assert len(source) > 5
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", checked)


@pytest.mark.parametrize("known", TABLE.loaders, ids=lambda known: known.id)
def test_every_loader_is_well_formed(known: Loader) -> None:
    assert known.status in {"active", "maintenance", "dead"}
    assert known.split in {"layers", "tensor", "none"}
    assert {known.engine, *(rule.engine for rule in known.rules)} <= {*ENGINES, None}
    assert known.kv_dtypes["fp16"] == 2.0
    assert all(0 < size <= 4 for size in known.kv_dtypes.values())


@pytest.mark.parametrize("known", TABLE.loaders, ids=lambda known: known.id)
def test_every_rule_is_well_formed(known: Loader) -> None:
    versions = {*(rule.since for rule in known.rules), *(rule.before or rule.until for rule in known.rules)} - {None}
    versions |= {*known.releases, *known.releases.values(), known.newest}
    assert all(isinstance(parse_version(version or ""), Version) for version in versions)
    for rule in known.rules:
        assert rule.method in METHODS
        assert {rule.act_order_with_group, rule.act_order_without_group} <= {"yes", "slow", "no"}
        assert rule.split in {"layers", "tensor", "none", None}
        assert set(rule.why) <= {*REASONS, "slow"}
        assert rule.extra is None or rule.extra in known.extras
        assert rule.min_capability is None or 5 <= rule.min_capability <= 12
        assert versions_in_words(rule)
        assert accepts_in_words(rule)


def test_no_two_loaders_share_a_spelling() -> None:
    owners: dict[str, set[str]] = {}
    for known in TABLE.loaders:
        for spelling in (known.id, known.name, *known.aliases):
            owners.setdefault(re.sub(r"[-_.\s]", "", spelling.lower()), set()).add(known.id)
    assert [names for names in owners.values() if len(names) > 1] == []


# Laws that hold for every quantization.

layers = st.builds(
    LayerQuant, bits=st.sampled_from([None, 2, 2.5, 3, 4, 8, 16]), group_size=st.sampled_from([None, -1, 32, 256])
)
quants = st.builds(
    QuantSpec,
    method=st.sampled_from([*METHODS, None]),
    bits=st.sampled_from([None, 1.5, 2, 3, 4, 4.25, 5, 8, 16]),
    group_size=st.sampled_from([None, -1, 16, 32, 48, 64, 128, 1024]),
    desc_act=st.sampled_from([None, True, False]),
    sym=st.sampled_from([None, True, False]),
    head_bits=st.sampled_from([None, 4, 6, 16]),
    scheme=st.sampled_from([None, "int", "fp8", "nvfp4", "mxfp4", "nf4"]),
    packing=st.sampled_from(
        [None, "gemm", "gemv", "pack-quantized", "float-quantized", "auto_round:auto_gptq", "nonsense"]
    ),
    checkpoint_format=st.sampled_from([None, "gptq", "gptq_v2", "marlin", "nonsense"]),
    layers=st.lists(layers, max_size=2).map(tuple),
    writer_version=st.sampled_from([None, "0.0.18", "1.6.0", "nonsense"]),
)
names = st.sampled_from([known.id for known in TABLE.loaders])
capabilities = st.sampled_from([None, 5.2, 6.1, 7.0, 7.5, 8.0, 8.9, 9.0, 12.0])
versions = st.sampled_from(["", "==0.5.3", "==0.13.0", "==0.14", "==0.21", "==4.40", "==2026-01-01", "==99"])
unknowns = st.frozensets(st.sampled_from(["method", "bits", "group_size", "desc_act", "sym"]))
of_many = settings(max_examples=400)


@of_many
@given(name=names, quant=quants, capability=capabilities, version=versions, unknown=unknowns, exllama=st.booleans())
def test_every_verdict_is_either_accepted_by_a_rule_or_rejected_with_sentences(
    name: str, quant: QuantSpec, capability: float | None, version: str, unknown: frozenset[str], exllama: bool
) -> None:
    verdict = check(name + version, quant, capability, unknown=unknown, exllama=exllama, model_type="llama")
    assert verdict.accepted == (not verdict.reasons)
    assert not verdict.accepted or (verdict.rule is not None and verdict.rule.rejects is None)
    assert all(reason.message and "None" not in reason.message for reason in verdict.reasons)
    assert {reason.code for reason in verdict.reasons} <= {*REASONS, "format"}
    assert verdict.accepted or not verdict.slow


@of_many
@given(name=names, quant=quants, version=versions)
def test_a_newer_gpu_never_loses_a_branch(name: str, quant: QuantSpec, version: str) -> None:
    accepted = [check(name + version, quant, one).accepted for one in (5.2, 6.0, 7.0, 7.5, 8.0, 8.9, 9.0, 12.0)]
    assert accepted == sorted(accepted)


@of_many
@given(name=names, quant=quants, capability=capabilities)
def test_knowing_less_never_rejects(name: str, quant: QuantSpec, capability: float | None) -> None:
    if check(name, quant, capability).accepted:
        vague = replace(quant, desc_act=None, sym=None)
        assert check(name, vague, None, unknown=frozenset({"desc_act", "sym"})).accepted


def test_the_table_is_a_value() -> None:
    assert isinstance(TABLE, LoaderTable)
    assert parse_loaders(TOML.read_text(encoding="utf-8")).loaders == TABLE.loaders


def test_the_names_a_loader_is_found_by_are_those_that_are_read() -> None:
    for entry, known in zip(TABLE.entries, TABLE.loaders, strict=True):
        assert (entry.id, entry.spellings) == (known.id, (known.id, known.name, *known.aliases))
        assert entry.status == known.status
        assert entry.read() is entry.read()
