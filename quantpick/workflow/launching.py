"""The command that starts a loader on a branch where `download` puts it."""

from collections.abc import Sequence
from dataclasses import replace

from quantpick.core.choose.recommend import Recommendation
from quantpick.core.choose.verdict import Choice
from quantpick.core.choose.wish import Wish
from quantpick.core.loaders.launch import OnDisk, launch_argv
from quantpick.core.quant import Branch


def with_launch(answer: Recommendation) -> Recommendation:
    """The answer, with the launch command of each branch that fits."""
    return replace(answer, choices=tuple(replace(choice, launch=_launch(answer, choice)) for choice in answer.choices))


def local_dir(answer: Recommendation, choice: Choice) -> str | None:
    """The folder to download to if only a card was read: without a commit, the place in the cache is unknown.

    It is named after repo and branch, as in text-generation-webui.
    """
    if answer.repo_id is None or choice.branch.commit is not None:
        return None
    return f"{answer.repo_id.partition('/')[2]}_{choice.branch.name.replace('/', '_')}"


def fetch_options(branch: Branch) -> list[str]:
    """The arguments that make ``quantpick download`` fetch this branch, or this set of files.

    >>> from quantpick.core.quant import FileSet, QuantSpec
    >>> fetch_options(Branch(name="Q4_K_M", quant=QuantSpec("gguf", 4), files=FileSet("main", "Q4_K_M", ("a.gguf",))))
    ['--file', 'Q4_K_M']
    """
    if branch.files is None:
        return ["--revision", branch.git_branch]
    revision = [] if branch.files.branch == "main" else ["--revision", branch.files.branch]
    return [*revision, "--file", branch.files.name]


def launch_on_disk(choice: Choice, placed: OnDisk, wish: Wish) -> tuple[str, ...] | None:
    """The launch command for a judged branch at a place on disk."""
    return launch_argv(
        choice.loader,
        choice.branch.quant,
        placed,
        kv_dtype=wish.kv_dtype,
        context_tokens=choice.context_tokens,
        batch=wish.batch,
        gpus=choice.fit.gpus_used if choice.fit else 1,
        settings=choice.fit.launch_values if choice.fit else {},
    )


def _launch(answer: Recommendation, choice: Choice) -> tuple[str, ...] | None:
    repo_id, commit = choice.branch.repo_id(answer.repo_id), choice.branch.commit
    if not choice.fits or repo_id is None:
        return None
    folder = local_dir(answer, choice)
    if folder is not None:
        placed = OnDisk(repo_id=repo_id, branch=choice.branch.name, path=folder)
    else:
        assert commit is not None
        path, hub_cache = _in_cache(repo_id, commit)
        files = choice.branch.files
        placed = OnDisk(
            repo_id=repo_id,
            branch=choice.branch.git_branch,
            path=path,
            hub_cache=hub_cache,
            files=files.paths[:1] if files else (),
            projector=files.projectors[0] if files and files.projectors and answer.wish.mmproj else None,
        )
    return launch_on_disk(choice, placed, answer.wish)


def _in_cache(repo_id: str, commit: str) -> Sequence[str]:
    """A branch's folder in the Hub's cache, and the cache."""
    from quantpick.transfer.disk.places import cache_folder, snapshot_path

    return str(snapshot_path(repo_id, commit)), str(cache_folder())
