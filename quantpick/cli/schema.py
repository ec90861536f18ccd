"""``quantpick schema``."""


def schema() -> None:
    """Print the JSON Schema of every document that ``--json`` prints."""
    from importlib.resources import files

    from quantpick.render.terminal import write_answer

    write_answer(files("quantpick.render").joinpath("schema.json").read_text(encoding="utf-8"))
