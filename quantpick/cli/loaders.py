"""``quantpick loaders``."""

from typing import Annotated

import typer

from quantpick.cli.options import AsJson


def loaders(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One loader, with its rules and sources.")] = None,
    as_json: AsJson = False,
) -> None:
    """The loaders and what each can read."""
    from quantpick.workflow.loader import choose_loader, loader_table

    chosen = loader_table().loaders if name is None else (choose_loader(name).loader,)
    if as_json:
        from quantpick.render import documents, terminal

        terminal.write_answer(documents.document("loaders", documents.loaders_data(chosen)))
    else:
        from quantpick.render.screens.loaders import loaders_page
        from quantpick.render.show import show

        show(loaders_page(chosen))
