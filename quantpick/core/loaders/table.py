"""The nouns of the loader table: a rule, a loader, and all of them. The rules are data: ``loaders.toml``."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from quantpick.core.methods import Method

Answer = Literal["yes", "slow", "no"]
Split = Literal["layers", "tensor", "none"]
Layers = Literal["same", "any"]
Status = Literal["active", "maintenance", "dead"]
Template = tuple[str | tuple[str, ...], ...]
"""The arguments of a command, with placeholders; a group of them is left out where one of its values is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One acceptance rule of a loader: one method, version range and kernel. A None takes any.

    Args:
        method: what it is about.
        since: first version, included; None is open.
        before: first version it does not hold for; None is open.
        until: last version that was opened, included; None is open.
        extra: it holds only with this one of the loader's extras (a plugin, an option); None holds without.
        bits: bits per weight it takes.
        bits_range: lowest and highest bits per weight, both included.
        whole_bits: whether each layer's bits have to be whole numbers.
        group_sizes: group sizes it takes, `NO_GROUP` among them.
        act_order_with_group: whether act order together with groups is loaded.
        act_order_without_group: whether act order with one group per column is loaded.
        sym: True takes symmetric quantizations only, False asymmetric ones only.
        schemes: what a stored weight may be, as in `QuantSpec`.
        packings: layouts it reads; None for AWQ is ``gemm`` alone, for GGUF llama.cpp's types alone.
        checkpoint_formats: layouts of GPTQ files it reads; None is ``gptq`` alone.
        activation_bits: what activations may be rounded to, 16 for those that stay as they are.
        layers: how layers that are stored differently from the rest are taken: each by this rule, or each by any rule
            of the method; None: for GPTQ, AWQ and AutoRound not at all, since nobody looked, for the others by any.
        quantized_head: whether GPTQ, AWQ and AutoRound may hold the output head quantized too.
        requires: fields that the config has to state.
        model_types: the config's ``model_type`` of what it is for.
        not_model_types: of what it is not for.
        moe: True is for mixtures of experts only, False for dense models only.
        in_multiple: every matrix's input width has to be a multiple of this.
        out_multiple: every matrix's output width has to be a multiple of this.
        writer_before: it is known to read what versions of the writing program before this one wrote; of newer files it
            is doubted, and where `whole_bits` are wanted, those of fractional bits are refused.
        min_capability: lowest CUDA compute capability.
        max_capability: highest CUDA compute capability.
        capabilities: these compute capabilities alone.
        floor_inferred: whether `min_capability` comes from issues or a README, not from a check in the loader's code.
        slow_capabilities: compute capabilities on which it is too slow to use.
        rocm: beginnings of the names of AMD's architectures on which it runs; None: nobody looked, so it is not judged
            to run there.
        rocm_only: whether it runs on no other.
        kernel: the kernel that runs it, as the loader names it.
        engine: memory model, where it is not the loader's.
        split: how several GPUs are used, where it is not the loader's way.
        kv_dtypes: the types of the loader's KV cache, by their common names, that it has with these; None is all.
        needs: packages to be installed beside the loader.
        unpacks: whether the weights are turned into 16-bit ones on loading, so that they need the memory of those.
        why: reason code (or ``slow``) to what the source says about it.
        rejects: why nothing of this method is taken; None for a rule that accepts.
        note: what else is worth knowing.
        source: where it was read.
        checked: when, ``YYYY-MM-DD``.
        unverified: whether the source is not the loader's own code.
    """

    method: Method
    source: str
    checked: str
    since: str | None = None
    before: str | None = None
    until: str | None = None
    extra: str | None = None
    bits: tuple[float, ...] | None = None
    bits_range: tuple[float, float] | None = None
    whole_bits: bool = False
    group_sizes: tuple[int, ...] | None = None
    act_order_with_group: Answer = "yes"
    act_order_without_group: Answer = "yes"
    sym: bool | None = None
    schemes: tuple[str, ...] | None = None
    packings: tuple[str, ...] | None = None
    checkpoint_formats: tuple[str, ...] | None = None
    activation_bits: tuple[int, ...] | None = None
    layers: Layers | None = None
    quantized_head: bool = False
    requires: tuple[str, ...] = ()
    model_types: tuple[str, ...] | None = None
    not_model_types: tuple[str, ...] = ()
    moe: bool | None = None
    in_multiple: int = 1
    out_multiple: int = 1
    writer_before: str | None = None
    min_capability: float | None = None
    max_capability: float | None = None
    capabilities: tuple[float, ...] | None = None
    floor_inferred: bool = False
    slow_capabilities: tuple[float, ...] = ()
    rocm: tuple[str, ...] | None = None
    rocm_only: bool = False
    kernel: str | None = None
    engine: str | None = None
    split: Split | None = None
    kv_dtypes: tuple[str, ...] | None = None
    needs: str | None = None
    unpacks: bool = False
    why: Mapping[str, str] = field(default_factory=dict)
    rejects: str | None = None
    note: str | None = None
    unverified: bool = False

    @property
    def is_current(self) -> bool:
        """Whether it holds for the newest version known."""
        return self.before is None and self.until is None

    def takes_bits(self, bits: float) -> bool:
        """Whether it takes this many bits per weight."""
        if self.bits_range is not None:
            return self.bits_range[0] <= bits <= self.bits_range[1]
        return self.bits is None or bits in self.bits


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFraction:
    """The part of a GPU's memory that a pre-allocating server takes, whatever the model.

    Args:
        value: the part, above 0 and at most 1.
        of: ``total`` memory, or what the weights leave ``free``; of the latter it becomes the KV pool.
        since, before, until, source, checked, unverified: as in `Rule`.
    """

    value: float
    of: Literal["total", "free"]
    source: str
    checked: str
    since: str | None = None
    before: str | None = None
    until: str | None = None
    unverified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharding:
    """What tensor parallelism wants of the part of a quantized matrix that a GPU gets, besides whole groups.

    Args:
        in_multiple: the part of the input is a multiple of this many weights; 1 where the loader pads.
        out_multiple: the same of the output.
        least_expert_group: where groups are halved until the parts of an expert hold whole ones, the least they become;
            None where they are not.
        since, before, until, source, checked, unverified: as in `Rule`.
    """

    source: str
    checked: str
    in_multiple: int = 1
    out_multiple: int = 1
    least_expert_group: int | None = None
    since: str | None = None
    before: str | None = None
    until: str | None = None
    unverified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """Something that a loader can be run with and that opens further rules.

    Args:
        flags: the options that turn it on.
        package: the Python package that brings it; None needs no other.
    """

    flags: tuple[str, ...] = ()
    package: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """One program that loads quantized models.

    Args:
        id: its name on command lines and in JSON.
        name: its name for people.
        newest: the newest version known; a date (``2026.08.13``) where commits or documentation were read.
        releases: versions to the dates of their release, where its rules go by the one and people name the other.
        package: the Python package it comes as; None for none.
        programs: the names of its programs.
        extras: what it can be run with, by name.
        engine: its memory model; a rule may name another.
        engine_stands_in: whether that is another engine's, for want of one.
        split: how it uses several GPUs.
        unequal_gpus: whether they may differ in size.
        heads_divisible: whether the attention heads must divide by the number of GPUs.
        kv_dtypes: KV cache type to bytes per element, K and V averaged.
        kv_pairs: whether any ``K,V`` of 2 to 8 bits is a KV cache type too.
        kv_aliases: other spellings of those types.
        launch: the command for a folder, with placeholders as the header of ``loaders.toml`` lists them; empty: none.
        launch_from_cache: the command that finds the branch in the Hub's cache by name; empty: by its folder.
        launch_kv: KV cache type to what the command says for it, ``METHOD:TYPE`` where a method has its own word.
        offload: its words for what llama.cpp calls ``-ngl``, ``--n-cpu-moe`` and ``--fit`` (``itself``: it does so
            unasked); ``since``, the version from which on it has the last one. Empty where nobody looked.
        architectures: the config's ``model_type`` of what it runs; None makes no statement.
        architectures_strict: whether it runs no other (else others are tried, with a warning).
        card_column: whether the "ExLlama" column of model cards speaks of it.
        shardings: what its tensor parallelism wants, per version range; empty is whole groups.
        memory_fractions: what it allocates, per version range; empty takes what it needs.
        rules: what it takes, the preferred kernel first.
    """

    id: str
    name: str
    status: Status
    status_note: str
    newest: str
    engine: str
    split: Split
    unequal_gpus: bool
    heads_divisible: bool
    kv_dtypes: Mapping[str, float]
    rules: tuple[Rule, ...]
    source: str
    checked: str
    engine_stands_in: bool = False
    aliases: tuple[str, ...] = ()
    releases: Mapping[str, str] = field(default_factory=dict)
    package: str | None = None
    programs: tuple[str, ...] = ()
    extras: Mapping[str, Extra] = field(default_factory=dict)
    launch: Template = ()
    launch_from_cache: Template = ()
    launch_kv: Mapping[str, str] = field(default_factory=dict)
    offload: Mapping[str, str] = field(default_factory=dict)
    kv_pairs: bool = False
    kv_aliases: Mapping[str, str] = field(default_factory=dict)
    architectures: tuple[str, ...] | None = None
    architectures_strict: bool = False
    card_column: bool = False
    memory_fractions: tuple[MemoryFraction, ...] = ()
    shardings: tuple[Sharding, ...] = ()
    note: str | None = None

    @property
    def has_versions(self) -> bool:
        """Whether its rules depend on its version."""
        return any(rule.since or rule.before or rule.until for rule in self.rules)

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods its newest version reads without any extra, in the order of its rules."""
        read = (rule for rule in self.rules if rule.is_current and rule.rejects is None and rule.extra is None)
        return tuple(dict.fromkeys(rule.method for rule in read))


