"""What is inferred about a branch from published models: its shape, if no config gives it, and the loss of its type."""

from collections.abc import Sequence
from dataclasses import replace

from quantpick.core.branches.table import BranchTable
from quantpick.core.gguf.losses import Losses, loss_of
from quantpick.core.memory.assume import KnownShape, assume_shape
from quantpick.core.quant import BranchWarning


def with_losses(table: BranchTable, losses: Losses) -> BranchTable:
    """The table, with the published loss of each GGUF file's type."""
    rows = (
        row
        if row.files is None
        else replace(row, type_loss=loss_of(losses, row.files.file_type, imatrix=row.files.imatrix))
        for row in table.branches
    )
    return replace(table, branches=tuple(rows))


def with_shapes(table: BranchTable, known: Sequence[KnownShape]) -> BranchTable:
    """The table, with a shape assumed for branches without one, and a warning that says which.

    Args:
        table: the branches.
        known: published shapes.
    """
    shapeless = [branch for branch in table.branches if branch.shape is None]
    if not shapeless:
        return table
    assumed = assume_shape(
        known,
        name=table.model_name or table.repo_id,
        model_type=next((branch.model_type for branch in shapeless if branch.model_type), None),
        bases=table.base_models,
        sizes=[(branch.quant, branch.size_bytes) for branch in table.branches if branch.size_bytes],
    )
    if assumed is None:
        return table
    warning = BranchWarning("assumed-shape", None, f"no config.json: {assumed.why}")
    branches = tuple(
        branch if branch.shape else replace(branch, shape=assumed.shape, shape_is_sure=assumed.explains_sizes)
        for branch in table.branches
    )
    return replace(table, branches=branches, warnings=(*table.warnings, warning))
