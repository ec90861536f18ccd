"""The part of the Hub's API that huggingface_hub uses to read models, on loopback.

Refs, repo information, trees page by page, and files: small ones served here, large (LFS) ones as a redirect to
wherever `LoopbackHub.link` says. Header and error names are those of huggingface.co as huggingface_hub 2.4.0 reads them
(``file_download.py``, ``utils/_http.py``); what it sends with which status is what others recorded of
huggingface.co, last on 2026-10-02.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

PAGE_FILES: Final = 1000
"""Files per page of a tree, as on the Hub."""
_RATE: Final = {"RateLimit": '"api";r=499;t=295', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'}
"""On every answer of the Hub, refusals and redirects too."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a branch.

    Args:
        path: in the repo.
        size_bytes: its size.
        sha256: of the content where it is a large (LFS) file, else None.
        content: what is served; None for a large file whose bytes lie elsewhere, or nowhere.
    """

    path: str
    size_bytes: int
    sha256: str | None = None
    content: bytes | None = None

    @classmethod
    def small(cls, path: str, content: bytes | str) -> Self:
        """A file that git itself holds."""
        data = content.encode() if isinstance(content, str) else content
        return cls(path, len(data), None, data)

    @classmethod
    def large(cls, path: str, content: bytes) -> Self:
        """An LFS file."""
        return cls(path, len(content), hashlib.sha256(content).hexdigest(), content)

    @property
    def blob_sha1(self) -> str:
        """Git's hash of the file, or of the pointer to a large one."""
        data = self.content if self.sha256 is None else self._pointer
        assert data is not None, "only a large file has no content here"
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()

    @property
    def _pointer(self) -> bytes:
        head = "version https://git-lfs.github.com/spec/v1"
        return f"{head}\noid sha256:{self.sha256}\nsize {self.size_bytes}\n".encode()


