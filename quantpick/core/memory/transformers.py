"""What Transformers, AutoGPTQ, AutoAWQ and GPTQ-for-LLaMa use besides weights and cache."""

from collections.abc import Callable
from typing import Final

from quantpick.core.memory.engine import Load
from quantpick.core.memory.kv_cache import kv_cache_bytes
from quantpick.core.memory.weights import linears, rounded_up
from quantpick.core.units import MIB

_FP16: Final = 2
_FP32: Final = 4
_LOGITS: Final = _FP16 + _FP32
"""Bytes per logit: computed in 16 bits and converted to 32."""

_CUBLAS_WORKSPACE: Final = 32 * MIB
"""torch's default for cuBLAS on Hopper (8 MiB elsewhere): the constant part of what was measured on an H100."""

_FUSED_GATE: Final = frozenset({"phi3", "glm", "glm4", "chatglm"})
"""Families with gate and up projections in one matrix: both halves and their product are held at once."""

_GELU_IN_STEPS: Final = frozenset({"gpt2", "gpt_neo", "gptj", "phi", "codegen"})
"""Families whose activation is a formula of many steps (``NewGELUActivation``): 8 x intermediate + 12 x hidden bytes
per token in GPT-2 and Phi, within 10 %."""


def _activations(load: Load) -> int:
    """The prompt's states at their peak, in the MLP: gate, up and product, and four hidden states, in 16 bits.

    Measured with Transformers 5.17 on an H100 and an H200, in bytes per token: 24 families with a gate take 6 x
    intermediate + 8.1 x hidden at any length and batch, those without (StarCoder 2, GPT-NeoX) 4 and 8; Phi-3, with one
    matrix for gate and up, 8 and 8.1. A prompt longer than the sliding window adds a mask of one byte per pair of
    tokens.
    """
    shape, tokens = load.shape, load.batch * load.prompt_tokens
    if shape.num_local_experts > 1:
        width = 12 * shape.num_experts_per_tok * shape.intermediate_size + 6 * shape.shared_intermediate_size
    elif shape.model_type in _GELU_IN_STEPS:
        width = 8 * shape.intermediate_size + 4 * shape.hidden_size
    else:
        width = (8 if shape.model_type in _FUSED_GATE else 2 * shape.mlp_matrices) * shape.intermediate_size
    return tokens * (width + 8 * shape.hidden_size) + _mask(load)


def _mask(load: Load) -> int:
    masked = load.shape.sliding_window is not None and load.prompt_tokens > load.shape.sliding_window
    return load.batch * load.prompt_tokens**2 if masked else 0


_SAME_TYPE: Final = frozenset(
    {"mixtral", "phimoe", "qwen2_moe", "qwen3_moe", "olmoe", "granitemoe", "granitemoehybrid", "ernie4_5_moe", "jamba"}
)
"""Mixtures that round the experts' shares to 16 bits; the others multiply by them in 32."""

_ALL_EXPERTS: Final = frozenset({"llama4_text"})
"""Mixtures in which every token passes every expert, most with a share of zero."""


def _mixture(load: Load) -> int:
    """The states of a mixture of experts since Transformers 5.0, or one step's copies of experts.

    ``integrations/moe.py``: a prompt's tokens are sorted by expert, each copied once per expert. Either the experts'
    gate and up, activation, product and input, or four copies of the hidden state are held, of which two in 32 bits
    where the shares are; and four hidden states of each token. A token that is generated has its experts' weights
    gathered. Measured with 5.17 on an H200: thirteen families, within 5 % of the states.
    """
    shape, tokens = load.shape, load.batch * load.prompt_tokens
    hidden, width = shape.expert_hidden_size or shape.hidden_size, shape.intermediate_size
    passed = shape.num_local_experts if shape.model_type in _ALL_EXPERTS else shape.num_experts_per_tok
    copies = (4 if shape.model_type in _SAME_TYPE else 6) * hidden
    states = passed * max(hidden + 4 * width, copies if passed == shape.num_experts_per_tok else 0) * _FP16
    gathered = load.batch * shape.num_experts_per_tok * shape.mlp_matrices * hidden * width * _FP16
    return max(tokens * (states + 8 * shape.hidden_size), gathered) + _mask(load)


