"""What was fetched by commit, kept under the Hub's cache home: it never changes, so it is never fetched again.

``$HF_HOME/quantpick/<host>/<owner>--<name>/``: ``refs.json`` (the last answer, for offline use),
``trees/<commit>.json`` and ``files/<git blob sha1>``. A cache that cannot be read or written is as good as an empty
one.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from quantpick.core.repo import RepoFile


class Cache:
    """The facts known of one repo.

    Args:
        repo_id: ``owner/name`` as asked for.
    """

    def __init__(self, repo_id: str) -> None:
        host = constants.ENDPOINT.partition("://")[2].replace("/", "_").replace(":", "_")
        self._folder = Path(constants.HF_HOME) / "quantpick" / host / repo_id.replace("/", "--")

    def refs(self) -> tuple[str, Any] | None:
        """The repo's name and the Hub's answer about its refs when it was last asked; None when it never was."""
        kept = self._json("refs.json")
        return (
            (kept["repo_id"], kept["answer"])
            if isinstance(kept, dict) and {"repo_id", "answer"} <= kept.keys()
            else None
        )

    def keep_refs(self, repo_id: str, answer: Any) -> None:  # noqa: ANN401 - parsed JSON
        """Remember the Hub's answer about the refs."""
        self._keep("refs.json", json.dumps({"repo_id": repo_id, "answer": answer}).encode())

    def tree(self, commit: str) -> tuple[RepoFile, ...] | None:
        """The files of a commit, or None."""
        kept = self._json(f"trees/{commit}.json")
        try:
            return None if kept is None else tuple(RepoFile(*entry) for entry in kept)
        except TypeError:
            return None

    def keep_tree(self, commit: str, files: tuple[RepoFile, ...]) -> None:
        """Remember the files of a commit."""
        rows = [(file.path, file.size_bytes, file.blob_sha1, file.sha256) for file in files]
        self._keep(f"trees/{commit}.json", json.dumps(rows).encode())

    def file(self, blob_sha1: str) -> bytes | None:
        """The content with this hash, or None."""
        content = self._read(f"files/{blob_sha1}")
        return content if content is not None and _blob_sha1(content) == blob_sha1 else None

    def keep_file(self, content: bytes) -> None:
        """Remember a small file by its own hash."""
        self._keep(f"files/{_blob_sha1(content)}", content)

    def _json(self, name: str) -> Any:  # noqa: ANN401 - parsed JSON
        content = self._read(name)
        try:
            return None if content is None else json.loads(content)
        except (ValueError, RecursionError):
            return None

    def _read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            return None

    def _keep(self, name: str, content: bytes) -> None:
        path = self._folder / name
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as scratch:
                scratch.write(content)
            os.replace(scratch.name, path)


def _blob_sha1(content: bytes) -> str:
    r"""Git's hash of a file.

    >>> _blob_sha1(b"hello\n")
    'ce013625030ba8dba906f756967f9e9ca394464a'
    """
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
