"""The facts about a repo on the Hub, in at most three requests in sequence, however many branches it has.

First the refs; then the file tree of every branch, and the card, at once; then the configs of the branches that hold
weights, at most two each, and the first bytes of one GGUF file for each model. What is known by commit comes from the
cache.
"""

from difflib import get_close_matches

from huggingface_hub import constants

from quantpick.core import defaults
from quantpick.core.repo import Refused, RepoFacts, commit_id
from quantpick.core.target import Target
from quantpick.errors import HubError, NotFoundError
from quantpick.hub.cache import Cache
from quantpick.hub.client import Client, Refs, read_refs
from quantpick.hub.reader import Reader


def survey(
    target: Target,
    *,
    commit: str | None = None,
    token: str | bool | None = None,
    offline: bool = False,
    timeout_s: float = defaults.TIMEOUT_S,
    only_files: bool = False,
) -> RepoFacts:
    """What the Hub says about a repo, or about the one branch that the target names.

    A branch about which the Hub says something impossible is left out, with the reason, if others are sound.

    Args:
        target: the repo, and perhaps a branch, tag or commit.
        commit: the commit that the target's branch was resolved to before; the Hub is not asked again.
        token: a token instead of the stored login; False sends none.
        offline: answer from the cache alone, as ``HF_HUB_OFFLINE=1`` does.
        timeout_s: seconds for all requests together.
        only_files: whether the files of the branches are all that is wanted: no card, no config is asked for then.

    Raises:
        NotFoundError: no such repo or branch; the hint names the nearest.
        AccessError: gated, private, or the token is refused.
        HubError: the Hub cannot be reached, asks to wait too long, does not end, or answers nonsense; or offline, and
            something is not cached.
    """
    client = None if offline or constants.is_offline_mode() else Client(token, timeout_s=timeout_s)
    cache = Cache(target.repo_id)
    if commit is not None and target.revision is not None:
        known = Refs(repo_id=target.repo_id, branches={target.revision: commit})
        return Reader(target.repo_id, client, cache).read(target, known, known.branches, only_files=only_files)
    refs = _read_refs(target, client, cache)
    wanted = refs.branches if target.revision is None else dict([_resolve(target, refs)])
    return Reader(refs.repo_id, client, cache).read(target, refs, wanted, only_files=only_files)


def _read_refs(target: Target, client: Client | None, cache: Cache) -> Refs:
    """The refs now, or offline, when they were last read."""
    if client is not None:
        refs, answer = client.refs(target.repo_id, revision=target.revision)
        cache.keep_refs(refs.repo_id, answer)
    else:
        kept = cache.refs()
        read = None if kept is None else read_refs(*kept)
        if not isinstance(read, Refs):
            raise HubError(
                f"offline, and nothing of `{target.repo_id}` is cached",
                hint=f"once online: quantpick list {target.repo_id}",
            )
        refs = read
    if not refs.branches:
        raise NotFoundError(f"`{refs.repo_id}` has no branches")
    return refs


def _resolve(target: Target, refs: Refs) -> tuple[str, str]:
    """The name and commit of the branch, tag or commit that the target names."""
    revision = target.revision or "main"
    known = {**refs.others, **refs.tags, **refs.branches}
    if target.may_name_a_folder and revision not in known:
        parts = revision.split("/")
        prefixes = ("/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1))
        revision = next((prefix for prefix in prefixes if prefix in known), revision)
    if revision in known:
        return revision, known[revision]
    if not isinstance(commit_id(revision), Refused):
        return revision, revision
    near = get_close_matches(revision, list(refs.branches), n=3, cutoff=0.4) or list(refs.branches)[:3]
    raise NotFoundError(
        f"`{refs.repo_id}` has no branch `{revision}`",
        hint="did you mean " + " or ".join(f"{refs.repo_id}:{name}" for name in near) + "?",
    )
