"""Does this loader, in this version, take this quantization on this GPU? The rules are data: ``loaders.toml``.

Reading order: the nouns of the table, finding a loader and a version, `check`, what it allocates. To add a loader or a
version, edit the TOML file; its header explains every key.

Reason codes of a rejection: ``format``, ``bits``, ``group-size``, ``act-order``, ``sym``, ``compute-capability``,
``architecture``. Warning codes:

* ``unknown-fact``: nobody says something of the branch on which the verdict depends; ``unknown-capability``: of the GPU
* ``unlisted-architecture``: the loader is not known to run the model's architecture, and does not refuse it either
* ``card-says-no``: the card's ExLlama column contradicts the verdict
* ``unverified-rule``: the verdict rests on a README or on inference
* ``unverified-version``: nobody looked at this version, the nearest older rules were used
* ``unknown-version``: it is newer than those known or not to be compared with them, and the newest known was judged
* ``needs-package``: something has to be installed beside the loader
* ``slow-kernel``: it runs, but slowly
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar

from quantpick.core.quant import NO_GROUP, BranchWarning, Method, QuantSpec, Reason

if TYPE_CHECKING:
    from packaging.version import Version

Answer = Literal["yes", "slow", "no"]
Split = Literal["layers", "tensor", "none"]
Status = Literal["active", "maintenance", "dead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One acceptance rule of a loader: one method, version range and kernel.

    Args:
        method: what it is about.
        since: first version, included; None is open.
        before: first version it does not hold for; None is open.
        until: last version that was opened, included; None is open.
        bits: bits per weight it takes; None is any.
        bits_range: lowest and highest bits per weight, both included; None is any.
        group_sizes: group sizes it takes, `NO_GROUP` among them; None is any.
        act_order_with_group: whether act order together with groups is loaded.
        act_order_without_group: whether act order with one group per column is loaded.
        sym: True takes symmetric quantizations only, False asymmetric ones only, None both.
        min_capability: lowest CUDA compute capability; None is any.
        floor_inferred: whether `min_capability` comes from issues or a README, not from a check in the loader's code.
        slow_capabilities: compute capabilities on which it is too slow to use.
        kernel: the kernel that runs it, as the loader names it.
        engine: memory model, where it is not the loader's.
        split: how several GPUs are used, where it is not the loader's way.
        needs: packages to be installed beside the loader.
        why: reason code (or ``slow``) to what the source says of it.
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
    bits: tuple[float, ...] | None = None
    bits_range: tuple[float, float] | None = None
    group_sizes: tuple[int, ...] | None = None
    act_order_with_group: Answer = "yes"
    act_order_without_group: Answer = "yes"
    sym: bool | None = None
    min_capability: float | None = None
    floor_inferred: bool = False
    slow_capabilities: tuple[float, ...] = ()
    kernel: str | None = None
    engine: str | None = None
    split: Split | None = None
    needs: str | None = None
    why: Mapping[str, str] = field(default_factory=dict)
    rejects: str | None = None
    note: str | None = None
    unverified: bool = False

    @property
    def versions(self) -> str:
        """The version range in words."""
        last = f"before {self.before}" if self.before else f"up to {self.until}" if self.until else ""
        return " ".join(filter(None, (f"since {self.since}" if self.since else "", last))) or "all versions"

    @property
    def accepts(self) -> str:
        """What the rule takes, in words.

        >>> Rule(method="gptq", bits=(4, 8), group_sizes=(-1, 128), sym=True, source="", checked="").accepts
        '4 or 8 bits, groups of 128 or no group, symmetric only'
        """
        if self.rejects is not None:
            return f"rejected: {self.rejects}"
        words = [f"{_bits_in_words(self)} bits" if self.bits or self.bits_range else "any bits"]
        if self.group_sizes is not None:
            words.append(_groups_in_words(self.group_sizes))
        if self.act_order_with_group != "yes":
            words.append(
                "no act order with groups" if self.act_order_with_group == "no" else "act order with groups slowly"
            )
        if self.act_order_without_group == "no":
            words.append("no act order without groups")
        if self.sym is not None:
            words.append("symmetric only" if self.sym else "asymmetric only")
        return ", ".join(words)

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
class Loader:
    """One program that loads quantized models.

    Args:
        id: its name on command lines and in JSON.
        name: its name for people.
        newest: the newest version known; a date (``2026.08.13``) where commits or documentation were read.
        engine: its memory model; a rule may name another.
        split: how it uses several GPUs.
        unequal_gpus: whether they may differ in size.
        heads_divisible: whether the attention heads must divide by the number of GPUs.
        kv_dtypes: KV cache type to bytes per element, K and V averaged.
        kv_pairs: whether any ``K,V`` of 2 to 8 bits is a KV cache type too.
        kv_aliases: other spellings of those types.
        launch: command lines with placeholders, as the header of ``loaders.toml`` lists them.
        architectures: the config's ``model_type`` of what it runs; None makes no statement.
        architectures_strict: whether it runs no other (else others are tried, with a warning).
        card_column: whether the "ExLlama" column of model cards speaks of it.
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
    launch: tuple[str, ...]
    rules: tuple[Rule, ...]
    source: str
    checked: str
    aliases: tuple[str, ...] = ()
    kv_pairs: bool = False
    kv_aliases: Mapping[str, str] = field(default_factory=dict)
    architectures: tuple[str, ...] | None = None
    architectures_strict: bool = False
    card_column: bool = False
    memory_fractions: tuple[MemoryFraction, ...] = ()
    note: str | None = None

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods its newest version reads, in the order of its rules."""
        return tuple(dict.fromkeys(held.method for held, _ in _holding(self.rules, None) if held.rejects is None))


@dataclass(frozen=True, slots=True)
class UnknownLoader:
    """A name that is no loader's, and the ids of those that are spelled most like it, the nearest first."""

    name: str
    nearest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnknownVersion:
    """A text that is no version."""

    text: str


