"""The answers of the Hub's API, from the Hub or a mirror, as checked values.

Not through `HfApi`: its calls have no timeout, wait for a rate limit without bound and log every retry (2.4.0).
"""

import json
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from huggingface_hub import constants, get_token
from huggingface_hub.utils import fix_hf_endpoint_in_url

from quantpick._version import USER_AGENT
from quantpick.core import defaults, repo
from quantpick.core.refusal import asked_pause_s, read_refusal
from quantpick.core.repo import Refused, RepoFile
from quantpick.errors import AccessError, HubError, NotFoundError, QuantpickError, UsageError
from quantpick.hub.ask import Deadline, NotNow, Reply, get, host, proxy_wants_login
from quantpick.waits import Teller

ATTEMPTS: Final = 4
"""Tries of one request; the pauses between are about 0.5, 1 and 2 s."""
MAX_WAIT_S: Final = 60.0
"""The longest a rate limit is waited for; the Hub's windows are 300 s (hub-docs, "Rate limits")."""
MAX_TEXT_BYTES: Final = 8 * 2**20
"""A card or config larger than this is not read; the largest real cards are under 1 MB."""
HEAD_BYTES: Final = 2**18
"""Read of a GGUF file. Its keys about the model take 2 to 20 kB and precede the vocabulary, which takes megabytes."""
_MAX_BYTES: Final = 8 * 2**20
"""No answer of the API is larger: a page of a tree is 1,000 files of about 300 bytes, a branch of the refs 150."""
MAX_LISTED: Final = 100
"""The most repos to list of one model: the Hub's own page size."""
_ABOUT: Final = tuple(("expand", key) for key in ("sha", "tags", "baseModels", "cardData"))
"""What to ask about a repo (huggingface_hub 2.4.0, ``ExpandModelProperty_T``): not its files, which may be many."""
_MAX_PAGES: Final = repo.MAX_FILES // 1000
"""Pages of one tree, 1,000 files each."""

