"""A model's dimensions, in the config's own names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "hidden_size": ("hidden_size", "n_embd", "d_model", "model_dim"),
    "num_attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "vocab_size": ("padded_vocab_size", "vocab_size"),
    "max_position_embeddings": ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"),
}
"""The same dimension under each family's name: Llama, GPT-2 and StarCoder, MPT, ChatGLM."""

_UNGATED: Final = frozenset(
    {"gpt2", "gpt_bigcode", "gpt_neox", "gptj", "falcon", "RefinedWeb", "RefinedWebModel", "mpt", "opt", "phi", "bloom"}
    | {"starcoder2", "phi-msft", "codegen"}
)
"""Families whose MLP is two matrices, without a gate."""

_MAX_DIMENSION: Final = 2**24


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The dimensions that decide how much memory a decoder-only transformer takes.

    Args:
        num_hidden_layers: transformer blocks.
        hidden_size: width of the residual stream.
        num_attention_heads: query heads.
        num_key_value_heads: key/value heads; fewer than the query heads under grouped-query attention.
        head_dim: elements per head.
        intermediate_size: width of one MLP (of one expert in a mixture of experts).
        vocab_size: rows of the embedding.
        tie_word_embeddings: whether the output head is the embedding.
        num_local_experts: MLPs per block; 1 is a dense model.
        max_position_embeddings: the longest context the model was made for, in tokens, or None.
        model_type: the config's ``model_type``, or None.
        mlp_matrices: weight matrices per MLP: 3 with a gate (Llama), 2 without (GPT-2, Falcon, Phi).
    """

    num_hidden_layers: int
    hidden_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    vocab_size: int
    tie_word_embeddings: bool = False
    num_local_experts: int = 1
    max_position_embeddings: int | None = None
    model_type: str | None = None
    mlp_matrices: int = 3

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The shape that a ``config.json`` of any decoder-only model describes.

        A multimodal config is read in its ``text_config``. Not read yet: sliding windows, hybrid layers and compressed
        (MLA) caches, which make a real cache smaller than the one reckoned with.

        Args:
            config: the parsed JSON.

        Raises:
            ValueError: dimensions are missing or no positive numbers; it names them.

        >>> ModelShape.from_config({"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        ...     "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000}).head_dim
        128
        """
        nested = config.get("text_config")
        if isinstance(nested, Mapping) and _first(config, "hidden_size") is None:
            config = {**{key: value for key, value in config.items() if key != "text_config"}, **nested}
        found = {name: _first(config, name) for name in _NAMES}
        longest = found.pop("max_position_embeddings")
        missing = [name for name, value in found.items() if value is None]
        if missing:
            raise ValueError(f"the config does not say {', '.join(missing)}")
        layers, hidden, heads, vocab = (value for value in found.values() if value is not None)
        model_type = config.get("model_type")
        return cls(
            num_hidden_layers=layers,
            hidden_size=hidden,
            num_attention_heads=heads,
            num_key_value_heads=_key_value_heads(config, heads),
            head_dim=_number(config, "head_dim", "kv_channels", "attention_head_dim") or max(1, hidden // heads),
            intermediate_size=_intermediate_size(config, hidden),
            vocab_size=vocab,
            tie_word_embeddings=config.get("tie_word_embeddings") is True,
            num_local_experts=_number(config, "num_local_experts", "num_experts", "n_routed_experts") or 1,
            max_position_embeddings=longest,
            model_type=model_type if isinstance(model_type, str) else None,
            mlp_matrices=2 if isinstance(model_type, str) and model_type in _UNGATED else 3,
        )


def _first(config: Mapping[str, Any], name: str) -> int | None:
    return _number(config, *_NAMES[name])


def _number(config: Mapping[str, Any], *names: str) -> int | None:
    """The first of these keys that holds a whole number above zero."""
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX_DIMENSION:
            return value
    return None


def _key_value_heads(config: Mapping[str, Any], heads: int) -> int:
    """Key/value heads; Falcon and StarCoder say ``multi_query`` for one, ChatGLM for ``multi_query_group_num``."""
    named = _number(config, "num_key_value_heads", "n_head_kv", "multi_query_group_num")
    if named is None and config.get("new_decoder_architecture") is True:
        named = _number(config, "num_kv_heads")
    if named is not None:
        return named
    many = config.get("multi_query") is True or config.get("model_type") == "gpt_bigcode"
    return 1 if many else heads


def _intermediate_size(config: Mapping[str, Any], hidden: int) -> int:
    """Width of one MLP. Qwen v1 states gate and up together; GPT-2's default is four times the hidden size."""
    named = _number(config, "moe_intermediate_size", "intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim")
    if named is None:
        ratio = config.get("expansion_ratio")
        return hidden * ratio if isinstance(ratio, int) and 0 < ratio <= 64 else 4 * hidden
    return named // 2 if config.get("model_type") == "qwen" else named
