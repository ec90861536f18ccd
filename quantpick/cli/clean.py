"""``quantpick clean``."""

from pathlib import Path
from typing import Annotated

import typer

from quantpick.cli.options import AsJson


def clean(
    place: Annotated[Path | None, typer.Argument(metavar="PATH", help="A folder; without one the Hub's cache.")] = None,
    cache_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="A cache instead of HF_HUB_CACHE.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what killed downloads left: partial files, scratch files, locks and records; never what is in use."""
    from quantpick.workflow.clean import clean as clean_

    report = clean_(place, cache_dir=cache_dir, dry_run=dry_run)
    if as_json:
        from quantpick.render import documents, terminal

        terminal.write_answer(documents.document("clean", documents.clean_data(report)))
    else:
        from quantpick.render.screens.leftovers import leftovers_page
        from quantpick.render.show import show

        show(leftovers_page(report))
