"""``quantpick download``."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantpick.cli import words
from quantpick.cli.options import (
    AllowTight,
    AsJson,
    Batch,
    Capability,
    Context,
    Family,
    GpuIndex,
    GpuNames,
    HeadroomText,
    KvDtype,
    Loader,
    Mmproj,
    Preference,
    Vram,
    VramBasis,
)
from quantpick.cli.retype import retyped
from quantpick.core import defaults
from quantpick.core.transfer_options import MAX_CONNECTIONS, TransferOptions, TransportChoice
from quantpick.errors import NothingFitsError
from quantpick.render.running import ProgressStyle

if TYPE_CHECKING:
    from quantpick.core.choose.recommend import Recommendation
    from quantpick.core.outcome import DownloadResult
    from quantpick.core.quant import BranchWarning


def download(
    typed: typer.Context,
    repo: Annotated[str, typer.Argument(metavar="REPO", help="owner/name, owner/name:branch or its address.")],
    revision: Annotated[
        str | None, typer.Option("--revision", "--branch", metavar="BRANCH", help="Default: the recommended one.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="One of several GGUF files in a branch, with its parts: Q4_K_M."),
    ] = None,
    mmproj: Mmproj = False,
    local_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder for the files instead of the Hub's cache.")
    ] = None,
    cache_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="A cache instead of HF_HUB_CACHE.")] = None,
    include: Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="Only these files; repeatable.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="Not these files; repeatable.")] = None,
    transport: Annotated[TransportChoice, typer.Option(help="auto: hf_transfer where it can run.")] = "auto",
    connections: Annotated[
        int, typer.Option(metavar="N", help=f"Connections per file, 1 to {MAX_CONNECTIONS}.")
    ] = defaults.CONNECTIONS,
    retry_for: Annotated[
        float, typer.Option(metavar="SECONDS", help="Give up after this long without a byte.", min=0.0)
    ] = defaults.RETRY_FOR_S,
    limit_rate: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="At most this much per second, such as 20MB, on all connections together."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop after this long; what has arrived is kept.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace another branch in the same folder.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report what it would fetch.")] = False,
    loader: Loader = None,
    context: Context = str(defaults.CONTEXT_TOKENS),
    kv_dtype: KvDtype = "fp16",
    batch: Batch = 1,
    vram: Vram = None,
    gpu: GpuNames = None,
    gpu_capability: Capability = None,
    gpu_index: GpuIndex = None,
    vram_basis: VramBasis = "free",
    headroom: HeadroomText = f"{defaults.HEADROOM_FRACTION:.0%}",
    prefer: Preference = "quality",
    allow_tight: AllowTight = False,
    family: Family = False,
    progress: Annotated[ProgressStyle, typer.Option(help="How progress is shown on stderr.")] = "auto",
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the path.")] = False,
) -> None:
    """Fetch a branch, resumable and verified; without --revision the one that `recommend` names."""
    from quantpick.cli.timer import within
    from quantpick.render import running
    from quantpick.workflow.download import download as download_

    options = TransferOptions(
        transport=transport,
        connections=connections,
        retry_for_s=retry_for,
        limit_bytes_per_s=words.rate(limit_rate),
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        force=force,
        dry_run=dry_run,
    )
    wish = words.wish(typed.params)
    silent = quiet or as_json
    try:
        with within(timeout) as stop, running.shown("none" if silent and progress == "auto" else progress) as counters:
            result = download_(
                repo,
                revision,
                file=file,
                mmproj=mmproj,
                family=family,
                local_dir=local_dir,
                cache_dir=cache_dir,
                options=options,
                progress=counters,
                stop=stop,
                wish=wish,
                gpus=words.gpus(vram, gpu, gpu_capability, gpu_index),
                announce=None if silent else partial(_announce, words.assumed(gpu)),
                warn=None if silent else _warn,
            )
    except NothingFitsError as error:
        _show_why_none(typed, error, as_json=as_json, quiet=quiet)
        raise
    _show(result, as_json=as_json, quiet=quiet)


def _show(result: "DownloadResult", *, as_json: bool, quiet: bool) -> None:
    """Print what is on the disk now, or what a dry run found."""
    from quantpick.render import show, terminal
    from quantpick.render.screens.arrival import arrival_page

    if as_json:
        from quantpick.render import documents

        terminal.write_answer(documents.document("download", documents.download_data(result)))
    elif result.planned and not quiet:
        show.show(arrival_page(result))
        return
    else:
        terminal.write_path(result.path)
    if not quiet:
        show.tell(arrival_page(result))


def _announce(assumed: "Sequence[BranchWarning]", answer: "Recommendation") -> None:
    """Say which branch will be fetched, and why."""
    from quantpick.render.screens.announcement import announcement_page
    from quantpick.render.show import tell

    tell(announcement_page(replace(answer, warnings=(*answer.warnings, *assumed))))


def _warn(warning: "BranchWarning") -> None:
    """Warn about what may not be intended, before it is done."""
    from quantpick.render.show import tell_warnings

    tell_warnings([warning], whole=True)


def _show_why_none(typed: typer.Context, error: NothingFitsError, *, as_json: bool, quiet: bool) -> None:
    """Print what `recommend` would say: why no branch fits, and what would help."""
    from quantpick.core.choose.recommend import Recommendation
    from quantpick.render.screens.recommendation import recommendation_page
    from quantpick.render.show import tell

    if as_json:
        from quantpick.render import documents, terminal

        terminal.write_answer(documents.document("download", documents.no_download_data(error.answer)))
        raise typer.Exit(error.exit_code) from error
    if isinstance(error.answer, Recommendation) and not quiet:
        asked = ["quantpick", "download", *retyped(typed)]
        tell(recommendation_page(error.answer, asked=asked, next_steps=(), why_all=False, brief=True))
