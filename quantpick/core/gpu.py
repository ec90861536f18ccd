"""The noun for one GPU: facts only, so that a recommendation can be asked for a machine nobody owns."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess:
    """A process that holds VRAM.

    Args:
        pid: its process id, as the driver sees it.
        name: its program's name without the folder, or ``pid N`` where the driver does not tell.
        used_bytes: VRAM it holds on this GPU; None where the driver does not tell (Windows, WSL).
    """

    pid: int
    name: str
    used_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU, detected or named.

    Args:
        index: position in the list CUDA would show, from 0.
        name: marketing name, or what the user typed.
        total_bytes: VRAM as the driver reports it.
        free_bytes: VRAM nobody holds now; equals `total_bytes` for a GPU that was only named.
        compute_capability: CUDA compute capability (8.9 for Ada), or None when nobody said.
        uuid: NVML's UUID, or None for a GPU that was only named.
        used_bytes: VRAM that processes hold now, without what the driver keeps for itself.
        processes: those of them that the driver names; a container is shown none but its own.
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
        gpus: those that CUDA would show, in its order and under its numbers.
        hidden: those that ``CUDA_VISIBLE_DEVICES`` or the rules of MIG keep from CUDA.
        problem: sentences on what is missing from the answer, else None.
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
    """Bytes of memory: installed, and what a new process could use without swapping."""

    total_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine's NVIDIA GPUs and its RAM."""

    found: Detection
    ram: Ram
