"""``quantpick list``."""

from typing import Annotated

import typer

from quantpick.cli.options import AsJson, Card, Config, Offline, Repo, Timeout
from quantpick.core import defaults


def list_branches(
    repo: Repo = None,
    card: Card = None,
    config: Config = None,
    offline: Offline = False,
    timeout: Timeout = defaults.TIMEOUT_S,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the branch names, one per line.")] = False,
) -> None:
    """The branches of a repo and what each holds."""
    from quantpick.render import terminal
    from quantpick.workflow.survey import list_branches as list_branches_

    table = list_branches_(repo, offline=offline, timeout_s=timeout, card=card, config=config)
    if as_json:
        from quantpick.render import documents

        terminal.write_answer(documents.document("list", documents.list_data(table)))
    elif quiet:
        for branch in table.branches:
            terminal.write_line(branch.name)
    else:
        from quantpick.render import show
        from quantpick.render.screens.branches import branches_page

        show.tell_warnings(table.warnings, whole=False)
        show.show(branches_page(table))
