"""The options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from quantpick.core.choose import wish


def _loader_names(incomplete: str) -> list[str]:
    """What a shell offers for ``--loader``."""
    from quantpick.workflow.loader import loader_table

    return [loader.id for loader in loader_table().loaders if loader.id.startswith(incomplete)]


Repo = Annotated[
    str | None, typer.Argument(metavar="REPO", help="owner/name, owner/name:branch or its address on the Hub.")
]
Card = Annotated[Path | None, typer.Option("--card", metavar="FILE", help="A saved model card instead of a repo.")]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="A saved config.json: the model's shape.")
]
Loader = Annotated[
    str | None,
    typer.Option(
        "--loader",
        "-l",
        metavar="NAME[==VERSION]|auto",
        help="auto: an installed one. Default: one is assumed and named.",
        autocompletion=_loader_names,
    ),
]
Context = Annotated[
    str, typer.Option("--context", "-n", metavar="TOKENS|max", help="max: the longest that the model was made for.")
]
KvDtype = Annotated[str, typer.Option("--kv-dtype", help="fp16, fp8, q8, q6, q4 or the loader's own.")]
Batch = Annotated[int, typer.Option(help="Sequences at once.")]
Vram = Annotated[
    str | None, typer.Option(metavar="SIZE[,SIZE]", help="24GiB[,24GiB]: ask about these GPUs instead of detecting.")
]
GpuNames = Annotated[
    str | None, typer.Option("--gpu", metavar="NAME[,NAME]", help='"RTX 4090", 2xA6000: the same by name.')
]
Capability = Annotated[float | None, typer.Option(metavar="X.Y", help="Compute capability of the --vram GPUs.")]
GpuIndex = Annotated[str | None, typer.Option(metavar="N[,N]", help="Only these of the detected GPUs.")]
VramBasis = Annotated[wish.VramBasis, typer.Option(help="Count the memory that is free now, or all of it.")]
HeadroomText = Annotated[str, typer.Option("--headroom", metavar="5%|1GiB", help="VRAM to leave alone on each GPU.")]
Preference = Annotated[wish.Prefer, typer.Option(help="speed: smallest of 4 bits or more; context: most room.")]
AllowTight = Annotated[bool, typer.Option("--allow-tight", help="Rank a branch that only just fits like any other.")]
Offline = Annotated[bool, typer.Option("--offline", help="Answer from what was cached, as HF_HUB_OFFLINE=1 does.")]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", help="Time limit for all answers of the Hub together.")
]
Family = Annotated[
    bool, typer.Option("--family", help="Choose among the model's quantizations in other repos too, at most 12.")
]
Mmproj = Annotated[bool, typer.Option("--mmproj", help="Also the mmproj beside it, for vision or audio.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
