from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.cli.main import main
from automl.cli.waterfall import row_text
from automl.data.schema import Column, Kind, Schema
from automl.errors import ConfigError, DataError
from automl.model.bundle import load_bundle
from automl.model.counterfactual import Change, _cell, changed
from automl.model.explain import cell_texts
from automl.task import Task
from automl.workflows.explain import ExplainOptions
from automl.workflows.explain_rows import RowOptions, explain_rows
from automl.workflows.predict import PredictOptions, predict_file

Bundles = Mapping[Task, Path]
NewPeople = Callable[..., Path]


def scored(bundle: Path, data: Path, task: Task) -> pd.DataFrame:
    """What `automl predict` writes for `data`."""
    stream = io.BytesIO()
    predict_file(bundle, data, stream, options=PredictOptions(proba=task.is_classification))
    return pd.read_csv(io.BytesIO(stream.getvalue()), dtype={"prediction": str})


@pytest.mark.parametrize(
    "cells", [{"age": "71"}, {"city": "Ulm", "wage": "4100.5"}, {"wage": ""}, {"age": "many"}]
)
@pytest.mark.parametrize("task", Task)
def test_what_if_is_what_predict_says_of_the_changed_row(
    bundles: Bundles, new_people: NewPeople, tmp_path: Path, task: Task, cells: dict[str, str]
) -> None:
    data = new_people(task)
    rows = pd.read_csv(data, dtype=str, keep_default_na=False)
    options = RowOptions((7, 3), tuple(f"{name}={cell}" for name, cell in cells.items()))
    told = explain_rows(bundles[task], data, None, options=options).told
    assert [one["row"] for one in told] == [7, 3]
    for name, cell in cells.items():
        rows[name] = cell
    rows.to_csv(tmp_path / "changed.csv", index=False)
    before = scored(bundles[task], data, task)
    after = scored(bundles[task], tmp_path / "changed.csv", task)
    for one in told:
        for found, table in ((one, before), (one["what_if"], after)):
            line = table.iloc[one["row"] - 1]
            if task is Task.REGRESSION:
                assert found["prediction"] == float(line["prediction"])
                continue
            assert found["prediction"] == line["prediction"]
            for label, probability in found["probabilities"].items():
                assert probability == line[f"proba_{label}"]
        assert bool(one["what_if"]["not_understood"]) == ("many" in cells.values())


@pytest.mark.parametrize("task", Task)
def test_figures_of_a_row_add_up_to_its_margin(
    bundles: Bundles, new_people: NewPeople, task: Task
) -> None:
    options = RowOptions((5,), explain=ExplainOptions(top=2))
    (told,) = explain_rows(bundles[task], new_people(task), None, options=options).told
    total = told["base_value"] + sum(one["contribution"] for one in told["reasons"])
    assert told["rest"]["columns"] == 1
    assert total + told["rest"]["contribution"] == pytest.approx(told["margin"], abs=1e-9)
    assert f"{told['margin']:+.4g}" in row_text(told)


@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS])
def test_a_proposed_change_flips_the_decision_of_predict(
    bundles: Bundles, new_people: NewPeople, tmp_path: Path, task: Task
) -> None:
    data = new_people(task)
    rows = tuple(range(1, 21))
    found = explain_rows(bundles[task], data, None, options=RowOptions(rows, counterfactual=True))
    table = pd.read_csv(data, dtype=str, keep_default_na=False)
    for one in found.told:
        change = one["counterfactual"]
        assert change["found"], change
        for cell in change["changes"]:
            assert table.loc[one["row"] - 1, cell["column"]] == cell["from"]
            table.loc[one["row"] - 1, cell["column"]] = cell["to"]
    table.to_csv(tmp_path / "changed.csv", index=False)
    after = scored(bundles[task], tmp_path / "changed.csv", task)
    for one in found.told:
        assert after["prediction"][one["row"] - 1] == one["counterfactual"]["prediction"]
        assert one["counterfactual"]["prediction"] != one["prediction"]
    assert min(len(one["counterfactual"]["changes"]) for one in found.told) == 1


def test_kept_columns_stay_and_an_aim_is_reached(bundles: Bundles, new_people: NewPeople) -> None:
    data = new_people(Task.REGRESSION)
    options = RowOptions((1, 2, 3, 4), (), True, ("city",), "0.55:0.6")
    for one in explain_rows(bundles[Task.REGRESSION], data, None, options=options).told:
        change = one["counterfactual"]
        assert "city" not in [cell["column"] for cell in change["changes"]]
        assert change["found"] == (0.55 <= change.get("prediction", -1) <= 0.6)
    three = RowOptions((2,), (), True, (), "3")
    with pytest.raises(ConfigError, match="not a range"):
        explain_rows(bundles[Task.REGRESSION], data, None, options=three)


def test_it_is_said_when_no_change_is_found(bundles: Bundles, new_people: NewPeople) -> None:
    data = new_people(Task.BINARY)
    options = RowOptions((1,), (), True, ("age", "city", "wage"))
    (told,) = explain_rows(bundles[Task.BINARY], data, None, options=options).told
    assert not told["counterfactual"]["found"]
    assert "No change to propose: no change of up to 3 columns" in row_text(told)


