"""The format `onnx` says what the predictor does, with onnxruntime alone."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from automl.data.dates import parse_dates
from automl.data.infer import infer_schema
from automl.data.schema import ParsedTable
from automl.engines.base import FitSetup
from automl.engines.lightgbm import ENGINE
from automl.errors import ConfigError, DataError
from automl.export import _onnx_steps, onnx
from automl.export._onnx_dates import days_of, parts_of
from automl.export._onnx_graph import Graph
from automl.export._onnx_text import columns_of_text
from automl.export.base import ExportOptions
from automl.export.program import Terms
from automl.features import dates
from automl.features.preprocess import Preprocessor
from automl.features.terms import Vocabulary
from automl.features.text import TextColumn
from automl.model.link import Link
from automl.model.predictor import FoldBooster, Member, Predictor
from automl.task import Objective, Task

MODELS = [
    (Task.BINARY, "catboost", "plain", {"max_ctr_complexity": 4, "rsm": 0.5}),
    (Task.BINARY, "lightgbm", "encoded", {}),
    (Task.BINARY, "xgboost", "derived", {}),
    (Task.MULTICLASS, "lightgbm", "plain", {"min_data_per_group": 5}),
    (Task.MULTICLASS, "linear", "encoded", {"basis": "bends"}),
    (Task.REGRESSION, "xgboost", "plain", {"max_cat_to_onehot": 2}),
    (Task.REGRESSION, "linear", "plain", {}),
]

# Says the rows of a CSV of texts as "Scores", with nothing but onnxruntime and NumPy.
ALONE = """
import csv, json, sys
import numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
rows = list(csv.DictReader(open(sys.argv[2], encoding="utf-8")))
feed = {}
for each in session.get_inputs():
    cells = [row[each.name] for row in rows]
    if each.type == "tensor(double)":
        cells = [float(cell or "nan") for cell in cells]
    kind = object if each.type == "tensor(string)" else float
    feed[each.name] = numpy.array(cells, dtype=kind).reshape(-1, 1)
