"""Addresses of the Hub and of its mirrors, taken apart once for cards and for what people paste."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.hub_url import HubUrl, hub_path, read_hub_url


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://huggingface.co/o/n", ("o", "n")),
        ("HTTPS://HuggingFace.co/o/n/", ("o", "n")),
        ("huggingface.co/o/n?x=1", ("o", "n")),
        ("www.hf.co/o/n", ("o", "n")),
        ("https://hf-mirror.com/o/n/tree/a%2Fb", ("o", "n", "tree", "a/b")),
        ("https://huggingface.co:443/o", ("o",)),
        ("https://huggingface.co", ()),
        ("http://127.0.0.1:8090/hub/o/n", ("o", "n")),
        ("hf-mirror.com/o/n", None),  # without https:// only the Hub's own names are hosts
        ("https://github.com/o/hf", None),
        ("https://shaft.com/o/n", None),
        ("https://evil.com/huggingface.co/o/n", None),
        ("https://huggingface.co.evil.com@example.com/o/n", None),
        ("file://huggingface.co/o/n", None),
        ("o/n", None),
        ("", None),
    ],
)
def test_page_of_the_hub_or_a_mirror_has_a_path_and_nothing_else_has(text: str, parts: tuple[str, ...] | None) -> None:
    assert hub_path(text, endpoint="http://127.0.0.1:8090/hub/") == parts


@given(st.text(alphabet="abc/.:?#%20htps-_~@", max_size=80))
def test_every_address_is_read_and_a_branch_has_no_blank(url: str) -> None:
    for prefix in ("", "https://huggingface.co/o/n/tree/", "/o/n/tree/"):
        read = read_hub_url(prefix + url)
        assert read is None or read.branch is None or not any(sign.isspace() for sign in read.branch)


def test_branch_is_percent_decoded_once() -> None:
    assert read_hub_url("/o/n/tree/a%252Db") is None
    assert read_hub_url("/o/n/tree/a%2Db") == HubUrl("o/n", "a-b")
