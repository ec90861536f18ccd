"""A model's dimensions by the keys of its GGUF header."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from quantpick.core.gguf.header import GgufHeader, Value
from quantpick.core.layer_kinds import MAX_DIMENSION, MAX_LAYERS
from quantpick.core.shape import ModelShape
from quantpick.core.units import is_whole

_FULL_EVERY: Final[Mapping[str, int]] = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "cohere2": 4,
    "gpt-oss": 2,
    "exaone4": 4,
    "olmo2": 4,
    "llama4": 4,
    "smallthinker": 4,
    "afmoe": 4,
}
"""Architectures in which every n-th layer sees the whole context, if the file does not say
(``set_swa_pattern`` in ggml-org/llama.cpp). In the others all layers see it: llama.cpp ignores Mistral's window."""

_LINEAR_EVERY: Final[Mapping[str, int]] = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4}
"""Architectures in which every n-th layer has attention and the others a state (``full_attention_interval``)."""

_ALL_STATES: Final = frozenset({"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"})
"""Architectures without any attention."""


def architecture(header: GgufHeader) -> str | None:
    """``general.architecture``: ``llama``, ``qwen3moe``, ...; None if missing or unprintable."""
    name = header.values.get("general.architecture")
    return name if isinstance(name, str) and 0 < len(name) <= 64 and name.isprintable() else None


def read_shape(header: GgufHeader) -> ModelShape | str:
    """The dimensions in a header, or why there are none: words that follow the file's name.

    The output head counts as separate from the embedding unless the tensors say otherwise.

    >>> keys = {"block_count": 32, "embedding_length": 4096, "attention.head_count": 32, "attention.head_count_kv": 8,
    ...     "feed_forward_length": 14336, "context_length": 8192}
    >>> values = {"general.architecture": "llama", **{f"llama.{key}": value for key, value in keys.items()}}
    >>> shape = read_shape(GgufHeader(values=values, lengths={"tokenizer.ggml.tokens": 128256}))
    >>> shape.num_key_value_heads, shape.head_dim, shape.vocab_size
    (8, 128, 128256)
    """
    arch = architecture(header)
    if arch is None:
        return "names no architecture"
    keys = _Keys(arch, header.values)
    layers, hidden = keys.number("block_count", most=MAX_LAYERS), keys.number("embedding_length")
    vocab = header.lengths.get("tokenizer.ggml.tokens") or keys.number("vocab_size")
    missing = [
        name
        for name, value in (("block_count", layers), ("embedding_length", hidden), ("a vocabulary", vocab))
        if value is None
    ]
    if layers is None or hidden is None or vocab is None:
        return f"does not say {', '.join(missing)}"
    kinds = _kinds(keys, layers)
    states, doubts = _states(keys, kinds.count("state"), hidden)
    shape = ModelShape(
        num_hidden_layers=layers,
        hidden_size=hidden,
        vocab_size=min(vocab, MAX_DIMENSION),
        tie_word_embeddings=_is_tied(header),
        max_position_embeddings=keys.number("context_length"),
        model_type=arch,
        num_state_layers=kinds.count("state"),
        state_elements=states,
        doubts=doubts,
        **_attention(keys, hidden, kinds),
        **_mlp(keys, layers, hidden),
    )
    return shape if shape.problem is None else f"gives dimensions that cannot be: {shape.problem}"


class _Keys:
    """The header's values for one architecture, each checked when read."""

    def __init__(self, arch: str, values: Mapping[str, Value]) -> None:
        self.arch = arch
        self._values = values

    def number(self, name: str, *, most: int = MAX_DIMENSION) -> int | None:
        """A whole number above zero, or None."""
        value = self._values.get(f"{self.arch}.{name}")
        return value if isinstance(value, int) and is_whole(value, 1, most) else None

    def listed(self, name: str) -> list[int] | None:
        """The numbers of a list, one per layer, or None."""
        value = self._values.get(f"{self.arch}.{name}")
        if not isinstance(value, tuple):
            return None
        return [int(one) for one in value if isinstance(one, int) and 0 <= one <= MAX_DIMENSION]

    def largest(self, name: str) -> int | None:
        """The number, or the largest of the list: if in doubt, what needs more memory."""
        return self.number(name) or max(self.listed(name) or [0]) or None


