"""The folder of the format "python": one file of plain NumPy that reads tables and records."""

from __future__ import annotations

import ast
import csv
import datetime
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from automl.export import python
from automl.export.base import ExportOptions
from automl.export.python_source import scorer_source
from automl.model.predictor import Predictor
from automl.task import Task


@pytest.fixture(scope="module")
def predictor(make) -> Predictor:
    return make(Task.BINARY, "lightgbm", "encoded")


@pytest.fixture(scope="module")
def folder(predictor, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("exported")
    assert python.FORMAT.write(predictor, place, ExportOptions(place, "x")) == []
    return place


@pytest.fixture(scope="module")
def scorer(folder) -> ModuleType:
    return python._module(folder / "scorer.py")


def test_the_folder_is_three_files_of_plain_data(folder):
    assert {path.name for path in folder.iterdir()} == {"scorer.py", "model.json", "model.npz"}
    with np.load(folder / "model.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays.files)


def test_the_one_file_needs_numpy_only_and_has_each_name_once():
    tree = ast.parse(scorer_source())
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names) == {"numpy"}
    names = Counter(n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef))
    names.update(
        t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets
        if isinstance(t, ast.Name)
    )  # fmt: skip
    assert {name for name, n in names.items() if n > 1} <= {"Array"}
    assert len(scorer_source()) < 50_000


def test_as_a_script_it_writes_what_predict_writes(folder, predictor, odd, tmp_path):
    odd.to_csv(tmp_path / "in.csv", index=False)
    # -I: neither the working folder nor PYTHONPATH is searched.
    command = [sys.executable, "-I", str(folder / "scorer.py"), "in.csv", "out.csv"]
    subprocess.run([*command, "--proba"], cwd=tmp_path, check=True)
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["prediction", "proba_no", "proba_yes"]
    assert [row[0] for row in rows] == predictor.predict(odd).tolist()
    found = np.array([row[1:] for row in rows], dtype=np.float64)
    np.testing.assert_allclose(found, predictor.predict_proba(odd), atol=1e-12)
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "out.csv" in ended.stderr  # it is there already
    assert not (folder / "__pycache__").exists()


def test_nothing_is_left_of_an_output_that_cannot_be_finished(folder, tmp_path, scorer, capsys):
    (tmp_path / "in.csv").write_text("many,few\nlev1,B1\n", encoding="utf-8")
    scorer.__file__ = str(folder / "scorer.py")
    assert scorer.main([str(tmp_path / "in.csv"), str(tmp_path / "out.csv")]) == 2
    assert "Missing from the data: 'code'" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_records_with_typed_cells(scorer, folder, predictor):
    records = [
        {"many": "lev3", "few": None, "code": 1, "number": 0.5, "price": 1234.5, "flag": True,
         "from": datetime.datetime(2020, 2, 29, 12), "to": datetime.date(2020, 3, 1),
         "title": "red new", "text": "all"},
        {"many": 7, "code": 2.0, "number": float("nan"), "price": np.float32(10), "flag": False},
        {"many": b"lev3", "number": True, "few": "B1 ", "from": None, "title": ""},
    ]  # fmt: skip
    model = scorer.Model(folder)
    for some in (records[:1], records[1:2], records):
        np.testing.assert_allclose(
            model.predict_proba(_all_columns(some, predictor)),
            predictor.predict_proba(_all_columns(some, predictor)),
            atol=1e-12,
        )  # fmt: skip
    assert model.predict(records[:1]) == predictor.predict(records[:1]).tolist()
    assert model.predict([]) == []


def _all_columns(records: list[dict], predictor: Predictor) -> list[dict]:
    return [{**dict.fromkeys(predictor.columns), **record} for record in records]


def test_columns_that_lack_or_differ_in_length_are_named(scorer, folder, odd):
    model = scorer.Model(folder)
    cells = {name: odd[name].tolist() for name in odd}
    with pytest.raises(ValueError, match="'many', 'price'"):
        model.predict_columns({n: c for n, c in cells.items() if n not in ("many", "price")})
    with pytest.raises(ValueError, match="different numbers"):
        model.predict_columns({**cells, "few": ["B1"]})


