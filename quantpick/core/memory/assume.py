"""A model's shape without its config.json: that of the published model nearest in name and file sizes."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from quantpick.core.defaults import CONTEXT_TOKENS
from quantpick.core.memory.kv_cache import kv_cache_bytes
from quantpick.core.memory.weights import weights_file_size
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape

SIZE_TOLERANCE: Final = 0.03
"""Share of a stated size. The right shape's computed sizes are within 0.5 % of the stated ones; wrong shapes of the
same family are off by 5 % or more."""

SAME_SIZE: Final = 0.005
"""Share of a stated size below which two shapes cannot be told apart: sizes are not computed more exactly than this."""

_SIZE_WORD: Final = re.compile(r"(?:\d+x)?\d+(?:\.\d+)?b")
_QUANT_WORD: Final = re.compile(
    r"(?:exl|gptq|awq|gguf|u?int|nf|[a-z]{0,2}fp|bnb|i?q|w)\d[\w.]*|\d+(?:\.\d+)?(?:bits?|bpw|g)"
)
"""Words about the quantization (``exl2``, ``int4``, ``4bit``): their numbers are not the model's version."""
_LLAMA_FOR_SHORT: Final = re.compile(r"l([1-4](?:\.\d)?)")
"""Finetuners' shorthand for Llama: ``L2-13B``, ``L3.3-70B``."""
_FOUR_BITS: Final = QuantSpec("gptq", 4, 128)

_OPTIONS: Final = {
    "mlp": "mlp_matrices",
    "experts": "num_local_experts",
    "active": "num_experts_per_tok",
    "shared": "shared_intermediate_size",
    "dense_layers": "num_dense_layers",
    "dense": "dense_intermediate_size",
    "window": "sliding_window",
    "sliding": "num_sliding_layers",
    "states": "num_state_layers",
    "state_elements": "state_elements",
    "kv_lora": "kv_lora_rank",
    "q_lora": "q_lora_rank",
    "rope": "qk_rope_head_dim",
    "v_head": "v_head_dim",
    "full_kv": "full_kv_elements",
    "sliding_kv": "sliding_kv_elements",
    "full_head": "full_head_dim",
    "bare": "num_bare_layers",
    "mlps": "num_mlp_layers",
    "recurrent": "recurrent_weights",
    "queries": "query_matrices",
    "expert_hidden": "expert_hidden_size",
    "layer_embedding": "per_layer_embedding",
}
"""The dimension that each option of a row in `known_shapes.toml` sets."""

RECALLED: Final = "recalled"
"""Stands in a row instead of a source: the shape was recalled, not read."""


@dataclass(frozen=True, slots=True)
class KnownShape:
    """A published model.

    Args:
        name: its repo.
        shape: its dimensions.
        words: word sets, any of which marks the name of a model made from it.
        sources: where the dimensions were read; empty if they are recalled.
    """

    name: str
    shape: ModelShape
    words: tuple[frozenset[str], ...]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AssumedShape:
    """A guessed shape.

    Args:
        shape: the shape.
        known_name: the published model it was taken from.
        why: the evidence for it, as a phrase.
        relative_error: median of |computed - stated| / stated over the branches' sizes; None without sizes,
            or if the shape was scaled to fit them.
    """

    shape: ModelShape
    known_name: str
    why: str
    relative_error: float | None

    @property
    def explains_sizes(self) -> bool:
        """Whether the shape would give the sizes that the branches state."""
        return self.relative_error is not None and self.relative_error <= SIZE_TOLERANCE


def parse_shapes(text: str) -> tuple[KnownShape, ...]:
    """The published shapes in the text of `known_shapes.toml`.

    Raises:
        ValueError: a row has an option or a source that the head of the file does not list. The message names the row.
    """
    document = tomllib.loads(text)
    return tuple(_known_shape(name, row, document["sources"]) for name, row in document["shapes"].items())


