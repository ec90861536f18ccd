"""``quantpick verify``."""

from pathlib import Path
from typing import Annotated

import typer

from quantpick.cli.options import AsJson, Offline
from quantpick.errors import DamagedError


def verify(
    place: Annotated[str, typer.Argument(metavar="PATH|REPO", help="A folder, or a repo in the Hub's cache.")],
    cache_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="A cache instead of HF_HUB_CACHE.")] = None,
    offline: Offline = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the exit code.")] = False,
) -> None:
    """Hash what was downloaded against the Hub's hashes: what is missing, damaged or extra."""
    from quantpick.render import bars
    from quantpick.workflow.verify import verify as verify_

    with bars.shown(quiet=quiet) as counters:
        reports = verify_(place, cache_dir=cache_dir, progress=counters, offline=offline)
    if as_json:
        from quantpick.render import documents, terminal

        terminal.write_answer(documents.document("verify", documents.verify_data(reports)))
    elif not quiet:
        from quantpick.render import screen

        screen.show_verification(reports)
    if not all(report.is_sound for report in reports):
        raise typer.Exit(DamagedError.exit_code)
