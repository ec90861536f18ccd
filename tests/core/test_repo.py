"""The doors for names, hashes and sizes from outside: whoever wrote them, nothing bad becomes a path or a number."""

import json
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.repo import (
    LARGEST_FILE_BYTES,
    Refused,
    RepoFile,
    commit_id,
    file_list,
    ref_name,
    repo_file,
    repo_id,
)

SHA1, SHA256 = "0123456789abcdef0123" * 2, "0123456789abcdef" * 4
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.text()),
)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../../../../x",
            "/abs",
            "a/../b",
            "..",
            ".hidden",
            "a/.b",
            "a//b",
            "a/",
            "/",
            "-rf",
            "a b",
            "a\nb",
            "a\x00b",
        ),
        *("a:b", "a*", "a?", "a[b", "a\\b", "a~1", "a^", "a.lock", "a.lock/b", "a.", "@", "a@{1}", "\ud800", "\u202ea"),
        *("x" * 251, "", None, 7, True, ["main"], {"name": "main"}),
    ],
)
def test_name_that_git_forbids_is_no_branch(name: Any) -> None:
    assert isinstance(ref_name(name), Refused)


@pytest.mark.parametrize(
    "name", ["main", "null", "exp/6.0bpw", "4bit-$(touch${IFS}pwned)", "it's", "größe", "refs/pr/1", "a@b", "x" * 250]
)
def test_name_that_git_allows_is_a_branch(name: str) -> None:
    assert ref_name(name) == name


@pytest.mark.parametrize("commit", ["../../etc/passwd", SHA1[:-1], SHA1.upper(), SHA1 + "\n", None, 7, [SHA1]])
def test_commit_is_40_hex_digits(commit: Any) -> None:
    assert isinstance(commit_id(commit), Refused)


@pytest.mark.parametrize("size", [-1, LARGEST_FILE_BYTES + 1, 10**30, 1.0, float("nan"), float("inf"), True, "1", None])
def test_size_is_a_number_that_a_file_can_have(size: Any) -> None:
    assert isinstance(repo_file("model.safetensors", size, SHA1), Refused)


@pytest.mark.parametrize("oid", ["/../../x", "../x", "", SHA256[:-1], SHA256 + "/x", SHA256.upper(), 7, ["a"]])
def test_hash_is_hex_digits(oid: Any) -> None:
    assert isinstance(repo_file("model.safetensors", 1, SHA1, oid), Refused)
    assert isinstance(repo_file("model.safetensors", 1, oid), Refused)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/abs", "../x", "a/../../x", "a//b", "a/", "./a", ".git/hooks/post-checkout", "a/.GIT/x"),
        *("a\0b", "\ud800", "a" * 1025, None, 7, True, ["a"]),
    ],
)
def test_path_that_git_cannot_hold_is_refused(path: Any) -> None:
    assert isinstance(repo_file(path, 1, SHA1), Refused)


def test_list_holds_no_path_twice_and_no_file_as_a_folder() -> None:
    files = [RepoFile(path, 1, SHA1) for path in ("a/b/c", "d", "a/b")]
    assert isinstance(file_list(files), Refused)
    assert isinstance(file_list([files[0], files[0]]), Refused)
    assert file_list(files[:2]) == tuple(files[:2])
    assert isinstance(file_list([files[0], Refused("bad")]), Refused)


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_nothing_from_outside_makes_a_door_raise(path: Any, size: Any, sha1: Any, sha256: Any) -> None:
    found = repo_file(path, size, sha1, sha256)
    assert isinstance(found, Refused | RepoFile)
    for door in (repo_id, ref_name, commit_id):
        assert isinstance(door(path), Refused | str)


@given(st.text(alphabet="./a\\-~@{:", max_size=12))
def test_what_passes_stays_below_its_folder(text: str) -> None:
    for taken in (ref_name(text), repo_file(text, 1, SHA1)):
        if isinstance(taken, Refused):
            continue
        path = PurePosixPath(taken if isinstance(taken, str) else taken.path)
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert json.dumps(str(path))
