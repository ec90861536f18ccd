"""The repos of one model: at most three requests in sequence behind what is known of one of them.

First the repos that the Hub lists as quantizations of the base model, and what it knows of those that the card names;
then the refs of the chosen ones, with card and file list of their main branch; then the other branches and what is
worth reading in the files. A repo that cannot be read is left out, with the reason.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from huggingface_hub import constants

from quantpick.core import repo
from quantpick.core.family import MAX_REPOS, QUANTIZED, Descent, Relative, base_of, base_of_named, choose, why_not
from quantpick.core.methods import Method
from quantpick.core.repo import Refused, RepoFacts
from quantpick.core.target import Target
from quantpick.errors import HubError, QuantpickError
from quantpick.hub.cache import Cache
from quantpick.hub.client import MAX_LISTED, Client, Refs, read_refs
from quantpick.hub.reader import Job, Reader, at_once

MAX_BRANCHES: Final = 120
"""Branches beside the main ones that are read of all relatives together; chosen: a repo of branches has about ten."""
_MAX_TAGS: Final = 500
_MAX_BASES: Final = 20
_RELATIONS: Final = frozenset({QUANTIZED, "finetune", "adapter", "merge"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyFacts:
    """The relatives of a repo as the Hub shows them.

    Args:
        base_model: the model of which they are quantizations; None where it is not one.
        repos: what each holds, the most wanted first.
        left_out: repos that were not read, each with the reason.
        is_listed: whether the Hub lists what is made of a model; a mirror may not.
    """

    base_model: str | None
    repos: tuple[RepoFacts, ...] = ()
    left_out: Mapping[str, str]
    is_listed: bool = True


def survey_family(
    own: str,
    said: Descent,
    named: Sequence[str],
    *,
    wanted: Collection[Method],
    token: str | bool | None = None,
    offline: bool = False,
    timeout_s: float,
) -> FamilyFacts:
    """What the Hub says about the other repos of a repo's model.

    Args:
        own: the repo, as the Hub writes it.
        said: what its card says that its model was made from.
        named: the repos that the card names.
        wanted: the methods that are worth a look.
        token: as in `survey`.
        offline: as in `survey`; then from what the Hub last said.
        timeout_s: for all questions together, in seconds.

    Raises:
        HubError: the Hub cannot be reached, or answers nonsense; or offline, and it was never asked.
        AccessError: the token is refused.
    """
    client = None if offline or constants.is_offline_mode() else Client(token, timeout_s=timeout_s)
    others = [one for one in dict.fromkeys(named) if one.casefold() != own.casefold()][:MAX_REPOS]
    answer = _ask(client, Cache(own), own, said, others)
    descent = answer.own.descent if answer.own is not None and answer.own.descent.models else said
    base = base_of(own, descent) if descent.models else base_of_named(own, answer.named) or own
    left_out = {name: reason for name, reason in answer.missing.items() if name.casefold() != str(base).casefold()}
    if base is None:
        return FamilyFacts(base_model=None, left_out=left_out)
    listed, is_listed = answer.listed_of(base)
    fit: dict[bool, list[Relative]] = {True: [], False: []}
    for is_named, relatives in ((True, answer.named), (False, listed)):
        for one in relatives:
            if one.repo_id.casefold() in (own.casefold(), base.casefold()):
                continue
            reason = why_not(one, base)
            if reason is None:
                fit[is_named].append(one)
            else:
                left_out.setdefault(one.repo_id, reason)
    chosen = choose(fit[True], fit[False], wanted)
    repos = _read(chosen, client, left_out)
    return FamilyFacts(base_model=base, repos=tuple(repos), left_out=left_out, is_listed=is_listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """The Hub's first answers: about the repo itself, the repos that its card names, and the lists by base model."""

    own: Relative | None
    named: tuple[Relative, ...]
    missing: Mapping[str, str]
    lists: Mapping[str, object]

    def listed_of(self, base: str) -> tuple[list[Relative], bool]:
        """The repos listed as quantizations of a model, and whether there is a list at all."""
        known = {name.casefold(): answer for name, answer in self.lists.items()}
        answer = known.get(base.casefold())
        found = []
        for entry in answer[:MAX_LISTED] if isinstance(answer, list) else ():
            one = read_relative(entry)
            if not isinstance(one, Refused):
                # Where an entry says nothing, the question that it answers does.
                says = one.descent.models or one.tags
                found.append(one if says else replace(one, descent=Descent(QUANTIZED, (base,))))
        return found, isinstance(answer, list)


