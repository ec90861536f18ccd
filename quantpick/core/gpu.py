"""The noun for one GPU: facts only, so that a recommendation can be asked for a machine nobody owns."""

from dataclasses import dataclass


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
    """

    index: int
    name: str
    total_bytes: int
    free_bytes: int
    compute_capability: float | None = None
    uuid: str | None = None
