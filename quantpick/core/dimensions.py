"""A model's dimensions from its ``config.json``, in which each family has its own keys for the same thing."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from quantpick.core.layer_kinds import (
    MAX_LAYERS,
    blocks_of_one_part,
    layer_kinds,
    number,
    number_of_layers,
    recurrent_blocks,
)

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "hidden_size": ("hidden_size", "n_embd", "d_model", "model_dim"),
    "num_attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "vocab_size": ("padded_vocab_size", "vocab_size"),
    "max_position_embeddings": ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"),
}
"""The same dimension under each family's name: Llama, GPT-2 and StarCoder, MPT, ChatGLM."""

_UNGATED: Final = frozenset(
    {"gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "falcon", "RefinedWeb", "RefinedWebModel", "mpt", "opt"}
    | {"phi", "phi-msft", "bloom", "starcoder2", "codegen", "nemotron", "nemotron_h", "apertus", "arcee", "persimmon"}
    | {"jais2"}
)
"""Families whose MLP is two matrices, without a gate (their modules in Transformers)."""

_TIED: Final = frozenset(
    {"gemma", "gemma2", "gemma3", "gemma3_text", "gemma3n_text", "gemma4_text", "cohere", "cohere2", "recurrent_gemma"}
    | {"lfm2", "lfm2_moe", "cohere2_moe", "vaultgemma", "gpt2", "gpt_neo", "opt", "bloom", "mpt"}
    | {"starcoder2", "smollm3", "ernie4_5", "ernie4_5_moe", "minicpm3", "youtu"}
)
"""Families whose head is tied unless the config says otherwise. That is the default of their configuration classes in
Transformers 5.23, and configs leave defaults out. Not Falcon, whose files have a head of their own all the same."""


def read_dimensions(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `ModelShape` that a config gives. What is unclear is taken as what needs more memory.

    Raises:
        ValueError: dimensions are missing or not positive numbers. The message names them.
    """
    config = _with_single_blocks(_language_model(config))
    found = {name: _first(config, name) for name in _NAMES}
    found["num_hidden_layers"] = found["num_hidden_layers"] or number_of_layers(config)
    longest = found.pop("max_position_embeddings")
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise ValueError(f"the config does not say {', '.join(missing)}")
    layers, hidden, heads, _ = (value for value in found.values() if value is not None)
    if layers > MAX_LAYERS:
        raise ValueError(f"the config says {layers} layers")
    family = config.get("model_type") if isinstance(config.get("model_type"), str) else None
    kinds, doubts = layer_kinds(config, layers)
    recurrent = recurrent_blocks(config, kinds.count("state"), hidden)
    bare, with_mlp = blocks_of_one_part(config)
    return {
        **found,
        "tie_word_embeddings": config.get("tie_word_embeddings", family in _TIED) is True,
        "max_position_embeddings": longest,
        "model_type": family,
        "num_state_layers": kinds.count("state") + kinds.count("none"),
        "state_elements": recurrent.state_elements,
        "num_bare_layers": bare,
        "num_mlp_layers": with_mlp,
        "recurrent_weights": recurrent.weights,
        "scan_elements": recurrent.scan_elements,
        "per_layer_embedding": _per_layer_embedding(config, layers),
        "doubts": (*doubts, *recurrent.doubts),
        **_attention(config, hidden, heads, kinds),
        **_mlp(config, layers, hidden, family),
        **_images(config),
    }


def _attention(config: Mapping[str, Any], hidden: int, heads: int, kinds: Sequence[str]) -> dict[str, Any]:
    window = number(config, "sliding_window", "sliding_window_size", "attention_chunk_size")
    sliding = kinds.count("sliding") if window else 0
    latent = number(config, "kv_lora_rank") or 0
    rope = (number(config, "qk_rope_head_dim") or 0) if latent else 0
    head_dim = number(config, "head_dim", "kv_channels", "attention_head_dim") or max(1, hidden // heads)
    head_dim = (number(config, "qk_nope_head_dim") or 0) + rope if latent else head_dim
    value_dim = number(config, "v_head_dim") or 0
    return {
        "num_key_value_heads": _key_value_heads(config, heads),
        "head_dim": head_dim,
        "sliding_window": window if sliding else None,
        "num_sliding_layers": sliding,
        "kv_lora_rank": latent,
        "q_lora_rank": (number(config, "q_lora_rank") or 0) if latent else 0,
        "qk_rope_head_dim": rope,
        "v_head_dim": value_dim if latent or value_dim != head_dim else 0,
        "full_kv_elements": _kv_elements(config, "global_head_dim", "num_global_key_value_heads", head_dim),
        "sliding_kv_elements": _kv_elements(config, "swa_head_dim", "swa_num_key_value_heads", head_dim),
        "full_head_dim": number(config, "global_head_dim") or 0,
        "keys_are_values": config.get("attention_k_eq_v") is True,
        "query_matrices": 2 if _has_output_gate(config) else 1,
    }


def _mlp(config: Mapping[str, Any], layers: int, hidden: int, family: str | None) -> dict[str, Any]:
    experts = _largest(config, *_EXPERTS) or 1
    width = _intermediate_size(config, hidden, experts)
    mixture = {
        "num_local_experts": experts,
        "shared_intermediate_size": _shared_width(config, width),
        "num_dense_layers": _dense_layers(config, layers),
        "dense_intermediate_size": _dense_width(config) or width,
        "expert_hidden_size": number(config, *_EXPERT_INPUTS) or 0,
    }
    return {
        "intermediate_size": width,
        "mlp_matrices": 2 if family in _UNGATED else 3,
        "num_experts_per_tok": _largest(config, *_ACTIVE_EXPERTS) or 1,
        **(mixture if experts > 1 else {}),
    }


def _language_model(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config that holds the dimensions: itself, or the language model's within a multimodal one.

    DBRX keeps attention and experts in separate sections.
    """
    for name in ("text_config", "llm_config", "language_config", "thinker_config"):
        nested = config.get(name)
        if isinstance(nested, Mapping) and _first(config, "hidden_size") is None:
            rest = {key: value for key, value in config.items() if key != name}
            return _language_model({**rest, **nested})
    if config.get("model_type") == "dbrx":
        parts = [config.get(name) for name in ("attn_config", "ffn_config")]
        inner = {key: value for part in parts if isinstance(part, Mapping) for key, value in part.items()}
        return {**inner, **config}
    return config


def _with_single_blocks(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """LongCat's blocks in halves: each has two attentions and two dense MLPs around one mixture of experts.

    So every second block has experts, beside the MLP that every token passes (``modeling_longcat_flash.py``).
    """
    layers, width = number(config, "num_layers"), number(config, "ffn_hidden_size")
    if not str(config.get("model_type")).startswith("longcat_flash") or layers is None or width is None:
        return config
    halves = {"num_hidden_layers": 2 * layers, "num_dense_layers": layers, "shared_intermediate_size": width}
    return {**config, **halves, "dense_intermediate_size": width}


_EXPERTS: Final = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_ACTIVE_EXPERTS: Final = (
    "num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "moe_top_k", "top_k_experts"
)  # fmt: skip
_SHARED_WIDTHS: Final = (
    "shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "shared_intermediate_size",
    "share_expert_dim"
)  # fmt: skip
_EXPERT_INPUTS: Final = ("moe_latent_size", "routed_expert_hidden_size")
_SHARED_EXPERTS: Final = ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert")
"""The same under each family's name: Mixtral and Qwen, Kimi, DeepSeek, ERNIE, Hunyuan, DBRX, Gemma 4, Step."""


def _shared_width(config: Mapping[str, Any], width: int) -> int:
    """Width of a mixture's MLP that every token passes: Qwen states it, DeepSeek counts experts.

    In Llama 4 it is as wide as an expert, in Gemma 4 as the dense MLP.
    """
    family = config.get("model_type")
    if family == "llama4_text":
        return width
    if family == "gemma4_text":
        return number(config, "intermediate_size") or 0
    return number(config, *_SHARED_WIDTHS) or width * (_largest(config, *_SHARED_EXPERTS) or 0)


def _dense_layers(config: Mapping[str, Any], layers: int) -> int:
    """Blocks of a mixture of experts with one MLP: the first ones, those in a list, or all but every n-th."""
    for name, dense in (("mlp_layer_types", "dense"), ("moe_layer_freq", 0)):
        listed = config.get(name)
        if isinstance(listed, list):
            return min(layers, listed.count(dense))
    first = number(config, "first_k_dense_replace", "num_dense_layers", "moe_layer_start_index")
    if first is not None:
        return min(layers, first)
    step = number(config, "interleave_moe_layer_step", "expert_layer_period", "decoder_sparse_step") or 1
    only = config.get("mlp_only_layers")
    return min(layers, layers - layers // step + (len(only) if isinstance(only, list) else 0))


def _mean_width(blocks: list[Any], hidden: int) -> int:
    """The mean over DeciLM's blocks: each MLP has its own width, or is missing (``ffn_mult``, ``no_op``)."""
    widths = []
    for block in blocks:
        mlp = block.get("ffn") if isinstance(block, Mapping) else None
        factor = mlp.get("ffn_mult") if isinstance(mlp, Mapping) else None
        width = 2 * factor * hidden / 3 if isinstance(factor, int | float) and 0 < factor < 64 else 0.0
        widths.append(-(-int(width) // 256) * 256)
    return max(1, round(sum(widths) / len(widths)))


_LARGEST_IMAGE_TOKENS: Final = 16384
"""Tokens of the largest image that Qwen's image processor accepts: 12,845,056 pixels at 28 x 28 per token. vLLM logs
the same for Qwen2.5-VL to Qwen3.6 ("Encoder cache will be initialized with a budget of 16384 tokens")."""


def _images(config: Mapping[str, Any]) -> dict[str, Any]:
    """The vision tower. Some towers state one image size; the others take images of any size."""
    tower = config.get("vision_config")
    if not isinstance(tower, Mapping):
        return {}
    hidden, patch = number(tower, "hidden_size", "embed_dim", "vt_hidden_size") or 0, number(tower, "patch_size")
    merged = (number(tower, "spatial_merge_size") or number(config, "spatial_merge_size") or 1) ** 2
    size, soft = number(tower, "image_size"), number(config, "vision_soft_tokens_per_image", "mm_tokens_per_image")
    if size and patch:
        patches = (size // patch) ** 2
        tokens = soft or patches // merged
    elif soft:
        tokens, patches = soft, soft * (number(tower, "pooling_kernel_size") or 1) ** 2
    elif merged > 1:
        tokens, patches = _LARGEST_IMAGE_TOKENS, _LARGEST_IMAGE_TOKENS * merged
    else:
        hidden = tokens = patches = 0
    return {"has_images": True, "image_hidden_size": hidden, "image_patches": patches, "image_tokens": max(1, tokens)}


def _has_output_gate(config: Mapping[str, Any]) -> bool:
    """Whether attention has an output gate: stated, or by family (``modeling_qwen3_next.py``, ``_qwen3_5``)."""
    return config.get("attn_output_gate") is True or str(config.get("model_type")).startswith(("qwen3_5", "qwen3_next"))


def _per_layer_embedding(config: Mapping[str, Any], layers: int) -> int:
    """Elements of Gemma 3n's and small Gemma 4's embeddings, one per layer."""
    vocab, width = number(config, "vocab_size_per_layer_input"), number(config, "hidden_size_per_layer_input")
    return (vocab or 0) * (width or 0) * layers


def _dense_width(config: Mapping[str, Any]) -> int | None:
    return number(config, "intermediate_size_mlp", "dense_intermediate_size") or _largest(config, "intermediate_size")


def _kv_elements(config: Mapping[str, Any], head_dim_name: str, heads_name: str, head_dim: int) -> int:
    """Elements per token in the cache of layers whose heads differ from the rest (Gemma 4, MiMo V2); 0 if none do."""
    size, heads = number(config, head_dim_name), number(config, heads_name)
    if size is None and heads is None:
        return 0
    size = size or head_dim
    values = number(config, "swa_v_head_dim") if head_dim_name.startswith("swa") else None
    return (heads or _key_value_heads(config, number(config, "num_attention_heads") or 1)) * (size + (values or size))


def _largest(config: Mapping[str, Any], *names: str) -> int | None:
    """The value of the first key with a whole number above zero; of a list, the largest."""
    for name in names:
        listed = config.get(name)
        found = [number({name: one}, name) for one in (listed if isinstance(listed, list) else [listed])]
        if any(found):
            return max(one for one in found if one)
    return None


def _first(config: Mapping[str, Any], name: str) -> int | None:
    return number(config, *_NAMES[name])


def _key_value_heads(config: Mapping[str, Any], heads: int) -> int:
    """Key/value heads. With ``multi_query``, Falcon and StarCoder have one, ChatGLM ``multi_query_group_num``.

    In MLA every query head has its own keys and values.
    """
    if number(config, "kv_lora_rank"):
        return heads
    blocks = config.get("block_configs")
    if isinstance(blocks, list):
        attentions = [block.get("attention") for block in blocks if isinstance(block, Mapping)]
        groups = [number(one, "n_heads_in_group") for one in attentions if isinstance(one, Mapping)]
        return max(1, heads // min((group for group in groups if group), default=1))
    named = number(config, "num_key_value_heads", "n_head_kv", "kv_n_heads", "multi_query_group_num")
    if named is None and config.get("new_decoder_architecture") is True:
        named = number(config, "num_kv_heads")
    if named is not None:
        return named
    many = config.get("multi_query") is True or config.get("model_type") == "gpt_bigcode"
    return 1 if many else heads


def _intermediate_size(config: Mapping[str, Any], hidden: int, experts: int) -> int:
    """Width of one MLP. Qwen v1 states gate and up together; GPT-2's default is four times the hidden size.

    LFM2 uses two thirds of the stated width, rounded up to a multiple (``Lfm2MLP`` in ``modeling_lfm2.py``). In Gemma 4
    E2B, layers that share a cache have MLPs of twice the width: this is the mean.
    """
    of_experts = _largest(config, "moe_intermediate_size", "expert_ffn_hidden_size") if experts > 1 else None
    blocks = config.get("block_configs")
    if isinstance(blocks, list) and blocks:
        return _mean_width(blocks, hidden)
    named = of_experts or _largest(config, "intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim")
    layers, shared = number(config, "num_hidden_layers"), number(config, "num_kv_shared_layers")
    if config.get("use_double_wide_mlp") is True and named and layers and shared:
        return round(named * (layers + min(layers, shared)) / layers)
    if of_experts is None and config.get("block_auto_adjust_ff_dim") is True and named is not None:
        multiple, factor = number(config, "block_multiple_of") or 256, config.get("block_ffn_dim_multiplier")
        kept = int(2 * named / 3) * (factor if isinstance(factor, int | float) and 0 < factor < 16 else 1)
        return max(1, -(-int(kept) // multiple)) * multiple
    if named is None:
        ratio = config.get("expansion_ratio")
        return hidden * ratio if isinstance(ratio, int) and 0 < ratio <= 64 else 4 * hidden
    return named // 2 if config.get("model_type") == "qwen" else named
