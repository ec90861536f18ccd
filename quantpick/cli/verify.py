"""``quantpick verify``."""

from pathlib import Path
from typing import Annotated

import typer

from quantpick.cli.options import AsJson, Offline
from quantpick.errors import DamagedError


def verify(
    place: Annotated[str, typer.Argument(metavar="PATH|REPO", help="A folder, or a repo in the Hub's cache.")],
    cache_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="A cache instead of HF_HUB_CACHE.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Fetch again what is damaged or missing.")] = False,
    offline: Offline = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the exit code.")] = False,
) -> None:
    """Hash what was downloaded against the Hub's hashes: what is missing, damaged or extra."""
    from quantpick.render import running
    from quantpick.workflow.verify import verify as verify_

    with running.shown("none" if quiet or as_json else "auto") as counters:
        reports = verify_(place, cache_dir=cache_dir, repair=repair, progress=counters, offline=offline)
    if as_json:
        from quantpick.render import documents, terminal

        terminal.write_answer(documents.document("verify", documents.verify_data(reports)))
    elif not quiet:
        from quantpick.render.screens.verification import verification_page
        from quantpick.render.show import show

        show(verification_page(reports))
    if not all(report.is_sound for report in reports):
        raise typer.Exit(DamagedError.exit_code)
