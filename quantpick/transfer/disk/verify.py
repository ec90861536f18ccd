"""A branch on disk against the hashes that the Hub has for it."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from quantpick.core.outcome import FileState
from quantpick.core.progress import DownloadProgress, FileProgress
from quantpick.core.repo import RepoFile
from quantpick.errors import DiskError
from quantpick.transfer.disk.hashing import file_matches

_NOT_OURS = (".cache", ".git")


def verify_folder(
    folder: Path, files: Sequence[RepoFile], progress: DownloadProgress, *, besides: Collection[str] = ()
) -> tuple[tuple[str, FileState], ...]:
    """Hash every file and look for those that should not be there.

    Args:
        folder: a snapshot in the Hub's cache, or a folder of the user's.
        files: what should be in it.
        progress: filled and kept up to date.
        besides: paths of what may be in it too, and is not looked at.
    """
    states = [FileProgress(file.path, file.size_bytes) for file in files]
    progress.files.extend(states)
    found: list[tuple[str, FileState]] = []
    for file, state in zip(files, states, strict=True):
        state.phase = "verifying"
        found.append((file.path, _state(folder / file.path, file)))
        state.hashed_bytes = file.size_bytes
        state.phase = "done"
    expected = {*besides, *(file.path for file in files)}
    return (*found, *((path, "extra") for path in _present(folder) if path not in expected))


def _state(path: Path, file: RepoFile) -> FileState:
    try:
        return "ok" if file_matches(path, file) else "damaged"
    except FileNotFoundError:
        return "missing"
    except DiskError:
        return "damaged"


def _present(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if relative.parts[0] not in _NOT_OURS and (path.is_file() or path.is_symlink()):
            yield relative.as_posix()
