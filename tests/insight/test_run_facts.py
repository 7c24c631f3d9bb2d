"""Facts of the sections that tell of the run: result, data, race, decisions."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path += [str(Path(__file__).parent)]

from made_evidence import binary, regression

from automl.data.schema import Column, Drop, Kind, Schema
from automl.insight import data, decisions, race, result
from automl.insight.record import Record
from automl.metrics._lookup import get_metric
from automl.report.sections import result as section

ORIGINS = {"trials": "command line", "seed": "default", "output": "command line"}


def board(name: str = "lightgbm-1", **facts: Any) -> dict[str, Any]:
    usual = {"rank": 1, "name": name, "engine": "lightgbm", "recipe": "plain", "state": "done"}
    more = {"score": 0.9, "spread": 0.01, "seconds": 2.0, "weight": 1.0, "cause": ""}
    return {**usual, **more, **facts}


def entry(decision: str, *, warning: bool = False, topic: str = "data") -> dict[str, Any]:
    facts = {"topic": topic, "decision": decision, "reason": "because", "seconds": None}
    return {**facts, "warning": warning}


def trial(number: int, score: float, spent: float, state: str = "done") -> dict[str, Any]:
    facts = {"trial": number, "name": f"lightgbm-{number + 1}", "engine": "lightgbm"}
    return {**facts, "state": state, "score": score, "spent": spent, "predict_seconds": 0.5}


def record(**changed: Any) -> Record:
    facts = {
        "task": "binary",
        "target": "y",
        "data": {"name": "t.csv", "n_rows": 100, "digest": "ab" * 32},
        "config": {"trials": 4, "seed": 7, "output": "/home/somebody/model"},
        "origins": ORIGINS,
        "seed": 7,
        "reproducible": True,
        "versions": {"python": "3.11"},
    }
    corrected = {"score": 0.88, "low": 0.85, "high": 0.91, "level": 0.95}
    metrics = {"score": 0.9, "corrected": corrected, "baseline": 0.5, "seconds": 10.0}
    made = Record(
        facts=facts,
        metrics=metrics,
        schema=Schema(()),
        board=[board()],
        ledger=[entry("t.csv: 100 rows")],
        importance=[{"column": "a", "share": 0.7, "by_output": [{"direction": 1.0}]}],
        scored_rows=1000,
    )
    return replace(made, **changed)


# Result


def test_the_corrected_score_is_the_headline() -> None:
    found = result.facts(record(), binary())
    assert (found["score"], found["low"], found["high"]) == (0.88, 0.85, 0.91)
    assert found["as_chosen"] == 0.9
    assert found["drivers"] == [{"column": "a", "share": 0.7, "direction": 1.0}]
    assert "88 of 100 pairs" in found["meaning"][0]
    assert "76% of the way" in found["meaning"][1]
    json.dumps(found, allow_nan=False)


def test_what_lifts_the_headline_is_told_beside_it() -> None:
    metrics = dict(record().metrics)
    metrics["corrected"] |= {"score": 0.91, "averaging": 0.004, "repeats": 0.02, "unseen": 0.89}
    page = section.html(result.facts(record(metrics=metrics), binary()))
    assert "counts +0.004 for the mean of the models" in page
    assert "counts +0.02 because some new rows will repeat known ones" in page
    assert "unlike all known ones expect 0.89" in page
    plain = section.html(result.facts(record(), binary()))
    assert "counts" not in plain


def test_a_leak_is_the_first_warning() -> None:
    lines = [
        entry("3 rows repeat", warning=True),
        entry("Column 'x' is a copy of the target: a leak", warning=True),
        entry("7 columns used"),
    ]
    found = result.facts(record(ledger=lines), binary())
    assert [one["text"][:6] for one in found["warnings"]] == ["Column", "3 rows"]


def test_the_way_to_a_perfect_score_is_never_rounded_up() -> None:
    metrics = {"score": 0.9989, "baseline": 0.5, "corrected": None}
    found = result.facts(record(metrics=metrics), binary())
    assert "99% of the way" in found["meaning"][1]


def test_a_useless_model_is_a_warning() -> None:
    metrics = {"score": 0.505, "baseline": 0.5, "corrected": None}
    found = result.facts(record(metrics=metrics), binary())
    assert "hardly better than the baseline" in found["warnings"][0]["text"]


def test_errors_are_told_in_the_units_of_the_target() -> None:
    metrics = {"score": 2.5, "baseline": 10.0, "corrected": None}
    found = result.facts(record(metrics=metrics), regression())
    assert "off by about 2.5" in found["meaning"][0]
    assert "75% of the way" in found["meaning"][1]


def test_a_measured_score_keeps_the_one_of_training_beside_it() -> None:
    new = result.Measured("new.csv", 50, 0.8, 0.7, 0.9, 0.95)
    found = result.facts(record(), binary(), new)
    assert found["score"] == 0.8
    assert found["run"]["score"] == 0.88
    assert found["measured"] == {"data": "new.csv", "rows": 50}


# Race

AUC = get_metric("roc_auc")


def test_the_best_so_far_follows_the_clock() -> None:
    trials = [trial(0, 0.8, 9.0), trial(1, 0.9, 3.0), trial(2, 0.95, 5.0, "pruned")]
    found = race.facts(record(trials=trials), AUC)
    assert found["points"] == [
        [3.0, 0.9, "lightgbm-2", "lightgbm", True],
        [9.0, 0.8, "lightgbm-1", "lightgbm", False],
    ]
    assert found["board"][0]["predict"] == pytest.approx(500.0)


def test_without_a_clock_candidates_are_counted() -> None:
    trials = [trial(0, 0.8, 9.0), trial(1, 0.9, 3.0)]
    found = race.facts(record(trials=trials, metrics={"seconds": None, "score": 0.9}), AUC)
    assert found["unit"] == "candidates"
    assert [point[0] for point in found["points"]] == [1.0, 2.0]


def scored(scores: list[float]) -> list[list[Any]]:
    return [[float(i + 1), score, "t", "e", True] for i, score in enumerate(scores)]


def test_a_search_that_stands_still_promises_nothing() -> None:
    found = race.expected(scored([0.9] * 20), AUC, 0.01, timed=True)
    assert found is not None
    assert found["likely"] == found["most"] == 0.0


def test_a_search_that_rises_promises_more_but_less_than_all_that_is_left() -> None:
    rising = [0.8 + 0.02 * float(np.log2(i + 1)) for i in range(32)]
    found = race.expected(scored(rising), AUC, 0.01, timed=True)
    assert found is not None
    assert 0 < found["likely"] <= found["most"] <= 0.5 * (1 - rising[-1])


def test_a_loss_is_expected_to_fall() -> None:
    falling = [1.0 / (i + 1) for i in range(16)]
    found = race.expected(scored(falling), get_metric("rmse"), None, timed=False)
    assert found is not None
    assert found["more"] == 16
    assert 0 < found["likely"] <= falling[-1]


def test_few_candidates_promise_nothing() -> None:
    assert race.expected(scored([0.8, 0.9, 0.91]), AUC, None, timed=True) is None


# Data and decisions


def test_no_cell_is_among_the_facts_of_the_data() -> None:
    columns = (
        Column("name", Kind.CATEGORICAL, "text", "", levels=("Ada", "Bob"), counts=(9, 3)),
        Column("wage", Kind.NUMERIC, "number", "", bins=tuple(float(i**2) for i in range(21))),
        Column("id", Kind.NUMERIC, "number", "a running number", drop=Drop.IDENTIFIER),
    )
    evidence = replace(binary(), schema=Schema(columns))
    found = data.facts(record(), evidence)
    text = json.dumps(found, allow_nan=False)
    assert "Ada" not in text
    assert found["dropped"] == [["id", "identifier", "a running number"]]
    shapes = {one["name"]: one["shape"] for one in found["shown"]}
    assert shapes["name"] == [1.0, 0.333]
    assert max(shapes["wage"]) == 1.0
    assert shapes["wage"][0] > shapes["wage"][-1]
    assert sum(n for _, n in found["target"]["classes"]) == len(evidence.y)


def test_a_value_that_most_rows_share_is_a_high_bar() -> None:
    bins = (*[0.0] * 19, 50.0, 100.0)
    column = Column("gain", Kind.NUMERIC, "number", "", bins=bins)
    found = data.facts(record(), replace(binary(), schema=Schema((column,))))
    heights = found["shown"][0]["shape"]
    assert heights[0] == 1.0
    assert max(heights[1:]) < 0.1


def test_decisions_tell_what_was_asked_for_and_no_place() -> None:
    found = decisions.facts(record())
    assert found["settings"] == [["trials", "4", "command line"]]
    assert "somebody" not in json.dumps(found)


def test_numbers_of_a_clock_have_shapes() -> None:
    bins = tuple(1.7e18 + 256.0 * i for i in range(21))
    clock = Column("at", Kind.NUMERIC, "number", "", bins=bins)
    evidence = regression(200)
    evidence = replace(evidence, schema=Schema((clock,)), y=np.array(bins)[np.arange(200) % 21])
    found = data.facts(record(), evidence)
    assert len(found["shown"][0]["shape"]) == 20
    assert sum(found["target"]["counts"]) == 200
    assert found["target"]["edges"] == [bins[0], bins[-1]]
