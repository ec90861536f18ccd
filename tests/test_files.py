"""Files of our own: whole or absent, and never somebody else's."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from quantpick.files import TEMPORARY, make_folder, open_own, read_small, write_atomically


def link(spot: Path, victim: Path) -> None:
    spot.symlink_to(victim)


def hard_link(spot: Path, victim: Path) -> None:
    os.link(victim, spot)


def pipe(spot: Path, victim: Path) -> None:
    os.mkfifo(spot)


def device(spot: Path, victim: Path) -> None:
    spot.symlink_to("/dev/zero")


def loop(spot: Path, victim: Path) -> None:
    spot.symlink_to(spot.name)


PLANTED = [link, hard_link, pipe, device, loop]


@pytest.mark.parametrize("plant", PLANTED)
def test_what_is_planted_is_replaced_and_its_victim_untouched(
    tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    spot, victim = tmp_path / "spot", tmp_path / "victim"
    victim.write_text("precious")
    plant(spot, victim)
    descriptor, existed = open_own(spot)
    os.write(descriptor, b"mine")
    os.close(descriptor)
    assert not existed
    assert victim.read_text() == "precious"
    assert stat.S_ISREG(spot.lstat().st_mode)
    assert spot.read_text() == "mine"


def test_own_file_is_opened_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "spot").write_text("mine")
    descriptor, existed = open_own(tmp_path / "spot")
    assert existed
    assert os.read(descriptor, 9) == b"mine"
    os.close(descriptor)


def test_folder_in_the_way_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "spot").mkdir()
    with pytest.raises(OSError, match="directory"):
        open_own(tmp_path / "spot")


@pytest.mark.parametrize("plant", [link, pipe, device, loop])
def test_only_a_small_regular_file_is_read(tmp_path: Path, plant: Callable[[Path, Path], None]) -> None:
    victim = tmp_path / "victim"
    victim.write_text("secret")
    plant(tmp_path / "spot", victim)
    assert read_small(tmp_path / "spot", 100) is None
    assert read_small(victim, 100) == b"secret"
    assert read_small(victim, 5) is None
    assert read_small(tmp_path / "nothing", 100) is None


@pytest.mark.parametrize("name", ["a", "x" * 255])
def test_written_file_is_whole_and_alone(tmp_path: Path, name: str) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "new" / name, b"one")
        write_atomically(tmp_path / "new" / name, b"two", synced=False)
    finally:
        os.umask(before)
    assert (tmp_path / "new" / name).read_bytes() == b"two"
    assert stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) == 0o640
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "spot").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "spot", b"one")
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(TEMPORARY)]


def test_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"exists|directory"):
        make_folder(tmp_path / "file" / "x")
