"""What is known about a branch and a GPU when a rule is applied."""

from dataclasses import dataclass

from quantpick.core.loaders.table import Rule
from quantpick.core.methods import Method
from quantpick.core.quant import NO_GROUP, BranchWarning, QuantSpec
from quantpick.core.shape import ModelShape


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known besides the quantization itself.

    Args:
        unknown: fields of the quantization that no source gave; if "group_size" is not among them, a group size of None
            is "no group".
        capability: CUDA compute capability of the weakest GPU, or None.
        rocm: name of the weakest AMD GPU's architecture (``gfx1100``); None for an NVIDIA GPU.
        model_type: the config's ``model_type``, or None.
        moe: whether the model is a mixture of experts; None if unknown.
        shape: the model's dimensions, if known for certain.
        exllama: the card's "ExLlama" column, or None.
        branch: the branch's name, for the warnings.
    """

    unknown: frozenset[str] = frozenset()
    capability: float | None = None
    rocm: str | None = None
    model_type: str | None = None
    moe: bool | None = None
    shape: ModelShape | None = None
    exllama: bool | None = None
    branch: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a rule is checked against.

    Args:
        label: the loader, with its version if that matters.
        method: the quantization's method, known or presumed.
        quant, about: what is known.
        peers: the accepting rules for the method and version.
    """

    label: str
    method: Method
    quant: QuantSpec
    about: About
    peers: tuple[Rule, ...]

    @property
    def group_size(self) -> int | None:
        """As in the files, including `NO_GROUP`; None if unknown."""
        if not self.quant.group_size or self.quant.group_size < 0:
            return None if "group_size" in self.about.unknown else NO_GROUP
        return self.quant.group_size

    @property
    def desc_act(self) -> bool | None:
        """Act order; a config without the key has none."""
        return False if "desc_act" in self.quant.absent and self.quant.desc_act is None else self.quant.desc_act

    @property
    def sym(self) -> bool | None:
        """Symmetry; a GPTQ config without the key is symmetric (AutoGPTQ's default)."""
        return (
            True if self.method == "gptq" and "sym" in self.quant.absent and self.quant.sym is None else self.quant.sym
        )

    def doubt(self, fact: str, takes: str) -> BranchWarning:
        """The warning that a fact is missing."""
        return BranchWarning("unknown-fact", self.about.branch, f"nothing says {fact}; {self.label} {takes}")
