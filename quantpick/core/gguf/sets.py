"""Which GGUF files of a branch are one quantization: a file, or the numbered files that it was split into."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from quantpick.core.gguf.names import GgufName, read_name
from quantpick.core.gguf.types import NEEDS_IMATRIX, nominal_bits, plain_type
from quantpick.core.repo import RepoFile

MAX_FILES: Final = 10_000
"""The most GGUF files in one branch; with more, none is looked at. The largest repos have about a thousand."""
_PROJECTORS: Final = ("F16", "FP16", "BF16", "Q8_0", "F32")
"""The types of an mmproj, the best first: 16 bits are what it was trained in, and small."""
_SMALL: Final = 0.5
"""A file called a draft or an adapter is one if smaller than this share of the model's smallest set; chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufSet:
    """The files of one quantization.

    Args:
        name: ``Q4_K_M``, ``UD-Q2_K_XL``; the file's own name if it has no type, or shares its type with another.
        files: all its files in order; a loader gets the first and finds the others.
        model: the part of the name shared by the sets of one model; several in one branch are several models.
        file_type: ``Q4_K_M``, or None.
        imatrix: True if an importance matrix was used; None if unknown.
        projectors: the mmproj files that go with it, the best first.
        problem: why no loader can open it, as words that follow its name, or None.
        goes_with: whether it is not a model itself but goes with one beside it: a draft model, an adapter.
    """

    name: str
    files: tuple[RepoFile, ...]
    model: str
    file_type: str | None = None
    imatrix: bool | None = None
    projectors: tuple[RepoFile, ...] = ()
    problem: str | None = None
    goes_with: bool = False

    @property
    def size_bytes(self) -> int:
        """Bytes of the weights."""
        return sum(file.size_bytes for file in self.files)

    @property
    def stem(self) -> str:
        """The file's own name, without ending and number."""
        return read_name(self.paths[0]).stem.partition("-of-")[0]

    @property
    def paths(self) -> tuple[str, ...]:
        """The files' paths."""
        return tuple(file.path for file in self.files)

    @property
    def bits(self) -> int | None:
        """The bits in its type's name."""
        return None if self.file_type is None else nominal_bits(self.file_type)


def find_sets(files: Sequence[RepoFile]) -> tuple[GgufSet, ...]:
    """The sets of weights in a branch, in the order of its files.

    >>> files = [RepoFile(f"Finch-Q8_0-0000{n}-of-00002.gguf", 5, "") for n in (2, 1)]
    >>> [(one.name, one.size_bytes, one.paths[0]) for one in find_sets([RepoFile("Finch.Q4_K_M.gguf", 6, ""), *files])]
    [('Q4_K_M', 6, 'Finch.Q4_K_M.gguf'), ('Q8_0', 10, 'Finch-Q8_0-00001-of-00002.gguf')]
    """
    candidates = [file for file in files if ".gguf" in file.path.lower() or "imatrix" in file.path.lower()]
    if len(candidates) > MAX_FILES:
        return ()
    named = [(file, read_name(file.path)) for file in candidates]
    matrix = any(name.role == "imatrix" for _, name in named)
    projectors: dict[str, list[RepoFile]] = {}
    for file in sorted((file for file, name in named if name.role == "projector"), key=_by_projector):
        projectors.setdefault(_folder(file.path), []).append(file)
    grouped: dict[tuple[str, str], list[tuple[RepoFile, GgufName]]] = {}
    for file, name in named:
        if name.role in ("weights", "part"):
            grouped.setdefault((_folder(file.path), name.stem), []).append((file, name))
    found = [_one_set(members, projectors, matrix=matrix) for members in grouped.values()]
    return _told_apart(_marked(found))


def _marked(sets: Sequence[GgufSet]) -> list[GgufSet]:
    """The sets; those that go with a model are marked, and named after their file."""
    smallest = min((one.size_bytes for one in sets if not _says_beside(one)), default=0)
    return [
        replace(one, goes_with=True, name=one.stem) if _says_beside(one) and one.size_bytes < _SMALL * smallest else one
        for one in sets
    ]


