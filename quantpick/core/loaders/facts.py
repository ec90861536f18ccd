"""What is known of a branch and a GPU when a rule is held against them."""

from dataclasses import dataclass

from quantpick.core.loaders.table import Rule
from quantpick.core.methods import Method
from quantpick.core.quant import NO_GROUP, BranchWarning, QuantSpec
from quantpick.core.shape import ModelShape


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known beside the quantization itself.

    Args:
        unknown: fields of the quantization that nobody named; without "group_size" in it a group size of None is "no
            group".
        capability: CUDA compute capability of the weakest GPU, or None.
        rocm: name of the weakest AMD GPU's architecture (``gfx1100``); None where the GPU is NVIDIA's.
        model_type: the config's ``model_type``, or None.
        moe: whether the model is a mixture of experts; None when nobody says.
        shape: the model's dimensions, where they are known for certain.
        exllama: what the card's "ExLlama" column says, or None.
        branch: name of the branch, for the warnings.
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
        label: the loader, and its version where that matters.
        method: what the quantization is, or is presumed to be.
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
        """As the files say it, `NO_GROUP` included; None when nobody says."""
        if not self.quant.group_size or self.quant.group_size < 0:
            return None if "group_size" in self.about.unknown else NO_GROUP
        return self.quant.group_size

    @property
    def desc_act(self) -> bool | None:
        """Act order; a config that has no such key means none."""
        return False if "desc_act" in self.quant.absent and self.quant.desc_act is None else self.quant.desc_act

    @property
    def sym(self) -> bool | None:
        """Symmetry; a GPTQ config that has no such key means symmetric (AutoGPTQ's default)."""
        return (
            True if self.method == "gptq" and "sym" in self.quant.absent and self.quant.sym is None else self.quant.sym
        )

    def doubt(self, fact: str, takes: str) -> BranchWarning:
        """The warning that a fact is missing."""
        return BranchWarning("unknown-fact", self.about.branch, f"nothing says {fact}; {self.label} {takes}")
