"""Where the files of a branch go in the Hub's cache, and what is left alone there."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub.file_download import repo_folder_name

from quantpick.core.repo import BranchFiles, RepoFile
from quantpick.errors import DiskError
from quantpick.files import TEMPORARY, scratch_name
from quantpick.transfer.disk.clean import clean_cache, clean_folder
from quantpick.transfer.disk.locks import Waiting, held
from quantpick.transfer.disk.places import PARTIAL, CacheLayout, FolderLayout, cache_repo, check_apart, check_names
from quantpick.transfer.disk.records import NOTES

COMMIT = "c" * 40
FILE = RepoFile("docs/a.txt", 1, "a" * 40, None)


def layout(cache: Path) -> CacheLayout:
    one = CacheLayout("pub/Finch", BranchFiles(name="main", commit=COMMIT, files=(FILE,)), cache)
    blob = one.place(FILE).final
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(b"x")
    return one


def test_folder_of_a_snapshot_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    one = layout(tmp_path / "cache")
    outside = tmp_path / "outside"
    outside.mkdir()
    one.path.mkdir(parents=True)
    (one.path / "docs").symlink_to(outside)
    with pytest.raises(DiskError, match="is a link"):
        one.placed(FILE)
    assert list(outside.iterdir()) == []


def test_what_a_dead_writer_left_beside_the_blobs_is_removed_and_a_living_ones_is_not(
    tmp_path: Path,
) -> None:
    one = layout(tmp_path / "cache")
    blobs = one.place(FILE).final.parent
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    ours = scratch_name(blobs / "x")
    old, new = blobs / f".{dead.pid}-00{TEMPORARY}", blobs / f".{dead.pid}-01{TEMPORARY}"
    for path in (ours, old, new):
        path.write_bytes(b"")
    long_ago = time.time() - 3600
    os.utime(ours, (long_ago, long_ago))
    os.utime(old, (long_ago, long_ago))
    one.placed(FILE)
    one.finished([FILE])
    assert (ours.exists(), old.exists(), new.exists()) == (True, False, True)


INSIDE = ["blobs", "refs", "snapshots", "quantpick", f"snapshots/{COMMIT}", "../.locks", "../.locks/models--pub--Finch"]


@pytest.mark.parametrize("which", INSIDE)
def test_link_inside_a_repos_cache_is_refused_before_anything_is_written(tmp_path: Path, which: str) -> None:
    cache, outside = tmp_path / "cache", tmp_path / "outside"
    one = CacheLayout("pub/Finch", BranchFiles(name="main", commit=COMMIT, files=(FILE,)), cache)
    link = cache / "models--pub--Finch" / which
    (cache / "models--pub--Finch").mkdir(parents=True)
    outside.mkdir()
    link.parent.resolve().mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    with pytest.raises(DiskError, match="is a link"), one.claimed(Waiting(), [FILE]):
        pass
    (outside / f"{FILE.identity}{PARTIAL}").touch()
    (outside / "x.lock").touch()
    assert not [path for path in outside.iterdir() if path.name not in (f"{FILE.identity}{PARTIAL}", "x.lock")]
    list(clean_cache(cache, dry_run=False))
    assert len(list(outside.iterdir())) == 2, "nor is anything removed behind it"


@pytest.mark.parametrize("which", ["blobs", "refs", "snapshots", "quantpick", f"snapshots/{COMMIT}", "refs/main"])
@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_what_lies_where_a_folder_should_is_named_before_anything_is_written(
    tmp_path: Path, which: str, kind: str
) -> None:
    one = CacheLayout("pub/Finch", BranchFiles(name="main", commit=COMMIT, files=(FILE,)), tmp_path)
    path = tmp_path / "models--pub--Finch" / which
    path.parent.mkdir(parents=True)
    if which == "refs/main":
        path.mkdir()
    elif kind == "file":
        path.touch()
    else:
        os.mkfifo(path)
    with pytest.raises(DiskError, match="is in the way"), one.claimed(Waiting(), [FILE]):
        pass


@pytest.mark.parametrize("which", ["cache", "cache/models--pub--Finch"])
def test_cache_or_a_repos_folder_on_another_disk_may_be_a_link(tmp_path: Path, which: str) -> None:
    elsewhere, link = tmp_path / "elsewhere", tmp_path / which
    elsewhere.mkdir()
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere)
    one = layout(tmp_path / "cache")
    with one.claimed(Waiting(), [FILE]):
        one.placed(FILE)
        one.finished([FILE])
    assert (one.path / FILE.path).read_bytes() == b"x"
    assert any(elsewhere.rglob("main"))


@pytest.mark.parametrize(
    "which", ["docs", ".cache", ".cache/huggingface", NOTES.as_posix(), (NOTES / "docs").as_posix()]
)
def test_link_inside_a_folder_is_refused_before_anything_is_written(tmp_path: Path, which: str) -> None:
    folder, outside = tmp_path / "model", tmp_path / "outside"
    outside.mkdir()
    link = folder / which
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    one = FolderLayout("pub/Finch", BranchFiles(name="main", commit=COMMIT, files=(FILE,)), folder)
    with pytest.raises(DiskError, match="is a link"), one.claimed(Waiting(), [FILE]):
        pass
    assert not list(outside.iterdir())
    (outside / f"x{PARTIAL}").touch()
    (outside / f"x{TEMPORARY}").touch()
    list(clean_folder(folder, dry_run=False))
    assert len(list(outside.iterdir())) == 2


def test_lock_that_is_a_second_name_of_another_file_is_not_written_to(tmp_path: Path) -> None:
    victim, lock = tmp_path / "victim", tmp_path / "lock"
    victim.write_text("7")
    os.link(victim, lock)
    with held(lock, Waiting(), what="x"):
        assert victim.read_text() == "7"
    for content in ("precious words of a file", "1234\n"):
        lock.unlink()
        lock.write_text(content)
        with held(lock, Waiting(), what="x"):
            assert lock.read_text() == (f"{os.getpid()}\n" if content.strip().isdigit() else content)


@pytest.mark.parametrize("repo_id", ["owner/name", "gpt2", "TheBloke/Airoboros-c34B-3.1.2-GPTQ", "a.b/c_d-e.f"])
def test_folder_of_a_repo_in_the_cache_is_the_hubs_own(repo_id: str, tmp_path: Path) -> None:
    assert cache_repo(repo_id, tmp_path).name == repo_folder_name(repo_id=repo_id, repo_type="model")


def test_two_names_of_one_file_are_no_two_files_of_a_branch(tmp_path: Path) -> None:
    one, other = RepoFile("a.txt", 1, "a" * 40), RepoFile("A.txt", 1, "b" * 40)
    (tmp_path / "a.txt").touch()
    os.link(tmp_path / "a.txt", tmp_path / "A.txt")
    with pytest.raises(DiskError, match=r"`a\.txt` and `A\.txt` are one file"):
        check_apart(tmp_path, [one, other])
    check_apart(tmp_path, [one, RepoFile("A.txt", 1, "a" * 40)])


def test_names_that_are_two_on_this_disk_may_differ_in_case_alone(tmp_path: Path) -> None:
    long = "n" * 254
    names = ["a.txt", "A.txt", "caf\u00e9", "cafe\u0301", f"{long}x", f"{long}X"]
    check_names(tmp_path / "model", [RepoFile(name, 1, "a" * 40) for name in names])
    assert list((tmp_path / "model").iterdir()) == []
    check_names(tmp_path / "other", [RepoFile("a.txt", 1, "a" * 40)])
    assert not (tmp_path / "other").exists(), "nothing is tried where no names are alike"
