"""The NVIDIA GPUs of this machine, through NVML (module ``pynvml``, distribution ``nvidia-ml-py``).

NVML shows the machine, not CUDA's view of it: that is `quantpick.core.cuda_order`'s job. A failed call is an unknown
value, never an error of quantpick.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, TypeVar

import pynvml

from quantpick.core.cuda_order import MANY_MIG_DRIVER, Device, PhysicalGpu, as_cuda_sees
from quantpick.core.gpu import Detection, Gpu, GpuProcess
from quantpick.hardware.ram import ram

T = TypeVar("T")

Handle = Any
"""NVML's handle of a GPU or MIG instance, an opaque pointer."""

_NO_DRIVER: Final = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "no NVIDIA driver on this machine (no library libnvidia-ml.so.1)",
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA driver is installed but not loaded (`modprobe nvidia`)",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
        "the NVIDIA driver's library and kernel module are of different versions: reboot to load the updated one"
    ),
    pynvml.NVML_ERROR_NO_PERMISSION: "this user may not use the NVIDIA driver (see the permissions of /dev/nvidia*)",
}
"""The meaning of the errors of ``nvmlInit`` that users meet."""


def detect() -> Detection:
    """The GPUs the NVIDIA driver shows. No driver is an answer, not an error."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Detection(problem=_NO_DRIVER.get(error.value, f"the NVIDIA driver does not answer: {error}"))
    try:
        return _detection()
    finally:
        _ask(pynvml.nvmlShutdown)


def _detection() -> Detection:
    problems: list[str] = []
    gpus = list(_physical_gpus(problems))
    driver = _ask(pynvml.nvmlSystemGetDriverVersion)
    cuda = _ask(pynvml.nvmlSystemGetCudaDriverVersion_v2)
    view = as_cuda_sees(
        gpus,
        mask=os.environ.get("CUDA_VISIBLE_DEVICES"),
        order=os.environ.get("CUDA_DEVICE_ORDER"),
        many_mig=_is_at_least(driver, MANY_MIG_DRIVER),
    )
    problems += [view.note] if view.note else []
    return Detection(
        gpus=view.gpus,
        hidden=view.hidden,
        problem="; ".join(problems) or (None if view.gpus else "the NVIDIA driver shows no GPU"),
        driver_version=driver,
        cuda_version=None if cuda is None else f"{cuda // 1000}.{cuda % 1000 // 10}",
    )


def _is_at_least(driver: str | None, major: int) -> bool:
    """Whether a driver is of this release branch or a newer one.

    >>> _is_at_least("570.86.10", 570), _is_at_least("535.129.03", 570), _is_at_least(None, 570)
    (True, False, False)
    """
    first = (driver or "").partition(".")[0]
    return first.isdigit() and int(first) >= major


def _ask(call: Callable[..., T], *args: object) -> T | None:
    """NVML's answer; None when it has none."""
    try:
        return call(*args)
    except pynvml.NVMLError:
        return None


def _physical_gpus(problems: list[str]) -> Iterator[PhysicalGpu]:
    """The GPUs that answer, in NVML's order; `problems` gets a sentence for each that answers partly or not at all."""
    for index in range(_ask(pynvml.nvmlDeviceGetCount) or 0):
        try:
            yield _physical_gpu(pynvml.nvmlDeviceGetHandleByIndex(index), index, problems)
        except pynvml.NVMLError as error:
            problems.append(f"nvidia-smi's GPU {index} is left out, it does not answer: {error}")


def _physical_gpu(handle: Handle, index: int, problems: list[str]) -> PhysicalGpu:
    uuid = _ask(pynvml.nvmlDeviceGetUUID, handle)
    current_mig, _ = _ask(pynvml.nvmlDeviceGetMigMode, handle) or (pynvml.NVML_DEVICE_MIG_DISABLE, None)
    if current_mig == pynvml.NVML_DEVICE_MIG_ENABLE:
        devices = tuple(_mig_devices(handle, index, uuid))
        problems += [] if devices else [f"nvidia-smi's GPU {index} has MIG on, but no instance that can be used"]
    else:
        devices = (Device(gpu=_gpu(handle, index, problems)),)
    return PhysicalGpu(uuid=uuid, devices=devices, speed=_speed(handle))


