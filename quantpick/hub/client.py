"""Requests to the Hub, through huggingface_hub's own session.

So proxies, certificates, login and offline mode are those of ``hf``. Not through `HfApi`: its calls have no timeout,
wait for a rate limit without bound and log every retry (2.4.0).
"""

import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
from huggingface_hub import constants, get_token
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import (
    fix_hf_endpoint_in_url,
    get_session,
    hf_raise_for_status,
    parse_ratelimit_headers,
)

from quantpick.core.repo import RepoFile
from quantpick.errors import AccessError, HubError, NotFoundError, QuantpickError

Answer = TypeVar("Answer")

ATTEMPTS: Final = 4
"""How often one request is tried; the waits between are about 0.5, 1 and 2 s."""
MAX_WAIT_S: Final = 60.0
"""The longest a rate limit is waited for; the Hub's windows are 300 s (hub-docs, "Rate limits")."""
MAX_TEXT_BYTES: Final = 8 * 2**20
"""A card or config larger than this is not read; the largest real cards are under 1 MB."""
_MAX_BYTES: Final = 64 * 2**20
"""No answer of the API is larger."""
_MAX_PAGES: Final = 100
"""Pages of one tree, 1,000 files each."""
_SHA: Final = re.compile(r"[0-9a-f]{40}")
_RETRIED: Final = (408, 425, 429, 500, 502, 503, 504)


class Refs:
    """A repo's branches and what else its refs name.

    Args:
        repo_id: as the Hub writes it today.
        branches: commit of each branch, in the Hub's order.
        tags: commit of each tag.
        others: commit of each ref that the Hub itself keeps, by full name (``refs/pr/1``).
    """

    def __init__(self, repo_id: str, answer: Any) -> None:  # noqa: ANN401 - parsed JSON
        self.repo_id = repo_id
        named = {kind: _commits(answer.get(kind) or []) for kind in ("branches", "tags", "converts", "pullRequests")}
        self.branches = {name: commit for name, (ref, commit) in named["branches"].items() if not _is_own(ref)}
        self.tags = {name: commit for name, (_, commit) in named["tags"].items()}
        kept = [*named["converts"].values(), *named["pullRequests"].values(), *named["branches"].values()]
        self.others = {ref: commit for ref, commit in kept if _is_own(ref)}
        self.answer = answer


def _commits(refs: list[dict[str, str]]) -> dict[str, tuple[str, str]]:
    for ref in refs:
        if not _SHA.fullmatch(ref["targetCommit"]):
            raise ValueError("a commit that is no commit")
    return {ref["name"]: (ref.get("ref", ref["name"]), ref["targetCommit"]) for ref in refs}


def _is_own(ref: str) -> bool:
    return ref.startswith(("refs/convert/", "refs/pr/"))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back: from where in the end, what follows it, and the body; None where that was too large."""

    url: httpx2.URL
    next_url: str | None
    body: bytes | None

    def json(self) -> Any:  # noqa: ANN401 - parsed JSON
        return json.loads(self.body or b"")


def login_header(token: str | bool | None) -> dict[str, str]:
    """The header that shows the token, the stored login's or this one; none for False and where nobody is logged in."""
    secret = token if isinstance(token, str) else None if token is False else get_token()
    return {"authorization": f"Bearer {secret}"} if secret else {}


def file_url(repo_id: str, commit: str, path: str) -> str:
    """The address of a file of one commit."""
    return f"{constants.ENDPOINT}/{repo_id}/resolve/{commit}/{quote(path)}"


class Client:
    """The Hub's answers as values, its refusals as `QuantpickError`.

    Args:
        token: a token instead of the stored login; False sends none.
    """

    def __init__(self, token: str | bool | None = None) -> None:
        self._headers = {
            "user-agent": f"quantpick/{version('quantpick')}; hf_hub/{version('huggingface_hub')}",
            **login_header(token),
        }

    def refs(self, repo_id: str, *, pull_requests: bool = False) -> Refs:
        """The repo's refs, and its name as the Hub writes it today."""
        answer = self._get(
            f"{constants.ENDPOINT}/api/models/{repo_id}/refs",
            repo_id,
            params={"include_prs": "1"} if pull_requests else {},
        )
        moved_to = re.search(r"/api/models/([^/]+/[^/]+)/refs$", answer.url.path)
        return _understood(repo_id, lambda: Refs(moved_to[1] if moved_to else repo_id, answer.json()))

    def tree(self, repo_id: str, commit: str) -> tuple[RepoFile, ...]:
        """All files of one commit."""
        url = f"{constants.ENDPOINT}/api/models/{repo_id}/tree/{commit}"
        files: list[RepoFile] = []
        params = {"recursive": "True"}
        for _ in range(_MAX_PAGES):
            page = self._get(url, repo_id, params=params)
            files += _understood(repo_id, partial(_files, page))
            if page.next_url is None:
                return tuple(files)
            url, params = _same_host(page.next_url), {}
        raise HubError(f"`{repo_id}` has more than {_MAX_PAGES},000 files in one branch")

    def text(self, repo_id: str, commit: str, path: str) -> bytes | None:
        """A small file of one commit; None when there is none, or it is larger than `MAX_TEXT_BYTES`."""
        try:
            return self._get(file_url(repo_id, commit, path), repo_id, limit=MAX_TEXT_BYTES).body
        except NotFoundError:
            return None

    def _get(self, url: str, repo_id: str, *, params: dict[str, str] | None = None, limit: int = _MAX_BYTES) -> _Answer:
        """One GET, retried; what the Hub refuses becomes the error that tells the user what to do."""
        waited = 0.0
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with get_session().stream(
                    "GET", url, params=params or None, headers=self._headers, timeout=constants.DEFAULT_REQUEST_TIMEOUT
                ) as response:
                    if response.is_success:
                        return _Answer(response.url, response.links.get("next", {}).get("url"), _body(response, limit))
                    response.read()
                if response.status_code not in _RETRIED:
                    hf_raise_for_status(response)
                problem, asked = _busy(response)
            except OfflineModeIsEnabled as error:
                raise HubError("offline mode is on (HF_HUB_OFFLINE)") from error
            except HfHubHTTPError as error:
                raise _refusal(error, repo_id) from error
            except httpx2.TransportError as error:
                problem, asked = _unreachable(error), None
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise HubError(f"cannot ask `{urlsplit(url).netloc}`: {error}") from error
            pause = asked if asked is not None else 2 ** (attempt - 2) * random.uniform(0.8, 1.2)  # noqa: S311
            waited += pause
            if attempt == ATTEMPTS or waited > MAX_WAIT_S:
                wait = f"; it asks to wait {asked:.0f} s" if asked is not None else ""
                raise HubError(f"`{urlsplit(url).netloc}` {problem}{wait}", hint="try again later")
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")


