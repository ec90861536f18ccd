"""The files to fetch, at one commit: of the named branch, or of the recommended one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from quantpick.core.choose.wish import Wish
from quantpick.core.gguf.sets import GgufSet, find_set, find_sets
from quantpick.core.gpu import Gpu
from quantpick.core.repo import BranchFiles, RepoFacts, RepoFile
from quantpick.core.target import Target
from quantpick.errors import NotFoundError, NothingFitsError, UsageError
from quantpick.workflow.choice import target
from quantpick.workflow.facts import find_facts

if TYPE_CHECKING:
    from quantpick.core.choose.recommend import Recommendation
    from quantpick.core.choose.verdict import Choice
    from quantpick.core.loaders.launch import OnDisk


@dataclass(frozen=True, slots=True)
class Pick:
    """What to fetch, at one commit.

    Args:
        repo_id: as the Hub writes it today.
        branch: the branch.
        parts: the files: all of the branch, or one set of GGUF files.
        projector: the mmproj among them, or None.
        answer: the verdict on it, or None if no loader was wished.
        is_set: whether it is one set of GGUF files, not the whole branch.
    """

    repo_id: str
    branch: BranchFiles
    parts: tuple[RepoFile, ...]
    projector: RepoFile | None
    answer: "Recommendation | None"
    is_set: bool = False

    def on_disk(self, path: Path, *, in_hub_cache: bool) -> "OnDisk":
        """What a launch command needs to know about it."""
        from quantpick.core.loaders.launch import OnDisk

        return OnDisk(
            repo_id=self.repo_id,
            branch=self.branch.name,
            path=str(path),
            hub_cache=str(path).partition("/models--")[0] if in_hub_cache else None,
            files=[one.path for one in self.parts],
            projector=self.projector.path if self.projector else None,
        )


def named_target(repo: str, revision: str | None, file: str | None) -> Target:
    """The repo and branch that the arguments name; a set of files without a branch is in ``main``.

    Raises:
        UsageError: they name two different branches.
    """
    named = target(repo)
    if revision is not None:
        if not named.is_at(revision):
            raise UsageError(f"`{repo}` names a branch, and `--revision {revision}` another", hint="name one of them")
        return replace(named, revision=revision, may_name_a_folder=False)
    return replace(named, revision="main") if named.revision is None and file is not None else named


def pick(
    named: Target,
    file: str | None,
    *,
    mmproj: bool,
    family: bool,
    wish: Wish,
    gpus: Sequence[Gpu] | None,
    token: str | bool | None,
) -> Pick:
    """The named branch or the recommended one, and the files of it to fetch.

    Raises:
        NothingFitsError: none was named and none fits.
        NotFoundError, AccessError, HubError: as in `list_branches`.
    """
    answer, commit = None, None
    if named.revision is None:
        from quantpick.workflow.recommend import recommend

        answer = recommend(named.repo_id, wish=wish, gpus=gpus, token=token, family=family)
        best = _best(answer).branch
        named = replace(named, repo_id=best.repo_id(answer.repo_id) or named.repo_id, revision=best.git_branch)
        commit = best.commit
        file = best.files.name if best.files else None
    is_judged = answer is None and wish.names_a_loader
    facts, found = find_facts(named, commit=commit, token=token, only_files=not is_judged)
    if found is not None and file is not None:
        raise NotFoundError(f"`{facts.repo_id}` has no branch `{named.revision}`")
    file = found if file is None else file
    branch = facts.branches[0]
    wanted = None if file is None else set_in(facts.repo_id, branch, file)
    projector = _projector(facts.repo_id, wanted) if mmproj else None
    parts = branch.files if wanted is None else (*wanted.files, *([projector] if projector else ()))
    if is_judged:
        answer = _verdict_on(facts, wish, gpus, wanted)
    return Pick(facts.repo_id, branch, tuple(parts), projector, answer, is_set=wanted is not None)


def _best(answer: "Recommendation") -> "Choice":
    if answer.recommended is None:
        from quantpick.core.choose.advice import nothing_fits

        message, hint = nothing_fits(answer)
        raise NothingFitsError(message, hint=hint, answer=answer)
    return answer.recommended


def _projector(repo_id: str, wanted: GgufSet | None) -> RepoFile:
    """The mmproj that goes with a set.

    Raises:
        NotFoundError: there is none.
    """
    if wanted is None or not wanted.projectors:
        raise NotFoundError(f"`{repo_id}` has no mmproj for {wanted.name if wanted else 'a whole branch'}")
    return wanted.projectors[0]


def set_in(repo_id: str, branch: BranchFiles, file: str) -> GgufSet:
    """The set of files of a branch that a user named.

    Raises:
        NotFoundError: there is none, or it is incomplete.
    """
    sets = find_sets(branch.files)
    found = find_set(sets, file)
    if found is None:
        names = [one.name for one in sets]
        near = get_close_matches(file.upper(), names, n=3, cutoff=0.4) or names[:3]
        hint = f"there is {', '.join(near)}: --file {near[0]}" if near else "it has no GGUF files"
        raise NotFoundError(f"`{repo_id}` has no GGUF file `{file}` in `{branch.name}`", hint=hint)
    if found.problem is not None:
        raise NotFoundError(f"`{found.name}` of `{repo_id}` is {found.problem}")
    return found


def _verdict_on(
    facts: RepoFacts, asked: Wish, gpus: Sequence[Gpu] | None, wanted: GgufSet | None
) -> "Recommendation | None":
    """The wished loader's verdict on the named branch; None if it holds no quantization.

    A machine without a GPU may download too: memory is not judged then.
    """
    from quantpick.core.branches import table as branch_table
    from quantpick.core.choose.recommend import recommend as judge
    from quantpick.workflow.loader import loader_table
    from quantpick.workflow.machine import machine
    from quantpick.workflow.survey import shaped

    table = branch_table.table_from_repo(facts)
    rows = [
        one
        for one in shaped(table).branches
        if wanted is None or (one.files is not None and one.files.paths == wanted.paths)
    ]
    if not rows:
        return None
    if gpus is None:
        gpus = machine().found.gpus
    answer = judge(rows, gpus, asked, loader_table())
    return replace(answer, repo_id=facts.repo_id)
