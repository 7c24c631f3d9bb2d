"""`automl predict` on tables that differ from the training table: said, written, never silent."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest

from automl.cli.main import main
from automl.task import Task

Bundles = Mapping[Task, Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(bundles: Bundles, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """(status, stdout, stderr) of a command on a table with the given text."""

    def run(text: str, *options: str, command: str = "predict") -> tuple[int, str, str]:
        data = tmp_path / "new.csv"
        data.write_bytes(text.encode())
        status = main([command, str(bundles[Task.BINARY]), str(data), *options])
        return status, *capfd.readouterr()

    return run


def report_of(path: Path) -> dict[str, object]:
    return json.loads(path.read_text(encoding="utf-8"))


def test_one_broken_cell_in_ten_thousand_rows(run: Run, tmp_path: Path) -> None:
    rows = [f"{20 + i % 50},Ulm,{2500 + i % 700}" for i in range(10_000)]
    rows[7_776] = "4o,Ulm,3000"
    text = "age,city,wage\n" + "\n".join(rows) + "\n"
    report = tmp_path / "report.json"
    status, out, err = run(text, "--proba", "--validation-report", str(report))
    assert status == 0
    assert len(out.splitlines()) == 10_001
    assert "1 cell does not have its column's type, scored as missing: " in err
    assert "row 7777 column 'age': '4o'" in err
    found = report_of(report)
    assert (found["ok"], found["error"], found["n_rows"]) == (False, None, 10_000)
    assert found["wrong_type"]["cells"] == [
        {"row": 7777, "column": "age", "value": "4o", "expected": "a finite number"}
    ]
    empty = text.replace("\n4o,", "\n,")
    assert run(empty, "--proba")[1] == out  # scored as missing, and nothing else
    status, out, err = run(text, "--strict", "--validation-report", str(report))
    assert (status, out) == (2, "")
    assert "Row 7777, column 'age': '4o' is not a finite number." in err
    assert "Row 7777" in report_of(report)["error"]
    assert report_of(report)["wrong_type"]["n"] == 1


def test_the_report_of_a_table_that_fits(run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    status, _, err = run("age,city,wage\n30,Ulm,3000\n", "--validation-report", str(report))
    found = report_of(report)
    assert (status, found["ok"]) == (0, True)
    assert found["digest"] == hashlib.sha256(b"age,city,wage\n30,Ulm,3000\n").hexdigest()
    assert "Warning" not in err


def test_columns_and_levels_in_the_report(run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    text = "wage,note,age\n3000,x,30\n99999,x,17\n"
    status, _, err = run(text, "--validation-report", str(report))
    assert status == 2
    found = report_of(report)
    assert "missing from the data: 'city'" in err
    assert "missing from the data: 'city'" in found["error"]
    assert found["columns"]["missing"] == ["city"]
    assert found["columns"]["extra"] == ["note"]
    assert found["columns"]["reordered"] == ["wage", "age"]
    status, _, err = run(text, "--lenient", "--validation-report", str(report))
    assert status == 0
    assert report_of(report)["out_of_range"]["n"] == 2
    assert "2 cells hold a value outside of the training range: 'age' (1), 'wage' (1)" in err


def test_a_table_that_cannot_be_read_is_reported_too(run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    status, _, err = run("age,city,wage\n30,Ulm\n", "--validation-report", str(report))
    assert status == 2
    assert "row 1 (line 2) has 2 fields, expected 3" in err
    assert "row 1 (line 2)" in report_of(report)["error"]


def test_evaluate_writes_the_report(run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    rows = "".join(f"{20 + i},Rom,3000,{'yes' if i % 2 else 'no'}\n" for i in range(20))
    status, _, _ = run(
        "age,city,wage,y\n" + rows, "--validation-report", str(report), command="evaluate"
    )
    found = report_of(report)
    assert (status, found["unseen"]["n"], found["columns"]["extra"]) == (0, 20, [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--validation-report", "nowhere/r.json"), "no directory that exists"),
        (("-o", "s.csv", "--validation-report", "s.csv"), "are the same file"),
        (("--validation-report", "new.csv"), "would write over the input"),
    ],
)
def test_places_that_a_report_cannot_take(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = run("age,city,wage\n30,Ulm,3000\n", *options)
    assert status == 2
    assert words in err


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ('"3000,5"', "1 cell written with decimal mark ',', in training with decimal mark '.'"),
        ("3000 EUR", "'EUR' behind"),
    ],
)
def test_changed_marks_are_named(run: Run, cell: str, words: str) -> None:
    status, _, err = run(f"age,city,wage\n30,Ulm,3000\n31,Ulm,{cell}\n")
    assert status == 0
    assert words in err
    assert "in row 2" in err


def test_numbers_that_probably_mean_others_stop_strict(run: Run) -> None:
    wages = ("3.012", "2.955", "3.104", "2.871")
    text = "age,city,wage\n" + "".join(f"30,Ulm,{wage}\n" for wage in wages)
    status, _, err = run(text)
    assert status == 0
    assert "Column 'wage': 4 cells written with three digits behind each '.'" in err
    status, out, err = run(text, "--strict")
    assert (status, out) == (2, "")
    assert "three digits behind each '.'" in err


def test_a_needed_column_that_is_there_twice(run: Run) -> None:
    status, _, err = run("age,city,wage,age\n30,Ulm,3000,31\n", "--lenient")
    assert status == 2
    assert "Column 'age' is there more than once: columns 1 and 4." in err
    assert run("age,city,wage,note,note\n30,Ulm,3000,a,b\n")[0] == 0


def test_how_the_file_was_read_is_said(run: Run) -> None:
    status, _, err = run("sep=;\nage;city;wage\n30;Ulm;3000\n")
    assert status == 0
    assert "Read as: " in err
    assert "delimiter: semicolon" in err


FORMULAS = ("=1+1", "@x", "+cmd|' /C calc'!A0", "-x", " =2", "＝3")  # noqa: RUF001
HARMLESS = ("-1", "+1,200.5", "-1e-5", "plain", "a=b", "-12 %")


@pytest.mark.parametrize("excel_safe", [False, True])
def test_formulas_are_disarmed_on_request_only(
    write_people: Callable[..., Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    excel_safe: bool,
) -> None:
    bundle = write_people(Task.BINARY, classes=["=no", "-1"])
    notes = [*FORMULAS, *HARMLESS]
    data = tmp_path / "new.csv"
    frame = pd.DataFrame({"=note": notes, "age": 30, "city": "Ulm", "wage": 3000})
    frame.to_csv(data, index=False)
    flags = ["--excel-safe"] * excel_safe
    assert main(["predict", str(bundle), str(data), "--keep", "=note", "-q", *flags]) == 0
    header, *rows = csv.reader(io.StringIO(capfd.readouterr().out))
    mark = "'" * excel_safe
    assert header == [f"{mark}=note", "prediction"]
    assert [row[0] for row in rows] == [*(mark + note.strip() for note in FORMULAS), *HARMLESS]
    assert {row[1] for row in rows} <= {f"{mark}=no", "-1"}
