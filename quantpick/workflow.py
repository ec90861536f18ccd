"""The use cases, in reading order: survey the branches, name the machine, recommend.

What core decides is fed here with facts, and here its answers become errors where the caller asked for something that
is not there.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from quantpick import core
from quantpick.core import assume, loaders, merge
from quantpick.core.branch import Branch, BranchWarning, QuantSpec
from quantpick.core.card import read_card
from quantpick.core.fit import DEFAULT_HEADROOM, Headroom, VramBasis
from quantpick.core.foreign import foreign_process_warnings
from quantpick.core.gpu import Gpu
from quantpick.core.loaders import BadKvDtype, LoaderTable, UnknownLoader, UnknownVersion, kv_dtype_bytes
from quantpick.core.memory import VramEstimate, estimate
from quantpick.core.merge import BranchTable
from quantpick.core.quant_config import ConfigFacts, read_config
from quantpick.core.recommend import DEFAULT_CONTEXT_TOKENS, LoaderChoice, Prefer, Recommendation, Wish
from quantpick.core.recommend import recommend as judge
from quantpick.core.shape import ModelShape
from quantpick.errors import NotFoundError, UsageError

StrPath = str | os.PathLike[str]

MAX_FILE_BYTES: Final = 8 * 2**20
"""A card or config larger than this is not read; the largest real cards are under 1 MB."""


def list_branches(
    repo_id: str | None = None, *, card: StrPath | None = None, config: StrPath | None = None
) -> BranchTable:
    """The branches of a repo and what each holds.

    Args:
        repo_id: ``owner/name``; with a card it says whose card it is.
        card: a saved model card (the path of a file).
        config: a saved ``config.json``, which gives the model's shape. Without it the shape is assumed from the model's
            name and sizes, and a warning says so.

    Raises:
        UsageError: neither card nor anything else to read.
        NotFoundError: no such file, or no quantized branch in it.
    """
    if card is None:
        raise UsageError(
            "reading a repo from the Hub is not built yet",
            hint="save its model card (README.md) and pass it: --card README.md",
        )
    path = Path(card)
    facts = None if config is None else _read_config_file(Path(config))
    table = merge.table_from_card(read_card(_read_text(path, "card"), repo_id=repo_id), facts)
    if not table.branches:
        raise NotFoundError(
            f"no branch table in `{path}`",
            hint=_where_else(table) or "is it the card of a repo with one branch per quantization?",
        )
    return _with_shapes(table)


def recommend(
    repo_id: str | None = None,
    *,
    gpus: Sequence[Gpu] | None = None,
    loader: str | None = None,
    context_tokens: int | None = DEFAULT_CONTEXT_TOKENS,
    kv_dtype: str = "fp16",
    batch: int = 1,
    prefer: Prefer = "quality",
    vram_basis: VramBasis = "free",
    headroom: Headroom = DEFAULT_HEADROOM,
    card: StrPath | None = None,
    config: StrPath | None = None,
) -> Recommendation:
    """Which branch to run, and why not the others. A repo where nothing fits is an answer, not an error.

    Args:
        repo_id: as in `list_branches`, and so are `card` and `config`.
        card: see there.
        config: see there.
        gpus: the machine to ask about; None detects this one's.
        loader: ``NAME`` or ``NAME==VERSION``; None judges by the maintained loaders.
        context_tokens: tokens of context, at least 1; None is the model's own maximum.
        kv_dtype: ``fp16``, ``fp8``, ``q8``, ``q6``, ``q4``, or the loader's own spelling.
        batch: sequences at once, at least 1.
        prefer: ``quality``, ``speed`` (the smallest of at least 4 bits) or ``context`` (what leaves the most room).
        vram_basis: count what is ``free`` now, or the ``total``.
        headroom: VRAM to leave alone on each GPU.

    Raises:
        UsageError: an unknown loader, version or KV type; a number out of bounds; no GPU found and none named.
        NotFoundError: as in `list_branches`.
    """
    if context_tokens is not None and context_tokens < 1:
        raise UsageError(f"a context of {context_tokens} tokens: at least 1 is needed")
    if batch < 1:
        raise UsageError(f"a batch of {batch}: at least 1 is needed")
    if loader is None and all(isinstance(kv_dtype_bytes(one, kv_dtype), BadKvDtype) for one in loader_table().loaders):
        raise UsageError(f"no loader has a KV cache of type `{kv_dtype}`", hint="fp16, fp8, q8, q6 or q4")
    wish = Wish(
        loader=None if loader is None else choose_loader(loader, kv_dtype),
        context_tokens=context_tokens,
        kv_dtype=kv_dtype,
        batch=batch,
        prefer=prefer,
        vram_basis=vram_basis,
        headroom=headroom,
    )
    machine, doubts = _detected() if gpus is None else (tuple(gpus), ())
    table = list_branches(repo_id, card=card, config=config)
    answer = judge(table.branches, machine, wish, loader_table())
    held = foreign_process_warnings(answer, table.branches, loader_table())
    warnings = (*doubts, *table.warnings, *answer.warnings, *held)
    return replace(answer, repo_id=table.repo_id, siblings=table.siblings, warnings=warnings)


def nothing_fits(answer: Recommendation) -> tuple[str, str]:
    """The line for an answer without a recommended branch, and what to try: a smaller cache, less context, or else."""
    too_large = [choice for choice in answer.choices if {reason.code for reason in choice.reasons} == {"vram"}]
    if not too_large:
        return "none of the branches that could fit is taken by this loader", "quantpick loaders"
    kv_dtype = _smaller_cache_that_fits(answer)
    if kv_dtype is not None:
        return (
            f"no branch fits with a cache in {answer.wish.kv_dtype}; in {kv_dtype} one does",
            f"--kv-dtype {kv_dtype}",
        )
    longest = max(choice.fit.max_context_tokens for choice in too_large if choice.fit)
    if longest > 0:
        return f"no branch fits at this context; {longest:,} tokens would fit", f"--context {longest}"
    return "no branch fits", "a larger or second GPU, or a smaller model"


def _smaller_cache_that_fits(answer: Recommendation) -> str | None:
    """The largest KV cache type of the wished loader that is smaller than the one asked for and makes a branch fit."""
    if answer.wish.loader is None:
        return None
    sizes = answer.wish.loader.loader.kv_dtypes
    asked = kv_dtype_bytes(answer.wish.loader.loader, answer.wish.kv_dtype)
    branches = [choice.branch for choice in answer.choices]
    for kv_dtype in sorted(sizes, key=lambda name: -sizes[name]):
        if isinstance(asked, BadKvDtype) or sizes[kv_dtype] >= asked:
            continue
        if judge(branches, answer.gpus, replace(answer.wish, kv_dtype=kv_dtype), loader_table()).recommended:
            return kv_dtype
    return None


def detect_gpus() -> tuple[Gpu, ...]:
    """This machine's NVIDIA GPUs.

    Raises:
        UsageError: there are none, with NVML's reason.
    """
    return _detected()[0]


def _detected() -> tuple[tuple[Gpu, ...], tuple[BranchWarning, ...]]:
    """The GPUs of `detect_gpus`, and a warning where they are not all there is to say."""
    from quantpick.hardware.nvml import detect

    found = detect()
    if not found.gpus:
        raise UsageError(f"{found.problem}", hint='name the machine to ask about: --vram 24GiB, or --gpu "RTX 4090"')
    return found.gpus, () if found.problem is None else (BranchWarning("gpu-problem", None, found.problem),)


def estimate_vram(
    quant: QuantSpec,
    shape: ModelShape,
    *,
    loader: str,
    context_tokens: int,
    prompt_tokens: int | None = None,
    kv_dtype: str = "fp16",
    batch: int = 1,
    weights_file_bytes: int | None = None,
    version: str | None = None,
) -> VramEstimate:
    """VRAM that one quantization needs on one GPU, in bytes.

    Args:
        quant: the quantization.
        shape: the model's dimensions.
        loader: loader name.
        context_tokens: tokens the cache is made for, at least 1.
        prompt_tokens: tokens prefilled at once; None is the whole context.
        kv_dtype: as in `recommend`.
        batch: sequences at once.
        weights_file_bytes: bytes of the weight files; None has them computed from the shape.
        version: loader version; None is the newest known.

    Raises:
        UsageError: an unknown loader, version or KV type, or a quantization without bits and size.
    """
    chosen = choose_loader(loader if version is None else f"{loader}=={version}", kv_dtype)
    if quant.bits is None and weights_file_bytes is None:
        raise UsageError("neither bits nor file size: the weights cannot be estimated")
    verdict = loaders.check(chosen.loader, quant, version=chosen.version)
    engine = verdict.rule.engine if verdict.rule else None
    return estimate(
        quant,
        shape,
        engine=engine or chosen.loader.engine,
        context_tokens=context_tokens,
        prompt_tokens=prompt_tokens,
        kv_bytes_per_element=_kv_bytes(chosen.loader, kv_dtype),
        batch=batch,
        weights_file_bytes=weights_file_bytes,
    )


@cache
def loader_table() -> LoaderTable:
    """The loader rules that come with quantpick."""
    return loaders.parse_loaders(_core_data("loaders.toml"))


def choose_loader(text: str, kv_dtype: str = "fp16") -> LoaderChoice:
    """The loader a user named, checked to be able to do what is asked of it.

    Args:
        text: ``NAME`` or ``NAME==VERSION``.
        kv_dtype: the KV type it has to offer.

    Raises:
        UsageError: unknown loader, version or KV type.
    """
    name, version = loaders.parse_choice(text)
    found = loader_table().find(name)
    if isinstance(found, UnknownLoader):
        near = " or ".join(f"--loader {candidate}" for candidate in found.nearest)
        raise UsageError(
            f"no known loader is called `{found.name}`", hint=f"did you mean {near}?" if near else "quantpick loaders"
        )
    if version is not None:
        checked = loaders.parse_version(version)
        if isinstance(checked, UnknownVersion):
            raise UsageError(f"`{version}` is no version", hint=f"--loader {found.id}=={found.newest}")
    _kv_bytes(found, kv_dtype)
    return LoaderChoice(loader=found, version=version)


def _kv_bytes(loader: loaders.Loader, kv_dtype: str) -> float:
    size = kv_dtype_bytes(loader, kv_dtype)
    if isinstance(size, BadKvDtype):
        raise UsageError(f"{loader.name} has no KV cache of type `{kv_dtype}`", hint=f"it has {', '.join(size.known)}")
    return size


def _read_text(path: Path, what: str) -> str:
    """The text of a file that a user named.

    Raises:
        NotFoundError: there is no such file, or it is not text.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise NotFoundError(f"`{path}` is larger than {MAX_FILE_BYTES} bytes: not a {what}")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotFoundError(f"`{path}` is not UTF-8 text: not a {what}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NotFoundError(f"cannot read the {what} `{path}`: {reason}") from error


def _read_config_file(path: Path) -> ConfigFacts:
    try:
        document = json.loads(_read_text(path, "config"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise NotFoundError(f"`{path}` is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise NotFoundError(f"`{path}` holds no JSON object: not a config.json")
    return read_config(document)


def _with_shapes(table: BranchTable) -> BranchTable:
    """The table, with a shape assumed for the branches whose config gave none, and a warning that says which."""
    shapeless = [branch for branch in table.branches if branch.shape is None]
    if not shapeless:
        return table
    assumed = assume.assume_shape(
        assume.parse_shapes(_core_data("known_shapes.toml")),
        name=table.model_name or table.repo_id,
        model_type=next((branch.model_type for branch in shapeless if branch.model_type), None),
        sizes=[(branch.quant, branch.size_bytes) for branch in table.branches if branch.size_bytes],
    )
    if assumed is None:
        return table
    warning = BranchWarning("assumed-shape", None, f"no config.json: {assumed.why}")
    branches = tuple(_shaped(table.branches, assumed))
    return replace(table, branches=branches, warnings=(*table.warnings, warning))


def _shaped(branches: Iterable[Branch], assumed: assume.AssumedShape) -> Iterable[Branch]:
    for branch in branches:
        yield branch if branch.shape else replace(branch, shape=assumed.shape, shape_is_sure=assumed.explains_sizes)


def _where_else(table: BranchTable) -> str | None:
    if not table.siblings:
        return None
    return "the card names " + ", ".join(sibling.repo_id for sibling in table.siblings[:4])


def _core_data(name: str) -> str:
    """The text of a data file of core, which does no I/O itself."""
    return (Path(core.__file__).parent / name).read_text(encoding="utf-8")