def _speed(handle: Handle) -> int | None:
    cores = _ask(pynvml.nvmlDeviceGetNumGpuCores, handle)
    mhz = _ask(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_SM)
    return cores * mhz if cores and mhz else None


def _mig_devices(gpu: Handle, index: int, uuid: str | None) -> Iterator[Device]:
    """The MIG instances of a GPU that answer; destroyed instances leave gaps in the numbers."""
    for at in range(_ask(pynvml.nvmlDeviceGetMaxMigDeviceCount, gpu) or 0):
        handle = _ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, gpu, at)
        memory = None if handle is None else _ask(_memory, handle)
        if memory is not None:
            yield Device(
                gpu=_described(handle, index, memory, capability=_capability(handle) or _capability(gpu)),
                gpu_instance=f"MIG-{uuid}/{_ask(pynvml.nvmlDeviceGetGpuInstanceId, handle)}",
                compute_instance=_ask(pynvml.nvmlDeviceGetComputeInstanceId, handle),
            )


def _gpu(handle: Handle, index: int, problems: list[str]) -> Gpu:
    """A whole GPU. If it has no memory of its own (Jetson, GB10), its memory is the RAM."""
    try:
        memory = _memory(handle)
    except pynvml.NVMLError_NotSupported:
        host = ram()
        memory = _Memory(total=host.total_bytes, free=host.available_bytes, used=None)
        problems.append(f"nvidia-smi's GPU {index} shares the host's memory: the figures are those of the RAM")
    return _described(handle, index, memory, capability=_capability(handle))


@dataclass(frozen=True, slots=True)
class _Memory:
    """Bytes; `used` is None if the driver's own share cannot be told apart."""

    total: int
    free: int
    used: int | None


def _memory(handle: Handle) -> _Memory:
    """The memory. Version 1 of the call, the only one in older drivers, counts the driver's own share as used."""
    now = _ask(pynvml.nvmlDeviceGetMemoryInfo, handle, pynvml.nvmlMemory_v2)
    if now is not None:
        return _Memory(total=now.total, free=now.free, used=now.used)
    now = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return _Memory(total=now.total, free=now.free, used=None)


def _capability(handle: Handle) -> float | None:
    version = _ask(pynvml.nvmlDeviceGetCudaComputeCapability, handle)
    return None if version is None else float(f"{version[0]}.{version[1]}")


def _described(handle: Handle, index: int, memory: _Memory, *, capability: float | None) -> Gpu:
    processes = tuple(_processes(handle))
    return Gpu(
        index=index,
        name=_ask(pynvml.nvmlDeviceGetName, handle) or "NVIDIA GPU",
        total_bytes=memory.total,
        free_bytes=memory.free,
        compute_capability=capability,
        uuid=_ask(pynvml.nvmlDeviceGetUUID, handle),
        used_bytes=sum(one.used_bytes or 0 for one in processes) if memory.used is None else memory.used,
        processes=processes,
    )


def _processes(handle: Handle) -> Iterator[GpuProcess]:
    """The processes that hold memory, the largest first; one that both draws and computes counts once."""
    calls = (pynvml.nvmlDeviceGetComputeRunningProcesses_v3, pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3)
    answers = [one for call in calls for one in _ask(call, handle) or ()]
    held = {one.pid: one.usedGpuMemory for one in sorted(answers, key=lambda one: one.usedGpuMemory or 0)}
    for pid in sorted(held, key=lambda pid: (-(held[pid] or 0), pid)):
        yield GpuProcess(pid=pid, name=_process_name(pid), used_bytes=held[pid])


def _process_name(pid: int) -> str:
    """The program's name; NVML gives its path and, with some drivers, its arguments."""
    words = (_ask(pynvml.nvmlSystemGetProcessName, pid) or "").split()
    return PurePosixPath(words[0]).name if words else f"pid {pid}"
