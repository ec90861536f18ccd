"""What is noted of a downloaded branch: quantpick's own record, and the Hub's notes of single files.

Each is written whole or not at all. What is empty, cut off, of another kind or written by somebody else counts as none.
"""

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from quantpick.core.repo import Refused, RepoFile, commit_id, file_list, ref_name, repo_file, repo_id
from quantpick.files import read_small, write_atomically

NOTES: Final = Path(".cache", "huggingface", "download")
"""Where huggingface_hub notes, in a folder of the user's, which version of each file it is."""
RECORD: Final = Path(".cache", "huggingface", "quantpick.json")
"""Which branch a folder holds, with the hashes of its files."""
_MAX_BYTES: Final = 64 * 2**20
_MAX_NOTE_BYTES: Final = 4096
_ETAG: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Holding:
    """What a folder holds: a branch at a commit, and the files that were chosen of it."""

    repo_id: str
    branch: str
    commit: str
    files: tuple[RepoFile, ...]

    def with_files(self, files: Iterable[RepoFile]) -> "Holding":
        """The same with these files too; of one path the later counts."""
        together = {file.path: file for file in (*self.files, *files)}
        return Holding(self.repo_id, self.branch, self.commit, tuple(together.values()))


@dataclass(frozen=True, slots=True)
class Note:
    """What huggingface_hub, or quantpick for it, noted of a file.

    Args:
        path: of the file.
        commit: the one it is of.
        etag: its hash.
        at_s: when it was noted, in seconds since 1970. Where quantpick did, when the file was last changed: as long as
            it says the same, nobody has written to it since.
    """

    path: str
    commit: str
    etag: str
    at_s: float | None = None


def read_record(path: Path) -> Holding | None:
    """A record, or None."""
    content = read_small(path, _MAX_BYTES)
    try:
        said = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    rows = said.get("files")
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 4 for row in rows):
        return None
    repo, branch, commit = repo_id(said.get("repo_id")), ref_name(said.get("branch")), commit_id(said.get("commit"))
    files = file_list(repo_file(*row) for row in rows)
    if any(isinstance(one, Refused) for one in (repo, branch, commit, files)):
        return None
    return Holding(str(repo), str(branch), str(commit), () if isinstance(files, Refused) else files)


def keep_record(path: Path, holding: Holding) -> None:
    """Write a record.

    Raises:
        OSError: it cannot be written.
    """
    rows = [(file.path, file.size_bytes, file.blob_sha1, file.sha256) for file in holding.files]
    document = {"repo_id": holding.repo_id, "branch": holding.branch, "commit": holding.commit, "files": rows}
    write_atomically(path, json.dumps(document).encode())


def note_path(folder: Path, path: str) -> Path:
    """Where huggingface_hub notes a file (2.4.0: ``_local_folder.py``); a test reads and writes beside it."""
    return folder / NOTES / f"{path}.metadata"


def keep_note(folder: Path, path: str, commit: str, etag: str) -> None:
    """Tell huggingface_hub which version of a file this is: three lines, the last the time in seconds.

    It takes a file that was changed more than a second after that time for one of the user's. The time noted is the
    file's own.

    Raises:
        OSError: it cannot be written.
    """
    note = note_path(folder, path)
    if len(note.name.encode()) <= 255:  # A longer name cannot be noted, by huggingface_hub neither.
        changed_s = (folder / path).stat(follow_symlinks=False).st_mtime
        write_atomically(note, f"{commit}\n{etag}\n{changed_s}\n".encode(), synced=False)


def read_notes(folder: Path) -> Iterator[Note]:
    """What huggingface_hub noted of the files of a folder, as far as it can be read."""
    notes = folder / NOTES
    for note in sorted(notes.rglob("*.metadata")) if notes.is_dir() else ():
        content = read_small(note, _MAX_NOTE_BYTES)
        with contextlib.suppress(UnicodeDecodeError):
            lines = (content or b"").decode().split("\n")
            commit = commit_id(lines[0].strip())
            if isinstance(commit, str) and len(lines) > 1 and _ETAG.fullmatch(lines[1].strip()):
                path = note.relative_to(notes).as_posix().removesuffix(".metadata")
                yield Note(path, commit, lines[1].strip(), _seconds(lines[2]) if len(lines) > 2 else None)


def _seconds(text: str) -> float | None:
    with contextlib.suppress(ValueError):
        return float(text)
    return None
