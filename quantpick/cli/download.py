"""``quantpick download``."""

from pathlib import Path
from typing import Annotated

import typer

from quantpick.cli import words
from quantpick.cli.options import (
    AllowTight,
    AsJson,
    Batch,
    Capability,
    Context,
    GpuIndex,
    GpuNames,
    HeadroomText,
    KvDtype,
    Loader,
    Preference,
    Vram,
    VramBasis,
)
from quantpick.core import defaults
from quantpick.core.transfer_options import MAX_CONNECTIONS, TransferOptions, TransportChoice
from quantpick.render.running import ProgressStyle


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
    transport: Annotated[TransportChoice, typer.Option(help="auto: hf_transfer where it can run.")] = "auto",
    connections: Annotated[
        int, typer.Option(metavar="N", help=f"Connections per file, 1 to {MAX_CONNECTIONS}.")
    ] = defaults.CONNECTIONS,
    retry_for: Annotated[
        float, typer.Option(metavar="SECONDS", help="Give up after so long without a byte.", min=0.0)
    ] = defaults.RETRY_FOR_S,
    limit_rate: Annotated[
        str | None, typer.Option(metavar="SIZE", help="At most so much a second, as 20MB: all connections together.")
    ] = None,
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
    vram_basis: VramBasis = "free",
    headroom: HeadroomText = "1%",
    prefer: Preference = "quality",
    allow_tight: AllowTight = False,
    progress: Annotated[ProgressStyle, typer.Option(help="How it is shown on stderr while it runs.")] = "auto",
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="The path alone on stdout, nothing else.")] = False,
) -> None:
    """Fetch a branch, resumable and verified; without --revision the one that `recommend` names."""
    from quantpick.render import running, show, terminal
    from quantpick.render.screens.arrival import arrival_page
    from quantpick.workflow.choice import make_wish
    from quantpick.workflow.download import download as download_

    with running.shown("none" if (quiet or as_json) and progress == "auto" else progress) as counters:
        result = download_(
            repo,
            revision,
            local_dir=local_dir,
            cache_dir=cache_dir,
            options=TransferOptions(
                transport=transport,
                connections=connections,
                retry_for_s=retry_for,
                limit_bytes_per_s=None if limit_rate is None else words.rate(limit_rate),
                include=tuple(include or ()),
                exclude=tuple(exclude or ()),
                force=force,
                dry_run=dry_run,
            ),
            progress=counters,
            wish=make_wish(
                loader=loader,
                context_tokens=words.context(context),
                kv_dtype=kv_dtype,
                batch=batch,
                prefer=prefer,
                vram_basis=vram_basis,
                headroom=words.headroom(headroom),
                allow_tight=allow_tight,
            ),
            gpus=words.gpus(vram, gpu, gpu_capability, gpu_index),
        )
    if as_json:
        from quantpick.render import documents

        terminal.write_answer(documents.document("download", documents.download_data(result)))
    elif not result.planned or quiet:
        terminal.write_path(result.path)
    if not quiet:
        show.tell(arrival_page(result))