def _attention(load: Load) -> float:
    """The peak of one attention layer, which may be above that of the MLP.

    Scores, in 16 and 32 bits, where torch has no kernel of its own: attention sinks (``_supports_sdpa`` of
    ``modeling_gpt_oss.py``) and Falcon's single key. A mask is held in 8 and 16 bits, with seven states as wide as the
    queries, four if no keys are copied to several heads. So are seven with heads of 512 elements (Gemma 4), and
    Cohere's rotation in 32 bits. Measured with 5.17 on an H200: 6.1 to 6.3 and 9.6 bytes per score, 6.7 to 7.3 states.
    """
    shape, tokens = load.shape, load.batch * load.prompt_tokens
    queries, keys = shape.num_attention_heads * shape.head_dim, shape.num_key_value_heads * shape.head_dim
    states = 7 * shape.num_attention_heads * shape.full_head_dim
    if shape.model_type in _ROTATED_IN_32_BITS:
        states = max(states, 10 * queries + 6 * keys)
    if mask := _mask(load):
        states = max(states, (7 if keys < queries else 4) * queries)
    scores = 0.0 if shape.model_type == "falcon" and keys > shape.head_dim else _EAGER.get(shape.model_type or "", 0.0)
    return tokens * (load.prompt_tokens * shape.num_attention_heads * scores + states * _FP16) + 3 * mask


_ROTATED_IN_32_BITS: Final = frozenset({"cohere"})
_EAGER: Final = {"gpt_oss": 6.3, "deepseek_v4": 6.3, "mimo_v2_flash": 6.3, "hy_v4": 6.3, "falcon": 9.6}
"""Bytes per score in families without a kernel of torch's (``_supports_sdpa``, 5.17)."""


def _copied_keys(load: Load) -> int:
    """The rest of the cache of a Falcon whose heads share keys: each head caches them (``_split_heads``)."""
    shape = load.shape
    if shape.model_type != "falcon" or shape.num_key_value_heads == 1:
        return 0
    more = shape.num_attention_heads - shape.num_key_value_heads
    each = 2 * more * shape.head_dim * shape.num_hidden_layers
    return round(load.batch * load.context_tokens * each * load.kv_bytes_per_element)


def _scan(load: Load) -> int:
    """The states of a recurrent layer's prompt without the kernels that come as packages of their own, in 32 bits.

    ``modeling_qwen3_next.py``, ``torch_chunk_gated_delta_rule``; ``modeling_bamba.py``, ``torch_forward``: every token
    meets every other of its chunk in each element of a state. Measured with 5.17 on an H200: 2.5 to 5 % above the
    largest of these states in four families of Mamba 2, 6 % below sixteen values of three delta nets.
    """
    return round(1.05 * load.batch * load.prompt_tokens * load.shape.scan_elements * _FP32)


def _dequantized(load: Load) -> int:
    """The matrix that a GPTQ or AWQ kernel unpacks to 16 bits for a long prompt.

    0.1 to 0.4 GB above unquantized models in QwenLM's Qwen2.5 table, in proportion to hidden x intermediate.
    """
    shape = load.shape
    return shape.hidden_size * shape.intermediate_size * _FP16 if load.quant.method != "none" else 0


_OWN_CODE: Final = frozenset({"qwen", "chatglm"})
"""Families with their own model code. In any version of Transformers, it computes the logits of every position, and
copies the cache to a longer one while the old one is held (``modeling_qwen.py``, ``modeling_chatglm.py``, ``torch.cat``
of tuples): 1.05 MiB for each of 7680 tokens of a Qwen 7B, whose cache takes 0.5 (QwenLM/Qwen README, "Quantization of
KV cache"). Their attention is torch's own or FlashAttention: no scores."""


def or_own_code(scratch: Callable[[Load], int]) -> Callable[[Load], int]:
    """A formula of Transformers, replaced for families with their own code."""
    return lambda load: _own_code(load) if load.shape.model_type in _OWN_CODE else scratch(load)


def _own_code(load: Load) -> int:
    return max(_all_logits(load), _activations(load), _copied_cache(load)) + _beside_matrices(load)


def transformers_scratch(load: Load) -> int:
    """Transformers since 4.45: it computes the logits of the last token only."""
    return _activations(load) + _beside_matrices(load)


def grouped_experts_scratch(load: Load) -> int:
    """Transformers since 5.0, which joins experts to one matrix unless they are packed."""
    joined = load.shape.num_local_experts > 1 and load.quant.method == "none"
    mlp = _mixture(load) if joined else _activations(load)
    return round(max(mlp, _attention(load), _scan(load))) + _copied_keys(load) + _beside_matrices(load)


def _beside_matrices(load: Load) -> int:
    """An unpacked matrix, what the allocator adds to packed ones, and cuBLAS's workspace."""
    return _dequantized(load) + rounded_up(load.quant, linears(load.shape)) + _CUBLAS_WORKSPACE