@dataclass(frozen=True, slots=True)
class UnknownLoader:
    """A name that belongs to no loader, and the ids of those spelled most like it, the nearest first."""

    name: str
    nearest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One loader's place in the table: what it is found by, and the loader itself, read when it is asked for.

    Args:
        id: its name on command lines.
        spellings: all its names.
        status: whether it is kept up.
        read: makes the loader; the same one each time.
    """

    id: str
    spellings: tuple[str, ...]
    status: str
    read: Callable[[], Loader]


@dataclass(frozen=True, slots=True)
class LoaderTable:
    """All known loaders, in the order in which they are tried when the user names none.

    A loader's rules are read when it is asked for: most questions are about one, and all of them cost 15 ms.
    """

    entries: tuple[Entry, ...]

    @property
    def loaders(self) -> tuple[Loader, ...]:
        """All of them."""
        return tuple(entry.read() for entry in self.entries)

    def find(self, name: str) -> Loader | UnknownLoader:
        """The loader of that id, name or alias, whatever the case, hyphens, underscores, dots and blanks."""
        spellings = {_key(spelling): entry for entry in self.entries for spelling in entry.spellings}
        found = spellings.get(_key(name))
        return found.read() if found is not None else UnknownLoader(name, _nearest(_key(name), spellings))

    def maintained(self) -> Iterator[Loader]:
        """The loaders that are kept up: the active ones, then those under maintenance, each in the table's order."""
        for status in ("active", "maintenance"):
            yield from (entry.read() for entry in self.entries if entry.status == status)


def _key(name: str) -> str:
    return re.sub(r"[-_.\s]", "", name.lower())


_LONGEST_NAME: Final = 64
_LIKENESS: Final = 0.8
"""Of two names, from 0 to 1: ``vlm`` and ``vllm`` are one thing at 0.86, ``mlxlm`` and ``mlcllm`` two at 0.73."""


def _nearest(key: str, spellings: Mapping[str, Entry]) -> tuple[str, ...]:
    from difflib import get_close_matches

    return tuple(
        dict.fromkeys(
            spellings[near].id for near in get_close_matches(key[:_LONGEST_NAME], spellings, n=3, cutoff=_LIKENESS)
        )
    )
