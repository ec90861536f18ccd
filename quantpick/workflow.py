"""The use cases, in reading order: survey the branches, name the machine, recommend.

What core decides is fed here with facts, and here its answers become errors where the caller asked for something that
is not there.
"""

import json
import os
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

from quantpick import core
from quantpick.core import selection
from quantpick.core.branches import table as branch_table
from quantpick.core.branches.config import ConfigFacts, read_config
from quantpick.core.branches.table import BranchTable
from quantpick.core.card.read import read_card
from quantpick.core.choose.fit import DEFAULT_HEADROOM, Headroom, VramBasis
from quantpick.core.choose.occupied import foreign_process_warnings
from quantpick.core.choose.recommend import DEFAULT_CONTEXT_TOKENS, Choice, LoaderChoice, Prefer, Recommendation, Wish
from quantpick.core.choose.recommend import recommend as judge
from quantpick.core.gpu import Gpu
from quantpick.core.loaders import launch
from quantpick.core.loaders import table as loaders
from quantpick.core.loaders.table import BadKvDtype, LoaderTable, UnknownLoader, UnknownVersion, kv_dtype_bytes
from quantpick.core.memory import assume
from quantpick.core.memory.estimate import VramEstimate, estimate
from quantpick.core.outcome import DownloadResult, VerifyReport
from quantpick.core.progress import DownloadProgress
from quantpick.core.quant import Branch, BranchWarning, QuantSpec
from quantpick.core.repo import RepoFacts, RepoFile
from quantpick.core.shape import ModelShape
from quantpick.core.target import Target, parse_target
from quantpick.errors import HubError, NotFoundError, NothingFitsError, UsageError

if TYPE_CHECKING:
    from quantpick.transfer.disk.places import Holding
    from quantpick.transfer.transports.fetch import Transport

StrPath = str | os.PathLike[str]

DEFAULT_CONNECTIONS: Final = 16
MAX_CONNECTIONS: Final = 64
DEFAULT_RETRY_FOR_S: Final = 300.0
MAX_FILE_BYTES: Final = 8 * 2**20
"""A card or config larger than this is not read; the largest real cards are under 1 MB."""


class Wishes(TypedDict, total=False):
    """The arguments of `recommend` that `download` only passes on."""

    gpus: Sequence[Gpu] | None
    kv_dtype: str
    batch: int
    prefer: Prefer
    vram_basis: VramBasis
    headroom: Headroom


def list_branches(
    repo: str | None = None,
    *,
    token: str | bool | None = None,
    offline: bool = False,
    card: StrPath | None = None,
    config: StrPath | None = None,
) -> BranchTable:
    """The branches of a repo and what each holds.

    Args:
        repo: ``owner/name``, ``owner/name:branch``, or an address of the Hub; with a card it says whose card it is.
        token: a token for the Hub instead of the stored login; False sends none.
        offline: answer from what earlier calls cached.
        card: a saved model card (the path of a file), read instead of asking the Hub.
        config: a saved ``config.json`` to go with the card, which gives the model's shape. Without it the shape is
            assumed from the model's name and sizes, and a warning says so.

    Raises:
        UsageError: neither repo nor card.
        NotFoundError: no such repo, branch or file, or no quantized branch in it.
        AccessError: the repo is gated or private.
        HubError: the Hub cannot be reached; or offline, and something is not cached.
    """
    table = _table_of_repo(repo, token, offline) if card is None else _table_of_card(repo, Path(card), config)
    return _with_shapes(table)


def _table_of_repo(repo: str | None, token: str | bool | None, offline: bool) -> BranchTable:
    from quantpick.hub.survey import survey

    if repo is None:
        raise UsageError("no repo", hint="quantpick recommend OWNER/NAME, or --card README.md for a saved model card")
    table = branch_table.table_from_repo(survey(target(repo), token=token, offline=offline))
    if not table.branches:
        why = "; ".join(f"`{skipped.branch}`: {skipped.reason}" for skipped in table.skipped[:3])
        raise NotFoundError(f"nothing quantized in `{table.repo_id}` ({why})", hint=_where_else(table))
    return table


def _table_of_card(repo: str | None, path: Path, config: StrPath | None) -> BranchTable:
    if repo is not None and target(repo).revision is not None:
        raise UsageError("a card is read as a whole: name the repo without a branch")
    facts = None if config is None else _read_config_file(Path(config))
    repo_id = None if repo is None else target(repo).repo_id
    table = branch_table.table_from_card(read_card(_read_text(path, "card"), repo_id=repo_id), facts)
    if not table.branches:
        raise NotFoundError(
            f"no branch table in `{path}`",
            hint=_where_else(table) or "is it the card of a repo with one branch per quantization?",
        )
    return table


