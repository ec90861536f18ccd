"""Addresses of the Hub, as cards link them and people paste them, taken apart in one place."""

import re
from typing import Final, NamedTuple

OTHER_KINDS: Final = {
    "datasets": "dataset",
    "spaces": "Space",
    "buckets": "bucket",
    "collections": "collection",
    "papers": "paper",
    "kernels": "kernel",
}
"""First parts of a path to something other than a model, and what that is."""
_NO_OWNER: Final = frozenset(
    (*OTHER_KINDS, "docs", "blog", "models", "join", "settings", "posts", "organizations", "tasks", "login", "api")
)
_REPO_PART: Final = re.compile(r"[\w][\w.-]{0,95}")
_GIT_REF: Final = re.compile(r"\w(?:[\w.+=@,/-]{0,198}[\w+=@-])?")
_ADDRESS: Final = re.compile(
    r"(?P<scheme>https?://)?(?:[^\s/@]{1,100}@)?(?P<host>(?:[\w-]{1,63}\.){0,8}(?:hf|hugg)[\w-]{0,63}(?:\.[\w-]{1,63}){1,8})"
    r"(?::\d{1,5})?(?:/|$)",
    re.IGNORECASE,
)
_KNOWN_WITHOUT_SCHEME: Final = ("huggingface.co", "hf.co")


class HubUrl(NamedTuple):
    """What a link in a card leads to.

    Args:
        repo_id: ``owner/name``, or None for an address relative to the card's own repo.
        branch: the branch whose top level it shows; None for a repo's front page.
    """

    repo_id: str | None
    branch: str | None


def hub_path(text: str, *, endpoint: str = "") -> tuple[str, ...] | None:
    """The parts of the path of a page of the Hub or of a mirror, each percent-decoded; None for other addresses.

    A mirror is any host with a label that begins with "hf" or "hugg".

    Args:
        text: the address; without ``https://``, only huggingface.co and hf.co count as hosts.
        endpoint: the address of a Hub under another name.

    >>> hub_path("https://huggingface.co/owner/name/tree/4.0bpw%2Dh6?x=1#y"), hub_path("https://github.com/owner/name")
    (('owner', 'name', 'tree', '4.0bpw-h6'), None)
    """
    plain = re.split(r"[?#]", text.strip(), maxsplit=1)[0]
    own = endpoint.rstrip("/") + "/"
    if endpoint and (plain + "/").startswith(own):
        path = plain[len(own) :]
    else:
        found = _ADDRESS.match(plain)
        if found is None:
            return None
        if not found["scheme"] and found["host"].lower().removeprefix("www.") not in _KNOWN_WITHOUT_SCHEME:
            return None
        path = plain[found.end() :]
    return path_parts(path)


def path_parts(path: str) -> tuple[str, ...]:
    """The non-empty parts of a path, percent-decoded."""
    return tuple(percent_decode(part) for part in path.split("/") if part)


def read_hub_url(url: str) -> HubUrl | None:
    """The repo or branch that a link in a card leads to; None for a file, a folder, a data set or another site.

    Addresses without a host are resolved as the Hub does.

    >>> read_hub_url("https://huggingface.co/owner/name-exl2/tree/4.0bpw%2Dh6?x=1")
    HubUrl(repo_id='owner/name-exl2', branch='4.0bpw-h6')
    >>> read_hub_url("/owner/name/tree/6_5"), read_hub_url("https://huggingface.co/owner/name/")
    (HubUrl(repo_id='owner/name', branch='6_5'), HubUrl(repo_id='owner/name', branch=None))
    >>> read_hub_url("https://huggingface.co/o/n/tree/main/8.00bpw"), read_hub_url("https://github.com/o/n/tree/dev")
    (None, None)
    """
    parts = hub_path(url)
    if parts is None:
        path = re.split(r"[?#]", url.strip(), maxsplit=1)[0]
        if "://" in path:
            return None
        if not path.startswith("/"):
            return _read_own_path(path)
        parts = path_parts(path)
    if len(parts) < 2 or parts[0] in _NO_OWNER or not all(_REPO_PART.fullmatch(part) for part in parts[:2]):
        return None
    repo_id = "/".join(parts[:2])
    if len(parts) == 2:
        return HubUrl(repo_id, None)
    return HubUrl(repo_id, parts[3]) if parts[2] == "tree" and len(parts) == 4 and is_git_ref(parts[3]) else None


def _read_own_path(path: str) -> HubUrl | None:
    """``tree/x`` or ``../tree/x``, relative to the repo whose card it is."""
    parts = [part for part in path_parts(path) if part not in (".", "..")]
    return HubUrl(None, parts[1]) if len(parts) == 2 and parts[0] == "tree" and is_git_ref(parts[1]) else None


def is_git_ref(text: str) -> bool:
    """Whether a text could name a branch. Stricter than git: the name is safe in a path and in a command.

    >>> is_git_ref("gptq-8bit--1g-actorder_True"), is_git_ref("More to come"), is_git_ref("../x"), is_git_ref("-rf")
    (True, False, False, False)
    """
    return bool(_GIT_REF.fullmatch(text)) and ".." not in text and "//" not in text and not text.startswith("refs/")


def percent_decode(text: str) -> str:
    r"""The text with each ``%xx`` decoded as UTF-8, like `urllib.parse.unquote`, which the core may not import.

    >>> percent_decode("4.0bpw%2Dh6"), percent_decode("100%"), percent_decode("%E4%B8%AD")
    ('4.0bpw-h6', '100%', '中')
    """
    return re.sub(
        r"(?:%[0-9a-fA-F]{2})+", lambda run: bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "replace"), text
    )
