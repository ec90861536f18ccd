"""Estimates beside figures of published files and measured runs, and the laws they obey."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.memory.engine import ALLOCATOR_SLACK, ServerSettings
from quantpick.core.memory.engines import ENGINES, engine_at
from quantpick.core.memory.estimate import Spread, VramEstimate, estimate
from quantpick.core.memory.weights import embedding_bytes
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape
from quantpick.core.units import GIB

CODELLAMA_34B = ModelShape(48, 8192, 64, 8, 128, 22016, 32000)
LLAMA_30B = ModelShape(60, 6656, 52, 52, 128, 17920, 32000)
MISTRAL_7B = ModelShape(32, 4096, 32, 8, 128, 14336, 32000)
QWEN2_1_5B = ModelShape(28, 1536, 12, 2, 128, 8960, 151936, True)
DEEPSEEK_V2_LITE = ModelShape(
    27, 2048, 16, 16, 192, 1408, 102400, num_local_experts=64, num_experts_per_tok=6, kv_lora_rank=512,
    qk_rope_head_dim=64, v_head_dim=128,
)  # fmt: skip
GEMMA_2_9B = replace(ModelShape(42, 3584, 16, 8, 256, 14336, 256000, True), sliding_window=4096, num_sliding_layers=21)
QWEN35_27B = ModelShape(
    64, 5120, 24, 4, 256, 17408, 248320, num_state_layers=48, state_elements=39714816, recurrent_weights=5566709760,
    query_matrices=2, has_images=True,
)  # fmt: skip
NEMOTRON_3_NANO = ModelShape(
    52, 2688, 32, 2, 128, 1856, 131072, mlp_matrices=2, num_local_experts=128, num_experts_per_tok=6,
    shared_intermediate_size=3712, num_state_layers=46, state_elements=12435456, num_bare_layers=23, num_mlp_layers=23,
    recurrent_weights=890_265_600,
)  # fmt: skip
GEMMA_4_E4B = ModelShape(
    42, 2560, 8, 2, 256, 10240, 262144, True, sliding_window=512, num_sliding_layers=20, num_state_layers=18,
    full_kv_elements=2048, per_layer_embedding=2818572288,
)  # fmt: skip
SHAPES = [
    CODELLAMA_34B, LLAMA_30B, MISTRAL_7B, QWEN2_1_5B, DEEPSEEK_V2_LITE, GEMMA_2_9B, QWEN35_27B, NEMOTRON_3_NANO,
    GEMMA_4_E4B,
]  # fmt: skip


def allocated(need: VramEstimate) -> float:
    """What torch counts: neither the CUDA context nor what its allocator cannot use."""
    return (need.total_bytes - need.cuda_context_bytes) / (1 + ALLOCATOR_SLACK)


@pytest.mark.parametrize(
    ("version", "prompt", "measured_gib"),
    [
        # QwenLM's tables for Qwen2-7B-Instruct in 16 bits with Transformers 4.38 and Qwen2.5-7B-Instruct with 4.46.
        ("4.38.2", 6144, 20.26),
        ("4.38.2", 30720, 42.62),
        ("4.46.0", 6144, 15.38),
        ("4.46.0", 30720, 19.97),
    ],
)
def test_old_transformers_computes_the_logits_of_the_whole_prompt(
    version: str, prompt: int, measured_gib: float
) -> None:
    shape = ModelShape(28, 3584, 28, 4, 128, 18944, 152064, max_position_embeddings=32768)
    need = estimate(
        QuantSpec("none", 16),
        shape,
        engine="transformers",
        context_tokens=prompt + 2048,
        prompt_tokens=prompt,
        version=version,
    )
    assert allocated(need) == pytest.approx(measured_gib * GIB, rel=0.01)


def test_transformers_before_4_36_holds_the_cache_twice() -> None:
    # Llama 2 13B in 16 bits, 8 sequences of 256 and 512 tokens: 36.3 GB (huggingface/optimum-benchmark, 4.35.2).
    shape = ModelShape(40, 5120, 40, 40, 128, 13824, 32000, max_position_embeddings=4096)
    asked: dict[str, Any] = {"engine": "transformers", "context_tokens": 768, "prompt_tokens": 256, "batch": 8}
    old = estimate(QuantSpec("none", 16), shape, version="4.35.2", **asked)
    assert allocated(old) == pytest.approx(36.3e9, rel=0.02)
    assert allocated(old) - allocated(estimate(QuantSpec("none", 16), shape, **asked)) > 0.7 * old.kv_cache_bytes


@pytest.mark.parametrize("version", ["4.32.0", "4.40.0", None])
def test_family_with_code_of_its_own_holds_the_cache_twice_whatever_the_version(version: str | None) -> None:
    # Qwen-7B-Chat in 16 bits generating 8192 tokens: 22.53 GiB (QwenLM/Qwen README).
    shape = ModelShape(32, 4096, 32, 32, 128, 11008, 151936, max_position_embeddings=8192, model_type="qwen")
    need = estimate(
        QuantSpec("none", 16), shape, engine="transformers", context_tokens=8193, prompt_tokens=1, version=version
    )
    assert allocated(need) == pytest.approx(22.53 * GIB, rel=0.02)


def test_what_is_no_version_is_the_newest() -> None:
    newest = engine_at("transformers", None)
    assert engine_at("transformers", "main") is engine_at("transformers", "5.24.0") is newest
    assert engine_at("transformers", "4.44.2") is not newest
    assert engine_at("llama.cpp", "b9137") is engine_at("llama.cpp", None)
    assert engine_at("tgi", "1") is engine_at("tgi", None)


def test_old_vllm_saves_neither_by_windows_nor_by_latent_caches() -> None:
    engines = [engine_at("vllm", version) for version in ("0.8.5", "0.9.2", "0.10.0", None)]
    assert [(one.latent, one.windowed) for one in engines] == [
        (False, False),
        (True, False),
        (True, True),
        (True, True),
    ]


def test_exllama_and_llama_cpp_keep_the_embedding_in_ram_and_the_others_do_not() -> None:
    spec = QuantSpec("gptq", 4, 128)
    weights = {
        name: estimate(spec, MISTRAL_7B, engine=name, context_tokens=64, weights_file_bytes=10**10).weights_bytes
        for name in ENGINES
    }
    assert {name for name, size in weights.items() if size == 10**10 - embedding_bytes(MISTRAL_7B)} == {
        "exllama",
        "exllamav2",
        "exllamav3",
        "llama.cpp",
        "llama.cpp-library",
    }
    assert set(weights.values()) == {10**10, 10**10 - embedding_bytes(MISTRAL_7B)}


def test_vllm_holds_what_latent_attention_unpacks_and_the_matrix_for_it_in_16_bits() -> None:
    # DeepSeek V3 on eight GPUs, 65,536 tokens of 16 heads of 256 elements: 0.5 GiB each; 61 x 16 x 256 x 512: 0.24 GiB.
    deepseek = ModelShape(
        61, 7168, 128, 128, 192, 2048, 129280, num_local_experts=256, num_experts_per_tok=8, kv_lora_rank=512,
        q_lora_rank=1536, qk_rope_head_dim=64, v_head_dim=128, num_dense_layers=3, dense_intermediate_size=18432,
    )  # fmt: skip
    eager = ServerSettings(enforce_eager=True)

    def scratch(shape: ModelShape) -> float:
        spread = Spread(gpus=8, splits_tensors=True)
        need = estimate(
            QuantSpec("awq", 4, 128), shape, engine="vllm", context_tokens=32768, spread=spread, settings=eager
        )
        return need.scratch_bytes / 8 / GIB

    plain = replace(deepseek, kv_lora_rank=0, num_key_value_heads=8)
    assert 0.24 + 0.07 < scratch(deepseek) - scratch(plain) < 0.5 + 0.24 + 0.07 + 0.1


@pytest.mark.parametrize(
    ("hidden", "patches", "tokens", "batched", "published_gib"),
    [
        # vLLM's own logs: Qwen2.5-VL-7B-AWQ; Qwen3.6-35B-A3B with two images; Qwen3.6-27B-FP8 on an H100, at most.
        (1280, 65536, 16384, 2048, 4.92),
        (1152, 65536, 16384, 32768, 8.3),
        (1152, 65536, 16384, 8192, 3.7),
    ],
)
def test_vllm_reads_the_largest_images_in_its_profile_run(
    hidden: int, patches: int, tokens: int, batched: int, published_gib: float
) -> None:
    blind = ModelShape(28, 3584, 28, 4, 128, 18944, 152064)
    seeing = replace(blind, has_images=True, image_hidden_size=hidden, image_patches=patches, image_tokens=tokens)
    settings = ServerSettings(max_num_batched_tokens=batched, enforce_eager=True)
    asked: dict[str, Any] = {"engine": "vllm", "context_tokens": 4096, "settings": settings}
    spec = QuantSpec("awq", 4, 128)
    without = estimate(spec, blind, **asked)
    peak = estimate(spec, seeing, **asked).scratch_bytes - (without.scratch_bytes - step_of(blind, batched))
    assert peak == pytest.approx(published_gib * GIB, rel=0.12)


@pytest.mark.parametrize(("tokens", "sequences", "measured_gib"), [(8192, 1024, 1.87), (2048, 256, 0.51)])
def test_vllm_keeps_the_experts_buffers_while_it_samples(tokens: int, sequences: int, measured_gib: float) -> None:
    # Mixtral 8x7B with GPTQ, 0.26.0 on an H200; beside the weights and outside torch are 8 MiB of tables and 236 MB.
    mixtral = ModelShape(
        32, 4096, 32, 8, 128, 14336, 32000, num_local_experts=8, num_experts_per_tok=2, max_position_embeddings=32768
    )
    settings = ServerSettings(max_num_batched_tokens=tokens, max_num_seqs=sequences)
    need = estimate(QuantSpec("gptq", 4, 128), mixtral, engine="vllm", context_tokens=8192, settings=settings)
    peak = need.scratch_bytes - need.graph_bytes - 236_000_000
    assert peak / GIB == pytest.approx(measured_gib, abs=0.03)


def test_transformers_holds_every_states_copy_of_a_mixture_and_one_steps_experts() -> None:
    # Mixtral with two layers in 16 bits, 5.17 on an H200: 9.25 GB after 4 prompts of 2048, of which the copies of the
    # experts that 4 generated tokens pass are 2.82 GB; 8.72 GB after one of 8192.
    mixtral = ModelShape(2, 4096, 32, 8, 128, 14336, 32000, num_local_experts=8, num_experts_per_tok=2)
    asked: dict[str, Any] = {"engine": "transformers", "version": "5.17.0", "weights_file_bytes": 6_329_360_384}
    spec = QuantSpec("none", 16)
    four = estimate(spec, mixtral, context_tokens=2056, prompt_tokens=2048, batch=4, **asked)
    one = estimate(spec, mixtral, context_tokens=8200, prompt_tokens=8192, **asked)
    assert allocated(four) == pytest.approx(9.25e9, rel=0.01)
    assert allocated(one) == pytest.approx(8.72e9, rel=0.01)


def test_long_prompt_of_a_model_without_a_kernel_needs_its_scores() -> None:
    shape = ModelShape(4, 2880, 64, 8, 64, 2880, 201088, num_local_experts=32, num_experts_per_tok=4)
    sinks = replace(shape, model_type="gpt_oss")

    def scratch(shape: ModelShape, version: str) -> int:
        return estimate(
            QuantSpec("none", 16), shape, engine="transformers", version=version, context_tokens=8192
        ).scratch_bytes

    assert scratch(sinks, "5.17.0") > 64 * 8192**2 * 6 > scratch(shape, "5.17.0")
    assert scratch(sinks, "4.57.0") == scratch(shape, "4.57.0")


def step_of(shape: ModelShape, tokens: int) -> int:
    """What vLLM takes for one step of an eager dense model: three states of the MLP and four hidden ones."""
    return tokens * (3 * shape.intermediate_size + 4 * shape.hidden_size) * 2


questions = st.fixed_dictionaries(
    {
        "engine": st.sampled_from(sorted(ENGINES)),
        "context_tokens": st.integers(1, 200_000),
        "kv_bytes_per_element": st.sampled_from([0.5625, 0.8125, 1.0, 1.0625, 2.0]),
        "batch": st.integers(1, 16),
        "version": st.sampled_from([None, "0.6", "0.10.2", "0.21", "4.32", "4.40", "4.50"]),
    }
)


@given(
    questions,
    st.sampled_from(SHAPES),
    st.sampled_from(["context_tokens", "batch", "kv_bytes_per_element"]),
    st.integers(0, 5000),
)
def test_more_never_needs_less(question: dict[str, Any], shape: ModelShape, grows: str, more: int) -> None:
    spec = QuantSpec("gptq", 4, 128)
    before = estimate(spec, shape, **question)
    after = estimate(spec, shape, **{**question, grows: question[grows] + more})
    assert after.total_bytes >= before.total_bytes
    assert min(before.weights_bytes, before.kv_cache_bytes, before.scratch_bytes, before.cuda_context_bytes) >= 0


@given(st.sampled_from(sorted(ENGINES)), st.sampled_from(SHAPES), st.integers(1, 7), st.booleans())
def test_more_gpus_never_need_less(engine: str, shape: ModelShape, gpus: int, splits_tensors: bool) -> None:
    def need(count: int) -> int:
        spread = Spread(gpus=count, splits_tensors=splits_tensors)
        return estimate(QuantSpec("gptq", 4, 128), shape, engine=engine, context_tokens=4096, spread=spread).total_bytes

    assert need(gpus + 1) >= need(gpus)
