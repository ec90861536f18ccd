"""Phrases that several screens use."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from quantpick.core.methods import METHODS
from quantpick.render.page import EMPTY, Block, Line

if TYPE_CHECKING:
    from quantpick.core.quant import Branch, BranchWarning


def spec(branch: "Branch") -> str:
    """The quantization in a person's words.

    >>> from quantpick.core.quant import Branch, QuantSpec
    >>> spec(Branch(name="x", quant=QuantSpec("gptq", 4, 32, True), sources={"group_size": "card"}))
    '4-bit GPTQ, group 32, act order'
    >>> spec(Branch(name="x", quant=QuantSpec("compressed-tensors", 4, 16, scheme="nvfp4", activation_bits=4)))
    '4-bit compressed-tensors (NVFP4), 4-bit activations'
    """
    quant = branch.quant
    known = None if quant.method in (None, "none") else METHODS[quant.method or ""]
    unit = " bpw" if known and known.states_bpw else "-bit"
    words = ["? bits" if quant.bits is None else f"{quant.bits:g}{unit}"]
    if quant.method == "gguf" and quant.bpw is not None:
        words = [f"{quant.bpw:.2f} bpw"]
    words[0] += f" {known.title}" if known else ""
    if known and quant.scheme not in (None, "int", "codebook", known.scheme):
        words[0] += f" ({quant.scheme.upper()})"
    if "group_size" in branch.sources and (quant.group_size or quant.scheme in (None, "int")):
        words.append("no group" if quant.group_size is None else f"group {quant.group_size}")
    if quant.desc_act:
        words.append("act order")
    if quant.activation_bits is not None:
        words.append(f"{quant.activation_bits}-bit activations")
    apart = sorted({layer.bits for layer in quant.layers if layer.bits is not None and layer.bits != quant.bits})
    if apart:
        words.append(f"some layers {' and '.join(f'{bits:g}' for bits in apart)}-bit")
    if branch.files is not None and branch.files.imatrix:
        words.append("imatrix")
    return ", ".join(words)


def warnings(about: "Iterable[BranchWarning]", most: int | None = None) -> list[Block]:
    """Each sentence once, with the branches it is about.

    Args:
        about: all of them.
        most: how many to say before the others are only counted; None says all.
    """
    branches: dict[str, list[str]] = {}
    for warning in about:
        branches.setdefault(warning.message, []).extend([warning.branch] if warning.branch else [])
    lines: list[Block] = []
    for message, named in branches.items():
        who = "" if not named else f"{named[0]}: " if len(named) == 1 else f"{len(named)} branches: "
        lines.append(Line(f"warning: {who}{message}"))
    if most is not None and len(lines) > most + 1:
        lines[most:] = [Line(f"and {len(lines) - most} more warnings: --why says them")]
    return lines


def gap(blocks: list[Block]) -> list[Block]:
    """The blocks with an empty line before them, where there are any."""
    return [EMPTY, *blocks] if blocks else []
