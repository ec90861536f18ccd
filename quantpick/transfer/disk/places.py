"""Where a downloaded branch lies, so that huggingface_hub and what is built on it find it.

The cache: ``models--owner--name/{blobs,snapshots,refs}`` (huggingface_hub ``docs/source/en/guides/manage-cache.md``). A
folder of the user's: the files as they are in the repo, and what is known of each under ``.cache/huggingface``, written
by huggingface_hub's own code.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from huggingface_hub import constants
from huggingface_hub._local_folder import get_local_download_paths, read_download_metadata, write_download_metadata
from huggingface_hub.file_download import repo_folder_name

from quantpick.core.repo import RepoFile
from quantpick.errors import DiskError, UsageError
from quantpick.files import write_atomically

_PARTIAL: Final = ".quantpick.incomplete"
"""Not ``.incomplete`` alone: huggingface_hub before 1.18 takes such a file's size for its progress."""
_NOTES: Final = Path(".cache", "huggingface", "download")
_RECORD: Final = Path(".cache", "huggingface", "quantpick.json")
"""Which branch a folder holds, with the hashes of its files."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one file goes.

    Args:
        file: what it is.
        final: its path when it is complete and verified.
        partial: its path on the same file system while it is on its way; of one content only, so that a moved branch
            never mixes bytes.
        lock: the lock file that huggingface_hub takes for it too.
    """

    file: RepoFile
    final: Path
    partial: Path
    lock: Path


@dataclass(frozen=True, slots=True)
class Holding:
    """What a folder holds: a branch at a commit, and the files that were chosen of it."""

    repo_id: str
    branch: str
    commit: str
    files: tuple[RepoFile, ...]


class Layout(Protocol):
    """Where the files of one branch go."""

    path: Path
    """The folder that shows the branch as it is in the repo."""

    def place(self, file: RepoFile) -> Place:
        """Where a file's bytes go, and the lock for it."""

    def begun(self, files: Sequence[RepoFile]) -> None:
        """Note what is going to be there."""

    def placed(self, file: RepoFile) -> None:
        """Note that the file is there, complete."""

    def finished(self, files: Sequence[RepoFile]) -> None:
        """Note that all of them are."""


class CacheLayout:
    """The Hub's cache.

    Args:
        repo_id: ``owner/name``.
        branch: the branch, tag or commit that was asked for.
        commit: 40 hex digits.
        cache_dir: instead of ``HF_HUB_CACHE``.
    """

    def __init__(self, repo_id: str, branch: str, commit: str, cache_dir: Path | None = None) -> None:
        cache = Path(cache_dir or constants.HF_HUB_CACHE).expanduser()
        folder = repo_folder_name(repo_id=repo_id, repo_type="model")
        self._repo_id, self._branch, self._commit = repo_id, branch, commit
        self._repo = cache / folder
        self._locks = cache / ".locks" / folder
        self.path = self._repo / "snapshots" / commit

    def place(self, file: RepoFile) -> Place:
        """The blob, named by its hash."""
        name = file.sha256 or file.blob_sha1
        blob = self._repo / "blobs" / name
        return Place(file, blob, blob.with_name(name + _PARTIAL), self._locks / f"{name}.lock")

    def begun(self, files: Sequence[RepoFile]) -> None:
        """Nothing: until the branch is whole its name means what it meant."""

    def placed(self, file: RepoFile) -> None:
        """Show the blob in the snapshot: by a link, or a copy where there are none."""
        blob, pointer = self.place(file).final, self.path / file.path
        pointer.parent.mkdir(parents=True, exist_ok=True)
        if pointer.is_symlink() and pointer.exists() and pointer.resolve() == blob.resolve():
            return
        scratch = pointer.with_name(f"{pointer.name}.{os.getpid()}.tmp")
        try:
            scratch.symlink_to(os.path.relpath(blob, pointer.parent))
        except OSError:
            shutil.copyfile(blob, scratch)
        scratch.replace(pointer)

    def finished(self, files: Sequence[RepoFile]) -> None:
        """Let the branch's name mean this commit."""
        _keep_record(self._repo / "quantpick" / f"{self._commit}.json", self._holding(files))
        if self._branch != self._commit:
            ref = self._repo / "refs" / self._branch
            write_atomically(ref, self._commit.encode())

    def _holding(self, files: Sequence[RepoFile]) -> Holding:
        return Holding(self._repo_id, self._branch, self._commit, tuple(files))


