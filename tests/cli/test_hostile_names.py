"""Names, levels, labels and target of a hostile table through every command: inert and right."""

from __future__ import annotations

import csv
import io
import random
import sys
from pathlib import Path

import pandas as pd
import pytest
from browser import browser, chromium
from pages import VIEWS, faults

from automl.cli.main import main

SCRIPT = "<script>document.title='run';fetch('https://example.org/')</script>"
NAMES = (
    *(SCRIPT, '"><img src=x onerror=alert(1)>', "=cmd|' /C calc'!A0", "+SUM(1+1)", "@import"),
    *("right\u202eto\u2066left\u200f", "new\nline\tcolumn", "bell\x07\x1b[31mred", "\U0001f600"),
    *("L" * 10_000, "__proto__"),
)
LEVELS = (
    SCRIPT,
    '"><svg onload=alert(1)>',
    "=1+cmd|'/C'!A0",
    "+49",
    "@A1",
    "\u202erl",
    "M" * 10_000,
)
LABELS = ('=HYPERLINK("https://example.org","y")', SCRIPT)
TARGET = "=t\u202e<b>target</b>\"'\n@" + "T" * 10_000
N = 160
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def table() -> list[list[str]]:
    rng = random.Random(0)
    rows = [[*NAMES, TARGET]]
    for _ in range(N):
        number, level = rng.gauss(0, 1), rng.randrange(len(LEVELS))
        cells = [f"{number:.3f}", LEVELS[level]]
        cells += [rng.choice(LEVELS[:3]) for _ in NAMES[3:]] + [f"{rng.gauss(0, 1):.2f}"]
        rows.append([*cells, LABELS[number + (level == 0) + rng.gauss(0, 0.2) > 0.2]])
    return rows


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("hostile")
    with (home / "t.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(table())
    fit = ["fit", str(home / "t.csv"), "--target", TARGET, "--output", str(home / "model")]
    assert main([*fit, "--trials", "2", "--engines", "lightgbm,linear"]) == 0
    return home


def asked(home: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command writes on stdout; what it says besides must be fit for a terminal."""
    capsys.readouterr()
    code = main([part.format(m=home / "model", t=home / "t.csv", h=home) for part in arguments])
    out, err = capsys.readouterr()
    assert code == 0, err[-500:]
    assert "Traceback" not in err
    assert not [c for c in err if (ord(c) < 32 and c != "\n") or c in "\x7f\u202e\u2066\u200f"]
    assert max(map(len, err.splitlines()), default=0) < 5_000
    return out


COMMANDS = (
    ("profile", "{t}", "--target", TARGET, "--output", "{h}/profile.html"),
    ("show", "{m}"),
    ("verify", "{m}"),
    ("evaluate", "{m}", "{t}"),
    ("explain", "{m}", "{t}", "--global"),
    ("explain", "{m}", "{t}", "--row", "3", "--set", "@import=@A1", "--counterfactual"),
    ("explain", "{m}", "{t}", "--top", "2", "--output", "{h}/why.csv", "--plots", "{h}/plots"),
    ("report", "{m}", "{t}", "--output", "{h}/new.html"),
    ("compare", "{m}", "{m}", "{t}", "--output", "{h}/compare.html"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: "-".join(command[:1]))
def test_every_command_takes_it(
    home: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    asked(home, *command, capsys=capsys)


def test_predictions_are_right_and_disarmed_where_asked(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv.field_size_limit(sys.maxsize)
    options = ("--keep", "all", "--explain", "2", "--sets", "0.9")
    plain = asked(home, "predict", "{m}", "{t}", *options, capsys=capsys)
    safe = asked(home, "predict", "{m}", "{t}", *options, "--excel-safe", capsys=capsys)
    rows, disarmed = (list(csv.reader(io.StringIO(text, newline=""))) for text in (plain, safe))
    assert rows[0][: len(NAMES) + 1] == [*NAMES, TARGET]
    assert [row[: len(NAMES) + 1] for row in rows[1:]] == table()[1:], (
        "kept cells are as they were"
    )
    place = rows[0].index("prediction")
    assert {row[place] for row in rows[1:]} == set(LABELS)
    right = sum(row[place] == row[len(NAMES)] for row in rows[1:])
    assert right > 0.85 * N
    armed = [
        cell
        for row in disarmed
        for cell in row
        if cell.startswith(FORMULA) and pd.isna(pd.to_numeric(cell, errors="coerce"))
    ]
    assert armed == []
    assert len(disarmed) == len(rows) == N + 1


def test_its_pages_run_and_ask_for_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = chromium()
    if program is None:
        pytest.skip("no Chromium is installed")
    asked(home, "profile", "{t}", "--target", TARGET, "--output", "{h}/p.html", capsys=capsys)
    asked(home, "compare", "{m}", "{m}", "{t}", "--output", "{h}/c.html", capsys=capsys)
    with browser(program) as page:
        for path in (home / "model" / "report.html", home / "p.html", home / "c.html"):
            for view in VIEWS:
                assert faults(page, path, view) == {}, (path.name, view)
                assert page.run("document.title") != "run"
