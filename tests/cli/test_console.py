"""What goes to the terminal: plain lines when piped, hostile text made harmless, strict JSON."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.cli import console as terminal
from automl.cli.board import drawn, ranked
from automl.cli.console import Console
from automl.cli.text import cell, clean, duration, number, plain_json, score_text
from automl.ledger import Board, BoardRow, Decision, Ledger

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Tty(io.StringIO):
    """A terminal that remembers what it was sent."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


@pytest.fixture
def tty(monkeypatch: pytest.MonkeyPatch) -> Tty:
    screen = Tty()
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    # Not sys.stderr itself, which pytest sets anew after the fixtures.
    monkeypatch.setattr(terminal, "sys", SimpleNamespace(stderr=screen, stdout=screen))
    return screen


def row(name: str, score: float | None, state: str = "done", **more: float) -> BoardRow:
    return BoardRow(name, "lightgbm", "plain", state, score, 0.01, 1.5, 5, 5, **more)


def board(*rows: BoardRow, higher: bool = True, budget: float | None = 60.0) -> Board:
    return Board("roc_auc", higher, rows, 0.9, 12.0, budget, len(rows), 7, ["next-1"])


def run(console: Console) -> None:
    """A short run as the workflow tells it."""
    ledger = Ledger(console)
    console.stage("Reading")
    ledger.add("data", "10 rows, 2 columns", "delimiter ','")
    for i in range(9):
        ledger.add("columns", f"column c{i} dropped", "constant")
    ledger.add("columns", "Column 'x' looks like the target", "equal in all rows", warning=True)
    console.stage("Race")
    console.board(board(row("a-1", 0.7), row("b-1", 0.99, "running")))
    console.board(board(row("a-1", 0.7), row("b-1", 0.8)))
    console.board(board(row("a-1", 0.7), row("b-1", 0.8), row("c-1", None, "failed")))
    console.result("roc_auc 0.8000", [("target", "y"), ("", "more")], "automl predict m new.csv")


# Plain


def test_piped_output_is_plain_and_complete(capsys: pytest.CaptureFixture[str]) -> None:
    with Console() as console:
        run(console)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "Reading",
        "  10 rows, 2 columns (delimiter ',')",
        *(f"  column c{i} dropped (constant)" for i in range(6)),
        "  Warning: Column 'x' looks like the target (equal in all rows)",
        "  … and 3 more; -v shows all",
        "Race",
        "      12s  roc_auc 0.7000 ± 0.0100  a-1 (plain)",
        "      12s  roc_auc 0.8000 ± 0.0100  b-1 (plain)",
        "",
        "roc_auc 0.8000",
        "  target  y",
        "          more",
        "",
        "Next:",
        "  automl predict m new.csv",
    ]


def test_quiet_says_warnings_and_the_result_only(capsys: pytest.CaptureFixture[str]) -> None:
    with Console(quiet=True) as console:
        run(console)
        console.say("not this")
    assert capsys.readouterr().err.splitlines() == [
        "  Warning: Column 'x' looks like the target (equal in all rows)",
        "roc_auc 0.8000",
    ]


