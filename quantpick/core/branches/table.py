"""The branch table of a whole repo: from its card alone, or from the Hub with the card as a hint."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from quantpick.core.branch_name import UnknownName, read_branch_name
from quantpick.core.branches.config import ConfigFacts, read_configs
from quantpick.core.branches.merge import merge_branch
from quantpick.core.branches.tree import NoWeights, Weights, find_weights
from quantpick.core.branches.variants import read_variants
from quantpick.core.card.read import Card, read_card
from quantpick.core.card.rows import CardRow
from quantpick.core.card.siblings import Sibling
from quantpick.core.memory.weights import weights_file_size
from quantpick.core.quant import Branch, BranchWarning, QuantFacts, QuantSpec
from quantpick.core.repo import BranchFiles, RepoFacts
from quantpick.core.shape import ModelShape
from quantpick.core.units import format_gb

_SIXTEEN_BIT: Final = 0.9
"""Weights with at least this share of the computed 16-bit size are 16-bit. 8-bit files, the next smaller, have about
0.55."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedBranch:
    """A branch that holds no quantization, and why."""

    branch: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The repos with quantizations of one model, in an answer about several.

    Args:
        base_model: the model that all are quantizations of; None if it was made from several.
        repos: those whose quantizations are in the table, the one asked about first.
        left_out: repos that do not belong to it, or hold nothing that can be judged, each with the reason.
    """

    base_model: str | None
    repos: tuple[str, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchTable:
    """Everything known of one repo's quantizations.

    Args:
        repo_id: ``owner/name``, or None if the only source is a card without links.
        branches: those that hold a quantization: first the card's, in its order, then the others in the Hub's.
        skipped: those that hold none.
        warnings: contradictions and doubts.
        siblings: other repos of the same model.
        model_name: the model's name by the card.
        base_models: the repos that the card names as base models.
        base_relation: the card's word for that relation: ``quantized``, ``merge``; None if it has none.
        family: the repos whose quantizations are in it, if it covers several.
    """

    repo_id: str | None
    branches: tuple[Branch, ...]
    skipped: tuple[SkippedBranch, ...] = ()
    warnings: tuple[BranchWarning, ...] = ()
    siblings: tuple[Sibling, ...] = ()
    model_name: str | None = None
    base_models: tuple[str, ...] = ()
    base_relation: str | None = None
    family: Family | None = None


def table_from_card(card: Card, config: ConfigFacts | None = None) -> BranchTable:
    """The branch table of a card alone, in the card's order.

    Args:
        card: what `read_card` returned.
        config: one config.json for the whole repo. It gives the model's shape. Its quantization counts only if the card
            has a single branch, as nobody knows which of several it was saved from.
    """
    branches: list[Branch] = []
    warnings = list(card.warnings)
    rows = _rows_by_branch(card)
    model = config
    if config is not None and len(rows) > 1:
        model = replace(config, quant=QuantFacts())
    for name, said in rows.items():
        branch, doubts = merge_branch(name, rows=said, config=model, card=card)
        branches.append(branch)
        warnings += doubts
    if config is not None:
        warnings += [BranchWarning("unread-config", None, problem) for problem in config.problems]
    return BranchTable(
        repo_id=card.repo_id,
        branches=tuple(branches),
        warnings=tuple(dict.fromkeys(warnings)),
        siblings=card.siblings,
        model_name=card.model_name,
        base_models=card.base_models,
        base_relation=card.base_relation,
    )


def table_from_repo(repo: RepoFacts) -> BranchTable:
    """The branch table of a repo on the Hub. The card is a hint; each contradiction becomes a warning.

    Warnings besides those of `merge_branch`: ``missing-branch`` (the card has it, the repo does not),
    ``unlisted-branch`` (the other way round), ``pickle-weights``, ``several-weights``, ``unread-config``,
    ``refused-branch`` (the Hub says something impossible), ``refused-card`` (it sends another card than it lists),
    ``renamed-repo``, and for GGUF files those of `read_variants`.
    """
    card = read_card(repo.card or "", repo_id=repo.repo_id)
    rows = _rows_by_branch(card)
    order = {name: at for at, name in enumerate(rows)}
    branches: list[Branch] = []
    skipped: list[SkippedBranch] = []
    warnings = [*card.warnings, *_about_the_whole(repo, rows)]
    for files in sorted(repo.branches, key=lambda one: order.get(one.name, len(order))):
        found, doubts = _read_branch(files, rows.get(files.name, []), card)
        variants = read_variants(files)
        branches += variants.branches
        skipped += [SkippedBranch(branch=name, reason=reason) for name, reason in variants.skipped.items()]
        warnings += variants.warnings
        if isinstance(found, Branch):
            branches.append(found)
            warnings += doubts
            if rows and files.name not in rows:
                warnings.append(BranchWarning("unlisted-branch", files.name, "the card does not list it"))
        elif not (variants.branches or variants.skipped):
            skipped.append(SkippedBranch(branch=files.name, reason=found))
    read = {files.name for files in repo.branches}
    whole = read | set(repo.unread) >= set(repo.names)
    for name, reason in repo.unread.items():
        skipped.append(SkippedBranch(branch=name, reason=f"not taken: the branch {reason}"))
        warnings.append(BranchWarning("refused-branch", name, f"not taken from the Hub: the branch {reason}"))
    skipped += [SkippedBranch(branch=ref, reason="kept by the Hub itself, not a branch") for ref in repo.conversions]
    return BranchTable(
        repo_id=repo.repo_id,
        branches=tuple(_share_shape(branches)),
        skipped=tuple(skipped),
        warnings=tuple(dict.fromkeys(one for one in warnings if whole or one.branch is None or one.branch in read)),
        siblings=card.siblings,
        model_name=card.model_name,
        base_models=card.base_models,
        base_relation=card.base_relation,
    )


def _rows_by_branch(card: Card) -> dict[str, list[CardRow]]:
    rows: dict[str, list[CardRow]] = {}
    for row in card.rows:
        rows.setdefault(row.branch, []).append(row)
    return rows


def _about_the_whole(repo: RepoFacts, rows: Mapping[str, Sequence[CardRow]]) -> Iterator[BranchWarning]:
    if repo.repo_id.lower() != repo.asked_for.lower():
        yield BranchWarning("renamed-repo", None, f"{repo.asked_for} is called {repo.repo_id} now")
    if repo.refused_card:
        yield BranchWarning("refused-card", None, "not read: the card is sent otherwise than the file list has it")
    for name in rows:
        if name not in repo.names:
            yield BranchWarning("missing-branch", name, "the card lists it, the repo has no such branch")


def _read_branch(
    files: BranchFiles, rows: Sequence[CardRow], card: Card
) -> tuple[Branch | str, tuple[BranchWarning, ...]]:
    """One branch with the doubts about it, or the reason why it holds no quantization."""
    weights = find_weights(files.files)
    if isinstance(weights, NoWeights):
        return weights.reason, ()
    config = read_configs(files.configs)
    if config.foreign is not None:
        return f"quantized with {config.foreign}, which quantpick does not judge", ()
    branch, warnings = merge_branch(
        files.name, rows=rows, config=config, card=card, tree_bytes=weights.size_bytes, commit=files.commit
    )
    is_named = bool(rows) or not isinstance(read_branch_name(files.name), UnknownName)
    reason = _why_not_quantized(branch, config, is_named=is_named)
    return reason or branch, (*warnings, *_doubts(files.name, weights, config))


def _why_not_quantized(branch: Branch, config: ConfigFacts, *, is_named: bool) -> str | None:
    """Why the branch's weights do not count as quantized; None if they do."""
    if branch.quant.method == "none":
        return "a 16-bit copy, not quantized"
    if config.quant.method is not None:
        return None
    full = None if branch.shape is None else _sixteen_bit_bytes(branch.shape)
    if full is not None and branch.size_bytes is not None and branch.size_bytes >= _SIXTEEN_BIT * full:
        return f"16-bit by its size ({format_gb(branch.size_bytes)}), and its config names no quantization"
    if not is_named and (branch.quant.method is None or full is None):
        return "nothing says that it is quantized: neither config, name nor card"
    return None


def _sixteen_bit_bytes(shape: ModelShape) -> int:
    return weights_file_size(QuantSpec("none", 16), shape)


def _doubts(name: str, weights: Weights, config: ConfigFacts) -> Iterator[BranchWarning]:
    for problem in config.problems:
        yield BranchWarning("unread-config", name, problem)
    if weights.is_pickle:
        yield BranchWarning("pickle-weights", name, "its weights are pickles, which can run code when they are loaded")
    kind = weights.files[0].path.rpartition(".")[2]
    same_kind = [file.path for file in weights.others if file.path.rpartition(".")[2] == kind]
    if same_kind:
        message = f"several sets of weights: {weights.files[0].path} is counted, {', '.join(same_kind[:3])} is not"
        yield BranchWarning("several-weights", name, message)


def _share_shape(branches: Sequence[Branch]) -> Iterator[Branch]:
    """The branches; one without a readable config gets the shape of the others, as a repo holds one model."""
    known = next((branch for branch in branches if branch.shape is not None), None)
    for branch in branches:
        if branch.shape is None and known is not None and branch.files is None:
            branch = replace(branch, shape=known.shape, model_type=branch.model_type or known.model_type)
        yield branch
