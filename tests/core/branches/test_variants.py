"""GGUF files of a branch as rows: bits per weight, shape and names, by what the files and one header say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.branches.variants import read_variants
from quantpick.core.branches.worth import MAX_MODELS, headers_worth_reading
from quantpick.core.quant import Branch
from quantpick.core.repo import BranchFiles, RepoFile
from tests.fakes.gguf import LLAMA_8B, header

HEAD = header(LLAMA_8B, vocabulary=128256)
WEIGHTS = 8_030_261_248
"""Of a Llama 3.1 8B, counted by its 16-bit file."""


def rows(sizes: dict[str, float], *, branch: str = "main", head: bytes | None = HEAD) -> dict[str, Branch]:
    """The rows of files whose sizes are given in bits per weight."""
    files = tuple(RepoFile(path, round(WEIGHTS * bpw / 8), "0" * 40) for path, bpw in sizes.items())
    heads = {} if head is None else {file.path: head for file in headers_worth_reading(files)}
    found = read_variants(BranchFiles(name=branch, commit="1" * 40, files=files, heads=heads))
    return {row.name: row for row in found.branches}


@pytest.mark.parametrize("whole", [{"X-F16.gguf": 16.0005}, {"X-Q8_0.gguf": 8.5008}, {"X-bf16.gguf": 16.0005}])
def test_weights_are_counted_by_a_file_of_one_type(whole: dict[str, float]) -> None:
    """Also where the header cannot be read: an unusual mix is told by its size, not by its name."""
    found = rows({"X-UD-Q2_K_XL.gguf": 3.71, **whole}, head=None)
    assert found["UD-Q2_K_XL"].quant.bpw == pytest.approx(3.71, abs=0.002)


def test_weights_are_counted_by_the_header_where_no_file_tells() -> None:
    found = rows({"X-Q4_K_M.gguf": 4.8944, "X-IQ2_M.gguf": 2.9294})
    assert found["Q4_K_M"].quant.bpw == pytest.approx(4.8944, rel=0.002)
    assert found["IQ2_M"].quant.bpw == pytest.approx(2.9294, rel=0.002)


def test_type_tells_where_nothing_else_does_or_the_header_cannot_be_right() -> None:
    assert rows({"X-Q4_K_M.gguf": 4.8944}, head=None)["Q4_K_M"].quant.bpw == pytest.approx(4.894, abs=0.001)
    half = header({**LLAMA_8B, "llama.block_count": 8}, vocabulary=128256)
    assert rows({"X-Q4_K_M.gguf": 4.8944}, head=half)["Q4_K_M"].quant.bpw == pytest.approx(4.894, abs=0.001)


def test_file_without_a_type_has_that_of_its_header() -> None:
    (row,) = rows({"model.gguf": 4.8944}).values()
    assert (row.name, row.quant.bits, row.quant.embedding_bits) == ("model", 4, 4.5)


def test_head_is_tied_where_the_weights_are_too_few_for_two() -> None:
    tied = WEIGHTS - 128256 * 4096
    found = rows({"X-Q4_K_M.gguf": 4.8 * tied / WEIGHTS, "X-Q8_0.gguf": 8.5008 * tied / WEIGHTS})
    shape = found["Q4_K_M"].shape
    assert shape is not None
    assert shape.tie_word_embeddings


@pytest.mark.parametrize(
    ("branch", "paths", "names"),
    [
        ("main", ["X-Q4_K_M.gguf"], ["Q4_K_M"]),
        ("q4", ["X-Q4_K_M.gguf"], ["q4"]),
        ("v2", ["X-Q4_K_M.gguf", "X-Q5_K_M.gguf"], ["v2/Q4_K_M", "v2/Q5_K_M"]),
    ],
)
def test_rows_of_another_branch_carry_its_name(branch: str, paths: list[str], names: list[str]) -> None:
    found = rows(dict.fromkeys(paths, 5.0), branch=branch)
    assert list(found) == names
    assert all(row.git_branch == branch and row.kind == "files" for row in found.values())


def test_one_header_a_model_is_read_and_few() -> None:
    split = [RepoFile(f"X-Q8_0-0000{at}-of-00002.gguf", 9, "") for at in (2, 1)]
    assert [file.path for file in headers_worth_reading([*split, RepoFile("X-F16.gguf", 40, "")])] == [split[1].path]
    many = [RepoFile(f"{letter}-Q8_0.gguf", 9, "") for letter in "abcdefgh"]
    assert len(headers_worth_reading(many)) == MAX_MODELS
    assert headers_worth_reading([RepoFile("X-Q8_0-00001-of-00002.gguf", 9, "")]) == ()


@given(st.binary(max_size=300))
def test_no_header_makes_it_raise_or_loses_a_row(data: bytes) -> None:
    for head in (data, HEAD[:150] + data):
        assert list(rows({"X-Q4_K_M.gguf": 4.9, "X-Q2_K.gguf": 3.2}, head=head)) == ["Q4_K_M", "Q2_K"]
