"""Where a downloaded branch lies, so that huggingface_hub and what is built on it find it.

The cache: ``models--owner--name/{blobs,snapshots,refs}`` (huggingface_hub ``docs/source/en/guides/manage-cache.md``). A
folder of the user's: the files as they are in the repo, and what is known of each under ``.cache/huggingface``.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from huggingface_hub import constants

from quantpick.core.repo import BranchFiles, RepoFile
from quantpick.core.selection import alike_names
from quantpick.core.units import MIB
from quantpick.errors import DiskError, UsageError
from quantpick.files import (
    TEMPORARY,
    make_folder,
    odd_folder,
    read_small,
    scratch_name,
    sync_folder,
    write_atomically,
    writer_of,
)
from quantpick.transfer.disk.hashing import file_matches
from quantpick.transfer.disk.locks import Interrupted, Waiting, held
from quantpick.transfer.disk.records import (
    NOTES,
    RECORD,
    Holding,
    Note,
    keep_note,
    keep_record,
    note_path,
    read_notes,
    read_record,
)
from quantpick.transfer.disk.trouble import disk_errors

PARTIAL: Final = ".quantpick.incomplete"
"""Not ``.incomplete`` alone: huggingface_hub before 1.18 takes such a file's size for its progress."""
SUMS: Final = ".sums"
FOLDER_SUMS: Final = Path(".cache", "huggingface", "quantpick")
"""Where the checksums of the blocks of files in a folder of the user's are kept."""
FOLDER_LOCK: Final = Path(".cache", "huggingface", "quantpick.lock")
_ABANDONED_S: Final = 10.0
"""Chosen: what a process that is not seen here, perhaps on another machine, writes so long is left by a dead one."""
_MAX_NAME_BYTES: Final = 255
_MOST_PAIRS: Final = 100
"""Chosen: of alike names; if one pair is two files on a disk, so is the next."""
_LARGEST_BLANK_BYTES: Final = 4 * MIB
"""Chosen: what is synced only together with others, and so may be lost with the power, is no larger."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one file goes.

    Args:
        file: what it is.
        final: its path when it is complete and verified.
        partial: its path on the same file system while it is on its way; of one content only, so that a moved branch
            never mixes bytes.
        lock: the lock file that huggingface_hub takes for it too.
        sums: where the checksums of its blocks are kept, by content: not where the Hub's programs look.
        may_be_link: whether the final path may be a link to the file: in the Hub's cache, which may share blobs.
    """

    file: RepoFile
    final: Path
    partial: Path
    lock: Path
    sums: Path
    may_be_link: bool = False

    @property
    def is_filled(self) -> bool:
        """Whether a file of the right size lies there."""
        try:
            state = self.final.stat(follow_symlinks=self.may_be_link)
        except OSError:
            return False
        return self.final.is_file() and state.st_size == self.file.size_bytes


class Layout(Protocol):
    """Where the files of one branch go."""

    path: Path
    """The folder that shows the branch as it is in the repo."""
    left_behind: tuple[str, ...]
    """Files there of an earlier commit, which are none of this one; known when it has `begun`."""

    def place(self, file: RepoFile) -> Place:
        """Where a file's bytes go, and the lock for it. Nothing is made."""

    def claimed(self, waiting: Waiting, files: Sequence[RepoFile]) -> contextlib.AbstractContextManager[None]:
        """The right to change what is there of the files, for as long as the block runs."""

    def begun(self, files: Sequence[RepoFile], waiting: Waiting) -> None:
        """Note what is going to be there; to look at what is may take a while."""

    def placed(self, file: RepoFile) -> None:
        """Note that the file is there, complete."""

    def finished(self, files: Sequence[RepoFile]) -> None:
        """Note that all of them are."""