@dataclass(frozen=True, slots=True)
class HubRepo:
    """One repo: its branches' files, by branch name.

    Args:
        branches: the files of each branch.
        converts: names under ``refs/convert``.
        renamed_from: former ``owner/name``, which redirect here.
        gated: whether files are refused to everyone.
        token: the only token that may see the repo; None is public.
        tags: what the Hub says of it: ``base_model:quantized:OWNER/NAME`` is what lists it under a model.
    """

    branches: Mapping[str, Sequence[HubFile]]
    converts: Sequence[str] = ()
    renamed_from: Sequence[str] = ()
    gated: bool = False
    token: str | None = None
    tags: Sequence[str] = ()
    _commits: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def commit(self, branch: str) -> str:
        """The commit of a branch: it changes with any of its files."""
        if branch not in self._commits:
            self._commits[branch] = self._commit(branch)
        return self._commits[branch]

    def _commit(self, branch: str) -> str:
        rows = [f"{file.path} {file.blob_sha1} {file.size_bytes}" for file in self.branches[branch]]
        return hashlib.sha1("\n".join([branch, *rows]).encode(), usedforsecurity=False).hexdigest()

    def resolve(self, revision: str) -> str | None:
        """The branch that a branch name or commit means."""
        return next((name for name in self.branches if revision in (name, self.commit(name))), None)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came: method, decoded path, query, headers in lower case, body, and the query undecoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    raw_query: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, value: object, headers: Mapping[str, str] | None = None) -> Self:
        """A JSON answer."""
        return cls(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    @classmethod
    def error(cls, status: int, code: str, message: str) -> Self:
        """A refusal in the Hub's words; some have no code."""
        body = json.dumps({"error": message}).encode()
        return cls(status, body, {**({"X-Error-Code": code} if code else {}), "X-Error-Message": message})


class LoopbackHub:
    """A Hub that serves these repos on 127.0.0.1 until it is closed; a context manager.

    Args:
        repos: by ``owner/name``. May be changed while it runs.
        link: the address of a large file's bytes on another host; None has the Hub serve its content itself, as mirrors
            do.

    Attributes:
        redirects_small: whether small files lie behind a redirect to ``/api/resolve-cache``, as on the Hub since 2025.
        revoked: tokens that it does not accept any more.
    """

    def __init__(self, repos: Mapping[str, HubRepo], *, link: Callable[[HubFile], str] | None = None) -> None:
        self.repos = dict(repos)
        self.link = link
        self.page_files = PAGE_FILES
        self.redirects_small = False
        self.revoked: set[str] = set()
        self.requests: list[Request] = []
        hub = self

        class Handler(_Handler):
            def respond(self, request: Request) -> Response:
                hub.requests.append(request)
                return hub.answer(request)

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: Request) -> Response:
        """The answer to one request; where a faulty Hub interferes."""
        parts = [part for part in request.path.split("/") if part]
        if request.headers.get("authorization", "").removeprefix("Bearer ") in self.revoked:
            return Response.error(401, "", "Invalid credentials in Authorization header")
        if parts[:3] == ["api", "resolve-cache", "models"]:
            return self._cached(parts[3:], request)
        is_api = parts[:2] == ["api", "models"]
        if request.path == "/api/models":
            return self._list(request)
        owner_name = parts[2:4] if is_api else parts[:2]
        rest = parts[4:] if is_api else parts[2:]
        repo_id = "/".join(owner_name)
        for now, repo in self.repos.items():
            if repo_id in repo.renamed_from or (repo_id != now and repo_id.casefold() == now.casefold()):
                query = f"?{request.raw_query}" if request.raw_query else ""
                return Response(307, b"", {"Location": quote(request.path.replace(repo_id, now, 1)) + query})
        found = self.repos.get(repo_id)
        if found is None or (found.token and request.headers.get("authorization") != f"Bearer {found.token}"):
            if "authorization" in request.headers:
                return Response.error(404, "RepoNotFound", "Repository not found")
            return Response.error(401, "", "Invalid username or password.")
        return self._about(repo_id, found, is_api, rest, request)

    def _list(self, request: Request) -> Response:
        """The repos with a tag, each with no more than is asked for."""
        tag, limit = request.query.get("filter", ""), int(request.query.get("limit", "1000"))
        found = [(name, repo) for name, repo in self.repos.items() if tag in repo.tags and repo.token is None]
        pages = [self._information(name, repo, "main", with_sizes=False) for name, repo in found[:limit]]
        return Response.of_json([_expanded(page, request) for page in pages])

    def _about(self, repo_id: str, repo: HubRepo, is_api: bool, rest: list[str], request: Request) -> Response:
        if is_api and rest == ["refs"]:
            return Response.of_json(self._refs(repo))
        kind = rest[0] if rest else "revision"
        branch, path = _split_revision(repo, rest[1:] or ["main"])
        if branch is None:
            return Response.error(404, "RevisionNotFound", f"Invalid rev id: {'/'.join(rest[1:])}")
        if is_api and kind == "revision":
            about = self._information(repo_id, repo, branch, with_sizes="blobs" in request.query)
            return Response.of_json(_expanded(about, request))
        if is_api and kind == "tree":
            return self._tree(repo_id, repo, branch, request)
        if is_api and kind == "paths-info":
            wanted = _wanted_paths(request)
            return Response.of_json([_entry(file) for file in repo.branches[branch] if file.path in wanted])
        file = next((file for file in repo.branches[branch] if file.path == path), None)
        if kind != "resolve" or file is None:
            return Response.error(404, "EntryNotFound", "Entry not found")
        if repo.gated:
            status = 403 if "authorization" in request.headers else 401
            return Response.error(status, "GatedRepo", f"Access to model {repo_id} is restricted")
        if self.redirects_small and file.sha256 is None:
            address = f"/api/resolve-cache/models/{repo_id}/{repo.commit(branch)}/{path}"
            asked = urlencode({request.path: "", "etag": f'"{file.blob_sha1}"'})
            return Response(
                307, b"Temporary Redirect", {"Location": f"{quote(address)}?{asked}", **_linked(repo, branch, file)}
            )
        return self._file(repo, branch, file, request)

    def _cached(self, parts: list[str], request: Request) -> Response:
        """A small file where its ``resolve`` address leads."""
        repo = self.repos["/".join(parts[:2])]
        branch, path = _split_revision(repo, parts[2:])
        assert branch is not None, "only addresses that were given are asked for"
        file = next(file for file in repo.branches[branch] if file.path == path)
        return self._file(repo, branch, file, request)

    def _refs(self, repo: HubRepo) -> Any:  # noqa: ANN401 - JSON
        def ref(kind: str, name: str, commit: str) -> dict[str, str]:
            return {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": commit}

        return {
            "branches": [ref("heads", name, repo.commit(name)) for name in repo.branches],
            "converts": [ref("convert", name, repo.commit("main")) for name in repo.converts],
            "tags": [],
        }

    def _information(self, repo_id: str, repo: HubRepo, branch: str, *, with_sizes: bool) -> Any:  # noqa: ANN401 - JSON
        siblings = [
            {"rfilename": file.path}
            | ({"size": file.size_bytes, "blobId": file.blob_sha1, **_lfs(file, "sha256")} if with_sizes else {})
            for file in repo.branches[branch]
        ]
        about = {"_id": _object_id(repo_id), "id": repo_id, "modelId": repo_id, "private": False, **_bases(repo)}
        about |= {"sha": repo.commit(branch), "gated": "manual" if repo.gated else False, "disabled": False}
        return about | {"siblings": siblings, "tags": list(repo.tags), "downloads": 0, "likes": 0}

    def _tree(self, repo_id: str, repo: HubRepo, branch: str, request: Request) -> Response:
        start = int(request.query.get("cursor", "0"))
        files = repo.branches[branch]
        page: list[Any] = [_entry(file) for file in files[start : start + self.page_files]]
        folders = dict.fromkeys(file.path.rpartition("/")[0] for file in files)
        if start == 0:
            page += [{"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in folders if path]
        after = start + self.page_files
        address = f"{self.url}/api/models/{repo_id}/tree/{repo.commit(branch)}?recursive=True&cursor={after}"
        return Response.of_json(page, {"Link": f'<{address}>; rel="next"'} if after < len(files) else {})

    def _file(self, repo: HubRepo, branch: str, file: HubFile, request: Request) -> Response:
        headers = {"X-Repo-Commit": repo.commit(branch), "Accept-Ranges": "bytes", "Content-Type": "text/plain"}
        if file.sha256 is None:
            return _ranged(file.content or b"", headers | {"ETag": f'"{file.blob_sha1}"'}, request)
        headers |= _linked(repo, branch, file)
        if self.link is None:
            return _ranged(file.content or b"", headers | {"ETag": f'"{file.sha256}"'}, request)
        link = self.link(file)
        headers |= {"Location": link, "ETag": f'"{file.sha256}"', "X-Xet-Hash": _xet_hash(file)}
        return Response(302, f"Found. Redirecting to {link}".encode(), headers)


def _object_id(repo_id: str) -> str:
    return hashlib.sha1(repo_id.encode(), usedforsecurity=False).hexdigest()[:24]


def _bases(repo: HubRepo) -> dict[str, Any]:
    """``baseModels`` as the tags imply it; absent where there is none."""
    said = [tag.split(":") for tag in repo.tags if tag.startswith("base_model:")]
    models = [{"_id": _object_id(one[2]), "id": one[2]} for one in said if len(one) == 3]
    return (
        {"baseModels": {"relation": next(one[1] for one in said if len(one) == 3), "models": models}} if models else {}
    )


def _linked(repo: HubRepo, branch: str, file: HubFile) -> dict[str, str]:
    """What a redirect to a file says of the file."""
    hash_hex = file.sha256 or file.blob_sha1
    return {
        "X-Repo-Commit": repo.commit(branch),
        "X-Linked-ETag": f'"{hash_hex}"',
        "X-Linked-Size": str(file.size_bytes),
    }


def _xet_hash(file: HubFile) -> str:
    """A hash of the content that is not its SHA-256."""
    return hashlib.sha256(f"xet {file.sha256}".encode()).hexdigest()


def _entry(file: HubFile) -> dict[str, Any]:
    xet = {} if file.sha256 is None else {"xetHash": _xet_hash(file)}
    entry = {"type": "file", "oid": file.blob_sha1, "size": file.size_bytes, "path": file.path}
    return {**entry, **_lfs(file, "oid"), **xet}


def _expanded(about: dict[str, Any], request: Request) -> dict[str, Any]:
    """A repo's information as far as ``expand`` asks for it; all without one."""
    asked = parse_qs(request.raw_query).get("expand")
    return about if asked is None else {key: about[key] for key in ("_id", "id", *asked) if key in about}


def _wanted_paths(request: Request) -> Sequence[str]:
    """The paths in a question about some files: a form from huggingface_hub, JSON from others."""
    if request.headers.get("content-type", "").startswith("application/json"):
        paths = json.loads(request.body)["paths"]
        return [paths] if isinstance(paths, str) else list(paths)
    return parse_qs(request.body.decode())["paths"]


def _lfs(file: HubFile, hash_key: str) -> dict[str, Any]:
    if file.sha256 is None:
        return {}
    return {"lfs": {hash_key: file.sha256, "size": file.size_bytes, "pointerSize": len(file._pointer)}}


def _split_revision(repo: HubRepo, parts: Sequence[str]) -> tuple[str | None, str]:
    """The branch and the path behind it; a branch may have slashes in its name."""
    for count in range(len(parts), 0, -1):
        branch = repo.resolve("/".join(parts[:count]))
        if branch is not None:
            return branch, "/".join(parts[count:])
    return None, ""


def _ranged(content: bytes, headers: Mapping[str, str], request: Request) -> Response:
    """The content, or the single range of it that was asked for."""
    wanted = request.headers.get("range", "")
    if not wanted.startswith("bytes=") or not content:
        return Response(200, content, headers)
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    start, end = int(first), min(int(last or len(content) - 1), len(content) - 1)
    if start > end:
        return Response(416, b"", {**headers, "Content-Range": f"bytes */{len(content)}"})
    span = f"bytes {start}-{end}/{len(content)}"
    return Response(206, content[start : end + 1], {**headers, "Content-Range": span})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 30

    def respond(self, request: Request) -> Response:
        raise NotImplementedError

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        headers = {key.lower(): value for key, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        response = self.respond(Request(self.command, unquote(address.path), query, headers, body, address.query))
        self.send_response(response.status)
        for key, value in {**_RATE, **response.headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    do_HEAD = do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Quiet."""
