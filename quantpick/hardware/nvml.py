"""The NVIDIA GPUs of this machine, through NVML (module ``pynvml``, distribution ``nvidia-ml-py``)."""

from dataclasses import dataclass

from quantpick.core.gpu import Gpu


@dataclass(frozen=True, slots=True)
class Detection:
    """What NVML says of this machine.

    Args:
        gpus: in NVML's order, which is the PCI bus's.
        problem: one sentence when there is no answer or only a part of one, else None.
    """

    gpus: tuple[Gpu, ...]
    problem: str | None = None


def detect() -> Detection:
    """The GPUs the NVIDIA driver shows. No driver is an answer, not an error."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return Detection((), "no NVIDIA driver on this machine (its library libnvidia-ml.so.1 is not there)")
    except pynvml.NVMLError as error:
        return Detection((), f"the NVIDIA driver does not answer: {error}")
    try:
        gpus = tuple(_read(pynvml.nvmlDeviceGetHandleByIndex(index), index) for index in range(_count()))
    except pynvml.NVMLError as error:
        return Detection((), f"the NVIDIA driver does not answer: {error}")
    finally:
        pynvml.nvmlShutdown()
    return Detection(gpus, None if gpus else "the NVIDIA driver shows no GPU")


def _count() -> int:
    import pynvml

    return int(pynvml.nvmlDeviceGetCount())


def _read(handle: object, index: int) -> Gpu:
    import pynvml

    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return Gpu(
        index=index,
        name=str(pynvml.nvmlDeviceGetName(handle)),
        total_bytes=int(memory.total),
        free_bytes=int(memory.free),
        compute_capability=float(f"{major}.{minor}"),
        uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
    )
