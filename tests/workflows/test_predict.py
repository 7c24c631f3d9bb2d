from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.cli.main import main
from automl.data.write import FORMATS, guarded
from automl.errors import ConfigError, DataError
from automl.model.bundle import load_bundle
from automl.task import Task
from automl.workflows.predict import PredictOptions, predict_file, predict_table

Bundles = Mapping[Task, Path]
NewPeople = Callable[..., Path]


def scored(bundle: Path, data: Path, options: PredictOptions | None = None) -> str:
    stream = io.BytesIO()
    predict_file(bundle, data, stream, options=options)
    return stream.getvalue().decode()


@pytest.mark.parametrize("task", Task)
def test_a_warm_predictor_gives_the_same_bits(
    bundles: Bundles, new_people: NewPeople, monkeypatch: pytest.MonkeyPatch, task: Task
) -> None:
    monkeypatch.setattr("automl.engines._trees.pays", lambda trees, **_: True)
    cold, warm = load_bundle(bundles[task]), load_bundle(bundles[task])
    warm.warm_up()
    forests = [fold.booster._fast._forest for m in warm.members for fold in m.boosters]  # type: ignore[attr-defined]
    assert all(forests)
    rows = pd.read_csv(new_people(task)).to_dict("records")
    for batch in ([row] for row in rows[:5]):
        assert np.array_equal(warm.margin(batch), cold.margin(batch))  # type: ignore[arg-type]
    assert np.array_equal(warm.margin(rows), cold.margin(rows))  # type: ignore[arg-type]


@pytest.mark.parametrize("task", Task)
def test_columns_and_values_are_those_of_the_predictor(
    bundles: Bundles, new_people: NewPeople, tmp_path: Path, task: Task
) -> None:
    data, out = new_people(task), tmp_path / "scores.csv"
    proba = task.is_classification
    options = PredictOptions(proba=proba, keep=("name", "age"), explain=2)
    report = predict_file(bundles[task], data, out, options=options)
    predictor = load_bundle(bundles[task])
    rows = pd.read_csv(data, dtype={"y": str})
    expected = predictor.predict(rows)
    table = pd.read_csv(out, dtype={"prediction": str if proba else float})
    named = [f"proba_{label}" for label in predictor.classes]
    reasons = [f"reason_{i}{end}" for i in (1, 2) for end in ("", "_value", "_contribution")]
    assert list(table.columns) == ["name", "age", "prediction", *named, *reasons]
    assert table["prediction"].tolist() == expected.tolist()
    assert table["name"].tolist() == rows["name"].tolist()
    if proba:  # shortest round trip: to the bit
        assert np.array_equal(table[named].to_numpy(), predictor.predict_proba(rows))
    top = predictor.explain(rows).top(2)
    assert np.array_equal(table["reason_2_contribution"], top.contributions[:, 1])
    assert report.n_rows == len(rows) == len(table)


@pytest.mark.parametrize("chunk_rows", [1, 10, 57, 1000])
def test_chunks_change_nothing(bundles: Bundles, new_people: NewPeople, chunk_rows: int) -> None:
    data = new_people(Task.BINARY)
    whole = PredictOptions(proba=True, keep=("all",), explain=1)
    parts = PredictOptions(proba=True, keep=("all",), explain=1, chunk_rows=chunk_rows)
    assert scored(bundles[Task.BINARY], data, parts) == scored(bundles[Task.BINARY], data, whole)


@pytest.mark.parametrize("file_format", FORMATS)
def test_formats_hold_the_same_rows(
    bundles: Bundles, new_people: NewPeople, tmp_path: Path, file_format: str
) -> None:
    data, out = new_people(Task.BINARY), tmp_path / f"scores.{file_format}"
    options = PredictOptions(proba=True, keep=("name",), chunk_rows=20)
    predict_file(bundles[Task.BINARY], data, out, options=options)
    read = {
        "csv": pd.read_csv,
        "parquet": pd.read_parquet,
        "jsonl": lambda path: pd.DataFrame(map(json.loads, path.read_text().splitlines())),
    }
    table = read[file_format](out)
    plain = pd.read_csv(io.StringIO(scored(bundles[Task.BINARY], data, options)))
    assert table.to_numpy().tolist() == plain.to_numpy().tolist()
    assert sorted(path.name for path in tmp_path.iterdir()) == [data.name, out.name]


