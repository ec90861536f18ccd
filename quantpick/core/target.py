"""How a user names a repo: ``owner/name``, ``owner/name:branch``, an ``hf://`` address, an address of the Hub."""

import re
from dataclasses import dataclass
from typing import Final

from quantpick.core.hub_url import OTHER_KINDS, hub_path, percent_decode
from quantpick.core.repo import Refused, ref_name
from quantpick.core.repo import repo_id as checked_repo_id

_WITH_REVISION: Final = ("tree", "blob", "resolve", "raw", "edit", "commits", "commit")
"""Pages of a repo whose address goes on with a branch, tag or commit, and perhaps a folder or file."""
_WITHOUT_REVISION: Final = ("discussions", "activity", "settings")
_SSH: Final = re.compile(r"(?:ssh://)?git@(?:hf|huggingface)\.co[:/]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """A repo, and perhaps one of its branches.

    Args:
        repo_id: ``owner/name``.
        revision: branch, tag or commit; None means all branches.
        may_name_a_folder: whether the revision comes from an address, where a folder or file may follow the branch.
    """

    repo_id: str
    revision: str | None = None
    may_name_a_folder: bool = False

    def is_at(self, revision: str) -> bool:
        """Whether it agrees with a revision named separately.

        >>> Target("o/n", "main").is_at("4bit"), Target("o/n", "4bit/x", True).is_at("4bit")
        (False, True)
        """
        return self.revision in (None, revision) or (
            self.may_name_a_folder and f"{self.revision}/".startswith(f"{revision}/")
        )


@dataclass(frozen=True, slots=True)
class NoModel:
    """An address of the Hub that leads to something other than a model.

    Args:
        kind: ``dataset``, ``Space``, ``collection`` and the like.
    """

    kind: str


def parse_target(text: str, *, endpoint: str = "https://huggingface.co") -> Target | NoModel | None:
    """The repo and branch that a text names; None if it names none.

    Args:
        text: as typed or pasted.
        endpoint: the Hub's address. Its pages are recognized, as are those of huggingface.co and mirrors.

    >>> parse_target("owner/name:4.0bpw"), parse_target("hf://owner/name@refs%2Fpr%2F1")
    (Target(repo_id='owner/name', revision='4.0bpw', may_name_a_folder=False), Target(repo_id='owner/name', \
revision='refs/pr/1', may_name_a_folder=False))
    >>> parse_target("https://huggingface.co/owner/name/tree/exp/6_5?x=1").revision, parse_target("../etc/passwd")
    ('exp/6_5', None)
    >>> parse_target("https://huggingface.co/datasets/owner/name")
    NoModel(kind='dataset')
    """
    text = _SSH.sub("https://huggingface.co/", text.strip()[:2000])
    parts = hub_path(text, endpoint=endpoint)
    if parts is not None:
        return _of_page(parts)
    text = text.removeprefix("hf://").removeprefix("models/").rstrip("/")
    kind = text.partition("/")[0]
    if kind in OTHER_KINDS:
        return NoModel(OTHER_KINDS[kind])
    named = re.match(r"([^:@]*)[:@](.*)", text, re.DOTALL)
    if named is not None:
        return _target(named[1].rstrip("/"), percent_decode(named[2]))
    if text.count("/") > 1:
        return _of_page(tuple(text.split("/")))
    return _target(text, None)


def _of_page(parts: tuple[str, ...]) -> Target | NoModel | None:
    """The repo and branch in the address of a page of the Hub."""
    if parts and parts[0] in OTHER_KINDS:
        return NoModel(OTHER_KINDS[parts[0]])
    parts = parts[1:] if parts[:1] == ("models",) else parts
    owner_and_name, page, rest = "/".join(parts[:2]), "".join(parts[2:3]), "/".join(parts[3:])
    name, separator, named = owner_and_name.partition(":") if ":" in owner_and_name else owner_and_name.partition("@")
    if separator and not page:
        return _target(name, named)
    if page in _WITH_REVISION:
        return _target(name, rest or None, may_name_a_folder=True)
    return _target(name.removesuffix(".git"), None) if not page or page in _WITHOUT_REVISION else None


def _target(repo_id: str, revision: str | None, *, may_name_a_folder: bool = False) -> Target | None:
    if isinstance(checked_repo_id(repo_id), Refused):
        return None
    if revision is not None and isinstance(ref_name(revision), Refused):
        return None
    return Target(repo_id, revision, may_name_a_folder and revision is not None and "/" in revision)
