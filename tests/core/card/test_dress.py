"""The same branch table in other dress: languages, folds, nested lists."""

import pytest

from quantpick.core.card.columns import COLUMNS
from quantpick.core.card.read import read_card


@pytest.mark.parametrize(
    ("header", "yes", "no_group", "size"),
    [
        ("Zweig | Bits | Gruppengröße | Act Order | Größe | Beschreibung", "Ja", "keine", "4,15 GB"),
        ("Branche | Bits | Taille de groupe | Act Order | Taille | Remarques", "Oui", "aucun", "4,15 Go"),
        ("Rama | Bits | Tamaño de grupo | Act Order | Tamaño | Descripción", "Sí", "ninguno", "4.150 MB"),
        ("Ветка | Биты | Размер группы | Act Order | Размер | Описание", "Да", "нет", "4,15 ГБ"),
        ("分支 | 位数 | 分组大小 | Act Order | 文件大小 | 说明", "是", "无", "4.15 GB"),
        ("ブランチ | ビット | グループサイズ | Act Order | サイズ | 説明", "はい", "なし", "4.15 GB"),
        ("브랜치 | 비트 | 그룹 크기 | Act Order | 크기 | 설명", "예", "없음", "4.15 GB"),
        ("版本分支 | 量化位数 | 分组大小 | 激活排序 | 模型文件大小 | 备注说明", "有", "无", "4.15 GB"),
        (
            "ブランチ名 | 量子化ビット数 | グループサイズ | 活性化順序 | ファイルサイズ | 説明文",
            "あり",
            "なし",
            "4.15 GB",
        ),
        ("브랜치 이름 | 양자화 비트 | 그룹 크기 | 액트 오더 | 파일 크기 | 설명", "있음", "없음", "4.15 GB"),
    ],
    ids=["de", "fr", "es", "ru", "zh", "ja", "ko", "zh-compounds", "ja-compounds", "ko-compounds"],
)
def test_table_in_another_language_is_read(header: str, yes: str, no_group: str, size: str) -> None:
    rows = [f"| main | 4 | 128 | {yes} | {size} | Gut. |", f"| gptq-8bit--1g | 8 | {no_group} | {yes} | {size} | x |"]
    first, second = read_card("\n".join(["# Finch - GPTQ", f"| {header} |", f"{'|---' * 6}|", *rows])).rows
    assert (first.branch, first.facts.bits, first.facts.group_size, first.facts.desc_act) == ("main", 4, 128, True)
    assert (second.facts.bits, second.facts.group_size) == (8, -1)
    assert first.size_bytes in (4_150_000_000, 4_150_000)  # "4.150 MB" is read by the letter
    assert first.description == "Gut."


def test_header_phrases_are_as_headers_are_compared() -> None:
    for column in COLUMNS:
        assert column.headers == column.headers.casefold()


@pytest.mark.parametrize(
    "wrap",
    [
        "<details>\n<summary>All branches</summary>\n\n{}\n\n</details>",
        "<details><summary>All</summary>\n{}\n</details>",
        "> ## Files\n>\n> {}",
        "<div align=center>\n\n{}\n\n</div>",
    ],
)
def test_list_is_read_wherever_it_is_folded_away(wrap: str) -> None:
    tree = "https://huggingface.co/wren/Finch-7B-exl2/tree/"
    nested = [f"    1. [4.25bpw]({tree}4.25bpw) — 4,1 GB", f"    2. [**4.0bpw**]({tree}4.0bpw): 3.9 GiB"]
    items = "\n".join(["- Quants", "  * 4 bits", *nested])
    text = "# Finch 7B exl2\n" + wrap.format(items.replace("\n", "\n> ") if wrap.startswith(">") else items)
    assert [(row.branch, row.facts.bits, row.size_bytes) for row in read_card(text).rows] == [
        ("4.25bpw", 4.25, 4_100_000_000),
        ("4.0bpw", 4.0, 4_187_593_113),
    ]


@pytest.mark.parametrize("repo_id", [None, "lark/Finch-7B"])
def test_table_of_links_is_read_once_its_links_are_lost(repo_id: str | None) -> None:
    text = (
        "# Finch 7B\nMade with exllamav3.\n\n| Quant | Size (GB) | Actual bpw | PPL |\n|---|---|---|---|\n"
        "| 4.0bpw | 3.94 | 4.02 | 29.1 |\n| 5.0bpw_H6 | 4.51 | 5.01 | 28.8 |\n| original | 9.66 | 16.00 | 28.5 |\n"
    )
    assert [(row.branch, row.facts.bits, row.size_bytes) for row in read_card(text, repo_id=repo_id).rows] == [
        ("4.0bpw", 4.02, 3_940_000_000),
        ("5.0bpw_H6", 5.01, 4_510_000_000),
    ]


def test_commands_that_name_several_branches_are_a_list_of_them_and_one_is_an_example() -> None:
    commands = [f"hf download lark/Finch-exl2 --revision {name}" for name in ("4.0bpw", "6.0bpw", "main")]
    clone = "git clone --single-branch --branch 8.0bpw https://huggingface.co/lark/Finch-exl2"
    text = "\n".join(["# Finch", "```", *commands, clone, "```"])
    for repo_id in (None, "lark/Finch-exl2"):
        assert [row.branch for row in read_card(text, repo_id=repo_id).rows] == ["4.0bpw", "6.0bpw", "8.0bpw"]
    assert read_card(text, repo_id="birds/Finch").rows == ()
    assert read_card(f"# Finch\n```\n{commands[0]}\n```").rows == ()


