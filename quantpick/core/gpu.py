"""The nouns of a machine: facts only, so a recommendation can be made for a machine nobody owns."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess:
    """A process that holds VRAM.

    Args:
        pid: its process id, as the driver sees it.
        name: its program's name without the folder, or ``pid N`` if the driver does not tell.
        used_bytes: VRAM it holds on this GPU; None if the driver does not tell (Windows, WSL).
    """

    pid: int
    name: str
    used_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU, detected or named.

    Args:
        index: its position in CUDA's list, from 0.
        name: marketing name, or what the user typed.
        total_bytes: VRAM as the driver reports it.
        free_bytes: VRAM nobody holds now; equals `total_bytes` if the GPU was only named.
        compute_capability: CUDA compute capability (8.9 for Ada), or None if unknown.
        uuid: NVML's UUID, or None if the GPU was only named.
        used_bytes: VRAM held by processes now, without the driver's own.
        processes: those that the driver names; a container sees only its own.
    """

    index: int
    name: str
    total_bytes: int
    free_bytes: int
    compute_capability: float | None = None
    uuid: str | None = None
    used_bytes: int = 0
    processes: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What NVML says about this machine.

    Args:
        gpus: those that CUDA would show, in its order and with its numbers.
        hidden: those hidden from CUDA by ``CUDA_VISIBLE_DEVICES`` or the rules of MIG.
        problem: sentences on what is missing from the answer, or None.
        driver_version: for example ``550.54.14``.
        cuda_version: the newest CUDA that this driver runs, for example ``12.4``.
    """

    gpus: tuple[Gpu, ...] = ()
    hidden: tuple[Gpu, ...] = ()
    problem: str | None = None
    driver_version: str | None = None
    cuda_version: str | None = None


@dataclass(frozen=True, slots=True)
class Ram:
    """RAM in bytes: installed, and available to a new process without swapping."""

    total_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine's NVIDIA GPUs and its RAM."""

    found: Detection
    ram: Ram
