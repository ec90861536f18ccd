"""What a person sees on stdout: tables and bars, by Rich."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from quantpick.core.branches.table import BranchTable
from quantpick.core.choose.fit import Fit
from quantpick.core.choose.recommend import Recommendation
from quantpick.core.choose.verdict import Choice
from quantpick.core.gpu import Machine
from quantpick.core.loaders.table import Loader
from quantpick.core.loaders.words import accepts_in_words, versions_in_words
from quantpick.core.methods import METHODS
from quantpick.core.outcome import DownloadResult, VerifyReport
from quantpick.core.quant import Branch
from quantpick.core.units import GIB, format_gb, format_gib
from quantpick.render.terminal import printable

MAX_BAR_CELLS: Final = 20
MIN_BAR_CELLS: Final = 6
_NUMBERS: Final = ("weights", "cache", "scratch", "CUDA", "needs", "max context")
"""Columns of a branch's memory."""

_BAR: Final = {"weights": ("█", "#", "cyan"), "cache": ("▓", "=", "yellow"), "overhead": ("▒", "-", "magenta")}
_CONTRADICTIONS: Final = frozenset({"card-mismatch", "name-mismatch", "stale-size", "unread-config"})
_FREE: Final = ("·", ".", "dim")
_BEYOND: Final = ("▶", ">", "bold red")


def show_recommendation(answer: Recommendation) -> None:
    """The pick and why, then every branch against the budget, then why not the others."""
    console = _console()
    best = answer.recommended
    shown = best or answer.choices[0]
    if best is not None:
        console.print(Text(printable(best.branch.name), style="bold green"))
        console.print(_indented(_why(best, answer)))
    else:
        console.print(Text("No branch fits.", style="bold red"))
    console.print(_indented(_question(shown, answer), style="dim"))
    console.print()
    cells = _bar_cells(answer, console)
    console.print(_verdicts(answer, cells, console))
    console.print(_legend(cells, console))
    rejected = [choice for choice in answer.choices if not choice.fits]
    if rejected:
        console.print()
        console.print(Text("Why not the others" if best else "Why not", style="bold"))
        console.print(_reasons(rejected))
    if best is None and answer.siblings:
        console.print()
        console.print(Text("The card names these other repos of the model", style="bold"))
        for sibling in answer.siblings:
            console.print(Text(f"  {printable(sibling.repo_id)}"))


def show_branches(table: BranchTable) -> None:
    """The branch table, then what is in the repo beside quantizations."""
    console = _console()
    if table.repo_id is not None:
        console.print(Text(printable(table.repo_id), style="bold"))
    doubted = {warning.branch for warning in table.warnings if warning.code in _CONTRADICTIONS}
    console.print(_branch_table(table.branches, doubted, console))
    if not doubted.isdisjoint(branch.name for branch in table.branches):
        console.print(Text("! what is said of it and what is there disagree: see the warnings", style="dim"))
    if table.skipped:
        console.print()
        console.print(Text("Not quantizations", style="bold"))
        console.print(_hanging((skipped.branch, skipped.reason) for skipped in table.skipped))


def show_download(result: DownloadResult) -> None:
    """What a download came to, on stderr: stdout is the path."""
    console = Console(stderr=True, highlight=False)
    fetched, reused = format_gb(result.fetched_bytes), format_gb(result.reused_bytes)
    what = f"{printable(result.branch)} of {result.repo_id}"
    if result.planned:
        console.print(Text(f"{what} would take {fetched} to fetch; {reused} are there. Path: {result.path}"))
    else:
        console.print(Text(f"{what}: {len(result.files)} files, all verified; {fetched} fetched, {reused} reused"))
    if result.left_out:
        size = format_gb(sum(file.size_bytes for file in result.left_out))
        console.print(
            Text(f"left out: {size} of pickle weights, which are there as safetensors; --include asks for them")
        )
    if result.launch is not None:
        console.print(Text("Run it:", style="bold"))
        console.print(Text(result.launch), soft_wrap=True)


def show_verification(reports: Sequence[VerifyReport]) -> None:
    """What is missing, damaged or extra, or that nothing is."""
    console = _console()
    for report in reports:
        name = report.path if report.branch is None else f"{report.repo_id} {report.branch}: {report.path}"
        console.print(Text(printable(name), style="bold"), soft_wrap=True)
        for path, state in report.files:
            if state != "ok":
                console.print(Text(f"  {state:8} {printable(path)}", style="red"), soft_wrap=True)
        sound = len(report.having("ok"))
        console.print(Text(f"  {sound} of {len(report.files) - len(report.having('extra'))} files are right"))


