"""Which files of a branch are fetched, and which names become no path."""

import pytest

from quantpick.core.branches.tree import Weights, find_weights
from quantpick.core.repo import RepoFile
from quantpick.core.selection import alike_names, select_files, unsafe_path


def files(*paths: str) -> list[RepoFile]:
    return [RepoFile(path, 1, "0" * 40) for path in paths]


def chosen(*paths: str, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> list[str]:
    return [file.path for file in select_files(files(*paths), include=include, exclude=exclude).files]


def test_pickles_are_left_out_where_safetensors_lie_beside_them_and_named() -> None:
    selection = select_files(files("model.safetensors", "pytorch_model.bin", "other/pytorch_model.bin", "config.json"))
    assert [file.path for file in selection.files] == ["model.safetensors", "other/pytorch_model.bin", "config.json"]
    assert [file.path for file in selection.pickles] == ["pytorch_model.bin"]
    assert chosen("model.safetensors", "pytorch_model.bin", include=("*.bin",)) == ["pytorch_model.bin"]


@pytest.mark.parametrize("windows", [True, False])
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a/../b", "leads out"),
        ("/etc/passwd", "leads out"),
        ("a//b", "not a plain"),
        ("./a", "not a plain"),
        ("x" * 256, "not a plain"),
        ("\u202egnp.exe", "character"),
        ("a\x1b[2Jb", "character"),
        ("\ud800", "character"),
        (".Cache/HuggingFace/x", "overwrite"),
    ],
)
def test_name_that_no_disk_should_hold_is_refused_everywhere(path: str, why: str, windows: bool) -> None:
    assert why in str(unsafe_path(path, windows=windows))


@pytest.mark.parametrize("path", ["a:b", "what?.json", "a\\b", "NUL", "con.json", "x.", "x ", "a/com1.txt"])
def test_name_that_only_windows_cannot_hold_is_refused_only_there(path: str) -> None:
    assert unsafe_path(path) is None
    assert unsafe_path(path, windows=True) is not None


def test_two_names_for_one_place_are_found() -> None:
    assert list(alike_names(files("a/x", "b/x", "a/y"))) == []
    assert list(alike_names(files("README.md", "readme.md"))) == [("README.md", "readme.md")]
    assert list(alike_names(files("a/b/x", "a/B/y"))) == [("a/b", "a/B")]
    assert list(alike_names(files("caf\u00e9", "cafe\u0301", "CAFE\u0301"))) == [
        ("caf\u00e9", "cafe\u0301"),
        ("caf\u00e9", "CAFE\u0301"),
    ]


@pytest.mark.parametrize(
    "name", ["p{}.bin", "model-{}-of-9.safetensors", "s{}.safetensors", "{}" + ".q1_0" * 40 + ".bin"]
)
def test_many_files_are_chosen_once_each(name: str) -> None:
    many = files(*(name.format(number) for number in range(30_000)), "model.safetensors")
    selection = select_files(many)
    assert len(selection.files) + len(selection.pickles) == len(many)
    weights = find_weights(many)
    assert isinstance(weights, Weights)
    assert len(weights.files) + len(weights.others) <= len(many)
