"""``quantpick recommend``."""

from dataclasses import replace
from typing import Annotated

import typer

from quantpick.cli import words
from quantpick.cli.options import (
    AsJson,
    Batch,
    Capability,
    Card,
    Config,
    Context,
    GpuIndex,
    GpuNames,
    HeadroomText,
    KvDtype,
    Loader,
    Offline,
    Preference,
    Repo,
    Vram,
    VramBasis,
)
from quantpick.errors import NothingFitsError


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
    vram_basis: VramBasis = "free",
    headroom: HeadroomText = "1%",
    prefer: Preference = "quality",
    offline: Offline = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="The branch name alone on stdout.")] = False,
) -> None:
    """Which branch to run on this GPU, and why not the others."""
    from quantpick.core.choose.advice import nothing_fits
    from quantpick.render import terminal
    from quantpick.workflow.choice import make_wish
    from quantpick.workflow.recommend import recommend as recommend_

    answer = recommend_(
        repo,
        wish=make_wish(
            loader=loader,
            context_tokens=words.context(context),
            kv_dtype=kv_dtype,
            batch=batch,
            prefer=prefer,
            vram_basis=vram_basis,
            headroom=words.headroom(headroom),
        ),
        gpus=words.gpus(vram, gpu, gpu_capability, gpu_index),
        offline=offline,
        card=card,
        config=config,
    )
    assumed = words.assumed(gpu)
    answer = replace(answer, warnings=(*answer.warnings, *assumed))
    best = answer.recommended
    if as_json:
        from quantpick.render import documents

        terminal.write_answer(documents.document("recommend", documents.recommend_data(answer)))
    elif quiet:
        if best is not None:
            terminal.write_line(best.branch.name)
    else:
        from quantpick.render import screen

        screen.show_recommendation(answer)
    if not as_json:
        terminal.print_warnings(assumed if quiet else answer.warnings)
        if best is None:
            terminal.print_error(*nothing_fits(answer))
    if best is None:
        raise typer.Exit(NothingFitsError.exit_code)
