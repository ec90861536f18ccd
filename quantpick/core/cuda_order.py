"""Which of a machine's GPUs a CUDA program would see, and under which numbers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from quantpick.core.gpu import Gpu

PCI_BUS_ID: Final = "PCI_BUS_ID"
"""The value of ``CUDA_DEVICE_ORDER`` that keeps NVML's order; CUDA's default is ``FASTEST_FIRST``."""

MANY_MIG_DRIVER: Final = 570
"""The first driver under which a process may use several MIG instances (NVIDIA MIG User Guide, "Running CUDA
Applications on Bare-Metal", "CUDA Device Enumeration")."""

_NUMBER: Final = re.compile(r"\s*([+-]?[0-9]{1,9})")
"""A number as C's ``strtol`` reads one: leading blanks and anything after it are ignored."""

_UUID_DIGITS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What CUDA can use as one device: a whole GPU, or one MIG instance of it.

    Args:
        gpu: its facts.
        gpu_instance: for a MIG instance, its ``MIG-GPU-<UUID>/<GPU instance>``. Devices of one GPU instance share its
            memory. None for a whole GPU.
        compute_instance: the number of a MIG instance within its GPU instance.
    """

    gpu: Gpu
    gpu_instance: str | None = None
    compute_instance: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Its names in ``CUDA_VISIBLE_DEVICES``, numbers aside."""
        path = None if self.gpu_instance is None else f"{self.gpu_instance}/{self.compute_instance}"
        return tuple(filter(None, (self.gpu.uuid, path)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalGpu:
    """A GPU as NVML counts them.

    Args:
        uuid: NVML's UUID, or None if it gives none.
        devices: the GPU itself, or if MIG is on, its instances, of which there may be none.
        speed: cores times the highest clock in MHz, or None if NVML does not tell.
    """

    uuid: str | None
    devices: tuple[Device, ...]
    speed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a CUDA program sees.

    Args:
        gpus: the GPUs; `Gpu.index` is CUDA's number.
        hidden: the others; `Gpu.index` is NVML's number.
        note: a sentence if CUDA does not do what was asked of it, or shows nothing; else None.
    """

    gpus: tuple[Gpu, ...]
    hidden: tuple[Gpu, ...] = ()
    note: str | None = None


def as_cuda_sees(gpus: Sequence[PhysicalGpu], *, mask: str | None, order: str | None, many_mig: bool) -> View:
    """The GPUs that CUDA would show, in its order.

    Sources: NVIDIA, CUDA Programming Guide, "CUDA Environment Variables"; for MIG the MIG User Guide, "CUDA Device
    Enumeration"; for spellings these leave open, the behaviour of ``cuInit`` in driver 580.159. CUDA's heuristic for
    ``FASTEST_FIRST`` is not published. NVIDIA's own samples use cores times clock (``gpuGetMaxGflopsDeviceId``); if
    NVML withholds it for one GPU, the PCI order is kept.

    Args:
        gpus: in NVML's order, which is PCI order.
        mask: ``CUDA_VISIBLE_DEVICES``; None if it is not set.
        order: ``CUDA_DEVICE_ORDER``; None if it is not set.
        many_mig: whether the driver lets a process use several MIG instances (`MANY_MIG_DRIVER` and newer).
    """
    ordered = list(gpus) if order == PCI_BUS_ID else _fastest_first(gpus)
    every = [device for gpu in ordered for device in gpu.devices]
    listed, note = (every, None) if mask is None else _listed(ordered, mask)
    shown = _usable_together(listed, many_mig=many_mig)
    if len(shown) < len(listed):
        what = "one MIG instance of those that share memory" if many_mig else "one MIG instance, and then no whole GPU"
        note = f"CUDA shows a process {what}: CUDA_VISIBLE_DEVICES=MIG-... chooses"
    return View(
        gpus=tuple(replace(device.gpu, index=index) for index, device in enumerate(shown)),
        hidden=tuple(device.gpu for device in every if device not in shown),
        note=note,
    )


def _fastest_first(gpus: Sequence[PhysicalGpu]) -> list[PhysicalGpu]:
    if any(gpu.speed is None for gpu in gpus):
        return list(gpus)
    return sorted(gpus, key=lambda gpu: -(gpu.speed or 0))


def _listed(gpus: Sequence[PhysicalGpu], mask: str) -> tuple[list[Device], str | None]:
    """The devices of ``CUDA_VISIBLE_DEVICES`` up to the first entry that names none; no devices if one is named twice.

    A list that begins with a number is a list of numbers; any other is a list of UUIDs.
    """
    listed: list[Device] = []
    what = f"CUDA_VISIBLE_DEVICES=`{mask}`"
    named = _numbered if _NUMBER.match(mask) else _with_uuid
    for entry in mask.split(","):
        device = named(gpus, entry)
        if device is None:
            return listed, f"{what}: CUDA stops at `{entry}`, which names no GPU" if listed else f"{what} shows none"
        if device in listed:
            return [], f"{what} names a GPU twice, so CUDA shows none"
        listed.append(device)
    return listed, None


def _numbered(gpus: Sequence[PhysicalGpu], entry: str) -> Device | None:
    """The device of a GPU's number; a GPU with MIG on stands for its first instance."""
    number = _NUMBER.match(entry)
    if number is None or not 0 <= int(number[1]) < len(gpus):
        return None
    return next(iter(gpus[int(number[1])].devices), None)


def _with_uuid(gpus: Sequence[PhysicalGpu], entry: str) -> Device | None:
    """The device with exactly this name, or the only one whose name begins with it; a GPU stands for its first."""
    if not entry.startswith(("GPU-", "MIG-")) or not entry[4:]:
        return None
    names = [(_folded(gpu.uuid or ""), device) for gpu in gpus for device in gpu.devices[:1]]
    names += [(_folded(name), device) for gpu in gpus for device in gpu.devices for name in device.names]
    near = [(name, device) for name, device in names if name.startswith(_folded(entry))]
    exact = [device for name, device in near if name == _folded(entry)]
    meant = set(exact or (device for _, device in near))
    return meant.pop() if len(meant) == 1 else None


def _folded(name: str) -> str:
    """A UUID as CUDA compares it: ignoring hyphens, case and anything after its last digit.

    >>> _folded("GPU-8932F937-d72c-4106-c12f-20bd9faed9f6, I think"), _folded("MIG-GPU-8932f937/1/0")
    ('GPU-8932f937d72c4106c12f20bd9faed9f6', 'MIG-gpu8932f937/1/0')
    """
    digits = name[4:].replace("-", "").lower()
    return name[:4] + (digits if "/" in digits else digits[:_UUID_DIGITS])


def _usable_together(devices: Sequence[Device], *, many_mig: bool) -> list[Device]:
    """Whole GPUs and the first MIG instance of each GPU instance; with an older driver, only the first MIG instance."""
    mig = [device for device in devices if device.gpu_instance is not None]
    if mig and not many_mig:
        return mig[:1]
    firsts = {device.gpu_instance: device for device in reversed(mig)}
    return [device for device in devices if device.gpu_instance is None or firsts[device.gpu_instance] == device]
