"""Which blocks are believed to be there, after a kill, a power loss and whatever else happens to a sidecar."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from quantpick.core.repo import RepoFile
from quantpick.core.units import MIB
from quantpick.transfer.disk.partial import PartialFile

FILE = RepoFile("x", 5 * MIB + 1, "a" * 40, "b" * 64)


def written(path: Path, *blocks: int) -> None:
    with PartialFile(path, FILE) as partial:
        for block in blocks:
            partial.write(block * MIB, memoryview(b"x" * (MIB if block < 5 else 1)))


def held(path: Path) -> list[int]:
    with PartialFile(path, FILE) as partial:
        return [block for block in range(partial.journal.blocks) if partial.journal.holds(block)]


def test_marks_outlive_the_process(tmp_path: Path) -> None:
    written(tmp_path / "part", 0, 3, 5)
    assert held(tmp_path / "part") == [0, 3, 5]


def test_of_what_was_not_synced_only_blocks_with_the_right_bytes_count(tmp_path: Path) -> None:
    """As a power loss leaves it: some blocks are there, others are zeros, halves or another file's."""
    with PartialFile(tmp_path / "part", FILE) as partial:
        partial.write(0, memoryview(b"x" * MIB))
        partial.sync()
        partial.write(MIB, memoryview(b"x" * 4 * MIB))
    with (tmp_path / "part").open("r+b") as file:
        file.seek(2 * MIB)
        file.write(bytes(MIB))
        file.seek(3 * MIB + 5)
        file.write(b"y")
    assert held(tmp_path / "part") == [0, 1, 4]


@pytest.mark.parametrize(("size", "left"), [(0, []), (MIB, [0]), (3 * MIB - 1, [0, 1]), (9 * MIB, [0, 1, 2, 5])])
def test_of_a_file_that_was_cut_off_or_grew_the_right_blocks_count(tmp_path: Path, size: int, left: list[int]) -> None:
    with PartialFile(tmp_path / "part", FILE) as partial:
        partial.write(0, memoryview(b"x" * 3 * MIB))
        partial.write(5 * MIB, memoryview(b"x"))
        partial.sync()
    with (tmp_path / "part").open("r+b") as file:
        file.truncate(size)
    assert held(tmp_path / "part") == left


