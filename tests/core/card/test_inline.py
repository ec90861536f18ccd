"""One line or cell of Markdown: its text, links and code spans, and where each stands."""

from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.card.inline import Code, Link, read_inline


def test_link_has_label_address_and_place() -> None:
    inline = read_inline("see **[4.0 bpw](<https://x/a b> 'title')** (new), `main` and <a href='/y'>y<b>!</b></a>")
    assert inline.text == "see **4.0 bpw** (new), main and y!"
    assert inline.links == (Link("4.0 bpw", "https://x/a b", 6, 13), Link("y!", "/y", 32, 34))
    assert inline.codes == (Code("main", 23, 27),)
    assert all(inline.text[link.start : link.end] == link.label for link in inline.links)


def test_brackets_that_are_no_link_stay_text() -> None:
    assert read_inline("[a] [b](unclosed ![c] \\[d](e) ] [").text == "[a] [b](unclosed ![c] [d](e) ] ["
    assert read_inline("[a] (b)").links == ()


def test_address_may_hold_a_pair_of_parentheses() -> None:
    assert read_inline("[a](x_(y)_z) b").links == (Link("a", "x_(y)_z", 0, 1),)


def test_links_are_not_read_in_code_and_bare_addresses_are() -> None:
    assert read_inline("``[a](b)``").links == ()
    assert [link.url for link in read_inline("at https://x/y. And <https://x/z>").links] == [
        "https://x/y",
        "https://x/z",
    ]


def test_link_within_a_link_counts_once() -> None:
    inline = read_inline("[https://x/y](https://x/z)")
    assert [(link.label, link.url) for link in inline.links] == [("https://x/y", "https://x/z")]


@given(st.text(alphabet="ab[]()!<>`\\&;/\"'= *_:https", max_size=120))
def test_every_line_is_read_and_each_place_lies_in_the_text(raw: str) -> None:
    inline = read_inline(raw)
    assert all(0 <= link.start <= link.end for link in inline.links)
    assert all(0 <= code.start <= code.end for code in inline.codes)


@given(st.text(max_size=60))
def test_plain_words_are_what_they_are(text: str) -> None:
    kept = "".join(sign for sign in text if sign.isalnum() or sign in " .,|")
    assert read_inline(kept).text == kept.strip()
