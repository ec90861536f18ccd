"""Addresses of the Hub, as cards link them and as people paste them."""

import re
from typing import Final, NamedTuple

_NO_OWNER: Final = frozenset(
    (
        "datasets",
        "spaces",
        "docs",
        "papers",
        "collections",
        "blog",
        "models",
        "join",
        "settings",
        "posts",
        "organizations",
    )
)
_REPO_PART: Final = re.compile(r"[\w][\w.-]{0,95}")
_GIT_REF: Final = re.compile(r"\w(?:[\w.+=@,/-]{0,198}[\w+=@-])?")


class HubUrl(NamedTuple):
    """An address on the Hub.

    Args:
        repo_id: ``owner/name``, or None for an address relative to the card's own repo.
        branch: the branch whose top it shows; None for a repo's front page.
    """

    repo_id: str | None
    branch: str | None


def read_hub_url(url: str) -> HubUrl | None:
    """The repo or branch that an address shows; None for a file, a folder, a data set or another site.

    Mirrors count (any host with "hugg" or "hf" in its name), and so do addresses without a host, as the Hub itself
    resolves them. The branch is percent-decoded.

    >>> read_hub_url("https://huggingface.co/owner/name-exl2/tree/4.0bpw%2Dh6?x=1")
    HubUrl(repo_id='owner/name-exl2', branch='4.0bpw-h6')
    >>> read_hub_url("/owner/name/tree/6_5"), read_hub_url("https://huggingface.co/owner/name/")
    (HubUrl(repo_id='owner/name', branch='6_5'), HubUrl(repo_id='owner/name', branch=None))
    >>> read_hub_url("https://huggingface.co/o/n/tree/main/8.00bpw"), read_hub_url("https://github.com/o/n/tree/dev")
    (None, None)
    """
    path = re.split(r"[?#]", url.strip(), maxsplit=1)[0]
    scheme, separator, rest = path.rpartition("://")
    if separator or path.lower().startswith(("huggingface.co/", "hf.co/")):
        host, _, path = rest.lstrip("/").partition("/")
        if len(scheme) > 5 or not re.search("hugg|hf", host, re.IGNORECASE):
            return None
    elif not path.startswith("/"):
        return _read_own_path(path)
    parts = [percent_decode(part) for part in path.split("/") if part]
    if len(parts) < 2 or parts[0] in _NO_OWNER or not all(_REPO_PART.fullmatch(part) for part in parts[:2]):
        return None
    repo_id = "/".join(parts[:2])
    if len(parts) == 2:
        return HubUrl(repo_id, None)
    return HubUrl(repo_id, parts[3]) if parts[2] == "tree" and len(parts) == 4 and is_git_ref(parts[3]) else None


def _read_own_path(path: str) -> HubUrl | None:
    """``tree/x`` or ``../tree/x``, relative to the repo whose card it is."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    if len(parts) == 2 and parts[0] == "tree" and is_git_ref(branch := percent_decode(parts[1])):
        return HubUrl(None, branch)
    return None


def is_git_ref(text: str) -> bool:
    """Whether a text could name a branch; stricter than git, so that it is safe in a path and in a command.

    >>> is_git_ref("gptq-8bit--1g-actorder_True"), is_git_ref("More to come"), is_git_ref("../x"), is_git_ref("-rf")
    (True, False, False, False)
    """
    return bool(_GIT_REF.fullmatch(text)) and ".." not in text and "//" not in text and not text.startswith("refs/")


def percent_decode(text: str) -> str:
    r"""``%xx`` as UTF-8, as `urllib.parse.unquote`, which the core may not import.

    >>> percent_decode("4.0bpw%2Dh6"), percent_decode("100%"), percent_decode("%E4%B8%AD")
    ('4.0bpw-h6', '100%', '中')
    """
    return re.sub(
        r"(?:%[0-9a-fA-F]{2})+", lambda run: bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "replace"), text
    )
