"""``quantpick recommend``."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from quantpick.cli import words
from quantpick.cli.options import (
    AllowTight,
    AsJson,
    Batch,
    Capability,
    Card,
    Config,
    Context,
    Family,
    GpuIndex,
    GpuNames,
    HeadroomText,
    KvDtype,
    Loader,
    Mmproj,
    Offline,
    Preference,
    Repo,
    Timeout,
    Vram,
    VramBasis,
)
from quantpick.cli.retype import WISH, retyped
from quantpick.core import defaults
from quantpick.errors import NothingFitsError

if TYPE_CHECKING:
    from quantpick.core.choose.recommend import Recommendation

_ERROR_LINES: Final = 5
"""Terminal lines for the error and hint if nothing fits, and for the prompt."""
_DESKTOP: Final = "all of its memory counts as free; if a desktop runs on it, leave room with --headroom 1GiB"


def recommend(
    typed: typer.Context,
    repo: Repo = None,
    card: Card = None,
    config: Config = None,
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
    mmproj: Mmproj = False,
    offline: Offline = False,
    timeout: Timeout = defaults.TIMEOUT_S,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the branch name.")] = False,
    brief: Annotated[bool, typer.Option("--brief", help="The verdict and what to do next, without the table.")] = False,
    why: Annotated[bool, typer.Option("--why", help="Every reason, with its source; every warning and row.")] = False,
) -> None:
    """Which branch to run on this GPU, and why not the others."""
    from quantpick.core.choose.advice import nothing_fits
    from quantpick.render import show, terminal
    from quantpick.workflow.recommend import recommend as recommend_

    answer = recommend_(
        repo,
        wish=words.wish(typed.params),
        gpus=words.gpus(vram, gpu, gpu_capability, gpu_index),
        offline=offline,
        timeout_s=timeout,
        card=card,
        config=config,
        family=family,
        mmproj=mmproj,
    )
    answer = replace(answer, warnings=(*answer.warnings, *words.assumed(gpu)))
    best = answer.recommended
    if as_json:
        from quantpick.render import documents

        terminal.write_answer(documents.document("recommend", documents.recommend_data(answer)))
    elif quiet:
        show.tell_warnings(words.assumed(gpu), whole=True)
        if best is not None:
            terminal.write_line(best.branch.name)
    else:
        _show(typed, answer, why_all=why, brief=brief)
    if best is None:
        if not as_json:
            terminal.print_error(*nothing_fits(answer))
        raise typer.Exit(NothingFitsError.exit_code)


def _show(typed: typer.Context, answer: "Recommendation", *, why_all: bool, brief: bool) -> None:
    from quantpick.render import show
    from quantpick.render.screens.recommendation import recommendation_page

    # Warnings first: if the screen is too low for everything, the verdict stays visible.
    show.tell_warnings(answer.warnings, whole=why_all)
    asked = [
        "quantpick",
        "recommend",
        *retyped(typed, ("repo", "card", "config", *WISH, "prefer", "family", "offline")),
    ]
    said = retyped(typed, ("gpu", "headroom"))
    page = recommendation_page(
        answer,
        asked=asked,
        notes=[_DESKTOP] if "--gpu" in said and "--headroom" not in said else [],
        next_steps=_next_steps(typed, answer),
        why_all=why_all,
        brief=brief,
    )
    show.show(page, below=1 if answer.recommended else _ERROR_LINES)


def _next_steps(typed: typer.Context, answer: "Recommendation") -> list[list[str]]:
    """The commands that fetch the recommended branch and start its loader on it."""
    from quantpick.workflow.launching import fetch_options, local_dir

    best = answer.recommended
    repo_id = None if best is None else best.branch.repo_id(answer.repo_id)
    if best is None or repo_id is None:
        return []
    wanted = retyped(typed, WISH)
    loader = [] if answer.wish.names_a_loader else ["--loader", best.loader.loader.id]
    folder = local_dir(answer, best)
    place = [] if folder is None else ["--local-dir", folder]
    steps = [["quantpick", "download", repo_id, *fetch_options(best.branch), *loader, *wanted, *place]]
    return steps if best.launch is None else [*steps, list(best.launch)]