_LONGEST_OF_ITS_TIME: Final = 32768
"""Positions of a model that does not state them: those of Mistral and Qwen2, the most that was common then."""


def _all_logits(load: Load) -> int:
    """The logits of every prompt position: 0.5 to 3.3 % median error on QwenLM's Qwen1.5 and Qwen2 tables."""
    return load.batch * load.prompt_tokens * load.shape.vocab_size * _LOGITS


def _rotary_tables(load: Load) -> int:
    """Every layer's rotary tables for all positions: 0.54 GB for Mistral's 32,768 (huggingface/optimum-benchmark)."""
    shape = load.shape
    positions = max(load.context_tokens, shape.max_position_embeddings or _LONGEST_OF_ITS_TIME)
    return 2 * shape.num_hidden_layers * positions * shape.head_dim * _FP16


def all_logits_scratch(load: Load) -> int:
    """Transformers before 4.45: the logits of every prompt position, and rotary tables in each layer."""
    return max(_activations(load), _all_logits(load)) + _rotary_tables(load) + _beside_matrices(load)


def copied_cache_scratch(load: Load) -> int:
    """Transformers before 4.36: attention scores, and each new token copies the cache while the old one is held.

    In huggingface/optimum-benchmark's Llama 13B (batch 1 to 8), the peak less weights and cache is the cache a second
    time plus the rotary tables; in QwenLM's Qwen table (8192 tokens) it is the cache. Scores are held in 16 and 32
    bits. The allocator keeps the memory of both logits and scores, though they are used in turn. AWQ's kernel makes 8
    partial products and their sum (casper-hansen/AutoAWQ 0.1, ``gemm_forward_cuda`` with ``split_k_iters`` 8); without
    them the estimate is 4 to 28 % too low on 11 of its points.
    """
    shape = load.shape
    scores = load.batch * shape.num_attention_heads * load.prompt_tokens**2 * _LOGITS
    partial = 0
    if load.quant.method == "awq":
        widths = shape.intermediate_size + 2 * shape.hidden_size
        partial = _AWQ_PARTS * load.batch * load.prompt_tokens * widths * _FP16
    prompt = max(_activations(load), _all_logits(load)) + _activations(load) + scores + partial
    return max(prompt, _copied_cache(load)) + _rotary_tables(load) + _beside_matrices(load)


_AWQ_PARTS: Final = 9
"""Partial products of the old AWQ kernel, and their sum."""


def _copied_cache(load: Load) -> int:
    return load.batch * kv_cache_bytes(load.shape, load.context_tokens, load.kv_bytes_per_element)


def _autogptq_kernel(load: Load) -> int:
    """The buffer of AutoGPTQ's ExLlamaV2 kernel, which reads 4 bits, for 8 sequences of 2048 tokens.

    ``qlinear_exllamav2.py``, ``scratch_space_fixed``: outputs x 2048 x 8 x 4 bytes: 728, 912 and 1352 MB more than
    the v1 kernel for 7, 13 and 65B (huggingface/optimum-benchmark).
    """
    return 4 * 8 * 2048 * load.shape.intermediate_size if load.quant.bits == 4 else 0


def autogptq_scratch(load: Load) -> int:
    """AutoGPTQ since 0.6, with Transformers 4.36 or newer, whose attention is torch's own: no scores.

    Models with their own code copy the cache for each token.
    """
    return _autogptq_kernel(load) + max(all_logits_scratch(load), _copied_cache(load))


def old_autogptq_scratch(load: Load) -> int:
    """AutoGPTQ 0.5, the first with the ExLlamaV2 kernel, with the Transformers of its time."""
    return _autogptq_kernel(load) + copied_cache_scratch(load)


def autoawq_scratch(load: Load) -> int:
    """AutoAWQ with fused layers: attention scores of the whole prompt, or the logits of every position.

    9 bytes per pair of tokens and head. Its own table (casper-hansen/AutoAWQ README): Mistral 7B 1.2 GB per sequence
    of 2048 tokens, Falcon 7B 2.5 GB, CodeLlama 34B 2.6 GB; Llama 13B needs 1 GB less. The cache is made for at least
    2048 tokens.
    """
    shape = load.shape
    scores = 9 * load.batch * shape.num_attention_heads * load.prompt_tokens**2
    logits = load.batch * load.prompt_tokens * shape.vocab_size * _LOGITS
    return max(scores, logits, _activations(load)) + _beside_matrices(load)