_PORTAL: Final = "does this network ask for a login in a browser? or is HF_ENDPOINT no mirror of the Hub?"
_one_at_a_time: Final = threading.Lock()
"""Held while JSON is parsed, which may take twenty times its size: many hostile answers at once could fill RAM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refs:
    """A repo's branches and other refs, each with its commit.

    Args:
        repo_id: as the Hub writes it today.
        branches: in the Hub's order.
        tags: by name.
        others: refs that the Hub itself manages, by full name (``refs/pr/1``).
        refused: impossible branches in the answer, each with the reason.
    """

    repo_id: str
    branches: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


def read_refs(repo_id: str, answer: object) -> Refs | Refused:
    """The refs in an answer of the Hub, fresh or cached.

    >>> read_refs("a/b", {"branches": [{"name": "../x", "targetCommit": "0" * 40}]}).refused
    {'../x': 'has a name that git does not allow for a branch'}
    """
    if not isinstance(answer, dict):
        return Refused("is answered with something other than a list of refs")
    found: dict[str, dict[str, str]] = {"branches": {}, "tags": {}, "others": {}}
    refused: dict[str, str] = {}
    for kind in ("branches", "tags", "converts", "pullRequests"):
        listed = answer.get(kind)
        for ref in listed if isinstance(listed, list) else ():
            about = ref if isinstance(ref, dict) else {}
            name, commit = repo.ref_name(about.get("name")), repo.commit_id(about.get("targetCommit"))
            full = repo.ref_name(about.get("ref", about.get("name")))
            bad = next((one for one in (name, commit, full) if isinstance(one, Refused)), None)
            if bad is not None:
                refused[str(about.get("name"))[:80]] = bad.reason
            elif str(full).startswith(("refs/convert/", "refs/pr/")):
                found["others"][str(full)] = str(commit)
            elif kind in found:
                found[kind][str(name)] = str(commit)
    return Refs(
        repo_id=repo_id, branches=found["branches"], tags=found["tags"], others=found["others"], refused=refused
    )


def login_header(token: str | bool | None) -> dict[str, str]:
    """The header with this token or the stored login's; empty for False, or if nobody is logged in.

    Raises:
        UsageError: the token could not be sent in a header.
    """
    secret = token if isinstance(token, str) else None if token is False else _stored_login()
    if not secret:
        return {}
    if not secret.isascii() or not secret.isprintable():
        raise UsageError("the token for the Hub holds characters that no token has", hint="check HF_TOKEN")
    return {"authorization": f"Bearer {secret}"}


def _stored_login() -> str | None:
    """The token of ``HF_TOKEN`` or ``hf auth login``; None if its file cannot be read."""
    try:
        return get_token()
    except (OSError, ValueError):
        return None


def file_url(repo_id: str, commit: str, path: str) -> str:
    """The address of a file of one commit."""
    return f"{constants.ENDPOINT}/{repo_id}/resolve/{commit}/{quote(path)}"


class Client:
    """The Hub's answers as values, its refusals as `QuantpickError`.

    Args:
        token: a token instead of the stored login; False sends none.
        timeout_s: seconds for all requests together.
    """

    def __init__(self, token: str | bool | None = None, *, timeout_s: float = defaults.TIMEOUT_S) -> None:
        if not _is_address(constants.ENDPOINT):
            raise UsageError(f"`{constants.ENDPOINT}` is not the address of a Hub", hint="check HF_ENDPOINT")
        self._deadline = Deadline(timeout_s)
        self._teller = Teller()
        self._headers = {
            "user-agent": f"{USER_AGENT}; hf_hub/{version('huggingface_hub')}",
            **login_header(token),
        }

    def refs(self, repo_id: str, *, revision: str | None = None) -> tuple[Refs, Any]:
        """The repo's refs, and the answer they were read from.

        Args:
            repo_id: as asked for.
            revision: the only one wanted. A mirror without refs is asked for its commit instead.

        Raises:
            NotFoundError, AccessError, HubError: the Hub refuses, or does not answer as it does.
        """
        params = {"include_prs": "1"} if revision is not None and revision.startswith("refs/pr/") else None
        reply = self._ask(self._api(repo_id, "refs"), params=params)
        if revision is not None and not reply.is_success and _knows_no_such_route(reply):
            return self._commit_of(repo_id, revision, reply)
        answer = _json(_granted(reply, repo_id), repo_id)
        refs = _taken(read_refs(_name_today(repo_id, reply), answer), repo_id)
        if not refs.branches and refs.refused:
            raise nonsense(repo_id, f"its branch {next(iter(refs.refused.values()))}")
        return refs, answer

    def _commit_of(self, repo_id: str, revision: str, refused: Reply) -> tuple[Refs, Any]:
        """The refs with one revision only: from ``/api/models/R/revision/V``, which proxies have."""
        reply = self._ask(self._api(repo_id, "revision", revision))
        if not reply.is_success and _knows_no_such_route(reply):
            _granted(refused, repo_id)
        document = _json(_granted(reply, repo_id), repo_id)
        commit = _taken(repo.commit_id(document.get("sha") if isinstance(document, dict) else None), repo_id)
        answer = {"branches": [{"name": revision, "targetCommit": commit}]}
        return _taken(read_refs(repo_id, answer), repo_id), answer

    def tree(self, repo_id: str, commit: str) -> tuple[RepoFile, ...] | Refused:
        """All files of one commit, or why the list is unusable."""
        url, params = self._api(repo_id, "tree", commit), {"recursive": "True"}
        files: list[RepoFile | Refused] = []
        for _ in range(_MAX_PAGES):
            reply = self._ask(url, params=params)
            if not files and not reply.is_success and _knows_no_such_route(reply):
                return self._siblings(repo_id, commit, reply)
            page = _json(_granted(reply, repo_id), repo_id)
            if not isinstance(page, list):
                return Refused("is answered with something other than a list of files")
            files += [_tree_entry(entry) for entry in page if not _is_folder(entry)]
            next_url = reply.next_url
            if next_url is None:
                return repo.file_list(files)
            url, params = _same_host(next_url), {}
        return Refused(f"lists more than {repo.MAX_FILES} files")

    def _siblings(self, repo_id: str, commit: str, refused: Reply) -> tuple[RepoFile, ...] | Refused:
        """The files listed in the repo's information, for a mirror without trees."""
        reply = self._ask(self._api(repo_id, "revision", commit), params={"blobs": "True"})
        if not reply.is_success and _knows_no_such_route(reply):
            _granted(refused, repo_id)
        document = _json(_granted(reply, repo_id), repo_id)
        siblings = document.get("siblings") if isinstance(document, dict) else None
        if not isinstance(siblings, list):
            return Refused("is answered with something other than a list of files")
        return repo.file_list(_sibling(entry) for entry in siblings)

    def text(self, repo_id: str, commit: str, path: str) -> bytes | None:
        """A small file of one commit; None if there is none, or it exceeds `MAX_TEXT_BYTES`."""
        reply = self._ask(file_url(repo_id, commit, path), limit=MAX_TEXT_BYTES)
        if reply.status == 404 and read_refusal(reply.status, reply.headers) in ("no-file", "no-route"):
            return None
        return _granted(reply, repo_id).body

    def beginning(self, repo_id: str, commit: str, path: str) -> bytes | None:
        """The first `HEAD_BYTES` of a file of one commit; None if there is none, or it is empty."""
        reply = self._ask(file_url(repo_id, commit, path), limit=HEAD_BYTES, beginning=True)
        if reply.status == 416:
            return None
        if reply.status == 404 and read_refusal(reply.status, reply.headers) in ("no-file", "no-route"):
            return None
        return _granted(reply, repo_id).body

    def about(self, repo_id: str) -> Any:  # noqa: ANN401 - parsed JSON
        """What the Hub knows about a repo's commit, tags and base models."""
        reply = self._ask(f"{self._api(repo_id)}?{urlencode(_ABOUT)}")
        return _json(_granted(reply, repo_id), repo_id)

    def quantizations(self, base: str) -> Any:  # noqa: ANN401 - parsed JSON
        """The same about the repos it lists as quantizations of a model: one page, the most downloaded first.

        None from a mirror that lists nothing.
        """
        asked = [("filter", f"base_model:quantized:{base}"), ("sort", "downloads"), ("limit", str(MAX_LISTED))]
        reply = self._ask(f"{constants.ENDPOINT}/api/models?{urlencode([*asked, *_ABOUT])}")
        if not reply.is_success and read_refusal(reply.status, reply.headers) in ("no-route", "no-login"):
            return None
        return _json(_granted(reply, base), base)

    def _api(self, repo_id: str, *parts: str) -> str:
        return "/".join((f"{constants.ENDPOINT}/api/models/{repo_id}", *(quote(part, safe="") for part in parts)))

    def _ask(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        limit: int = _MAX_BYTES,
        beginning: bool = False,
    ) -> Reply:
        """One request, retried if that may help."""
        waited, hint = 0.0, "try again later"
        for attempt in range(1, ATTEMPTS + 1):
            asked: float | None = None
            try:
                reply = get(
                    url,
                    self._headers,
                    params=params,
                    limit=limit,
                    deadline=self._deadline,
                    beginning=beginning,
                    teller=self._teller,
                )
                if reply.is_success or read_refusal(reply.status, reply.headers) != "busy":
                    return reply
                asked = asked_pause_s(reply.headers, now_s=time.time())
                problem = "limits the rate of requests (429)" if reply.status == 429 else f"answers {reply.status}"
            except NotNow as error:
                problem, hint = str(error), error.hint
            pause = max(asked or 0.0, 2 ** (attempt - 2) * random.uniform(0.8, 1.2))  # noqa: S311
            waited += pause
            wait = f"; it asks to wait {asked:.0f} s" if asked else ""
            if attempt == ATTEMPTS or waited > min(MAX_WAIT_S, self._deadline.left_s):
                raise HubError(f"`{host(url)}` {problem}{wait}", hint=hint)
            self._teller.tell(f"`{host(url)}` {problem}{wait}; trying again")
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")


