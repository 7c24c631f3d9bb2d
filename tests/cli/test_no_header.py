"""Tables without a header, and headers that look like data: `--no-header` and `--header`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from automl.cli.main import main

FAST = ("--trials", "1", "--engines", "lightgbm", "--folds", "3", "--workers", "1", "-q")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> tuple[int, str, str]:
        return main(args), *capfd.readouterr()

    return run


def rows(n_rows: int, cells: Callable[[int], Sequence[object]]) -> str:
    return "".join(",".join(map(str, cells(i))) + "\n" for i in range(n_rows))


def test_a_table_of_words_without_a_header(run: Run) -> None:
    """Nothing but `--no-header` tells that the first row is data; predict knows it from then."""
    words = rows(
        60, lambda i: ("uvw"[i * 7 % 3], i * 37 % 50, "yes" if i * 37 % 50 > 24 else "no")
    )
    Path("train.csv").write_text(words, encoding="utf-8")
    assert run("fit", "train.csv", "-t", "column_3", "--no-header", "-o", "m", *FAST)[0] == 0
    columns = json.loads(Path("m/schema.json").read_text(encoding="utf-8"))["columns"]
    assert [column["name"] for column in columns] == ["column_1", "column_2"]
    Path("new.csv").write_text("u,3\nv,4\n", encoding="utf-8")
    status, out, _ = run("predict", "m", "new.csv")
    assert (status, len(out.splitlines())) == (0, 3)
    Path("named.csv").write_text("column_2,column_1\n3,u\n4,v\n", encoding="utf-8")
    assert run("predict", "m", "named.csv")[1] == out


def test_a_header_of_numbers(run: Run) -> None:
    """Such as wavelengths: without the target's name nothing looks like a name."""
    table = "400,500,y\n" + rows(60, lambda i: (i * 37 % 50, i % 7, i * 37 % 50 + i % 3))
    Path("train.csv").write_text(table, encoding="utf-8")
    assert run("fit", "train.csv", "-t", "y", "-o", "m", *FAST)[0] == 0
    Path("new.csv").write_text("500,400\n3,1\n4,2\n", encoding="utf-8")
    status, out, _ = run("predict", "m", "new.csv")
    assert (status, len(out.splitlines())) == (0, 3)
    status, _, err = run("predict", "m", "new.csv", "--no-header")
    assert status == 2
    assert "2 columns are missing from the data" in err
    assert "is its header there?" in err
