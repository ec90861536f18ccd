"""The methods' names: each leads to its own method, wherever it stands, and to no other."""

from collections import Counter

import pytest

from quantpick.core.branch_name import UnknownName, read_branch_name
from quantpick.core.branches.config import read_config
from quantpick.core.card.read import read_card
from quantpick.core.methods import IN_BRANCHES, METHODS, method_in, method_of_config, names_method, spelled

WORDS = [(key, word) for key, method in METHODS.items() for word in method.words]


@pytest.mark.parametrize(("key", "word"), WORDS, ids=[word for _, word in WORDS])
def test_word_names_its_method_in_prose_in_names_and_in_cards(key: str, word: str) -> None:
    for text in (f"Finch 7B - {word.upper()}", f"Finch-7B-{word}", f"Finch_{word.replace(' ', '-')}_4bit", word):
        assert method_in(text) == key
    card = read_card(f"# Finch 7B - {word.upper()}")
    assert (card.method, card.model_name) == (key, "Finch 7B")
    assert method_in(f"x{word}y") is None


def test_no_word_and_no_config_name_belongs_to_two_methods() -> None:
    for names in ("words", "config_names", "config_keys", "name_words", "endings"):
        counts = Counter(name.replace(" ", "") for method in METHODS.values() for name in getattr(method, names))
        assert max(counts.values()) == 1


def test_config_names_its_method_in_any_case() -> None:
    for key, method in METHODS.items():
        for name in method.config_names:
            assert method_of_config(name.upper()) == key
            assert read_config({"quantization_config": {"quant_method": name}}).quant.method == key


def test_branch_name_tells_the_method_by_each_of_its_words() -> None:
    for key in IN_BRANCHES:
        for word in METHODS[key].words:
            facts = read_branch_name(f"{word.replace(' ', '')}-4bit")
            assert not isinstance(facts, UnknownName)
            assert (facts.method, facts.bits) == (key, 4)


def test_first_or_last_of_several_methods_counts() -> None:
    assert method_in("Finch-AWQ-GPTQ") == "awq"
    assert method_in("Finch-AWQ-GPTQ", last=True) == "gptq"


def test_longer_words_are_tried_first() -> None:
    words = spelled(["b", "a b", "a-b-c"]).split("|")
    assert words == [r"a\-b\-c", "a[ -]?b", "b"]


def test_name_may_hold_a_method_within_a_word() -> None:
    assert names_method("AutoGPTQ")
    assert not names_method("gguf")
