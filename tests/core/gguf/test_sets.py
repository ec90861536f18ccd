"""Which files are one quantization, by names as publishers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.gguf.names import read_name
from quantpick.core.gguf.sets import MAX_FILES, GgufSet, find_set, find_sets
from quantpick.core.gguf.types import nominal_bpw
from quantpick.core.repo import RepoFile


def sets(*paths: str) -> tuple[GgufSet, ...]:
    return find_sets([RepoFile(path, 1000, "") for path in paths])


@pytest.mark.parametrize(
    ("path", "name", "bits"),
    [
        ("Meta-Llama-3.1-8B-Instruct-IQ2_M.gguf", "IQ2_M", 2),
        ("Meta-Llama-3.1-8B-Instruct-Q4_0_4_4.gguf", "Q4_0_4_4", 4),
        ("Meta-Llama-3.1-8B-Instruct-Q6_K_L.gguf", "Q6_K_L", 6),
        ("mixtral-8x7b-v0.1.Q5_K_M.gguf", "Q5_K_M", 5),
        ("DeepSeek-R1.i1-IQ1_S.gguf", "IQ1_S", 1),
        ("gemma-3-12b-it-UD-Q4_K_XL.gguf", "UD-Q4_K_XL", 4),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4", 4),
        ("qwen2.5-7b-instruct-q4_k_m.gguf", "Q4_K_M", 4),
        ("qwen2.5-7b-instruct-fp16.gguf", "FP16", 16),
        ("Phi-3-mini-4k-instruct-q4.gguf", "Q4", 4),
        ("BitNet-TQ1_0.gguf", "TQ1_0", 1),
        ("X-Q4_K_M-imat.gguf", "Q4_K_M", 4),
        ("UD-IQ3_XXS/model.gguf", "UD-IQ3_XXS", 3),
        ("llama-2-7b.gguf", "llama-2-7b", None),
        ("Q8-chat-bf16.gguf", "BF16", 16),
    ],
)
def test_name_of_a_set(path: str, name: str, bits: int | None) -> None:
    (found,) = sets(path)
    assert (found.name, found.bits, found.problem) == (name, bits, None)


def test_split_set_is_one_with_its_first_file_first() -> None:
    paths = [f"UD-Q2_K_XL/R1-UD-Q2_K_XL-0000{n}-of-00003.gguf" for n in (3, 1, 2)]
    (found,) = sets(*paths)
    assert found.name == "UD-Q2_K_XL"
    assert found.paths == tuple(sorted(paths))
    assert found.size_bytes == 3000


def test_set_with_a_file_missing_is_not_whole() -> None:
    (found,) = sets("X-Q8_0-00001-of-00003.gguf", "X-Q8_0-00003-of-00003.gguf")
    assert found.problem == "not whole: 2 of its 3 files are there"


@pytest.mark.parametrize("ending", [".gguf.part1of2", ".gguf-split-a"])
def test_parts_that_were_cut_are_no_set_to_load(ending: str) -> None:
    (found,) = sets(f"X.i1-Q6_K{ending}")
    assert found.name == "Q6_K"
    assert found.problem is not None
    assert "joined" in found.problem


def test_matrix_and_projector_are_no_sets_and_are_told() -> None:
    found = sets("imatrix.dat", "X-F16.gguf", "X-Q4_K_M.gguf", "mmproj-X-f32.gguf", "mmproj-X-f16.gguf", "README.md")
    assert [(one.name, one.imatrix) for one in found] == [("F16", None), ("Q4_K_M", True)]
    assert [file.path for file in found[1].projectors] == ["mmproj-X-f16.gguf", "mmproj-X-f32.gguf"]


def test_what_goes_with_a_model_is_called_by_its_file_and_takes_no_name_away() -> None:
    files = [RepoFile("X-70B-Q4_K_M.gguf", 42_000, ""), RepoFile("X-70B-Q8_0.gguf", 75_000, "")]
    beside = ["X-70B-draft-0.5B-Q8_0", "X-70B-MTP-Q4_K_M", "X-eagle3-F16", "X-lora-f16", "ggml-vocab-x"]
    found = find_sets([*files, *(RepoFile(f"{name}.gguf", 1_000, "") for name in beside)])
    assert [one.name for one in found if not one.goes_with] == ["Q4_K_M", "Q8_0"]
    assert [one.name for one in found if one.goes_with] == beside
    assert find_set(found, "q8_0") is found[1]
    assert find_set(found, "X-70B-draft-0.5B-Q8_0") is found[2]


def test_model_that_is_called_a_draft_is_a_model_where_no_other_lies_beside_it() -> None:
    assert [(one.name, one.goes_with) for one in sets("X-DRAFT-0.6B-Q8_0.gguf", "X-DRAFT-0.6B-Q4_0.gguf")] == [
        ("Q8_0", False),
        ("Q4_0", False),
    ]
    whole = find_sets([RepoFile("X-MTP-Q8_0.gguf", 9_000, ""), RepoFile("X-Q8_0.gguf", 8_500, "")])
    assert not any(one.goes_with for one in whole), "a file with the layers that predict further tokens"


def test_projector_in_16_bits_comes_first_and_f16_before_bf16() -> None:
    found = sets("X-Q8_0.gguf", *(f"mmproj-{kind}.gguf" for kind in ("BF16", "F32", "F16", "Q8_0")))
    assert [file.path for file in found[0].projectors] == [
        f"mmproj-{kind}.gguf" for kind in ("F16", "BF16", "Q8_0", "F32")
    ]


def test_imatrix_is_known_from_the_name_and_from_types_that_need_it() -> None:
    flags = {path: sets(path)[0].imatrix for path in ("X.i1-Q4_K_M.gguf", "X.Q4_K_M.gguf", "X-IQ2_XS.gguf")}
    assert flags == {"X.i1-Q4_K_M.gguf": True, "X.Q4_K_M.gguf": None, "X-IQ2_XS.gguf": True}


def test_sets_of_one_type_are_told_apart_by_their_files() -> None:
    assert [one.name for one in sets("A-4B-Q8_0.gguf", "A-8B-Q8_0.gguf", "A-8B-Q4_0.gguf")] == [
        "A-4B-Q8_0",
        "A-8B-Q8_0",
        "Q4_0",
    ]
    assert [one.name for one in sets("a/X-Q8_0.gguf", "b/X-Q8_0.gguf")] == ["a/X-Q8_0", "b/X-Q8_0"]


def test_set_is_found_by_what_people_type() -> None:
    found = sets("dir/X-UD-Q4_K_XL-00001-of-00002.gguf", "dir/X-UD-Q4_K_XL-00002-of-00002.gguf", "X-Q4_K_M.gguf")
    for typed in ("UD-Q4_K_XL", "ud-q4_k_xl", "Q4_K_XL", "dir", "dir/X-UD-Q4_K_XL-00002-of-00002.gguf"):
        assert find_set(found, typed) is found[0], typed
    for typed in ("Q4", "", "X"):
        assert find_set(found, typed) is None, typed


def test_usual_bits_of_a_type_follow_its_name() -> None:
    """A larger name of the same number never has fewer bits."""
    for names in (
        ["Q3_K_S", "Q3_K_M", "Q3_K_L"],
        ["IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"],
        ["Q4_K_S", "Q4_K_M", "Q5_K_S"],
    ):
        bits = [nominal_bpw(name) or 0 for name in names]
        assert bits == sorted(bits)


def test_many_files_take_time_in_proportion() -> None:
    """As many sets of one name, and as many projectors, as a branch may have files: pairs would be 25 million."""
    half = MAX_FILES // 2
    found = sets(*(f"{n}/X-Q8_0.gguf" for n in range(half)), *(f"{n}/mmproj.gguf" for n in range(half)))
    assert len(found) == len({one.name for one in found}) == half
    assert all(len(one.projectors) == 1 for one in found)
    assert sets(*(f"{n}.gguf" for n in range(MAX_FILES + 1))) == ()


PARTS = ("X", "-", ".", "/", "Q4_K_M", "UD-IQ2_XS", "bf16", "-00001-of-00002", "-00002-of-00002", "mmproj", "i1")


@given(st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join), max_size=8, unique=True))
def test_every_file_of_weights_is_in_one_set_and_every_set_has_a_name_of_its_own(stems: list[str]) -> None:
    paths = [f"{stem}.gguf" for stem in stems if not stem.startswith("/") and "//" not in stem]
    found = sets(*paths)
    held = [path for one in found for path in one.paths]
    assert sorted(held) == sorted(path for path in paths if read_name(path).role == "weights")
    assert len({one.name.casefold() for one in found}) == len({one.paths[0].casefold() for one in found})
    assert all(find_set(found, one.paths[0]) is one for one in found if one.paths[0].casefold() == one.paths[0])
