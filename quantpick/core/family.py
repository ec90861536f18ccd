"""Which repos hold quantizations of the same model, and their tables joined.

Only what the Hub or a card calls a quantization of that one base model belongs: no merge, adapter or finetune of it,
and nothing made from several models.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final

from quantpick.core.branches.table import BranchTable, Family
from quantpick.core.card.names import alike, letters_of, stem_of
from quantpick.core.methods import METHODS, Method, method_in, method_of_config
from quantpick.core.quant import Branch, BranchWarning, Home
from quantpick.core.shape import ModelShape

MAX_REPOS: Final = 12
"""The most repos to look into besides the one asked about; chosen."""

QUANTIZED: Final = "quantized"
"""The Hub's word for a quantization's relation to its base model (hub-docs, "Model cards", ``base_model_relation``)."""

_OTHER_MODEL: Final = re.compile(
    r"(?<![a-z])(?:abliterat\w*|uncensored|heretic|derestricted|lora|adapter|merged?|slerp|dpo|sft|rlhf|orpo"
    r"|fine[-_]?tuned?|distill(?:ed)?|pruned?|reap|draft|eagle\d?|speculator|reward|roleplay|rp)(?![a-z])",
    re.IGNORECASE,
)
"""Words in a repo's name for a changed model, or for another model that goes with it. The Hub counts a GGUF file of a
finetune as a quantization of the finetune's base."""

_OF_SCHEMES: Final = ("compressed-tensors", "modelopt")
"""Methods with several schemes, which repos are named after: FP8, NVFP4."""

_LAYERS_MORE: Final = 0.1
"""Share of layers that two files of one model may differ by: some count the layers for multi-token prediction."""


@dataclass(frozen=True, slots=True)
class Descent:
    """The base models of a repo's model, and its relation to them.

    Args:
        relation: ``quantized``, ``finetune``, ``adapter``, ``merge``, another word, or None if unknown.
        models: the repos.
    """

    relation: str | None = None
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """A repo that may hold quantizations of a model.

    Args:
        repo_id: ``owner/name``.
        commit: 40 hex digits of its main branch; None if the Hub did not say.
        descent: its base models, by the Hub.
        tags: the Hub's, in lower case.
    """

    repo_id: str
    commit: str | None = None
    descent: Descent = Descent()
    tags: tuple[str, ...] = ()

    @property
    def method(self) -> Method | None:
        """How its weights are stored, by its name, else by the Hub's tags; None if neither says."""
        named = method_in(self.repo_id.rpartition("/")[2], last=True)
        return named or next(filter(None, map(method_of_config, self.tags)), None)


def base_of(repo_id: str, said: Descent) -> str | None:
    """The model that a repo holds quantizations of: its base model, or itself if it is no quantization.

    None if it was made from several models. The Hub often calls a repo of quantizations a finetune. One with the name
    of its only base model plus a word about quantization is none.

    >>> base_of("q/Finch-7B-GGUF", Descent("quantized", ("o/Finch-7B",))), base_of("o/Finch-7B", Descent())
    ('o/Finch-7B', 'o/Finch-7B')
    >>> base_of("o/Finch-7B-chat", Descent("finetune", ("o/Finch-7B",))), base_of("q/F-GGUF", Descent(None, ("a", "b")))
    ('o/Finch-7B-chat', None)
    """
    name = repo_id.rpartition("/")[2]
    is_quantized = said.relation == QUANTIZED or (
        stem_of(name) != name and (said.relation is None or all(_is_named_like(repo_id, base) for base in said.models))
    )
    if not is_quantized or not said.models:
        return repo_id
    return said.models[0] if len(said.models) == 1 else None


def base_of_named(repo_id: str, named: Sequence[Relative]) -> str | None:
    """The model of a repo of quantizations that does not say it: the base of the repos that its card names.

    Its name must match the repo's. None if no base does, or several do.

    >>> base_of_named("q/F7-GPTQ", [Relative(repo_id="q/F7-AWQ", descent=Descent("quantized", ("o/F7",)))])
    'o/F7'
    """
    bases = {one.descent.models[0] for one in named if len(one.descent.models) == 1}
    alike_ones = [base for base in bases if _is_named_like(repo_id, base) and base.casefold() != repo_id.casefold()]
    return alike_ones[0] if len(alike_ones) == 1 else None


def why_not(one: Relative, base: str) -> str | None:
    """Why a repo does not hold quantizations of exactly this model; None if it does.

    >>> why_not(Relative(repo_id="q/F-GGUF", descent=Descent("merge", ("o/F",))), "o/F")
    'related to o/F by `merge`, not `quantized`'
    """
    models = {model.casefold() for model in one.descent.models}
    name = one.repo_id.rpartition("/")[2]
    if not models:
        return f"nobody says that it is made from {base}"
    if len(models) > 1:
        return f"made from {len(models)} models"
    if models != {base.casefold()}:
        return f"made from {one.descent.models[0]}, not from {base}"
    if one.descent.relation not in (None, QUANTIZED):
        return f"related to {base} by `{one.descent.relation}`, not `quantized`"
    if one.descent.relation is None and stem_of(name) == name and one.method is None:
        return "nobody says that it is a quantization"
    return _why_another(name, base.rpartition("/")[2])


def _why_another(name: str, base_name: str) -> str | None:
    """Why a repo's name means another model than the base: a word in it; None if it has no such word."""
    own = {match[0].casefold() for match in _OTHER_MODEL.finditer(base_name)}
    word = next((match[0] for match in _OTHER_MODEL.finditer(name) if match[0].casefold() not in own), None)
    return None if word is None else f"called `{word}`, which {base_name} is not"