def _ask(client: Client | None, cache: Cache, own: str, said: Descent, named: Sequence[str]) -> _Answer:
    """The first answers, from the Hub or as they were kept."""
    if client is None:
        kept = cache.family()
        if not isinstance(kept, dict) or not isinstance(kept.get("lists"), dict):
            raise HubError(
                f"offline, and the family of `{own}` is not cached", hint=f"once online: quantpick {own} --family"
            )
        return _read_answers(own, named, kept.get("about"), kept["lists"], {})
    about: dict[str, object] = {}
    lists: dict[str, object] = {}
    problems: dict[str, str] = {}

    def ask_about(name: str) -> None:
        about[name] = client.about(name)

    def ask_for(base: str) -> None:
        lists[base] = client.quantizations(base)

    bases = dict.fromkeys(one for one in (own, *said.models[:1]) if not isinstance(repo.repo_id(one), Refused))
    # What the card says may be wrong or old: a repo that is gone is no reason to give up. A Hub that is gone is.
    jobs: list[Job] = [partial(_forgiving, partial(ask_about, one), one, problems) for one in (own, *named)]
    at_once([partial(ask_for, base) for base in bases] + jobs)
    cache.keep_family({"about": about, "lists": {name: _short(answer) for name, answer in lists.items()}})
    return _read_answers(own, named, about, lists, problems)


def _short(answer: object) -> object:
    """What is kept of a list: as much as is looked at."""
    return answer[:MAX_LISTED] if isinstance(answer, list) else None


def _read_answers(
    own: str, named: Sequence[str], about: object, lists: Mapping[str, object], problems: Mapping[str, str]
) -> _Answer:
    """The answers as checked values."""
    known = about if isinstance(about, dict) else {}
    missing: dict[str, str] = {name: problems[name] for name in named if name in problems}
    found = []
    for name in named:
        one = read_relative(known[name]) if name in known else None
        if isinstance(one, Relative):
            found.append(one)
        elif one is not None:
            missing[name] = f"it {one.reason}"
    itself = read_relative(known.get(own))
    return _Answer(
        own=itself if isinstance(itself, Relative) else None, named=tuple(found), missing=missing, lists=lists
    )


def read_relative(entry: object) -> Relative | Refused:
    """A repo in an answer of the Hub's: its name, commit, tags, and what it was made from.

    >>> read_relative({"id": "q/F-GGUF", "tags": ["gguf", "base_model:quantized:o/F", "base_model:o/F"]}).descent
    Descent(relation='quantized', models=('o/F',))
    >>> read_relative({"id": "../x"})
    Refused(reason='does not belong to a repo: its name is not owner/name')
    """
    about = entry if isinstance(entry, dict) else {}
    name = repo.repo_id(about.get("id", about.get("modelId")))
    if isinstance(name, Refused):
        return name
    commit = repo.commit_id(about.get("sha"))
    tags = [tag for tag in _listed(about.get("tags"), _MAX_TAGS) if isinstance(tag, str) and len(tag) < 300]
    said = next(
        (
            one
            for one in (_of_bases(about.get("baseModels")), _of_tags(tags), _of_card(about.get("cardData")))
            if one[1]
        ),
        (None, ()),
    )
    models = [repo.repo_id(one) for one in said[1]]
    if any(isinstance(one, Refused) for one in models):
        return Refused("is made from something that is not a repo")
    return Relative(
        repo_id=name,
        commit=None if isinstance(commit, Refused) else commit,
        descent=Descent(said[0] if said[0] in _RELATIONS else None, tuple(map(str, models))),
        tags=tuple(tag.casefold() for tag in tags),
    )


_Said = tuple[str | None, tuple[object, ...]]


def _of_bases(value: object) -> _Said:
    """``baseModels``: a relation and models, each with its id."""
    about = value if isinstance(value, dict) else {"models": value}
    relation = about.get("relation")
    models = [
        one.get("id", one.get("modelId")) if isinstance(one, dict) else one
        for one in _listed(about.get("models"), _MAX_BASES)
    ]
    return relation if isinstance(relation, str) else None, tuple(dict.fromkeys(map(str, models)))


