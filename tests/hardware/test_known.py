import re
import tomllib
from pathlib import Path

import pytest

import quantpick.hardware
from quantpick import UsageError
from quantpick.__main__ import main
from quantpick.core.units import GIB, MIB
from quantpick.hardware.known import assumed_memories, named_gpus

TABLE = tomllib.loads(Path(quantpick.hardware.__file__).with_name("gpus.toml").read_text(encoding="utf-8"))
ROWS = TABLE["read"] | TABLE["recalled"]
CARD = str(Path(__file__).parents[1] / "fixtures" / "cards" / "airoboros-c34b-gptq.md")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("RTX 4090", ["GeForce RTX 4090"]),
        ("nvidia geforce rtx 4090", ["GeForce RTX 4090"]),
        ("4090", ["GeForce RTX 4090"]),
        ("2xA6000", ["RTX A6000", "RTX A6000"]),
        ("2 x 3090, P40", ["GeForce RTX 3090", "GeForce RTX 3090", "Tesla P40"]),
        ("2x3090", ["GeForce RTX 3090", "GeForce RTX 3090"]),
        ("3090x2, 3090 × 2", ["GeForce RTX 3090"] * 4),
        ("RTX 3090 24GB", ["GeForce RTX 3090"]),
        ("2x RTX 3090 (24 GB)", ["GeForce RTX 3090", "GeForce RTX 3090"]),
        ("3060-12gb", ["GeForce RTX 3060 12GB"]),
        ("RTX 3060 8 GB", ["GeForce RTX 3060 8GB"]),
        ("4060ti 16GiB", ["GeForce RTX 4060 Ti 16GB"]),
        ("gtx1080ti", ["GeForce GTX 1080 Ti"]),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", ["GeForce RTX 4090 Laptop"]),
        ("RTX 4090 Mobile", ["GeForce RTX 4090 Laptop"]),
        ("NVIDIA A100-SXM4-80GB", ["A100 80GB"]),
        ("NVIDIA A100 80GB PCIe", ["A100 80GB"]),
        ("NVIDIA H100 80GB HBM3", ["H100 80GB"]),
        ("Tesla V100-SXM2-16GB", ["Tesla V100 16GB"]),
        ("NVIDIA RTX 6000 Ada Generation", ["RTX 6000 Ada"]),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", ["RTX PRO 6000 Blackwell"]),
        ("RTX PRO 6000 Blackwell Max-Q Workstation Edition", ["RTX PRO 6000 Blackwell"]),
        ("NVIDIA GB10", ["GB10"]),
    ],
)
def test_card_is_known_as_people_and_as_the_driver_call_it(text: str, names: list[str]) -> None:
    assert [gpu.name for gpu in named_gpus(text)] == names


def test_every_row_is_a_card_that_can_be_asked_for_and_whose_name_tells_its_memory() -> None:
    assert set(TABLE) == {"read", "recalled"}
    assert not set(TABLE["read"]) & set(TABLE["recalled"])
    for name, (mib, capability, *others) in ROWS.items():
        for spelling in (name, *others):
            (gpu,) = named_gpus(spelling)
            assert (gpu.name, gpu.total_bytes, gpu.compute_capability) == (name, mib * MIB, capability), spelling
        stated = re.search(r" (\d+)GB$", name)
        if stated is not None:
            assert 0.85 * int(stated[1]) * GIB < mib * MIB <= 1.02 * int(stated[1]) * GIB, name


def test_bare_name_of_several_cards_takes_one_of_them_and_names_the_others() -> None:
    families: dict[str, list[str]] = {}
    for name in ROWS:
        families.setdefault(re.sub(r" \d+GB$", "", name), []).append(name)
    shared = {bare: names for bare, names in families.items() if len(names) > 1}
    assert {"GeForce RTX 3060", "A100", "Tesla V100"} <= set(shared)
    for bare, names in shared.items():
        (gpu,) = named_gpus(bare)
        (said,) = assumed_memories(bare)
        assert gpu.name in names
        assert all(name in said for name in names)
        assert assumed_memories(gpu.name) == ()


@pytest.mark.parametrize(("bare", "gib"), [("A100", 40), ("V100", 16), ("3060", 12), ("4060 Ti", 8), ("3080", 10)])
def test_bare_name_means_the_usual_card_or_the_smaller(bare: str, gib: int) -> None:
    (gpu,) = named_gpus(bare)
    assert round(gpu.total_bytes / GIB) == gib


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("RX 7900 XTX", "AMD"),
        ("Radeon Pro W7900", "AMD"),
        ("7900 XTX", "AMD"),
        ("RX 7900 XT 20GB", "--vram 20GiB"),
        ("MI300X", "AMD"),
        ("M3 Max 64GB", "--vram 64GiB"),
        ("RTX 3090 12GB", "no GeForce RTX 3090 with 12 GB"),
        ("M2 Max", "Apple"),
        ("Apple M4", "Apple"),
        ("Arc A770", "Intel"),
        ("B580", "Intel"),
        ("RTX 4095", "RTX 4090"),
        ("A6500", "A6000"),
        ("toaster", "--vram"),
        ("0xA6000", "does not name a GPU"),
        (",", "does not name a GPU"),
    ],
)
def test_name_that_is_no_known_gpu_is_exit_2_with_a_way_on(
    name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        named_gpus(name)
    assert says in f"{caught.value.message} {caught.value.hint}"
    assert main(["recommend", "--card", CARD, "--gpu", name]) == 2
    assert capsys.readouterr().out == ""


def test_assumed_memory_is_said_even_when_only_the_branch_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", "--card", CARD, "--loader", "exllama", "--gpu", "2xA100", "-q"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert captured.err.startswith("warning: `A100` is taken to be the A100 40GB; there is the A100 80GB")
    assert main(["recommend", "--card", CARD, "--loader", "exllama", "--gpu", "A100 40GB", "-q"]) == 0
    assert capsys.readouterr().err == ""
