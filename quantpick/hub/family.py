"""The repos of one model: three requests in sequence behind what is known of one of them.

First the repos that the Hub lists as quantizations of the base model, and what it knows of those that the card names;
then the refs of the chosen ones, with card and file list of their main branch; then the other branches and what is
worth reading in the files. A repo that cannot be read is left out, with the reason. Where the base model was renamed
since the card was written, its list is one question more.
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
_RELATIONS: Final = (QUANTIZED, "finetune", "adapter", "merge")
"""The Hub's words; any other is one that is not known, and no quantization."""


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
    cache = Cache(own)
    answers = _kept_answers(cache, own) if client is None else _asked_answers(client, own, said, others)
    known = answers.about.get(own)
    descent = known.descent if isinstance(known, Relative) and known.descent.models else said
    by_card = [one for name in others if isinstance(one := answers.about.get(name), Relative)]
    base = base_of(own, descent) if descent.models else base_of_named(own, by_card) or own
    if client is not None:
        if base is not None and base.casefold() not in answers.lists:
            # The card's name for it is an old one.
            answers.lists[base.casefold()] = _listed_of(client, base)
        cache.keep_family(answers.rows())
    left_out = {name: reason for name, reason in answers.missing(others).items() if name != base}
    if base is None:
        return FamilyFacts(base_model=None, left_out=left_out)
    listed = answers.lists.get(base.casefold())
    themselves = (own.casefold(), base.casefold())
    relatives = [one for one in (*by_card, *(listed or ())) if one.repo_id.casefold() not in themselves]
    reasons = {one.repo_id: reason for one in relatives if (reason := why_not(one, base)) is not None}
    left_out = {**reasons, **left_out}
    sound_by_card = [one for one in by_card if one in relatives and one.repo_id not in reasons]
    sound = [one for one in relatives if one.repo_id not in reasons]
    repos = _read(choose(sound_by_card, sound, wanted), client, left_out)
    return FamilyFacts(base_model=base, repos=tuple(repos), left_out=left_out, is_listed=listed is not None)


@dataclass(frozen=True, slots=True)
class _Answers:
    """The Hub's first answers.

    Args:
        about: what it knows of the repo itself and those that the card names, or why that is nothing.
        lists: the quantizations of each model that was asked about, by its name in small letters; None: no list.
    """

    about: dict[str, Relative | Refused]
    lists: dict[str, list[Relative] | None]

    def missing(self, named: Sequence[str]) -> dict[str, str]:
        """The named repos of which nothing is known, and why."""
        return {name: one.reason for name in named if isinstance(one := self.about.get(name), Refused)}

    def rows(self) -> dict[str, Any]:
        """What is kept of them: what the Hub said, not the models that it may say it with."""
        about = {name: _row(one) for name, one in self.about.items() if isinstance(one, Relative)}
        lists = {name: None if found is None else list(map(_row, found)) for name, found in self.lists.items()}
        return {"about": about, "lists": lists}


def _row(one: Relative) -> dict[str, Any]:
    """A repo as `read_relative` reads it."""
    bases = {"relation": one.descent.relation, "models": list(one.descent.models)}
    return {"id": one.repo_id, "sha": one.commit, "tags": list(one.tags), "baseModels": bases}


def _kept_answers(cache: Cache, own: str) -> _Answers:
    """The answers as they were kept; whoever wrote them.

    Raises:
        HubError: there are none.
    """
    kept = cache.family()
    about, lists = (kept.get("about"), kept.get("lists")) if isinstance(kept, dict) else (None, None)
    if not isinstance(about, dict) or not isinstance(lists, dict):
        raise HubError(
            f"offline, and the family of `{own}` is not cached", hint=f"once online: quantpick {own} --family"
        )
    return _Answers(
        {name: read_relative(entry) for name, entry in about.items()},
        {name: _read_list(entries, name) for name, entries in lists.items()},
    )


def _asked_answers(client: Client, own: str, said: Descent, named: Sequence[str]) -> _Answers:
    """The answers of the Hub, asked for at once: the lists for whatever the base may be."""
    answers = _Answers({}, {})
    problems: dict[str, str] = {}

    def ask_about(name: str) -> None:
        answers.about[name] = read_relative(client.about(name))

    def ask_for(base: str) -> None:
        answers.lists[base.casefold()] = _listed_of(client, base)

    bases = dict.fromkeys(one for one in (own, *said.models[:1]) if not isinstance(repo.repo_id(one), Refused))
    # What the card says may be wrong or old: a repo that is gone is no reason to give up. A Hub that is gone is.
    jobs: list[Job] = [partial(_forgiving, partial(ask_about, one), one, problems) for one in (own, *named)]
    at_once([partial(ask_for, base) for base in bases] + jobs)
    answers.about.update({name: Refused(reason) for name, reason in problems.items()})
    return answers


def _listed_of(client: Client, base: str) -> list[Relative] | None:
    """The repos that the Hub lists as quantizations of a model; None where it lists nothing."""
    return _read_list(client.quantizations(base), base)


def _read_list(answer: object, base: str) -> list[Relative] | None:
    """The repos in an answer. Where one says nothing of what it is made from, the question that it answers does."""
    if not isinstance(answer, list):
        return None
    found = [one for one in map(read_relative, answer[:MAX_LISTED]) if isinstance(one, Relative)]
    implied = Descent(QUANTIZED, (base,))
    return [one if one.descent.models or one.tags else replace(one, descent=implied) for one in found]


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
        descent=Descent(said[0] if said[0] in (None, *_RELATIONS) else "unknown", tuple(map(str, models))),
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

    @property
    def why_nothing(self) -> str:
        """Why nothing of it is known."""
        refused = next(iter(self._reader.refused.values()), None)
        return "nothing of it is cached" if refused is None else f"its main branch {refused}"

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
            left_out[one.repo_id] = problems.get(one.repo_id) or one.why_nothing
        else:
            repos.append(facts)
    return repos