def _body(response: httpx2.Response, limit: int) -> bytes | None:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def _same_host(next_url: str) -> str:
    """The address of the next page, which must be on the Hub's own host: the token goes there."""
    link = fix_hf_endpoint_in_url(next_url, constants.ENDPOINT)
    if urlsplit(link)[:2] != urlsplit(constants.ENDPOINT)[:2]:
        raise HubError(f"the Hub's list of files goes on at another host, `{urlsplit(link).netloc}`")
    return link


def _files(page: _Answer) -> list[RepoFile]:
    return [_file(entry) for entry in page.json() if entry["type"] == "file"]


def _file(entry: dict[str, Any]) -> RepoFile:
    lfs = entry.get("lfs") or {}
    size = lfs.get("size", entry["size"])
    sha256 = lfs.get("oid") or lfs.get("sha256")
    if not isinstance(size, int) or size < 0 or not isinstance(entry["path"], str):
        raise ValueError("a file without size or path")
    return RepoFile(entry["path"], size, str(entry["oid"]), None if sha256 is None else str(sha256))


def _understood(repo_id: str, read: Callable[[], Answer]) -> Answer:
    """What `read` makes of an answer.

    Raises:
        HubError: it is not what the Hub's API promises.
    """
    try:
        return read()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        host = urlsplit(constants.ENDPOINT).netloc
        raise HubError(
            f"`{host}` does not answer as the Hub does about `{repo_id}`", hint="is HF_ENDPOINT a mirror of the Hub?"
        ) from error


def _busy(response: httpx2.Response) -> tuple[str, float | None]:
    """Why the Hub does not answer now, and the seconds it asks to wait."""
    problem = "limits the rate of requests (429)" if response.status_code == 429 else f"answers {response.status_code}"
    limit = parse_ratelimit_headers(response.headers)
    if response.status_code == 429 and limit is not None and limit.remaining == 0:
        return problem, float(limit.reset_in_seconds)
    return problem, _seconds(response.headers.get("Retry-After"))


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header in seconds from now (RFC 9110, 10.2.3: a number or a date).

    >>> _seconds("3"), _seconds("soon"), _seconds("Wed, 21 Oct 2015 07:28:00 GMT")
    (3.0, None, 0.0)
    """
    from email.utils import parsedate_to_datetime

    if retry_after is None or retry_after.isdigit():
        return None if retry_after is None else float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _unreachable(error: httpx2.TransportError) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        raise HubError(
            "the Hub's certificate cannot be verified", hint="behind a proxy with a CA of its own: SSL_CERT_FILE=ca.pem"
        ) from error
    if isinstance(error, httpx2.TimeoutException):
        return "does not answer in time"
    return f"cannot be reached ({str(error) or type(error).__name__})"


def _refusal(error: HfHubHTTPError, repo_id: str) -> QuantpickError:
    """The Hub's refusal as what the user can do about it."""
    page = f"{constants.ENDPOINT}/{repo_id}"
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        return AccessError(
            f"`{repo_id}` is gated: its licence must be accepted", hint=f"accept it on {page}, then: hf auth login"
        )
    if isinstance(error, DisabledRepoError):
        return AccessError(f"`{repo_id}` was disabled by the Hub")
    if isinstance(error, RepositoryNotFoundError) and status != 401:
        return NotFoundError(f"no repo `{repo_id}`", hint="if it is private: hf auth login")
    if status == 401:
        return AccessError(
            f"`{repo_id}` does not exist, or it is private and there is no valid login",
            hint="check the name, or: hf auth login",
        )
    if status == 403:
        return AccessError(f"access to `{repo_id}` is refused (403)", hint="does the token have the right to read it?")
    if isinstance(error, RevisionNotFoundError | EntryNotFoundError) or status == 404:
        return NotFoundError(f"`{repo_id}` has no such branch or file")
    return HubError(f"the Hub answers {status} about `{repo_id}`")
