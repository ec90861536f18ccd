"""``quantpick loaders``."""

from collections.abc import Sequence

from quantpick.core.loaders.table import Loader
from quantpick.core.loaders.words import accepts_in_words, capability_in_words, versions_in_words
from quantpick.render.page import EMPTY, Block, Column, Grid, Line, Page, Row

_COLUMNS = (
    Column("loader"),
    Column("version", goes=2),
    Column("state", goes=3),
    Column("GPUs", goes=1),
    Column("reads"),
)


def loaders_page(loaders: Sequence[Loader]) -> Page:
    """All loaders with what they read; one alone with its rules and their sources."""
    if len(loaders) == 1:
        return _rules(loaders[0])
    rows = [Row([one.id, one.newest, one.status, one.split, ", ".join(one.methods)]) for one in loaders]
    return [Grid(_COLUMNS, rows, prose=True)]


def _rules(loader: Loader) -> Page:
    page: list[Block] = [
        Line(f"{loader.name} {loader.newest} ({loader.status})", "bold"),
        Line(loader.status_note, indent=2),
        Line("KV cache: " + ", ".join(f"{name} {size:g} B" for name, size in loader.kv_dtypes.items()), indent=2),
    ]
    for name, extra in loader.extras.items():
        how = " ".join(extra.flags) or f"package {extra.package}"
        page.append(Line(f"{loader.id}[{name}]: {how}", indent=2))
    for rule in loader.rules:
        floor = capability_in_words(rule) and f", {capability_in_words(rule)}"
        doubt = " (unverified)" if rule.unverified else ""
        page += [
            EMPTY,
            Line(f"{rule.method} {versions_in_words(rule)}: {accepts_in_words(rule)}{floor}{doubt}"),
            Line(f"{rule.source} ({rule.checked})", "dim", 2),
        ]
    return page