def target(text: str) -> Target:
    """The repo, and perhaps the branch, that a user named.

    Raises:
        UsageError: the text names none.
    """
    found = parse_target(text, endpoint=os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    if found is None:
        raise UsageError(f"`{text}` is no repo", hint="a repo is owner/name, for example TheBloke/Mistral-7B-v0.1-GPTQ")
    return found


def recommend(
    repo: str | None = None,
    *,
    gpus: Sequence[Gpu] | None = None,
    loader: str | None = None,
    context_tokens: int | None = DEFAULT_CONTEXT_TOKENS,
    kv_dtype: str = "fp16",
    batch: int = 1,
    prefer: Prefer = "quality",
    vram_basis: VramBasis = "free",
    headroom: Headroom = DEFAULT_HEADROOM,
    token: str | bool | None = None,
    offline: bool = False,
    card: StrPath | None = None,
    config: StrPath | None = None,
) -> Recommendation:
    """Which branch to run, and why not the others. A repo where nothing fits is an answer, not an error.

    Args:
        repo: as in `list_branches`, and so are the last four.
        gpus: the machine to ask about; None detects this one's.
        loader: ``NAME`` or ``NAME==VERSION``; None judges by the maintained loaders.
        context_tokens: tokens of context, at least 1; None is the model's own maximum.
        kv_dtype: ``fp16``, ``fp8``, ``q8``, ``q6``, ``q4``, or the loader's own spelling.
        batch: sequences at once, at least 1.
        prefer: ``quality``, ``speed`` (the smallest of at least 4 bits) or ``context`` (what leaves the most room).
        vram_basis: count what is ``free`` now, or the ``total``.
        headroom: VRAM to leave alone on each GPU.
        token: see there.
        offline: see there.
        card: see there.
        config: see there.

    Raises:
        UsageError: an unknown loader, version or KV type; a number out of bounds; no GPU found and none named.
        NotFoundError, AccessError, HubError: as in `list_branches`.
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
    table = list_branches(repo, token=token, offline=offline, card=card, config=config)
    answer = judge(table.branches, machine, wish, loader_table())
    held = foreign_process_warnings(answer, table.branches, loader_table())
    warnings = (*doubts, *table.warnings, *answer.warnings, *held)
    return replace(answer, repo_id=table.repo_id, siblings=table.siblings, warnings=warnings)


def download(
    repo: str,
    revision: str | None = None,
    *,
    local_dir: StrPath | None = None,
    cache_dir: StrPath | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    transport: "Transport" = "auto",
    connections: int = DEFAULT_CONNECTIONS,
    retry_for_s: float = DEFAULT_RETRY_FOR_S,
    force: bool = False,
    dry_run: bool = False,
    progress: DownloadProgress | None = None,
    stop: threading.Event | None = None,
    token: str | bool | None = None,
    loader: str | None = None,
    context_tokens: int | None = DEFAULT_CONTEXT_TOKENS,
    **wishes: Unpack[Wishes],
) -> DownloadResult:
    """Bring a branch to disk, complete and verified; an interruption costs nothing, the next call goes on.

    Args:
        repo: as in `list_branches`; a branch may be in it.
        revision: the branch, tag or commit; None is the one that `recommend` names, asked with what follows.
        local_dir: a folder for the files; None is the Hub's cache.
        cache_dir: a cache instead of ``HF_HUB_CACHE``.
        include: patterns of files to fetch, as ``hf download`` reads them; none is all.
        exclude: patterns of files not to fetch.
        transport: ``hf_transfer``, ``range``, or ``auto`` for the first where it can run.
        connections: at once, 1 to 64.
        retry_for_s: seconds without a byte after which it gives up.
        force: put it over another branch in the same `local_dir`.
        dry_run: only say what it would take.
        progress: filled and kept up to date while it runs.
        stop: set from another thread to end it; what arrived is kept.
        token: as in `list_branches`.
        loader: as in `recommend`; also whose launch command the result holds.
        context_tokens: as in `recommend`.
        wishes: the other arguments of `recommend` that say what is to be run.

    Raises:
        UsageError: an argument is out of bounds, or the folder holds another branch.
        NothingFitsError: no revision was named and no branch fits.
        NotFoundError, AccessError, HubError: as in `list_branches`.
        TransferError: it gave up; what arrived is kept.
        DiskError: not enough disk, or the target cannot be written.
        DamagedError: a file differs from the Hub's hash.
    """
    from quantpick.hub import client
    from quantpick.hub.survey import survey
    from quantpick.transfer.disk import places as layout
    from quantpick.transfer.download import Item, check_disk, fetch_items, needed_bytes
    from quantpick.transfer.net.patience import Patience, Stopped

    if not 1 <= connections <= MAX_CONNECTIONS:
        raise UsageError(f"{connections} connections: 1 to {MAX_CONNECTIONS} can be had")
    named = target(repo)
    if revision is not None:
        named = replace(named, revision=revision, may_name_a_folder=False)
    picked = None
    if named.revision is None:
        picked = _best(recommend(repo, loader=loader, context_tokens=context_tokens, token=token, **wishes))
        named = replace(named, revision=picked.branch.name)
    facts = survey(named, token=token)
    files = facts.branches[0]
    chosen = selection.select_files(files.files, include=include, exclude=exclude)
    _check_names(facts.repo_id, chosen.files)
    where: layout.Layout = (
        layout.CacheLayout(facts.repo_id, files.name, files.commit, None if cache_dir is None else Path(cache_dir))
        if local_dir is None
        else layout.FolderLayout(facts.repo_id, files.name, files.commit, Path(local_dir), force=force)
    )
    result = DownloadResult(
        repo_id=facts.repo_id,
        branch=files.name,
        commit=files.commit,
        path=str(where.path),
        transport=None,
        files=chosen.files,
        left_out=chosen.pickles,
        launch=_launch(facts, picked, loader, str(where.path), context_tokens, in_hub_cache=local_dir is None),
    )
    items = [
        Item(
            file=file,
            url=client.file_url(facts.repo_id, files.commit, file.path),
            final=place.final,
            partial=place.partial,
            lock=place.lock,
            placed=partial(where.placed, file),
        )
        for file in chosen.files
        for place in [where.place(file)]
    ]
    if dry_run:
        needed = needed_bytes(items)
        return replace(result, planned=True, fetched_bytes=needed, reused_bytes=max(0, result.total_bytes - needed))
    check_disk(items, items[0].final.parent)
    where.begun(chosen.files)
    started = time.monotonic()
    try:
        fetched = fetch_items(
            items,
            login=client.login_header(token),
            transport=transport,
            connections=connections,
            patience=Patience(retry_for_s, stop),
            progress=progress or DownloadProgress(),
        )
    except Stopped as stopped:
        raise KeyboardInterrupt from stopped
    where.finished(chosen.files)
    brought = [one.transport for one in fetched if one.fetched_bytes]
    return replace(
        result,
        transport="hf_transfer" if "hf_transfer" in brought else "range" if brought else None,
        fetched_bytes=sum(one.fetched_bytes for one in fetched),
        reused_bytes=sum(one.reused_bytes for one in fetched),
        seconds=time.monotonic() - started,
    )


def _best(answer: Recommendation) -> Choice:
    if answer.recommended is None:
        message, hint = nothing_fits(answer)
        raise NothingFitsError(message, hint=hint)
    return answer.recommended


def _check_names(repo_id: str, files: Sequence[RepoFile]) -> None:
    """See that every file can be given its name here.

    Raises:
        NotFoundError: there is none to fetch.
        HubError: a name is not one to make a path of.
    """
    if not files:
        raise NotFoundError(f"no file of `{repo_id}` is left to fetch", hint="--include and --exclude leave none")
    for file in files:
        reason = selection.unsafe_path(file.path)
        if reason is not None:
            raise HubError(f"`{repo_id}` holds a file called `{file.path}`: {reason}", hint="--exclude it")


def _launch(
    facts: RepoFacts,
    picked: Choice | None,
    loader: str | None,
    path: str,
    context_tokens: int | None,
    *,
    in_hub_cache: bool,
) -> str | None:
    """The command for the loader that was asked for, or that the branch was picked for."""
    chosen = picked.loader if picked else None if loader is None else choose_loader(loader)
    table = branch_table.table_from_repo(facts)
    if chosen is None or not table.branches:
        return None
    return launch.launch_line(
        chosen.loader,
        table.branches[0].quant,
        repo_id=facts.repo_id,
        branch=table.branches[0].name,
        path=path,
        in_hub_cache=in_hub_cache,
        context_tokens=picked.context_tokens if picked else context_tokens or DEFAULT_CONTEXT_TOKENS,
        gpus=picked.fit.gpus_used if picked and picked.fit else 1,
    )


def verify(
    place: StrPath,
    *,
    cache_dir: StrPath | None = None,
    progress: DownloadProgress | None = None,
    token: str | bool | None = None,
    offline: bool = False,
) -> tuple[VerifyReport, ...]:
    """Hash what is on disk against the Hub's hashes.

    Args:
        place: a folder that was downloaded to, or a repo (and branch) whose place is the Hub's cache. A branch that
            quantpick did not fetch is compared with its file list on the Hub.
        cache_dir: a cache instead of ``HF_HUB_CACHE``.
        progress: filled and kept up to date while it runs.
        token: as in `list_branches`.
        offline: as in `list_branches`.

    Returns:
        A report per branch that is there.

    Raises:
        NotFoundError: nothing of it is there.
        UsageError, AccessError, HubError: as in `list_branches`.
    """
    from quantpick.transfer.disk import places as layout
    from quantpick.transfer.disk.verify import verify_folder

    folder = Path(place).expanduser()
    cache = None if cache_dir is None else Path(cache_dir)
    found: list[tuple[Path, layout.Holding | None, tuple[RepoFile, ...]]]
    if folder.is_dir():
        holding = layout.folder_holding(folder)
        found = [(folder, holding, holding.files if holding else layout.folder_files(folder))]
    else:
        named = target(str(place))
        there = [
            one
            for one in layout.cached_holdings(named.repo_id, cache)
            if named.revision in (None, one[1].branch, one[1].commit)
        ]
        found = [(path, holding, holding.files) for path, holding in there] or _on_the_hub(
            named, cache, token=token, offline=offline
        )
    if not any(files for _, _, files in found):
        raise NotFoundError(f"nothing that was downloaded is known of `{place}`", hint="quantpick download REPO")
    counters = progress or DownloadProgress()
    return tuple(
        VerifyReport(
            repo_id=holding.repo_id if holding else None,
            branch=holding.branch if holding else None,
            commit=holding.commit if holding else None,
            path=str(path),
            files=verify_folder(path, files, counters),
        )
        for path, holding, files in found
    )


def _on_the_hub(
    named: Target, cache_dir: Path | None, *, token: str | bool | None, offline: bool
) -> "list[tuple[Path, Holding | None, tuple[RepoFile, ...]]]":
    """A branch that another program put into the Hub's cache, with its file list from the Hub."""
    from quantpick.hub.survey import survey
    from quantpick.transfer.disk.places import CacheLayout, Holding

    facts = survey(replace(named, revision=named.revision or "main"), token=token, offline=offline)
    branch = facts.branches[0]
    path = CacheLayout(facts.repo_id, branch.name, branch.commit, cache_dir).path
    if not path.is_dir():
        raise NotFoundError(f"`{named.repo_id}` is not in the cache", hint=f"quantpick download {named.repo_id}")
    return [(path, Holding(facts.repo_id, branch.name, branch.commit, branch.files), branch.files)]


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
        prompt_tokens: the longest prompt, at least 1; None is the whole context.
        kv_dtype: as in `recommend`.
        batch: sequences at once, at least 1.
        weights_file_bytes: bytes of the weight files; None has them computed from the shape.
        version: loader version; None is the newest known.

    Raises:
        UsageError: an unknown loader, version or KV type, a number below its bound, or a quantization without bits and
            size.
    """
    counts = {"context_tokens": context_tokens, "prompt_tokens": prompt_tokens, "batch": batch}
    for name, count in counts.items():
        if count is not None and count < 1:
            raise UsageError(f"{name} is {count}: it is 1 at least")
    if weights_file_bytes is not None and weights_file_bytes < 0:
        raise UsageError(f"weights_file_bytes is {weights_file_bytes}: it is 0 at least")
    chosen = choose_loader(loader if version is None else f"{loader}=={version}", kv_dtype)
    if quant.bits is None and weights_file_bytes is None:
        raise UsageError("neither bits nor file size: the weights cannot be estimated")
    verdict = loaders.check(chosen.loader, quant, version=chosen.version)
    engine = (verdict.rule.engine if verdict.rule else None) or chosen.loader.engine
    return estimate(
        quant,
        shape,
        engine=engine,
        version=loaders.engine_version(chosen.loader, engine, chosen.version),
        context_tokens=context_tokens,
        prompt_tokens=prompt_tokens,
        kv_bytes_per_element=_kv_bytes(chosen.loader, kv_dtype),
        batch=batch,
        weights_file_bytes=weights_file_bytes,
    )


@cache
def loader_table() -> LoaderTable:
    """The loader rules that come with quantpick."""
    return loaders.parse_loaders(_core_data("loaders/loaders.toml"))


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
        assume.parse_shapes(_core_data("memory/known_shapes.toml")),
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