def _known_shape(name: str, row: list[Any], sources: Mapping[str, str]) -> KnownShape:
    layers, hidden, heads, kv_heads, head_dim, intermediate, vocab, model_type, words, *options = row
    numbers = dict(option.split("=") for option in options if "=" in option)
    read = tuple(option for option in options if option in sources)
    if strange := {*numbers} - {*_OPTIONS} | {one for one in options if "=" not in one} - {
        "tied",
        "one_matrix",
        RECALLED,
        *read,
    }:
        raise ValueError(f"`{name}`: unknown options {sorted(strange)}")
    shape = ModelShape(
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        intermediate_size=intermediate,
        vocab_size=vocab,
        tie_word_embeddings="tied" in options,
        keys_are_values="one_matrix" in options,
        model_type=model_type,
    )
    more: dict[str, Any] = {_OPTIONS[option]: int(number) for option, number in numbers.items()}
    return KnownShape(name, replace(shape, **more), tuple(frozenset(one.split()) for one in words.split("|")), read)


def assume_shape(
    known: Sequence[KnownShape],
    *,
    name: str | None,
    model_type: str | None,
    sizes: Sequence[tuple[QuantSpec, int]],
    bases: Sequence[str] = (),
) -> AssumedShape | None:
    """The published shape that fits best, or None if neither names nor sizes tell anything.

    The base model that the card names outweighs the card's own name. Tried in this order: of the models whose files
    would have the stated sizes, the one whose name and type match best; the one whose name matches best; any model of
    the parameter count in the name; the model nearest in file size, scaled to fit. If several shapes remain, the one
    that needs the most memory is taken, and `why` says so.

    Args:
        known: published shapes.
        name: the model's or repo's name.
        model_type: the config's ``model_type`` as the card states it.
        sizes: for each branch, its quantization and the bytes of its weight files.
        bases: the repos that the card names as base models, the nearest first.
    """
    measured = [(quant, size) for quant, size in sizes if quant.bits is not None and size > 0]
    said = next((words for words in map(_words, bases) if _complete(known, words)), _words(name or ""))
    said |= _words(re.sub(r"[\d._]+$", "", model_type or ""))
    by_score: dict[tuple[int, bool], list[KnownShape]] = {}
    for one in known:
        by_score.setdefault(_score(one, said, model_type), []).append(one)
    groups = [by_score[score] for score in sorted(by_score, reverse=True)]
    right = next((found for group in groups if (found := _of_size(group, measured))), None)
    if right is not None:
        return _assumed(right, measured, "its file sizes are those of {}, whose shape is assumed")
    named = next((group for group in groups if _complete(group, said)), [])
    complete = _complete(named, said)
    if said & _families(known) and all(_only_size(one, said) for one in complete):
        complete = []
    if complete:
        return _assumed(complete, measured, "by its name it has the shape of {}")
    of_size = (
        [one for one in known if said & _size_words(word for words in one.words for word in words)]
        if not measured
        else []
    )
    if of_size:
        return _assumed(of_size, measured, "its name gives only a size; the shape of {} is assumed, a rough guess")
    if not measured:
        return None
    return _scaled(min(known, key=lambda one: _error(one.shape, measured)), measured)


def _score(known: KnownShape, said: set[str], model_type: str | None) -> tuple[int, bool]:
    """How well a published model's name and type match the words, and whether all words of its name are among them."""
    shared = max((len(words & said), words <= said) for words in known.words)
    return 2 * shared[0] + (model_type == known.shape.model_type), shared[1]


def _complete(known: Sequence[KnownShape], said: set[str]) -> list[KnownShape]:
    """The models with the longest name among those whose whole name is said."""
    lengths = {one.name: max((len(words) for words in one.words if words <= said), default=0) for one in known}
    most = max(lengths.values(), default=0)
    return [one for one in known if most and lengths[one.name] == most]


def _families(known: Iterable[KnownShape]) -> frozenset[str]:
    """The families of the known models, by model type. Not Llama: models of all kinds carry its name."""
    types = {re.match(r"[a-z]*", one.shape.model_type or "") for one in known}
    return frozenset(found[0] for found in types if found and len(found[0]) > 2) - {"llama"}


def _only_size(known: KnownShape, said: set[str]) -> bool:
    """Whether only its size is said: ``7b`` means a Llama unless another family is named."""
    longest = max((words for words in known.words if words <= said), key=len, default=frozenset())
    return longest == _size_words(longest)


