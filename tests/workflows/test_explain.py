from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.cli.main import main
from automl.errors import ConfigError
from automl.model.bundle import load_bundle
from automl.task import Task
from automl.workflows import explain as module
from automl.workflows.explain import ExplainOptions, ExplainReport, explain_file, head, joined

Bundles = Mapping[Task, Path]
NewPeople = Callable[..., Path]


def explained(
    bundle: Path, data: Path, options: ExplainOptions | None = None
) -> tuple[str, ExplainReport]:
    stream = io.BytesIO()
    report = explain_file(bundle, data, stream, options=options)
    return stream.getvalue().decode(), report


@pytest.mark.parametrize("task", Task)
def test_all_reasons_and_the_base_value_add_up_to_the_margin(
    bundles: Bundles, new_people: NewPeople, task: Task
) -> None:
    data = new_people(task)
    text, report = explained(bundles[task], data)
    table = pd.read_csv(io.StringIO(text), dtype={"prediction": str})
    parts = [name for name in table.columns if name.endswith("_contribution")]
    assert len(parts) == 3  # all columns of the model
    total = table[parts].sum(axis=1) + table["base_value"]
    assert np.allclose(total, table["margin"], atol=1e-9)
    assert report.additivity_error < 1e-9
    predictor = load_bundle(bundles[task])
    margin = predictor.margin(pd.read_csv(data))
    own = margin.argmax(axis=1) if task is Task.MULTICLASS else np.zeros(len(margin), dtype=int)
    assert np.array_equal(table["margin"], margin[np.arange(len(margin)), own])
    assert table["row"].tolist() == list(range(1, 58))
    if task.is_classification:
        assert table["prediction"].tolist() == predictor.predict(pd.read_csv(data)).tolist()


def test_chunks_change_nothing(
    bundles: Bundles, new_people: NewPeople, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = new_people(Task.MULTICLASS)
    for file_format in ("csv", "json"):
        options = ExplainOptions(format=file_format, top=2)
        monkeypatch.setattr(module, "EXPLAINED_CHUNK_ROWS", 1000)
        whole, _ = explained(bundles[Task.MULTICLASS], data, options)
        monkeypatch.setattr(module, "EXPLAINED_CHUNK_ROWS", 10)
        assert explained(bundles[Task.MULTICLASS], data, options)[0] == whole


def test_json_is_an_array_with_the_reasons_of_each_row(bundles: Bundles, tmp_path: Path) -> None:
    data, out = tmp_path / "new.csv", tmp_path / "reasons.json"
    data.write_text("age,city,wage\n30,Ulm,\n60,Bonn,3000\n", encoding="utf-8")
    explain_file(bundles[Task.REGRESSION], data, out, options=ExplainOptions(top=3))
    rows = json.loads(out.read_text(encoding="utf-8"))
    assert [row["row"] for row in rows] == [1, 2]
    cells = {reason["column"]: reason["value"] for reason in rows[0]["reasons"]}
    assert cells == {"age": "30", "city": "Ulm", "wage": None}
    sizes = [abs(reason["contribution"]) for reason in rows[0]["reasons"]]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("n_rows", [1, 5, 57, 900])
def test_only_the_first_rows(bundles: Bundles, new_people: NewPeople, n_rows: int) -> None:
    text, report = explained(
        bundles[Task.BINARY], new_people(Task.BINARY), ExplainOptions(rows=n_rows)
    )
    assert report.n_rows == report.cells.n_rows == len(text.splitlines()) - 1 == min(n_rows, 57)


@pytest.mark.parametrize("task", Task)
def test_importance_is_the_mean_of_all_rows(
    bundles: Bundles, new_people: NewPeople, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EXPLAINED_CHUNK_ROWS", 20)
    data = new_people(task)
    text, _ = explained(bundles[task], data, ExplainOptions(importance=True))
    table = pd.read_csv(io.StringIO(text))
    values = np.abs(load_bundle(bundles[task]).explain(pd.read_csv(data)).cube)
    assert table["importance"].max() == pytest.approx(values.mean(axis=0).sum(axis=1).max())
    assert table["share"].sum() == pytest.approx(1.0)
    as_json, _ = explained(bundles[task], data, ExplainOptions(importance=True, format="json"))
    names = [entry["column"] for entry in json.loads(as_json)["columns"]]
    assert names == table["column"].tolist()


def test_parts_of_an_explanation_joined_are_the_whole(
    bundles: Bundles, new_people: NewPeople
) -> None:
    rows = pd.read_csv(new_people(Task.MULTICLASS))
    predictor = load_bundle(bundles[Task.MULTICLASS])
    whole = predictor.explain(rows)
    both = joined([predictor.explain(rows[:20]), predictor.explain(rows[20:])])
    assert np.array_equal(both.values, whole.values)
    assert both.data.equals(whole.data)
    assert np.array_equal(head(both, 20).predicted, whole.predicted[:20])  # type: ignore[index]


def test_plots(bundles: Bundles, new_people: NewPeople, tmp_path: Path) -> None:
    options = ExplainOptions(plots=tmp_path / "plots", rows=30)
    report = explain_file(bundles[Task.BINARY], new_people(Task.BINARY), None, options=options)
    names = {path.name for path in report.plots}
    assert {"beeswarm.png", "waterfall_0.png", "dependence_1.png"} <= names
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in report.plots)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ExplainOptions(top=0), "--top is 0"),
        (ExplainOptions(rows=0), "--rows is 0"),
        (ExplainOptions(format="xml"), "Unknown format 'xml'"),
    ],
)
def test_options_that_cannot_be(
    bundles: Bundles, new_people: NewPeople, options: ExplainOptions, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        explained(bundles[Task.BINARY], new_people(Task.BINARY), options)


def test_the_data_are_never_written_over(bundles: Bundles, new_people: NewPeople) -> None:
    data = new_people(Task.BINARY)
    with pytest.raises(ConfigError, match="would write over the input"):
        explain_file(bundles[Task.BINARY], data, data)


def test_command(
    bundles: Bundles, new_people: NewPeople, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bundle, data = str(bundles[Task.BINARY]), str(new_people(Task.BINARY))
    assert main(["explain", bundle, data, "--top", "1", "--rows", "4"]) == 0
    shown = capfd.readouterr()
    assert shown.out.splitlines()[0] == (
        "row,prediction,margin,base_value,reason_1,reason_1_value,reason_1_contribution"
    )
    assert "4 rows explained in" in shown.err
    out = tmp_path / "importance.json"
    assert main(["explain", bundle, data, "--global", "-o", str(out), "-q"]) == 0
    assert json.loads(out.read_text(encoding="utf-8"))["rows"] == 57
    assert capfd.readouterr() == ("", "")
