"""A model's dimensions, in the config's own names."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, Self

from quantpick.core.layer_kinds import MAX_DIMENSION, MAX_LAYERS, layer_kinds, number, state_elements
from quantpick.core.units import is_whole

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
        num_experts_per_tok: experts that each token passes.
        shared_intermediate_size: width of the MLP that every token of a mixture of experts passes besides, or 0.
        num_dense_layers: blocks of a mixture of experts that have one dense MLP instead.
        dense_intermediate_size: width of that MLP.
        sliding_window: tokens that the sliding layers see, or None.
        num_sliding_layers: blocks that see only the window.
        num_state_layers: blocks that keep no cache: a state of fixed size, or nothing.
        state_elements: elements of all those states, per sequence.
        kv_lora_rank: width of the compressed cache of multi-head latent attention (MLA), or 0.
        q_lora_rank: width of MLA's compressed queries, or 0.
        qk_rope_head_dim: elements that MLA caches uncompressed.
        v_head_dim: elements of a value head where they are not `head_dim`, or 0.
        doubts: what the config does not say clearly, and what is taken instead, in sentences.
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
    num_experts_per_tok: int = 1
    shared_intermediate_size: int = 0
    num_dense_layers: int = 0
    dense_intermediate_size: int = 0
    sliding_window: int | None = None
    num_sliding_layers: int = 0
    num_state_layers: int = 0
    state_elements: int = 0
    kv_lora_rank: int = 0
    q_lora_rank: int = 0
    qk_rope_head_dim: int = 0
    v_head_dim: int = 0
    doubts: tuple[str, ...] = ()

    @property
    def num_full_layers(self) -> int:
        """Blocks that keep a cache of the whole context."""
        return self.num_hidden_layers - self.num_sliding_layers - self.num_state_layers

    @property
    def problem(self) -> str | None:
        """Why the dimensions cannot be reckoned with, or None: each is a whole number within its bounds.

        >>> ModelShape(32, -4096, 32, 8, 128, 14336, 32000).problem
        'hidden_size is -4096: a whole number from 1 to 16777216 is needed'
        """
        for one in fields(self):
            value, most = getattr(self, one.name), MAX_LAYERS if "layers" in one.name else MAX_DIMENSION
            least = 1 if one.default is MISSING or one.default == 1 else 0
            if one.name in ("model_type", "tie_word_embeddings", "doubts") or (value is None and one.default is None):
                continue
            if not is_whole(value, least, 2**60 if one.name == "state_elements" else most):
                return f"{one.name} is {str(value)[:30]}: a whole number from {least} to {most} is needed"
        if self.num_sliding_layers + self.num_state_layers > self.num_hidden_layers:
            return f"more layers of a kind than the {self.num_hidden_layers} there are"
        return None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The shape that a ``config.json`` of any decoder-only model describes.

        A multimodal config is read in the config of its language model. What is not clear is taken as what needs more
        memory, and said in `doubts`.

        Args:
            config: the parsed JSON.

        Raises:
            ValueError: dimensions are missing or no positive numbers; it names them.

        >>> ModelShape.from_config({"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        ...     "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000}).head_dim
        128
        """
        config = _language_model(config)
        found = {name: _first(config, name) for name in _NAMES}
        longest = found.pop("max_position_embeddings")
        missing = [name for name, value in found.items() if value is None]
        if missing:
            raise ValueError(f"the config does not say {', '.join(missing)}")
        layers, hidden, heads, vocab = (value for value in found.values() if value is not None)
        if layers > MAX_LAYERS:
            raise ValueError(f"the config says {layers} layers")
        model_type = config.get("model_type")
        kinds, doubts = layer_kinds(config, layers)
        window = number(config, "sliding_window", "sliding_window_size", "attention_chunk_size")
        sliding = kinds.count("sliding") if window else 0
        states, state_doubts = state_elements(config, kinds.count("state"), hidden)
        latent = number(config, "kv_lora_rank") or 0
        rope = (number(config, "qk_rope_head_dim") or 0) if latent else 0
        head_dim = number(config, "head_dim", "kv_channels", "attention_head_dim") or max(1, hidden // heads)
        experts = number(config, "num_local_experts", "num_experts", "n_routed_experts") or 1
        width = _intermediate_size(config, hidden)
        return cls(
            num_hidden_layers=layers,
            hidden_size=hidden,
            num_attention_heads=heads,
            num_key_value_heads=_key_value_heads(config, heads),
            head_dim=(number(config, "qk_nope_head_dim") or 0) + rope if latent else head_dim,
            intermediate_size=width,
            vocab_size=vocab,
            tie_word_embeddings=config.get("tie_word_embeddings") is True,
            num_local_experts=experts,
            max_position_embeddings=longest,
            model_type=model_type if isinstance(model_type, str) else None,
            mlp_matrices=2 if isinstance(model_type, str) and model_type in _UNGATED else 3,
            num_experts_per_tok=number(config, "num_experts_per_tok", "num_experts_per_token", "moe_topk") or 1,
            shared_intermediate_size=_shared_width(config, width) if experts > 1 else 0,
            num_dense_layers=min(layers, number(config, "first_k_dense_replace") or 0) if experts > 1 else 0,
            dense_intermediate_size=number(config, "intermediate_size") or width if experts > 1 else 0,
            sliding_window=window if sliding else None,
            num_sliding_layers=sliding,
            num_state_layers=kinds.count("state") + kinds.count("none"),
            state_elements=states,
            kv_lora_rank=latent,
            q_lora_rank=(number(config, "q_lora_rank") or 0) if latent else 0,
            qk_rope_head_dim=rope,
            v_head_dim=(number(config, "v_head_dim") or 0) if latent else 0,
            doubts=(*doubts, *state_doubts),
        )


def _language_model(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config that holds the dimensions: itself, or the language model's within a multimodal one."""
    for name in ("text_config", "llm_config", "language_config", "thinker_config"):
        nested = config.get(name)
        if isinstance(nested, Mapping) and _first(config, "hidden_size") is None:
            rest = {key: value for key, value in config.items() if key != name}
            return _language_model({**rest, **nested})
    return config


def _shared_width(config: Mapping[str, Any], width: int) -> int:
    """Width of the MLP that every token passes in a mixture of experts: Qwen names it, DeepSeek counts experts."""
    named = number(config, "shared_expert_intermediate_size", "shared_intermediate_size")
    return named or width * (number(config, "n_shared_experts", "num_shared_experts") or 0)


def _first(config: Mapping[str, Any], name: str) -> int | None:
    return number(config, *_NAMES[name])


def _key_value_heads(config: Mapping[str, Any], heads: int) -> int:
    """Key/value heads; Falcon and StarCoder say ``multi_query`` for one, ChatGLM for ``multi_query_group_num``.

    In MLA every query head has keys and values of its own.
    """
    if number(config, "kv_lora_rank"):
        return heads
    blocks = config.get("block_configs")
    if isinstance(blocks, list):
        attentions = [block.get("attention") for block in blocks if isinstance(block, Mapping)]
        groups = [number(one, "n_heads_in_group") for one in attentions if isinstance(one, Mapping)]
        return max(1, heads // min((group for group in groups if group), default=1))
    named = number(config, "num_key_value_heads", "n_head_kv", "multi_query_group_num")
    if named is None and config.get("new_decoder_architecture") is True:
        named = number(config, "num_kv_heads")
    if named is not None:
        return named
    many = config.get("multi_query") is True or config.get("model_type") == "gpt_bigcode"
    return 1 if many else heads


def _intermediate_size(config: Mapping[str, Any], hidden: int) -> int:
    """Width of one MLP. Qwen v1 states gate and up together; GPT-2's default is four times the hidden size."""
    named = number(config, "moe_intermediate_size", "intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim")
    if named is None:
        ratio = config.get("expansion_ratio")
        return hidden * ratio if isinstance(ratio, int) and 0 < ratio <= 64 else 4 * hidden
    return named // 2 if config.get("model_type") == "qwen" else named
