"""Whether memory held by other processes decides the answer."""

from collections.abc import Iterable
from dataclasses import replace

from quantpick.core.choose.recommend import Recommendation, recommend
from quantpick.core.gpu import Gpu
from quantpick.core.loaders.table import LoaderTable
from quantpick.core.quant import Branch, BranchWarning
from quantpick.core.units import format_gib


def foreign_process_warnings(
    answer: Recommendation, branches: Iterable[Branch], table: LoaderTable
) -> tuple[BranchWarning, ...]:
    """A warning if another branch would be recommended were no other process holding VRAM; else none.

    The driver's own memory counts as held even then.

    Args:
        answer: the answer for the GPUs as they are.
        branches: the branches it chose from.
        table: the loader rules behind it.
    """
    if answer.wish.vram_basis != "free" or not any(gpu.used_bytes for gpu in answer.gpus):
        return ()
    alone = [replace(gpu, free_bytes=min(gpu.total_bytes, gpu.free_bytes + gpu.used_bytes)) for gpu in answer.gpus]
    now, then = answer.recommended, recommend(branches, alone, answer.wish, table).recommended
    if then is None or (now is not None and now.branch.name == then.branch.name):
        return ()
    held = "; ".join(_held(gpu) for gpu in answer.gpus if gpu.used_bytes)
    return (BranchWarning("foreign-process", then.branch.name, f"would be recommended if VRAM were free: {held}"),)


def _held(gpu: Gpu) -> str:
    """Which processes hold how much of a GPU.

    >>> from quantpick.core.gpu import GpuProcess
    >>> xorg = GpuProcess(pid=812, name="Xorg", used_bytes=512 * 2**20)
    >>> _held(Gpu(index=0, name="T4", total_bytes=2**34, free_bytes=2**33, used_bytes=2**29, processes=(xorg,)))
    'GPU 0 has 0.50 GiB held by Xorg (pid 812, 0.50 GiB)'
    >>> _held(Gpu(index=1, name="T4", total_bytes=2**34, free_bytes=2**33, used_bytes=2**33))
    'GPU 1 has 8.00 GiB held by processes the driver does not name'
    """
    holders = ", ".join(
        f"{one.name} (pid {one.pid}, {format_gib(one.used_bytes)})" for one in gpu.processes if one.used_bytes
    )
    return f"GPU {gpu.index} has {format_gib(gpu.used_bytes)} held by {holders or 'processes the driver does not name'}"