def test_verbose_says_every_decision_with_its_cost(capsys: pytest.CaptureFixture[str]) -> None:
    with Console(verbose=True) as console:
        run(console)
        console.decided(Decision("race", "stopped", "no gain.", seconds=72.0))
    err = capsys.readouterr().err
    assert "column c8 dropped (constant)" in err
    assert "stopped (no gain, 1m12s)" in err
    assert "more; -v" not in err


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colour_gets_plain_lines(
    variable: str, value: str, tty: Tty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with Console() as console:
        run(console)
    assert "b-1 (plain)" in tty.getvalue()
    assert not CONTROL.search(tty.getvalue())


def test_quiet_on_a_terminal_is_plain(tty: Tty) -> None:
    with Console(quiet=True) as console:
        run(console)
    assert not CONTROL.search(tty.getvalue())


HOSTILE = "a\x1b[2J\x1b]0;title\x07b\r\nc\x9b31m[bold]d[/bold]\u202ee\ud800\x00"


def test_hostile_names_stay_text(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.stage(HOSTILE)
    console.decided(Decision("data", HOSTILE, HOSTILE))
    console.warn(HOSTILE, reason=HOSTILE)
    console.board(board(row(HOSTILE, 0.5)))
    console.result(HOSTILE, [("name", HOSTILE)], HOSTILE)
    console.table([(HOSTILE, 1.0)], (HOSTILE, "n"), title=HOSTILE)
    terminal.error(HOSTILE, hint=HOSTILE)
    out, err = capsys.readouterr()
    assert not CONTROL.search(out)
    assert not CONTROL.search(err)
    assert "[bold]d[/bold]" in out
    assert "title" not in err


@given(st.text())
@settings(deadline=None, max_examples=200)
def test_clean_leaves_one_harmless_line(text: str) -> None:
    line = clean(text)
    assert "\n" not in line
    assert not CONTROL.search(line)
    line.encode("utf-8")
    assert clean(line) == line


def test_clean_keeps_ordinary_text() -> None:
    assert clean("Größe [m²] – 数量 'x'") == "Größe [m²] – 数量 'x'"


# Drawn


def test_a_terminal_marks_what_is_within_noise(tty: Tty) -> None:
    near = replace(row("near-1", 0.79), within_noise=True)
    with Console() as console:
        console.stage("Race")
        console.board(
            board(replace(row("best-1", 0.8), within_noise=True), near, row("far-1", 0.5))
        )
    marked = [line for line in tty.getvalue().splitlines() if "~" in line]
    assert any("near-1" in line and "0.7900 ± 0.0100 ~" in line for line in marked)
    assert "~ within noise of the best" in marked[-1]
    assert not any("best-1" in line or "far-1" in line for line in marked)


def test_a_terminal_gets_a_leaderboard(tty: Tty) -> None:
    with Console() as console:
        run(console)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", tty.getvalue())
    assert "3 of 7 trials, 48s left of 1m00s" in text
    assert "in training: next-1" in text
    assert "blend  roc_auc 0.9000 (higher is better)" in text
    assert text.index("b-1") < text.rindex("a-1")
    assert "\x1b[?25h" in tty.getvalue()  # the cursor is back


def test_the_cursor_comes_back_after_an_error(tty: Tty) -> None:
    def fail() -> None:
        with Console() as console:
            console.board(board(row("a-1", 0.7)))
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail()
    assert tty.getvalue().rindex("\x1b[?25h") > tty.getvalue().rindex("\x1b[?25l")


def test_markup_in_names_is_not_obeyed_on_a_terminal(tty: Tty) -> None:
    with Console() as console:
        console.decided(Decision("data", "[red]x[/red] [/nope]"))
        console.board(board(row("[b]y", 0.5)))
    assert "[red]x[/red] [/nope]" in tty.getvalue()
    assert "[b]y" in tty.getvalue()


def test_errors_are_red_and_warnings_yellow(tty: Tty) -> None:
    terminal.error("No.", hint="Yes.")
    Console().warn("Careful.")
    assert "\x1b[1;31mError: " in tty.getvalue()
    assert "\x1b[33mWarning: Careful." in tty.getvalue()


@pytest.mark.parametrize("width", [40, 70, 200])
@pytest.mark.parametrize("height", [12, 50])
@pytest.mark.parametrize("budget", [None, 10.0])
def test_the_board_fits_any_terminal(width: int, height: int, budget: float | None) -> None:
    from rich.console import Console as RichConsole

    rows = [row(f"lightgbm-{i}", None if i == 3 else i / 100, weight=0.1) for i in range(40)]
    screen = RichConsole(file=io.StringIO(), width=width, height=height)
    lines = screen.render_lines(drawn(board(*rows, budget=budget), height, width))
    assert len(lines) <= height
    assert all(sum(segment.cell_length for segment in line) <= width for line in lines)


@pytest.mark.parametrize(
    ("higher", "expected"), [(True, "b a nan none run pruned"), (False, "a b nan none run pruned")]
)
def test_ranking(higher: bool, expected: str) -> None:
    rows = [
        row("pruned", 0.95, "pruned"),
        row("run", 0.99, "running"),
        row("nan", math.nan),
        row("a", 0.1),
        row("none", None),
        row("b", 0.2),
    ]
    assert " ".join(r.name for r in ranked(board(*rows, higher=higher))) == expected


# Data


def test_a_piped_table_is_aligned_text(capsys: pytest.CaptureFixture[str]) -> None:
    Console().table([("a", 1.0, None), ("bcd", 22.5, True)], ("name", "score", "ok"))
    assert capsys.readouterr().out == ("name    score  ok\na      1.0000\nbcd   22.5000  yes\n")


def test_an_empty_table_has_a_heading(capsys: pytest.CaptureFixture[str]) -> None:
    Console().table([], ("name", "score"))
    assert capsys.readouterr().out == "name  score\n"


def test_a_table_on_a_terminal(tty: Tty) -> None:
    Console().table([("[x]", 1.0)], ("name", "score"), title="Scores")
    assert "[x]" in tty.getvalue()
    assert "Scores" in tty.getvalue()


def test_json_is_strict(capsys: pytest.CaptureFixture[str]) -> None:
    value = {
        "nan": math.nan,
        "inf": [-math.inf, np.float64(2.5)],
        "array": np.array([[1.0, np.nan]]),
        "path": Path("a"),
        "pair": ("ü", np.int32(3)),
        "flag": np.bool_(True),
    }
    Console().emit_json(value)
    out, err = capsys.readouterr()

    def refuse(word: str) -> None:
        raise AssertionError(word)

    assert json.loads(out, parse_constant=refuse) == {
        "nan": None,
        "inf": [None, 2.5],
        "array": [[1.0, None]],
        "path": "a",
        "pair": ["ü", 3],
        "flag": True,
    }
    assert err == ""


def test_json_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        plain_json({"a": object()})


def test_a_narrow_encoding_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    Console().emit_json({"a": "ü"})
    Console().data("数")
    stream.seek(0)
    assert stream.read() == '{\n  "a": "\\u00fc"\n}\n\\u6570\n'


# Text


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (duration, -1.0, "0.0s"),
        (duration, 4.21, "4.2s"),
        (duration, 59.6, "1m00s"),
        (duration, 65.0, "1m05s"),
        (duration, 3599.9, "1h00m"),
        (duration, 7380.0, "2h03m"),
        (number, 0.0, "0.0000"),
        (number, 0.81234, "0.8123"),
        (number, 123456.789, "1.2346e+05"),
        (number, 0.00001234567, "1.2346e-05"),
        (number, math.nan, "-"),
        (score_text, None, "-"),
        (cell, None, ""),
        (cell, False, "no"),
        (cell, 3, "3"),
        (cell, "a\nb", "a b"),
    ],
)
def test_text_of_values(write: Callable[[object], str], value: object, text: str) -> None:
    assert write(value) == text