def _says_beside(one: GgufSet) -> bool:
    return read_name(one.paths[0]).says_beside


def find_set(sets: Iterable[GgufSet], wanted: str) -> GgufSet | None:
    """The set that a user names by its name, type, folder or one of its files; case does not matter.

    >>> sets = find_sets([RepoFile("Finch.i1-Q4_K_M.gguf", 6, "")])
    >>> [find_set(sets, name) is sets[0] for name in ("q4_k_m", "i1-Q4_K_M", "Finch.i1-Q4_K_M.gguf", "Q4_K_S")]
    [True, True, True, False]
    """
    wanted = wanted.strip("/").casefold()
    candidates = tuple(sets)
    for known_by in (_paths, _name, _file_names, _folders_and_types):
        found = [one for one in candidates if wanted in known_by(one)]
        if len(found) == 1:
            return found[0]
    return None


def _name(one: GgufSet) -> frozenset[str]:
    return frozenset({one.name.casefold()})


def _paths(one: GgufSet) -> frozenset[str]:
    return frozenset(path.casefold() for path in one.paths)


def _file_names(one: GgufSet) -> frozenset[str]:
    names = [path.casefold().rpartition("/")[2] for path in one.paths]
    return frozenset((*names, *(name.removesuffix(".gguf") for name in names)))


def _folders_and_types(one: GgufSet) -> frozenset[str]:
    said = [_folder(one.paths[0]), one.file_type or ""]
    said += [f"i1-{one.file_type}", plain_type(one.file_type)] if one.file_type else []
    return frozenset(word.casefold() for word in said if word)


def _one_set(
    members: Sequence[tuple[RepoFile, GgufName]], projectors: Mapping[str, Sequence[RepoFile]], *, matrix: bool
) -> GgufSet:
    """The set of files whose names differ only in their number."""
    files = tuple(file for file, _ in sorted(members, key=lambda one: (one[1].shard or (0, 0), one[0].path)))
    first = members[0][1]
    kind = first.file_type
    quantized = kind is not None and (nominal_bits(kind) or 0) < 16
    used = first.says_imatrix or (matrix and quantized) or (kind is not None and plain_type(kind) in NEEDS_IMATRIX)
    return GgufSet(
        name=kind or first.stem,
        files=files,
        model=first.model,
        file_type=kind,
        imatrix=True if used else None,
        projectors=tuple(projectors.get(_folder(files[0].path)) or projectors.get("") or ()),
        problem=_problem(members),
    )


def _problem(members: Sequence[tuple[RepoFile, GgufName]]) -> str | None:
    """Why no loader opens these files."""
    first = members[0][1]
    if first.role == "part":
        return f"cut into {len(members)} parts that must be joined before a loader opens them"
    if first.shard is None:
        return None
    count = first.shard[1]
    there = {name.shard[0] for _, name in members if name.shard}
    if there != set(range(1, count + 1)):
        return f"not whole: {len(there)} of its {count} files are there"
    return None


def _told_apart(sets: Sequence[GgufSet]) -> tuple[GgufSet, ...]:
    """The sets with unique names: by type if that is enough, else by file name, else by path."""
    by_stem = _renamed(sets, lambda one: one.stem)
    return tuple(_renamed(by_stem, lambda one: one.paths[0].removesuffix(".gguf")))


def _renamed(sets: Sequence[GgufSet], other: Callable[[GgufSet], str]) -> list[GgufSet]:
    count = Counter(one.name.casefold() for one in sets)
    return [replace(one, name=other(one)) if count[one.name.casefold()] > 1 else one for one in sets]


def _by_projector(file: RepoFile) -> tuple[int, str]:
    kind = read_name(file.path).file_type or ""
    return (_PROJECTORS.index(kind) if kind in _PROJECTORS else len(_PROJECTORS)), file.path


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