def _knows_no_such_route(reply: Reply) -> bool:
    return read_refusal(reply.status, reply.headers) == "no-route"


def _granted(reply: Reply, repo_id: str) -> Reply:
    """The reply, if it is a success; else the error that tells the user what to do."""
    if not reply.is_success:
        raise _refusal(reply, repo_id)
    return reply


def _json(reply: Reply, repo_id: str) -> Any:  # noqa: ANN401 - parsed JSON
    """The JSON in an answer.

    Raises:
        HubError: there is none.
    """
    if reply.body is None:
        raise nonsense(repo_id, f"it sends more than {_MAX_BYTES} bytes")
    try:
        with _one_at_a_time:
            return json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        if (reply.headers.get("content-type") or "").startswith("text/html"):
            raise nonsense(repo_id, "it sends a web page", hint=_PORTAL) from error
        raise nonsense(repo_id, "it sends no JSON") from error


def _taken(value: Any, repo_id: str) -> Any:  # noqa: ANN401 - whatever went in, without `Refused`
    if isinstance(value, Refused):
        raise nonsense(repo_id, f"the repo {value.reason}")
    return value


def nonsense(repo_id: str, why: str, hint: str = "is HF_ENDPOINT a mirror of the Hub?") -> HubError:
    """The error about an answer that breaks the Hub's API."""
    return HubError(
        f"`{host(constants.ENDPOINT)}` does not answer as the Hub does about `{repo_id}`: {why}",
        hint=hint,
    )


