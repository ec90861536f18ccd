"""What each block of a model keeps per sequence, by its config: a cache, a window's cache, a state, or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

MAX_DIMENSION: Final = 2**24
MAX_LAYERS: Final = 4096

LayerKind = Literal["full", "sliding", "state", "none"]
"""What a block keeps per sequence: a cache of the whole context or of a window, a state of fixed size, nothing."""

_LAYER_KINDS: Final[Mapping[str, LayerKind]] = {
    **dict.fromkeys(
        ("full_attention", "attention", "global", "global_attention", "indexed_attention", "*", "1"), "full"
    ),
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
"""Families in which every n-th layer sees the whole context, if ``sliding_window_pattern`` is absent."""

_BESIDE_ATTENTION: Final = frozenset({"falcon_h1"})
"""Families with a recurrent part beside the attention in every layer (``modeling_falcon_h1.py``)."""


def layer_kinds(config: Mapping[str, Any], layers: int) -> tuple[list[LayerKind], tuple[str, ...]]:
    """What each block keeps, and a sentence for anything not understood."""
    words = _layer_words(config, layers)
    shared = min(layers, number(config, "num_kv_shared_layers") or 0)
    if words is None:
        return _without_own_cache(_kinds_by_window(config, layers), shared), ()
    if len(words) != layers:
        return ["full"] * layers, (f"it names the kinds of {len(words)} of {layers} layers: all count as attention",)
    strange = sorted({word for word in words if word not in _LAYER_KINDS})
    doubts = tuple(f"`{word[:40]}` is not a known kind of layer: counted as attention" for word in strange)
    return _without_own_cache([_LAYER_KINDS.get(word, "full") for word in words], shared), doubts


def _without_own_cache(kinds: list[LayerKind], shared: int) -> list[LayerKind]:
    """The kinds if the last `shared` layers use the cache of others (Gemma 3n and 4, ``num_kv_shared_layers``)."""
    return kinds[: len(kinds) - shared] + ["none"] * shared


def number_of_layers(config: Mapping[str, Any]) -> int | None:
    """The number of blocks, if only the list of their kinds gives it."""
    listed = config.get("layers_block_type")
    return len(listed) if isinstance(listed, list) and listed else None


def blocks_of_one_part(config: Mapping[str, Any]) -> tuple[int, int]:
    """The number of blocks without attention or state, and of blocks with an MLP; (0, 0) if every block has both.

    Nemotron-H's blocks have one or the other. DeciLM's blocks without attention keep their MLP.
    """
    layers = number(config, "num_hidden_layers") or number_of_layers(config) or 0
    words = _layer_words(config, layers) or []
    if len(words) != layers:
        return 0, 0
    alone = sum(_LAYER_KINDS.get(word) == "none" for word in words)
    if isinstance(config.get("block_configs"), list):
        return alone, 0
    return alone, alone


def _layer_words(config: Mapping[str, Any], layers: int) -> list[str] | None:
    """The kind of each block in the config's own words, or None if it gives none."""
    for name in ("layer_types", "layers_block_type", "attn_type_list"):
        listed = config.get(name)
        if isinstance(listed, list):
            return [str(one) for one in listed]
    windowed, cycle = config.get("hybrid_layer_pattern"), config.get("block_types")
    if isinstance(windowed, list):
        return ["sliding_attention" if one == 1 else "attention" for one in windowed]
    if isinstance(cycle, list) and cycle:
        return [str(cycle[layer % len(cycle)]) for layer in range(layers)]
    letters, blocks = config.get("hybrid_override_pattern"), config.get("block_configs")
    if isinstance(letters, str):
        return list(letters)
    if isinstance(blocks, list):
        return ["mlp" if _has_no_attention(block) else "attention" for block in blocks]
    return _words_by_place(config, layers)


def _words_by_place(config: Mapping[str, Any], layers: int) -> list[str] | None:
    """The same, if the config says which blocks attend: by number, or every n-th."""
    linear = config.get("linear_attn_config")
    if isinstance(linear, Mapping) and isinstance(linear.get("kda_layers"), list):
        return ["linear_attention" if layer + 1 in linear["kda_layers"] else "attention" for layer in range(layers)]
    for name, other in (("attn_layer_indices", "mamba"), ("full_attn_idxs", "conv")):
        indices = config.get(name)
        if isinstance(indices, list):
            return ["attention" if layer in indices else other for layer in range(layers)]
    period = number(config, "attn_layer_period")
    if period is not None:
        offset = number(config, "attn_layer_offset") or 0
        return ["attention" if layer % period == offset else "mamba" for layer in range(layers)]
    interval = number(config, "full_attention_interval")
    if interval is not None:
        return ["linear_attention" if (layer + 1) % interval else "attention" for layer in range(layers)]
    return None


def _has_no_attention(block: object) -> bool:
    """Whether a block of ``block_configs`` (DeciLM, Nemotron) omits or replaces attention."""
    attention = block.get("attention") if isinstance(block, Mapping) else None
    return isinstance(attention, Mapping) and bool(attention.get("no_op") or attention.get("replace_with_linear"))


