"""The types of GGUF: how each tensor type is stored, and the bits per weight of each file type."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple


class TensorType(NamedTuple):
    """How the weights of a tensor are stored: weights per block, and bytes per block."""

    name: str
    block_weights: int
    block_bytes: int

    @property
    def bits(self) -> float:
        """Bits per weight, scales included.

        >>> TENSOR_TYPES[12].bits
        4.5
        """
        return 8 * self.block_bytes / self.block_weights


TENSOR_TYPES: Final[Mapping[int, TensorType]] = {
    number: TensorType(name, weights, size)
    for number, name, weights, size in (
        (0, "F32", 1, 4),
        (1, "F16", 1, 2),
        (2, "Q4_0", 32, 18),
        (3, "Q4_1", 32, 20),
        (6, "Q5_0", 32, 22),
        (7, "Q5_1", 32, 24),
        (8, "Q8_0", 32, 34),
        (9, "Q8_1", 32, 40),
        (10, "Q2_K", 256, 84),
        (11, "Q3_K", 256, 110),
        (12, "Q4_K", 256, 144),
        (13, "Q5_K", 256, 176),
        (14, "Q6_K", 256, 210),
        (15, "Q8_K", 256, 292),
        (16, "IQ2_XXS", 256, 66),
        (17, "IQ2_XS", 256, 74),
        (18, "IQ3_XXS", 256, 98),
        (19, "IQ1_S", 256, 50),
        (20, "IQ4_NL", 32, 18),
        (21, "IQ3_S", 256, 110),
        (22, "IQ2_S", 256, 82),
        (23, "IQ4_XS", 256, 136),
        (24, "I8", 1, 1),
        (25, "I16", 1, 2),
        (26, "I32", 1, 4),
        (27, "I64", 1, 8),
        (28, "F64", 1, 8),
        (29, "IQ1_M", 256, 56),
        (30, "BF16", 1, 2),
        (34, "TQ1_0", 256, 54),
        (35, "TQ2_0", 256, 66),
        (39, "MXFP4", 32, 17),
        (40, "NVFP4", 64, 36),
        (41, "Q1_0", 128, 18),
    )
}
"""By the number in the file (``GGML_QUANT_SIZES`` of the gguf package 0.19.0). The gaps were withdrawn."""

_FILE_BPW: Final[Mapping[str, float]] = {
    # tools/quantize/README.md of ggml-org/llama.cpp at 311c2c9, the table of Llama 3.1 8B
    "IQ1_S": 2.0042,
    "IQ1_M": 2.1460,
    "IQ2_XXS": 2.3824,
    "IQ2_XS": 2.5882,
    "IQ2_S": 2.7403,
    "IQ2_M": 2.9294,
    "IQ3_XXS": 3.2548,
    "IQ3_XS": 3.4977,
    "IQ3_S": 3.6606,
    "IQ3_M": 3.7628,
    "IQ4_XS": 4.4597,
    "IQ4_NL": 4.6818,
    "Q2_K_S": 2.9697,
    "Q2_K": 3.1593,
    "Q3_K_S": 3.6429,
    "Q3_K_L": 4.2979,
    "Q4_K_S": 4.6672,
    "Q4_K_M": 4.8944,
    "Q5_K_S": 5.5704,
    "Q5_K_M": 5.7036,
    "Q6_K": 6.5633,
    "Q8_0": 8.5008,
    "F16": 16.0005,
    # the sizes that llama-quantize's own help gives for Llama 3 8B (8.03e9 weights): 3.74, 4.34, 4.78, 5.21, 5.65 GiB
    "Q3_K_M": 4.00,
    "Q4_0": 4.64,
    "Q4_1": 5.11,
    "Q5_0": 5.57,
    "Q5_1": 6.04,
    # the same help, in bits
    "TQ1_0": 1.69,
    "TQ2_0": 2.06,
}
_SAME: Final[Mapping[str, str]] = {"FP16": "F16", "BF16": "F16", "FP32": "F32", "MXFP4_MOE": "MXFP4"}
_BLOCK_BITS: Final = {one.name: one.bits for one in TENSOR_TYPES.values()}

NEEDS_IMATRIX: Final = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "Q2_K_S"})
"""File types that llama-quantize makes only with an importance matrix (ggml-org/llama.cpp,
``tools/quantize/quantize.cpp``)."""

_EMBEDDING: Final[Mapping[str, str]] = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS"), "Q2_K"),
    **dict.fromkeys(("IQ2_S", "IQ2_M", "IQ3_XXS"), "IQ3_S"),
    **dict.fromkeys(("TQ1_0", "TQ2_0"), "Q4_K"),
    **dict.fromkeys(("IQ3_XS", "IQ3_M"), "IQ3_S"),
    "MXFP4": "Q8_0",
    **dict.fromkeys(("Q2_K_L", "Q3_K_XL", "Q4_K_L", "Q5_K_L", "Q6_K_L"), "Q8_0"),
}
"""The type of the token embedding, if it differs from most of the file: ``src/llama-quant.cpp`` of
ggml-org/llama.cpp, and for the last five, bartowski's, his cards ("Uses Q8_0 for embed and output weights")."""

