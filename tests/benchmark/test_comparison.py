"""Ranks, wins, normalised scores and intervals; sets and scores; tables and pages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from automl.benchmark.compare import Comparison, compare, paired_interval
from automl.benchmark.page import page
from automl.benchmark.results import Results, read_results
from automl.benchmark.scores import class_scores, constant_score, score_file
from automl.benchmark.sets import DataSet, find_sets
from automl.benchmark.summary import headline, markdown
from automl.errors import ConfigError, DataError
from automl.task import Task

SETS = [
    DataSet("one", "y", Task.BINARY, Path("one")),
    DataSet("two", "y", Task.REGRESSION, Path("two")),
    DataSet("three", "y", Task.MULTICLASS, Path("three")),
]
CONSTANTS = {"one": 0.5, "two": 10.0, "three": 2.0}


def row(system: str, dataset: str, **facts: Any) -> dict[str, Any]:
    return {"system": system, "dataset": dataset, "budget": 60.0, "seed": 0, **facts}


def compared(rows: list[dict[str, Any]], budget: float = 60.0) -> Comparison:
    return compare(SETS, rows, own="automl", budget=budget, constants=CONSTANTS)


ROWS = [
    row("automl", "one", auc=0.9, overrun=0.01),
    row("automl", "two", rmse=4.0, overrun=-0.5),
    row("automl", "three", logloss=0.5),
    row("a", "one", auc=0.8),
    row("a", "two", rmse=4.0),
    row("a", "three", logloss=1.0, overrun=0.25),
    row("b", "one", auc=0.7),
    row("b", "two", rmse=2.0),
    row("b", "three", error="said much\nError: broke\nHint: no"),
]


def test_ranks_wins_and_normalised_scores() -> None:
    found = compared(ROWS)
    one, two, three = found.sets
    assert one.ranks == {"automl": 1.0, "a": 2.0, "b": 3.0}
    assert two.ranks == {"automl": 2.5, "a": 2.5, "b": 1.0}  # the tie shares
    assert three.ranks == {"automl": 1.0, "a": 2.0, "b": 3.0}  # a failure is last
    assert one.normalised == pytest.approx({"automl": 1.0, "a": 0.75, "b": 0.5})
    assert two.normalised == pytest.approx({"automl": 0.75, "a": 0.75, "b": 1.0})
    assert three.normalised == pytest.approx({"automl": 1.0, "a": 2 / 3, "b": 0.0})
    assert [system.name for system in found.systems] == ["automl", "a", "b"]
    mine, a, b = found.systems
    assert mine.mean_rank == 1.5
    assert (mine.overrun, mine.worst_overrun) == pytest.approx((-0.245, 0.01))
    assert a.against is not None
    assert (a.against.wins, a.against.ties, a.against.losses) == (2, 1, 0)
    assert a.against.difference == pytest.approx((0.25 + 0 + 1 / 3) / 3)
    assert a.against.low is not None
    assert a.against.low == pytest.approx(0.0)
    assert b.failed == 1
    assert found.failures == ("b on three: broke",)


def test_seeds_are_averaged_and_a_failed_one_is_the_constant() -> None:
    rows = [row("automl", "two", rmse=4.0), {**row("automl", "two", error="x"), "seed": 1}]
    (table,) = compared(rows).sets
    assert table.scores == {"automl": 7.0}


def test_a_peer_without_this_budget_is_taken_at_the_next_higher_one() -> None:
    rows = [{**ROWS[0], "budget": 20.0}, ROWS[3], {**ROWS[3], "budget": 10.0, "auc": 0.1}]
    found = compared(rows, budget=20.0)
    assert found.sets[0].scores == {"automl": 0.9, "a": 0.8}
    assert [system.budget for system in found.systems] == [20.0, 60.0]
    assert "| a (60 s) |" in markdown([found])


def test_much_worse_than_the_constant_is_cut() -> None:
    found = compared([row("automl", "two", rmse=5.0), row("a", "two", rmse=1e6)])
    assert found.sets[0].normalised == {"automl": 1.0, "a": -1.0}


def test_the_interval_covers_the_mean() -> None:
    assert paired_interval(np.array([0.3])) == (None, None)
    rng = np.random.default_rng(1)
    sample = rng.normal(0.2, 1.0, 400)
    low, high = paired_interval(sample)
    assert low is not None
    assert high is not None
    spread = sample.std() / 20
    assert low == pytest.approx(sample.mean() - 1.96 * spread, abs=0.2 * spread)
    assert high == pytest.approx(sample.mean() + 1.96 * spread, abs=0.2 * spread)


# Scores


def test_scores_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), size=200)
    y = rng.choice(["a", "b", "c"], 200)
    order = ["c", "a", "b"]
    found = class_scores(Task.MULTICLASS, list(y), proba[:, [2, 0, 1]], order)
    expected = metrics.log_loss(y, proba, labels=["a", "b", "c"])
    assert found == {"logloss": pytest.approx(expected)}
    two = proba[:, :2] / proba[:, :2].sum(axis=1, keepdims=True)
    y = rng.choice(["no", "yes"], 200)
    found = class_scores(Task.BINARY, list(y), two, ["no", "yes"])
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(y == "yes", two[:, 1]))
    turned = class_scores(Task.BINARY, list(y), two[:, ::-1], ["yes", "no"])
    assert turned == pytest.approx(found)


def test_an_unseen_class_costs_much_and_is_no_error() -> None:
    found = class_scores(Task.MULTICLASS, ["a", "z"], np.array([[1.0, 0.0]] * 2), ["a", "b"])
    assert found["logloss"] == pytest.approx(-np.log(1e-15) / 2)


def written(folder: Path, target: list[object], predictions: pd.DataFrame, task: Task) -> DataSet:
    table = pd.DataFrame({"x": range(len(target)), "y": target})
    table.to_csv(folder / "train.csv", index=False)
    table.to_csv(folder / "test.csv", index=False)
    predictions.to_csv(folder / "scored.csv", index=False)
    return DataSet("set", "y", task, folder)


@pytest.mark.parametrize("names", [("0", "1"), ("0.0", "1.0")])
def test_spellings_of_a_class_are_one(tmp_path: Path, names: tuple[str, str]) -> None:
    proba = pd.DataFrame({f"proba_{names[0]}": [0.9, 0.2], f"proba_{names[1]}": [0.1, 0.8]})
    one = written(tmp_path, [0, 1], proba, Task.BINARY)
    assert score_file(one, tmp_path / "scored.csv")["auc"] == 1.0


def test_what_cannot_be_scored_is_said(tmp_path: Path) -> None:
    short = pd.DataFrame({"prediction": [1.0]})
    one = written(tmp_path, [1.5, 2.5, 9.0], short, Task.REGRESSION)
    with pytest.raises(DataError, match="1 predictions for 3 rows"):
        score_file(one, tmp_path / "scored.csv")
    one = written(tmp_path, [1.5], pd.DataFrame({"prediction": ["inf"]}), Task.REGRESSION)
    with pytest.raises(DataError, match="missing or infinite"):
        score_file(one, tmp_path / "scored.csv")


def test_the_constant_prediction(tmp_path: Path) -> None:
    one = written(tmp_path, [1.0, 3.0], pd.DataFrame(), Task.REGRESSION)
    assert constant_score(one) == 1.0
    one = written(tmp_path, ["a", "b", "c", "c"], pd.DataFrame(), Task.MULTICLASS)
    assert constant_score(one) == pytest.approx(1.5 * np.log(2))
    assert constant_score(DataSet("set", "y", Task.BINARY, tmp_path)) == 0.5


# Sets and results


def test_a_plain_csv_is_split_once_and_by_class(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    y = ["a"] * 40 + ["b"] * 8 + [""] * 2
    pd.DataFrame({"x": range(50), "y": y}).to_csv(path, index=False)
    for _ in range(2):
        (one,) = find_sets(path, target="y", only=(), splits=tmp_path / "sets")
        assert one.task is Task.BINARY
        train, test = pd.read_csv(one.train), pd.read_csv(one.test)
        assert test["y"].value_counts().to_dict() == {"a": 10, "b": 2}
        assert sorted([*train["x"], *test["x"]]) == list(range(48))
    with pytest.raises(ConfigError, match="target is not known"):
        find_sets(path, target=None, only=(), splits=tmp_path / "sets")
    with pytest.raises(DataError, match="no column 'z'"):
        find_sets(tmp_path, target="z", only=(), splits=tmp_path / "others")
    with pytest.raises(ConfigError, match="no set 'plian'"):
        find_sets(tmp_path, target="y", only=("plian",), splits=tmp_path / "sets")


def test_a_folder_that_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    meta = tmp_path / "a" / "meta.json"
    for text, match in (
        ("{}", "does not describe"),
        ('{"target": "y", "task": "fun"}', "does not describe"),
        ('{"target": "y", "task": "binary"}', "train.csv is missing"),
    ):
        meta.write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=match):
            find_sets(tmp_path, target=None, only=(), splits=tmp_path)


def test_results_survive_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    Results(path).add(row("a", "one", auc=0.5))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"system": "a", "da')
    results = Results(path)
    assert len(results.rows) == 1
    results.add(row("a", "two", rmse=1.0))
    assert len(read_results(path)) == 2
    path.write_text("{}\nnonsense\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1 has no 'system'"):
        read_results(path)


# The page


def test_the_page_shows_everything_as_text() -> None:
    rows = [{**one, "system": one["system"].replace("b", "<script>")} for one in ROWS]
    found = compared(rows)
    text = page([found], "<suite>")
    assert "<script" not in text
    assert "&lt;suite&gt;" in text
    assert text.count("<svg") == 2
    assert not re.search(r"(src|href)=|https?:", text)
    dots = re.findall(r'<circle class="(c\d)', text)
    assert len(dots) == 9 + 2  # of the sets, and of the differences
    assert headline(found) in text.replace("&nbsp;", " ")


def test_a_page_without_peers_has_no_contest() -> None:
    found = compared(ROWS[:3])
    text = page([found], "x")
    assert "<svg" not in text
    assert headline(found) == "automl on 3 data sets at 60 s"
    assert json.loads(json.dumps(found.to_json()))["sets"][0]["scores"] == {"automl": 0.9}
