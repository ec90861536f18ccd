"""The commands: parse options, call the workflow, hand the answer to render."""

import re
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from quantpick.core.units import parse_bytes
from quantpick.errors import DamagedError, UsageError

if TYPE_CHECKING:
    from quantpick.core.choose.fit import Headroom
    from quantpick.core.gpu import Gpu
    from quantpick.core.quant import BranchWarning

NOTHING_FITS: Final = 3
"""Exit code of an answer without a recommended branch."""

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Prefer(StrEnum):
    """What makes one fitting branch better than another."""

    quality = "quality"
    speed = "speed"
    context = "context"


class TransportName(StrEnum):
    """What brings the large files."""

    auto = "auto"
    hf_transfer = "hf_transfer"
    range = "range"


class Basis(StrEnum):
    """Which VRAM counts."""

    free = "free"
    total = "total"


Repo = Annotated[
    str | None, typer.Argument(metavar="REPO", help="owner/name, owner/name:branch or its address on the Hub.")
]
Card = Annotated[Path | None, typer.Option("--card", metavar="FILE", help="A saved model card instead of a repo.")]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="A saved config.json: the model's shape.")
]
Loader = Annotated[
    str | None,
    typer.Option("--loader", "-l", metavar="NAME[==VERSION]", help="Default: any maintained one; it is named."),
]
Context = Annotated[
    str, typer.Option("--context", "-n", metavar="TOKENS|max", help="max: what the model was made for.")
]
KvDtype = Annotated[str, typer.Option("--kv-dtype", help="fp16, fp8, q8, q6, q4 or the loader's own.")]
Batch = Annotated[int, typer.Option(help="Sequences at once.")]
Vram = Annotated[
    str | None, typer.Option(metavar="SIZE[,SIZE]", help="24GiB[,24GiB]: ask about these GPUs, detect none.")
]
GpuNames = Annotated[
    str | None, typer.Option("--gpu", metavar="NAME[,NAME]", help='"RTX 4090", 2xA6000: the same by name.')
]
Capability = Annotated[float | None, typer.Option(metavar="X.Y", help="Compute capability of the --vram GPUs.")]
GpuIndex = Annotated[str | None, typer.Option(metavar="N[,N]", help="Only these of the detected GPUs.")]
VramBasis = Annotated[Basis, typer.Option(help="Count what is free now, or the whole card.")]
HeadroomText = Annotated[str, typer.Option("--headroom", metavar="5%|1GiB", help="VRAM to leave alone on each GPU.")]
Preference = Annotated[Prefer, typer.Option(help="speed: smallest of 4 bits or more; context: most room.")]
Offline = Annotated[bool, typer.Option("--offline", help="Answer from what was cached, as HF_HUB_OFFLINE=1 does.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        typer.echo(f"quantpick {version('quantpick')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def quantpick(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Pick the quantization branch of a Hugging Face repo that fits your GPU and loader."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(UsageError.exit_code)


@app.command()
def recommend(
    repo: Repo = None,
    card: Card = None,
    config: Config = None,
    loader: Loader = None,
    context: Context = "4096",
    kv_dtype: KvDtype = "fp16",
    batch: Batch = 1,
    vram: Vram = None,
    gpu: GpuNames = None,
    gpu_capability: Capability = None,
    gpu_index: GpuIndex = None,
    vram_basis: VramBasis = Basis.free,
    headroom: HeadroomText = "1%",
    prefer: Preference = Prefer.quality,
    offline: Offline = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="The branch name alone on stdout.")] = False,
) -> None:
    """Which branch to run on this GPU, and why not the others."""
    from quantpick.workflow.recommend import nothing_fits
    from quantpick.workflow.recommend import recommend as recommend_

    answer = recommend_(
        repo,
        gpus=_gpus(vram, gpu, gpu_capability, gpu_index),
        loader=loader,
        context_tokens=_context(context),
        kv_dtype=kv_dtype,
        batch=batch,
        prefer=prefer.value,
        vram_basis=vram_basis.value,
        headroom=_headroom(headroom),
        offline=offline,
        card=card,
        config=config,
    )
    assumed = _assumed(gpu)
    answer = replace(answer, warnings=(*answer.warnings, *assumed))
    best = answer.recommended
    if as_json:
        from quantpick.render import documents

        typer.echo(documents.document("recommend", documents.recommend_data(answer)))
    elif quiet:
        if best is not None:
            typer.echo(best.branch.name)
    else:
        from quantpick.render import screen

        screen.show_recommendation(answer)
    if not as_json:
        from quantpick.render.notes import print_error, print_warnings

        print_warnings(assumed if quiet else answer.warnings)
        if best is None:
            print_error(*nothing_fits(answer))
    if best is None:
        raise typer.Exit(NOTHING_FITS)


@app.command()
def download(
    repo: Annotated[str, typer.Argument(metavar="REPO", help="owner/name, owner/name:branch or its address.")],
    revision: Annotated[
        str | None, typer.Option("--revision", "--branch", metavar="BRANCH", help="Default: the recommended one.")
    ] = None,
    local_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder for the files instead of the Hub's cache.")
    ] = None,
    cache_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="A cache instead of HF_HUB_CACHE.")] = None,
    include: Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="Only these files; repeatable.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="Not these files; repeatable.")] = None,
    transport: Annotated[TransportName, typer.Option(help="auto: hf_transfer where it can run.")] = TransportName.auto,
    connections: Annotated[int, typer.Option(metavar="N", help="Connections per file, 1 to 64.")] = 16,
    retry_for: Annotated[
        float, typer.Option(metavar="SECONDS", help="Give up after so long without a byte.", min=0.0)
    ] = 300.0,
    force: Annotated[bool, typer.Option("--force", help="Put it over another branch in the same folder.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")] = False,
    loader: Loader = None,
    context: Context = "4096",
    kv_dtype: KvDtype = "fp16",
    batch: Batch = 1,
    vram: Vram = None,
    gpu: GpuNames = None,
    gpu_capability: Capability = None,
    gpu_index: GpuIndex = None,
    vram_basis: VramBasis = Basis.free,
    headroom: HeadroomText = "1%",
    prefer: Preference = Prefer.quality,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="The path alone on stdout, nothing else.")] = False,
) -> None:
    """Fetch a branch, resumable and verified; without --revision the one that `recommend` names."""
    from quantpick.render import progress, screen
    from quantpick.workflow.download import download as download_

    with progress.shown(quiet=quiet) as counters:
        result = download_(
            repo,
            revision,
            local_dir=local_dir,
            cache_dir=cache_dir,
            include=include or (),
            exclude=exclude or (),
            transport=transport.value,
            connections=connections,
            retry_for_s=retry_for,
            force=force,
            dry_run=dry_run,
            progress=counters,
            loader=loader,
            context_tokens=_context(context),
            gpus=_gpus(vram, gpu, gpu_capability, gpu_index),
            kv_dtype=kv_dtype,
            batch=batch,
            prefer=prefer.value,
            vram_basis=vram_basis.value,
            headroom=_headroom(headroom),
        )
    if as_json:
        from quantpick.render import documents

        typer.echo(documents.document("download", documents.download_data(result)))
    elif not result.planned or quiet:
        typer.echo(result.path)
    if not quiet:
        screen.show_download(result)


