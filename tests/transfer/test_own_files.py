"""A file of the user's is never overwritten, whatever a record says of its name; a damaged one of ours is mended."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from quantpick.core.repo import BranchFiles, RepoFile
from quantpick.core.units import MIB
from quantpick.demo.hub import HubFile, HubRepo
from quantpick.errors import UsageError
from quantpick.transfer.disk.locks import Waiting
from quantpick.transfer.disk.places import FolderLayout
from quantpick.transfer.disk.records import NOTES
from tests.fakes.world import REPO, World

Make = Callable[..., World]
COMMITS = ("a" * 40, "b" * 40)
OLD, NEW = b"old config\n", b"new config\n"


def layout(folder: Path, commit: str, content: bytes, *, force: bool = False) -> FolderLayout:
    """A branch whose one file is this, at a commit."""
    made = HubFile.small("config.json", content)
    file = RepoFile(made.path, made.size_bytes, made.blob_sha1)
    return FolderLayout("pub/Finch", BranchFiles(name="main", commit=commit, files=(file,)), folder, force=force)


def placed(folder: Path, commit: str, content: bytes) -> None:
    """As a download that came to its end."""
    one = layout(folder, commit, content)
    (file,) = one._branch.files
    one.begun([file], Waiting())
    (folder / file.path).write_bytes(content)
    one.placed(file)
    one.finished([file])


def may_replace(folder: Path, commit: str, content: bytes) -> bool:
    """Whether the next download takes what is there for its own."""
    one = layout(folder, commit, content)
    try:
        one.begun(one._branch.files, Waiting())
    except UsageError:
        return False
    return True


def test_file_of_an_earlier_commit_is_replaced_and_one_that_was_changed_since_is_not(tmp_path: Path) -> None:
    placed(tmp_path, COMMITS[0], OLD)
    assert may_replace(tmp_path, COMMITS[1], NEW)
    for changed in (b"mine", OLD.upper()):
        (tmp_path / "config.json").write_bytes(changed)
        assert not may_replace(tmp_path, COMMITS[0], OLD)
        assert not may_replace(tmp_path, COMMITS[1], NEW)
    layout(tmp_path, COMMITS[1], NEW, force=True).begun((), Waiting())


def test_copy_of_what_was_downloaded_is_ours_whenever_it_was_made(tmp_path: Path) -> None:
    placed(tmp_path, COMMITS[0], OLD)
    for when in (0, 2**33):
        os.utime(tmp_path / "config.json", (when, when))
        assert may_replace(tmp_path, COMMITS[1], NEW)


def test_clock_that_was_wrong_makes_no_file_ours(tmp_path: Path) -> None:
    """Noted in the future, changed in the past."""
    (tmp_path / "config.json").write_bytes(b"")
    placed(tmp_path, COMMITS[0], OLD)
    (note,) = (tmp_path / NOTES).glob("*.metadata")
    note.write_text(f"{COMMITS[0]}\n{layout(tmp_path, COMMITS[0], OLD)._branch.files[0].identity}\n{2.0**33}\n")
    (tmp_path / "config.json").write_bytes(b"mine")
    os.utime(tmp_path / "config.json", (1, 1))
    assert not may_replace(tmp_path, COMMITS[0], OLD)


@pytest.mark.parametrize("time", ["", "nan", "soon", "1e999"])
def test_note_without_a_time_is_no_licence(tmp_path: Path, time: str) -> None:
    placed(tmp_path, COMMITS[0], OLD)
    (note,) = (tmp_path / NOTES).glob("*.metadata")
    note.write_text("\n".join([*note.read_text().split("\n")[:2], time]))
    assert may_replace(tmp_path, COMMITS[1], NEW)
    (tmp_path / "config.json").write_bytes(b"mine")
    assert not may_replace(tmp_path, COMMITS[1], NEW)


@pytest.mark.parametrize("content", [b"", bytes(len(OLD)), OLD.swapcase()])
def test_what_a_power_loss_or_a_bad_disk_left_of_ours_is_replaced(tmp_path: Path, content: bytes) -> None:
    placed(tmp_path, COMMITS[0], OLD)
    path = tmp_path / "config.json"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=times)
    assert may_replace(tmp_path, COMMITS[0], OLD)


def test_record_of_a_file_that_never_came_is_no_licence_to_overwrite_it(world: Make, tmp_path: Path) -> None:
    one = world(bytes_per_s=4e6)
    folder = tmp_path / "model"
    argv = ["download", REPO, "--revision", "main", "--local-dir", str(folder), "-q"]
    process = one.start(*argv, "--transport", "range", "--connections", "1")
    while one.cdn.sent_bytes < MIB and process.poll() is None:
        pass
    process.kill()
    process.communicate()
    one.cdn.bytes_per_s = None
    (folder / "model.safetensors").write_bytes(b"mine")
    (folder / "config.json").write_bytes(b"mine too")
    refused = one.run(*argv)
    assert refused.returncode == 2, refused.stderr
    assert (folder / "model.safetensors").read_bytes() == b"mine"
    assert (folder / "config.json").read_bytes() == b"mine too"
    assert one.run(*argv, "--force").returncode == 0
    assert one.run("verify", str(folder)).returncode == 0


def test_file_besides_the_branchs_is_named_and_is_no_damage(world: Make, tmp_path: Path) -> None:
    one = world()
    folder = tmp_path / "model"
    argv = ["download", REPO, "--local-dir", str(folder), "-q"]
    branches = one.hub.repos[REPO].branches
    one.hub.repos[REPO] = HubRepo({**branches, "other": [*branches["main"], HubFile.small("docs/other.txt", "x")]})
    assert one.run(*argv, "--revision", "other").returncode == 0
    assert one.run(*argv, "--revision", "main", "--force").returncode == 0
    (folder / "notes.txt").write_text("mine")
    done = one.run("verify", str(folder))
    assert done.returncode == 0, done.stdout
    assert "extra    docs/other.txt" in done.stdout
    assert "2 of 2 files are intact; 2 besides are none of the branch's" in done.stdout
    (folder / "config.json").unlink()
    assert one.run("verify", str(folder)).returncode == 9