def test_damage_is_found_by_the_block_and_forgotten(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part", FILE) as partial:
        for at in range(0, FILE.size_bytes, 300_000):  # pieces that do not end with blocks
            partial.write(at, memoryview(b"x" * min(300_000, FILE.size_bytes - at)))
        partial.sync()
    with (tmp_path / "part").open("r+b") as file:
        file.seek(4 * MIB - 1)
        file.write(b"X")
    with PartialFile(tmp_path / "part", FILE) as partial:
        assert partial.journal.held_bytes == FILE.size_bytes, "what was synced is believed until the whole is wrong"
        assert partial.drop_damaged() == MIB
        assert list(partial.journal.missing()) == [(3 * MIB, 4 * MIB)]
        assert partial.drop_damaged() == 0
    assert held(tmp_path / "part") == [0, 1, 2, 4, 5], "and it is forgotten for good"


@pytest.mark.parametrize("damage", [b"", b"{}", b"\0" * 4150, b"garbage" * 700, b'{"version": 3'])
def test_damaged_journal_starts_over(tmp_path: Path, damage: bytes) -> None:
    written(tmp_path / "part", 0, 1)
    (tmp_path / "part.journal").write_bytes(damage)
    assert held(tmp_path / "part") == []


def test_journal_without_its_file_is_not_believed(tmp_path: Path) -> None:
    written(tmp_path / "part", 0, 1)
    (tmp_path / "part").unlink()
    assert held(tmp_path / "part") == []


def test_journal_of_another_content_is_not_believed(tmp_path: Path) -> None:
    written(tmp_path / "part", 0, 1)
    with PartialFile(tmp_path / "part", RepoFile("x", 5 * MIB + 1, "a" * 40, "c" * 64)) as partial:
        assert partial.journal.held_bytes == 0


def test_block_counts_when_its_last_byte_is_written(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part", FILE) as partial:
        partial.write(0, memoryview(b"x" * (MIB - 1)))
        assert partial.journal.held() == []
        partial.write(MIB - 1, memoryview(b"x"))
        assert partial.journal.held_bytes == MIB
        assert list(partial.journal.missing()) == [(MIB, 5 * MIB + 1)]


@pytest.mark.parametrize("block", [0, 3])
def test_block_that_is_begun_is_gone_on_with(tmp_path: Path, block: int) -> None:
    with PartialFile(tmp_path / "part", FILE) as partial:
        partial.write(block * MIB, memoryview(b"x" * 300_000))
        partial.write(block * MIB + 300_000, memoryview(b"y" * 5))
    with PartialFile(tmp_path / "part", FILE) as partial:
        assert partial.journal.held_bytes == 300_005
        gaps = [(0, block * MIB)] if block else []
        assert list(partial.journal.missing()) == [*gaps, (block * MIB + 300_005, FILE.size_bytes)]
        partial.write(block * MIB + 300_005, memoryview(b"z" * (MIB - 300_005)))
        assert partial.journal.held() == [block]
        assert partial.drop_damaged() == 0, "its checksum is that of all its bytes"


def test_killed_process_leaves_what_it_noted_of_begun_blocks(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part", FILE) as partial:
        partial.write(MIB, memoryview(b"x" * 1000))
        partial.journal.note_begun()
        partial.write(MIB + 1000, memoryview(b"x" * 1000))
        with PartialFile(tmp_path / "part", FILE) as other:
            assert other.journal.held_bytes == 1000


def test_beginning_of_a_block_that_was_damaged_is_not_there(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part", FILE) as partial:
        partial.write(MIB, memoryview(b"x" * 1000))
    with (tmp_path / "part").open("r+b") as file:
        file.seek(MIB + 999)
        file.write(b"y")
    for _ in range(2):
        with PartialFile(tmp_path / "part", FILE) as partial:
            assert partial.journal.held_bytes == 0
            assert list(partial.journal.missing()) == [(0, FILE.size_bytes)]


def test_unfinished_block_of_an_answer_that_named_no_place_is_not_kept(tmp_path: Path) -> None:
    """It may be a page that a network sends in place of the file."""
    with PartialFile(tmp_path / "part", FILE) as partial:
        partial.write(0, memoryview(b"x" * 1000))
        partial.write(0, memoryview(b"<html>"), unsure=True)
    with PartialFile(tmp_path / "part", FILE) as partial:
        assert partial.journal.held_bytes == 0
        for at in (0, 1000):
            partial.write(at, memoryview(b"x" * (1000 if at == 0 else MIB - 1000)), unsure=True)
        assert partial.journal.held() == [0]
        assert partial.drop_damaged() == 0


@pytest.mark.parametrize("size", [0, MIB, 2**32 - 1])
def test_beginning_that_no_block_can_have_is_none(tmp_path: Path, size: int) -> None:
    with PartialFile(tmp_path / "part", FILE) as partial:
        partial.write(0, memoryview(b"x" * 1000))
    sidecar = bytearray((tmp_path / "part.journal").read_bytes())
    sidecar[4101:4105] = size.to_bytes(4, "little")
    (tmp_path / "part.journal").write_bytes(sidecar)
    with PartialFile(tmp_path / "part", FILE) as partial:
        assert partial.journal.held_bytes == 0


def test_marks_that_cannot_be_are_none(tmp_path: Path) -> None:
    written(tmp_path / "part", 0, 1)
    sidecar = bytearray((tmp_path / "part.journal").read_bytes())
    sidecar[4096] = 7
    (tmp_path / "part.journal").write_bytes(sidecar)
    assert held(tmp_path / "part") == [1]


@pytest.mark.parametrize("blocks", [(), (0,), (5,), (0, 5), (1, 2, 4), range(6)])
def test_what_is_held_and_what_is_missing_are_the_whole(tmp_path: Path, blocks: Sequence[int]) -> None:
    written(tmp_path / "part", *blocks)
    with PartialFile(tmp_path / "part", FILE) as partial:
        missing = sum(end - start for start, end in partial.journal.missing())
        assert partial.journal.held_bytes + missing == FILE.size_bytes
        assert partial.journal.held() == list(blocks)
