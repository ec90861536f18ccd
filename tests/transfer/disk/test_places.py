"""Where the files of a branch go in the Hub's cache, and what is left alone there."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quantpick.core.repo import BranchFiles, RepoFile
from quantpick.errors import DiskError
from quantpick.files import TEMPORARY, scratch_name
from quantpick.transfer.disk.places import CacheLayout

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