def test_gzip_by_name_is_the_same_text(
    bundles: Bundles, new_people: NewPeople, tmp_path: Path
) -> None:
    data, out = new_people(Task.BINARY), tmp_path / "scores.csv.gz"
    predict_file(bundles[Task.BINARY], data, out)
    assert len(pd.read_csv(out)) == 57


def test_text_and_missing_cells_of_kept_columns_stay(bundles: Bundles, tmp_path: Path) -> None:
    data = tmp_path / "new.csv"
    data.write_text("zip,age,city,wage\n00123,30,Ulm,3000.50\n,40,Bonn,2500\n", encoding="utf-8")
    table = scored(bundles[Task.REGRESSION], data, PredictOptions(keep=("zip,wage",)))
    lines = table.splitlines()
    assert lines[0] == "zip,wage,prediction"
    assert lines[1].startswith("00123,3000.50,")
    assert lines[2].startswith(",2500,")


def test_kept_names_that_are_ours_get_another_name(bundles: Bundles, tmp_path: Path) -> None:
    data = tmp_path / "new.csv"
    data.write_text(
        "prediction,proba_no,prediction_input,age,city,wage\na,b,c,30,Ulm,3000\n", encoding="utf-8"
    )
    options = PredictOptions(proba=True, keep=("prediction", "proba_no", "prediction_input"))
    header = scored(bundles[Task.BINARY], data, options).splitlines()[0]
    assert header == (
        "prediction_input2,proba_no_input,prediction_input,prediction,proba_no,proba_yes"
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=A1", "'=A1"),
        ("+cmd", "'+cmd"),
        ("-", "'-"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("-5", "-5"),
        ("+1,200.5", "+1,200.5"),
        ("-1e-5", "-1e-5"),
        ("-12 %", "-12 %"),
        ("-5+cmd|' /C calc'!A0", "'-5+cmd|' /C calc'!A0"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_guard(text: str, written: str) -> None:
    assert guarded(pd.Series([text], dtype="str")).tolist() == [written]


def test_wrong_cells_unseen_levels_and_extra_columns_are_reported(
    bundles: Bundles, tmp_path: Path
) -> None:
    data = tmp_path / "new.csv"
    data.write_text(
        "wage,age,city,more\n3000,30,Ulm,1\n2000,old,Rom,1\nmuch,20,Rom,1\n", encoding="utf-8"
    )
    for chunk_rows in (1, 50):
        out = tmp_path / "scores.csv"
        options = PredictOptions(chunk_rows=chunk_rows)
        cells = predict_file(bundles[Task.BINARY], data, out, options=options).cells
        assert [(c.row, c.column, c.value) for c in cells.bad] == [
            (2, "age", "old"),
            (3, "wage", "much"),
        ]
        assert (cells.n_bad, dict(cells.unseen), cells.extra) == (2, {"city": 2}, ("more",))
        assert len(pd.read_csv(out)) == 3


def test_missing_columns_in_the_three_modes(bundles: Bundles, tmp_path: Path) -> None:
    data, out = tmp_path / "new.csv", tmp_path / "scores.csv"
    data.write_text("age,wage\n30,3000\n", encoding="utf-8")
    for mode in ("default", "strict"):
        with pytest.raises(DataError, match="missing from the data: 'city'"):
            predict_file(bundles[Task.BINARY], data, out, options=PredictOptions(mode=mode))  # type: ignore[arg-type]
        assert not out.exists()
    options = PredictOptions(mode="lenient")
    assert predict_file(bundles[Task.BINARY], data, out, options=options).cells.absent == ("city",)
    assert len(pd.read_csv(out)) == 1


def test_an_error_in_a_later_chunk_leaves_nothing_behind(bundles: Bundles, tmp_path: Path) -> None:
    data, out = tmp_path / "new.csv", tmp_path / "scores.csv"
    data.write_text("age,city,wage\n30,Ulm,3000\n40,Bonn,x\n", encoding="utf-8")
    with pytest.raises(DataError, match="Row 2, column 'wage': 'x'"):
        predict_file(
            bundles[Task.BINARY],
            data,
            out,
            options=PredictOptions(mode="strict", chunk_rows=1),
        )
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


def test_inputs_are_never_written_over(bundles: Bundles, new_people: NewPeople) -> None:
    data = new_people(Task.BINARY)
    before = data.read_bytes()
    for out in (data, bundles[Task.BINARY] / "scores.csv"):
        with pytest.raises(ConfigError, match="would write over the input"):
            predict_file(bundles[Task.BINARY], data, out)
    assert data.read_bytes() == before


def test_training_markers_of_missing_values_count_when_scoring(
    write_people: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = write_people(Task.REGRESSION, config={"na_value": ["-999"]})
    values = []
    for text in ("-999", ""):
        data = tmp_path / "new.csv"
        data.write_text(f"age,city,wage\n{text},Ulm,3000\n", encoding="utf-8")
        values.append(scored(bundle, data))
    assert values[0] == values[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PredictOptions(proba=True), "regression target and has no probabilities"),
        (PredictOptions(explain=-1), "--explain is -1"),
        (PredictOptions(chunk_rows=0), "--chunk-rows is 0"),
        (PredictOptions(threads=0), "--threads is 0"),
        (PredictOptions(format="xml"), "Unknown format 'xml'"),
        (PredictOptions(format="parquet"), "Parquet cannot be written to the terminal"),
    ],
)
def test_options_that_cannot_be(
    bundles: Bundles, new_people: NewPeople, options: PredictOptions, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        predict_file(
            bundles[Task.REGRESSION], new_people(Task.REGRESSION), io.BytesIO(), options=options
        )


def test_an_unknown_column_to_keep_is_named(bundles: Bundles, new_people: NewPeople) -> None:
    with pytest.raises(DataError, match=r"'nme' to keep is not in the data. Did you mean 'name'"):
        scored(bundles[Task.BINARY], new_people(Task.BINARY), PredictOptions(keep=("nme",)))


@pytest.mark.parametrize("name", ["scores", "scores.xlsx"])
def test_a_name_without_a_known_format(
    bundles: Bundles, new_people: NewPeople, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigError, match="Cannot tell the format"):
        predict_file(bundles[Task.BINARY], new_people(Task.BINARY), tmp_path / name)


def test_predict_table_takes_a_frame_in_memory(bundles: Bundles) -> None:
    frame = pd.DataFrame({"age": [30, 40], "city": ["Ulm", None], "wage": [3e3, np.nan]})
    frame.index = pd.Index([7, 3])
    table = predict_table(load_bundle(bundles[Task.BINARY]), frame, PredictOptions(keep=("city",)))
    assert list(table.columns) == ["city", "prediction"]
    assert len(table) == 2


def test_command(
    bundles: Bundles, new_people: NewPeople, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = new_people(Task.MULTICLASS)
    assert main(["predict", str(bundles[Task.MULTICLASS]), str(data), "--proba"]) == 0
    shown = capfd.readouterr()
    assert shown.out.splitlines()[0] == "prediction,proba_1,proba_2,proba_3"
    assert len(shown.out.splitlines()) == 58
    assert "57 rows scored, " in shown.err
    out = tmp_path / "scores.parquet"
    bundle = str(bundles[Task.MULTICLASS])
    assert main(["predict", bundle, str(data), "-o", str(out), "--keep", "all", "-q"]) == 0
    assert capfd.readouterr() == ("", "")
    assert list(pd.read_parquet(out).columns) == ["name", "age", "city", "wage", "y", "prediction"]


def test_command_refuses_both_modes(bundles: Bundles, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(bundles[Task.BINARY]), "x.csv", "--lenient", "--strict"]) == 2
    assert "exclude each other" in capfd.readouterr().err


def test_help_says_what_happens_to_formulas(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "--help"]) == 0
    assert "apostrophe" in capfd.readouterr().out