@dataclass(frozen=True, slots=True)
class BadKvDtype:
    """A KV cache type that a loader does not have, and those that it has."""

    text: str
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoaderTable:
    """All known loaders, in the order in which they are tried when the user names none."""

    loaders: tuple[Loader, ...]

    def find(self, name: str) -> Loader | UnknownLoader:
        """The loader of that id, name or alias, whatever the case, hyphens, underscores, dots and blanks."""
        spellings = {_key(spelling): loader for loader in self.loaders for spelling in _spellings(loader)}
        found = spellings.get(_key(name))
        return found if found is not None else UnknownLoader(name, _nearest(_key(name), spellings))

    def maintained(self) -> Iterator[Loader]:
        """The loaders that are kept up: the active ones, then those under maintenance, each in the table's order."""
        for status in ("active", "maintenance"):
            yield from (loader for loader in self.loaders if loader.status == status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a loader takes a quantization.

    Args:
        reasons: why not; empty exactly when it does.
        warnings: doubts. Those that hold for every branch alike (version, rule, GPU) name no branch.
        rule: the rule that accepted, or on a rejection the one that came nearest; None when none is about the method.
        slow: whether it runs, but slowly.
    """

    reasons: tuple[Reason, ...]
    warnings: tuple[BranchWarning, ...]
    rule: Rule | None
    slow: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the loader takes it."""
        return not self.reasons


def parse_loaders(text: str) -> LoaderTable:
    """The table in the text of ``loaders.toml``.

    Raises:
        ValueError, TypeError, KeyError: the text is no such table; a mistake in the file that comes with quantpick.
    """
    import tomllib

    document = tomllib.loads(text)
    return LoaderTable(tuple(_read_loader(row, document["kv_aliases"]) for row in document["loader"]))


def _read_loader(row: dict[str, Any], common_kv_aliases: dict[str, str]) -> Loader:
    rules = row.pop("rule")
    fractions = row.pop("memory_fraction", ())
    derived = {
        "unequal_gpus": row["split"] == "layers",
        "heads_divisible": row["split"] == "tensor",
        "kv_aliases": common_kv_aliases | row.pop("kv_aliases", {}),
        "memory_fractions": tuple(MemoryFraction(**fraction) for fraction in fractions),
        "rules": tuple(rule for rule_row in rules for rule in _read_rules(rule_row)),
    }
    return Loader(**derived | _frozen(row))


def _read_rules(row: dict[str, Any]) -> Iterator[Rule]:
    """One rule for each method that the row names."""
    methods: Method | list[Method] = row.pop("method")
    for method in [methods] if isinstance(methods, str) else methods:
        yield Rule(method=method, **_frozen(row))


def _frozen(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


def _key(name: str) -> str:
    return re.sub(r"[-_.\s]", "", name.lower())


def _spellings(loader: Loader) -> tuple[str, ...]:
    return loader.id, loader.name, *loader.aliases


_LONGEST_NAME: Final = 64


def _nearest(key: str, spellings: Mapping[str, Loader]) -> tuple[str, ...]:
    from difflib import get_close_matches

    return tuple(dict.fromkeys(spellings[near].id for near in get_close_matches(key[:_LONGEST_NAME], spellings, n=3)))


def parse_choice(text: str) -> tuple[str, str | None]:
    """The loader and the version in ``NAME`` or ``NAME==VERSION``; a version of None is the newest known.

    >>> parse_choice("vllm==0.13.0"), parse_choice("hf")
    (('vllm', '0.13.0'), ('hf', None))
    """
    name, equals, version = text.partition("==")
    return name.strip(), version.strip() if equals else None


_DATE: Final = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_BUILD: Final = re.compile(r"b\d+")


def parse_version(text: str) -> "Version | UnknownVersion":
    """A version by PEP 440, a date, or a build tag of llama.cpp.

    >>> str(parse_version("2026-03-01")), str(parse_version("b4567")), parse_version("foo")
    ('2026.3.1', '4567', UnknownVersion(text='foo'))
    """
    from packaging.version import Version

    spelled = text.strip()
    if _DATE.fullmatch(spelled):
        spelled = spelled.replace("-", ".")
    if _BUILD.fullmatch(spelled):
        spelled = spelled[1:]
    try:
        return Version(spelled)
    except ValueError:
        return UnknownVersion(text)


class _Ranged(Protocol):
    """What holds for some versions."""

    @property
    def since(self) -> str | None: ...
    @property
    def before(self) -> str | None: ...
    @property
    def until(self) -> str | None: ...


_R = TypeVar("_R", bound=_Ranged)


def _holding(ranged: Sequence[_R], version: "Version | None") -> list[tuple[_R, bool]]:
    """Those that hold for a version, each with whether that is a guess about a version nobody opened.

    The newest version (None) needs no comparing, which saves importing packaging (12 ms): exactly the ranges without an
    end hold. One that ends with ``until`` is stretched to the next ``since``: what was seen last is the best guess.
    """
    if version is None:
        return [(one, False) for one in ranged if one.before is None and one.until is None]
    from packaging.version import Version

    starts = [Version(one.since) for one in ranged if one.since]

    def holds(one: _R) -> bool | None:
        """Whether it holds, or None for a guess."""
        if (one.since and version < Version(one.since)) or (one.before and version >= Version(one.before)):
            return False
        if one.until is None or version <= Version(one.until):
            return True
        later = [start for start in starts if start > Version(one.until)]
        return None if later and version < min(later) else False

    return [(one, held is None) for one in ranged if (held := holds(one)) is not False]


def _judged_version(loader: Loader, version: str | None) -> "tuple[Version | None, tuple[BranchWarning, ...]]":
    """The version to judge, None for the newest known, and a warning where that is not the one that was asked for."""
    if version is None:
        return None, ()
    asked, newest = parse_version(version), parse_version(loader.newest)
    judged = f"judged as the newest known, {loader.newest}"
    if isinstance(asked, UnknownVersion) or isinstance(newest, UnknownVersion):
        problem = f"`{version}` is no version"
    elif _is_date(asked) != _is_date(newest):
        problem = f"version {version} cannot be compared with those known"
    elif asked > newest:
        problem = f"version {version} is newer than those known"
    else:
        return asked, ()
    return None, (BranchWarning("unknown-version", None, f"{loader.name}: {problem}; {judged}"),)


def _is_date(version: "Version") -> bool:
    """Whether a version is a date. llama.cpp's build tags are as large, but have one part."""
    return len(version.release) > 1 and version.release[0] >= 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What a rule is checked against.

    Args:
        label: the loader, and its version where that matters.
        method: what the quantization is, or is presumed to be.
        quant, unknown, capability, branch: as in `check`.
        peers: the accepting rules for the method and version.
    """

    label: str
    method: Method
    quant: QuantSpec
    unknown: frozenset[str]
    capability: float | None
    branch: str | None
    peers: tuple[Rule, ...]

    @property
    def group_size(self) -> int | None:
        """As the files say it, `NO_GROUP` included; None when nobody says."""
        if not self.quant.group_size or self.quant.group_size < 0:
            return None if "group_size" in self.unknown else NO_GROUP
        return self.quant.group_size

    def doubt(self, fact: str, takes: str) -> BranchWarning:
        """The warning that a fact is missing."""
        return BranchWarning("unknown-fact", self.branch, f"nobody says {fact}; {self.label} {takes}")


@dataclass(frozen=True, slots=True)
class _Trial:
    """One rule held against the facts: the objections, and the doubts where a fact is missing."""

    rule: Rule
    objections: tuple[Reason, ...]
    doubts: tuple[BranchWarning, ...]

    @property
    def remoteness(self) -> tuple[int, bool, float]:
        """How far the rule is from accepting; among equals the most general one is nearest."""
        about_bits = any(objection.code == "bits" for objection in self.objections)
        return len(self.objections), about_bits, self.rule.min_capability or 0.0


def check(
    loader: Loader,
    quant: QuantSpec,
    *,
    version: str | None = None,
    unknown: frozenset[str] = frozenset(),
    capability: float | None = None,
    model_type: str | None = None,
    exllama: bool | None = None,
    branch: str | None = None,
) -> Verdict:
    """Whether a loader takes a quantization. What nobody knows does not reject, it warns.

    The first rule for the method and version that has no objection accepts; if there is none, the reasons are the
    objections of the rule with the fewest. A fact is missing only if no other rule accepts without it. A method that
    nobody names is presumed to be the loader's first one that the bits allow, with a warning.

    Args:
        loader: the loader.
        quant: the quantization.
        version: the loader's version; None is the newest known, and what is newer or no version is judged as that.
        unknown: fields of `quant` that nobody named; without "group_size" in it a group size of None is "no group".
        capability: CUDA compute capability of the weakest GPU, or None.
        model_type: the config's ``model_type``, or None.
        exllama: what the card's "ExLlama" column says, or None.
        branch: name of the branch, for the warnings.
    """
    judged, warnings = _judged_version(loader, version)
    label = _label(loader, None if judged is None else version)
    method, presumed = _method(loader, quant, judged, branch)
    rules = [] if method is None else _holding([rule for rule in loader.rules if rule.method == method], judged)
    guesses = tuple(rule for rule, guessed in rules if guessed)
    refusing = next((rule for rule, _ in rules if rule.rejects is not None), None)
    peers = tuple(rule for rule, _ in rules if rule.rejects is None)
    if method is None or not peers:
        reason = _format_reason(loader, label, method, refusing, judged)
        return Verdict(reasons=(reason,), warnings=warnings, rule=refusing)
    facts = _Facts(
        label=label, method=method, quant=quant, unknown=unknown, capability=capability, branch=branch, peers=peers
    )
    strange, doubtful = _check_architecture(loader, facts, model_type, exllama)
    trials = [_try(rule, facts) for rule in peers]
    accepting = [trial for trial in trials if not trial.objections]
    trial = accepting[0] if accepting else min(trials, key=lambda tried: tried.remoteness)
    if trial.rule in guesses:
        message = f"{label} was not looked at: judged by the rules that held up to {trial.rule.until}"
        warnings = (*warnings, BranchWarning("unverified-version", None, message))
    reasons = (*trial.objections, *strange)
    if reasons:
        return Verdict(reasons=reasons, warnings=warnings, rule=trial.rule)
    missing = min((tried.doubts for tried in accepting), key=len)
    slow = tuple(_slowness(trial.rule, facts))
    return Verdict(
        reasons=(),
        warnings=(*warnings, *presumed, *missing, *doubtful, *_caveats(trial.rule, facts), *slow),
        rule=trial.rule,
        slow=bool(slow),
    )


def _label(loader: Loader, version: str | None) -> str:
    """The loader's name, with the version where its rules depend on it."""
    ranged = any(rule.since or rule.before or rule.until for rule in loader.rules)
    return f"{loader.name} {version or loader.newest}" if ranged else loader.name


_WITHOUT_GROUPS: Final = frozenset({"exl2", "exl3", "gguf", "none"})


def _method(
    loader: Loader, quant: QuantSpec, version: "Version | None", branch: str | None
) -> tuple[Method | None, tuple[BranchWarning, ...]]:
    """The quantization's method; where nobody names it, the loader's first that the bits allow, with a warning.

    Groups and act order speak against the methods that have none. None when the loader has no such method.
    """
    if quant.method is not None:
        return quant.method, ()
    grouped = quant.group_size is not None or quant.desc_act is not None
    for rule, _ in _holding(loader.rules, version):
        fits = rule.rejects is None and (quant.bits is None or rule.takes_bits(quant.bits))
        if fits and not (grouped and rule.method in _WITHOUT_GROUPS):
            message = f"nobody says how this branch is quantized: judged as {_METHOD_NAMES[rule.method]}"
            return rule.method, (BranchWarning("unknown-fact", branch, message),)
    return None, ()


def _format_reason(
    loader: Loader, label: str, method: Method | None, refusing: Rule | None, version: "Version | None"
) -> Reason:
    what = "a branch of unknown method with these bits" if method is None else _METHOD_NAMES[method]
    if refusing is not None:
        return Reason("format", f"{label} does not read {what}: {refusing.rejects}")
    held = (rule.method for rule, _ in _holding(loader.rules, version) if rule.rejects is None)
    readable = _listing((_METHOD_NAMES[readable] for readable in dict.fromkeys(held)), "and")
    return Reason("format", f"{label} does not read {what}, it reads {readable or 'no format that Hub branches hold'}")


def _try(rule: Rule, facts: _Facts) -> _Trial:
    findings = [finding for one in _CHECKS if (finding := one(rule, facts)) is not None]
    return _Trial(
        rule,
        tuple(finding for finding in findings if isinstance(finding, Reason)),
        tuple(finding for finding in findings if isinstance(finding, BranchWarning)),
    )


_Finding = Reason | BranchWarning | None
"""An objection, a doubt because a fact is missing, or neither."""


def _check_bits(rule: Rule, facts: _Facts) -> _Finding:
    bits = facts.quant.bits
    if bits is None:
        limited = rule.bits is not None or rule.bits_range is not None
        takes = f"takes {_quants_in_words(facts.peers)}"
        return facts.doubt("how many bits this branch has", takes) if limited else None
    if rule.takes_bits(bits):
        return None
    about = [rule] if any(peer.takes_bits(bits) for peer in facts.peers) else facts.peers
    here = f"this branch has {bits:g} bpw" if rule.bits_range else f"this branch is {bits:g}-bit"
    return _objection(rule, "bits", f"{facts.label} takes {_quants_in_words(about)}, {here}")


def _check_group_size(rule: Rule, facts: _Facts) -> _Finding:
    size = facts.group_size
    if rule.group_sizes is None or size in rule.group_sizes:
        return None
    if size is None:
        return facts.doubt("this branch's group size", f"takes {_groups_in_words(rule.group_sizes)}")
    here = "has no group" if size == NO_GROUP else f"has groups of {size}"
    takes = f"{facts.label} takes {_groups_in_words(rule.group_sizes)}"
    return _objection(rule, "group-size", f"{takes}, this branch {here}")


def _act_order_answers(rule: Rule, facts: _Facts) -> set[Answer]:
    """What the rule says to every combination of act order and groups that the facts leave open."""
    orders = (True, False) if facts.quant.desc_act is None else (facts.quant.desc_act,)
    grouped = (True, False) if facts.group_size is None else (facts.group_size != NO_GROUP,)
    return {
        "yes" if not order else rule.act_order_with_group if group else rule.act_order_without_group
        for order, group in product(orders, grouped)
    }


def _check_act_order(rule: Rule, facts: _Facts) -> _Finding:
    answers = _act_order_answers(rule, facts)
    if "no" not in answers:
        return None
    together = " together with groups" if rule.act_order_without_group != "no" else ""
    if answers != {"no"}:
        missing = "this branch's group size" if facts.quant.desc_act else "whether this branch has act order"
        return facts.doubt(missing, f"does not load act order{together}")
    here = "no group" if facts.group_size == NO_GROUP else f"group size {facts.group_size or 'unknown'}"
    sentence = f"{facts.label} does not load act order{together} (this branch: {here}, act order)"
    return _objection(rule, "act-order", sentence)


def _check_sym(rule: Rule, facts: _Facts) -> _Finding:
    if rule.sym is None or rule.sym == facts.quant.sym:
        return None
    kinds = {True: "symmetric", False: "asymmetric"}
    takes = f"takes {kinds[rule.sym]} {_METHOD_NAMES[facts.method]} only"
    if facts.quant.sym is None:
        return facts.doubt("whether this branch is symmetric", takes)
    return _objection(rule, "sym", f"{facts.label} {takes}, this branch is {kinds[facts.quant.sym]}")


def _check_capability(rule: Rule, facts: _Facts) -> _Finding:
    if rule.min_capability is None or (facts.capability or 0.0) >= rule.min_capability:
        return None
    basis = " (inferred, its code does not check)" if rule.floor_inferred else ""
    needs = f"{facts.label} needs compute capability {rule.min_capability:.1f} or newer{basis}"
    if facts.capability is None:
        return BranchWarning("unknown-capability", None, f"nobody says the GPU's compute capability; {needs}")
    return _objection(rule, "compute-capability", f"{needs}, this GPU has {facts.capability:.1f}")


_CHECKS: Final[tuple[Callable[[Rule, _Facts], _Finding], ...]] = (
    _check_bits,
    _check_group_size,
    _check_act_order,
    _check_sym,
    _check_capability,
)


def _objection(rule: Rule, code: str, sentence: str) -> Reason:
    """The reason, with what the rule's source says of it."""
    return Reason(code, f"{sentence}: {rule.why[code]}" if code in rule.why else sentence)


def _check_architecture(
    loader: Loader, facts: _Facts, model_type: str | None, exllama: bool | None
) -> tuple[tuple[Reason, ...], tuple[BranchWarning, ...]]:
    """Objections and doubts about the model, and about what its card says. The card's yes outweighs the list."""
    card = exllama if loader.card_column else None
    warnings = []
    if card is False:
        message = f"{facts.label} should take this branch, but the model card says it does not"
        warnings.append(BranchWarning("card-says-no", facts.branch, message))
    if loader.architectures is None or (model_type or "").lower() in loader.architectures:
        return (), tuple(warnings)
    runs = f"{facts.label} runs {_listing(loader.architectures, 'and')}"
    if model_type is None:
        if loader.architectures_strict and card is None:
            warnings.append(facts.doubt("the model's architecture", f"runs {_listing(loader.architectures, 'and')}"))
        return (), tuple(warnings)
    if loader.architectures_strict and card is not True:
        return (Reason("architecture", f"{runs}, this model is {model_type}"),), tuple(warnings)
    basis = "but the model card says that it runs this one" if card else "others are tried as if they were llama"
    message = f"{model_type} is not among the architectures that {facts.label} is known to run, {basis}"
    return (), (*warnings, BranchWarning("unlisted-architecture", facts.branch, message))


def _caveats(rule: Rule, facts: _Facts) -> Iterator[BranchWarning]:
    """What the reader should know of the rule that accepted."""
    if rule.unverified:
        what = f"{facts.label} takes {_METHOD_NAMES[facts.method]}" + (f" by {rule.kernel}" if rule.kernel else "")
        yield BranchWarning("unverified-rule", None, f"that {what} is not verified in its code: {rule.source}")
    if rule.needs is not None:
        message = f"{facts.label} reads {_METHOD_NAMES[facts.method]} only with {rule.needs} installed"
        yield BranchWarning("needs-package", None, message)


def _slowness(rule: Rule, facts: _Facts) -> Iterator[BranchWarning]:
    """Why it will be slow, if it will."""
    if _act_order_answers(rule, facts) == {"slow"}:
        cost = f": {rule.why['slow']}" if "slow" in rule.why else ""
        message = f"{facts.label} runs act order together with groups slowly{cost}"
        yield BranchWarning("slow-kernel", facts.branch, message)
    if facts.capability in rule.slow_capabilities:
        kernel = f"{facts.label} by {rule.kernel}" if rule.kernel else facts.label
        message = (
            f"{kernel} is too slow to use on compute capability {facts.capability:.1f}: "
            "these GPUs compute fp16 at 1/64 of their rate, about 1 token/s on a P40"
        )
        yield BranchWarning("slow-kernel", None, message)


def memory_fraction(loader: Loader, version: str | None) -> MemoryFraction | None:
    """The part of a GPU's memory that the loader takes whatever the model; None when it takes what it needs.

    Args:
        loader: the loader.
        version: its version, judged as in `check`; None is the newest known.
    """
    judged, _ = _judged_version(loader, version)
    return next((fraction for fraction, _ in _holding(loader.memory_fractions, judged)), None)


def engine_version(loader: Loader, engine: str, version: str | None) -> str | None:
    """The version of the engine under a loader, None for the newest: known only where the loader is the engine itself.

    Args:
        loader: the loader.
        engine: its engine for a quantization.
        version: the loader's version, judged as in `check`; None is the newest known.
    """
    judged, _ = _judged_version(loader, version)
    return str(judged) if judged is not None and engine == loader.id else None


_KV_PAIR: Final = re.compile(r"q?([2-8])(?:\s*[,_]\s*q?([2-8]))?")


def kv_dtype_bytes(loader: Loader, text: str) -> float | BadKvDtype:
    """Bytes per element of a KV cache type, K and V averaged.

    A pair of bit widths costs half a bit more each: one 16-bit scale serves 32 elements (turboderp-org/exllamav3 at
    4f8ad01, ``cache/quant.py``).

    Args:
        loader: the loader.
        text: ``fp16``, ``fp8``, ``q8``, ``q6``, ``q4`` or the loader's own spelling (``fp8_e5m2``, ``q8_0``, ``8,4``).
    """
    spelled = text.strip().lower()
    name = loader.kv_aliases.get(spelled, spelled)
    if name in loader.kv_dtypes:
        return loader.kv_dtypes[name]
    pair = _KV_PAIR.fullmatch(spelled) if loader.kv_pairs else None
    if pair is not None:
        return (int(pair[1]) + int(pair[2] or pair[1]) + 1) / 16
    return BadKvDtype(text, (*loader.kv_dtypes, *(("K,V of 2 to 8 bits each",) if loader.kv_pairs else ())))


_METHOD_NAMES: Final[dict[Method, str]] = {
    "gptq": "GPTQ",
    "awq": "AWQ",
    "exl2": "EXL2",
    "exl3": "EXL3",
    "gguf": "GGUF",
    "compressed-tensors": "compressed-tensors",
    "none": "16-bit weights",
}


def _listing(items: Iterable[object], word: str) -> str:
    """Items as a sentence lists them.

    >>> _listing([32, 64, 128], "or")
    '32, 64 or 128'
    """
    *most, last = [str(item) for item in items] or [""]
    return f"{', '.join(most)} {word} {last}" if most else last


def _bits_in_words(rule: Rule) -> str:
    if rule.bits_range is not None:
        return f"{rule.bits_range[0]:g} to {rule.bits_range[1]:g}"
    return _listing((f"{bits:g}" for bits in rule.bits or ()), "or")


def _quants_in_words(rules: Iterable[Rule]) -> str:
    """The quantizations that some rules of one method take between them: ``4- or 8-bit GPTQ``, ``2 to 8 bpw EXL2``."""
    rules = list(rules)
    method = _METHOD_NAMES[rules[0].method]
    ranged = next((rule for rule in rules if rule.bits_range is not None), None)
    if ranged is not None:
        return f"{_bits_in_words(ranged)} bpw {method}"
    bits = [f"{bits:g}-" for bits in sorted({bits for rule in rules for bits in rule.bits or ()})]
    return f"{_listing(bits, 'or')}bit {method}" if bits else method


_LISTED_GROUPS: Final = 4


def _groups_in_words(sizes: Collection[int]) -> str:
    """Group sizes as a sentence says them.

    >>> _groups_in_words((-1, 32, 128)), _groups_in_words([128])
    ('groups of 32 or 128 or no group', 'groups of 128')
    >>> _groups_in_words((-1, 16, 32, 64, 128, 256))
    'groups of 16 to 256 (powers of two) or no group'
    """
    known = sorted(set(sizes) - {NO_GROUP})
    doubling = all(larger == 2 * smaller for smaller, larger in pairwise(known))
    long = len(known) > _LISTED_GROUPS and doubling
    groups = f"groups of {f'{known[0]} to {known[-1]} (powers of two)' if long else _listing(known, 'or')}"
    return f"{groups} or no group" if NO_GROUP in sizes else groups