def user_folder(path: Path) -> Path:
    """A folder as a user names it, ``~`` included.

    Raises:
        UsageError: ``~`` of a user who is not known.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise UsageError(f"`{path}`: there is no such user's home") from error


def check_folders(base: Path, paths: Iterable[str | Path]) -> None:
    """See that every folder between a folder and what is to lie in it is one, and no link: what is written stays there.

    Raises:
        DiskError: one is not.
    """
    odd = odd_folder(base, paths)
    if odd is not None:
        what = "a link: nothing is written through it" if odd.is_symlink() else "in the way: a folder has to be there"
        raise DiskError(f"`{odd}` is {what}", hint="remove it")


def check_names(folder: Path, files: Iterable[RepoFile]) -> None:
    """See that names which some disks take for one are several on this one, before the first byte: it is tried.

    Raises:
        DiskError: they are not, or the folder cannot be written.
    """
    for one, other in islice(alike_names(files), _MOST_PAIRS):
        scratch = scratch_name(folder / "x")
        made, found = (
            scratch.with_name(scratch.name.removesuffix(TEMPORARY) + name.rpartition("/")[2] + TEMPORARY)
            for name in (one, other)
        )
        with disk_errors(folder):
            make_folder(folder)
            try:
                made.touch()
            except OSError as error:
                if error.errno == errno.ENAMETOOLONG:
                    continue
                raise
            is_one = found.name != made.name and found.exists()
            made.unlink()
        if is_one:
            raise _one_file(one, other)


def check_apart(folder: Path, files: Iterable[RepoFile]) -> None:
    """See that no two files are one there, on a disk that takes their names for one, or by what lies in the way.

    Raises:
        DiskError: two are, or one is gone.
    """
    seen: dict[tuple[int, int], RepoFile] = {}
    for file in files:
        with disk_errors(folder / file.path):
            state = (folder / file.path).stat()
        other = seen.setdefault((state.st_dev, state.st_ino), file)
        if other.identity != file.identity:
            raise _one_file(other.path, file.path)


def _one_file(one: str, other: str) -> DiskError:
    return DiskError(f"`{one}` and `{other}` are one file on this disk", hint="--exclude one, or another disk")


def cache_folder(cache_dir: Path | None = None) -> Path:
    """The Hub's cache, or another one.

    Raises:
        UsageError: as `user_folder`.
    """
    return user_folder(Path(cache_dir or constants.HF_HUB_CACHE))


def cache_repo(repo_id: str, cache_dir: Path | None = None) -> Path:
    """A repo's folder in the cache."""
    return cache_folder(cache_dir) / f"models--{repo_id.replace('/', '--')}"


def snapshot_path(repo_id: str, commit: str, cache_dir: Path | None = None) -> Path:
    """The folder that shows a commit in the cache."""
    return cache_repo(repo_id, cache_dir) / "snapshots" / commit


class CacheLayout:
    """The Hub's cache.

    Args:
        repo_id: ``owner/name``.
        branch: the branch, tag or commit that was asked for, with all its files.
        cache_dir: instead of ``HF_HUB_CACHE``.
    """

    left_behind: tuple[str, ...] = ()

    def __init__(self, repo_id: str, branch: BranchFiles, cache_dir: Path | None = None) -> None:
        self._repo = cache_repo(repo_id, cache_dir)
        self._locks = self._repo.parent / ".locks" / self._repo.name
        self._repo_id, self._branch = repo_id, branch
        self._changed: set[Path] = set()
        self.path = snapshot_path(repo_id, branch.commit, cache_dir)

    def place(self, file: RepoFile) -> Place:
        """The blob, named by its hash."""
        blob = self._repo / "blobs" / file.identity
        lock = self._locks / f"{file.identity}.lock"
        sums = self._repo / "quantpick" / (file.identity + SUMS)
        return Place(file, blob, blob.with_name(file.identity + PARTIAL), lock, sums, may_be_link=True)

    def claimed(self, waiting: Waiting, files: Sequence[RepoFile]) -> contextlib.AbstractContextManager[None]:
        """No lock: each blob has one of its own, and the rest is changed in one step.

        Raises:
            DiskError: a folder inside the repo's is a link, or none. The repo's folder, and those above it, may be
                links.
        """
        shown = [f"snapshots/{self._branch.commit}/{file.path}" for file in files]
        check_folders(self._repo, ["blobs/x", "quantpick/x", f"refs/{self._branch.name}", *shown])
        check_folders(self._repo.parent, [".locks/x/x", f".locks/{self._repo.name}/x"])
        ref = self._repo / "refs" / self._branch.name
        if ref.is_dir():
            raise DiskError(f"`{ref}` is in the way: it is a folder", hint="remove it")
        return contextlib.nullcontext()

    def begun(self, files: Sequence[RepoFile], waiting: Waiting) -> None:
        """Nothing: until the branch is whole its name means what it meant."""

    def placed(self, file: RepoFile) -> None:
        """Show the blob in the snapshot: by a link, or a copy where there are none."""
        blob, pointer = self.place(file).final, self.path / file.path
        check_folders(self._repo, [f"snapshots/{self.path.name}/{file.path}"])
        with disk_errors(pointer):
            make_folder(pointer.parent)
            if pointer.is_symlink() and pointer.exists() and pointer.resolve() == blob.resolve():
                return
            scratch = scratch_name(pointer)
            try:
                scratch.symlink_to(os.path.relpath(blob, pointer.parent))
            except OSError:
                shutil.copyfile(blob, scratch)
            scratch.replace(pointer)
            self._changed.add(pointer.parent)

    def finished(self, files: Sequence[RepoFile]) -> None:
        """Let the branch's name mean this commit."""
        commit, name = self._branch.commit, self._branch.name
        for folder in self._changed:
            sync_folder(folder)
        record = self._repo / "quantpick" / f"{commit}.json"
        ref = self._repo / "refs" / name
        check_folders(self._repo, ["quantpick/x", "blobs/x", f"refs/{name}"])
        with held(self._locks / "quantpick.lock", Waiting(), what=f"`{self._repo}`"), disk_errors(record):
            there = read_record(record) or Holding(self._repo_id, name, commit, ())
            keep_record(record, Holding(self._repo_id, name, commit, there.with_files(files).files))
            _sweep({*self._changed, record.parent, ref.parent})
            _sweep_after_others(self._repo / "blobs")
            if name != commit:
                with disk_errors(ref):
                    write_atomically(ref, commit.encode())


