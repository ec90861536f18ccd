"""One rule applied to a branch and a GPU: its objections, and doubts about missing facts.

`CHECKS` lists what a rule can object to: one function each, which returns a `Reason`, a `BranchWarning` or None. A new
kind of condition is a field of `Rule`, a line in ``read.py`` and a function here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Final

from quantpick.core.loaders.facts import Facts
from quantpick.core.loaders.table import Answer, Rule
from quantpick.core.loaders.words import capability_in_words, groups_in_words, listing, quants_in_words
from quantpick.core.methods import METHODS, Method
from quantpick.core.quant import NO_GROUP, BranchWarning, Reason

if TYPE_CHECKING:
    from packaging.version import Version


@dataclass(frozen=True, slots=True)
class Trial:
    """One rule applied to the facts: its objections, and doubts about missing facts."""

    rule: Rule
    objections: tuple[Reason, ...]
    doubts: tuple[BranchWarning, ...]

    @property
    def remoteness(self) -> tuple[int, int, float]:
        """How far the rule is from accepting; of equals, the most general is nearest."""
        codes = {objection.code for objection in self.objections}
        strangeness = 2 * ("scheme" in codes) + ("bits" in codes)
        return len(self.objections), strangeness, self.rule.min_capability or 0.0


def try_rule(rule: Rule, facts: Facts) -> Trial:
    """The rule applied to the facts, and it or its peers to each way in which some layers differ."""
    trial = _held(rule, facts)
    if trial.objections:
        return trial
    for layers in _layers(facts):
        tried = [_held(one, layers) for one in (rule, *(() if rule.layers == "same" else facts.peers))]
        if all(one.objections for one in tried):
            return replace(trial, objections=tuple(map(_of_some_layers, tried[0].objections)))
    return trial


def _held(rule: Rule, facts: Facts) -> Trial:
    findings = [finding for check in CHECKS if (finding := check(rule, facts)) is not None]
    return Trial(
        rule,
        tuple(finding for finding in findings if isinstance(finding, Reason)),
        tuple(finding for finding in findings if isinstance(finding, BranchWarning)),
    )


def _layers(facts: Facts) -> Iterable[Facts]:
    """The facts for each kind of layer quantized differently from the rest."""
    for layer in facts.quant.layers:
        if layer.bits == _PLAIN_BITS:
            continue
        quant = facts.quant
        group = quant.group_size if layer.group_size is None else layer.group_size
        other_scheme = layer.scheme is not None and layer.scheme != quant.scheme
        varied = replace(
            quant,
            bits=layer.bits or quant.bits,
            group_size=None if group == NO_GROUP else group,
            desc_act=quant.desc_act if layer.desc_act is None else layer.desc_act,
            sym=quant.sym if layer.sym is None else layer.sym,
            scheme=layer.scheme or quant.scheme,
            packing=None if other_scheme else quant.packing,
            layers=(),
        )
        yield replace(facts, quant=varied)


_PLAIN_BITS: Final = 16
"""The bits of layers that are not quantized."""


def _of_some_layers(reason: Reason) -> Reason:
    return replace(reason, message=f"{reason.message} (in some of its layers)")


_Finding = Reason | BranchWarning | None
"""An objection, a doubt because a fact is missing, or neither."""


def _check_bits(rule: Rule, facts: Facts) -> _Finding:
    bits = facts.quant.bits
    if bits is None:
        limited = rule.bits is not None or rule.bits_range is not None
        takes = f"takes {quants_in_words(facts.peers)}"
        return facts.doubt("how many bits this branch has", takes) if limited else None
    if rule.takes_bits(bits):
        return None
    about = [rule] if any(peer.takes_bits(bits) for peer in facts.peers) else facts.peers
    here = f"this branch has {bits:g} bpw" if METHODS[rule.method].states_bpw else f"this branch is {bits:g}-bit"
    return _objection(rule, "bits", f"{facts.label} takes {quants_in_words(about)}, {here}")


def _check_group_size(rule: Rule, facts: Facts) -> _Finding:
    size = facts.group_size
    if rule.group_sizes is None or size in rule.group_sizes:
        return None
    if size is None:
        return facts.doubt("this branch's group size", f"takes {groups_in_words(rule.group_sizes)}")
    here = "has no group" if size == NO_GROUP else f"has groups of {size}"
    takes = f"{facts.label} takes {groups_in_words(rule.group_sizes)}"
    return _objection(rule, "group-size", f"{takes}, this branch {here}")


def act_order_answers(rule: Rule, facts: Facts) -> set[Answer]:
    """The rule's answer to every combination of act order and groups that the facts leave open."""
    orders = (True, False) if facts.desc_act is None else (facts.desc_act,)
    grouped = (True, False) if facts.group_size is None else (facts.group_size != NO_GROUP,)
    return {
        "yes" if not order else rule.act_order_with_group if group else rule.act_order_without_group
        for order, group in product(orders, grouped)
    }


