"""``quantpick gpus``."""

from quantpick.core.gpu import Gpu, Machine
from quantpick.core.units import format_gib
from quantpick.render.page import Block, Column, Grid, Line, Page, Row

_COLUMNS = (
    Column("GPU"),
    Column("name"),
    Column("free", right=True),
    Column("total", right=True),
    Column("capability", goes=1),
)


def machine_page(machine: Machine) -> Page:
    """The GPUs with who holds memory on them, what is wrong, and the RAM; those that CUDA hides have no number."""
    found, ram = machine.found, machine.ram
    page: list[Block] = []
    if found.driver_version is not None:
        page.append(Line(f"NVIDIA driver {found.driver_version}, CUDA up to {found.cuda_version or '?'}", "dim"))
    rows = [row for gpu in found.gpus for row in _rows(str(gpu.index), gpu)]
    rows += [row for gpu in found.hidden for row in _rows("-", gpu)]
    if rows:
        page.append(Grid(_COLUMNS, rows))
    if found.hidden:
        page.append(Line("- is not shown to CUDA programs", "dim"))
    if found.problem is not None:
        page.append(Line(found.problem))
    page.append(Line(f"RAM: {format_gib(ram.available_bytes)} available of {format_gib(ram.total_bytes)}"))
    return page


def _rows(number: str, gpu: Gpu) -> list[Row]:
    """A GPU, then who holds memory on it."""
    capability = "?" if gpu.compute_capability is None else f"{gpu.compute_capability:.1f}"
    cells = [number, gpu.name, format_gib(gpu.free_bytes), format_gib(gpu.total_bytes), capability]
    rows = [Row(cells, "dim" if number == "-" else "")]
    for process in gpu.processes:
        held = "?" if process.used_bytes is None else f"-{format_gib(process.used_bytes)}"
        rows.append(Row(["", f"  {process.name} ({process.pid})", held, "", ""], "dim"))
    return rows
