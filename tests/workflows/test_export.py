"""An export gets its name only when it says what the bundle says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import automl
from automl.cli.main import main
from automl.errors import ConfigError
from automl.export import registry
from automl.export.base import ExportFormat, Scores
from automl.export.rows import drawn_rows, text_cells, typical_rows
from automl.model.bundle import load_bundle
from automl.task import Task

Change = Callable[[Scores], Scores]


@pytest.fixture
def as_format(monkeypatch, bundles):
    """Makes `export` use a format that says what the bundle says, with a change."""

    def use(task: Task, change: Change = lambda scores: scores) -> Path:
        predictor = load_bundle(bundles[task])

        def write(given, folder, options):
            (folder / "model.txt").write_text(options.name, encoding="utf-8")
            return ["a note"]

        def score(folder, frame):
            assert set(map(str, frame.dtypes)) == {"str"}
            if task is Task.REGRESSION:
                return change(Scores(values=predictor.predict(frame)))
            proba = predictor.predict_proba(frame)
            return change(Scores(predictor.labels(proba), proba))

        fake = ExportFormat("fake", "for tests", write, score)
        monkeypatch.setattr("automl.workflows.export.get_format", lambda name: fake)
        return bundles[task]

    return use


def moved(row: int, by: float) -> Change:
    """A row's scores `by` more; of a classification those of the last class."""

    def change(scores: Scores) -> Scores:
        name = "values" if scores.values is not None else "probabilities"
        moved = np.array(getattr(scores, name))
        if len(moved) > row:
            moved[(row, -1) if moved.ndim > 1 else row] += by
        return replace(scores, **{name: moved})

    return change