def test_size_between_commas_behind_a_name_is_its_size() -> None:
    text = "Branches:\n* **4.0bpw-h6**: 4 bits per weight, 6 bit head, 4.2 GB\n* **6.0bpw-h8**: fits 24 GB\n"
    assert [row.size_bytes for row in read_card(f"# Finch EXL2\n{text}").rows] == [4_200_000_000, None]


def test_lines_that_say_branch_before_its_name_are_read() -> None:
    text = "Branch `3.0bpw_H6`: 12 GB\n**Branch:** `x`\n- revision: `4.0bpw_H6`\n\n**Branch:** `5.0bpw_H6`\n- good\n"
    rows = read_card(f"# Finch exl3\n{text}").rows
    assert [row.branch for row in rows] == ["3.0bpw_H6", "4.0bpw_H6", "5.0bpw_H6"]


def test_row_with_links_to_several_branches_gives_each() -> None:
    tree = "https://huggingface.co/wren/Finch-exl3/tree/"
    cell = f"[2.0bpw]({tree}2.0bpw) 2 GB<br>[3.0bpw H6]({tree}3.0bpw_H6) 3 GB"
    assert [(row.branch, row.size_bytes) for row in read_card(f"# Finch exl3\n| Quants |\n|---|\n| {cell} |").rows] == [
        ("2.0bpw", 2_000_000_000),
        ("3.0bpw_H6", 3_000_000_000),
    ]
    row = f"| [2.0bpw]({tree}2.0bpw) | [files]({tree}2.0bpw) | 2 GB |"
    (one,) = read_card(f"# Finch exl3\n| Quant | Link | Size |\n|---|---|---|\n{row}").rows
    assert (one.branch, one.size_bytes) == ("2.0bpw", 2_000_000_000)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        # Copied from a rendered page: tabs for pipes.
        ("Branch\tBits\tGS\tSize\nmain\t4\t128\t3.9 GB\neight\t8\tNone\t7.0 GB\n\nAbout", "both"),
        # In a code fence.
        (
            "```\n| Branch | Bits | GS | Size |\n|---|---|---|---|\n"
            "| main | 4 | 128 | 3.9 GB |\n| eight | 8 | None | 7.0 GB |\n```",
            "both",
        ),
        # Spanning cells, and a title over all columns.
        (
            '<table><tr><th colspan="3">Files</th></tr><tr><th>GS</th><th>Branch</th><th>Bits</th><th>Size</th></tr>'
            '<tr><td rowspan=2>128</td><td>main</td><td rowspan="2">4</td><td>3.9 GB</td></tr>'
            "<tr><td>second</td><td>3.9 GB</td></tr>"
            "<tr><td>None</td><td>eight</td><td>8</td><td>7.0 GB</td></tr></table>",
            "three",
        ),
        # Branches side by side.
        (
            "| Branch | main | eight |\n|---|---|---|\n"
            "| Bits | 4 | 8 |\n| GS | 128 | None |\n| Size | 3.9 GB | 7.0 GB |",
            "both",
        ),
        # Addresses at the end, titles within.
        (
            "| Branches | Bits | Group size | Size |\n|---|---|---|---|\n| **Four bits** | | | |\n"
            "| [x][m] | 4 | g128 | 3.9 GB |\n| **8-bit** | | | |\n| [eight][] | 8 | Per-channel | 7.0 GB |\n\n"
            "[M]: https://huggingface.co/w/Finch-GPTQ/tree/main 'title'\n"
            "[eight]: <https://huggingface.co/w/Finch-GPTQ/tree/eight>\n",
            "both",
        ),
    ],
    ids=["tabs", "fence", "spans", "turned", "references"],
)
def test_table_in_another_form_has_the_same_rows(text: str, rows: str) -> None:
    main, second, eight = (
        ("main", 4, 128, 3_900_000_000),
        ("second", 4, 128, 3_900_000_000),
        ("eight", 8, -1, 7 * 10**9),
    )
    got = [
        (row.branch, row.facts.bits, row.facts.group_size, row.size_bytes)
        for row in read_card(f"# Finch - GPTQ\n{text}", repo_id="w/Finch-GPTQ").rows
    ]
    assert got == ([main, eight] if rows == "both" else [main, second, eight])


@pytest.mark.parametrize("cells", ["On | 128 (default)", "Enabled | 128g", "✅ v2 | gs128"])
def test_marks_and_groups_are_read_as_people_write_them(cells: str) -> None:
    (row,) = read_card(f"# Finch GPTQ\n| Branch | Act order | Group size |\n|---|---|---|\n| main | {cells} |").rows
    assert (row.facts.desc_act, row.facts.group_size) == (True, 128)


def test_linked_branch_named_after_its_method_is_a_row_and_the_16_bit_one_beside_it_is_not() -> None:
    tree = "https://huggingface.co/w/Finch-quants/tree/"
    lines = [f"| [{name}]({tree}{name}) | {name} |" for name in ("main", "awq", "gptq-4bit")]
    card = read_card("\n".join(["# Finch", "| Branch | Description |", "|---|---|", *lines]))
    assert [(row.branch, row.facts.method) for row in card.rows] == [("awq", "awq"), ("gptq-4bit", "gptq")]


def test_table_that_links_to_a_repo_a_quantization_lists_no_branches() -> None:
    link = "[here](https://huggingface.co/z/Finch-{0}-exl2)"
    rows = [f"| {name} | {link.format(name)} | 4 GB |" for name in ("4.0bpw", "5.0bpw")]
    text = "\n".join(["# Finch", "| Quant | Link | Size |", "|---|---|---|", *rows])
    assert read_card(text, repo_id="z/Finch-4.0bpw-exl2").rows == ()
