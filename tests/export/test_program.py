"""The scoring program says what the predictor does: engines, recipes, kinds of columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.data.infer import infer_schema
from automl.engines.base import FitSetup
from automl.engines.lightgbm import ENGINE
from automl.errors import ConfigError
from automl.export import program_catboost, python
from automl.export.base import ExportOptions
from automl.export.program import Bins, Cross, Level, Lookup, Narrow, Number, Program
from automl.export.program_build import program_of
from automl.export.program_steps import Steps, made_by, read_by
from automl.features.preprocess import Preprocessor
from automl.features.recipes.combined import Combined
from automl.features.recipes.selected import Selected
from automl.model.link import Link
from automl.model.predictor import FoldBooster, Predictor
from automl.task import Objective, Task

MODELS = [
    (Task.BINARY, "catboost", "plain", {"max_ctr_complexity": 4, "rsm": 0.5}),
    (Task.BINARY, "lightgbm", "encoded", {}),
    (Task.BINARY, "xgboost", "derived", {}),
    (Task.MULTICLASS, "catboost", "derived", {"one_hot_max_size": 30}),
    (Task.MULTICLASS, "lightgbm", "plain", {"min_data_per_group": 5}),
    (Task.MULTICLASS, "linear", "encoded", {"basis": "bends"}),
    (Task.REGRESSION, "catboost", "encoded", {}),
    (Task.REGRESSION, "xgboost", "plain", {"max_cat_to_onehot": 2}),
    (Task.REGRESSION, "linear", "plain", {}),
]


def worst(predictor: Predictor, rows: pd.DataFrame, folder: Any) -> float:
    """The largest difference, and that labels are the same."""
    python.write(predictor, folder, ExportOptions(folder, "x"))
    found = python.score(folder, rows)
    if not predictor.classes:
        wanted, got = predictor.predict(rows), found.values
    else:
        wanted, got = predictor.predict_proba(rows), found.probabilities
        assert found.labels is not None
        assert predictor.predict(rows).tolist() == found.labels.tolist()
    assert got is not None
    assert np.isfinite(got).all()
    return float((np.abs(got - wanted) / np.maximum(1.0, np.abs(wanted))).max())


@pytest.mark.parametrize(("task", "engine", "recipe", "params"), MODELS)
def test_every_model_is_said_exactly(make, odd, tmp_path, task, engine, recipe, params):
    assert worst(make(task, engine, recipe, params), odd, tmp_path) <= 1e-12


def test_statistics_of_crossed_categories_and_numbers_are_traced(make):
    predictor = make(Task.BINARY, "catboost", "plain", {"max_ctr_complexity": 4, "rsm": 0.5})
    kinds = {type(step) for step in program_of(predictor).steps}
    assert {Cross, Lookup, Bins} <= kinds


def test_recipes_one_behind_the_other(make, odd, tmp_path):
    predictor = make(Task.BINARY, "lightgbm", "derived")
    (member,) = predictor.members
    n = predictor.preprocessor.features
    folds = [
        FoldBooster(fold.booster, Combined(Selected(len(n), tuple(range(len(n)))), fold.recipe))
        for fold in member.boosters
    ]
    other = replace(predictor, members=(replace(member, boosters=tuple(folds)),))
    assert worst(other, odd, tmp_path) <= 1e-12


@pytest.mark.parametrize(
    "link",
    [
        Link("identity"),
        Link("log1p"),
        Link("yeo-johnson", power=0.3, shifts=(-0.2, 0.1, 0.3)),
        Link("yeo-johnson", power=0.0),
    ],
    ids=lambda link: f"{link.kind} {link.power}",
)
def test_links_of_values(make, odd, tmp_path, link):
    predictor = replace(make(Task.REGRESSION, "linear", "plain"), link=link)
    assert worst(predictor, odd, tmp_path) <= 1e-12


def test_calibration_and_threshold(make, odd, tmp_path):
    link = Link("logit", 1.3, knots=((-1.0, -1.4), (0.0, 0.1), (0.5, 0.9)))
    predictor = make(Task.BINARY, "lightgbm", "encoded")
    threshold = float(predictor.predict_proba(odd)[7, 1])  # a row exactly on it is positive
    predictor = replace(predictor, link=link, threshold=threshold)
    assert worst(predictor, odd, tmp_path) <= 1e-12


def test_one_quantile_has_its_name_and_several_are_refused(make):
    predictor = make(Task.REGRESSION, "lightgbm", "plain")
    one = replace(predictor, metric="quantile@0.9")
    assert program_of(one).value_name == "quantile_0.9"
    with pytest.raises(ConfigError, match="predicts 2 quantiles"):
        program_of(replace(predictor, metric="quantile@0.1,0.9"))


def test_a_rounded_matrix_is_rounded(make, odd, tmp_path):
    predictor = make(Task.REGRESSION, "linear", "plain")
    rounded = replace(predictor, preprocessor=replace(predictor.preprocessor, rounds=True))
    assert any(isinstance(step, Narrow) for step in program_of(rounded).steps)
    assert worst(rounded, odd, tmp_path) <= 1e-12


def test_hashed_and_repeated_texts(make, tmp_path):
    rng = np.random.default_rng(0)
    n = 600
    cells = pd.DataFrame(
        {
            "name": rng.choice([f"person {i}" for i in range(9)], n),
            "note": rng.choice(["all is well here", "not so good today", "who knows this"], n),
            "x": rng.normal(size=n).round(3).astype(str),
        }
    ).astype("str")
    kinds = {"note": "text", "name": "categorical"}
    schema, parsed = infer_schema(cells, kinds=kinds, hash_keys={"name": "ab" * 32})
    preprocessor, matrix = Preprocessor.fit(parsed, schema)
    assert "repeats" in {each.kind for each in preprocessor.transformers}
    model = make(Task.BINARY, "lightgbm", "plain")
    y = (parsed.values[0] % 2 == 0).astype(float)
    setup = FitSetup(Task.BINARY, Objective.LOGISTIC, n_classes=2, max_trees=20, patience=0)
    booster = ENGINE.fit(
        ENGINE.prepare(matrix, y, None, setup=setup), np.arange(n), None, params={}, setup=setup
    )
    (member,) = model.members
    member = replace(member, boosters=(FoldBooster(booster),))
    predictor = replace(
        model, schema=schema, preprocessor=preprocessor, members=(member,), manifest={}
    )
    rows = pd.concat([cells, cells.assign(name="new", note="never heard")], ignore_index=True)
    assert worst(predictor, rows.astype("str"), tmp_path) <= 1e-12
    keys = [step.key for step in program_of(predictor).steps if isinstance(step, Level)]
    assert "ab" * 32 in keys
    assert "person" not in (tmp_path / "model.json").read_text(encoding="utf-8")


# --- The form of a program --------------------------------------------------------------------


def columns_are_sound(program: Program) -> bool:
    """Every column is made once, before it is read, and there are none beside them."""
    known: set[int] = set()
    for step in program.steps:
        if not known.issuperset(read_by(step)) or known.intersection(made_by(step)):
            return False
        known.update(made_by(step))
    needed = {c for each in program.ensembles for c in getattr(each, "columns", ())}
    return known == set(range(program.n_columns)) and needed <= known


@pytest.mark.parametrize(("task", "engine", "recipe", "params"), MODELS[:4])
def test_columns_are_numbered_in_the_order_of_their_steps(make, task, engine, recipe, params):
    assert columns_are_sound(program_of(make(task, engine, recipe, params)))


def test_equal_steps_are_made_once_and_unneeded_ones_not_at_all(make):
    steps = Steps()
    first = steps.one(Number, input=0, pattern="a")
    assert steps.one(Number, input=0, pattern="a") == first
    assert steps.one(Number, input=1, pattern="a") != first
    n_columns, kept, _ = steps.kept([])
    assert (n_columns, kept) == (0, ())
    program = program_of(make(Task.BINARY, "lightgbm", "encoded"))
    inputs = [step.input for step in program.steps if isinstance(step, Number)]
    assert len(inputs) == len(set(inputs))  # both folds share them


# --- What cannot be said ----------------------------------------------------------------------


def test_a_booster_of_another_engine_is_refused(make):
    predictor = make(Task.REGRESSION, "linear", "plain")
    (member,) = predictor.members
    foreign = replace(member, name="foreign-3", boosters=(FoldBooster(object()),))
    with pytest.raises(ConfigError, match="foreign-3"):
        program_of(replace(predictor, members=(foreign,)))


def test_statistics_that_cannot_be_traced_are_refused(make, monkeypatch):
    predictor = make(Task.BINARY, "catboost", "plain", {"max_ctr_complexity": 4, "rsm": 0.5})
    monkeypatch.setattr(program_catboost, "_MOST_HASHES", 3)
    with pytest.raises(ConfigError, match=r"'catboost-1'.*too many levels"):
        program_of(predictor)


def test_other_trees_of_catboost_are_refused():
    with pytest.raises(ConfigError, match=r"'m-1'.*not symmetric"):
        program_catboost.catboost_forest({"trees": []}, None, Steps(), "m-1")


def test_a_statistic_is_what_catboost_makes_of_counts():
    facts = {"hash_stride": 3, "hash_map": ["7", 3, 1, program_catboost._EMPTY, 0, 0],
             "counter_denominator": 10}  # fmt: skip
    table = program_catboost._Table.of(facts)
    assert table.hashes.tolist() == [7]
    ctr = {"target_border_idx": 0, "prior_numerator": 0.5, "prior_denomerator": 1,
           "shift": 0.0, "scale": 2.0}  # fmt: skip
    values = {
        kind: program_catboost._values({**ctr, "ctr_type": kind}, table)
        for kind in ("Borders", "Buckets", "Counter", "BinarizedTargetMeanValue")
    }
    assert values["Borders"][0] == pytest.approx([2 * 1.5 / 5])
    assert values["Buckets"][0] == pytest.approx([2 * 3.5 / 5])
    assert values["Counter"][0] == pytest.approx([2 * 3.5 / 11])
    assert values["BinarizedTargetMeanValue"][0] == pytest.approx([2 * 3.5 / 2])
    assert values["Borders"][1] == pytest.approx(1.0)
    assert values["Counter"][1] == pytest.approx(2 * 0.5 / 11)