out = session.run(None, feed)
assert not {"automl", "onnx", "pandas", "lightgbm"} & set(sys.modules)
print(json.dumps([each.tolist() for each in out]))
"""


def exported(predictor: Predictor, folder: Path) -> Any:
    onnx.write(predictor, folder, ExportOptions(folder, "x"))
    return onnxruntime.InferenceSession(
        str(folder / onnx.FILE), providers=["CPUExecutionProvider"]
    )


def worst(predictor: Predictor, rows: pd.DataFrame, folder: Path) -> float:
    """The largest difference; labels are the same."""
    exported(predictor, folder)
    found = onnx.score(folder, rows)
    if not predictor.classes:
        wanted, got = predictor.predict(rows), found.values
    else:
        wanted, got = predictor.predict_proba(rows), found.probabilities
        assert found.labels is not None
        assert predictor.predict(rows).tolist() == found.labels.tolist()
    assert got is not None
    assert got.shape == wanted.shape
    return float((np.abs(got - wanted) / np.maximum(1.0, np.abs(wanted))).max())


@pytest.mark.parametrize(("task", "engine", "recipe", "params"), MODELS)
def test_every_model_is_said_exactly(make, odd, tmp_path, task, engine, recipe, params):
    # XGBoost adds leaves in float32, the graph in float64.
    most = 3e-6 if engine == "xgboost" else 1e-12
    assert worst(make(task, engine, recipe, params), odd, tmp_path) <= most


@pytest.mark.parametrize(
    "link",
    [
        Link("identity"),
        Link("log1p"),
        Link("yeo-johnson", power=0.3, shifts=(-0.2, 0.1, 0.3)),
        Link("yeo-johnson", power=0.0),
        Link("yeo-johnson", power=2.0),
    ],
    ids=lambda link: f"{link.kind} {link.power}",
)
def test_links_of_values(make, odd, tmp_path, link):
    predictor = replace(make(Task.REGRESSION, "linear", "plain"), link=link)
    assert worst(predictor, odd, tmp_path) <= 1e-12


def test_calibration_and_threshold(make, odd, tmp_path):
    link = Link("logit", 1.3, knots=((-1.0, -1.4), (0.0, 0.1), (0.5, 0.9)))
    predictor = replace(make(Task.BINARY, "lightgbm", "encoded"), link=link, threshold=0.31)
    labels = predictor.predict(odd)
    assert len(set(labels)) == 2
    assert worst(predictor, odd, tmp_path) <= 1e-12


def test_several_members_of_several_engines(make, odd, tmp_path):
    parts = [
        make(Task.BINARY, "lightgbm", "encoded"),
        make(Task.BINARY, "catboost", "plain", {"max_ctr_complexity": 4, "rsm": 0.5}),
        make(Task.BINARY, "linear", "plain"),
        make(Task.BINARY, "linear", "plain", {"basis": "bends"}),
    ]
    members = [
        replace(p.members[0], weight=w) for p, w in zip(parts, (0.4, 0.3, 0.2, 0.1), strict=True)
    ]
    assert worst(replace(parts[0], members=tuple(members)), odd, tmp_path) <= 1e-12


def test_large_tables_are_searched(make, odd, tmp_path, monkeypatch):
    monkeypatch.setattr(_onnx_steps, "_DENSE", -1)
    predictor = make(Task.BINARY, "catboost", "plain", {"max_ctr_complexity": 4, "rsm": 0.5})
    assert worst(predictor, odd, tmp_path) <= 1e-12


# --- what the user meets ----------------------------------------------------------------------


def simple(texts: dict[str, list[str]], y: list[float]) -> Predictor:
    """A small model of these cells."""
    cells = pd.DataFrame(texts).astype("str")
    schema, parsed = infer_schema(cells)
    preprocessor, matrix = Preprocessor.fit(parsed, schema)
    setup = FitSetup(Task.REGRESSION, Objective.SQUARED, max_trees=8, patience=0)
    prepared = ENGINE.prepare(matrix, np.array(y), None, setup=setup)
    params = {"min_data_in_leaf": 2, "min_data_per_group": 2, "cat_smooth": 0.1}
    booster = ENGINE.fit(prepared, np.arange(len(y)), None, params=params, setup=setup)
    return Predictor(
        task=Task.REGRESSION, target="y", classes=(), metric="rmse", schema=schema,
        preprocessor=preprocessor, link=Link("identity"),
        members=(Member("lightgbm-1", "lightgbm", "plain", 1.0, {}, (FoldBooster(booster),)),),
    )  # fmt: skip


def small() -> tuple[Predictor, pd.DataFrame]:
    rng = np.random.default_rng(3)
    city, size = rng.integers(0, 5, 80), rng.integers(0, 90, 80) / 4
    day = np.datetime64("2020-01-01") + rng.integers(0, 700, 80)
    y = (city * 30 + size + day.astype(int) % 7).tolist()
    cells = {
        "city": [f"Ort {i}, « x »" for i in city],
        "value": [repr(float(x)) for x in size],
        "seen on": [str(x) for x in day],
    }
    predictor = simple(cells, y)
    rows = pd.DataFrame(cells).iloc[:30].astype("str")
    rows.iloc[0], rows.iloc[1, 0], rows.iloc[2, 2] = np.nan, "nowhere", "2021-02-03T04:05:06+01:00"
    return predictor, rows


def test_another_process_needs_onnxruntime_only(tmp_path):
    predictor, rows = small()
    exported(predictor, tmp_path)
    table = tmp_path / "rows.csv"
    rows.to_csv(table, index=False, encoding="utf-8")
    args = [sys.executable, "-I", "-c", ALONE, str(tmp_path / onnx.FILE), str(table)]
    done = subprocess.run(args, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert np.allclose(json.loads(done.stdout)[0], predictor.predict(rows), rtol=1e-12)


def test_inputs_outputs_and_metadata(tmp_path):
    predictor, _ = small()
    session = exported(predictor, tmp_path)
    inputs = {each.name: (each.type, each.shape) for each in session.get_inputs()}
    assert inputs == {
        "city": ("tensor(string)", ["rows", 1]),
        "value": ("tensor(double)", ["rows", 1]),
        "seen on": ("tensor(string)", ["rows", 1]),
    }
    assert [each.name for each in session.get_outputs()] == ["value_"]  # there is such a column
    facts = session.get_modelmeta().custom_metadata_map
    assert (facts["automl.task"], facts["automl.target"]) == ("regression", "y")
    schema = json.loads(facts["automl.schema"])
    assert [each["kind"] for each in schema] == ["categorical", "numeric", "datetime"]
    assert set(schema[0]["levels"]) == {f"Ort {i}, « x »" for i in range(5)}


def test_a_wrong_column_or_type_is_named_by_onnxruntime(tmp_path):
    session = exported(small()[0], tmp_path)
    feed: dict[str, Any] = {
        "city": np.array([["x"]], dtype=object),
        "value": np.array([[1.0]]),
        "seen on": np.array([["2020-01-01"]], dtype=object),
    }
    assert session.run(None, feed)[0].shape == (1,)
    none = {name: cell[:0] for name, cell in feed.items()}
    assert session.run(None, none)[0].shape == (0,)
    with pytest.raises(ValueError, match=r"Required inputs \(\['value'\]\) are missing"):
        session.run(None, {name: cell for name, cell in feed.items() if name != "value"})
    with pytest.raises(Exception, match="Invalid input name: town"):
        session.run(None, feed | {"town": feed["city"]})
    wrong = {"value": np.array([[1.0]], dtype=np.float32)}
    with pytest.raises(Exception, match=r"(?s)tensor\(float\).*expected: \(tensor\(double\)\)"):
        session.run(None, feed | wrong)
    with pytest.raises(Exception, match="Invalid rank for input: value"):
        session.run(None, feed | {"value": np.array([1.0])})


def test_a_row_without_a_column_is_refused(tmp_path):
    predictor, rows = small()
    exported(predictor, tmp_path)
    with pytest.raises(DataError, match="The column 'city' is missing"):
        onnx.score(tmp_path, rows.drop(columns="city"))


def test_columns_may_be_called_anything(tmp_path):
    rng = np.random.default_rng(0)
    names = ["v0_0", "vc0", "label", "probabilities", "value", "v", "<b>\"'", "größe €", "_v1"]
    cells = {name: [repr(float(x)) for x in rng.normal(size=60).round(3)] for name in names}
    y = [sum(float(column[i]) for column in cells.values()) for i in range(60)]
    assert worst(simple(cells, y), pd.DataFrame(cells).astype("str"), tmp_path) <= 1e-12


def test_levels_may_be_written_as_numbers_or_booleans(tmp_path):
    code, flag = [f"{i % 4 + 1}" for i in range(80)], ["yes" if i % 3 else "no" for i in range(80)]
    cells = pd.DataFrame({"code": code, "flag": flag}).astype("str")
    predictor = simple({"code": code, "flag": flag}, [i % 4 + 5.0 * (i % 3) for i in range(80)])
    session = exported(predictor, tmp_path)
    wanted = predictor.predict(cells.iloc[:12])
    for spell in (str, str.upper, str.title):
        feed = {
            each.name: cells[each.name].iloc[:12].map(spell).to_numpy(object).reshape(-1, 1)
            if each.type == "tensor(string)"
            else cells[each.name].iloc[:12].to_numpy(float).reshape(-1, 1)
            for each in session.get_inputs()
        }
        assert np.allclose(session.run(None, feed)[0], wanted, rtol=1e-12)


def test_a_model_that_says_the_same_of_every_row(tmp_path):
    cells = {"x": [str(i) for i in range(30)]}
    predictor = simple(cells, [1.5] * 29 + [1.5])
    assert worst(predictor, pd.DataFrame(cells).astype("str"), tmp_path) <= 1e-12


def test_the_package_is_named_where_it_is_absent(make, tmp_path, monkeypatch):
    predictor = make(Task.REGRESSION, "linear", "plain")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match="needs the package 'onnx'") as caught:
        onnx.write(predictor, tmp_path, ExportOptions(tmp_path, "x"))
    assert 'pip install "automl[onnx]"' in (caught.value.hint or "")


def test_an_old_runtime_is_refused(tmp_path, monkeypatch):
    predictor, rows = small()
    exported(predictor, tmp_path)
    monkeypatch.setattr(onnxruntime, "__version__", "1.23.2")
    with pytest.raises(ConfigError, match="onnxruntime 1.23.2 cannot load"):
        onnx.score(tmp_path, rows)


def test_hashed_levels_are_refused_with_a_way_out(tmp_path):
    predictor, _ = small()
    columns = list(predictor.schema.columns)
    columns[0] = replace(columns[0], hash_key="00ff")
    hashed = replace(predictor, schema=replace(predictor.schema, columns=tuple(columns)))
    with pytest.raises(ConfigError, match="'lightgbm-1' knows the levels of 'city' by") as caught:
        onnx.write(hashed, tmp_path, ExportOptions(tmp_path, "x"))
    assert "--drop-pii" in (caught.value.hint or "")
    assert list(tmp_path.iterdir()) == []


# --- dates and texts, beside what the bundle makes of them ------------------------------------


def run(graph: Graph, texts: list[str]) -> list[Any]:
    session = onnxruntime.InferenceSession(
        graph.model({}, ("x", "1")), providers=["CPUExecutionProvider"]
    )
    found: list[Any] = session.run(None, {"x": np.array(texts, dtype=object).reshape(-1, 1)})
    return found


def written_dates(n: int) -> list[str]:
    rng = np.random.default_rng(0)
    made = []
    for _ in range(n):
        date = (
            f"{rng.integers(1700, 2250):04d}-{rng.integers(1, 14):02d}-{rng.integers(1, 33):02d}"
        )
        clock = f"{rng.integers(0, 25):02d}:{rng.integers(0, 61):02d}"
        second = f":{rng.integers(0, 61):02d}"
        second += rng.choice(["", f".{rng.integers(0, 10**6):06d}", ".5"])
        hours, minutes = rng.integers(0, 26), rng.integers(0, 61)
        zone = f"{hours:02d}{rng.choice(['', ':'])}{minutes:02d}"
        zone = rng.choice(["", "Z", f"{hours:02d}", zone])
        zone = f"{rng.choice(['+', '-'])}{zone}" if zone[:1].isdigit() else zone
        clock = f"{rng.choice(['T', ' '])}{clock}{rng.choice(['', second])}"
        made.append(date + rng.choice(["", clock + rng.choice(["", " "]) * bool(zone) + zone]))
    return made


ODD_DATES = [
    "", "x", "2016", "20160702", "2016-7-2", "2016-07-02T", "2016-07-02Z", "2016-07-02T10",
    "0000-01-01", "0001-01-01", "9999-12-31T23:59:59.999999", "1900-02-29", "2000-02-29",
    "1582-10-10", "2300-12-31 01:02:03.4+05",
    "2016-07-02T10:30:00,5", "1969-12-31T23:59:59.999999999", "2016-01-01T23:59:59-14:00",
]  # fmt: skip


def test_dates_are_read_as_the_bundle_reads_them():
    texts = ODD_DATES + written_dates(400)
    graph = Graph()
    days = days_of(graph, graph.input("x", str))
    graph.output("days", days, np.float64, 1)
    parts = parts_of(graph, days, dates.PARTS, 17_000.0)
    graph.output("parts", graph.beside(parts), np.float64, len(parts))
    found, calendar = run(graph, texts)
    # One by one: beside nanoseconds, the bundle's reader takes no far date.
    odd = [parse_dates(np.array([text], dtype=object), ()) for text in ODD_DATES]
    rest = parse_dates(np.array(texts[len(odd) :], dtype=object), ())
    wanted = np.concatenate([*odd, rest])
    assert np.array_equal(found[:, 0], wanted, equal_nan=True)
    known = ~np.isnan(wanted)
    assert known.sum() > 100
    assert (~known).sum() > 50
    own = dates._calendar(wanted[known], set(dates.PARTS))
    own["elapsed"] = wanted[known] - 17_000.0
    assert np.array_equal(calendar[known], np.column_stack([own[part] for part in dates.PARTS]))
    assert np.isnan(calendar[~known]).all()


@pytest.mark.parametrize("analyzer", ["words", "letters"])
def test_texts_are_taken_apart_as_the_bundle_does(analyzer):
    rng = np.random.default_rng(0)
    words = ["good", "bad", "Great", "room", "bed", "naïve", "Überraschung", "漢字", "x9", "don't"]
    marks = [" ", "  ", ", ", "-", "! ", "\t", " 😀 ", "/"]
    texts = [
        "".join(rng.choice(words) + rng.choice(marks) for _ in range(rng.integers(1, 16))).strip()
        for _ in range(300)
    ]
    vocabulary = Vocabulary.fit(texts[:200], analyzer)
    axes = np.round(rng.normal(size=(3, len(vocabulary.terms))), 7)
    own = TextColumn(0, "x", vocabulary, axes)
    rows = [
        *texts[200:],
        "",
        "zzz",
        "...",
        "good " * 1200,
        "漢",
        "a!",
        "ǅ Straße ẞ",
        "GREAT-Bed",
        "a_b I",
    ]
    graph = Graph()
    step = Terms(
        0, tuple(range(5)), own.sizes, analyzer, 4000, vocabulary.terms, vocabulary.idf, axes
    )
    columns = columns_of_text(graph, step, graph.input("x", str))
    graph.output("made", graph.beside([columns[i] for i in range(5)]), np.float64, 5)
    (found,) = run(graph, [text.strip() for text in rows])
    assert run(graph, [])[0].shape == (0, 5)
    series = pd.Series([text.strip() or None for text in rows], dtype="str")
    wanted = np.column_stack(own.transform(ParsedTable(len(rows), {0: series})))
    assert np.isnan(wanted).any(axis=1).sum() == 1
    assert np.allclose(found, wanted, rtol=0, atol=1e-6, equal_nan=True)
