import shutil
from pathlib import Path

from quantpick.hardware.ram import free_disk_bytes


def test_free_disk_of_a_folder_that_does_not_exist_yet_is_that_of_its_nearest_parent(tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.write_bytes(b"\0" * 2**20)
    free = free_disk_bytes(tmp_path / "models" / "not" / "yet")
    assert 0 < free <= shutil.disk_usage(tmp_path).total
    assert 0 < free_disk_bytes(held / "below-a-file") <= shutil.disk_usage(tmp_path).total