@pytest.mark.parametrize("task", list(Task))
def test_an_export_that_agrees_gets_its_name(as_format, tmp_path, new_people, task):
    data = new_people(task)
    found = automl.export(as_format(task), "fake", tmp_path / "out", check=data)
    assert (tmp_path / "out" / "model.txt").read_text(encoding="utf-8") == "bundle"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert found.largest == 0.0
    assert [one.n_rows for one in found.checks] == [1000, len(pd.read_csv(data))]
    assert found.notes == ("a note",)
    assert found.rows_per_second > 0
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("task", "change", "says"),
    [
        (Task.REGRESSION, moved(7, 1e-3), r"column 'prediction' in row 8 of the rows that were"),
        (Task.BINARY, moved(3, 2e-5), r"column 'proba_yes' in row 4 of"),
        (
            Task.MULTICLASS,
            moved(0, np.nan),
            r"difference of inf, in the column 'proba_3' in row 1",
        ),
        (Task.BINARY, lambda s: replace(s, labels=s.labels[::-1]), "column 'prediction' in row"),
        (Task.REGRESSION, lambda s: Scores(values=s.values[:-1]), r"shape \(999,\) instead"),
        (Task.MULTICLASS, lambda s: Scores(), "neither labels nor probabilities"),
    ],
)
def test_another_score_is_refused_with_its_place(as_format, tmp_path, task, change, says):
    with pytest.raises(ConfigError, match=says):
        automl.export(as_format(task, change), "fake", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_difference_in_the_given_table_names_its_row(as_format, tmp_path, new_people):
    data = new_people(Task.REGRESSION)
    n_rows = len(pd.read_csv(data))

    def change(scores: Scores) -> Scores:
        return moved(4, 0.5)(scores) if len(scores.values) == n_rows else scores

    with pytest.raises(ConfigError, match=r"in row 5 of '.*\.csv'"):
        automl.export(as_format(Task.REGRESSION, change), "fake", tmp_path / "out", check=data)


def test_differences_within_the_tolerance_are_told(as_format, tmp_path):
    found = automl.export(as_format(Task.BINARY, moved(3, 5e-6)), "fake", tmp_path / "out")
    largest = found.checks[0].largest
    assert largest is not None
    assert (largest.row, largest.column) == (4, "proba_yes")
    assert 4e-6 < found.largest < 6e-6


def test_only_an_older_export_is_replaced(as_format, tmp_path, bundles):
    bundle = as_format(Task.BINARY)
    place = tmp_path / "out"
    automl.export(bundle, "fake", place)
    with pytest.raises(ConfigError, match="already holds an export"):
        automl.export(bundle, "fake", place)
    (place / "mine.txt").write_text("older", encoding="utf-8")
    automl.export(bundle, "fake", place, force=True)
    assert sorted(p.name for p in place.iterdir()) == ["export.json", "model.txt"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is no export, so it is left alone"):
        automl.export(bundle, "fake", tmp_path / "other", force=True)
    with pytest.raises(ConfigError, match="would write over the input"):
        automl.export(bundle, "fake", bundles[Task.BINARY] / "below")


def test_a_failed_export_leaves_the_older_one(as_format, tmp_path):
    automl.export(as_format(Task.BINARY), "fake", tmp_path / "out")
    with pytest.raises(ConfigError, match="does not say what the bundle says"):
        automl.export(as_format(Task.BINARY, moved(0, 0.1)), "fake", tmp_path / "out", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_command_prints_json(as_format, tmp_path, capsys):
    place = str(tmp_path / "out")
    bundle = str(as_format(Task.BINARY))
    assert main(["export", bundle, "--to", "fake", "--output", place, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["path"] == place
    assert told["largest_difference"] == 0.0
    assert main(["export", bundle, "--to", "fake", "--output", place]) == 2
    assert "--force" in capsys.readouterr().err


def test_formats_are_found_and_their_helpers_are_none():
    names = registry.format_names()
    assert {"docker", "mlflow", "sql"} <= set(names)
    assert not {"check", "registry", "rows", "program", "base"} & set(names)
    for name in names:
        assert registry.get_format(name).name == name
    with pytest.raises(ConfigError, match=r"Unknown export format 'sqll'") as unknown:
        registry.get_format("sqll")
    assert "sql" in str(unknown.value.hint)


@pytest.mark.parametrize("task", list(Task))
def test_drawn_rows_hold_what_is_rare(bundles, task):
    predictor = load_bundle(bundles[task])
    rows = drawn_rows(predictor, 200)
    assert rows.iloc[0].isna().all()
    assert rows.iloc[1]["city"] not in predictor.schema.columns[1].levels
    assert set(predictor.schema.columns[1].levels) <= set(rows["city"].dropna())
    ages = rows["age"].dropna().astype(float)
    assert ages.min() < 18
    assert ages.max() > 80
    assert rows.isna().mean().between(0.02, 0.3).all()
    pd.testing.assert_frame_equal(rows, drawn_rows(predictor, 200))
    typical = typical_rows(predictor, 3)
    assert typical.notna().all(axis=None)
    assert len(predictor.predict(typical)) == 3


def test_typed_cells_become_the_texts_of_a_file():
    typed = pd.DataFrame(
        {
            "a": [1.0, np.nan, 0.1],
            "b": [1, 2, 3],
            "c": pd.to_datetime(["2020-01-02 00:00", "2020-01-02 03:04", None]),
            "d": [True, False, True],
            "e": ["x", None, " y"],
        }
    )
    texts = text_cells(typed)
    assert set(map(str, texts.dtypes)) == {"str"}
    assert texts["a"].tolist()[::2] == ["1", "0.1"]
    assert texts["b"].tolist() == ["1", "2", "3"]
    assert texts["c"].tolist()[:2] == ["2020-01-02", "2020-01-02T03:04:00"]
    assert texts["d"].tolist() == ["True", "False", "True"]
    assert texts.isna().sum().tolist() == [1, 0, 1, 0, 1]


def test_the_name_of_a_package_stays_a_function():
    import automl.report.card  # noqa: F401 - puts the package in the place of the function

    assert callable(automl.report)
    assert callable(automl.export)
    with pytest.raises(ConfigError, match="Unknown export format"):
        automl.export("nowhere", "nothing")
