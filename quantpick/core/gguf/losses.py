"""The loss of each GGUF file type against 16 bits, as published for one model, and bits corrected by it."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

Losses = Mapping[tuple[str, bool], float]
"""KL divergence in nats, by file type and whether an importance matrix was used."""

_KEYS: Final = frozenset({"type", "imatrix", "kl", "of", "source", "checked"})


def parse_losses(text: str) -> Losses:
    """The rows of ``losses.toml``, all of one table.

    Raises:
        ValueError: a row lacks a key, is there twice, or is from another table.
    """
    rows = tomllib.loads(text)["loss"]
    found: dict[tuple[str, bool], float] = {}
    for row in rows:
        key = row.get("type"), row.get("imatrix")
        if set(row) != _KEYS or key in found or (row["of"], row["source"]) != (rows[0]["of"], rows[0]["source"]):
            raise ValueError(f"the row {key} is not one of the table")
        found[key] = float(row["kl"])
    return found


def loss_of(losses: Losses, file_type: str | None, *, imatrix: bool | None) -> float | None:
    """The published loss of a file type; None if nobody measured it, as for publishers' own mixes.

    If the use of an importance matrix is unknown, the figure without one counts.

    >>> losses = {("Q4_K_M", True): 0.028, ("Q4_K_M", False): 0.031, ("IQ4_XS", True): 0.036}
    >>> [loss_of(losses, name, imatrix=None) for name in ("Q4_K_M", "IQ4_XS", "UD-Q4_K_M", "Q4_K_L")]
    [0.031, 0.036, None, None]
    """
    if file_type is None:
        return None
    first, second = ((file_type, bool(imatrix)), (file_type, not imatrix))
    return losses.get(first, losses.get(second))


class Measured(NamedTuple):
    """One file of a model: its bits per weight, and the published loss of its type."""

    bpw: float
    loss: float


def worth_bpw(files: Sequence[Measured]) -> tuple[float, ...]:
    """The bits per weight to rank each file of one model by: its own if they agree with the losses.

    Files whose bits contradict their losses share the mean of their bits. Ranking by this figure and then by the loss
    is therefore ranking by the loss (isotonic regression, by pooling adjacent violators: Ayer et al. 1955).

    >>> worth_bpw([Measured(4.25, 0.036), Measured(4.75, 0.072), Measured(8.5, 0.001)])
    (4.5, 4.5, 8.5)
    """
    order = sorted(range(len(files)), key=lambda at: (files[at].loss, -files[at].bpw))
    pools: list[tuple[float, list[int]]] = []
    for at in order:
        total, members = files[at].bpw, [at]
        while pools and pools[-1][0] / len(pools[-1][1]) < total / len(members):
            before, earlier = pools.pop()
            total, members = before + total, earlier + members
        pools.append((total, members))
    worth = {at: total / len(members) for total, members in pools for at in members}
    return tuple(worth[at] for at in range(len(files)))