class FolderLayout:
    """A folder of the user's.

    Args:
        repo_id: ``owner/name``.
        branch: the branch, tag or commit that was asked for, with all its files.
        folder: where the files go.
        force: let it replace another branch, or files of the user's own.

    Raises:
        UsageError: the folder holds another branch.
    """

    def __init__(self, repo_id: str, branch: BranchFiles, folder: Path, *, force: bool = False) -> None:
        self.path = user_folder(folder)
        self.left_behind: tuple[str, ...] = ()
        self._repo_id, self._branch, self._force = repo_id, branch, force
        self._notes = self.path / NOTES
        self._check_branch()

    def place(self, file: RepoFile) -> Place:
        """The file itself."""
        which = hashlib.sha1(file.path.encode(), usedforsecurity=False).hexdigest()[:8]
        lock = note_path(self.path, file.path).with_suffix(".lock")
        if len(lock.name.encode()) > _MAX_NAME_BYTES:
            lock = lock.with_name(f"{which}.lock")
        sums = self.path / FOLDER_SUMS / (file.identity + SUMS)
        return Place(file, self.path / file.path, self._notes / f"{which}.{file.identity}{PARTIAL}", lock, sums)

    @contextlib.contextmanager
    def claimed(self, waiting: Waiting, files: Sequence[RepoFile]) -> Iterator[None]:
        """One process at a time: what another one did meanwhile is looked at again.

        Raises:
            UsageError: another process put another branch there.
            DiskError: a folder inside is a link, or none; and as `held`.
            TransferError, Interrupted: as `held`.
        """
        check_folders(self.path, [FOLDER_LOCK, FOLDER_SUMS / "x"])
        with held(self.path / FOLDER_LOCK, waiting, what=f"`{self.path}`"):
            check_folders(self.path, [*(file.path for file in files), *(NOTES / file.path for file in files)])
            self._check_branch()
            yield

    def begun(self, files: Sequence[RepoFile], waiting: Waiting) -> None:
        """Note which branch is coming here, beside what is there of it already.

        Raises:
            UsageError: a file of the user's own would be overwritten.
            Interrupted: instead of looking at one.
            DiskError: it cannot be noted.
        """
        record = self.path / RECORD
        before = read_record(record)
        notes = {note.path: note for note in read_notes(self.path)}
        noted = {note.path: note.etag for note in notes.values()}
        known = {file.path: file.identity for file in before.files} if before else noted
        if not self._force:
            self._check_strangers(files, notes, {path: {known.get(path), noted.get(path)} for path in known}, waiting)
        now = {file.path: file for file in self._branch.files}
        still = [now[path] for path, etag in known.items() if path in now and now[path].identity == etag]
        chosen = {file.path for file in files}
        old = set(known) - chosen - {file.path for file in still}
        self.left_behind = tuple(sorted(path for path in old if (self.path / path).exists()))
        holding = Holding(self._repo_id, self._branch.name, self._branch.commit, tuple(still))
        with disk_errors(record):
            keep_record(record, holding.with_files(files))
            ignored = record.parent / ".gitignore"
            if not ignored.exists():
                write_atomically(ignored, b"*\n")
            _sweep({self.path / Path(file.path).parent for file in files} | {record.parent, self._notes})

    def placed(self, file: RepoFile) -> None:
        """Tell huggingface_hub which version of the file this is."""
        with disk_errors(self._notes):
            keep_note(self.path, file.path, self._branch.commit, file.identity)

    def finished(self, files: Sequence[RepoFile]) -> None:
        """Drop what another commit had left half done, and its checksums; what is half done of this one stays."""
        ours = {file.identity for file in self._branch.files}
        with disk_errors(self._notes):
            for sums in (self.path / FOLDER_SUMS).glob(f"*{SUMS}"):
                if sums.name.removesuffix(SUMS) not in ours:
                    sums.unlink(missing_ok=True)
            for leftover in self._notes.glob(f"*{PARTIAL}*"):
                if leftover.name.partition(PARTIAL)[0].rpartition(".")[2] not in ours:
                    leftover.unlink(missing_ok=True)

    def _check_branch(self) -> None:
        """See that the folder holds no other branch.

        Raises:
            UsageError: it does.
        """
        if self._force:
            return
        there = read_record(self.path / RECORD)
        hint = "another --local-dir, or --force to put this one over it"
        if there is not None:
            if (there.repo_id, there.branch) != (self._repo_id, self._branch.name):
                raise UsageError(f"`{self.path}` holds `{there.branch}` of `{there.repo_id}`", hint=hint)
            return
        other = next((note.commit for note in read_notes(self.path) if note.commit != self._branch.commit), None)
        if other is not None:
            raise UsageError(f"`{self.path}` holds files of commit {other}, not of `{self._branch.name}`", hint=hint)

    def _check_strangers(
        self,
        files: Sequence[RepoFile],
        notes: Mapping[str, Note],
        ours: Mapping[str, Collection[str | None]],
        waiting: Waiting,
    ) -> None:
        """See that no file of the user's own is overwritten, whatever a record says of its name.

        Ours is what nobody has written to since it was noted, which may be damaged, and what has the hash that it
        should have or that a record has for it: that is read, however large.

        Args:
            files: what is going to be there.
            notes: by path.
            ours: by path, the hashes of what was put there.
            waiting: told of what is read.

        Raises:
            UsageError: one would be.
            Interrupted: instead of reading on.
        """
        for file in files:
            path, note = self.path / file.path, notes.get(file.path)
            if path.is_symlink() or not path.is_file():
                continue
            state = path.stat()
            if (note is not None and state.st_mtime == note.at_s) or _is_blank(path):
                continue
            waiting.say(f"`{path}` is there, and is compared with the Hub's")
            of_old = [_of_hash(file.path, state.st_size, one) for one in ours.get(file.path, ()) if one]
            is_ours = any(file_matches(path, one, stop=waiting.stop) for one in dict.fromkeys((file, *of_old)))
            waiting.say(None)
            if waiting.stop.is_set():
                raise Interrupted
            if not is_ours:
                was = " and was changed since it was downloaded" if file.path in ours else ""
                raise UsageError(
                    f"`{path}` exists{was}, and is not the file of `{self._branch.name}`",
                    hint="move it away, --exclude it, or --force to replace it",
                )


