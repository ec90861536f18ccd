import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.cuda_order import PCI_BUS_ID, Device, PhysicalGpu, View, as_cuda_sees
from quantpick.core.gpu import Gpu


def gpu(index: int, uuid: str, speed: int | None = None) -> PhysicalGpu:
    gpu = Gpu(index=index, name=f"gpu {index}", total_bytes=2**34, free_bytes=2**34, uuid=uuid)
    return PhysicalGpu(uuid=uuid, devices=(Device(gpu=gpu),), speed=speed)


def instance(card_uuid: str, uuid: str, gpu_instance: int, compute_instance: int) -> Device:
    return Device(
        gpu=Gpu(index=0, name=uuid, total_bytes=2**33, free_bytes=2**33, uuid=uuid),
        gpu_instance=f"MIG-{card_uuid}/{gpu_instance}",
        compute_instance=compute_instance,
    )


CARDS = [gpu(0, "GPU-8932f937-d72c"), gpu(1, "GPU-8932aaaa-4106"), gpu(2, "GPU-c12f20bd-9faa")]
SPLIT = PhysicalGpu(
    uuid="GPU-d0d0",
    devices=(
        instance("GPU-d0d0", "MIG-aa11", 1, 0),
        instance("GPU-d0d0", "MIG-aa22", 1, 1),
        instance("GPU-d0d0", "MIG-bb33", 2, 0),
        instance("GPU-d0d0", "MIG-cc44", 2, 10),
    ),
)


def seen(gpus: list[PhysicalGpu], mask: str | None, *, many_mig: bool = True) -> View:
    return as_cuda_sees(gpus, mask=mask, order=PCI_BUS_ID, many_mig=many_mig)


@pytest.mark.parametrize(
    ("mask", "shown"),
    [
        (None, [0, 1, 2]),
        ("2,1", [2, 1]),
        (" 2 , 1 ", [2, 1]),
        ("0,2,-1,1", [0, 2]),
        ("0,3,1", [0]),
        ("0,,1", [0]),
        ("0,one,1", [0]),
        ("1,GPU-8932f937,2", [1]),
        ("GPU-8932f937,1", [0]),
        ("GPU-8932F937,GPU-C12F20BD9", [0, 2]),
        ("GPU-c,GPU-8932f937,GPU-zz,GPU-8932a", [2, 0]),
        ("GPU-c, GPU-8932f937", [2]),
        ("GPU-c,GPU-c12f", []),
        ("gpu-c", []),
        ("02,0x1", [2, 0]),
        ("1st,2nd", [1, 2]),
        ("+1", [1]),
        ("GPU-c", [2]),
        ("GPU-8932", []),
        ("GPU-c,GPU-8932", [2]),
        ("GPU-8932f937-d72c-and-more", []),
        ("8932f937", []),
        ("GPU", []),
        ("", []),
        ("-1", []),
        ("none", []),
        ("0,0", []),
        ("1,2,01", []),
        ("²", []),
        ("99999999999999999999", []),
        ("MIG-aa11", []),
    ],
)
def test_mask_is_read_up_to_the_first_entry_that_names_no_gpu(mask: str | None, shown: list[int]) -> None:
    view = seen(CARDS, mask)
    assert [gpu.name for gpu in view.gpus] == [f"gpu {index}" for index in shown]
    assert [gpu.index for gpu in view.gpus] == list(range(len(shown)))
    assert {gpu.name for gpu in view.hidden} == {f"gpu {index}" for index in {0, 1, 2} - set(shown)}
    if not shown:
        assert view.note is not None


@given(
    st.none()
    | st.text()
    | st.lists(st.sampled_from(["0", "1", "2", "3", "-1", "GPU-8", "GPU-c", "x", ""])).map(",".join)
)
def test_no_mask_raises_and_every_gpu_is_shown_or_hidden_once(mask: str | None) -> None:
    view = seen(CARDS, mask)
    assert sorted(gpu.name for gpu in (*view.gpus, *view.hidden)) == ["gpu 0", "gpu 1", "gpu 2"]
    assert [gpu.index for gpu in view.gpus] == list(range(len(view.gpus)))


@pytest.mark.parametrize(
    ("speeds", "order", "shown"),
    [
        ([1, 3, 2], None, [1, 2, 0]),
        ([1, 3, 2], "FASTEST_FIRST", [1, 2, 0]),
        ([1, 3, 2], PCI_BUS_ID, [0, 1, 2]),
        ([2, 2, 2], None, [0, 1, 2]),
        ([1, None, 2], None, [0, 1, 2]),
    ],
)
def test_fastest_comes_first_where_every_speed_is_known(
    speeds: list[int | None], order: str | None, shown: list[int]
) -> None:
    gpus = [gpu(index, f"GPU-{index}", speed) for index, speed in enumerate(speeds)]
    view = as_cuda_sees(gpus, mask=None, order=order, many_mig=True)
    assert [gpu.name for gpu in view.gpus] == [f"gpu {index}" for index in shown]


@pytest.mark.parametrize(
    ("mask", "shown"),
    [
        (None, ["MIG-aa11", "MIG-bb33", "gpu 2"]),
        ("0", ["MIG-aa11"]),
        ("GPU-d0d0", ["MIG-aa11"]),
        ("MIG-cc44", ["MIG-cc44"]),
        ("MIG-a", []),
        ("MIG-GPU-d0d0/2/0", ["MIG-bb33"]),
        ("MIG-GPU-d0d0/2/10,GPU-c", ["MIG-cc44", "gpu 2"]),
        ("MIG-GPU-d0d0/1/1,MIG-bb", ["MIG-aa22", "MIG-bb33"]),
        ("MIG-GPU-d0d0/2", []),
    ],
)
def test_mig_instances_that_share_memory_are_shown_once(mask: str | None, shown: list[str]) -> None:
    assert [gpu.name for gpu in seen([SPLIT, CARDS[2]], mask).gpus] == shown


@pytest.mark.parametrize(
    ("mask", "shown"),
    [(None, ["MIG-aa11"]), ("1", ["gpu 2"]), ("1,0", ["MIG-aa11"]), ("MIG-bb33,GPU-c", ["MIG-bb33"])],
)
def test_older_driver_shows_one_mig_instance_and_then_no_whole_gpu(mask: str | None, shown: list[str]) -> None:
    view = seen([SPLIT, CARDS[2]], mask, many_mig=False)
    assert [gpu.name for gpu in view.gpus] == shown


def test_card_whose_mig_has_no_instance_cannot_be_named() -> None:
    empty = PhysicalGpu(uuid="GPU-e", devices=())
    assert seen([empty, CARDS[0]], "0").gpus == ()
    assert seen([empty, CARDS[0]], "GPU-e").gpus == ()
    assert [gpu.name for gpu in seen([empty, CARDS[0]], "1").gpus] == ["gpu 0"]
