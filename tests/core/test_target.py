import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.target import parse_target

ENDPOINT = "http://127.0.0.1:8090"


@pytest.mark.parametrize(
    ("text", "repo_id", "revision"),
    [
        ("owner/name", "owner/name", None),
        ("  owner/name ", "owner/name", None),
        ("owner/name:gptq-4bit-32g-actorder_True", "owner/name", "gptq-4bit-32g-actorder_True"),
        ("owner/name:exp/6_5", "owner/name", "exp/6_5"),
        ("hf://owner/name", "owner/name", None),
        ("hf://models/owner/name@4.0bpw", "owner/name", "4.0bpw"),
        ("hf://owner/name@refs%2Fpr%2F1", "owner/name", "refs/pr/1"),
        ("https://huggingface.co/owner/name", "owner/name", None),
        ("https://huggingface.co/owner/name/", "owner/name", None),
        ("https://huggingface.co/owner/name/tree/main", "owner/name", "main"),
        ("huggingface.co/owner/name/tree/4.25bpw%2Dh6?not-for-all=true#x", "owner/name", "4.25bpw-h6"),
        ("https://hf-mirror.com/owner/name/tree/exp/6_5", "owner/name", "exp/6_5"),
        (f"{ENDPOINT}/owner/name/tree/6_5", "owner/name", "6_5"),
    ],
)
def test_every_way_to_name_a_repo_is_read(text: str, repo_id: str, revision: str | None) -> None:
    found = parse_target(text, endpoint=ENDPOINT)
    assert found is not None
    assert (found.repo_id, found.revision) == (repo_id, revision)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "owner/name/more",
        "owner/name:",
        "owner/name:-rf",
        "owner/name:a..b",
        "owner/name:a b",
        "../name",
        "owner/..",
        "owner/na--me..",
        "datasets/name",
        "https://huggingface.co/datasets/owner/name",
        "https://huggingface.co/owner/name/blob/main/config.json",
        "https://github.com/owner/name",
        "http://127.0.0.1:9999/owner/name",
        "file:///etc/passwd",
    ],
)
def test_what_names_no_repo_is_none(text: str) -> None:
    assert parse_target(text, endpoint=ENDPOINT) is None


@given(st.text(max_size=60))
def test_no_text_makes_it_raise_or_leave_the_repo(text: str) -> None:
    for candidate in (text, f"owner/name:{text}", f"hf://owner/name@{text}", f"https://hf.co/owner/name/tree/{text}"):
        found = parse_target(candidate)
        assert found is None or ".." not in f"{found.repo_id}/{found.revision}"
