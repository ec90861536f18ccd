"""What the Hub says about a repo, or about one branch of it."""

from contextlib import suppress
from dataclasses import replace
from functools import partial

from quantpick.core import defaults
from quantpick.core.gguf.sets import find_set, find_sets
from quantpick.core.repo import RepoFacts
from quantpick.core.target import Target
from quantpick.errors import NotFoundError


def find_facts(
    named: Target,
    *,
    commit: str | None = None,
    token: str | bool | None = None,
    offline: bool = False,
    timeout_s: float = defaults.TIMEOUT_S,
    only_files: bool = False,
) -> tuple[RepoFacts, str | None]:
    """What the Hub says about a target, by `hub.survey.survey`. If no branch has its name, a set of files may.

    Args:
        named: the repo, and perhaps a branch, or a set of GGUF files in main.
        commit: see there.
        token: see there.
        offline: see there.
        timeout_s: see there.
        only_files: see there.

    Returns:
        The facts, and the name of the set if the target names one; the facts are then those of main.
    """
    from quantpick.hub.survey import survey

    ask = partial(survey, token=token, offline=offline, timeout_s=timeout_s, only_files=only_files)
    try:
        return ask(named, commit=commit), None
    except NotFoundError:
        if named.revision not in (None, "main"):
            main = replace(named, revision="main", may_name_a_folder=False)
            with suppress(NotFoundError):
                facts = ask(main)
                if find_set(find_sets(facts.branches[0].files), str(named.revision)) is not None:
                    return facts, named.revision
        raise