def _kinds_by_window(config: Mapping[str, Any], layers: int) -> list[LayerKind]:
    """The kinds, if no list gives them: by the family's use of its window."""
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


@dataclass(frozen=True, slots=True)
class Recurrent:
    """The recurrent blocks of a model, all of them together.

    Args:
        state_elements: elements of their states, per sequence.
        weights: elements of their matrices; 0 if they count as attention.
        scan_elements: elements per token of one block's largest states, without kernels made for it.
        doubts: what the config does not say, in sentences.
    """

    state_elements: int = 0
    weights: int = 0
    scan_elements: int = 0
    doubts: tuple[str, ...] = ()


def recurrent_blocks(config: Mapping[str, Any], count: int, hidden: int) -> Recurrent:
    """The states and matrices of `count` blocks, or of every block in families with both parts in each."""
    family = config.get("model_type")
    if isinstance(family, str) and family in _BESIDE_ATTENTION:
        count = number(config, "num_hidden_layers") or 0
    if not count:
        return Recurrent()
    state, weights = _recurrent_block(config, hidden)
    doubt = "it does not say how large the states of its recurrent layers are: 0 is assumed"
    return Recurrent(state * count, weights * count, _scan_elements(config), () if state else (doubt,))


_VALUES: Final = 16
"""Copies of its values that a delta net holds: keys, queries, decays and products of each chunk."""


def _scan_elements(config: Mapping[str, Any]) -> int:
    """Elements per token of the largest states of one recurrent layer: of a delta net, or of Mamba 2's chunks."""
    values = (number(config, "linear_num_value_heads") or 0) * (number(config, "linear_value_head_dim") or 0)
    heads = number(config, "mamba_n_heads", "mamba_num_heads") or 0
    chunk = number(config, "mamba_chunk_size", "chunk_size") or _CHUNK
    return max(_VALUES * values, heads * chunk * (number(config, "mamba_d_state", "ssm_state_size") or 0))


_CHUNK: Final = 256
"""Mamba 2's tokens per chunk where the config does not say it, the default of most families in Transformers."""


def _recurrent_block(config: Mapping[str, Any], hidden: int) -> tuple[int, int]:
    """Elements of one block's state and of its matrices, as in the modules of Transformers; 0 if the config lacks them.

    Gated delta net (Qwen3-Next), Kimi's delta attention, short convolutions (LFM2), Griffin (RecurrentGemma), lightning
    attention (MiniMax), Mamba 2 and Mamba 1.
    """

    def get(*names: str) -> int:
        return number(config, *names) or 0

    linear = config.get("linear_attn_config")
    if isinstance(linear, Mapping) or get("linear_num_heads"):
        named = linear if isinstance(linear, Mapping) else {}
        heads = number(named, "num_heads") or get("linear_num_heads")
        size = number(named, "head_dim") or get("linear_head_dim")
        kernel = number(named, "short_conv_kernel_size") or get("linear_conv_kernel_dim")
        return heads * size * (size + 3 * kernel), 4 * hidden * heads * size + 2 * size * (hidden + heads * size)
    if heads := get("linear_num_value_heads"):
        keys, values = get("linear_num_key_heads") * get("linear_key_head_dim"), heads * get("linear_value_head_dim")
        state = values * get("linear_key_head_dim") + (2 * keys + values) * get("linear_conv_kernel_dim")
        return state, hidden * (2 * keys + 3 * values + 2 * heads)
    if get("conv_L_cache"):
        width = get("conv_dim") or hidden
        return get("conv_L_cache") * width, 4 * hidden * width
    if get("lru_width"):
        return get("lru_width") * (1 + get("conv1d_width")), 3 * hidden * get("lru_width")
    if config.get("attn_type_list") is not None or str(config.get("model_type")).startswith("minimax"):
        heads = get("num_attention_heads")
        size = get("head_dim") or hidden // max(1, heads)
        return heads * size**2, 5 * hidden * heads * size
    return _mamba(config, hidden)


def _mamba(config: Mapping[str, Any], hidden: int) -> tuple[int, int]:
    """The same for Mamba: version 2 has heads, and groups that share B and C; version 1 a low rank for its steps."""

    def get(*names: str) -> int:
        return number(config, *names) or 0

    heads, state = get("mamba_n_heads", "mamba_num_heads"), get("mamba_d_state", "ssm_state_size", "state_size")
    kernel = get("mamba_d_conv", "conv_kernel")
    inner = heads * get("mamba_d_head", "mamba_head_dim")
    shared = 2 * get("mamba_n_groups", "n_groups", "mamba_ngroups") * state
    if inner:
        return inner * state + (inner + shared) * kernel, hidden * (3 * inner + shared + heads)
    inner, rank = get("mamba_expand") * hidden, get("mamba_dt_rank")
    return inner * (state + kernel), inner * (3 * hidden + 2 * rank + 2 * state)


def number(config: Mapping[str, Any], *names: str) -> int | None:
    """The value of the first key with a whole number above zero."""
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_DIMENSION:
            return value
    return None
