from quantpick.hardware.ram import ram


def test_available_ram_is_a_part_of_what_is_installed() -> None:
    now = ram()
    assert 0 < now.available_bytes <= now.total_bytes
