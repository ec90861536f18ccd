"""The text of the loader table: every mistake is said with its line."""

from pathlib import Path
from typing import Final

import pytest

from quantpick import core
from quantpick.core.loaders.read import TableError, parse_loaders

TOML: Final = (Path(core.__file__).parent / "loaders" / "loaders.toml").read_text(encoding="utf-8")
SMALL: Final = """[kv_aliases]
[[loader]]
id = "one"
name = "One"
status = "active"
status_note = "new"
newest = "1.0"
engine = "vllm"
split = "tensor"
kv_dtypes = { fp16 = 2.0 }
source = "owner/one@abc"
checked = "2026-11-24"

[[loader.rule]]
method = "gptq"
bits = [4, 8]
source = "owner/one@abc gptq.py"
checked = "2026-11-24"

[[loader.rule]]
method = ["awq", "exl3"]
source = "owner/one@abc awq.py"
checked = "2026-11-24"
"""


def test_a_rule_of_several_methods_is_one_rule_for_each() -> None:
    (known,) = parse_loaders(SMALL).loaders
    assert [rule.method for rule in known.rules] == ["gptq", "awq", "exl3"]


@pytest.mark.parametrize(
    ("good", "bad", "line", "said"),
    [
        ("bits = [4, 8]", "bit = [4, 8]", 16, "`bit` is not a key of a rule"),
        ("bits = [4, 8]", 'bits = "4"', 16, "a list, each a number above 0"),
        ("bits = [4, 8]", "bits = [4, -8]", 16, "a number above 0"),
        ("bits = [4, 8]", "min_capability = 80", 16, "a compute capability such as 8.9"),
        ("bits = [4, 8]", 'since = "newest"', 16, "a version such as"),
        ("bits = [4, 8]", 'sym = "yes"', 16, "true or false"),
        ('method = "gptq"', 'method = "gtpq"', 15, "a method"),
        ('["awq", "exl3"]', '["awq", "exl9"]', 21, "a method"),
        ('source = "owner/one@abc awq.py"\n', "", 20, "a rule has no `source`"),
        ('checked = "2026-11-24"\n\n[[', 'checked = "24.11.2026"\n\n[[', 12, "a date such as"),
        ('status = "active"', 'status = "alive"', 5, "one of active, maintenance, dead"),
        ('split = "tensor"', 'splits = "tensor"', 9, "`splits` is not a key of a loader"),
        ("bits = [4, 8]", "bits = [4, 8", 17, "no TOML"),
    ],
)
def test_a_mistake_is_said_with_its_line(good: str, bad: str, line: int, said: str) -> None:
    assert good in SMALL
    with pytest.raises(TableError, match=said.replace("[", r"\[")) as caught:
        _ = parse_loaders(SMALL.replace(good, bad, 1)).loaders
    assert caught.value.line == line
    assert str(caught.value).startswith(f"line {line}: ")


def test_a_mistake_deep_in_the_table_is_found_by_its_line() -> None:
    lines = TOML.splitlines()
    at = max(number for number, text in enumerate(lines) if text.startswith("min_capability"))
    lines[at] = lines[at].replace("min_capability", "min_capabilty")
    with pytest.raises(TableError) as caught:
        _ = parse_loaders("\n".join(lines)).loaders
    assert caught.value.line == at + 1
