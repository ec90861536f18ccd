"""What each block of a model keeps per sequence, as its config says it: a cache, a window of one, a state, nothing."""

from collections.abc import Mapping
from typing import Any, Final, Literal

MAX_DIMENSION: Final = 2**24
MAX_LAYERS: Final = 4096

LayerKind = Literal["full", "sliding", "state", "none"]
"""What a block keeps per sequence: a cache of the whole context or of a window, a state of fixed size, or nothing."""

_LAYER_KINDS: Final[Mapping[str, LayerKind]] = {
    **dict.fromkeys(("full_attention", "attention", "global", "global_attention", "*", "1"), "full"),
    **dict.fromkeys(("sliding_attention", "chunked_attention", "local", "local_attention"), "sliding"),
    **dict.fromkeys(("linear_attention", "lightning_attention", "mamba", "mamba2", "recurrent", "conv", "M"), "state"),
    "0": "state",
    **dict.fromkeys(("mlp", "moe", "-", "E"), "none"),
}
"""The words of ``layer_types`` (Transformers), ``layers_block_type`` (Jamba, Bamba), ``block_types`` (RecurrentGemma),
the letters of ``hybrid_override_pattern`` (Nemotron-H), the numbers of ``attn_type_list`` (MiniMax)."""

_WINDOW_EVERYWHERE: Final = frozenset({"mistral", "mixtral", "phi3", "starcoder2"})
"""Families in which every layer has the config's ``sliding_window``."""

_FULL_EVERY: Final[Mapping[str, int]] = {"gemma2": 2, "gemma3": 6, "gemma3_text": 6, "cohere2": 4}
"""Families in which one layer in every few sees the whole context, where ``sliding_window_pattern`` does not say."""


def layer_kinds(config: Mapping[str, Any], layers: int) -> tuple[list[LayerKind], tuple[str, ...]]:
    """What each block keeps, and a sentence for what is not understood."""
    words = _layer_words(config, layers)
    if words is None:
        return _kinds_by_window(config, layers), ()
    if len(words) != layers:
        return ["full"] * layers, (f"it names the kinds of {len(words)} of {layers} layers: all count as attention",)
    strange = sorted({word for word in words if word not in _LAYER_KINDS})
    doubts = tuple(f"`{word[:40]}` is not a known kind of layer: counted as attention" for word in strange)
    return [_LAYER_KINDS.get(word, "full") for word in words], doubts


def _layer_words(config: Mapping[str, Any], layers: int) -> list[str] | None:
    """The kind of each block in the config's own words, or None where it has none."""
    for name in ("layer_types", "layers_block_type", "attn_type_list"):
        listed = config.get(name)
        if isinstance(listed, list):
            return [str(one) for one in listed]
    cycle = config.get("block_types")
    if isinstance(cycle, list) and cycle:
        return [str(cycle[layer % len(cycle)]) for layer in range(layers)]
    letters = config.get("hybrid_override_pattern")
    if isinstance(letters, str):
        return list(letters)
    blocks = config.get("block_configs")
    if isinstance(blocks, list):
        return ["mlp" if _has_no_attention(block) else "attention" for block in blocks]
    indices = config.get("attn_layer_indices")
    if isinstance(indices, list):
        return ["attention" if layer in indices else "mamba" for layer in range(layers)]
    period = number(config, "attn_layer_period")
    if period is not None:
        offset = number(config, "attn_layer_offset") or 0
        return ["attention" if layer % period == offset else "mamba" for layer in range(layers)]
    interval = number(config, "full_attention_interval")
    if interval is not None:
        return ["linear_attention" if (layer + 1) % interval else "attention" for layer in range(layers)]
    return None


def _has_no_attention(block: object) -> bool:
    """Whether a block of ``block_configs`` (DeciLM, Nemotron) leaves attention out or replaces it."""
    attention = block.get("attention") if isinstance(block, Mapping) else None
    return isinstance(attention, Mapping) and bool(attention.get("no_op") or attention.get("replace_with_linear"))


def _kinds_by_window(config: Mapping[str, Any], layers: int) -> list[LayerKind]:
    """The kinds where no list gives them: by the family's habit with its window."""
    family = str(config.get("model_type"))
    if config.get("use_sliding_window") is False:
        return ["full"] * layers
    if config.get("use_sliding_window") is True:
        first = number(config, "max_window_layers") or 0
        return ["sliding" if layer >= first else "full" for layer in range(layers)]
    if family in _WINDOW_EVERYWHERE:
        return ["sliding"] * layers
    every = number(config, "sliding_window_pattern") or _FULL_EVERY.get(family)
    return ["sliding" if every and (layer + 1) % every else "full" for layer in range(layers)]


def state_elements(config: Mapping[str, Any], count: int, hidden: int) -> tuple[int, tuple[str, ...]]:
    """Elements of the states of `count` blocks: gated delta net, Mamba 2, Mamba 1 (their modules in Transformers)."""
    if not count:
        return 0, ()

    def get(*names: str) -> int:
        return number(config, *names) or 0

    heads = get("linear_num_value_heads")
    if heads:
        keys, values = get("linear_key_head_dim"), get("linear_value_head_dim")
        channels = 2 * get("linear_num_key_heads") * keys + heads * values
        one = heads * keys * values + channels * get("linear_conv_kernel_dim")
    else:
        inner = get("mamba_n_heads", "mamba_num_heads") * get("mamba_d_head", "mamba_head_dim")
        inner = inner or get("mamba_expand") * hidden
        one = inner * (get("mamba_d_state", "ssm_state_size", "state_size") + get("mamba_d_conv", "conv_kernel"))
    return one * count, () if one else (
        "it does not say how large the states of its recurrent layers are: 0 is assumed",
    )


def number(config: Mapping[str, Any], *names: str) -> int | None:
    """The first of these keys that holds a whole number above zero."""
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_DIMENSION:
            return value
    return None
