"""Two bundles side by side: the same rows, the paired interval, the verdict, what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import automl
from automl.cli.main import main
from automl.errors import ConfigError, DataError
from automl.metrics._interval import Predicted, bootstrap_interval, paired_interval
from automl.metrics._lookup import get_metric, metrics_for
from automl.task import Task
from automl.workflows.compare import compare, span_text
from automl.workflows.evaluate import EvaluateOptions, evaluate

Bundles = Mapping[Task, Path]
NewPeople = Callable[..., Path]
WriteBundle = Callable[..., Path]


@pytest.fixture(scope="session")
def poor(write_people: WriteBundle) -> Mapping[Task, Path]:
    """Bundles that have learned much less than `bundles`."""
    return {task: write_people(task, without=("age", "wage")) for task in Task}


# The interval of a difference


def test_what_is_hard_for_both_is_taken_out() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=400) * 10.0
    noise = rng.normal(size=400) * 10.0
    a, b = y + noise, y + 0.95 * noise
    found = paired_interval(get_metric("mae"), y, Predicted(a), Predicted(b))
    assert found.a.low < found.b.score < found.a.high, "each alone could be the other"
    assert found.difference.score == pytest.approx(found.b.score - found.a.score)
    assert found.difference.low < found.difference.score < found.difference.high < 0
    alone = bootstrap_interval(get_metric("mae"), y, a)
    assert alone is not None
    assert (found.a.low, found.a.high) == (alone.low, alone.high)


def test_a_difference_of_nothing_is_rarely_claimed() -> None:
    rng = np.random.default_rng(1)
    claimed = 0
    for seed in range(60):
        y = np.asarray(rng.random(150) < 0.5, dtype=np.float64)
        a, b = (0.5 * y + rng.random(150) for _ in range(2))
        found = paired_interval(
            get_metric("roc_auc"), y, Predicted(a), Predicted(b), seed=seed
        ).difference
        claimed += found.low * found.high > 0
    assert claimed <= 9


def test_of_many_rows_few_are_drawn_and_the_width_is_that_of_all() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=40_000)
    a, b = Predicted(y + rng.normal(size=40_000)), Predicted(y + rng.normal(size=40_000))
    whole = paired_interval(get_metric("mae"), y, a, b).difference
    part = paired_interval(get_metric("mae"), y, a, b, most_rows=2_000).difference
    assert part.high - part.low == pytest.approx(whole.high - whole.low, rel=0.3)


def test_the_largest_error_has_no_interval() -> None:
    """Resamples hold no larger one, so their quantiles say nothing about new rows."""
    y = np.random.default_rng(0).normal(size=100)
    found = paired_interval(get_metric("max_error"), y, Predicted(y + 1), Predicted(y * 0.5))
    assert found.difference.score == pytest.approx(found.b.score - found.a.score)
    assert np.isnan([found.a.low, found.difference.high]).all()


def test_rows_that_define_no_score_give_no_interval() -> None:
    y = np.zeros(30)
    found = paired_interval(get_metric("roc_auc"), y, Predicted(y + 0.1), Predicted(y + 0.2))
    assert np.isnan([found.difference.score, found.difference.low]).all()


# Two bundles


@pytest.mark.parametrize("task", Task)
def test_the_better_one_is_named_whichever_comes_first(
    bundles: Bundles, poor: Bundles, new_people: NewPeople, task: Task
) -> None:
    data = new_people(task, 400)
    found = compare(poor[task], bundles[task], data)
    assert (found.better, found.scores[0].metric) == ("B", evaluate(bundles[task], data).metric)
    assert found.verdict.startswith("B is better by ")
    assert {one.metric for one in found.scores} == {m.name for m in metrics_for(task)}
    for one, bundle in ((found.scores[0].a, poor[task]), (found.scores[0].b, bundles[task])):
        alone = evaluate(bundle, data)
        assert one.score == alone.scores[alone.metric]
        assert alone.interval is not None
        assert (one.low, one.high) == (alone.interval.low, alone.interval.high)
    turned = compare(bundles[task], poor[task], data)
    assert (turned.better, turned.scores[0].difference.score) == (  # type: ignore[union-attr]
        "A",
        -found.scores[0].difference.score,  # type: ignore[union-attr]
    )
    assert found.agreement is not None
    if task.is_classification:
        assert found.agreement.same is not None
        assert found.agreement.same < 1
        assert (found.agreement.b_right or 0) > (found.agreement.a_right or 0)
    assert all(side.rate and side.rate > 0 for side in found.sides)


def test_the_same_model_twice(bundles: Bundles, new_people: NewPeople) -> None:
    bundle = bundles[Task.BINARY]
    found = compare(bundle, bundle, new_people(Task.BINARY))
    assert found.verdict == "A and B predict the same for every row"
    assert found.better is None
    assert found.agreement is not None
    assert (found.agreement.same, found.agreement.distance) == (1.0, 0.0)


def test_few_rows_show_no_difference(
    bundles: Bundles, write_people: WriteBundle, new_people: NewPeople
) -> None:
    near = write_people(Task.BINARY, trees=18)
    found = compare(bundles[Task.BINARY], near, new_people(Task.BINARY))
    assert found.better is None
    assert found.verdict.startswith("no difference that these rows can show: roc_auc of B less")


def test_columns_that_only_one_uses(
    bundles: Bundles, write_people: WriteBundle, new_people: NewPeople
) -> None:
    narrow = write_people(Task.BINARY, without=("city",))
    found = compare(bundles[Task.BINARY], narrow, new_people(Task.BINARY))
    assert found.only == (("city",), ())


@pytest.mark.parametrize(
    ("task", "facts", "told"),
    [
        (Task.REGRESSION, {}, "the task is binary in A, regression in B"),
        (Task.BINARY, {"target": "other"}, "the target is 'y' in A, 'other' in B"),
        (
            Task.BINARY,
            {"classes": ["no", "maybe"]},
            "the classes differ: only A knows 'yes' and only B knows 'maybe'",
        ),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_exit_2(
    bundles: Bundles,
    write_people: WriteBundle,
    capfd: pytest.CaptureFixture[str],
    task: Task,
    facts: dict[str, object],
    told: str,
) -> None:
    other = write_people(task, **facts)
    assert main(["compare", str(bundles[Task.BINARY]), str(other)]) == 2
    error = capfd.readouterr().err.splitlines()
    assert error[0] == f"Error: A and B do not predict the same: {told}."
    assert error[1].startswith("Hint: ")
    assert len(error) == 2


def test_an_error_in_the_rows_names_the_bundle(
    bundles: Bundles, write_people: WriteBundle, new_people: NewPeople
) -> None:
    narrow = write_people(Task.BINARY, without=("city",))
    data = new_people(Task.BINARY)
    table = pd.read_csv(data).drop(columns="city")
    table.to_csv(data, index=False)
    with pytest.raises(DataError, match=r"^B \('.*'\): 1 column is missing .* 'city'"):
        compare(narrow, bundles[Task.BINARY], data)
    lenient = EvaluateOptions(mode="lenient")
    assert compare(narrow, bundles[Task.BINARY], data, options=lenient).n_scored == 57


def test_rows_that_were_learned_are_warned_of(
    write_people: WriteBundle, bundles: Bundles, new_people: NewPeople
) -> None:
    data = new_people(Task.BINARY)
    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    own = write_people(Task.BINARY, data={"name": "x.csv", "n_rows": 57, "digest": digest})
    found = compare(own, bundles[Task.BINARY], data)
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("A was trained on this very table")


def test_different_metrics_are_said_and_one_can_be_chosen(
    bundles: Bundles, write_people: WriteBundle, new_people: NewPeople
) -> None:
    other = write_people(Task.BINARY, metric="log_loss")
    data = new_people(Task.BINARY)
    found = compare(bundles[Task.BINARY], other, data)
    assert [one.metric for one in found.scores[:2]] == ["roc_auc", "log_loss"]
    assert "A was made for roc_auc, B for log_loss" in found.warnings[0]
    options = EvaluateOptions(metrics=("log_loss",))
    chosen = compare(bundles[Task.BINARY], other, data, options=options)
    assert [one.metric for one in chosen.scores] == ["log_loss"]
    assert chosen.warnings == ()


# Without rows


def records(write_people: WriteBundle, **metrics: object) -> Path:
    return write_people(Task.BINARY, record=metrics)


def corrected(score: float, reach: float) -> dict[str, float]:
    return {"score": score, "low": score - reach, "high": score + reach}


@pytest.mark.parametrize(
    ("other", "verdict", "better"),
    [
        (0.9, "B is better by its record: the intervals do not overlap", "B"),
        (0.82, "no difference that their records can show: the intervals overlap", None),
        (None, "no verdict: a score has no interval", None),
    ],
)
def test_records_are_shown_but_not_paired(
    write_people: WriteBundle, other: float | None, verdict: str, better: str | None
) -> None:
    a = records(write_people, score=0.8, corrected=corrected(0.8, 0.02))
    known = None if other is None else corrected(other, 0.02)
    found = compare(a, records(write_people, score=0.8, corrected=known))
    assert (found.verdict, found.better, found.paired) == (verdict, better, False)
    assert "not paired" in found.warnings[0]
    assert found.scores[0].difference is None


def test_records_of_different_tables_give_no_verdict(
    bundles: Bundles, write_people: WriteBundle
) -> None:
    other = write_people(Task.BINARY, data={"name": "b.csv", "n_rows": 9, "digest": "cd" * 32})
    found = compare(bundles[Task.BINARY], other)
    assert found.verdict == "no verdict: their scores are of different rows"
    with pytest.raises(ConfigError, match="--metric needs rows to measure"):
        compare(bundles[Task.BINARY], other, options=EvaluateOptions(metrics=("f1",)))


# The command


def test_command_as_tables_json_and_page(
    bundles: Bundles,
    poor: Bundles,
    new_people: NewPeople,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    data = str(new_people(Task.MULTICLASS, 400))
    args = ["compare", str(poor[Task.MULTICLASS]), str(bundles[Task.MULTICLASS]), data]
    assert main([*args, "--output", str(tmp_path / "c.html")]) == 0
    shown = capfd.readouterr()
    assert "log_loss" in shown.out
    assert "rows/s on one core" in shown.out
    assert "B is better by" in shown.err
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "B is better by" in page
    assert main([*args, "--json", "-q", "-m", "accuracy", "-o", str(tmp_path / "c.json")]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert answer["better"] == "B"
    assert [one["metric"] for one in answer["scores"]] == ["accuracy"]
    written = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert written["scores"] == answer["scores"]


def test_command_without_rows(
    bundles: Bundles, poor: Bundles, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    args = ["compare", str(bundles[Task.BINARY]), str(poor[Task.BINARY])]
    assert main([*args, "-o", str(tmp_path / "c.html")]) == 0
    assert "not paired" in capfd.readouterr().err
    assert main([*args, "-o", str(tmp_path / "c.pdf")]) == 2
    assert "End it in .html" in capfd.readouterr().err
    assert main([*args, "-"]) == 2
    assert "read once" in capfd.readouterr().err


def test_from_python(bundles: Bundles, new_people: NewPeople) -> None:
    bundle = bundles[Task.BINARY]
    assert automl.compare(bundle, bundle, new_people(Task.BINARY)).paired


def test_hostile_names_are_text_in_the_page(bundles: Bundles) -> None:
    from automl.report.compare import compare_page

    found = compare(bundles[Task.BINARY], bundles[Task.BINARY])
    bad = "<script>alert(1)</script>"
    side = replace(found.sides[0], members=(bad,), columns=(bad,), trained_on=bad)
    page = compare_page(replace(found, sides=(side, found.sides[1]), target=bad).to_json())
    assert "<script" not in page
    assert "&lt;script" in page


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((0.00412, 0.00101, 0.00713), "0.0041 (0.0010 to 0.0071)"),
        ((1234.5, 1200.0, 1269.0), "1234 (1200 to 1269)"),
        ((0.0, 0.0, 0.0), "0.000000000000 (0.000000000000 to 0.000000000000)"),
    ],
)
def test_as_many_decimals_as_the_interval_bears(
    ends: tuple[float, float, float], text: str
) -> None:
    assert span_text(*ends) == text
