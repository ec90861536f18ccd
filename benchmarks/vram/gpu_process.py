"""What this process holds on the GPU, as NVML counts it."""

from collections.abc import Callable


def started() -> tuple[Callable[[], int], int]:
    """Start CUDA; returns a function for the bytes held since, and those that the CUDA context took.

    Nothing else may run on the GPU meanwhile.
    """
    import pynvml
    import torch

    pynvml.nvmlInit()
    device = pynvml.nvmlDeviceGetHandleByIndex(0)
    base = int(pynvml.nvmlDeviceGetMemoryInfo(device).used)

    def held() -> int:
        torch.cuda.synchronize()
        return int(pynvml.nvmlDeviceGetMemoryInfo(device).used) - base

    torch.zeros(1, device="cuda")
    return held, held()
