"""The branch table of cards: in every published format, of other people's, and of no card at all."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quantpick.core.card.columns import COLUMNS, read_heads
from quantpick.core.card.read import Card, read_card
from quantpick.core.card.rows import CardRow
from quantpick.core.quant import QuantFacts

FIXTURES = Path(__file__).parents[2] / "fixtures" / "cards"
SHARED = Path(__file__).parents[4] / "shared" / "data" / "cards"
HUB = "https://huggingface.co"


def cards_below(folder: Path) -> list[Path]:
    """Cards of a folder; a card without a file of expected rows has none."""
    found = [path for path in folder.rglob("*") if path.suffix in (".md", ".txt") and path.name != "NOTES.md"]
    return sorted(found)


def expected_rows(card: Path) -> list[dict[str, Any]]:
    path = card.with_suffix(".expected.json")
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    keys = ("branch", "bits", "group_size", "act_order", "damp", "dataset", "seq_len", "size_bytes", "exllama", "desc")
    extra: dict[str, Any] = {"head_bits": None, "made_with": None, "vram_bytes": {}}
    return [
        {key: row.get(key) for key in keys} | {key: row.get("extra", {}).get(key, extra[key]) for key in extra}
        for row in rows
    ]


def as_expected(row: CardRow) -> dict[str, Any]:
    return {
        "branch": row.branch,
        "bits": row.facts.bits,
        "group_size": row.facts.group_size,
        "act_order": row.facts.desc_act,
        "damp": row.facts.damp_percent,
        "dataset": row.facts.dataset,
        "seq_len": row.facts.seq_len,
        "size_bytes": row.size_bytes,
        "exllama": row.exllama,
        "desc": row.description,
        "head_bits": row.facts.head_bits,
        "made_with": row.made_with,
        "vram_bytes": dict(row.vram_bytes),
    }


def read(path: Path, *, repo_id: str | None = None, newline: str = "\n") -> list[dict[str, Any]]:
    text = path.read_bytes().decode("utf-8").replace("\r\n", "\n").replace("\n", newline)
    return [as_expected(row) for row in read_card(text, repo_id=repo_id).rows]


def shared_repo_ids() -> dict[str, str]:
    index = SHARED / "index.json"
    entries = json.loads(index.read_text(encoding="utf-8")) if index.exists() else []
    return {entry["file"]: entry["repo_id"] for entry in entries}


OWN_CARDS = [path for path in cards_below(FIXTURES) if path.with_suffix(".expected.json").exists()]


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("path", OWN_CARDS, ids=lambda path: path.stem)
def test_card_gives_exactly_its_rows(path: Path, newline: str) -> None:
    assert read(path, newline=newline) == expected_rows(path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the collected cards lie next to the repo, in ../shared/data/cards")
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("path", cards_below(SHARED) or [SHARED], ids=lambda path: path.stem)
def test_collected_card_gives_exactly_its_rows_whether_its_repo_is_named_or_not(path: Path, newline: str) -> None:
    repo_id = shared_repo_ids().get(str(path.relative_to(SHARED)))
    assert read(path, newline=newline) == expected_rows(path)
    assert read(path, newline=newline, repo_id=repo_id) == expected_rows(path)


# --- the card as a whole ----------------------------------------------------------------------------------------------


def fixture(name: str, repo_id: str | None = None) -> Card:
    path = next(path for path in cards_below(FIXTURES) if path.stem == name)
    return read_card(path.read_text(encoding="utf-8"), repo_id=repo_id)


def test_card_names_repo_model_type_base_and_siblings() -> None:
    card = fixture("gptq-era-2")
    assert (card.repo_id, card.model_name, card.model_type) == ("wren/Finch-7B-GPTQ", "Finch 7B", "llama")
    assert (card.method, card.base_models) == ("gptq", ("birds/finch-7b",))
    assert [(one.repo_id, one.method, one.label) for one in card.siblings] == [
        ("birds/finch-7b", "none", "Original model, unquantised")
    ]


def test_front_matter_scraped_with_pipes_is_read() -> None:
    card = fixture("scraped-pipes")
    assert (card.model_name, card.model_type, card.repo_id) == ("Finch 34B", "llama", "wren/Finch-34B-GPTQ")


def test_repos_of_one_quant_each_are_siblings_and_give_no_branch() -> None:
    card = fixture("decoy-repo-per-quant", "z/Finch-7B-8_0bpw_exl2")
    assert [(one.repo_id, one.method, one.label) for one in card.siblings] == [
        ("z/Finch-7B-2_2bpw_exl2", "exl2", "2.2")
    ]
    assert card.rows == ()


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("# Finch 7B - GPTQ", "gptq"),
        ("# Finch\nThis repo contains AWQ model files.", "awq"),
        ("## Exllama v2 Quantizations of Finch", "exl2"),
        ("---\ntags:\n- chat\n- exl3\n---\n# Finch", "exl3"),
        ("---\nlibrary_name: exllamav3\n---\n", "exl3"),
        (f"[4.0bpw]({HUB}/o/Finch-exl2/tree/4.0bpw)", "exl2"),
        ("| Branch | Bits |\n|---|---|\n| gptq-4bit-32g-actorder_True | 4 |", "gptq"),
        ("# Finch\nA bird.", None),
    ],
)
def test_method_is_found_wherever_the_card_says_it(text: str, method: str | None) -> None:
    assert read_card(text).method == method


def test_row_has_its_own_method_where_its_branch_says_one() -> None:
    table = "| Branch | Bits |\n|---|---|\n| fp8 | 8 |\n| nvfp4 | 4 |\n| 4bit | 4 |\n| main | 16 |"
    rows = read_card(f"# Finch 7B - AWQ\n{table}").rows
    assert [row.facts.method for row in rows] == ["fp8", "nvfp4", "awq", "none"]


def test_row_has_the_method_of_its_heading_or_of_the_words_before_its_link() -> None:
    table = "| Branch | Bits |\n|---|---|\n| {} | 4 |\n"
    tree = f"{HUB}/lark/Finch/tree/"
    text = (
        f"# Finch\n## GPTQ\n### Files\n{table.format('a')}\n## EXL2\n{table.format('b')}\n## About\n{table.format('c')}"
    )
    assert [row.facts.method for row in read_card(text).rows] == ["gptq", "exl2", None]
    line = f"exllamav2 [2.4bpw]({tree}2.4bpw), [8.0bpw]({tree}8.0bpw) | EXL3: [4.0 bpw]({tree}x)"
    assert [row.facts.method for row in read_card(line, repo_id="lark/Finch").rows] == ["exl2", "exl2", "exl3"]
    assert [row.facts.method for row in read_card(text, repo_id="lark/Finch-AWQ").rows] == ["awq"] * 3


def test_link_that_could_be_a_version_or_a_precision_counts_beside_sure_ones() -> None:
    tree = f"{HUB}/lark/Finch-quants/tree/"
    lone = f"# Finch\n[fp8]({tree}fp8)"
    assert read_card(lone).rows == ()
    assert [row.branch for row in read_card(f"{lone}\n[4 bits]({tree}gptq-4bit-32g)").rows] == ["fp8", "gptq-4bit-32g"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("---\nmodel_name: Finch Seven\n---\n# Other 7B", "Finch Seven"),
        ("# 🐦 Finch 7B - GPTQ", "Finch 7B"),
        (f"## Quants\n[4.0bpw]({HUB}/o/Finch-7B-exl2/tree/4.0bpw)", "Finch-7B"),
        ("---\nbase_model: birds/Finch-7B\n---\n## Files", "Finch-7B"),
        ("Nothing.", None),
    ],
)
def test_model_name_is_the_front_matters_else_the_titles_else_the_repos(text: str, name: str | None) -> None:
    assert read_card(text).model_name == name


# --- whose branches ---------------------------------------------------------------------------------------------------

OWN_LINKS = f"[4.0bpw]({HUB}/lark/Finch-exl2/tree/4.0bpw)\n[8.0bpw]({HUB}/lark/Finch-exl2/tree/8.0bpw)\n"


@pytest.mark.parametrize(
    ("repo_id", "rows"),
    [
        ("lark/Finch-exl2", 2),
        ("Lark/finch-EXL2", 2),  # another case
        ("lark-org/Finch-exl2", 2),  # a renamed owner
        ("lark/Finch-chat-exl2", 2),  # a word lost in a copied link
        ("lark/Sparrow-exl2", 0),
        ("wren/Finch-GGUF", 0),
    ],
)
def test_named_repo_takes_only_its_own_branches(repo_id: str, rows: int) -> None:
    card = read_card(OWN_LINKS, repo_id=repo_id)
    assert (len(card.rows), card.repo_id) == (rows, repo_id)


def test_sibling_of_another_method_or_bits_is_no_mistyped_link() -> None:
    links = f"[8 bits]({HUB}/lark/Finch-chat-8bit/tree/v2)"
    assert read_card(links, repo_id="lark/Finch-chat").rows == ()


def test_branches_of_a_repo_of_files_are_versions_unless_they_are_named_after_a_type() -> None:
    tree = f"{HUB}/lark/Finch-GGUF/tree/"
    card = read_card(f"The 8 bits are [here]({tree}v2)\n\nor [2 bits]({tree}main), [Q4_K_M]({tree}Q4_K_M)")
    assert [(row.branch, row.facts.method) for row in card.rows] == [("Q4_K_M", "gguf")]


def test_plain_branches_are_not_the_named_repos_if_the_commands_name_another() -> None:
    table = "| Branch | Bits |\n|---|---|\n| main | 4 |\n\n```\nhuggingface-cli download wren/Finch-GPTQ\n```\n"
    assert len(read_card(table, repo_id="wren/Finch-GPTQ").rows) == 1
    assert read_card(table, repo_id="someone/Sparrow-fp16").rows == ()
    assert read_card(table).repo_id == "wren/Finch-GPTQ"


def test_command_for_the_original_model_takes_no_branch_away() -> None:
    table = "| Branch | Bits |\n|---|---|\n| `4.0bpw` | 4.0 |\n\n```\nhf download birds/Finch\n```\n"
    assert len(read_card(table, repo_id="wren/Finch-exl3").rows) == 1


@pytest.mark.parametrize(
    "evidence",
    ["quantized_by: lark\n", "base_model_relation: quantized\n", "tags:\n- exl2\n", "library_name: exllamav2\n"],
)
def test_links_of_a_card_with_an_unrelated_base_model_count_only_if_it_is_a_quantizers(evidence: str) -> None:
    body = f"# Some title\n{OWN_LINKS}"
    assert read_card(f"---\nbase_model: birds/Sparrow-12B\n---\n{body}").rows == ()
    assert len(read_card(f"---\nbase_model: birds/Sparrow-12B\n{evidence}---\n{body}").rows) == 2
    assert len(read_card(f"---\nbase_model: birds/Finch\n---\n{body}").rows) == 2


def test_links_beside_other_peoples_other_formats_are_theirs() -> None:
    gguf = f"GGUF: [here]({HUB}/wren/Finch-GGUF)\n"
    assert read_card("# Finch 7B\n" + gguf + "EXL2: " + OWN_LINKS).rows == ()
    assert len(read_card("# Finch 7B exl2\n" + gguf + OWN_LINKS).rows) == 2
    assert len(read_card("# Finch 7B\n" + gguf.replace("wren", "lark") + OWN_LINKS).rows) == 2


@pytest.mark.parametrize("repo_id", [None, "z/Finch-bpw300-h6-exl2"])
def test_main_branches_of_several_repos_are_siblings(repo_id: str | None) -> None:
    links = [f"[{bits}.0 bpw]({HUB}/z/Finch-bpw{bits}00-h6-exl2/tree/main)" for bits in (3, 4, 5)]
    card = read_card("# Finch\n" + "\n".join(links), repo_id=repo_id)
    assert card.rows == ()
    assert {one.repo_id for one in card.siblings} | {repo_id} >= {f"z/Finch-bpw{bits}00-h6-exl2" for bits in (3, 4, 5)}


@pytest.mark.parametrize(
    "url",
    [
        f"{HUB}/lark/Finch-exl2/tree/main/4.0bpw",
        f"{HUB}/lark/Finch-exl2/blob/4.0bpw/config.json",
        f"{HUB}/lark/Finch-exl2/resolve/4.0bpw/x.json",
        f"{HUB}/datasets/lark/tree/4.0bpw",
        "https://github.com/lark/Finch-exl2/tree/4.0bpw",
        f"{HUB}/lark/Finch-exl2/tree/..%2F..%2Fetc",
        f"{HUB}/lark/Finch-exl2/tree/-rf",
    ],
)
def test_files_folders_and_other_sites_are_no_branches(url: str) -> None:
    assert read_card(f"[4.0bpw]({url})\n\n| Branch | Bits |\n|---|---|\n| [4.0bpw]({url}) | 4.0 |").rows == ()


@pytest.mark.parametrize(
    "url", [f"{HUB}/o/n-exl2/tree/6_5/", "https://hf-mirror.com/o/n-exl2/tree/6_5?a=b", "tree/6_5"]
)
def test_mirrors_and_relative_addresses_are_branches(url: str) -> None:
    assert [row.branch for row in read_card(f"[6.5 bits per weight]({url})").rows] == ["6_5"]


# --- cells ------------------------------------------------------------------------------------------------------------


def one_row(header: str, cells: str) -> CardRow:
    count = header.count("|") + 1
    (row,) = read_card(f"| Branch | {header} |\n|{'---|' * (count + 1)}\n| main | {cells} |").rows
    return row


@pytest.mark.parametrize(
    ("header", "cell", "size"),
    [
        ("Size", "4.15 GB", 4_150_000_000),
        ("File Size", "4.15GB", 4_150_000_000),
        ("Model Size", "20886 MB", 20_886_000_000),
        ("Size", "20,886 MB", 20_886_000_000),
        ("Size", "1.5 GiB", 1_610_612_736),
        ("Size", "20 886 MB", 20_886_000_000),
        ("Size", "20\u202f886 MB", 20_886_000_000),
        ("Size", "20.886,5 MB", 20_886_500_000),
        ("Size", "~ 4.15 GB (3 files)", 4_150_000_000),
        ("Size", "4.15 GB / 3.87 GiB", 4_150_000_000),
        ("Size", "4,15 Go", 4_150_000_000),
        ("Size", "512 MiB", 536_870_912),
        ("Size", "12.3G", 12_300_000_000),
        ("Model Size", "7B", None),
        ("Size (GB)", "12.3", 12_300_000_000),
        ("GiB", "2", 2_147_483_648),
        ("VRAM Size", "5.74 GB", 5_740_000_000),
        ("Size", "**4.15 GB**", 4_150_000_000),
        ("Size", "4.15", None),  # no unit
        ("Size", "Processing, coming soon", None),
        ("Size", "Still processing", None),
        ("Size", "- GB", None),
        ("Size", "0 GB", None),
        ("VRAM", "12 GB", None),
        ("VRAM (GB)", "12", None),
        ("Size (4k)", "12 GB", None),
        ("Context Size", "12 GB", None),
    ],
)
def test_size_is_bytes_of_files_or_unknown(header: str, cell: str, size: int | None) -> None:
    assert one_row(f"Bits | {header}", f"4 | {cell}").size_bytes == size


@pytest.mark.parametrize(
    ("header", "cell", "field", "value"),
    [
        ("GS", "None", "group_size", -1),
        ("Group Size", "-1", "group_size", -1),
        ("GS", "128g", "group_size", 128),
        ("GS", "TBD", "group_size", None),
        ("Act Order", "Yes", "desc_act", True),
        ("Act Order (desc_act)", "False", "desc_act", False),
        ("desc_act", "?", "desc_act", None),
        ("Damp %", "0.01", "damp_percent", 0.01),
        ("Seq Len", "4095", "seq_len", 4095),
        ("Sequence Length", "8k", "seq_len", 8192),
        ("BPW", "4.25 (optimized)", "bits", 4.25),
        ("Precision", "int4", "bits", 4),
        ("BPW", "4.0-6.5", "bits", None),
        ("Bits", "3 to 8 bits", "bits", None),
        ("wbits", "3", "bits", 3),
        ("Symmetric", "Yes", "sym", True),
        ("Format", "AWQ", "method", "awq"),
        ("Quantization", "GPTQ (Marlin)", "method", "gptq"),
        ("Type | Bits", "safetensors | 4", "method", None),
        ("Bits per Weight", "<center>**3.0**</center>", "bits", 3.0),
        ("Target", "2.5", "bits", 2.5),
        ("Target | Actual bpw", "2.5 | 2.98", "bits", 2.98),
        ("Actual bpw | Target", "2.98 | 2.5", "bits", 2.98),
        ("Bits | lm_head bits", "8.0 | 6.0", "head_bits", 6.0),
        ("Bits | Head", "8.0 | 6", "head_bits", 6),
        ("AWQ Dataset | Bits", "c4 | 4", "method", "awq"),
        ("GPTQ Dataset | Bits", f"[German Quad]({HUB}/datasets/x) | 4", "dataset", "German Quad"),
    ],
)
def test_cell_is_read_as_its_header_says(header: str, cell: str, field: str, value: object) -> None:
    row = one_row(f"{header} | File Size", f"{cell} | 4 GB")
    assert getattr(row.facts, field) == value


def test_vram_is_kept_by_context_as_written() -> None:
    row = one_row("Bits | VRAM (4k) | VRAM (8K) | VRAM", "8.0 | 10 GB | 11 GB | 12 GB")
    assert dict(row.vram_bytes) == {"4k": 10_000_000_000, "8K": 11_000_000_000}


def test_branch_is_read_from_the_link_and_not_from_its_label() -> None:
    text = f"| Revision | Bits |\n|---|---|\n| [2.5_H6]({HUB}/o/n-exl3/tree/2.5bpw_H6) | 2.5 |"
    assert [row.branch for row in read_card(text).rows] == ["2.5bpw_H6"]


@pytest.mark.parametrize(
    "name", ["More variants to come", "TBD", "-", "", "a b", "../up", "-x", "a..b", "x`y", "$(rm)"]
)
def test_cell_that_is_no_git_ref_is_no_branch(name: str) -> None:
    assert read_card(f"| Branch | Bits |\n|---|---|\n| {name} | 4 |").rows == ()


def test_checkpoints_of_a_training_are_no_quantizations() -> None:
    assert read_card("| Branch | Dataset | Seq Len |\n|---|---|---|\n| step-1000 | pile | 2048 |").rows == ()


def test_table_of_versions_is_no_table_of_quantizations() -> None:
    assert (
        read_card("# Finch GPTQ\n| Revision | Date |\n|---|---|\n| 1.0 | 2024-01-01 |\n| 1.1 | 2024-02-01 |").rows == ()
    )


def test_row_of_measurements_is_no_quantization() -> None:
    rows = read_card(f"| Branch | Bits |\n|---|---|\n| [main]({HUB}/o/n-exl2/tree/main) | measurement.json |").rows
    assert rows == ()


# --- rows that lost or gained cells -----------------------------------------------------------------------------------

ERA_3 = "Branch | Bits | GS | Act Order | Damp % | GPTQ Dataset | Seq Len | Size | ExLlama | Desc"
FULL = ["main", "4", "128", "No", "0.1", "wikitext", "4096", "7.26 GB", "Yes", "Good."]


@pytest.mark.parametrize("lost", range(1, 10))
def test_row_with_one_cell_lost_keeps_every_other_value(lost: int) -> None:
    cells = [cell for i, cell in enumerate(FULL) if i != lost]
    rule = "|".join(["---"] * 10)
    (row,) = read_card(f"{ERA_3}\n{rule}\n{' | '.join(cells)}").rows
    (full,) = read_card(f"{ERA_3}\n{rule}\n{' | '.join(FULL)}").rows
    kept, want = list(as_expected(row).values())[:10], list(as_expected(full).values())[:10]
    want[lost] = None
    assert kept == want


def test_tools_name_of_an_older_table_is_found_without_its_header() -> None:
    cells = ["main", "4", "128", "No", "wikitext", "7.26 GB", "Yes", "AutoGPTQ", "Good."]
    (row,) = read_card(f"| {ERA_3} |\n{'|---' * 10}|\n| {' | '.join(cells)} |").rows
    assert (row.made_with, row.description, row.facts.dataset, row.size_bytes) == (
        "AutoGPTQ",
        "Good.",
        "wikitext",
        7_260_000_000,
    )


def test_row_with_a_pipe_too_many_keeps_its_values() -> None:
    (row,) = read_card(f"| {ERA_3} |\n{'|---' * 10}|\n| {' | '.join(FULL)} | or not |").rows
    assert (row.exllama, row.description) == (True, "Good.")


# --- warnings ---------------------------------------------------------------------------------------------------------


def test_byte_count_printed_as_gb_is_unknown_and_warned_of() -> None:
    card = read_card("| Branch | Bits | Size |\n|---|---|---|\n| main | 4 | 35332232264.00 GB |")
    (warning,) = card.warnings
    assert card.rows[0].size_bytes is None
    assert (warning.code, warning.branch) == ("absurd-size", "main")
    assert "35332232264.00 GB" in warning.message


@pytest.mark.parametrize(
    ("bits", "group", "text", "both"),
    [
        ("3", "32", "3-bit, with group size 64g and act-order.", ("`32`", "`64`")),
        ("8", "12", "8-bit, with Act Order and group size 32g.", ("`12`", "`32`")),
        ("4", "128", "4-bit. No group size, to lower VRAM requirements.", ("`128`", "`none`")),
        ("4", "128", "8-bit, with group size 128g.", ("`4`", "`8`")),
    ],
)
def test_description_that_contradicts_its_row_is_a_warning_with_both_values(
    bits: str, group: str, text: str, both: tuple[str, str]
) -> None:
    card = read_card(f"| Branch | Bits | GS | Desc |\n|---|---|---|---|\n| main | {bits} | {group} | {text} |")
    (warning,) = card.warnings
    assert (warning.code, warning.branch) == ("card-mismatch", "main")
    assert all(value in warning.message for value in both)


@pytest.mark.parametrize(
    "text",
    ["4-bit, with group size 128g. Uses less VRAM than 64g.", "Higher quality than 3-bit 32g.", "128g-False", "Good."],
)
def test_description_that_compares_with_other_branches_is_no_contradiction(text: str) -> None:
    assert read_card(f"| Branch | Bits | GS | Desc |\n|---|---|---|---|\n| main | 4 | 128 | {text} |").warnings == ()


# --- laws -------------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "|", "\n", "\r\n", "|---|---|\n", "| Branch | Bits | Size |", "| main | 4 | 3.9 GB |", "---\n", "a: '",
        "- ", "# ", "`", "```\n", "[", "](", ")", "![", "<a href=", "<table><tr><td>", "</td></tr></table>",
        "<!--", "-->", "\\", "**", "<details><summary>", "</details>", f"{HUB}/o/n-exl2/tree/4.0bpw", "/tree/",
        "%2F%ff", "4.0bpw-h6", "GB", "99999999", "&amp;", "Original model card", "branch", "\x00", "\u2028",
        "\ud800", "量化", " ", "\t",
    ]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=60).map("".join)))
@example("")
@example("---")
@example("|" * 2000)
@example("\ufeff---\na: b")
def test_no_text_makes_it_raise_and_every_branch_is_a_safe_name(text: str) -> None:
    for repo_id in (None, "o/n-exl2"):
        for row in read_card(text, repo_id=repo_id).rows:
            assert row.branch
            assert not any(sign.isspace() for sign in row.branch)
            assert not row.branch.startswith(("-", "/", "."))


@pytest.mark.parametrize(
    "junk", ["|", "[", "<", "`", "\\", "x", "- `", "|\n", "<!--", "[a](", "<table><tr><td>", "&amp;"]
)
def test_table_below_a_heap_of_junk_is_still_read(junk: str) -> None:
    text = junk * (200_000 // len(junk)) + "\n\n| Branch | Bits |\n|---|---|\n| main | 4 |\n"
    assert [row.branch for row in read_card(text).rows] == ["main"]


BRANCHES = st.from_regex(
    r"gptq-[348]bit-(32|64|128)g-actorder_(True|False)|main|[2-8]\.[05]bpw-h[68]|[2-8]_[05]", fullmatch=True
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "Branch": BRANCHES,
            "Bits": st.sampled_from([3, 4, 8, 2.25, 6.5]),
            "GS": st.sampled_from([-1, 32, 64, 128]),
            "Act Order": st.booleans(),
            "Damp %": st.sampled_from([0.1, 0.01]),
            "Seq Len": st.sampled_from([2048, 4096, 32768]),
            "Size": st.integers(min_value=1, max_value=200_000).map(lambda hundredths: hundredths * 10_000_000),
            "ExLlama": st.booleans(),
            "Desc": st.sampled_from(["Good.", "Small, but fine.", "For 24 GB cards"]),
        }
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row["Branch"],
)


def render(row: dict[str, Any], column: str, linked: bool) -> str:
    value = row[column]
    if column == "Branch":
        return f"[{value}]({HUB}/wren/Finch-GPTQ/tree/{value})" if linked else str(value)
    if column == "GS":
        return "None" if value == -1 else str(value)
    if column == "Size":
        return f"{value / 1e9:.2f} GB"
    return {True: "Yes", False: "No"}[value] if isinstance(value, bool) else str(value)


@given(
    rows=ROWS,
    columns=st.permutations(["Branch", "Bits", "GS", "Act Order", "Damp %", "Seq Len", "Size", "ExLlama", "Desc"]),
    linked=st.booleans(),
    outer=st.sampled_from([("| ", " |"), ("", ""), ("| ", ""), ("", " |"), ("| ", " | ")]),
    newline=st.sampled_from(["\n", "\r\n", " |\n|\n"]),
)
def test_rendered_table_is_read_back_in_any_column_order_and_dress(
    rows: list[dict[str, Any]], columns: list[str], linked: bool, outer: tuple[str, str], newline: str
) -> None:
    cells = [columns, ["---"] * len(columns), *([render(row, column, linked) for column in columns] for row in rows)]
    if newline.startswith(" |"):
        outer = ("| ", " |")
    lines = [
        "# Finch - GPTQ",
        "Words.",
        "More.",
        *(outer[0] + " | ".join(line) + outer[1] for line in cells),
        "",
        "End.",
    ]
    got = read_card(newline.join(lines)).rows
    facts = [
        QuantFacts(
            method="gptq",
            bits=row["Bits"],
            head_bits=int(row["Branch"][-1]) if "-h" in row["Branch"] else None,
            group_size=row["GS"],
            desc_act=row["Act Order"],
            damp_percent=row["Damp %"],
            seq_len=row["Seq Len"],
        )
        for row in rows
    ]
    assert [one.facts for one in got] == facts
    rest = [(row["Branch"], row["Size"], row["ExLlama"], row["Desc"]) for row in rows]
    assert [(one.branch, one.size_bytes, one.exllama, one.description) for one in got] == rest


def test_every_column_is_found_by_each_of_its_headers_unless_one_above_claims_it() -> None:
    for column in COLUMNS:
        for phrase in column.headers.split(", "):
            assert column.matches(f" {phrase} 4k ")
            assert column.matches(f" x{phrase}x 4k ") is (phrase[0] > "\u3000")


def test_header_phrase_counts_within_a_word_only_where_the_language_writes_no_blanks() -> None:
    heads = read_heads(("Groups", "量化位数", "biteren"))
    assert [head.field for head in heads] == ["unused", "bits", "unused"]