OBEYED = "a\x1b[31mred\x07\x9b2J\u202eb\x00c\x7f"


def test_rows_on_a_terminal_show_what_it_would_obey(tty: Tty) -> None:
    stream = Console().stdout_bytes()
    stream.write(f"x,{OBEYED}\nKöln,2\n".encode())
    stream.flush()
    assert not CONTROL.search(tty.getvalue().replace("\n", ""))
    assert tty.getvalue().splitlines()[0].startswith("x,a\\x1b[31mred")
    assert tty.getvalue().splitlines()[1] == "Köln,2"


def test_rows_in_a_pipe_are_the_bytes_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr(terminal, "sys", SimpleNamespace(stderr=pipe, stdout=pipe))
    Console().stdout_bytes().write(OBEYED.encode())
    assert pipe.buffer.getvalue() == OBEYED.encode()


def test_json_holds_escapes_for_controls(capfd: pytest.CaptureFixture[str]) -> None:
    Console().emit_json({OBEYED: [OBEYED, "Köln"]})
    out = capfd.readouterr().out
    assert not CONTROL.search(out.replace("\n", ""))
    assert json.loads(out) == {OBEYED: [OBEYED, "Köln"]}


def test_tracebacks_show_controls(capfd: pytest.CaptureFixture[str]) -> None:
    terminal.traceback(ValueError(OBEYED))
    assert not CONTROL.search(capfd.readouterr().err.replace("\n", ""))


def test_a_very_long_line_is_cut(capfd: pytest.CaptureFixture[str]) -> None:
    Console().warn("x" * 1_000_000)
    err = capfd.readouterr().err
    assert len(err) < 10_000
    assert "(1,000,000 characters)" in err