def _check_act_order(rule: Rule, facts: Facts) -> _Finding:
    answers = act_order_answers(rule, facts)
    if "no" not in answers:
        return None
    together = " together with groups" if rule.act_order_without_group != "no" else ""
    if answers != {"no"}:
        missing = "this branch's group size" if facts.desc_act else "whether this branch has act order"
        return facts.doubt(missing, f"does not load act order{together}")
    here = "no group" if facts.group_size == NO_GROUP else f"group size {facts.group_size or 'unknown'}"
    sentence = f"{facts.label} does not load act order{together} (this branch: {here}, act order)"
    return _objection(rule, "act-order", sentence)


def _check_sym(rule: Rule, facts: Facts) -> _Finding:
    if rule.sym is None or rule.sym == facts.sym:
        return None
    kinds = {True: "symmetric", False: "asymmetric"}
    takes = f"takes {kinds[rule.sym]} {METHODS[facts.method].title} only"
    if facts.sym is None:
        return facts.doubt("whether this branch is symmetric", takes)
    return _objection(rule, "sym", f"{facts.label} {takes}, this branch is {kinds[facts.sym]}")


_ONLY_INT: Final = frozenset({"gptq", "awq", "auto-round"})
"""Methods whose weights are integers, and which loaders read layer by layer as one kind."""

_INT_UNLESS_SAID: Final = _ONLY_INT | {"compressed-tensors"}
"""Methods whose weights are integers unless stated otherwise; compressed-tensors always states floats."""


def _check_scheme(rule: Rule, facts: Facts) -> _Finding:
    presumed = METHODS[facts.method].scheme or ("int" if facts.method in _INT_UNLESS_SAID else None)
    scheme = facts.quant.scheme or presumed
    taken = rule.schemes or (("int",) if facts.method in _ONLY_INT else None)
    if taken is None or scheme in taken:
        return None
    takes = f"takes {METHODS[facts.method].title} of {listing(taken, 'or')} weights"
    if scheme is None:
        return facts.doubt("what this branch's weights are", takes)
    return _objection(rule, "scheme", f"{facts.label} {takes}, this branch has {scheme} weights")


_USUAL_PACKING: Final[Mapping[Method, tuple[str, ...]]] = {"awq": ("gemm",), "gguf": ("llama.cpp",)}
"""The layouts that a rule takes if it names none."""


def takes_packing(rule: Rule, packing: str | None) -> bool:
    """Whether a rule takes, or for an unknown layout may take, a layout of the weights."""
    taken = _packings(rule)
    return packing is None or taken is None or packing.lower() in taken


def _packings(rule: Rule) -> tuple[str, ...] | None:
    return rule.packings or _USUAL_PACKING.get(rule.method)


def _check_packing(rule: Rule, facts: Facts) -> _Finding:
    if takes_packing(rule, facts.quant.packing):
        return None
    takes = f"{facts.label} takes {METHODS[facts.method].title} packed as {listing(_packings(rule) or (), 'or')}"
    return _objection(rule, "packing", f"{takes}, this branch is packed as {facts.quant.packing}")


def _check_checkpoint_format(rule: Rule, facts: Facts) -> _Finding:
    written = facts.quant.checkpoint_format
    taken = rule.checkpoint_formats or (("gptq",) if facts.method == "gptq" else None)
    if written is None or taken is None or written.lower() in taken:
        return None
    takes = f"{facts.label} reads the checkpoint format {listing(taken, 'or')}"
    return _objection(rule, "checkpoint-format", f"{takes}, this branch is written as {written}")


def _check_activations(rule: Rule, facts: Facts) -> _Finding:
    bits = facts.quant.activation_bits or _PLAIN_BITS
    if rule.activation_bits is None or bits in rule.activation_bits:
        return None
    takes = f"{facts.label} takes these weights with activations of {listing(rule.activation_bits, 'or')} bits"
    return _objection(rule, "activations", f"{takes}, this branch is made for {bits}")


def _check_requires(rule: Rule, facts: Facts) -> _Finding:
    missing = [name for name in rule.requires if name in facts.quant.absent]
    if not missing:
        return None
    sentence = f"{facts.label} wants {listing(missing, 'and')} in the config, this branch's config does not say"
    return _objection(rule, "missing-key", sentence)


def _check_layers(rule: Rule, facts: Facts) -> _Finding:
    quantized = [layer for layer in facts.quant.layers if layer.bits != _PLAIN_BITS]
    mixed_bits = sorted({layer.bits for layer in quantized if layer.bits is not None})
    if rule.whole_bits:
        broken = [bits for bits in mixed_bits if bits != int(bits)]
        if not broken:
            return None
        sentence = f"{facts.label} reads layers of whole bits, this branch has some of {listing(broken, 'and')}"
        return _objection(rule, "layers", sentence)
    if not quantized or rule.layers is not None or facts.method not in _ONLY_INT:
        return None
    sentence = f"{facts.label} is not known to read layers that differ from the rest, as some of this branch do"
    return _objection(rule, "layers", sentence)


