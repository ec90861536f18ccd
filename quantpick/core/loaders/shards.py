"""Whether a loader can cut a quantized model into equal shards for several GPUs.

Under tensor parallelism each GPU gets a part of every matrix. Matrices cut along their input (the attention's
output projection and the MLP's last matrix) must not be cut within a group of weights that share a scale. Some loaders
also require multiples of their kernel's tile; others pad.
"""

import re
from collections.abc import Iterator
from typing import Final

from quantpick.core.loaders.table import Sharding
from quantpick.core.quant import QuantSpec
from quantpick.core.shape import ModelShape

_BLOCK: Final = re.compile(r"block-(\d+)x(\d+)")
_TILED: Final = frozenset({"gptq", "awq", "auto-round", "compressed-tensors"})
"""Methods whose kernels work in the tiles of `Sharding`."""


def cuts_evenly(quant: QuantSpec, shape: ModelShape, gpus: int, how: Sharding | None, *, heads_divisible: bool) -> bool:
    """Whether a model can be cut for this many GPUs.

    Args:
        quant: how its weights are stored.
        shape: its dimensions.
        gpus: how many, at least 1.
        how: what the loader requires of the parts; None requires only whole groups.
        heads_divisible: whether the GPUs must divide the attention heads.
    """
    if heads_divisible and shape.num_attention_heads % gpus:
        return False
    how = how or _WHOLE_GROUPS
    rows, columns = _group(quant)
    tiled = quant.method in _TILED
    inputs, outputs = (how.in_multiple, how.out_multiple) if tiled else (1, 1)
    return all(_takes(width, gpus, rows, inputs) for width in _inputs(shape)) and (
        all(_takes(width, gpus, columns, outputs) for width in _outputs(shape))
        and (shape.num_local_experts == 1 or _cuts_experts(shape, gpus, rows, how))
    )


_WHOLE_GROUPS: Final = Sharding(source="", checked="")


def _group(quant: QuantSpec) -> tuple[int, int]:
    """Weights that share a scale, along the input and the output; 1 if that does not restrict a cut."""
    block = _BLOCK.fullmatch(quant.packing or "")
    if block is not None:
        return int(block[2]), int(block[1])
    return quant.group_size or 1, 1


def _inputs(shape: ModelShape) -> Iterator[int]:
    """The widths cut along a matrix's input, not counting experts."""
    yield shape.num_attention_heads * (shape.v_head_dim or shape.head_dim)
    yield from _dense_widths(shape)


def _outputs(shape: ModelShape) -> Iterator[int]:
    """The widths cut along a matrix's output, not counting experts."""
    yield shape.num_attention_heads * shape.head_dim
    yield from _dense_widths(shape)


def _dense_widths(shape: ModelShape) -> Iterator[int]:
    widths = (shape.dense_intermediate_size, shape.shared_intermediate_size)
    yield from (width for width in widths if width) if shape.num_local_experts > 1 else (shape.intermediate_size,)


def _takes(width: int, gpus: int, group: int, multiple: int) -> bool:
    part, rest = divmod(width, gpus)
    return rest == 0 and part % multiple == 0 and (group >= width or part % group == 0)


def _cuts_experts(shape: ModelShape, gpus: int, group: int, how: Sharding) -> bool:
    """Whether the experts' matrices can be cut. Some loaders halve their groups down to a least size to make it so."""
    part, rest = divmod(shape.intermediate_size, gpus)
    if rest:
        return False
    while part % group or (group > 1 and shape.hidden_size % group):
        if how.least_expert_group is None or group // 2 < how.least_expert_group:
            return False
        group //= 2
    return True
