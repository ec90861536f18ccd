"""Markdown to blocks: as markdown-it-py where the text is well-formed, and with the tolerance that cards need."""

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from quantpick.core.card.markdown import DetailsEnd, Fence, Heading, Table, Text, read_document, split_row


def tables(text: str) -> list[list[tuple[str, ...]]]:
    return [[block.header, *block.rows(999)] for block in read_document(text).blocks if isinstance(block, Table)]


def oracle(text: str) -> list[list[tuple[str, ...]]]:
    """The raw cells of each table as markdown-it-py reads them."""
    found: list[list[tuple[str, ...]]] = []
    cells: list[str] = []
    inside = False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            cells = []
        elif token.type == "tr_close":
            found[-1].append(tuple(cells))
        elif token.type in ("th_open", "td_open", "th_close", "td_close"):
            inside = token.type.endswith("open")
        elif inside:
            cells.append(token.content)
    return found


# --- tables -----------------------------------------------------------------------------------------------------------

CELL = st.text(alphabet="ab1 .*_`[]()\\é量", max_size=8).map(
    lambda text: " ".join(text.replace("\\", "").split()) or "x"
)
ESCAPED = st.sampled_from(["a\\|b", "`c\\|d`", "\\|", "**e\\|**"])


@st.composite
def table_texts(draw: st.DrawFn) -> str:
    width = draw(st.integers(min_value=2, max_value=5))
    row = st.lists(st.one_of(CELL, ESCAPED), min_size=width, max_size=width)
    opens, closes = draw(st.sampled_from([("| ", " |"), ("|", "|"), ("| ", ""), ("", " |")]))
    rule = draw(st.lists(st.sampled_from(["---", ":-:", "--:", ":--", "--"]), min_size=width, max_size=width))
    lines = [["h" + cell for cell in draw(row)], rule, *(["r" + cell for cell in one] for one in draw(st.lists(row)))]
    return "\n".join(opens + " | ".join(line) + closes for line in lines) + "\n"


@given(st.lists(table_texts(), min_size=1, max_size=3))
def test_well_formed_tables_have_the_cells_of_markdown_it(texts: list[str]) -> None:
    text = "\n\nSome words.\n\n".join(texts)
    assert tables(text) == oracle(text)


def test_pipes_split_in_code_spans_and_not_behind_a_backslash() -> None:
    text = "| a | b |\n|---|---|\n| `x\\|y` | z |\n| `p|q` |\n"
    assert tables(text) == [[("a", "b"), ("`x|y`", "z"), ("`p", "q`")]] == oracle(text)


def test_tables_that_markdown_refuses_are_read() -> None:
    mismatched = "| a | b |\n|---|---|---|\n| 1 | 2 |"
    gaps = "| a | b |\n\n|---|---|\n\n| 1 | 2 |\n\n\n| 3 | 4 |\n\nwords"
    assert oracle(mismatched) == []
    assert tables(mismatched) == [[("a", "b"), ("1", "2")]]
    assert tables(gaps) == [[("a", "b"), ("1", "2"), ("3", "4")]]


def test_table_behind_a_blank_line_is_a_table_of_its_own() -> None:
    one = "| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert tables(one + "\n" + one) == [[("a", "b"), ("1", "2")]] * 2


def test_row_without_closing_pipe_and_row_with_trailing_blank_are_whole() -> None:
    assert split_row("| [main](x) | 4 | 4.15 GB") == ("[main](x)", "4", "4.15 GB")
    assert split_row("| main | 4 | ") == ("main", "4")


def test_html_table_is_a_table_and_its_first_row_the_header() -> None:
    text = (
        "<div><table class='x'>\n<tr><th>Quant</th><th>GiB</th></tr>\n<tr><td>4.0</td>\n<td> 3 </td></tr></table>after"
    )
    document = read_document(text)
    assert tables(text) == [[("Quant", "GiB"), ("4.0", "3")]]
    assert document.blocks[-1] == Text(["after"])


def test_html_table_without_header_loses_no_link() -> None:
    assert tables('<table><tr><td><a href="x">4.0</a></td></tr></table>') == [[("",), ('<a href="x">4.0</a>',)]]


def test_comments_hide_and_an_open_comment_does_not() -> None:
    assert read_document("a<!-- | b |\n|---|\n -->c").blocks == [Text(["ac"])]
    assert read_document("a\n<!-- open\nb").blocks == [Text(["a", "<!-- open", "b"])]


# --- other blocks -----------------------------------------------------------------------------------------------------


def test_headings_of_all_kinds() -> None:
    text = "# One #\nTwo\n===\nThree\n---\n<h2 align='x'>Four</h2>\n#No\n- item\n---\n"
    headings = [Heading(1, "One"), Heading(1, "Two"), Heading(2, "Three"), Heading(2, "Four")]
    assert read_document(text).blocks == [*headings, Text(["#No", "- item", "---"])]


def test_fence_holds_its_lines_and_an_open_fence_hides_nothing() -> None:
    assert read_document("```sh\n# no heading\n| a |\n|---|\n```\nend").blocks == [
        Fence(["# no heading", "| a |", "|---|"]),
        Text(["end"]),
    ]
    assert read_document("~~~~\n```\n~~~\n~~~~").blocks == [Fence(["```", "~~~"])]
    assert read_document("```\n# heading").blocks == [Text(["```"]), Heading(1, "heading")]


def test_details_have_a_title_and_an_end() -> None:
    blocks = read_document("<details>\n<summary>More</summary>\ninside\n</details> behind").blocks
    assert blocks == [Text(["<details>"]), Heading(7, "More"), Text(["inside"]), DetailsEnd(), Text(["behind"])]


def test_front_matter_goes_before_the_body() -> None:
    front, blocks = read_document("---\nmodel_type: llama\n---\nbody")
    assert (front, blocks) == ({"model_type": ("llama",)}, [Text(["body"])])


def test_rule_is_no_front_matter_unless_closed_and_first() -> None:
    assert read_document("---\na: b\n").front_matter == {}
    assert read_document("words\n---\na: b\n---\n").front_matter == {}


def test_pipes_scraped_onto_every_line_are_dropped_and_those_of_a_table_stay() -> None:
    scraped = "Words here. |\n|\n| a | b | |\n|\n|---|---| |\n|\n| 1 | 2 | |\n|\nMore. |\n|\nAnd more. |\n"
    assert tables(scraped) == [[("a", "b"), ("1", "2")]]
    assert read_document(scraped).blocks[0] == Text(["Words here."])
    assert tables("a | b |\n---|---|\n1 | 2 |\nwords\nmore\n") == [[("a", "b"), ("1", "2")]]


@given(st.text(alphabet="ab|-:#`~<>\n\r \t*[]()!\\", max_size=200))
def test_every_text_is_read_and_line_endings_do_not_matter(text: str) -> None:
    text = text.replace("\r", "")
    assert read_document(text) == read_document(text.replace("\n", "\r\n")) == read_document(text.replace("\n", "\r"))