def _of_hash(path: str, size_bytes: int, identity: str) -> RepoFile:
    """A file of which only the hash and the size are known."""
    is_large = len(identity) == 64
    return RepoFile(path, size_bytes, "" if is_large else identity, identity if is_large else None)


def _is_blank(path: Path) -> bool:
    """Whether a file holds nothing: a power loss leaves one of zeros, or of no bytes."""
    content = read_small(path, _LARGEST_BLANK_BYTES)
    return content is not None and not content.strip(b"\0")


def folder_holding(folder: Path) -> Holding | None:
    """What quantpick put into a folder, or None."""
    return read_record(folder / RECORD)


def cached_holdings(repo_id: str, cache_dir: Path | None = None) -> Iterator[tuple[Path, Holding]]:
    """What quantpick put into the Hub's cache of a repo, each with its snapshot's folder."""
    repo = cache_repo(repo_id, cache_dir)
    for record in sorted((repo / "quantpick").glob("*.json")):
        holding = read_record(record)
        if holding is not None:
            yield repo / "snapshots" / holding.commit, holding


def snapshot_holding(folder: Path) -> tuple[str, str, Holding | None] | None:
    """The repo and commit of a snapshot in some cache, and what quantpick put into it; None for any other folder."""
    folder = Path(os.path.abspath(folder))
    kind, *names = folder.parent.parent.name.split("--")
    if folder.parent.name != "snapshots" or kind != "models" or len(names) != 2:
        return None
    return "/".join(names), folder.name, read_record(folder.parent.parent / "quantpick" / f"{folder.name}.json")


def folder_files(folder: Path) -> tuple[RepoFile, ...]:
    """What huggingface_hub noted of the files in a folder; sizes are not among it and are those on the disk."""
    found = []
    for note in read_notes(folder):
        size_bytes = 0
        with contextlib.suppress(OSError):
            size_bytes = (folder / note.path).stat().st_size
        found.append(_of_hash(note.path, size_bytes, note.etag))
    return tuple(found)


def _sweep(folders: Iterable[Path]) -> None:
    """Remove what writers that were killed left; whoever calls holds the lock."""
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(TEMPORARY):
                    os.unlink(entry.path)


def _sweep_after_others(folder: Path) -> None:
    """Remove what killed writers left in a folder that several write to, each under a lock of its own."""
    import psutil

    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            pid = writer_of(entry.name)
            if pid is None or psutil.pid_exists(pid):
                continue
            if time.time() - entry.stat(follow_symlinks=False).st_mtime > _ABANDONED_S:
                os.unlink(entry.path)
