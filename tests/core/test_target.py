import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.target import NoModel, Target, parse_target

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
        ("owner/name/", "owner/name", None),
        ("owner/name@4.0bpw", "owner/name", "4.0bpw"),
        ("owner/name:a@b", "owner/name", "a@b"),
        ("owner/name/tree/4.0bpw", "owner/name", "4.0bpw"),
        ("https://huggingface.co/owner/name/blob/main/config.json", "owner/name", "main/config.json"),
        ("https://hf.co/owner/name/resolve/6_5/model.safetensors?download=true", "owner/name", "6_5/model.safetensors"),
        ("https://huggingface.co/owner/name/tree/exp%2F6_5", "owner/name", "exp/6_5"),
        ("https://huggingface.co/owner/name/commits/main", "owner/name", "main"),
        ("https://huggingface.co/owner/name/discussions/3", "owner/name", None),
        ("https://huggingface.co/owner/name.git", "owner/name", None),
        ("git@hf.co:owner/name.git", "owner/name", None),
        ("https://user:hf_token@huggingface.co/owner/name", "owner/name", None),
    ],
)
def test_every_way_to_name_a_repo_is_read(text: str, repo_id: str, revision: str | None) -> None:
    found = parse_target(text, endpoint=ENDPOINT)
    assert isinstance(found, Target)
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
        "https://huggingface.co/owner",
        "https://huggingface.co/",
        "https://huggingface.co/owner/name/unknown/main",
        "https://hf.evil/../..",
        "https://github.com/owner/name",
        "http://127.0.0.1:9999/owner/name",
        "file:///etc/passwd",
    ],
)
def test_what_names_no_repo_is_none(text: str) -> None:
    assert parse_target(text, endpoint=ENDPOINT) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("datasets/owner/name", "dataset"),
        ("hf://datasets/owner/name", "dataset"),
        ("https://huggingface.co/datasets/owner/name/tree/main", "dataset"),
        ("https://huggingface.co/spaces/owner/name", "Space"),
        ("https://huggingface.co/collections/owner/name-123", "collection"),
        ("https://huggingface.co/papers/2305.14314", "paper"),
    ],
)
def test_what_is_no_model_is_called_what_it_is(text: str, kind: str) -> None:
    assert parse_target(text) == NoModel(kind)


def test_address_goes_with_the_branch_it_shows_and_with_no_other() -> None:
    shown = parse_target("https://huggingface.co/owner/name/blob/4bit/config.json")
    assert isinstance(shown, Target)
    assert shown.is_at("4bit")
    assert not shown.is_at("4bit-32g")
    assert not Target("owner/name", "main").is_at("4bit")
    assert Target("owner/name").is_at("4bit")


@given(st.text(max_size=60))
def test_no_text_makes_it_raise_or_leave_the_repo(text: str) -> None:
    for candidate in (text, f"owner/name:{text}", f"hf://owner/name@{text}", f"https://hf.co/owner/name/tree/{text}"):
        found = parse_target(candidate)
        assert not isinstance(found, Target) or ".." not in f"{found.repo_id}/{found.revision}"
