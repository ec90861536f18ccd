"""The data files of core, which does no I/O itself."""

from importlib import resources


def core_data(name: str) -> str:
    """The text of one of them, named from the folder of core."""
    return resources.files("quantpick.core").joinpath(name).read_text(encoding="utf-8")
