"""`automl profile` on the command line: findings first, JSON for machines, one-line errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import automl
from automl.cli.main import main


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    n = 300
    x = rng.normal(size=n)
    y = np.where(x + rng.normal(size=n) > 0, "yes", "no")
    frame = pd.DataFrame(
        {
            "id": np.arange(n),
            "x": x,
            "twin": x,
            "colour": rng.choice(["red", "green"], n),
            "mail": [f"p{i}@example.org" for i in range(n)],
            "copy": np.where(y == "yes", "A", "B"),
            "same": 1,
            "bought": y,
        }
    )
    frame.loc[:19, "colour"] = np.nan
    path = tmp_path / "shop.csv"
    frame.to_csv(path, index=False)
    return path


def test_findings_come_first_and_a_page_is_written(
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["profile", str(table), "--target", "bought"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "shop.csv: 300 rows, 8 columns"
    assert lines[2].startswith("leak")
    assert "'copy'" in lines[2]
    assert lines[3].startswith("personal")
    assert "'mail'" in lines[3]
    assert any(line.startswith("copy") and "'twin'" in line for line in lines)
    assert any(line.startswith("colour") and "6.7%" in line for line in lines)
    assert "p1@" not in out
    assert "shop-profile.html" in err
    page = (tmp_path / "shop-profile.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "p1@" not in page


def test_json_is_for_machines(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", str(table), "-t", "bought", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 300
    kinds = {(one["level"], one["kind"], one["column"]) for one in found["findings"]}
    assert ("warning", "leak", "copy") in kinds
    assert ("note", "constant", "same") in kinds
    assert found["target"]["task"] == "binary"
    strongest = found["target"]["columns"][0]
    assert strongest["name"] == "copy"
    assert strongest["score"] > 0.99
    assert {"a", "b", "value", "measure"} <= set(found["relations"]["pairs"][0])
    assert found["missing"]["columns"] == ["colour"]
    assert not list(table.parent.glob("*.html"))


def test_without_a_target(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = table.parent / "page.html"
    assert main(["profile", str(table), "--output", str(page), "--quiet"]) == 0
    assert "alone" not in capsys.readouterr().out
    assert page.exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-t", "bougt"], "Did you mean 'bought'?"),
        (["--task", "binary"], "--target"),
        (["-t", "x", "--task", "guess"], "Unknown task 'guess'"),
        (["-t", "same"], "constant"),
        (["-o", "nowhere/page.html"], "There is no directory"),
    ],
)
def test_mistakes_are_told_in_one_block(
    table: Path,
    args: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["profile", str(table), *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) <= 2


def test_odd_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in (
        "a\n1\n",
        "a,b\n1,\n2,\n",
        "a,b\nx,1\n",
        "k\n" + "".join(f"{i}\n" for i in range(99)),
    ):
        path = tmp_path / "odd.csv"
        path.write_text(text, encoding="utf-8")
        assert main(["profile", str(path), "-o", str(tmp_path / "odd.html")]) == 0
    capsys.readouterr()


def test_the_function_takes_frames() -> None:
    frame = pd.DataFrame({"a": np.arange(50.0) ** 2, "b": pd.date_range("2024-01-01", periods=50)})
    found = automl.profile(frame)
    assert [column.kind for column in found.columns] == ["numeric", "datetime"]
    assert found.columns[1].facts == {"first": "2024-01-01", "last": "2024-02-19"}


def test_the_same_table_gives_the_same_profile(table: Path) -> None:
    assert automl.profile(table, "bought").to_json() == automl.profile(table, "bought").to_json()