def _attention(keys: _Keys, hidden: int, kinds: Sequence[str]) -> dict[str, Any]:
    heads = keys.largest("attention.head_count") or 1
    window = keys.number("attention.sliding_window")
    sliding = kinds.count("sliding") if window else 0
    latent = keys.number("attention.kv_lora_rank") if keys.number("attention.key_length_mla") else None
    suffix = "_mla" if latent else ""
    head_dim = keys.number(f"attention.key_length{suffix}") or max(1, hidden // heads)
    value_dim = keys.number(f"attention.value_length{suffix}")
    return {
        "num_attention_heads": heads,
        "num_key_value_heads": heads if latent else keys.largest("attention.head_count_kv") or heads,
        "head_dim": head_dim,
        "sliding_window": window if sliding else None,
        "num_sliding_layers": sliding,
        "kv_lora_rank": latent or 0,
        "q_lora_rank": (keys.number("attention.q_lora_rank") or 0) if latent else 0,
        "qk_rope_head_dim": (keys.number("rope.dimension_count") or 0) if latent else 0,
        "v_head_dim": value_dim if value_dim and value_dim != head_dim else 0,
    }


def _mlp(keys: _Keys, layers: int, hidden: int) -> dict[str, Any]:
    experts = keys.number("expert_count") or 1
    dense_width = keys.largest("feed_forward_length")
    width = (keys.number("expert_feed_forward_length") if experts > 1 else None) or dense_width or 4 * hidden
    mixture = {
        "num_local_experts": experts,
        "shared_intermediate_size": _shared_width(keys, width),
        "num_dense_layers": min(layers, keys.number("leading_dense_block_count") or 0),
        "dense_intermediate_size": dense_width or width,
    }
    return {
        "intermediate_size": width,
        "num_experts_per_tok": keys.number("expert_used_count") or 1,
        **(mixture if experts > 1 else {}),
    }


def _kinds(keys: _Keys, layers: int) -> list[str]:
    """What each layer keeps: ``full``, ``sliding`` or ``state``."""
    if keys.arch in _ALL_STATES:
        return ["state"] * layers
    kinds = ["sliding" if slides else "full" for slides in _slides(keys, layers)]
    cached = keys.listed("attention.head_count_kv") or []
    every = keys.number("full_attention_interval") or _LINEAR_EVERY.get(keys.arch)
    for layer in range(layers):
        if (layer < len(cached) and cached[layer] == 0) or (every and (layer + 1) % every):
            kinds[layer] = "state"
    return kinds


def _slides(keys: _Keys, layers: int) -> list[bool]:
    """Whether each layer sees only its window."""
    pattern = keys.listed("attention.sliding_window_pattern")
    if pattern:
        return [bool(pattern[layer % len(pattern)]) for layer in range(layers)]
    every = keys.number("attention.sliding_window_pattern") or _FULL_EVERY.get(keys.arch)
    return [every is not None and layer % every < every - 1 for layer in range(layers)]


def _states(keys: _Keys, count: int, hidden: int) -> tuple[int, tuple[str, ...]]:
    """Elements of the states of `count` layers (``n_embd_r`` and ``n_embd_s`` in ``src/llama-hparams.cpp``)."""
    if not count:
        return 0, ()
    wkv, short = keys.number("wkv.head_size"), keys.number("shortconv.l_cache")
    if wkv:
        one = (keys.number("token_shift_count") or 2) * hidden + hidden * wkv
    elif short:
        one = hidden * (short - 1)
    else:
        inner, state = keys.number("ssm.inner_size") or 0, keys.number("ssm.state_size") or 0
        kept = max(0, (keys.number("ssm.conv_kernel") or 1) - 1)
        one = kept * (inner + 2 * (keys.number("ssm.group_count") or 0) * state) + state * inner
    return one * count, () if one else (
        "it does not say how large the states of its recurrent layers are: 0 is assumed",
    )


def _shared_width(keys: _Keys, width: int) -> int:
    """Width of the MLP that every token passes in a mixture of experts."""
    return keys.number("expert_shared_feed_forward_length") or width * (keys.number("expert_shared_count") or 0)


def _is_tied(header: GgufHeader) -> bool:
    """Whether the head is tied: the file then has no ``output.weight``. One part of a split file does not tell."""
    names = {tensor.name for tensor in header.tensors or ()}
    parts = header.values.get("split.count", 1)
    return parts in (0, 1) and "token_embd.weight" in names and "output.weight" not in names
