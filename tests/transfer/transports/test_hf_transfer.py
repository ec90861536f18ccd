"""hf_transfer and servers that do not send what it asks for: it writes what it likes, and none of it is believed."""

import os
from pathlib import Path

import pytest

from quantpick.core.units import MIB
from quantpick.errors import DamagedError, TransferError
from quantpick.transfer.disk.journal import BLOCK_BYTES
from quantpick.transfer.disk.partial import PartialFile, journal_path
from quantpick.transfer.transports import child
from quantpick.transfer.transports.scratch import Scratch, is_possible
from tests.fakes.cdn import Interference, another_range, endless, whole_file, whole_file_later
from tests.transfer.conftest import Open

pytestmark = pytest.mark.skipif(not is_possible(), reason="hf_transfer cannot run here: it needs Linux")


def only_for_hf_transfer(fault: Interference) -> Interference:
    """Spoil what hf_transfer asks for, and serve others well."""
    return lambda handler, start, end: (
        not handler.headers.get("User-Agent", "").startswith("quantpick") and fault(handler, start, end)
    )


def other_bytes(handler: object, start: int, end: int) -> bool:
    """The right head, and the bytes of another place."""
    handler.send_head(206, start, end, handler.path_size())  # type: ignore[attr-defined]
    handler.connection.sendall(bytes(end - start))  # type: ignore[attr-defined]
    return True


@pytest.mark.parametrize("fault", [whole_file, another_range, endless(206), other_bytes])
def test_server_that_sends_something_else_does_no_harm(line: Open, fault: Interference) -> None:
    one = line(interference=only_for_hf_transfer(fault))
    one.fetch("hf_transfer", retry_for_s=30)
    assert one.final.read_bytes() == one.content.read_bytes()
    assert one.left_over() == set()


@pytest.mark.parametrize("fault", [whole_file, whole_file_later(3)])
def test_server_without_ranges_is_no_line_for_it(line: Open, fault: Interference) -> None:
    one = line(interference=fault)
    one.fetch("hf_transfer", retry_for_s=30)
    assert one.final.read_bytes() == one.content.read_bytes()


def test_server_that_sends_other_ranges_is_given_up(line: Open) -> None:
    one = line(interference=another_range)
    with pytest.raises(TransferError, match="neither ranges nor"):
        one.fetch("hf_transfer", retry_for_s=30)
    assert not one.final.exists()


def test_bytes_without_their_journal_are_fetched_again(line: Open) -> None:
    one = line()
    with PartialFile(one.partial, one.file) as partial:
        partial.write(0, memoryview(bytes(20 * MIB)))
    journal_path(one.partial).unlink()
    assert one.fetch("hf_transfer").reused_bytes == 0
    assert one.final.read_bytes() == one.content.read_bytes()


def test_content_that_is_wrong_for_everyone_is_damage(line: Open) -> None:
    one = line(interference=other_bytes)
    with pytest.raises(DamagedError):
        one.fetch("hf_transfer")
    assert list(one.folder.iterdir()) == []


def test_its_package_is_never_taken_from_a_folder_with_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hf_transfer").mkdir()
    (tmp_path / "hf_transfer" / "__init__.py").write_text("")
    usual = child.home_of_hf_transfer(tmp_path)
    assert usual is not None
    monkeypatch.syspath_prepend(str(tmp_path))
    assert child.home_of_hf_transfer(tmp_path) == usual
    monkeypatch.chdir(tmp_path)
    assert child.home_of_hf_transfer() == usual


def test_scratch_shows_whole_blocks_once_and_cannot_grow() -> None:
    with Scratch(3 * BLOCK_BYTES + 5) as scratch:
        os.pwrite(scratch.descriptor, b"a" * (2 * BLOCK_BYTES - 4096), 0)
        assert list(scratch.filled()) == [0]
        os.pwrite(scratch.descriptor, b"z" * 5, 3 * BLOCK_BYTES)
        assert list(scratch.filled()) == [0, 3]
        buffer = memoryview(bytearray(BLOCK_BYTES))
        assert bytes(scratch.take(3, buffer)) == b"zzzzz"
        assert bytes(scratch.take(0, buffer)) == b"a" * BLOCK_BYTES
        assert list(scratch.filled()) == []
        with pytest.raises(PermissionError):
            os.pwrite(scratch.descriptor, b"more", 3 * BLOCK_BYTES + 5)