def test_files_hold_the_same(bundles: Bundles, new_people: NewPeople, tmp_path: Path) -> None:
    data = new_people(Task.BINARY)
    options = RowOptions((2, 9), ("city=Rom",), True)
    told = explain_rows(bundles[Task.BINARY], data, tmp_path / "a.json", options=options).told
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == list(told)
    explain_rows(bundles[Task.BINARY], data, tmp_path / "a.csv", options=options)
    table = pd.read_csv(tmp_path / "a.csv")
    assert table["row"].tolist() == [2, 9]
    assert table["what_if_prediction"].tolist() == [one["what_if"]["prediction"] for one in told]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (RowOptions(()), ConfigError, "Which row"),
        (RowOptions((0,)), ConfigError, "counted from 1"),
        (RowOptions((58,)), DataError, "There is no row 58: the table has 57 rows"),
        (RowOptions((1,), ("age",)), ConfigError, "not of the form"),
        (RowOptions((1,), ("agee=3",)), DataError, "not a column that the model uses"),
        (RowOptions((1,), ("age=3", "age=4")), ConfigError, "twice"),
        (RowOptions((1,), keep=("age",)), ConfigError, "goes with --counterfactual"),
        (RowOptions((1,), (), True, ("name",)), DataError, "--keep names 'name'"),
        (RowOptions((1,), (), True, (), "maybe"), ConfigError, "not a class"),
        (RowOptions((1,), explain=ExplainOptions(rows=3)), ConfigError, "exclude each other"),
    ],
)
def test_what_does_not_fit_is_refused(
    bundles: Bundles,
    new_people: NewPeople,
    options: RowOptions,
    error: type[Exception],
    said: str,
) -> None:
    with pytest.raises(error, match=said):
        explain_rows(bundles[Task.BINARY], new_people(Task.BINARY), None, options=options)


def test_hostile_cells_are_inert_in_the_terminal(
    bundles: Bundles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[31m<script>\u202e=cmd()" + "x" * 5000
    pd.DataFrame({"age": [30], "city": [evil], "wage": [evil]}).to_csv(
        tmp_path / "evil.csv", index=False
    )
    given = [str(bundles[Task.BINARY]), str(tmp_path / "evil.csv"), "--row", "1"]
    assert main(["explain", *given, "--set", f"city={evil}", "--counterfactual"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert max(map(len, shown.splitlines())) < 160
    assert "city = <script>=cmd()" in shown


def test_only_the_plots_asked_for(bundles: Bundles, new_people: NewPeople, tmp_path: Path) -> None:
    given = [str(bundles[Task.BINARY]), str(new_people(Task.BINARY)), "--plots", str(tmp_path)]
    plots = ["--plot", "waterfall", "--plot", "importance"]
    assert main(["explain", *given, "--row", "4", "--row", "9", *plots]) == 0
    names = {path.name for path in tmp_path.glob("*.png")}
    assert names == {"waterfall_4.png", "waterfall_9.png", "importance.png"}
    assert main(["explain", *given, "--plot", "pie"]) == 2


def test_the_nearest_number_is_near(bundles: Bundles, new_people: NewPeople) -> None:
    """A part of the way before it, the decision is the old one."""
    data = new_people(Task.BINARY)
    predictor = load_bundle(bundles[Task.BINARY])
    table = pd.read_csv(data)
    options = RowOptions(tuple(range(1, 30)), (), True, ("city",))
    checked = 0
    for one in explain_rows(bundles[Task.BINARY], data, None, options=options).told:
        changes = one["counterfactual"]["changes"]
        if len(changes) != 1 or changes[0]["column"] != "wage":
            continue
        row = table.iloc[[one["row"] - 1]].copy()
        own, new = float(changes[0]["from"]), float(changes[0]["to"])
        row["wage"] = own + 0.85 * (new - own)
        assert predictor.predict(row)[0] == one["prediction"]
        checked += 1
    assert checked


def test_no_change_is_proposed_to_a_hash(bundles: Bundles, new_people: NewPeople) -> None:
    predictor = load_bundle(bundles[Task.BINARY])
    columns = [
        replace(one, hash_key="0" * 64) if one.name == "city" else one
        for one in predictor.schema.columns
    ]
    hashing = replace(predictor, schema=Schema(tuple(columns)))
    options = RowOptions((1, 2, 3, 4, 5), counterfactual=True)
    for one in explain_rows(hashing, new_people(Task.BINARY), None, options=options).told:
        assert one["counterfactual"]["found"]
        assert "city" not in [change["column"] for change in one["counterfactual"]["changes"]]


@pytest.mark.parametrize("day", ["9999-12-31", "1200-02-03", "2024-05-06T07:08:09"])
def test_far_dates_are_cells_too(day: str) -> None:
    days = (np.datetime64(day, "us") - np.datetime64(0, "us")) / np.timedelta64(1, "D")
    column = Column("until", Kind.DATETIME, "datetime", "")
    frame = changed(pd.DataFrame({"x": [1]}), [Change("until", days, _cell(column, float(days)))])
    assert cell_texts(frame["until"])[0] == day