FILE_TYPES: Final[Mapping[int, str]] = {
    **dict(enumerate(("F32", "F16", "Q4_0", "Q4_1"))),
    **dict(enumerate(("Q8_0", "Q5_0", "Q5_1", "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M"), start=7)),
    **dict(enumerate(("Q5_K_S", "Q5_K_M", "Q6_K", "IQ2_XXS", "IQ2_XS", "Q2_K_S", "IQ3_XS", "IQ3_XXS"), start=16)),
    **dict(enumerate(("IQ1_S", "IQ4_NL", "IQ3_S", "IQ3_M", "IQ2_S", "IQ2_M", "IQ4_XS", "IQ1_M", "BF16"), start=24)),
    **dict(enumerate(("TQ1_0", "TQ2_0", "MXFP4_MOE"), start=36)),
}
"""By ``general.file_type`` (``LlamaFileType`` of the gguf package 0.19.0)."""


def plain_type(file_type: str) -> str:
    """A file type without a publisher's additions.

    >>> plain_type("UD-Q2_K_XL"), plain_type("FP16"), plain_type("IQ3_XXS")
    ('Q2_K_XL', 'F16', 'IQ3_XXS')
    """
    plain = re.sub(r"^UD[-_]", "", file_type.upper())
    return _SAME.get(plain, plain)


_ONLY_IK: Final = re.compile(r"IQ\d_K(?:S|SS|L|T)?(?:_R[48])?|.*_R[48]|Q8_KV")
"""The types that ik_llama.cpp added (ikawrakow/ik_llama.cpp README); llama.cpp's own are ``Q4_K`` and the like."""


def is_only_for_ik(file_type: str) -> bool:
    """Whether a file type is one of ik_llama.cpp's own, which llama.cpp does not read.

    >>> [name for name in ("IQ4_KS", "IQ4_XS", "Q4_K_M", "IQ1_S_R4", "IQ3_KT") if is_only_for_ik(name)]
    ['IQ4_KS', 'IQ1_S_R4', 'IQ3_KT']
    """
    return _ONLY_IK.fullmatch(plain_type(file_type)) is not None


_WITHDRAWN: Final = re.compile(r"(?:Q4_0|IQ4_NL)_(?:4_4|4_8|8_8)")
"""Types that llama.cpp read until November 2024, for ARM: "REMOVED, use Q4_0 with runtime repacking" in ``ggml.c``."""


def packing_of(file_type: str) -> str | None:
    """For a file type that today's llama.cpp does not read, what does, as `QuantSpec.packing`; else None.

    >>> packing_of("IQ4_KS"), packing_of("Q4_0_4_4"), packing_of("Q4_0")
    ('ik_llama.cpp', 'Q4_0_4_4, which llama.cpp no longer reads', None)
    """
    if is_only_for_ik(file_type):
        return "ik_llama.cpp"
    is_withdrawn = _WITHDRAWN.fullmatch(plain_type(file_type)) is not None
    return f"{plain_type(file_type)}, which llama.cpp no longer reads" if is_withdrawn else None


def nominal_bits(file_type: str) -> int | None:
    """The whole number of bits in a file type's name; None if it has none.

    >>> nominal_bits("Q4_K_M"), nominal_bits("UD-IQ1_S"), nominal_bits("BF16"), nominal_bits("MXFP4_MOE")
    (4, 1, 16, 4)
    """
    found = re.match(r"(?:I?Q|TQ)(\d)|(?:BF|F)(16|32)|(?:MX|NV)FP(4)", plain_type(file_type))
    return None if found is None else int(next(group for group in found.groups() if group))


def nominal_bpw(file_type: str) -> float | None:
    """Bits per weight of a file type in a Llama 3 8B, or of its longest known part; None if unknown.

    >>> nominal_bpw("Q4_K_M"), nominal_bpw("UD-Q2_K_XL"), nominal_bpw("BF16"), nominal_bpw("X")
    (4.8944, 3.1593, 16.0005, None)
    """
    name = plain_type(file_type)
    while name:
        known = _FILE_BPW.get(name) or _BLOCK_BITS.get(name)
        if known is not None:
            return known
        name = name.rpartition("_")[0]
    return None


def embedding_bits(file_type: str) -> float | None:
    """Bits per weight of the token embedding; None if unknown.

    If a publisher silently stores it larger, more stays in system RAM than this says, and less is on the GPU.

    >>> [embedding_bits(name) for name in ("Q4_K_M", "Q4_K_L", "UD-Q3_K_XL", "IQ1_S", "Q8_0")]
    [4.5, 8.5, 3.4375, 2.625, 8.5]
    """
    name = plain_type(file_type)
    mixed = file_type.upper().startswith("UD") and name.endswith("L")
    name = name if mixed else _EMBEDDING.get(name, name)
    while name and name not in _BLOCK_BITS:
        name = name.rpartition("_")[0]
    return _BLOCK_BITS.get(name)
