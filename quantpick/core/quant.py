"""The basic nouns: what one source says about a quantization, the quantization itself, and the branch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple

from quantpick.core.methods import METHODS, Method, Scheme
from quantpick.core.shape import ModelShape
from quantpick.core.units import is_number, is_whole

NO_GROUP: Final = -1
"""The files' value for "one group per column". Only `QuantFacts` uses it; a `QuantSpec` has None."""

_MAX_BITS: Final = 64

Provenance = Literal["config", "header", "tree", "name", "card"]
"""Where a fact was read, the most trustworthy first; ``header`` is a GGUF file's."""


class LayerQuant(NamedTuple):
    """How some layers are stored that differ from the rest. None means like the rest.

    Args:
        bits: bits per weight; 16 if not quantized.
        group_size: as in the files, so `NO_GROUP` is one group per column.
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
    """One quantization, all sources considered.

    Args:
        method: how the weights are stored, or None if unknown.
        bits: nominal bits per weight as written (4 for GPTQ, 4.25 for EXL2), or None.
        group_size: weights that share a scale; None is one group per column.
        desc_act: act order (columns quantized by decreasing activation); None if unknown.
        sym: symmetric zero point; None if unknown.
        head_bits: bits of a quantized output head; None if the head is 16-bit or nobody says.
        bpw: measured effective bits per weight, if known better than `effective_bpw` computes it.
        embedding_bits: bits per weight of a token embedding not stored in 16 bits (GGUF), or None.
        scheme: the kind of a stored weight; None if unknown, which means ``int`` for methods with no other.
        activation_bits: bits that activations are rounded to at run time (8 in W8A8); None if they stay 16-bit.
        packing: how the weights are laid out, in the file's own word: ``pack-quantized``, ``float-quantized`` and the
            like of compressed-tensors, ``auto_round:auto_gptq`` of AutoRound, ``gemm``, ``gemv`` or ``gemv_fast`` of
            AWQ, ``NVFP4`` or ``W4A8_AWQ`` of ModelOpt, ``ik_llama.cpp`` for GGUF types that only it reads; None if
            unknown.
        checkpoint_format: ``gptq``, ``gptq_v2``, ``marlin`` or any other format a GPTQ file names, or None.
        layers: each way in which layers differ from the rest, once (GPTQModel's ``dynamic``, AutoRound's
            ``extra_config``, further config groups).
        writer_version: the version of the tool that wrote the files (EXL2, EXL3), or None.
        absent: fields whose key is missing from the config; some loaders refuse to guess. Empty if no config was read.
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
        """Which field is out of bounds, or None: bits are above 0 and at most 64, groups hold at least one weight.

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
        """Bits per weight including scales and zeros; None if the bits are unknown.

        EXL2 and EXL3 state the effective figure; for the others `group_overhead_bits` is added.

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
        """Bits that a group of weights costs on top of its weights: scale and zero.

        A GPTQ or AWQ group carries one 16-bit scale and one zero of `bits` bits (turboderp-org/exllamav2 issue #3).
        `METHODS` says what other methods store. NVFP4, MXFP4 and MXFP8 have an 8-bit scale and no zero (OCP
        Microscaling Formats 1.0, section 5.2; NVFP4's 32-bit scale per tensor is not counted).
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
    """What one source says about a quantization; None means it says nothing.

    Args:
        group_size: as in the files, so `NO_GROUP` states "one group per column".
        damp_percent: GPTQ dampening, a fraction despite its name (0.1 or 0.01).
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
"""The metrics of `Branch.quality` that can rank branches of one model, and whether less (1) or more (-1) is better. The
first that all branches have, measured against the same reference, counts."""


class Quality(NamedTuple):
    """One figure or word of a card on a branch's quality, or on its VRAM.

    Args:
        value: nats of KL divergence, perplexity, a share of 1 (``top_1``), bytes (``vram_4k``), or words.
        against: what it was measured on or compared with, in the card's words (``wikitext2``, ``bf16``), or None.
    """

    value: float | str
    against: str | None = None


Kind = Literal["branch", "files", "repo"]
"""What a row of the table is: a whole branch, some files of one, or a whole repo."""


class FileSet(NamedTuple):
    """The files of one quantization in a branch that holds several.

    Args:
        branch: the git branch.
        name: the set's name in it: ``Q4_K_M``.
        paths: the weights; the first is the one to give to a loader.
        projectors: the files that add sight or hearing to the model (mmproj), the best one first.
        imatrix: whether an importance matrix was used; None if unknown.
        projector_bytes: bytes of the first of `projectors`.
        file_type: ``Q4_K_M``, by its name or header; None if neither gives it.
    """

    branch: str
    name: str
    paths: tuple[str, ...]
    projectors: tuple[str, ...] = ()
    imatrix: bool | None = None
    file_type: str | None = None
    projector_bytes: int = 0


class Home(NamedTuple):
    """Where a row's files are, in an answer about several repos of one model.

    Args:
        repo_id: ``owner/name``.
        branch: the git branch.
        is_whole: whether it is a whole branch, and the repo's only quantization.
        place: the repo's place in the answer; 0 is the one asked about.
    """

    repo_id: str
    branch: str
    is_whole: bool
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One branch that holds a quantization, or one of several quantizations that a branch holds as files.

    Args:
        name: the git branch, or for a set of files the set's name, ``Q4_K_M``. In an answer about several repos the
            repo comes first: ``owner/name:Q4_K_M``.
        quant: the quantization.
        commit: 40 hex digits the branch is pinned to, or None if only a card was read.
        size_bytes: bytes of the weight files, or None.
        exllama: the card's "ExLlama" column; None if it has none.
        description: the card's words.
        model_type: the config's ``model_type`` (``llama``, ``mixtral``), or None.
        shape: the model's dimensions, or None if unknown.
        quality: its quality by the card, by metric: those of `RANKING_METRICS`, ``words``, and VRAM figures by context
            (``vram_4k``).
        shape_is_sure: whether the shape was read from a config or explains the sizes of the repo's files.
        sources: for each known field, where it was read.
        files: the files of this quantization; None means the whole branch.
        type_loss: the loss of its GGUF type as measured on another model, in nats of KL divergence; None if nobody
            measured it. It ranks types but says nothing about this model.
        home: where its files are, in an answer about several repos; None means the repo asked about.
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
        """Its kind: some files of a branch, a whole branch, or in an answer about several, a whole repo."""
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
        """The repo that holds it: its home's, else the one asked about."""
        return asked if self.home is None else self.home.repo_id

    @property
    def method(self) -> Method | None:
        """How the weights are stored, as in `quant`; None if unknown."""
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
        """The fields of `quant` that no source gave. A `group_size` of None is "no group" unless it is in here."""
        return frozenset({"method", "bits", "group_size", "desc_act", "sym", "head_bits"} - self.sources.keys())


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a branch was rejected: a stable code for scripts and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BranchWarning:
    """Something to know that does not decide: a stable code, the branch (None: all of them), a sentence."""

    code: str
    branch: str | None
    message: str


def with_fixed_facts(facts: QuantFacts) -> QuantFacts:
    """The facts, completed with those that their method fixes: bits, scheme and group size of FP8, NVFP4 and MXFP4.

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
