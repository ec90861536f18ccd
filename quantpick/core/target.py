"""What a user names a repo by: ``owner/name``, ``owner/name:branch``, an ``hf://`` address, an address of the Hub."""

import re
from dataclasses import dataclass
from typing import Final

from quantpick.core.hub_url import percent_decode
from quantpick.core.repo import Refused, ref_name
from quantpick.core.repo import repo_id as checked_repo_id

_OTHER_KINDS: Final = ("datasets", "spaces", "buckets")


@dataclass(frozen=True, slots=True)
class Target:
    """A repo, and perhaps one of its branches.

    Args:
        repo_id: ``owner/name``.
        revision: branch, tag or commit; None is all branches.
        may_name_a_folder: whether the revision was read from an address, where a folder may follow the branch.
    """

    repo_id: str
    revision: str | None = None
    may_name_a_folder: bool = False


def parse_target(text: str, *, endpoint: str = "https://huggingface.co") -> Target | None:
    """The repo and branch that a text names; None when it names none.

    Args:
        text: as typed.
        endpoint: the Hub's address, whose pages count as addresses beside those of the mirrors.

    >>> parse_target("owner/name:4.0bpw"), parse_target("hf://owner/name@refs%2Fpr%2F1")
    (Target(repo_id='owner/name', revision='4.0bpw', may_name_a_folder=False), Target(repo_id='owner/name', \
revision='refs/pr/1', may_name_a_folder=False))
    >>> parse_target("https://huggingface.co/owner/name/tree/exp/6_5?x=1").revision, parse_target("../etc/passwd")
    ('exp/6_5', None)
    """
    text = text.strip()
    if text.startswith("hf://"):
        return _target(*_split(text.removeprefix("hf://").removeprefix("models/"), "@"))
    path = _path_of_address(text, endpoint)
    if path is None:
        return _target(*_split(text, ":"))
    repo_id, revision = _split("/".join(path.split("/")[:2]), ":")[0], None
    kind, _, rest = path.removeprefix(repo_id).strip("/").partition("/")
    if kind == "tree" and rest:
        revision = rest
    elif kind:
        return None
    return _target(repo_id, revision, may_name_a_folder=True)


def _split(text: str, separator: str) -> tuple[str, str | None]:
    repo_id, found, revision = text.partition(separator)
    return repo_id, percent_decode(revision) if found else None


def _target(repo_id: str, revision: str | None, *, may_name_a_folder: bool = False) -> Target | None:
    if isinstance(checked_repo_id(repo_id), Refused) or repo_id.split("/")[0] in _OTHER_KINDS:
        return None
    if revision is not None and isinstance(ref_name(revision), Refused):
        return None
    return Target(repo_id, revision, may_name_a_folder and revision is not None and "/" in revision)


def _path_of_address(text: str, endpoint: str) -> str | None:
    """The decoded path of a page of the Hub or of a mirror of it; None for what is no address of one."""
    plain = re.split(r"[?#]", text, maxsplit=1)[0].rstrip("/")
    if plain.startswith(endpoint.rstrip("/") + "/"):
        path = plain.removeprefix(endpoint.rstrip("/"))
    else:
        found = re.fullmatch(r"(?:https?://)?((?:[\w-]+\.)*(?:hf|hugg)[\w.-]*\.\w+)/(.*)", plain, re.IGNORECASE)
        if found is None or ("://" not in text and found[1].lower() not in ("huggingface.co", "hf.co")):
            return None
        path = found[2]
    return percent_decode(path.strip("/"))
