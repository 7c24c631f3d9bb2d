from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from automl.cli.main import main
from automl.data.cells import read_cells
from automl.errors import ConfigError, DataError
from automl.metrics._interval import bootstrap_interval
from automl.metrics._lookup import get_metric, metrics_for
from automl.model.bundle import load_bundle
from automl.task import Task
from automl.workflows.evaluate import (
    EvaluateOptions,
    evaluate,
    label_indices,
)

Bundles = Mapping[Task, Path]
NewPeople = Callable[..., Path]


@pytest.mark.parametrize("task", Task)
def test_every_metric_of_the_task_its_own_first(
    bundles: Bundles, new_people: NewPeople, task: Task
) -> None:
    found = evaluate(bundles[task], new_people(task))
    assert next(iter(found.scores)) == found.metric == load_bundle(bundles[task]).metric
    assert set(found.scores) == {metric.name for metric in metrics_for(task)}
    assert (found.n_rows, found.n_scored, found.n_missing) == (57, 57, 0)


def test_binary_scores_are_those_of_scikit_learn(bundles: Bundles, new_people: NewPeople) -> None:
    data = edit(new_people(Task.BINARY), "y", {0: "yes", 1: "no", 2: "yes", 3: "no", 4: "yes"})
    rows, predictor = pd.read_csv(data), load_bundle(bundles[Task.BINARY])
    proba, labels = predictor.predict_proba(rows)[:, 1], predictor.predict(rows)
    truth = rows["y"] == "yes"
    found = evaluate(predictor, data)
    assert found.scores["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, proba))
    assert found.scores["log_loss"] == pytest.approx(sk.log_loss(truth, proba))
    assert found.scores["accuracy"] == pytest.approx((labels == rows["y"]).mean())
    assert found.confusion is not None
    expected = sk.confusion_matrix(rows["y"], labels, labels=["no", "yes"])
    assert found.confusion.tolist() == expected.tolist()
    recall = sk.recall_score(rows["y"], labels, average=None, labels=["no", "yes"])
    assert [row.recall for row in found.per_class] == pytest.approx(recall.tolist())
    assert found.interval is not None
    assert found.interval.low < found.scores["roc_auc"] < found.interval.high


def test_regression_scores_are_those_of_scikit_learn(
    bundles: Bundles, new_people: NewPeople
) -> None:
    data = new_people(Task.REGRESSION)
    rows, predictor = pd.read_csv(data), load_bundle(bundles[Task.REGRESSION])
    found = evaluate(predictor, data)
    values = predictor.predict(rows)
    assert found.scores["rmse"] == pytest.approx(sk.root_mean_squared_error(rows["y"], values))
    assert found.scores["r2"] == pytest.approx(sk.r2_score(rows["y"], values))
    assert (found.confusion, found.per_class, found.threshold) == (None, (), None)


def test_chunks_and_row_order_change_nothing(bundles: Bundles, new_people: NewPeople) -> None:
    data = new_people(Task.MULTICLASS)
    whole = evaluate(bundles[Task.MULTICLASS], data)
    parts = evaluate(bundles[Task.MULTICLASS], data, options=EvaluateOptions(chunk_rows=10))
    assert parts.scores == whole.scores
    assert parts.interval == whole.interval


def test_threshold_of_the_bundle_makes_the_labels(
    write_people: Callable[..., Path], new_people: NewPeople
) -> None:
    found = evaluate(write_people(Task.BINARY, threshold=0.0), new_people(Task.BINARY))
    assert found.scores["recall"] == 1.0
    assert found.threshold == 0.0


def edit(path: Path, column: str, cells: Mapping[int, object]) -> Path:
    table = pd.read_csv(path, dtype=str)
    for row, cell in cells.items():
        table.loc[row, column] = cell
    table.to_csv(path, index=False)
    return path


def test_rows_without_a_target_are_left_out_and_counted(
    bundles: Bundles, new_people: NewPeople
) -> None:
    data = edit(new_people(Task.BINARY), "y", {0: None, 5: None, 7: "?"})
    found = evaluate(bundles[Task.BINARY], data)
    assert (found.n_rows, found.n_scored, found.n_missing) == (57, 54, 3)
    gone = edit(new_people(Task.BINARY), "y", dict.fromkeys(range(57)))
    with pytest.raises(DataError, match="No row of .* has a target 'y'"):
        evaluate(bundles[Task.BINARY], gone)


def test_unknown_labels_are_named_or_left_out(bundles: Bundles, new_people: NewPeople) -> None:
    data = edit(new_people(Task.BINARY), "y", {3: "maybe", 9: "maybe", 11: "never"})
    with pytest.raises(
        DataError, match=r"'maybe' \(2\), 'never' \(1\) in 3 rows, the first is row 4"
    ):
        evaluate(bundles[Task.BINARY], data)
    found = evaluate(bundles[Task.BINARY], data, options=EvaluateOptions(mode="lenient"))
    assert dict(found.unknown) == {"maybe": 2, "never": 1}
    assert found.n_scored == 54


def test_targets_that_are_no_numbers_are_named(bundles: Bundles, new_people: NewPeople) -> None:
    data = edit(new_people(Task.REGRESSION), "y", {2: "lots"})
    with pytest.raises(DataError, match=r"not finite numbers: 'lots' \(1\) in 1 row, .* row 3"):
        evaluate(bundles[Task.REGRESSION], data)


def test_a_missing_target_column_names_the_closest(bundles: Bundles, tmp_path: Path) -> None:
    data = tmp_path / "new.csv"
    data.write_text("age,city,wage,Y2\n30,Ulm,3000,yes\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"target 'y' is not in the data. Did you mean 'Y2'"):
        evaluate(bundles[Task.BINARY], data)


def test_weights_count(bundles: Bundles, new_people: NewPeople) -> None:
    data = new_people(Task.BINARY)
    table = pd.read_csv(data)
    table["w"] = np.where(table["age"] > 50, 2, 0)
    table.to_csv(data, index=False)
    options = EvaluateOptions(weight_column="w")
    weighted = evaluate(bundles[Task.BINARY], data, options=options)
    table[table["w"] > 0].to_csv(data, index=False)
    assert weighted.scores == pytest.approx(evaluate(bundles[Task.BINARY], data).scores)
    assert weighted.weight_column == "w"


def test_weights_of_training_are_used_where_they_are(
    write_people: Callable[..., Path], new_people: NewPeople
) -> None:
    bundle = write_people(Task.BINARY, config={"weight_column": "age"})
    assert evaluate(bundle, new_people(Task.BINARY)).weight_column == "age"


def test_wrong_weights_are_named(bundles: Bundles, new_people: NewPeople) -> None:
    data = edit(new_people(Task.BINARY), "age", {4: "-1"})
    with pytest.raises(DataError, match="'age' holds '-1' in row 5"):
        evaluate(bundles[Task.BINARY], data, options=EvaluateOptions(weight_column="age"))


def test_chosen_metrics_only(bundles: Bundles, new_people: NewPeople) -> None:
    data = new_people(Task.BINARY)
    found = evaluate(bundles[Task.BINARY], data, options=EvaluateOptions(metrics=("f1", "auc")))
    assert list(found.scores) == ["f1", "roc_auc"]
    assert found.interval is not None
    assert found.interval.metric == "f1"
    with pytest.raises(ConfigError, match="'rmse' is not for binary targets"):
        evaluate(bundles[Task.BINARY], data, options=EvaluateOptions(metrics=("rmse",)))


def test_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    metric, hits = get_metric("mae"), 0
    for seed in range(60):
        y = rng.normal(size=120)
        found = bootstrap_interval(metric, y, np.zeros(120), seed=seed)
        assert found is not None
        hits += found.low <= np.sqrt(2 / np.pi) <= found.high
    assert 50 <= hits <= 60


def test_interval_of_many_rows_is_as_narrow_as_it_should_be() -> None:
    y = np.random.default_rng(0).normal(size=200_000)
    found = bootstrap_interval(get_metric("mae"), y, np.zeros(len(y)))
    assert found is not None
    width = 2 * 1.96 * np.sqrt((1 - 2 / np.pi) / len(y))
    assert (found.high - found.low) == pytest.approx(width, rel=0.25)


def test_no_interval_where_resamples_define_no_score() -> None:
    y = np.zeros(40)
    assert bootstrap_interval(get_metric("roc_auc"), y, np.linspace(0, 1, 40)) is None


@pytest.mark.parametrize(
    ("cells", "classes", "found", "wrong"),
    [
        (["a", "b", "c", None], ("a", "b"), [0, 1, np.nan, np.nan], [0, 0, 1, 0]),
        ([1.0, 2.0], ("1", "2"), [0, 1], [0, 0]),
        (["1.0", "02"], ("1", "2"), [0, 1], [0, 0]),
        (["1"], ("01", "1.0"), [np.nan], [1]),
        ([True, False], ("false", "true"), [1, 0], [0, 0]),
        (["TRUE"], ("false", "true"), [np.nan], [1]),
        (["n/a"], ("a", "b"), [np.nan], [0]),
        (["n/a"], ("a", "n/a"), [1], [0]),
    ],
)
def test_labels(
    cells: list[object], classes: tuple[str, ...], found: list[float], wrong: list[bool]
) -> None:
    index, bad = label_indices(read_cells(pd.Series(cells)), classes)
    assert np.array_equal(index, found, equal_nan=True)
    assert bad.tolist() == [bool(flag) for flag in wrong]


def test_command_as_tables_and_as_json(
    bundles: Bundles, new_people: NewPeople, capfd: pytest.CaptureFixture[str]
) -> None:
    data, bundle = str(new_people(Task.MULTICLASS)), str(bundles[Task.MULTICLASS])
    assert main(["evaluate", bundle, data]) == 0
    shown = capfd.readouterr()
    assert "log_loss" in shown.out
    assert "true \\ predicted" in shown.out
    assert "57 of 57 rows measured" in shown.err
    assert main(["evaluate", bundle, data, "--json", "-q", "-m", "accuracy"]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert list(answer["scores"]) == ["accuracy"]
    assert answer["classes"] == ["1", "2", "3"]
    assert np.sum(answer["confusion_matrix"]) == 57


def test_command_without_the_target_is_exit_2(
    bundles: Bundles, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "new.csv"
    data.write_text("age,city,wage\n30,Ulm,3000\n", encoding="utf-8")
    assert main(["evaluate", str(bundles[Task.BINARY]), str(data)]) == 2
    assert capfd.readouterr().err.startswith("Error: The target 'y' is not in the data.")
