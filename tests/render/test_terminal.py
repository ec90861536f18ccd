"""No text from outside does anything but stand there, wherever it is shown."""

import io
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantpick.core.branches.table import BranchTable, SkippedBranch
from quantpick.core.progress import DownloadProgress, FileProgress, Phase, Trouble
from quantpick.core.quant import Branch, BranchWarning, QuantSpec
from quantpick.render import bars, phrases, running, terminal
from quantpick.render.screens.branches import branches_page
from quantpick.render.show import as_text
from tests.render.test_screens import Pipe, Terminal, plain

HOSTILE = (
    "model[/bold].safetensors",
    "[link=https://evil.example]4bit[/link]",
    "\x1b]8;;https://evil.example\x07here\x1b]8;;\x07",
    "\x1b[2J\x1b[31mred",
    "a\u202egpj.exe",
    "a\u2066b\u2069",
    "bell\x07\x9b31m",
    ":smile: \r overwritten",
    "two\nlines\ttab",
    "\udcff",
)
HARMLESS = {"\n", "\t"}


def table(text: str) -> BranchTable:
    branch = Branch(name=text, quant=QuantSpec("gptq", 4))
    return BranchTable(
        repo_id=text,
        branches=(branch,),
        skipped=(SkippedBranch(branch=text, reason=text),),
        warnings=(BranchWarning("x", text, text),),
    )


def obeyed(text: str) -> set[str]:
    """The characters of a text that a terminal acts on."""
    return {char for char in plain(text) if not char.isprintable()} - HARMLESS


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_not_obeyed(text: str) -> None:
    for stream in (Terminal(), Pipe()):
        shown = as_text([*branches_page(table(text)), *phrases.warnings(table(text).warnings)], stream)
        assert obeyed(shown) == set()
        assert "\x1b]8" not in shown
        assert terminal.printable(text) in plain(shown)


@given(st.text(max_size=60))
def test_no_text_at_all_is_obeyed(text: str) -> None:
    for stream in (Terminal(), Pipe()):
        assert obeyed(as_text(branches_page(table(text)), stream)) == set()


@pytest.mark.parametrize("text", HOSTILE)
def test_answer_line_and_error_line_hold_nothing_that_is_obeyed(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.write_line(text)
    terminal.print_error(text, text)
    try:
        raise ValueError(text)
    except ValueError as error:
        terminal.print_traceback(error)
    captured = capsys.readouterr()
    assert obeyed(captured.out + captured.err) == set()
    assert captured.out.count("\n") == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_bars_survive_any_file_name_and_leave_the_cursor_alone(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _bars_of([text, "other"], monkeypatch)
    assert "fetching" in shown
    assert "\x1b[?25l" not in shown
    assert "evil.example\x07" not in shown


def test_one_large_file_shows_one_bar_while_it_is_fetched_and_another_while_it_is_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "model" not in _bars_of(["model"], monkeypatch)
    assert "verifying model" in _bars_of(["model"], monkeypatch, phase="verifying")


def test_trouble_stands_below_the_bar_and_takes_the_rate_and_the_time_away(monkeypatch: pytest.MonkeyPatch) -> None:
    why = Trouble("the connection was lost", 2)
    shown = plain(_bars_of(["model"], monkeypatch, trouble=why))
    assert "the connection was lost, retry 2" in shown
    assert all("lost" not in line for line in shown.splitlines() if "all files" in line)
    assert "-:--:--" in plain(_bars_of(["model"], monkeypatch))
    assert "-:--:--" not in shown


@pytest.mark.parametrize("term", ["dumb", "unknown", "xterm"])
def test_terminal_that_cannot_draw_gets_lines(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("TERM", term)
    with running.shown("auto") as counters:
        counters.files.append(FileProgress("model", 10**9, fetched_bytes=10**8, phase="fetching"))
        counters.trouble = Trouble("the connection was lost", 2)
        time.sleep(0.3)
    text = shown.getvalue()
    assert "the connection was lost, retry 2" in plain(text)
    assert ("\x1b" in text) == (term == "xterm")


def _bars_of(
    names: list[str], monkeypatch: pytest.MonkeyPatch, phase: Phase = "fetching", trouble: Trouble | None = None
) -> str:
    """What a terminal gets of large files of these names."""
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    over = threading.Event()
    counters = DownloadProgress([FileProgress(name, 10**9, fetched_bytes=10**8, phase=phase) for name in names])
    counters.trouble = trouble
    thread = threading.Thread(target=bars.bars, args=(counters, over))
    thread.start()
    time.sleep(0.3)
    over.set()
    thread.join()
    return shown.getvalue()
