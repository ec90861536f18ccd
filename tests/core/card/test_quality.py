"""Figures of quality, wherever cards put them: columns, a table of their own, behind a link."""

import pytest

from quantpick.core.branches.table import table_from_card
from quantpick.core.card.read import read_card
from quantpick.core.quant import Quality

TREE = "https://huggingface.co/wren/Finch-exl3/tree/"


def quality(text: str) -> dict[str, dict[str, Quality]]:
    return {row.branch: dict(row.quality) for row in read_card(text).rows}


def one(header: str, cell: str) -> dict[str, Quality]:
    return quality(f"| Branch | Bits | {header} |\n|---|---|---|\n| main | 4 | {cell} |")["main"]


@pytest.mark.parametrize(
    ("header", "cell", "metric", "value", "against"),
    [
        ("KL-div", "0.297", "kl_divergence", 0.297, None),
        ("KL-div (quant, FP16)", "0.400", "kl_divergence", 0.4, "quant, FP16"),
        ("KLD ↓", "**0.0042**", "kl_divergence", 0.0042, None),
        ("K/L-D vs BF16", "1.2e-3", "kl_divergence", 0.0012, "vs BF16"),
        ("Mean KL divergence", "~0,0150", "kl_divergence", 0.015, None),
        ("PPL", "5.8342 ± 0.031", "perplexity", 5.8342, None),
        ("Perplexity (wikitext2)", "10.23", "perplexity", 10.23, "wikitext2"),
        ("Perplexity wikitext2 2048", "10.23", "perplexity", 10.23, "wikitext2 2048"),
        ("C4 PPL", "7.1", "perplexity", 7.1, "C4"),
        ("困惑度", "6.2", "perplexity", 6.2, None),
        ("Top-1", "93.1%", "top_1", 0.931, None),
        ("Top-K K=1", "0.8123", "top_1", 0.8123, None),
        ("Same top (%)", "98.5", "top_1", 0.985, None),
        ("MMLU", "83.40% ±1.13%¹", "mmlu", 0.834, None),
        ("Quality", "near lossless", "words", "near lossless", None),
    ],
)
def test_column_of_quality_is_read(
    header: str, cell: str, metric: str, value: float | str, against: str | None
) -> None:
    assert {key: tuple(said) for key, said in one(header, cell).items()} == {metric: (value, against)}


@pytest.mark.parametrize(
    ("header", "cell"),
    [("PPL", "pending"), ("PPL", "0.3"), ("PPL", "8 GB"), ("KL-div", "-"), ("KL-div", "99%"), ("Top-1", "250")],
)
def test_cell_that_is_no_such_figure_says_nothing(header: str, cell: str) -> None:
    assert one(header, cell) == {}


def test_second_column_of_a_metric_is_kept_by_what_it_is_against() -> None:
    read = one("PPL | KL-div (q→o) | KL-div (o→q)", "8.5 | 0.0150 | 0.0151")
    assert read == {
        "perplexity": Quality(8.5),
        "kl_divergence": Quality(0.015, "q→o"),
        "kl_divergence (o→q)": Quality(0.0151, "o→q"),
    }


def test_table_of_its_own_names_branches_by_their_labels() -> None:
    links = "\n".join(f"[{bits} bits per weight]({TREE}{bits}bpw)" for bits in ("2.00", "2.10", "2.50", "3.00"))
    rows = (
        "2.00 bpw | 70.2 GB | 7.41 | 0.528 |\n"
        "2.10 bpw (optimized) | 73.4 GB | 6.75 | 0.220 |\n"
        "2.50 bpw CCQ | 87.4 GB | 6.00 | 0.100 |\n"  # another tool's, no branch of this repo
        "`3.00bpw` | 104.9 GB | 5.89 | |\n"
        "Original | 597.1 GB | 5.41 |\n"
    )
    read = quality(f"# Finch exl3\n{links}\n\nQuant | VRAM | Perplexity | KL-div |\n---|---|---|---|\n{rows}")
    assert read == {
        "2.00bpw": {"perplexity": Quality(7.41), "kl_divergence": Quality(0.528)},
        "2.10bpw": {"perplexity": Quality(6.75), "kl_divergence": Quality(0.22)},
        "2.50bpw": {},
        "3.00bpw": {"perplexity": Quality(5.89)},
    }


def test_label_of_two_branches_is_neithers() -> None:
    links = f"[4.0 bpw h6]({TREE}4.0bpw_H6)\n[4.0 bpw h8]({TREE}4.0bpw_H8)"
    table = "| Quant | PPL |\n|---|---|\n| 4.0 bpw | 5.5 |\n| 4.0 bpw h8 | 5.4 |"
    assert quality(f"# Finch exl3\n{links}\n\n{table}") == {
        "4.0bpw_H6": {},
        "4.0bpw_H8": {"perplexity": Quality(5.4)},
    }


def test_figures_behind_a_link_are_read() -> None:
    text = f"# Finch exl3\n- [2.25bpw]({TREE}2.25bpw) 61.05 GiB, KL: 0.297, PPL 9.78\n- [3.0bpw]({TREE}3.0bpw)"
    text = text.replace("KL:", "KL-div:")
    assert quality(text) == {
        "2.25bpw": {"kl_divergence": Quality(0.297), "perplexity": Quality(9.78)},
        "3.0bpw": {},
    }


def test_html_table_and_linked_rows_are_read() -> None:
    row = f"<tr><td><a href='{TREE}2.04bpw'>2.04 bpw</a></td><td>0.297</td><td>good</td></tr>"
    head = "<tr><th>Revision</th><th>KL-div (orig, quant)</th><th>Quality</th></tr>"
    assert quality(f"# Finch exl3\n<table>{head}{row}</table>") == {
        "2.04bpw": {"kl_divergence": Quality(0.297, "orig, quant"), "words": Quality("good")}
    }


def test_branch_has_its_quality_and_the_cards_vram_with_their_source() -> None:
    text = (
        "| Branch | Bits | VRAM (4k) | VRAM (16K) | PPL |\n|---|---|---|---|---|\n| 8_0 | 8.0 | 8.4 GB | 9.8 GB | 6.1 |"
    )
    (branch,) = table_from_card(read_card(text)).branches
    assert branch.quality == {
        "perplexity": Quality(6.1),
        "vram_4k": Quality(8_400_000_000, "4k of context"),
        "vram_16k": Quality(9_800_000_000, "16K of context"),
    }
    assert branch.sources["quality"] == "card"


def test_perplexity_alone_makes_no_branch() -> None:
    assert read_card("| Branch | PPL |\n|---|---|\n| step-1000 | 8.1 |").rows == ()