def show_gpus(machine: Machine) -> None:
    """The GPUs with who holds memory on them, what is wrong, and the RAM; those that CUDA hides have no number."""
    console = _console()
    found, ram = machine.found, machine.ram
    if found.driver_version is not None:
        console.print(
            Text(f"NVIDIA driver {found.driver_version}, CUDA up to {found.cuda_version or '?'}", style="dim")
        )
    if found.gpus or found.hidden:
        grid = _grid("GPU", "name", "free", "total", "capability", folding=("name",))
        for number, style, gpu in [(str(gpu.index), "", gpu) for gpu in found.gpus] + [
            ("-", "dim", gpu) for gpu in found.hidden
        ]:
            capability = "?" if gpu.compute_capability is None else f"{gpu.compute_capability:.1f}"
            free, total = format_gib(gpu.free_bytes), format_gib(gpu.total_bytes)
            grid.add_row(number, printable(gpu.name), free, total, capability, style=style)
            for process in gpu.processes:
                held = "?" if process.used_bytes is None else f"-{format_gib(process.used_bytes)}"
                grid.add_row("", f"  {printable(process.name)} ({process.pid})", held, "", "", style="dim")
        console.print(grid)
    if found.hidden:
        console.print(Text("- is not shown to CUDA programs", style="dim"))
    if found.problem is not None:
        console.print(Text(printable(found.problem)))
    console.print(Text(f"RAM: {format_gib(ram.available_bytes)} available of {format_gib(ram.total_bytes)}"))


def show_loaders(loaders: Sequence[Loader]) -> None:
    """All loaders with what they read; one alone with its rules and their sources."""
    console = _console()
    if len(loaders) == 1:
        _show_rules(console, loaders[0])
        return
    grid = _grid("loader", "version", "state", "reads", "GPUs", folding=("reads",))
    for loader in loaders:
        grid.add_row(loader.id, loader.newest, loader.status, ", ".join(loader.methods), loader.split)
    console.print(grid)


def _show_rules(console: Console, loader: Loader) -> None:
    console.print(Text(f"{loader.name} {loader.newest} ({loader.status})", style="bold"))
    console.print(Text(f"  {loader.status_note}"))
    console.print(Text("  KV cache: " + ", ".join(f"{name} {size:g} B" for name, size in loader.kv_dtypes.items())))
    for rule in loader.rules:
        console.print()
        floor = "" if rule.min_capability is None else f", compute capability {rule.min_capability:.1f} or newer"
        doubt = " (unverified)" if rule.unverified else ""
        console.print(Text(f"{rule.method} {versions_in_words(rule)}: {accepts_in_words(rule)}{floor}{doubt}"))
        console.print(Text(f"  {rule.source} ({rule.checked})", style="dim"))


def _indented(sentence: str, style: str = "") -> Padding:
    return Padding(Text(sentence, style=style), (0, 0, 0, 2))


def _console() -> Console:
    return Console(highlight=False, soft_wrap=False)


def _grid(*headers: str, folding: Sequence[str]) -> Table:
    """A table without lines, in which only the columns `folding` give way where the screen is too narrow."""
    grid = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for header in headers:
        right = header in ("free", "total", "needs", "size", "max context")
        grid.add_column(header, justify="right" if right else "left", overflow="fold", no_wrap=header not in folding)
    return grid


def _why(best: Choice, answer: Recommendation) -> str:
    """One sentence on why this one."""
    virtue = {
        "quality": "the best quality that fits",
        "speed": "the smallest that is good enough, so the fastest",
        "context": "the one that leaves the most room",
    }[answer.wish.prefer]
    only = "the only one that fits" if sum(choice.fits for choice in answer.choices) == 1 else virtue
    spare = ""
    if best.fit is not None:
        longest = f"context up to {best.fit.max_context_tokens:,} tokens"
        spare = f"; {format_gib(best.fit.spare_bytes)} to spare, {longest}"
    return f"{_spec(best.branch)}: {only}{spare}."


def _question(shown: Choice, answer: Recommendation) -> str:
    """What was asked, as it was understood."""
    gpus = ", ".join(f"{printable(gpu.name)} {format_gib(gpu.total_bytes)}" for gpu in answer.gpus)
    loader = f"{shown.loader.loader.name} {shown.loader.shown_version}"
    assumed = "" if answer.wish.loader else " (assumed: no --loader)"
    usable = "" if shown.fit is None else f", {format_gib(shown.fit.budget_bytes)} usable"
    batch = "" if answer.wish.batch == 1 else f", batch {answer.wish.batch}"
    return f"{loader}{assumed}, {shown.context_tokens:,} tokens, {answer.wish.kv_dtype} cache{batch}, {gpus}{usable}"


def _spec(branch: Branch) -> str:
    """The quantization in a person's words.

    >>> from quantpick.core.quant import QuantSpec
    >>> _spec(Branch(name="x", quant=QuantSpec("gptq", 4, 32, True), sources={"group_size": "card"}))
    '4-bit GPTQ, group 32, act order'
    """
    quant = branch.quant
    unit = "bpw" if quant.method and METHODS[quant.method].states_bpw else "bit"
    bits = "?" if quant.bits is None else f"{quant.bits:g}"
    words = [f"{bits} bpw" if unit == "bpw" else f"{bits}-bit"]
    words[0] += "" if quant.method in (None, "none") else f" {quant.method.upper()}"
    if "group_size" in branch.sources:
        words.append("no group" if quant.group_size is None else f"group {quant.group_size}")
    if quant.desc_act:
        words.append("act order")
    return ", ".join(words)