def test_another_format_is_refused(scorer, folder, tmp_path):
    facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (tmp_path / "model.json").write_text(json.dumps({**facts, "format": 2}), encoding="utf-8")
    with pytest.raises(ValueError, match="another format"):
        scorer.Model(tmp_path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("b,a\n1,x\n NA ,\n", {"b": ["1", None], "a": ["x", None]}),
        ('\ufeffa;b\n"x;""y";2\n\n?;3\n', {"a": ['x;"y', None], "b": ["2", "3"]}),
        ("a\tb\ta\n1\t2\t3\n", {"a": ["1"], "b": ["2"], "a_2": ["3"]}),
        (",b,a\n0,2,3\n", {"column_1": ["0"], "b": ["2"], "a": ["3"]}),
    ],
)
def test_tables_are_read(scorer, tmp_path, text, wanted):
    (tmp_path / "in.csv").write_text(text, encoding="utf-8")
    assert list(scorer.read_csv(tmp_path / "in.csv", FACTS)) == [wanted]


FACTS = {
    "markers": ["", "NA", "?"],
    "named": True,
    "target": "y",
    "inputs": [{"name": "a"}, {"name": "b"}],
}


def test_other_encodings_and_tables_without_a_header(scorer, tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes("a,b\nGrün,€\n".encode("cp1252"))
    assert list(scorer.read_csv(path, FACTS)) == [{"a": ["Grün"], "b": ["€"]}]
    path.write_text("1,2\n3,4\n")
    found = list(scorer.read_csv(path, {**FACTS, "named": False}))
    assert found == [{"column_1": ["1", "3"], "column_2": ["2", "4"]}]


@pytest.mark.parametrize(
    ("text", "says"), [("a,b\n1,2\n1,2,3\n", "Row 2 has 3 cells, not 2"), ("a,b\n", "no rows")]
)
def test_tables_that_are_none(scorer, tmp_path, text, says):
    (tmp_path / "in.csv").write_text(text)
    with pytest.raises(ValueError, match=says):
        list(scorer.read_csv(tmp_path / "in.csv", FACTS))


def test_blocks_of_rows_give_the_same_numbers(scorer, folder, odd, monkeypatch):
    model = scorer.Model(folder)
    cells = {name: odd[name].tolist() for name in odd}
    whole = model.margin(cells)
    monkeypatch.setattr(scorer, "_BLOCK", 100)
    monkeypatch.setattr(scorer, "_CODES", 5000)
    np.testing.assert_allclose(model.margin(cells), whole, rtol=1e-12)


def test_leaves_are_smaller_where_the_folder_would_be_too_large(
    predictor, odd, tmp_path, monkeypatch
):
    monkeypatch.setattr(python, "_MOST_BYTES", 1000)
    notes = python.write(predictor, tmp_path, ExportOptions(tmp_path, "x"))
    assert "float32" in notes[0]
    assert "--single" in notes[1]
    found = python.score(tmp_path, odd).probabilities
    np.testing.assert_allclose(found, predictor.predict_proba(odd), atol=1e-6)


def test_a_column_that_nothing_reads_has_to_be_there_all_the_same(scorer, folder, predictor):
    model = scorer.Model(folder)
    assert model.names == list(predictor.columns)


def test_missing_markers_are_those_of_training(predictor, tmp_path):
    marked = replace(predictor, manifest={"config": {"na_value": ["-9"], "keep_na": True}})
    python.write(marked, tmp_path, ExportOptions(tmp_path, "x"))
    facts = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    assert facts["markers"] == ["", "-9"]


def test_the_same_model_gives_the_same_json(predictor, folder, tmp_path):
    python.write(predictor, tmp_path, ExportOptions(tmp_path, "x"))
    for name in ("model.json", "scorer.py"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
