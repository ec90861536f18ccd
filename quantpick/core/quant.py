"""The nouns everything else speaks in: what one source says about a quantization, what holds, and the branch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple

from quantpick.core.methods import METHODS, Method, Scheme
from quantpick.core.shape import ModelShape
from quantpick.core.units import is_number, is_whole

NO_GROUP: Final = -1
"""What the files write for "one group per column"; only `QuantFacts` speaks this way, a `QuantSpec` says None."""

_MAX_BITS: Final = 64

Provenance = Literal["config", "header", "tree", "name", "card"]
"""Where a fact was read, the most trustworthy first; ``header`` is that of a GGUF file."""


class LayerQuant(NamedTuple):
    """How some layers are stored, where they are not like the rest. A None is as in the rest.

    Args:
        bits: bits per weight; 16 where they are not quantized.
        group_size: as the files write it, so `NO_GROUP` is one group per column.
        desc_act: act order.
        sym: symmetric zero point.
        scheme: what a stored weight is.
    """

    bits: float | None = None
    group_size: int | None = None
    desc_act: bool | None = None
    sym: bool | None = None
    scheme: Scheme | None = None


@dataclass(frozen=True, slots=True)
class QuantSpec:
    """One quantization, as it is after all sources were heard.

    Args:
        method: how the weights are stored, or None when nobody says.
        bits: nominal bits per weight as written (4 for GPTQ, 4.25 for EXL2), or None.
        group_size: weights that share a scale; None is one group per column.
        desc_act: act order (columns quantized by decreasing activation); None when nobody says.
        sym: symmetric zero point; None when nobody says.
        head_bits: bits of the output head where it is quantized; None where the head stays 16-bit or nobody says.
        bpw: measured effective bits per weight, when it is known better than `effective_bpw` computes it.
        embedding_bits: bits of each weight of the token embedding where it is not stored in 16 bits (GGUF), or None.
        scheme: what a stored weight is; None when nobody says, which is ``int`` for the methods that know no other.
        activation_bits: bits that activations are rounded to at run time (8 of W8A8); None where they stay 16-bit.
        packing: how the weights are laid out, in the file's own word: ``pack-quantized``, ``float-quantized`` and the
            like of compressed-tensors, ``auto_round:auto_gptq`` of AutoRound, ``gemm``, ``gemv`` or ``gemv_fast`` of
            AWQ, ``NVFP4`` or ``W4A8_AWQ`` of ModelOpt, ``ik_llama.cpp`` for GGUF types that only it reads; None when
            nobody says.
        checkpoint_format: ``gptq``, ``gptq_v2``, ``marlin`` or what else a GPTQ file names; None when it does not.
        layers: each way in which some layers differ from the rest (GPTQModel's ``dynamic``, AutoRound's
            ``extra_config``, further config groups), once.
        writer_version: the version of the tool that wrote the files (EXL2, EXL3), or None.
        absent: fields whose key a config could hold and does not; some loaders refuse to guess. Empty where no config
            was read.
    """

    method: Method | None
    bits: float | None
    group_size: int | None = None
    desc_act: bool | None = None
    sym: bool | None = None
    head_bits: float | None = None
    bpw: float | None = None
    scheme: Scheme | None = None
    activation_bits: int | None = None
    packing: str | None = None
    checkpoint_format: str | None = None
    layers: tuple[LayerQuant, ...] = ()
    writer_version: str | None = None
    absent: frozenset[str] = frozenset()
    embedding_bits: float | None = None

    @property
    def problem(self) -> str | None:
        """Why it cannot be reckoned with, or None: bits are above 0 and at most 64, groups hold at least one weight.

        >>> QuantSpec("gptq", float("nan")).problem
        'bits is nan: a number above 0 and up to 64 is needed'
        """
        if self.method is not None and self.method not in METHODS:
            return f"method is {str(self.method)[:30]}: it is one of {', '.join(METHODS)}"
        for name, value in (
            ("bits", self.bits),
            ("head_bits", self.head_bits),
            ("bpw", self.bpw),
            ("embedding_bits", self.embedding_bits),
        ):
            if value is not None and not is_number(value, _MAX_BITS):
                return f"{name} is {str(value)[:30]}: a number above 0 and up to {_MAX_BITS} is needed"
        if self.group_size is not None and not is_whole(self.group_size, 1, 2**24):
            return f"group_size is {str(self.group_size)[:30]}: at least 1 is needed, or None for no group"
        return None

    @property
    def effective_bpw(self) -> float | None:
        """Bits per weight with scales and zeros included; None when the bits are unknown.

        EXL2 and EXL3 state the effective figure themselves; for the others `group_overhead_bits` is added.

        >>> QuantSpec("gptq", 4, 32).effective_bpw, QuantSpec("gptq", 4).effective_bpw
        (4.625, 4)
        >>> QuantSpec("modelopt", 4, 16, scheme="nvfp4").effective_bpw, QuantSpec("mlx", 4, 64).effective_bpw
        (4.5, 4.5)
        """
        if self.bpw is not None or self.bits is None:
            return self.bpw
        return self.bits + self.group_overhead_bits / self.group_size if self.group_size else self.bits

    @property
    def group_overhead_bits(self) -> float:
        """Bits that a group of weights costs beside its weights: scale and zero.

        A GPTQ or AWQ group carries one 16-bit scale and one zero of `bits` bits (turboderp-org/exllamav2 issue #3).
        `METHODS` says what other methods store. NVFP4, MXFP4 and MXFP8 have an 8-bit scale and no zero (OCP
        Microscaling Formats 1.0, section 5.2; NVFP4's 32-bit scale a tensor is not counted).
        """
        if self.method is not None and not METHODS[self.method].has_groups:
            return 0
        if self.scheme in ("nvfp4", "mxfp4", "mxfp8"):
            return 8
        zeros = "stored" if self.method is None else METHODS[self.method].zeros
        if zeros == "none" or self.bits is None:
            return 0
        if zeros == "16-bit":
            return 32
        return 16 if zeros == "if asymmetric" and self.sym else 16 + self.bits


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantFacts:
    """What one source says about a quantization; None is "says nothing".

    Args:
        group_size: as the files write it, so `NO_GROUP` is "one group per column", said.
        damp_percent: GPTQ dampening, a fraction in spite of its name (0.1 or 0.01).
        dataset: calibration data, as named.
        seq_len: tokens per calibration sample.
        Others: as in `QuantSpec`.
    """

    method: Method | None = None
    bits: float | None = None
    bpw: float | None = None
    head_bits: float | None = None
    group_size: int | None = None
    desc_act: bool | None = None
    sym: bool | None = None
    damp_percent: float | None = None
    dataset: str | None = None
    seq_len: int | None = None
    scheme: Scheme | None = None
    activation_bits: int | None = None
    packing: str | None = None
    checkpoint_format: str | None = None
    layers: tuple[LayerQuant, ...] | None = None
    writer_version: str | None = None
    absent: frozenset[str] | None = None


RANKING_METRICS: Final[Mapping[str, int]] = {"kl_divergence": 1, "perplexity": 1, "top_1": -1}
"""The metrics of `Branch.quality` by which branches of one model can be ranked, and whether less (1) or more (-1) is
better. The first one that all branches have, measured against the same, counts."""


class Quality(NamedTuple):
    """One thing that a card says about how good a branch is, or of what it needs.

    Args:
        value: nats of KL divergence, perplexity, a share of 1 (``top_1``), bytes (``vram_4k``), or words.
        against: what it was measured on or compared with, as the card writes it (``wikitext2``, ``bf16``), or None.
    """

    value: float | str
    against: str | None = None


Kind = Literal["branch", "files", "repo"]
"""What a row of the table is: a whole branch, some files of one, or a whole repo."""


class FileSet(NamedTuple):
    """Some files of a branch that are one quantization, where the branch holds several.

    Args:
        branch: the git branch.
        name: what the set is called in it: ``Q4_K_M``.
        paths: the weights, the one first that a loader is given.
        projectors: the files that add sight or hearing to the model (mmproj), the one to take first.
        imatrix: whether an importance matrix was used; None when nobody says.
        projector_bytes: of the first of `projectors`.
        file_type: ``Q4_K_M`` as its name or header has it; None where neither does.
    """

    branch: str
    name: str
    paths: tuple[str, ...]
    projectors: tuple[str, ...] = ()
    imatrix: bool | None = None
    file_type: str | None = None
    projector_bytes: int = 0


class Home(NamedTuple):
    """Where a row lies in an answer about the repos of one model.

    Args:
        repo_id: ``owner/name``.
        branch: the git branch.
        is_whole: whether it is the repo's only quantization, as whole branch.
        place: of the repo in the answer: 0 is the one that was asked about, then the most wanted.
    """

    repo_id: str
    branch: str
    is_whole: bool
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One branch that holds a quantization, or one of several quantizations that a branch holds as files.

    Args:
        name: the git branch; of a set of files the set's own name, ``Q4_K_M``. In an answer about several repos it
            has the repo before it, ``owner/name:Q4_K_M``.
        quant: what it holds.
        commit: 40 hex digits the branch is pinned to, or None when only a card was read.
        size_bytes: bytes of the weight files, or None.
        exllama: the card's "ExLlama" column; None when it has none.
        description: the card's words.
        model_type: the config's ``model_type`` (``llama``, ``mixtral``), or None.
        shape: the model's dimensions, or None when nobody gave them.
        quality: the card on its quality, by metric: those of `RANKING_METRICS`, ``words``, and its own VRAM
            figures by context (``vram_4k``).
        shape_is_sure: whether the shape was read from a config or explains the sizes of the repo's files.
        sources: for each field that is known, who said so.
        files: the files of it that are this quantization; None means the whole branch.
        type_loss: what a GGUF file of its type was measured to lose on another model, in nats of KL divergence; None
            where nobody measured it. It orders types, and says nothing about this model.
        home: where it lies, in an answer about several repos; None is the repo that was asked about.
    """

    name: str
    quant: QuantSpec
    commit: str | None = None
    size_bytes: int | None = None
    exllama: bool | None = None
    description: str | None = None
    damp_percent: float | None = None
    dataset: str | None = None
    seq_len: int | None = None
    model_type: str | None = None
    shape: ModelShape | None = None
    shape_is_sure: bool = False
    quality: Mapping[str, Quality] = field(default_factory=dict)
    sources: Mapping[str, Provenance] = field(default_factory=dict)
    files: FileSet | None = None
    type_loss: float | None = None
    home: Home | None = None

    @property
    def kind(self) -> Kind:
        """What it is: some files of a branch, a whole branch, or of several repos a whole one."""
        if self.files is not None:
            return "files"
        return "repo" if self.home is not None and self.home.is_whole else "branch"

    @property
    def git_branch(self) -> str:
        """The git branch that holds it."""
        if self.files is not None:
            return self.files.branch
        return self.name if self.home is None else self.home.branch

    def repo_id(self, asked: str | None) -> str | None:
        """The repo that holds it: its own, else the one that was asked about."""
        return asked if self.home is None else self.home.repo_id

    @property
    def method(self) -> Method | None:
        """That of `quant`, as the JSON documents have it beside the name; so for the next six."""
        return self.quant.method

    @property
    def bits(self) -> float | None:
        """Nominal bits."""
        return self.quant.bits

    @property
    def bpw(self) -> float | None:
        """Effective bits per weight."""
        return self.quant.effective_bpw

    @property
    def head_bits(self) -> float | None:
        """Bits of the output head."""
        return self.quant.head_bits

    @property
    def group_size(self) -> int | None:
        """Weights that share a scale."""
        return self.quant.group_size

    @property
    def desc_act(self) -> bool | None:
        """Act order."""
        return self.quant.desc_act

    @property
    def sym(self) -> bool | None:
        """Symmetric zero point."""
        return self.quant.sym

    @property
    def unknown(self) -> frozenset[str]:
        """The fields of `quant` that nobody named. A `group_size` of None is "no group" unless it is in here."""
        return frozenset({"method", "bits", "group_size", "desc_act", "sym", "head_bits"} - self.sources.keys())


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a branch was rejected: a stable code for scripts and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BranchWarning:
    """Something the reader should know and that does not decide: a stable code, the branch (None: all), a sentence."""

    code: str
    branch: str | None
    message: str


def with_fixed_facts(facts: QuantFacts) -> QuantFacts:
    """The facts with what their method leaves no choice of: bits, scheme and group size of FP8, NVFP4 and MXFP4.

    >>> with_fixed_facts(QuantFacts(method="nvfp4")).group_size, with_fixed_facts(QuantFacts(method="gptq")).bits
    (16, None)
    """
    if facts.method is None:
        return facts
    known = METHODS[facts.method]
    return replace(
        facts,
        bits=known.bits if facts.bits is None else facts.bits,
        scheme=facts.scheme or known.scheme,
        group_size=known.group_size if facts.group_size is None else facts.group_size,
    )
