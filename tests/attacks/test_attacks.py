"""One round of each quick attack; `make attacks` stages them all, many times."""

import pytest

from tests.attacks.__main__ import ALL, staged
from tests.attacks.arena import ATTACKS, Attack, Skipped

assert ALL, "the attacks are known once their modules are read"


@pytest.mark.parametrize("attack", [one for one in ATTACKS if one.quick], ids=lambda one: f"{one.family}: {one.name}")
def test_attack_is_held(attack: Attack) -> None:
    try:
        how = staged(attack, 0)
    except Skipped as reason:
        pytest.skip(str(reason))
    assert how is None, how
