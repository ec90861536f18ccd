"""What a person and a script are shown, to the letter: ``REWRITE_SCREENS=1 pytest tests/render`` writes it anew."""

import os
import re
from io import StringIO
from pathlib import Path

import pytest

from quantpick.core.choose.recommend import Recommendation
from quantpick.render.page import Block
from quantpick.render.screens.recommendation import recommendation_page
from quantpick.render.show import as_text
from tests.render.answers import REPO, answer

GOLDEN = Path(__file__).parent / "golden"
ASKED = ["quantpick", "recommend", REPO, "--context", "4096"]


class Terminal(StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Pipe(StringIO):
    encoding = "utf-8"


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def screen(
    found: Recommendation, monkeypatch: pytest.MonkeyPatch, columns: int, lines: int = 24, *, why: bool = False
) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(lines))
    monkeypatch.setenv("TERM", "xterm-256color")
    return as_text(page(found, why=why), Terminal())


def page(found: Recommendation, *, why: bool = False) -> list[Block]:
    best = found.recommended
    steps = [["quantpick", "download", REPO, "--revision", best.branch.name], list(best.launch or ())] if best else []
    return list(recommendation_page(found, asked=ASKED, next_steps=[step for step in steps if step], why_all=why))


@pytest.mark.parametrize(
    ("name", "gib", "columns", "lines", "why"),
    [
        ("fits-120x40", 24, 120, 40, False),
        ("fits-80x24", 24, 80, 24, False),
        ("fits-60x24", 24, 60, 24, False),
        ("fits-40x24", 24, 40, 24, False),
        ("fits-why-80x24", 24, 80, 24, True),
        ("none-120x40", 16, 120, 40, False),
        ("none-80x24", 16, 80, 24, False),
        ("none-60x24", 16, 60, 24, False),
    ],
)
def test_screen_is_as_it_was_looked_at(
    name: str, gib: int, columns: int, lines: int, why: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = plain(screen(answer(gib), monkeypatch, columns, lines, why=why))
    same(name, shown)


@pytest.mark.parametrize(("name", "gib"), [("fits-pipe", 24), ("none-pipe", 16)])
def test_pipe_is_as_it_was_looked_at(name: str, gib: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    same(name, as_text(page(answer(gib)), Pipe()))


def same(name: str, shown: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("REWRITE_SCREENS") == "1":
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("gib", [16, 24])
@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (60, 24), (40, 30), (120, 24)])
def test_verdict_of_forty_branches_stays_on_the_screen(
    gib: int, columns: int, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = plain(screen(answer(gib, 40), monkeypatch, columns, lines)).splitlines()
    rows = sum(max(1, -(-len(line) // columns)) for line in shown)
    assert rows < lines or columns == 40
    assert shown[0] in ("gptq-4bit-32g-actorder_True", "No branch fits.")
    assert any("more branches: --why shows them" in line for line in shown)
    assert len(plain(screen(answer(gib, 40), monkeypatch, columns, lines, why=True)).splitlines()) > 40


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_name_of_a_branch_is_never_cut(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = answer(24)
    shown = plain(screen(found, monkeypatch, columns, 60))
    for choice in found.choices:
        assert choice.branch.name in shown


def test_colours_are_those_of_the_terminal_and_none_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = screen(answer(24), monkeypatch, 120, 40)
    codes = {int(code) for found in re.findall(r"\x1b\[([0-9;]*)m", coloured) for code in found.split(";") if code}
    assert codes <= {0, 1, 2, *range(30, 38)}, "a colour that a light or a dark theme does not choose itself"
    assert {31, 32} <= codes
    monkeypatch.setenv("NO_COLOR", "1")
    bare = screen(answer(24), monkeypatch, 120, 40)
    assert plain(bare) == plain(coloured)
    assert not re.search(r"\x1b\[(?:[0-9;]*;)?3[0-7]m", bare)