@app.command()
def verify(
    place: Annotated[str, typer.Argument(metavar="PATH|REPO", help="A folder, or a repo in the Hub's cache.")],
    cache_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="A cache instead of HF_HUB_CACHE.")] = None,
    offline: Offline = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the exit code.")] = False,
) -> None:
    """Hash what was downloaded against the Hub's hashes: what is missing, damaged or extra."""
    from quantpick.render import progress
    from quantpick.workflow.verify import verify as verify_

    with progress.shown(quiet=quiet) as counters:
        reports = verify_(place, cache_dir=cache_dir, progress=counters, offline=offline)
    if as_json:
        from quantpick.render import documents

        typer.echo(documents.document("verify", documents.verify_data(reports)))
    elif not quiet:
        from quantpick.render import screen

        screen.show_verification(reports)
    if not all(report.is_sound for report in reports):
        raise typer.Exit(DamagedError.exit_code)


@app.command("list")
def list_command(
    repo: Repo = None,
    card: Card = None,
    config: Config = None,
    offline: Offline = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="The branch names alone, one a line.")] = False,
) -> None:
    """The branches of a repo and what each holds."""
    from quantpick.workflow.survey import list_branches

    table = list_branches(repo, offline=offline, card=card, config=config)
    if as_json:
        from quantpick.render import documents

        typer.echo(documents.document("list", documents.list_data(table)))
    elif quiet:
        typer.echo("\n".join(branch.name for branch in table.branches))
    else:
        from quantpick.render import notes, screen

        screen.show_branches(table)
        notes.print_warnings(table.warnings)


@app.command()
def demo() -> None:
    """The whole job on a Hub of its own: list, recommend, a download that is killed and resumed, verify. No network."""
    from quantpick.demo import story

    raise typer.Exit(story.tell())