def _name_today(repo_id: str, reply: Reply) -> str:
    """The repo's current name, by the Hub's redirect to its refs; only the Hub is believed."""
    moved_to = re.search(r"/api/models/([^/]+/[^/]+)/refs$", urlsplit(reply.url).path)
    name = repo.repo_id(moved_to[1]) if moved_to and _is_hub(reply.url) else repo_id
    return repo_id if isinstance(name, Refused) else name


def _is_address(endpoint: str) -> bool:
    """Whether a Hub can have this address; huggingface_hub 2.0 looks at it only when it asks."""
    try:
        address = urlsplit(endpoint)
        named = bool(address.hostname) and address.netloc.isprintable()
        return named and address.scheme in ("https", "http") and address.port != 0
    except ValueError:  # no port has this name
        return False


def _is_hub(url: str) -> bool:
    return urlsplit(url)[:2] == urlsplit(constants.ENDPOINT)[:2]


def _same_host(next_url: str) -> str:
    """The address of the next page, which must be on the Hub's own host: it gets the token."""
    try:
        link = fix_hf_endpoint_in_url(next_url, constants.ENDPOINT)
        if _is_hub(link):
            return link
    except ValueError:
        pass
    raise HubError(f"the Hub's list of files goes on at another host, `{host(next_url)}`")


def _is_folder(entry: object) -> bool:
    """Whether an entry of ``/tree`` is none of a file: a folder, or a submodule (``unknown`` in the Hub's OpenAPI)."""
    return isinstance(entry, dict) and entry.get("type") in ("directory", "commit", "unknown")


def _tree_entry(entry: object) -> RepoFile | Refused:
    """A file of ``/tree``."""
    if not isinstance(entry, dict) or entry.get("type") != "file":
        return Refused("is answered with something other than a list of files")
    return _entry(entry.get("path"), entry, entry.get("oid"), "oid")


def _sibling(entry: object) -> RepoFile | Refused:
    """A file of ``/revision?blobs=True``."""
    if not isinstance(entry, dict):
        return Refused("is answered with something other than a list of files")
    return _entry(entry.get("rfilename"), entry, entry.get("blobId"), "sha256")


def _entry(path: object, entry: Mapping[str, Any], blob_sha1: object, hash_key: str) -> RepoFile | Refused:
    large = entry.get("lfs")
    if large is None or large == {}:
        return repo.repo_file(path, entry.get("size"), blob_sha1)
    if not isinstance(large, dict):
        return Refused(f"lists `{path}` with something that is not a hash")
    sha256 = large.get(hash_key) or large.get("oid") or large.get("sha256")
    return repo.repo_file(path, large.get("size", entry.get("size")), blob_sha1, sha256 or "")


def _refusal(reply: Reply, repo_id: str) -> QuantpickError:
    """The Hub's refusal as an error that says what to do."""
    if reply.status == 407:
        return proxy_wants_login()
    match read_refusal(reply.status, reply.headers):
        case "gated":
            return AccessError(
                f"`{repo_id}` is gated: its licence must be accepted",
                hint=f"accept it on {constants.ENDPOINT}/{repo_id}, then: hf auth login",
            )
        case "disabled":
            return AccessError(f"`{repo_id}` was disabled by the Hub")
        case "no-repo":
            return NotFoundError(f"no repo `{repo_id}`", hint="if it is private: hf auth login")
        case "bad-login":
            return AccessError(
                f"`{host(reply.url)}` does not accept the token: it is wrong, revoked or expired",
                hint="hf auth login; or without one: unset HF_TOKEN, hf auth logout",
            )
        case "no-login":
            return AccessError(
                f"`{repo_id}` does not exist, or it is private and there is no valid login",
                hint="check the name, or: hf auth login",
            )
        case "forbidden":
            return AccessError(
                f"access to `{repo_id}` is refused (403)", hint="does the token have the right to read it?"
            )
        case "no-revision" | "no-file":
            return NotFoundError(f"`{repo_id}` has no such branch or file")
    if reply.status == 404:
        return NotFoundError(
            f"`{host(constants.ENDPOINT)}` has no repo `{repo_id}`, or no such branch or file in it",
            hint="check the name; if it is private: hf auth login",
        )
    return HubError(f"the Hub answers {reply.status} about `{repo_id}`")
