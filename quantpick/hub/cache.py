"""Facts by commit, kept under the Hub's cache home: they never change, so they are fetched once.

``$HF_HOME/quantpick/<host>/<owner>--<name>/``: ``refs.json`` and ``family.json`` (the last answers, for offline use),
``trees/<commit>.json``, ``files/<git blob sha1>`` and ``heads/<sha256>`` (first bytes of large files). Its
contents are checked like an answer of the Hub: a cache that is unreadable, unwritable or written by somebody else
counts as empty.
"""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any, Final

from huggingface_hub import constants

from quantpick.core.repo import Refused, RepoFile, file_list, repo_file, repo_id
from quantpick.files import odd_folder, read_small, write_atomically

_MAX_HEAD_BYTES: Final = 2**20
_MAX_BYTES: Final = 64 * 2**20
"""The largest entry; 100,000 files are about 20 MB."""


class Cache:
    """The facts known of one repo.

    Args:
        name: ``owner/name`` as asked for.
    """

    def __init__(self, name: str) -> None:
        host = constants.ENDPOINT.partition("://")[2].replace("/", "_").replace(":", "_")
        self._folder = Path(constants.HF_HOME) / "quantpick" / host / name.replace("/", "--")

    def refs(self) -> tuple[str, Any] | None:
        """The repo's name and the Hub's last answer about its refs; None if there is none."""
        kept = self._json("refs.json")
        name = repo_id(kept.get("repo_id")) if isinstance(kept, dict) else Refused("")
        return None if isinstance(name, Refused) else (name, kept.get("answer"))

    def keep_refs(self, name: str, answer: Any) -> None:  # noqa: ANN401 - parsed JSON
        """Remember the Hub's answer about the refs."""
        content = json.dumps({"repo_id": name, "answer": answer}).encode()
        if self._read("refs.json") != content:
            self._keep("refs.json", content, synced=True)

    def family(self) -> Any:  # noqa: ANN401 - parsed JSON
        """The Hub's last answer about the repo's relatives; None if there is none."""
        return self._json("family.json")

    def keep_family(self, answer: Any) -> None:  # noqa: ANN401 - parsed JSON
        """Remember what the Hub said about the relatives."""
        self._keep("family.json", json.dumps(answer).encode())

    def tree(self, commit: str) -> tuple[RepoFile, ...] | None:
        """The files of a commit, or None."""
        kept = self._json(f"trees/{commit}.json")
        if not isinstance(kept, list) or not all(isinstance(row, list) and len(row) == 4 for row in kept):
            return None
        files = file_list(repo_file(*row) for row in kept)
        return None if isinstance(files, Refused) else files

    def keep_tree(self, commit: str, files: tuple[RepoFile, ...]) -> None:
        """Remember the files of a commit."""
        rows = [(file.path, file.size_bytes, file.blob_sha1, file.sha256) for file in files]
        self._keep(f"trees/{commit}.json", json.dumps(rows).encode())

    def file(self, sha1: str) -> bytes | None:
        """The content with this hash, or None."""
        content = self._read(f"files/{sha1}")
        return content if content is not None and blob_sha1(content) == sha1 else None

    def keep_file(self, content: bytes) -> None:
        """Remember a small file by its own hash."""
        self._keep(f"files/{blob_sha1(content)}", content)

    def head(self, identity: str) -> bytes | None:
        """The first bytes of the file with this hash, or None. The hash cannot verify them; their reader must."""
        return read_small(self._folder / f"heads/{identity}", _MAX_HEAD_BYTES)

    def keep_head(self, identity: str, content: bytes) -> None:
        """Remember the first bytes of a file."""
        self._keep(f"heads/{identity}", content)

    def _json(self, name: str) -> Any:  # noqa: ANN401 - parsed JSON
        content = self._read(name)
        try:
            return None if content is None else json.loads(content)
        except (ValueError, RecursionError):
            return None

    def _read(self, name: str) -> bytes | None:
        return read_small(self._folder / name, _MAX_BYTES)

    def _keep(self, name: str, content: bytes, *, synced: bool = False) -> None:
        """Write an entry. Only the refs are synced: a power loss may leave others empty, which is as good as none."""
        home, path = Path(constants.HF_HOME), self._folder / name
        with contextlib.suppress(OSError):
            # A folder that is a link may lead to what is none of ours.
            if odd_folder(home, [path.relative_to(home)]) is None:
                write_atomically(path, content, synced=synced)


def blob_sha1(content: bytes) -> str:
    r"""Git's hash of a file.

    >>> blob_sha1(b"hello\n")
    'ce013625030ba8dba906f756967f9e9ca394464a'
    """
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
