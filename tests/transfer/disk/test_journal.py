"""Which blocks are believed to be there, after a kill, a power loss and whatever else happens to a sidecar."""

from pathlib import Path

import pytest

from quantpick.core.repo import RepoFile
from quantpick.core.units import MIB
from quantpick.transfer.disk import journal
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


def test_after_another_boot_only_what_was_synced_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with PartialFile(tmp_path / "part", FILE) as partial:
        partial.write(0, memoryview(b"x" * MIB))
        partial.sync()
        partial.write(MIB, memoryview(b"x" * MIB))
    monkeypatch.setattr(journal, "boot_id", lambda: "another boot")
    assert held(tmp_path / "part") == [0]


@pytest.mark.parametrize("damage", [b"", b"{}", b"\0" * 4102, b"garbage" * 700, b'{"version": 1'])
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
        assert partial.journal.held_bytes == 0
        partial.write(MIB - 1, memoryview(b"x"))
        assert partial.journal.held_bytes == MIB
        assert list(partial.journal.missing()) == [(MIB, 5 * MIB + 1)]


def test_block_that_the_disk_lost_is_missing_again(tmp_path: Path) -> None:
    """As a disk leaves it that went away before it was synced: the mark is there, the bytes are a hole."""
    written(tmp_path / "part", 0, 1, 3)
    whole = (tmp_path / "part").read_bytes()
    with (tmp_path / "part").open("w+b") as file:
        file.write(whole[:MIB])
        file.seek(3 * MIB)
        file.write(whole[3 * MIB : 3 * MIB + 4096])
        file.truncate(FILE.size_bytes)
    with PartialFile(tmp_path / "part", FILE) as partial:
        filled = [block for block in range(partial.journal.blocks) if partial.journal.holds(block)]
    assert filled in ([0], [0, 1, 3]), "all, where the file system shows no holes"
    if (tmp_path / "part").stat().st_blocks * 512 < 2 * MIB:
        assert filled == [0]