class FolderLayout:
    """A folder of the user's.

    Args:
        repo_id: ``owner/name``.
        branch: the branch, tag or commit that was asked for.
        commit: 40 hex digits.
        folder: where the files go.
        force: let it replace another branch.

    Raises:
        UsageError: the folder holds another branch.
    """

    def __init__(self, repo_id: str, branch: str, commit: str, folder: Path, *, force: bool = False) -> None:
        self._repo_id, self._branch, self._commit = repo_id, branch, commit
        self.path = folder.expanduser()
        self._notes = self.path / _NOTES
        there = folder_holding(self.path)
        if there is not None and not force and (there.repo_id, there.branch) != (repo_id, branch):
            raise UsageError(
                f"`{folder}` holds `{there.branch}` of `{there.repo_id}`",
                hint="another --local-dir, or --force to put this one over it",
            )
        foreign = _foreign_commit(self.path) if there is None and not force else None
        if foreign not in (None, commit):
            raise UsageError(
                f"`{folder}` holds files of commit {foreign}, not of `{branch}`",
                hint="another --local-dir, or --force to put this one over it",
            )

    def place(self, file: RepoFile) -> Place:
        """The file itself.

        Raises:
            DiskError: its folder cannot be made.
        """
        try:
            paths = get_local_download_paths(self.path, file.path)
        except OSError as error:
            raise DiskError(f"cannot write `{self.path}`: {error.strerror or error}") from error
        which = hashlib.sha1(file.path.encode(), usedforsecurity=False).hexdigest()[:8]
        partial = f"{which}.{file.sha256 or file.blob_sha1}{_PARTIAL}"
        return Place(file, paths.file_path, self._notes / partial, paths.lock_path)

    def begun(self, files: Sequence[RepoFile]) -> None:
        """Note which branch is coming here."""
        _keep_record(self.path / _RECORD, Holding(self._repo_id, self._branch, self._commit, tuple(files)))

    def placed(self, file: RepoFile) -> None:
        """Tell huggingface_hub which version of the file this is."""
        write_download_metadata(self.path, file.path, self._commit, file.sha256 or file.blob_sha1)

    def finished(self, files: Sequence[RepoFile]) -> None:
        """Drop what an earlier version of the branch had left half done."""
        for leftover in self._notes.glob(f"*{_PARTIAL}*"):
            leftover.unlink(missing_ok=True)


def folder_holding(folder: Path) -> Holding | None:
    """What quantpick put into a folder, or None."""
    return _read_record(folder / _RECORD)


def cached_holdings(repo_id: str, cache_dir: Path | None = None) -> Iterator[tuple[Path, Holding]]:
    """What quantpick put into the Hub's cache of a repo, each with its snapshot's folder."""
    repo = CacheLayout(repo_id, "", "", cache_dir)._repo
    for record in sorted((repo / "quantpick").glob("*.json")):
        holding = _read_record(record)
        if holding is not None:
            yield repo / "snapshots" / holding.commit, holding


def folder_files(folder: Path) -> tuple[RepoFile, ...]:
    """What huggingface_hub noted of the files in a folder; sizes are not among it and are those on the disk."""
    found = []
    notes = folder / _NOTES
    for note in sorted(notes.rglob("*.metadata")) if notes.is_dir() else ():
        path = note.relative_to(notes).as_posix().removesuffix(".metadata")
        known = read_download_metadata(folder, path)
        if known is not None:
            size = (folder / path).stat().st_size
            large = len(known.etag) == 64
            found.append(RepoFile(path, size, "" if large else known.etag, known.etag if large else None))
    return tuple(found)


def _foreign_commit(folder: Path) -> str | None:
    """The commit that huggingface_hub noted for the files in a folder."""
    notes = folder / _NOTES
    for note in sorted(notes.rglob("*.metadata")) if notes.is_dir() else ():
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return note.read_text().partition("\n")[0]
    return None


def _keep_record(path: Path, holding: Holding) -> None:
    rows = [(file.path, file.size_bytes, file.blob_sha1, file.sha256) for file in holding.files]
    document = {"repo_id": holding.repo_id, "branch": holding.branch, "commit": holding.commit, "files": rows}
    write_atomically(path, json.dumps(document).encode())


def _read_record(path: Path) -> Holding | None:
    try:
        said: Any = json.loads(path.read_text())
        files = tuple(RepoFile(*row) for row in said["files"])
        return Holding(said["repo_id"], said["branch"], said["commit"], files)
    except (OSError, ValueError, KeyError, TypeError):
        return None
