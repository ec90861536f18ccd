"""``quantpick demo``."""

import typer


def demo() -> None:
    """The whole job on a local Hub: list, recommend, a download that is killed and resumed, verify. No network."""
    from quantpick.demo import story

    raise typer.Exit(story.tell())
