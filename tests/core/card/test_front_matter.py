"""The YAML above a card: the keys that are read, as written; nothing that anyone writes hangs or ends the process."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quantpick.core.card.front_matter import KEYS, read_front_matter


def front(text: str) -> dict[str, tuple[str, ...]]:
    return read_front_matter(["---", *text.split("\n"), "---", "body"])[0]


def test_top_level_keys_are_read_and_nested_ones_are_not() -> None:
    read = front(
        "model_name: 'Finch''s 7B'\ntags:\n- a\n- \"b\"\nlibrary_name: [x, y]\n"
        "model-index:\n- name: x\n  model_type: no\n"
        "prompt: 'USER: {x}\n\n  model_type: no\n\n  '\nmodel_type: llama\nquantized_by:\nlicense: mit"
    )
    assert read == {
        "model_name": ("Finch's 7B",),
        "tags": ("a", "b"),
        "library_name": ("x", "y"),
        "model_type": ("llama",),
        "quantized_by": (),
    }


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("tags: [no, 4.0, 2024-01-01, 0x10]", ("no", "4.0", "2024-01-01", "0x10")),  # as written, not as YAML's types
        ("tags: [null, ~, 'null']", ("null",)),
        ("tags: >\n  two\n  lines", ("two lines",)),
        ("tags: [[nested], {a: b}, c]", ("c",)),
        ("tags: {a: b}", ()),
        ("tags: a  # a comment", ("a",)),
        ("'tags': a", ("a",)),
        ("tags: a\ntags: b", ("a",)),
        ("tags: &x a\nmodel_name: *x", ("a",)),
        ("tags: caf\\u00e9 \u91cf\u5316", ("caf\\u00e9 \u91cf\u5316",)),
    ],
)
def test_value_is_what_the_author_wrote(text: str, values: tuple[str, ...]) -> None:
    assert front(text)["tags"] == values


def test_key_that_is_no_yaml_hides_no_other() -> None:
    read = front("model_name: Finch: the bird\ntags: [a, b\nmodel_type: llama\nbase_model: 'o/n'")
    assert read == {"model_type": ("llama",), "base_model": ("o/n",)}


@given(
    st.from_regex(r"[A-Za-z0-9 ./_-]{0,12}", fullmatch=True) | st.sampled_from(["null", "Null", "NULL", "no", "- a"])
)
def test_plain_words_are_what_pyyaml_reads_in_them(words: str) -> None:
    beside = "base_model: 'quoted'"  # sends both through PyYAML
    assert front(f"tags: {words}").get("tags") == front(f"tags: {words}\n{beside}").get("tags")


@pytest.mark.parametrize(
    "text",
    [
        "tags: " + "[" * 200_000,
        "tags: " + "{a: " * 50_000,
        "tags: " + "[" * 60_000,
        "tags:\n" + "- " * 30_000 + "x",
        "tags: " + "? " * 30_000,
        "tags: " + "- " * 50_000 + "x",
        "tags: &a [x]\n" + "\n".join(f"tags{n}: &{n} [{','.join(['*a'] * 99)}]" for n in range(99)),
        "tags: [" + ", ".join(["&a x", *["*a"] * 1000]) + "]",
        "tags: &x [*x]",
        "tags: !!python/object/apply:os.system ['true']",
        "tags: " + "x" * 2_000_000,
        "tags: 1" + "0" * 10_000,
        "? [a, b]\n: c",
        "tags: \x00",
        "\t- x: y",
    ],
    ids=lambda text: text[:20],
)
def test_hostile_yaml_is_left_out_and_the_rest_is_read(text: str) -> None:
    assert front(text + "\nmodel_type: llama").get("model_type") == ("llama",)


@given(
    st.lists(
        st.sampled_from(["tags:", " a", "\n", "- ", "[", "]", "{", "}", "'", '"', "&x", "*x", "|", ">", ": ", "!"])
    )
)
@example(["tags:", "\n", "tags:", "tags:"])
def test_no_yaml_makes_it_raise(pieces: list[str]) -> None:
    for key, values in front("".join(pieces)).items():
        assert key in KEYS
        assert not any("\n" in value for value in values)
