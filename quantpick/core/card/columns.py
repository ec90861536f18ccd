"""The kinds of columns in a branch table, and which cell of a row belongs to which column."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from quantpick.core.card.cells import (
    read_bits,
    read_branch,
    read_figure,
    read_fraction,
    read_group,
    read_method,
    read_name,
    read_perplexity,
    read_share,
    read_size,
    read_tokens,
    read_tool,
    read_words,
    read_yes_no,
)
from quantpick.core.card.inline import Inline, read_inline
from quantpick.core.card.limits import MAX_COLUMNS
from quantpick.core.card.markdown import Cells

Reader = Callable[[Inline, str], Any]
"""Turns a cell and its column's header into a value; None if the cell has no such value."""


_UNSPACED: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")


class Column(NamedTuple):
    """One kind of column.

    Args:
        field: the field it fills: of `QuantFacts` or `CardRow`, or one known to `tables`.
        headers: phrases, between commas; a header that holds one of them, word for word, is such a column. One in a
            language that writes no blanks may stand within a word.
        read: a cell's value.
        context: only if the header also names a context, like ``VRAM (16k)``.
        is_quality: whether it tells how good the branch is; its field is the metric.
    """

    field: str
    headers: str
    read: Reader
    context: bool = False
    is_quality: bool = False

    def matches(self, header: str) -> bool:
        """Whether a header, as `_words` gives it, is this kind of column."""
        held = any(
            phrase in header if _UNSPACED.match(phrase) else f" {phrase} " in header
            for phrase in self.headers.split(", ")
        )
        return held and (not self.context or bool(CONTEXT.search(header)))


CONTEXT: Final = re.compile(r"\b\d{1,4} ?k\b", re.IGNORECASE)
COLUMNS: Final = (
    # Of two kinds that a header fits, and of two columns for one field, the upper one counts.
    Column("vram_bytes", "vram, size, 显存", read_size, context=True),
    Column("kl_divergence", "kl div, kl divergence, kld, kldiv, kl, k l d", read_figure, is_quality=True),
    Column("perplexity", "perplexity, ppl, 困惑度", read_perplexity, is_quality=True),
    Column("top_1", "top 1, top1, top k k 1, same top, top token", read_share, is_quality=True),
    Column("mmlu", "mmlu", read_share, is_quality=True),
    Column(
        "group_size",
        "group size, groupsize, gs, group, gruppengrösse, taille de groupe, tamaño de grupo, tamanho do grupo, "
        "размер группы, 分组大小, 组大小, グループサイズ, 그룹 크기",
        read_group,
    ),
    Column("size_bytes", "vram size, file size, model size, actual size", read_size),
    Column(
        "unused",
        "vram, ram, context size, ctx size, cache size, vocab size, batch size, original size, 显存, 内存, "
        "上下文, 词表, 批大小, メモリ, コンテキスト, 메모리, 컨텍스트",
        read_words,
    ),
    Column(
        "branch",
        "branch, branches, revision, revisions, zweig, branche, rama, ramo, ветка, 分支, ブランチ, 브랜치",
        read_branch,
    ),
    Column(
        "desc_act",
        "act order, desc act, actorder, порядок активаций, 激活排序, 激活顺序, 活性化順, 액트 오더, 활성화 순서",
        read_yes_no,
    ),
    Column("sym", "sym, symmetric, symmetry", read_yes_no),
    Column("damp_percent", "damp", read_fraction),
    Column(
        "dataset",
        "dataset, calibration, datensatz, kalibrierung, calibrazione, calibración, étalonnage, датасет, калибровка, "
        "数据集, 校准, データセット, 較正, 데이터셋, 보정",
        read_name,
    ),
    Column(
        "seq_len",
        "seq len, sequence length, seqlen, seq length, sequenzlänge, 序列长度, 系列長, シーケンス長, 시퀀스 길이",
        read_tokens,
    ),
    Column("head_bits", "lm head, head bits, head bit, head, h bits, 头部, 输出层, ヘッド, 헤드", read_bits),
    Column("bits", "actual bpw, actual bits, actual, final bpw, real bpw, measured bpw", read_bits),
    Column("target_bits", "target", read_bits),
    Column(
        "method",
        "quant method, quantization method, quantization, quant type, type, format, 量化方法, 量化类型, 量子化方式, "
        "양자화 방식",
        read_method,
    ),
    Column(
        "bits",
        "bits, wbits, bpw, bitrate, precision, биты, бит, 位元, 比特, 位数, ビット, 비트",
        read_bits,
    ),
    Column(
        "size_bytes",
        "size, filesize, gb, gib, mb, mib, grösse, dateigrösse, taille, tamaño, tamanho, dimensione, размер, 大小, "
        "檔案大小, 文件大小, 模型大小, 体积, サイズ, ファイルサイズ, 크기",
        read_size,
    ),
    Column("exllama", "exllama", read_yes_no),
    Column("made_with", "made with, quantized with, quantised with", read_name),
    Column(
        "description",
        "desc, description, use, notes, note, comment, comments, method, beschreibung, descripción, descrição, "
        "descrizione, remarques, описание, 描述, 说明, 備考, 备注, 説明, 설명",
        read_words,
    ),
    Column("words", "quality, 质量, 品質", read_words, is_quality=True),
)
"""The known headers, and how their cells are read. Other headers are ignored."""
_TOOL: Final = Column("made_with", "", read_tool)
"""A "Made With" cell in a row of a table without that header."""
RANKS: Final[Mapping[Column | None, int]] = {column: rank for rank, column in enumerate(COLUMNS)}
_NOT_QUANT: Final = {"branch", "description", "unused", "dataset", "seq_len", "made_with"}
QUANT_FIELDS: Final = frozenset(column.field for column in COLUMNS if not column.is_quality) - _NOT_QUANT
"""A table about quantizations has one of these fields; tables of checkpoints have branches and data sets too."""
BRANCH: Final = next(column for column in COLUMNS if column.field == "branch")
BRANCH_WORDS: Final = BRANCH.headers.split(", ")


