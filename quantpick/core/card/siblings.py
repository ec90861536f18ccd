"""Other repos of the same model that a card names."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from quantpick.core.card.names import letters_of, stem_of
from quantpick.core.card.ownership import About
from quantpick.core.methods import Method, method_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """Another repo of the same model, its method by name, and the card's label for it."""

    repo_id: str
    method: Method | None
    label: str


def find_siblings(about: About) -> tuple[Sibling, ...]:
    """Other repos of the same model: all below "Repositories available", elsewhere those named after the model."""
    listed: dict[str, tuple[str, bool]] = {}
    for label, repo, available in about.repo_links:
        if available or repo not in listed:
            listed[repo] = (label, available)
    stem = letters_of(stem_of((about.repo_id or "").rpartition("/")[2]) or about.model_name or "")
    stem = stem if about.repo_id or about.model_name else _family(list(listed))
    own = (about.repo_id or "").casefold()
    return tuple(
        Sibling(repo_id=repo, method=_sibling_method(repo, label), label=label or repo)
        for repo, (label, available) in listed.items()
        if repo.casefold() != own and (available or _is_family(repo, stem))
    )


def _family(repos: Sequence[str]) -> str:
    """The model name shared by several quantized repos in a list, if the card itself names no model."""
    names = [repo.rpartition("/")[2] for repo in repos]
    stems = Counter(letters_of(stem_of(name)) for name in names if stem_of(name) != name)
    return next((stem for stem, count in stems.most_common(1) if count > 1), "")


def _is_family(repo: str, stem: str) -> bool:
    """Whether a repo is of the model: named like it, or the model like owner and name (``A_Finch`` of ``A/Finch``)."""
    name = letters_of(stem_of(repo.rpartition("/")[2]))
    return len(stem) > 3 and stem in (name, letters_of(repo.partition("/")[0]) + name)


def _sibling_method(repo: str, label: str) -> Method | None:
    """The method in the repo's name; ``none`` (16-bit) if it names no quantization, or the label denies one."""
    name = repo.rpartition("/")[2]
    method = method_in(name, last=True)
    if method is None and (stem_of(name) == name or re.search(r"unquanti[sz]ed|fp16|float16|-hf$", label + name, re.I)):
        return "none"
    return method
