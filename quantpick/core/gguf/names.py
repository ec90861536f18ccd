"""What a GGUF file's name says: its type, its place in a set of files, and whether it holds weights at all."""

import re
from typing import Final, Literal, NamedTuple

ENDING: Final = ".gguf"

_K: Final = r"K(?:_(?:XXS|XS|S|M|L|XL|XXL|P|H))?"
_TYPE: Final = re.compile(
    r"(?<![A-Z0-9])(?:UD[-_])?(?:"
    rf"I?Q[1-8]_(?:{_K}|[01](?:_(?:4_4|4_8|8_8|L|XL))?|XXS|XS|S|M|L|XL|NL(?:_(?:4_4|L|XL))?|KSS|KS|KL|KT|KV)(?:_R[48])?"
    r"|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4|BF16|FP?16|FP?32|Q[2-8](?!_))(?![A-Z0-9])",
    re.IGNORECASE,
)
"""llama.cpp's file types (``tools/quantize/quantize.cpp``), publishers' own mixes of them (bartowski ``Q6_K_L``,
unsloth ``UD-Q2_K_XL``) and those of ik_llama.cpp (``IQ4_KS``, ``IQ1_S_R4``)."""
_SHARD: Final = re.compile(r"(?P<stem>.+)-(?P<at>\d{5})-of-(?P<count>\d{5})")
"""llama.cpp's ``llama_split_path``; the file type comes before it."""
_PART: Final = re.compile(
    r"\.gguf(?:\.part\d{1,3}of\d{1,3}|[-.]split-[a-z]{1,2}|\.part[-_.]?[a-z\d]{1,3})$", re.IGNORECASE
)
"""Files cut into parts without their own header: mradermacher ``.gguf.part1of2``, TheBloke ``.gguf-split-a``."""
_IMATRIX_FLAG: Final = re.compile(r"(?<![a-z0-9])(?:i1|imat|imx|imatrix)(?![a-z0-9])", re.IGNORECASE)
_BESIDE: Final = re.compile(
    r"(?<![a-z0-9])(?:draft(?:er)?|mtp|nextn|eagle\d?|dflash|speculator|lora|adapter|vocab|control[-_]?vector|cvector)"
    r"(?![a-z0-9])",
    re.IGNORECASE,
)
"""Words for files that go with a model: draft models, changes to its weights, its vocabulary."""

Role = Literal["weights", "projector", "imatrix", "part", "other"]


class GgufName(NamedTuple):
    """What one file's name says.

    Args:
        role: weights; ``projector`` is an mmproj, ``imatrix`` the importance matrix itself, ``part`` a piece to be
            joined with others before a loader can open it, ``other`` not a GGUF file.
        stem: the name without folder, ending and shard number, shared by the files of one set.
        model: the stem without the type, shared by the sets of one model.
        file_type: ``Q4_K_M``, ``UD-Q2_K_XL``, in capitals; None if the name has none.
        shard: which of how many files, from 1; None for a single one.
        says_imatrix: whether the name says that an importance matrix was used.
        says_beside: whether the name has a word for something that goes with a model: ``draft``, ``lora``.
    """

    role: Role
    stem: str
    model: str
    file_type: str | None = None
    shard: tuple[int, int] | None = None
    says_imatrix: bool = False
    says_beside: bool = False


def read_name(path: str) -> GgufName:
    """What a file's path says.

    >>> read_name("Q2/Finch-UD-Q2_K_XL-00001-of-00003.gguf")
    GgufName(role='weights', stem='Finch-UD-Q2_K_XL-of-3', model='Finch', file_type='UD-Q2_K_XL', shard=(1, 3), \
says_imatrix=False, says_beside=False)
    >>> read_name("mmproj-F16.gguf").role, read_name("imatrix.dat").role, read_name("F.Q8_0.gguf.part1of2").role
    ('projector', 'imatrix', 'part')
    """
    folder, _, base = path.rpartition("/")
    if _PART.search(base):
        stem = _PART.sub("", base)
        found = _last_type(stem)
        return GgufName("part", stem, stem, None if found is None else found[0].upper())
    is_gguf = base.lower().endswith(ENDING)
    stem = base[: -len(ENDING)] if is_gguf else base
    found = _last_type(stem)
    if "imatrix" in base.lower() and found is None and (is_gguf or base.lower().endswith((".dat", ".imatrix"))):
        return GgufName("imatrix", stem, stem)
    if not is_gguf:
        return GgufName("other", stem, stem)
    if "mmproj" in base.lower():
        return GgufName("projector", stem, stem, None if found is None else found[0].upper())
    shard = _SHARD.fullmatch(stem)
    place = None
    if shard is not None:
        place = int(shard["at"]), int(shard["count"])
        stem = shard["stem"]
    found = _last_type(stem)
    model = stem if found is None else stem[: found.start()] + stem[found.end() :]
    found = found or _last_type(folder.rpartition("/")[2])
    return GgufName(
        role="weights",
        stem=stem if place is None else f"{stem}-of-{place[1]}",
        model=_IMATRIX_FLAG.sub("", model).strip("-._ "),
        file_type=None if found is None else found[0].upper().replace("UD_", "UD-"),
        shard=place,
        says_imatrix=_IMATRIX_FLAG.search(stem) is not None,
        says_beside=_BESIDE.search(stem) is not None,
    )


def _last_type(text: str) -> re.Match[str] | None:
    """The last file type in a text; earlier ones may be part of the model's name."""
    return max(_TYPE.finditer(text), key=re.Match.start, default=None)