def _of_tags(tags: Sequence[str]) -> _Said:
    """``base_model:OWNER/NAME`` and ``base_model:RELATION:OWNER/NAME``; a relation that is no quantization counts."""
    relations: list[str] = []
    models: list[object] = []
    for tag in tags:
        kind, _, rest = tag.partition(":")
        word, separator, model = rest.rpartition(":")
        if kind == "base_model" and rest:
            models.append(model)
            relations += [word] if separator else []
    relation = next((one for one in relations if one != QUANTIZED), next(iter(relations), None))
    return relation, tuple(dict.fromkeys(models[:_MAX_BASES]))


def _of_card(value: object) -> _Said:
    """``cardData``: what the card's front matter says."""
    front = value if isinstance(value, dict) else {}
    base, relation = front.get("base_model"), front.get("base_model_relation")
    models = [base] if isinstance(base, str) else _listed(base, _MAX_BASES)
    return relation if isinstance(relation, str) else None, tuple(dict.fromkeys(map(str, models)))


def _listed(value: object, most: int) -> list[Any]:
    return value[:most] if isinstance(value, list) else []


def _forgiving(job: Callable[[], None], name: str, problems: dict[str, str]) -> None:
    """Do a job for one repo; what keeps it from being done is noted under its name."""
    try:
        job()
    except QuantpickError as error:
        problems.setdefault(name, error.message.replace(f"`{name}` ", "").replace(f"`{name}`", "it"))


class _Kin:
    """One relative, read step by step."""

    def __init__(self, one: Relative, client: Client | None) -> None:
        self.repo_id = one.repo_id
        self._commit = one.commit
        self._client = client
        self._cache = Cache(one.repo_id)
        self._reader = Reader(one.repo_id, client, self._cache)
        self._refs: Refs | None = None

    def first(self) -> list[Job]:
        """Refs, and card and files of the commit that the Hub named as the repo's."""
        known = [] if self._commit is None else self._reader.lists(self._commit, [self._commit])
        return [self._read_refs, *known]

    def others(self) -> list[str]:
        """Commits of the branches of which nothing is known yet."""
        commits = [] if self._refs is None else self._refs.branches.values()
        return [commit for commit in dict.fromkeys(commits) if commit != self._commit]

    def second(self, others: Collection[str]) -> list[Job]:
        """What is worth reading in the main branch, and these others."""
        main = None if self._refs is None else self._refs.branches.get("main")
        moved = [] if main in (None, self._commit) else self._reader.lists(main, [])
        return [*moved, *self._reader.contents([self._commit] if self._commit else []), *self._reader.unseen(others)]

    def facts(self, others: Collection[str]) -> RepoFacts | None:
        """All that was read; None without refs."""
        if self._refs is None:
            return None
        known = {*others, self._commit}
        wanted = {name: commit for name, commit in self._refs.branches.items() if commit in known}
        return self._reader.facts(Target(self.repo_id), replace(self._refs, refused={}, others={}), wanted)

    def _read_refs(self) -> None:
        if self._client is None:
            kept = self._cache.refs()
            read = None if kept is None else read_refs(*kept)
            self._refs = read if isinstance(read, Refs) else None
        else:
            self._refs, answer = self._client.refs(self.repo_id)
            self._cache.keep_refs(self._refs.repo_id, answer)


def _read(chosen: Sequence[Relative], client: Client | None, left_out: dict[str, str]) -> list[RepoFacts]:
    """What the chosen repos hold; why another is left out goes to `left_out`."""
    problems: dict[str, str] = {}

    def run(jobs_of: Callable[[_Kin], Sequence[Job]]) -> None:
        sound = [one for one in kin if one.repo_id not in problems]
        at_once([partial(_forgiving, job, one.repo_id, problems) for one in sound for job in jobs_of(one)])

    kin = [_Kin(one, client) for one in chosen]
    run(_Kin.first)
    others: dict[str, list[str]] = {}
    left = MAX_BRANCHES
    for one in kin:
        others[one.repo_id] = one.others()[:left]
        left -= len(others[one.repo_id])
    run(lambda one: one.second(others[one.repo_id]))
    repos = []
    for one in kin:
        facts = None if one.repo_id in problems else one.facts(others[one.repo_id])
        if facts is None or not facts.branches:
            left_out[one.repo_id] = problems.get(one.repo_id, "nothing of it is cached")
        else:
            repos.append(facts)
    return repos