@app.command()
def loaders(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One loader, with its rules and sources.")] = None,
    as_json: AsJson = False,
) -> None:
    """The loaders and what each can read."""
    from quantpick.workflow.choice import choose_loader, loader_table

    chosen = loader_table().loaders if name is None else (choose_loader(name).loader,)
    if as_json:
        from quantpick.render import documents

        typer.echo(documents.document("loaders", documents.loaders_data(chosen)))
    else:
        from quantpick.render import screen

        screen.show_loaders(chosen)


@app.command()
def gpus(as_json: AsJson = False) -> None:
    """This machine's NVIDIA GPUs and RAM. No driver is an answer, not an error."""
    from quantpick.hardware import nvml
    from quantpick.hardware import ram as memory

    found = nvml.detect()
    ram = memory.ram()
    if as_json:
        from quantpick.render import documents

        data = {
            "driver_version": found.driver_version,
            "cuda_version": found.cuda_version,
            "gpus": documents.detected_gpu_list(found.gpus),
            "hidden": documents.hidden_gpu_list(found.hidden),
            "problem": found.problem,
            "ram_total_bytes": ram.total_bytes,
            "ram_available_bytes": ram.available_bytes,
        }
        typer.echo(documents.document("gpus", data))
    else:
        from quantpick.render import screen

        screen.show_gpus(
            found.gpus,
            found.hidden,
            driver_version=found.driver_version,
            cuda_version=found.cuda_version,
            problem=found.problem,
            ram_total_bytes=ram.total_bytes,
            ram_available_bytes=ram.available_bytes,
        )


def _context(text: str) -> int | None:
    if text.lower() == "max":
        return None
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise UsageError(f"`--context {text}`: a number of tokens, 1 or more, or `max`", hint="--context 4096")


def _headroom(text: str) -> "Headroom":
    from quantpick.core.choose.fit import Headroom

    share = re.fullmatch(r"(\d{1,2}(?:\.\d{1,4})?)\s*%", text)
    if share is not None:
        return Headroom(fraction=float(share[1]) / 100)
    size_bytes = parse_bytes(text)
    if size_bytes is None:
        raise UsageError(f"`--headroom {text}`: a share or a size", hint="--headroom 5% or --headroom 1GiB")
    return Headroom(size_bytes=size_bytes)


def _gpus(vram: str | None, gpu: str | None, capability: float | None, index: str | None) -> "tuple[Gpu, ...] | None":
    """The GPUs the options name; None when they are to be detected."""
    if vram is not None and gpu is not None:
        raise UsageError("`--vram` and `--gpu` both name the GPUs: give one of them")
    if index is not None and (vram is not None or gpu is not None):
        raise UsageError("`--gpu-index` chooses among detected GPUs: not with `--vram` or `--gpu`")
    if capability is not None and vram is None:
        raise UsageError("`--gpu-capability` goes with `--vram`")
    if gpu is not None:
        from quantpick.hardware.known import named_gpus

        return named_gpus(gpu)
    if vram is not None:
        return tuple(_vram_gpu(at, size, capability) for at, size in enumerate(vram.split(",")))
    return None if index is None else _indexed(index)


def _assumed(gpu: str | None) -> "tuple[BranchWarning, ...]":
    """What was taken for granted about the GPUs named; said even where warnings are not asked for."""
    if gpu is None:
        return ()
    from quantpick.core.quant import BranchWarning
    from quantpick.hardware.known import assumed_memories

    return tuple(BranchWarning("assumed-gpu", None, sentence) for sentence in assumed_memories(gpu))


def _vram_gpu(index: int, text: str, capability: float | None) -> "Gpu":
    from quantpick.core.gpu import Gpu

    size_bytes = parse_bytes(text)
    if not size_bytes:
        raise UsageError(f"`--vram {text}`: a size above zero, in GiB or GB", hint="--vram 24GiB")
    if capability is not None and not 1 <= capability < 100:
        raise UsageError(f"`--gpu-capability {capability:g}`: for example 8.9", hint="--gpu-capability 8.9")
    return Gpu(index=index, name="GPU", total_bytes=size_bytes, free_bytes=size_bytes, compute_capability=capability)


def _indexed(text: str) -> "tuple[Gpu, ...]":
    from quantpick.workflow.choice import detect_gpus

    found = {str(gpu.index): gpu for gpu in detect_gpus()}
    wanted = [part.strip() for part in text.split(",")]
    missing = [part for part in wanted if part not in found]
    if missing:
        raise UsageError(f"`--gpu-index {text}`: there is no GPU `{missing[0]}`", hint=f"there are {', '.join(found)}")
    return tuple(found[part] for part in dict.fromkeys(wanted))
