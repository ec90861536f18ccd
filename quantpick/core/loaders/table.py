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
"""The arguments of a command, with placeholders. A group of them is omitted if one of its values is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One acceptance rule of a loader: one method, version range and kernel. None accepts any value.

    Args:
        method: the method it is about.
        since: the first version it holds for; None leaves the start open.
        before: the first version it no longer holds for; None leaves the end open.
        until: the last version that was read, inclusive; None leaves the end open.
        extra: the extra of the loader that it needs (a plugin, an option); None if it needs none.
        bits: bits per weight it takes.
        bits_range: lowest and highest bits per weight, both included.
        whole_bits: whether each layer's bits must be whole numbers.
        group_sizes: group sizes it takes, `NO_GROUP` among them.
        act_order_with_group: whether act order together with groups is loaded.
        act_order_without_group: whether act order with one group per column is loaded.
        sym: True takes symmetric quantizations only, False asymmetric ones only.
        schemes: the kinds of stored weight it reads, as in `QuantSpec`.
        packings: layouts it reads; None means only ``gemm`` for AWQ, only llama.cpp's types for GGUF.
        checkpoint_formats: layouts of GPTQ files it reads; None means only ``gptq``.
        activation_bits: bits that activations may be rounded to; 16 if they are not rounded.
        layers: how it takes layers stored differently from the rest: each by this rule, or each by any rule of the
            method. None takes none for GPTQ, AWQ and AutoRound, as nobody looked, and any rule for others.
        quantized_head: whether the output head of GPTQ, AWQ and AutoRound may be quantized too.
        requires: fields that the config must state.
        model_types: the config's ``model_type`` values it is for.
        not_model_types: those it is not for.
        moe: True for mixtures of experts only, False for dense models only.
        in_multiple: every matrix's input width must be a multiple of this.
        out_multiple: every matrix's output width must be a multiple of this.
        writer_before: it is known to read files by versions of the writing program before this one. Newer files are
            doubted, and if `whole_bits` is set, refused if their bits are fractional.
        min_capability: lowest CUDA compute capability.
        max_capability: highest CUDA compute capability.
        capabilities: only these compute capabilities.
        floor_inferred: whether `min_capability` comes from issues or a README, not from a check in the loader's code.
        slow_capabilities: compute capabilities on which it is too slow to use.
        rocm: prefixes of the AMD architectures it runs on; None means that nobody looked, and counts as none.
        rocm_only: whether it runs only there.
        kernel: the loader's name of the kernel.
        engine: its memory model, if not the loader's.
        split: how it uses several GPUs, if not like the loader.
        kv_dtypes: the common names of the KV cache types it works with; None for all of the loader's.
        needs: further packages to install.
        unpacks: whether the weights are converted to 16 bits on loading, and need as much memory.
        why: by reason code (or ``slow``), what the source says about it.
        rejects: why nothing of this method is taken; None if the rule accepts.
        note: what else is worth knowing.
        source: where it was read.
        checked: when it was read, ``YYYY-MM-DD``.
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
    """The share of a GPU's memory that a server allocates at start-up, whatever the model.

    Args:
        value: the share, above 0 and at most 1.
        of: of the ``total`` memory, or of what the weights leave ``free``; the latter share is the KV pool.
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
    """What tensor parallelism requires of a GPU's part of a quantized matrix, besides whole groups.

    Args:
        in_multiple: the part's inputs must be a multiple of this; 1 if the loader pads.
        out_multiple: the same for its outputs.
        least_expert_group: if groups are halved until an expert's parts hold whole ones, the smallest size they get;
            None if they are not.
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
    """A plugin or option of a loader that enables further rules.

    Args:
        flags: the options that turn it on.
        package: the Python package that contains it; None if it needs none.
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
        releases: the release date of each version, if its rules go by one and people name the other.
        package: its Python package; None if it has none.
        programs: the names of its programs.
        extras: its plugins and options, by name.
        engine: its memory model; a rule may name another.
        engine_stands_in: whether that is borrowed from another engine.
        split: how it uses several GPUs.
        unequal_gpus: whether the GPUs may differ in size.
        heads_divisible: whether the attention heads must divide by the number of GPUs.
        kv_dtypes: KV cache type to bytes per element, K and V averaged.
        kv_pairs: whether any ``K,V`` of 2 to 8 bits is a KV cache type too.
        kv_aliases: other spellings of those types.
        launch: the command for a folder, with the placeholders listed in the header of ``loaders.toml``; empty if none.
        launch_from_cache: the command that finds the branch in the Hub's cache by name; empty to use its folder.
        launch_kv: the command's word for each KV cache type; ``METHOD:TYPE`` if a method has its own.
        offload: its words for llama.cpp's ``-ngl``, ``--n-cpu-moe`` and ``--fit`` (``itself``: it does so by default),
            and under ``since`` the first version with the last. Empty if nobody looked.
        architectures: the config's ``model_type`` values it runs; None if unknown.
        architectures_strict: whether it runs no others (else they are tried, with a warning).
        card_column: whether the "ExLlama" column of model cards is about it.
        shardings: what its tensor parallelism requires, per version range; empty for whole groups only.
        memory_fractions: what it allocates at start-up, per version range; empty if it takes what it needs.
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
    """A name of no known loader, and the ids of those spelled most like it, the nearest first."""

    name: str
    nearest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One loader's entry in the table: its names, and the loader itself, read on demand.

    Args:
        id: its name on command lines.
        spellings: all its names.
        status: whether it is maintained.
        read: makes the loader; the same one each time.
    """

    id: str
    spellings: tuple[str, ...]
    status: str
    read: Callable[[], Loader]


@dataclass(frozen=True, slots=True)
class LoaderTable:
    """All known loaders, in the order in which they are tried if the user names none.

    A loader's rules are read on demand: most questions are about one loader, and reading all takes 15 ms.
    """

    entries: tuple[Entry, ...]

    @property
    def loaders(self) -> tuple[Loader, ...]:
        """All of them."""
        return tuple(entry.read() for entry in self.entries)

    def find(self, name: str) -> Loader | UnknownLoader:
        """The loader with that id, name or alias; case, hyphens, underscores, dots and blanks do not matter."""
        spellings = {_key(spelling): entry for entry in self.entries for spelling in entry.spellings}
        found = spellings.get(_key(name))
        return found.read() if found is not None else UnknownLoader(name, _nearest(_key(name), spellings))

    def maintained(self) -> Iterator[Loader]:
        """The maintained loaders: first the active ones, then those in maintenance mode, each in the table's order."""
        for status in ("active", "maintenance"):
            yield from (entry.read() for entry in self.entries if entry.status == status)


def _key(name: str) -> str:
    return re.sub(r"[-_.\s]", "", name.lower())


_LONGEST_NAME: Final = 64
_LIKENESS: Final = 0.8
"""Least similarity of a misspelling, 0 to 1: ``vlm`` is ``vllm`` at 0.86, ``mlxlm`` is not ``mlcllm`` at 0.73."""


def _nearest(key: str, spellings: Mapping[str, Entry]) -> tuple[str, ...]:
    from difflib import get_close_matches

    return tuple(
        dict.fromkeys(
            spellings[near].id for near in get_close_matches(key[:_LONGEST_NAME], spellings, n=3, cutoff=_LIKENESS)
        )
    )