def _of_size(group: Sequence[KnownShape], sizes: Sequence[tuple[QuantSpec, int]]) -> list[KnownShape]:
    """The models of a group whose files would have the stated sizes, as well as the nearest one within `SAME_SIZE`."""
    if not sizes:
        return []
    errors = {one.name: _error(one.shape, sizes) for one in group}
    nearest = min(errors.values())
    return [one for one in group if nearest <= SIZE_TOLERANCE and errors[one.name] <= nearest + SAME_SIZE]


def _assumed(found: Sequence[KnownShape], sizes: Sequence[tuple[QuantSpec, int]], why: str) -> AssumedShape:
    """The shape that needs the most memory, with the evidence for it."""
    largest = max(found, key=lambda one: _need_bytes(one.shape))
    error = _error(largest.shape, sizes) if sizes else None
    why = why.format(largest.name)
    if error is not None and error > SIZE_TOLERANCE:
        why += f", though the stated sizes are {error:.0%} off"
    needs = _need_bytes(largest.shape)
    others = [one.name for one in found if _need_bytes(one.shape) < needs]
    if others:
        why += f"; it could be {' or '.join(others[:3])} as well, which needs less"
    return AssumedShape(largest.shape, largest.name, why, error)


def _need_bytes(shape: ModelShape) -> int:
    """Memory at four bits and the default context: a yardstick to compare shapes."""
    return weights_file_size(_FOUR_BITS, shape) + kv_cache_bytes(shape, CONTEXT_TOKENS, 2.0)


def _error(shape: ModelShape, sizes: Sequence[tuple[QuantSpec, int]]) -> float:
    """Relative error of the shape's computed file sizes, the median over the branches."""
    return _median([abs(weights_file_size(quant, shape) / size - 1) for quant, size in sizes])


def _size_words(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word for word in words if _SIZE_WORD.fullmatch(word))


def _words(name: str) -> set[str]:
    """The words of a model's name: family, version and size among them.

    >>> sorted(_words("Airoboros c34B 3.1.2")), sorted(_words("Llama-3.1-8B-Instruct")), sorted(_words("CodeLlama-7B"))
    (['3.1.2', '34b', 'airoboros', 'c34b'], ['3.1', '8b', 'instruct', 'llama'], ['7b', 'code', 'codellama', 'llama'])
    >>> sorted(_words("Qwen/Qwen2.5-14B")), sorted(_words("Phi-3_5-mini"))
    (['14b', '2.5', 'qwen', 'qwen2.5'], ['3.5', 'mini', 'phi'])
    >>> sorted(_words("L3.3-70B-Euryale-exl2")), sorted(_words("phi-2-gptq-Int4-128g"))
    (['3.3', '70b', 'euryale', 'l3.3', 'llama'], ['2', 'gptq', 'phi'])
    """
    name = re.sub(r"(?<![\d.])(\d)_(\d)(?!\d)", r"\1.\2", name.lower()[:200].rpartition("/")[2])
    words: set[str] = set()
    for word in re.split(r"[\s/_\-]+", name):
        if _QUANT_WORD.fullmatch(word):
            continue
        words.add(word)
        if short := _LLAMA_FOR_SHORT.fullmatch(word):
            words |= {"llama", short[1]}
        size = re.fullmatch(r"[a-z]((?:\d+x)?\d+(?:\.\d+)?b)", word)
        family = re.fullmatch(r"(code)?([a-z]{2,}?)-?(\d+(?:\.\d+)?)?", word)
        if size:
            words.add(size[1])
        elif family and (family[1] or family[3]):
            words |= {part for part in family.groups() if part}
    return words - {""}


def _scaled(nearest: KnownShape, sizes: Sequence[tuple[QuantSpec, int]]) -> AssumedShape:
    """The nearest shape, with as many layers as the stated sizes imply."""
    ratio = _median([size / weights_file_size(quant, nearest.shape) for quant, size in sizes])
    layers = max(1, round(nearest.shape.num_hidden_layers * ratio))
    shape = replace(nearest.shape, num_hidden_layers=layers, model_type=None)
    why = f"no published model has its file sizes; {nearest.name} with {layers} layers is assumed, a rough guess"
    return AssumedShape(shape, nearest.name, why, None)


def _median(values: Sequence[float]) -> float:
    """The upper median. Importing the standard library's `statistics` takes 6 ms, a fiftieth of a whole command."""
    return sorted(values)[len(values) // 2]
