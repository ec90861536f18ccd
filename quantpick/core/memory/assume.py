"""A model's shape where no config.json gives it: the published model whose name and file sizes are nearest."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from quantpick.core.memory.weights import weights_file_size
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape

SIZE_TOLERANCE: Final = 0.03
"""Computed file sizes of the right shape are within 0.5 % of the stated ones; wrong ones of a family are 5 % off or
more."""


@dataclass(frozen=True, slots=True)
class KnownShape:
    """A published model: its repo, its shape, and the words a derived model's name shares with it."""

    name: str
    shape: ModelShape
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssumedShape:
    """A shape that was guessed.

    Args:
        shape: the shape.
        known_name: the published model it was taken from.
        why: what speaks for it, a phrase.
        relative_error: median of |computed - stated| / stated over the branches' sizes; None without sizes,
            and where the shape was made up to fit them.
    """

    shape: ModelShape
    known_name: str
    why: str
    relative_error: float | None

    @property
    def explains_sizes(self) -> bool:
        """Whether the branches' stated sizes are those the shape would have."""
        return self.relative_error is not None and self.relative_error <= SIZE_TOLERANCE


def parse_shapes(text: str) -> tuple[KnownShape, ...]:
    """The published shapes in the text of `known_shapes.toml`."""
    return tuple(_known_shape(name, row) for name, row in tomllib.loads(text)["shapes"].items())


def _known_shape(name: str, row: list[Any]) -> KnownShape:
    layers, hidden, heads, kv_heads, head_dim, intermediate, vocab, model_type, words, *options = row
    numbers = dict(option.split("=") for option in options if "=" in option)
    shape = ModelShape(
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        intermediate_size=intermediate,
        vocab_size=vocab,
        tie_word_embeddings="tied" in options,
        num_local_experts=int(numbers.get("experts", 1)),
        model_type=model_type,
        mlp_matrices=int(numbers.get("mlp", 3)),
    )
    return KnownShape(name, shape, tuple(words.split()))


def assume_shape(
    known: Sequence[KnownShape],
    *,
    name: str | None,
    model_type: str | None,
    sizes: Sequence[tuple[QuantSpec, int]],
) -> AssumedShape | None:
    """The published shape that fits best, or None when neither name nor sizes say anything.

    Among the models whose files would be as large as stated, the one whose name and type agree most; when none would,
    the one whose name says the most; when the name says nothing either, the one nearest in size, scaled.

    Args:
        known: published shapes.
        name: the model's or repo's name.
        model_type: the config's ``model_type`` as the card states it.
        sizes: what is known of the branches: a quantization with the bytes of its weight files.
    """
    measured = [(quant, size) for quant, size in sizes if quant.bits is not None and size > 0]
    errors = {one.name: _error(one.shape, measured) for one in known}
    scores = {one.name: _agreement(one, name, model_type) for one in known}
    best = max(known, key=lambda one: _merit(errors[one.name], scores[one.name]), default=None)
    if best is None:
        return None
    error = errors[best.name]
    if error is not None and error <= SIZE_TOLERANCE:
        return AssumedShape(
            best.shape, best.name, f"its file sizes are those of {best.name}, whose shape is assumed", error
        )
    if scores[best.name].complete:
        off = "" if error is None else f", though the stated sizes are {error:.0%} off"
        return AssumedShape(best.shape, best.name, f"by its name it has the shape of {best.name}{off}", error)
    return None if error is None else _scaled(min(known, key=lambda one: errors[one.name] or 0), measured)


def _error(shape: ModelShape, sizes: Sequence[tuple[QuantSpec, int]]) -> float | None:
    """How far off the shape's computed file sizes are, the median over the branches; None without sizes."""
    if not sizes:
        return None
    return _median([abs(weights_file_size(quant, shape) / size - 1) for quant, size in sizes])


@dataclass(frozen=True, slots=True)
class _Agreement:
    """What a model's name and type share with a published one: how many of its words, whether all, whether the type."""

    shared: int
    complete: bool
    same_type: bool


def _agreement(known: KnownShape, name: str | None, model_type: str | None) -> _Agreement:
    said = set(_words(name or ""))
    shared = len(said & set(known.words))
    return _Agreement(shared, 0 < shared == len(known.words), model_type == known.shape.model_type)


def _merit(error: float | None, agreement: _Agreement) -> tuple[float, ...]:
    """What makes one candidate better than another: right sizes, then the whole name, words, type, exactness.

    Where sizes are right the number of shared words counts before completeness, so that a 7B is not taken for an 11B
    of the same file size.
    """
    right_size = error is not None and error <= SIZE_TOLERANCE
    complete = not right_size and agreement.complete
    words = 2 * agreement.shared + agreement.same_type
    return right_size, complete, words, agreement.complete, agreement.same_type, -(error or 0.0)


def _words(name: str) -> list[str]:
    """The words of a model's name that tell its family and size.

    >>> _words("Airoboros c34B 3.1.2"), _words("Llama-3.1-8B-Instruct"), _words("CodeLlama-7B")
    (['airoboros', '34b', '3.1.2', 'c34b'], ['llama', '3.1', '8b', 'instruct'], ['code', 'llama', '7b', 'codellama'])
    """
    words: list[str] = []
    whole: list[str] = []
    for word in re.split(r"[\s/_\-]+", name.lower()[:200]):
        size = re.fullmatch(r"[a-z]((?:\d+x)?\d+(?:\.\d+)?b)", word)
        family = re.fullmatch(r"(code)(llama)|(llama|gemma|phi|qwen|yi)(\d.*)", word)
        if size:
            words.append(size[1])
            whole.append(word)
        elif family:
            words += [part for part in family.groups() if part]
            whole.append(word)
        else:
            words += [word] if word else []
    return words + whole


def _scaled(nearest: KnownShape, sizes: Sequence[tuple[QuantSpec, int]]) -> AssumedShape:
    """The nearest shape with as many layers as the stated sizes call for."""
    ratio = _median([size / weights_file_size(quant, nearest.shape) for quant, size in sizes])
    layers = max(1, round(nearest.shape.num_hidden_layers * ratio))
    shape = replace(nearest.shape, num_hidden_layers=layers, model_type=None)
    why = f"no published model has its file sizes: assumed is {nearest.name} with {layers} layers, a rough guess"
    return AssumedShape(shape, nearest.name, why, None)


def _median(values: Sequence[float]) -> float:
    """The upper median. The standard library's `statistics` takes 6 ms to import, a fiftieth of a whole command."""
    return sorted(values)[len(values) // 2]
