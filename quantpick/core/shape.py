"""A model's dimensions, in the config's own names."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, Self

from quantpick.core.dimensions import read_dimensions
from quantpick.core.layer_kinds import MAX_DIMENSION, MAX_LAYERS
from quantpick.core.units import is_whole

_COUNTS: Final = frozenset(
    {"state_elements", "recurrent_weights", "per_layer_embedding", "full_kv_elements", "sliding_kv_elements"}
    | {"image_patches", "scan_elements"}
)
"""Fields that are a product of dimensions, with a higher bound."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The dimensions that decide how much memory a decoder-only transformer needs.

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
        shared_intermediate_size: width of the MLP that every token of a mixture of experts also passes, or 0.
        num_dense_layers: blocks of a mixture of experts with one dense MLP instead.
        dense_intermediate_size: width of that MLP.
        sliding_window: tokens that the sliding layers see, or None.
        num_sliding_layers: blocks that see only the window.
        num_state_layers: blocks without a cache: they keep a state of fixed size, or nothing.
        state_elements: elements of all those states, per sequence.
        kv_lora_rank: width of the compressed cache of multi-head latent attention (MLA), or 0.
        q_lora_rank: width of MLA's compressed queries, or 0.
        qk_rope_head_dim: elements that MLA caches uncompressed.
        v_head_dim: elements per value head if not `head_dim`, else 0.
        full_kv_elements: elements that a layer which sees the whole context caches per token; 0 computes them from the
            heads.
        sliding_kv_elements: the same for a layer that sees only the window.
        full_head_dim: elements per query head of a layer that sees the whole context, if not `head_dim`, else 0.
        keys_are_values: whether those layers have one matrix for keys and values.
        scan_elements: 32-bit elements per token that a recurrent layer holds while it reads a prompt without kernels of
            its own.
        num_bare_layers: blocks without attention or a state.
        num_mlp_layers: blocks with an MLP; 0 means all.
        recurrent_weights: weights of all recurrent blocks' matrices; 0 counts those blocks as attention.
        query_matrices: 2 if the attention's output has a gate as wide as the queries.
        expert_hidden_size: width of an expert's input if not `hidden_size`, else 0.
        per_layer_embedding: elements of all layers' own embeddings, or 0.
        has_images: whether the model has a vision tower.
        image_hidden_size: width of its states, or 0 if the config does not say.
        image_patches: patches of the largest image, or 0.
        image_tokens: tokens made from them, or 0.
        doubts: what the config leaves unclear, and what is assumed instead, in sentences.
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
    full_kv_elements: int = 0
    sliding_kv_elements: int = 0
    full_head_dim: int = 0
    keys_are_values: bool = False
    scan_elements: int = 0
    num_bare_layers: int = 0
    num_mlp_layers: int = 0
    recurrent_weights: int = 0
    query_matrices: int = 1
    expert_hidden_size: int = 0
    per_layer_embedding: int = 0
    has_images: bool = field(default=False, compare=False)
    image_hidden_size: int = field(default=0, compare=False)
    image_patches: int = field(default=0, compare=False)
    image_tokens: int = field(default=0, compare=False)
    doubts: tuple[str, ...] = ()

    @property
    def num_full_layers(self) -> int:
        """Blocks that keep a cache of the whole context."""
        return self.num_hidden_layers - self.num_sliding_layers - self.num_state_layers

    @property
    def problem(self) -> str | None:
        """Which dimension is out of bounds, or None: each must be a whole number within its bounds.

        >>> ModelShape(32, -4096, 32, 8, 128, 14336, 32000).problem
        'hidden_size is -4096: a whole number from 1 to 16777216 is needed'
        """
        for one in fields(self):
            value, most = getattr(self, one.name), MAX_LAYERS if "layers" in one.name else MAX_DIMENSION
            least = 1 if one.default is MISSING or one.default == 1 else 0
            if one.name in ("model_type", "tie_word_embeddings", "keys_are_values", "has_images", "doubts") or (
                value is None and one.default is None
            ):
                continue
            if not is_whole(value, least, 2**60 if one.name in _COUNTS else most):
                return f"{one.name} is {str(value)[:30]}: a whole number from {least} to {most} is needed"
        if self.num_sliding_layers + self.num_state_layers > self.num_hidden_layers:
            return f"more layers of a kind than the {self.num_hidden_layers} there are"
        if max(self.num_bare_layers, self.num_mlp_layers, self.num_dense_layers) > self.num_hidden_layers:
            return f"more layers of a part than the {self.num_hidden_layers} there are"
        return None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The shape in a ``config.json`` of any decoder-only model.

        Of a multimodal config, the language model's is read. Anything unclear is taken as what needs more memory, and
        named in `doubts`.

        Args:
            config: the parsed JSON.

        Raises:
            ValueError: dimensions are missing or not positive numbers. The message names them.

        >>> ModelShape.from_config({"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        ...     "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000}).head_dim
        128
        """
        return cls(**read_dimensions(config))