def _verdicts(answer: Recommendation, cells: int, console: Console) -> Table:
    """One row per branch: what its memory is made of, in GiB, and a bar of so many cells, if any."""
    grid = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", show_edge=False)
    grid.add_column("")
    grid.add_column("branch", overflow="fold")
    for header in _NUMBERS:
        grid.add_column(header, justify="right", no_wrap=True)
    if cells:
        grid.add_column("")
    for choice in answer.choices:
        style = "" if choice.fits else "dim"
        mark = str(choice.rank) if choice.fits else _glyph(("✗", "x"), console)
        fit = choice.fit
        numbers = ["?"] * len(_NUMBERS)
        if fit is not None:
            need = fit.estimate
            parts = (
                need.weights_bytes,
                need.kv_cache_bytes,
                need.scratch_bytes,
                need.cuda_context_bytes,
                need.total_bytes,
            )
            numbers = [*(f"{part / GIB:.2f}" for part in parts), f"{fit.max_context_tokens:,}"]
        grid.add_row(
            Text(mark, style="green" if choice.fits else "red"),
            Text(printable(choice.branch.name), style=style),
            *(Text(number, style=style) for number in numbers),
            *([_bar(fit, cells, console) if fit else Text("unknown")] if cells else []),
        )
    return grid


def _bar_cells(answer: Recommendation, console: Console) -> int:
    """As long a bar as numbers and the longest branch name leave room for, or 0."""
    others = len("1 ") + len(" ") + sum(len(header) + len(" ") for header in _NUMBERS)
    longest = max(len(choice.branch.name) for choice in answer.choices)
    room = min(MAX_BAR_CELLS, console.width - others - longest)
    return room if room >= MIN_BAR_CELLS else 0


def _bar(fit: Fit, cells: int, console: Console) -> Text:
    """Weights, cache and overhead against the budget; what is beyond it ends in an arrow."""
    parts = {
        "weights": fit.estimate.weights_bytes,
        "cache": fit.estimate.kv_cache_bytes,
        "overhead": fit.estimate.scratch_bytes + fit.estimate.cuda_context_bytes,
    }
    bar = Text()
    end, filled = 0, 0
    for part, size_bytes in parts.items():
        end += size_bytes
        upto = min(cells, round(cells * end / max(1, fit.budget_bytes)))
        bar.append(_glyph(_BAR[part], console) * (upto - filled), style=_BAR[part][2])
        filled = max(filled, upto)
    if fit.spare_bytes < 0:
        bar = bar[: cells - 1]
        return bar.append(_glyph(_BEYOND, console), style=_BEYOND[2])
    return bar.append(_glyph(_FREE, console) * (cells - filled), style=_FREE[2])


def _legend(cells: int, console: Console) -> Text:
    legend = Text("  sizes in GiB", style="dim")
    if not cells:
        return legend
    legend.append("; ")
    for part, (*_, style) in _BAR.items():
        legend.append(_glyph(_BAR[part], console), style=style).append(f" {part}  ")
    legend.append(_glyph(_FREE, console), style=_FREE[2]).append(" free  ")
    return legend.append(_glyph(_BEYOND, console), style=_BEYOND[2]).append(" too large")


def _glyph(glyphs: Sequence[str], console: Console) -> str:
    """The first spelling where the terminal can show it, else the ASCII one."""
    return glyphs[0] if console.encoding.lower().startswith("utf") else glyphs[1]


def _reasons(rejected: Sequence[Choice]) -> Table:
    return _hanging((choice.branch.name, "\n".join(reason.message for reason in choice.reasons)) for choice in rejected)


def _hanging(rows: Iterable[tuple[str, str]]) -> Table:
    """Names with what is to be said of each beside it; both fold."""
    grid = Table(box=None, padding=(0, 2, 0, 2), show_header=False, show_edge=False)
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold")
    for name, sentence in rows:
        grid.add_row(printable(name), Text(sentence))
    return grid


def _branch_table(branches: Sequence[Branch], doubted: Collection[str | None], console: Console) -> Table:
    """One row per branch; a column that would be empty is left out."""
    longest = max(len(printable(branch.name)) for branch in branches)
    columns: dict[str, list[str]] = {
        "": ["!" if branch.name in doubted else "" for branch in branches],
        "branch": [printable(branch.name) for branch in branches],
        "quantization": [_spec(branch) for branch in branches],
        "size": ["" if branch.size_bytes is None else format_gb(branch.size_bytes) for branch in branches],
        "ExLlama": [{True: "yes", False: "no", None: ""}[branch.exllama] for branch in branches],
        "seq len": ["" if branch.seq_len is None else str(branch.seq_len) for branch in branches],
    }
    shown = {header: cells for header, cells in columns.items() if any(cells)}
    folding = ("quantization",) if longest < console.width - 50 else ("branch", "quantization")
    grid = _grid(*shown, folding=folding)
    for row in zip(*shown.values(), strict=True):
        grid.add_row(*row)
    return grid