def choose(named: Sequence[Relative], listed: Sequence[Relative], wanted: Collection[Method]) -> tuple[Relative, ...]:
    """Up to `MAX_REPOS` of the repos: first those that the card names, then one of each method in turn.

    Args:
        named: by the card, in its order.
        listed: by the Hub, the most downloaded first.
        wanted: the methods worth a look. A repo that names no method may be of one of them.
    """
    worth = [one for one in (*named, *listed) if _is_worth_a_look(one.method, wanted)]
    first = [one for one in worth if any(one.repo_id == other.repo_id for other in named)]
    by_method: dict[Method | None, list[Relative]] = {}
    for one in worth:
        by_method.setdefault(one.method, []).append(one)
    known = [members for method, members in by_method.items() if method is not None]
    in_turn = [one for round_ in zip_longest(*known) for one in round_ if one is not None]
    once: dict[str, Relative] = {}
    for one in (*first, *in_turn, *by_method.get(None, ())):
        once.setdefault(one.repo_id.casefold(), one)
    return tuple(once.values())[:MAX_REPOS]


def _is_worth_a_look(method: Method | None, wanted: Collection[Method]) -> bool:
    """Whether a repo named after a method may hold a wanted one: ``FP8`` is also a scheme of other methods."""
    if method is None or method in wanted:
        return True
    known = METHODS[method]
    in_others = known.scheme is not None and any(other in wanted for other in _OF_SCHEMES)
    return in_others or any(other in wanted for other in known.writes)


def join(own: BranchTable, others: Sequence[BranchTable], base: str | None, left_out: Mapping[str, str]) -> BranchTable:
    """The tables joined to one: each row is called ``owner/name:NAME`` and has its repo as its home.

    A different shape is a different model, whatever its name.

    Args:
        own: the table of the repo asked about.
        others: those of its relatives, the best candidates first; one without a row is named among the left out.
        base: the model that all are quantizations of.
        left_out: repos that were not read, each with the reason.
    """
    shape = _sure_shape(own) or _usual_shape(others)
    out = dict(left_out)
    branches: list[Branch] = []
    warnings: list[BranchWarning] = []
    repos: list[str] = []
    for place, table in enumerate((own, *others)):
        repo_id = str(table.repo_id)
        rows = table.branches
        reason = _why_none(table, base, shape) if place else None
        if reason is not None:
            out[repo_id] = reason
            continue
        repos.append(repo_id)
        alone = len(rows) == 1 and rows[0].name == "main"
        branches += [
            replace(
                row,
                name=f"{repo_id}:{row.name}",
                shape=row.shape or shape,
                shape_is_sure=row.shape_is_sure or (row.shape is None and shape is not None),
                home=Home(repo_id, row.git_branch, alone, place),
            )
            for row in rows
        ]
        warnings += [_at_home(warning, repo_id) for warning in table.warnings if not place or _is_worth_saying(warning)]
    return replace(
        own,
        branches=tuple(branches),
        warnings=tuple(warnings),
        family=Family(base_model=base, repos=tuple(repos), left_out=out),
    )


def _sure_shape(table: BranchTable) -> ModelShape | None:
    return next((row.shape for row in table.branches if row.shape is not None and row.shape_is_sure), None)


def _usual_shape(tables: Sequence[BranchTable]) -> ModelShape | None:
    """The shape shared by the most repos."""
    shapes = [shape for shape in map(_sure_shape, tables) if shape is not None]
    return max(shapes, key=lambda one: sum(_is_same_model(one, other) for other in shapes), default=None)


def _why_none(table: BranchTable, base: str | None, shape: ModelShape | None) -> str | None:
    """Why a relative's table is left out, or None."""
    if len(table.base_models) > 1:
        return f"made from {len(table.base_models)} models, its card says"
    if table.base_relation not in (None, QUANTIZED):
        return f"its card calls it a {table.base_relation[:30]}"
    for said in table.base_models:
        # The Hub follows renamed models; cards do not.
        if base is not None and not alike(said.rpartition("/")[2], base.rpartition("/")[2]):
            return f"its card says that it is made from {said[:100]}"
    if not table.branches:
        return table.skipped[0].reason if table.skipped else "no quantization in it"
    if shape is not None:
        for row in table.branches:
            if row.shape is not None and row.shape_is_sure and not _is_same_model(row.shape, shape):
                return (
                    f"another model: {row.shape.num_hidden_layers} layers of {row.shape.hidden_size}, "
                    f"not {shape.num_hidden_layers} of {shape.hidden_size}"
                )
    return None


def _is_same_model(one: ModelShape, other: ModelShape) -> bool:
    more = abs(one.num_hidden_layers - other.num_hidden_layers)
    return one.hidden_size == other.hidden_size and more <= _LAYERS_MORE * other.num_hidden_layers


def _is_worth_saying(warning: BranchWarning) -> bool:
    """Whether a doubt about a relative matters to someone who chooses one of its rows."""
    return warning.code not in ("missing-branch", "unlisted-branch", "renamed-repo", "assumed-shape")


def _at_home(warning: BranchWarning, repo_id: str) -> BranchWarning:
    if warning.branch is None:
        return replace(warning, message=f"{repo_id}: {warning.message}")
    return replace(warning, branch=f"{repo_id}:{warning.branch}")


def _is_named_like(repo_id: str, base: str) -> bool:
    """Whether a repo has the model's name, words about quantization aside; some put the owner before it."""
    owner, _, name = base.partition("/")
    return letters_of(stem_of(repo_id.rpartition("/")[2])) in (letters_of(name), letters_of(owner + name))