class Head(NamedTuple):
    """A header cell: the kind of its column, if it is known, its words for `Column.matches`, and its text."""

    column: Column | None
    words: str
    text: str

    @property
    def field(self) -> str:
        """The field of the column; `unused` if unknown."""
        return self.column.field if self.column else "unused"


def read_heads(header: Cells) -> list[Head]:
    """The header cells of a table, each with the kind of its column."""
    texts = [read_inline(cell[:500]).plain for cell in header[:MAX_COLUMNS]]
    words = [_words(text) for text in texts]
    kinds = [next((column for column in COLUMNS if column.matches(one)), None) for one in words]
    return [Head(*parts) for parts in zip(kinds, words, texts, strict=True)]


def _words(header: str) -> str:
    """A header's words between single blanks, for `Column.matches`.

    >>> _words("Act Order (desc_act)"), _words("VRAM (4k)")
    (' act order desc act ', ' vram 4k ')
    """
    words = re.findall(r"[^\W_]+", header.casefold())
    return f" {' '.join(words)} "


def align_cells(cells: Sequence[Inline], heads: Sequence[Head]) -> list[tuple[Head, Inline]]:
    """The header of each cell in a row with another length than its header, or with values out of place.

    The order is kept. As many cells as possible go where their kind of value belongs, else as far left as possible. A
    tool's name needs no header: some tables have rows of an older one under a newer header.
    """
    heads = list(heads)
    if not any(head.field == "made_with" for head in heads):
        at = next((i for i, head in enumerate(heads) if head.field == "description"), len(heads))
        heads.insert(at, Head(_TOOL, "", ""))
    gains = [[gain_of(cell, head) for head in heads] for cell in cells]
    best = [[0] * (len(heads) + 1) for _ in range(len(cells) + 1)]
    for i in reversed(range(len(cells))):
        for j in reversed(range(len(heads))):
            taken = best[i + 1][j + 1] + gains[i][j] if gains[i][j] else 0
            best[i][j] = max(taken, best[i][j + 1], best[i + 1][j])
    placed: list[tuple[Head, Inline]] = []
    i = j = 0
    while i < len(cells) and j < len(heads):
        if gains[i][j] and best[i][j] == best[i + 1][j + 1] + gains[i][j]:
            placed.append((heads[j], cells[i]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            i += 1
    return placed


def gain_of(cell: Inline, head: Head) -> int:
    """How well a cell fits a header: 4 for a value of its kind, 2 for a description, 1 if unknown, 0 if not at all."""
    if head.column is None or head.field == "unused" or not cell.text:
        return 1
    if head.field == "branch" and cell.links:
        return 4
    return 0 if head.column.read(cell, head.words) is None else 2 if head.field == "description" else 4
