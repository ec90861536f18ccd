"""The GGUF files of a branch as rows of the table: one per set, with the shape from a header."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from quantpick.core.gguf.header import BadHeader, read_header
from quantpick.core.gguf.sets import GgufSet, find_sets
from quantpick.core.gguf.shape import read_shape
from quantpick.core.gguf.types import FILE_TYPES, embedding_bits, nominal_bits, nominal_bpw, packing_of, plain_type
from quantpick.core.memory.weights import weights_file_size
from quantpick.core.quant import Branch, BranchWarning, FileSet, Provenance, QuantSpec
from quantpick.core.repo import BranchFiles
from quantpick.core.shape import ModelShape

MAIN: Final = "main"
_EVERYWHERE: Final = ("F16", "BF16", "F32", "Q8_0")
"""File types in which nearly all weights have the same type, so the size gives their number."""
_PLAUSIBLE: Final = 1.35
"""The largest ratio between a file's size and its type's usual size: 1.3 in small models with a large vocabulary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
    """The rows made of a branch's GGUF files.

    Args:
        branches: a row per set.
        skipped: the sets without a row, each with the reason.
        warnings: doubts.
    """

    branches: tuple[Branch, ...] = ()
    skipped: Mapping[str, str]
    warnings: tuple[BranchWarning, ...] = ()


def read_variants(files: BranchFiles) -> Variants:
    """The rows of a branch's GGUF files.

    Bits per weight are the file's bits divided by the model's number of weights: best known from a 16-bit or ``Q8_0``
    file beside it, then from the header's dimensions. Failing both, the type's usual figure. Warnings:
    ``unread-header``, ``several-models``.
    """
    sets = find_sets(files.files)
    models: dict[str, list[GgufSet]] = {}
    skipped: dict[str, str] = {}
    for one in sets:
        if one.problem is not None or one.goes_with:
            skipped[one.name] = one.problem or "goes with a model beside it: a draft model, an adapter or the like"
        else:
            models.setdefault(one.model, []).append(one)
    rows: dict[str, Branch] = {}
    warnings: list[BranchWarning] = []
    alone = files.name != MAIN and sum(len(members) for members in models.values()) == 1
    if len(models) > 1:
        message = f"`{files.name}` holds GGUF files of {len(models)} models: {', '.join(sorted(models)[:3])}"
        warnings.append(BranchWarning("several-models", None, message))
    for members in models.values():
        known, doubts = _known_of(members, files.heads)
        warnings += doubts
        for one in members:
            row = _row(one, known, files, alone=alone)
            if (row.quant.bits or 0) >= 16:
                skipped[one.name] = "a 16-bit copy, not quantized" if row.quant.bits == 16 else "32-bit, not quantized"
            else:
                rows[one.name] = row
    return Variants(
        branches=tuple(rows[one.name] for one in sets if one.name in rows), skipped=skipped, warnings=tuple(warnings)
    )


@dataclass(frozen=True, slots=True)
class _Model:
    """A model whose sets these are: shape, number of weights, whether a file's size gave it, set types by header."""

    shape: ModelShape | None
    weights: float | None
    counted: bool
    file_types: Mapping[str, str]


def _known_of(members: Sequence[GgufSet], heads: Mapping[str, bytes]) -> tuple[_Model, list[BranchWarning]]:
    """The model, by the header of one of its sets and the sizes of its files."""
    counted = _counted(members)
    file_types: dict[str, str] = {}
    shape: ModelShape | None = None
    warnings: list[BranchWarning] = []
    for one in members:
        head = heads.get(one.paths[0])
        if head is None:
            continue
        header = read_header(head, one.files[0].size_bytes)
        read = header.reason if isinstance(header, BadHeader) else read_shape(header)
        if not isinstance(header, BadHeader):
            number = header.values.get("general.file_type")
            file_types[one.name] = FILE_TYPES.get(number, "") if isinstance(number, int) else ""
        if isinstance(read, str):
            warnings.append(BranchWarning("unread-header", None, f"`{one.paths[0]}` {read}"))
        else:
            shape = read if counted is None else _tied_by_count(read, counted)
    return _Model(shape, counted or _computed(shape), counted is not None, file_types), warnings


def _counted(members: Sequence[GgufSet]) -> float | None:
    """The model's number of weights, by the size of a file in which all have the same type."""
    for kind in _EVERYWHERE:
        for one in members:
            bpw = nominal_bpw(kind)
            if one.file_type is not None and plain_type(one.file_type) == plain_type(kind) and bpw:
                return 8 * one.size_bytes / bpw
    return None


def _computed(shape: ModelShape | None) -> float | None:
    """The number of weights of a model of this shape."""
    return None if shape is None else weights_file_size(QuantSpec("none", 16), shape) / 2


def _tied_by_count(shape: ModelShape, counted: float) -> ModelShape:
    """The shape with or without a tied head, whichever comes nearer to the number of weights."""
    both = (shape, replace(shape, tie_word_embeddings=not shape.tie_word_embeddings))
    return min(both, key=lambda one: abs((_computed(one) or 0) - counted))


def _row(one: GgufSet, known: _Model, files: BranchFiles, *, alone: bool) -> Branch:
    """One set as a row; it has its branch's name if the branch holds nothing else."""
    kind = one.file_type or known.file_types.get(one.name) or ""
    nominal = nominal_bpw(kind)
    bpw = None if known.weights is None else 8 * one.size_bytes / known.weights
    if bpw is None or (nominal and not known.counted and not 1 / _PLAUSIBLE < bpw / nominal < _PLAUSIBLE):
        bpw = nominal
    said: dict[str, Provenance] = {"method": "tree", "size_bytes": "tree"}
    said |= {"bits": "name"} if kind else {}
    said |= {"model_type": "header"} if known.shape is not None else {}
    return Branch(
        name=files.name if alone else one.name if files.name == MAIN else f"{files.name}/{one.name}",
        quant=QuantSpec(
            "gguf",
            nominal_bits(kind) or (None if bpw is None else round(bpw, 2)),
            bpw=None if bpw is None else round(bpw, 3),
            packing=packing_of(kind),
            embedding_bits=embedding_bits(kind),
        ),
        commit=files.commit,
        size_bytes=one.size_bytes,
        model_type=known.shape.model_type if known.shape else None,
        shape=known.shape,
        shape_is_sure=known.shape is not None,
        files=FileSet(
            branch=files.name,
            name=one.name,
            paths=one.paths,
            projectors=tuple(file.path for file in one.projectors),
            imatrix=one.imatrix,
            file_type=kind or None,
            projector_bytes=one.projectors[0].size_bytes if one.projectors else 0,
        ),
        sources=said,
    )