def _check_head(rule: Rule, facts: Facts) -> _Finding:
    bits = facts.quant.head_bits
    if bits is None or bits >= _PLAIN_BITS or facts.method not in _ONLY_INT or rule.quantized_head:
        return None
    return _objection(rule, "head", f"{facts.label} is not known to read a quantized output head, this branch has one")


def _check_model(rule: Rule, facts: Facts) -> _Finding:
    what = METHODS[facts.method].title
    model = (facts.about.model_type or "").lower()
    if rule.moe is not None and facts.about.moe not in (rule.moe, None if rule.moe is False else rule.moe):
        kind = "mixtures of experts" if rule.moe else "dense models"
        return _objection(rule, "architecture", f"{facts.label} takes this {what} of {kind} only")
    if model in rule.not_model_types:
        return _objection(rule, "architecture", f"{facts.label} does not take {what} of {model} models")
    if rule.model_types is None or model in rule.model_types:
        return None
    takes = f"takes this {what} of {listing(rule.model_types, 'and')} models"
    here = f"this one is {model}" if model else "nothing says what this one is"
    return _objection(rule, "architecture", f"{facts.label} {takes}, {here}")


def _check_shape(rule: Rule, facts: Facts) -> _Finding:
    shape = facts.about.shape
    if shape is None:
        return None
    attention, mlp = shape.num_attention_heads * shape.head_dim, shape.intermediate_size
    keys = shape.num_key_value_heads * shape.head_dim
    sides = (
        ("input", rule.in_multiple, (shape.hidden_size, attention, mlp)),
        ("output", rule.out_multiple, (shape.hidden_size, attention, keys, mlp)),
    )
    for side, multiple, widths in sides:
        odd = next((width for width in widths if width % multiple), None)
        if odd is not None:
            sentence = f"{facts.label} takes matrices whose {side} is a multiple of {multiple}, this model has {odd}"
            return _objection(rule, "shape", sentence)
    return None


def _check_writer(rule: Rule, facts: Facts) -> _Finding:
    written = facts.quant.writer_version
    if rule.writer_before is None or written is None:
        return None
    version, bound = _version(written), _version(rule.writer_before)
    if version is None or bound is None or version < bound:
        return None
    bits = facts.quant.bits
    known = f"{facts.label} is known to read what versions before {rule.writer_before} wrote"
    if rule.whole_bits and bits is not None and bits != int(bits):
        sentence = f"{known}, this branch of {bits:g} bpw was written by {written}"
        return _objection(rule, "writer-version", sentence)
    return BranchWarning("newer-writer", facts.about.branch, f"this branch was written by {written}; {known}")


def _version(text: str) -> "Version | None":
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        return None


def _check_capability(rule: Rule, facts: Facts) -> _Finding:
    if facts.about.rocm is not None:
        return _check_rocm(rule, facts, facts.about.rocm.lower())
    if rule.rocm_only:
        return _objection(rule, "platform", f"{facts.label} runs this {METHODS[facts.method].title} on AMD GPUs only")
    capability = facts.about.capability
    wanted = capability_in_words(rule)
    if not wanted:
        return None
    needs = f"needs {wanted}"
    if capability is None:
        return BranchWarning(
            "unknown-capability", None, f"the GPU's compute capability is not known; {facts.label} {needs}"
        )
    lowest, highest = rule.min_capability or 0.0, rule.max_capability or capability
    if lowest <= capability <= highest and (rule.capabilities is None or capability in rule.capabilities):
        return None
    return _objection(rule, "compute-capability", f"{facts.label} {needs}, this GPU has {capability:.1f}")


def _check_rocm(rule: Rule, facts: Facts, architecture: str) -> _Finding:
    if rule.rocm is not None and architecture.startswith(rule.rocm):
        return None
    what = METHODS[facts.method].title
    known = (
        f"runs {what} on AMD's {listing(rule.rocm, 'and')}" if rule.rocm else f"is not known to run {what} on AMD GPUs"
    )
    return _objection(rule, "platform", f"{facts.label} {known}, this GPU is {architecture}")


CHECKS: Final[tuple[Callable[[Rule, Facts], _Finding], ...]] = (
    _check_bits,
    _check_group_size,
    _check_act_order,
    _check_sym,
    _check_scheme,
    _check_packing,
    _check_checkpoint_format,
    _check_activations,
    _check_requires,
    _check_layers,
    _check_head,
    _check_model,
    _check_shape,
    _check_writer,
    _check_capability,
)


def _objection(rule: Rule, code: str, sentence: str) -> Reason:
    """The reason, with what the rule's source says about it."""
    return Reason(code, f"{sentence}: {rule.why[code]}" if code in rule.why else sentence)
