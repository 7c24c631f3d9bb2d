"""Slices in which predictions are bad: a planted one is found and named, else there is none."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from evidences import make_evidence, people

from automl.insight import wrong
from automl.report.sections.wrong import html
from automl.task import Task


def coin(seed: int, n: int = 2500) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """A table, labels, and the probabilities that they were drawn by."""
    rng = np.random.default_rng(1000 + seed)
    proba = rng.beta(2, 2, n)
    return people(n, seed), (rng.random(n) < proba).astype(float), proba


def slices(facts: dict) -> list[str]:
    return [" and ".join(sorted(one["conditions"])) for one in facts["slices"]["found"]]


def test_a_planted_slice_is_found_and_named() -> None:
    found = 0
    for seed in range(6):
        frame, y, proba = coin(seed)
        bad = ((frame["age"] > 60) & (frame["job"] == "clerk")).to_numpy()
        y = np.where(bad, 1.0 - y, y)
        facts = wrong.facts(make_evidence(frame, y, proba))
        assert len(slices(facts)) <= 2
        if slices(facts):
            one = facts["slices"]["found"][0]
            assert "job = clerk" in one["conditions"]
            age = next(text for text in one["conditions"] if text.startswith("age > "))
            found += 57 <= int(age.removeprefix("age > ")) <= 63
    assert found >= 5


def test_a_planted_slice_of_levels_dates_and_missing_cells_reads_well() -> None:
    frame, y, proba = coin(1)
    late = (frame["since"] > "2022-01-01").to_numpy()
    facts = wrong.facts(make_evidence(frame, np.where(late, 1 - y, y), proba))
    assert (
        slices(facts)[0].startswith("since > 2021-12-") or "since > 2022-01-" in slices(facts)[0]
    )
    gone = frame["hours"].isna().to_numpy()
    facts = wrong.facts(make_evidence(frame, np.where(gone, 1 - y, y), proba))
    assert "hours is missing" in slices(facts)[0]
    two = frame["job"].isin(["cook", "smith"]).to_numpy()
    facts = wrong.facts(make_evidence(frame, np.where(two, 1 - y, y), proba))
    assert slices(facts)[0] in ("job is one of cook, smith", "job is one of smith, cook")


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_clean_table_has_no_bad_slice(kind: str) -> None:
    alarms = 0
    for seed in range(20):
        frame, y, proba = coin(seed, n=1500)
        evidence = make_evidence(frame, y, proba)
        if kind == "numbers":
            noise = np.random.default_rng(seed).standard_t(3, len(y))
            evidence = make_evidence(frame, proba + noise, proba, task=Task.REGRESSION)
        alarms += bool(slices(wrong.facts(evidence)))
    assert alarms <= 2


def test_figures_come_from_the_rows_that_did_not_find_the_slice() -> None:
    frame, y, proba = coin(2)
    bad = (frame["job"] == "clerk").to_numpy()
    y = np.where(bad, 1.0 - y, y)
    facts = wrong.facts(make_evidence(frame, y, proba))
    one = facts["slices"]["found"][0]
    assert one["conditions"] == ["job = clerk"]
    losses = -np.log(np.where(y > 0.5, proba, 1 - proba))
    known = np.zeros(len(y), dtype=bool)
    known[np.random.default_rng(0).permutation(len(y))[: len(y) // 2]] = True
    assert one["rows"] == int((bad & ~known).sum())
    assert one["loss"][0] == pytest.approx(losses[bad & ~known].mean())
    assert one["loss"][1] < one["loss"][0] < one["loss"][2]
    assert one["times"] == pytest.approx(one["loss"][0] / losses[~known].mean())
    assert one["actual"] == pytest.approx(y[bad & ~known].mean())


def test_personal_columns_name_no_slice() -> None:
    frame, y, proba = coin(3)
    codes = np.arange(len(y)) % 8
    frame["email"] = [f"person{i}@example.org" for i in codes]
    facts = wrong.facts(make_evidence(frame, np.where(codes == 0, 1 - y, y), proba))
    assert not any("example.org" in text for text in slices(facts))


def test_rows_are_told_by_number_only() -> None:
    frame, y, proba = coin(4)
    rows = np.arange(len(y)) * 2
    facts = wrong.facts(make_evidence(frame, y, proba, rows=rows))
    losses = -np.log(np.where(y > 0.5, proba, 1 - proba))
    worst = facts["worst"][0]
    assert worst["row"] == 2 * int(losses.argmax()) + 1
    assert set(worst) == {"row", "loss", "actual", "predicted", "probability"}


def test_several_classes_and_few_rows() -> None:
    rng = np.random.default_rng(0)
    proba = rng.dirichlet([1, 1, 1], 1000)
    y = np.array([rng.choice(3, p=p) for p in proba], dtype=float)
    names = ("a", "b", "c")
    evidence = make_evidence(people(1000, 0), y, proba, task=Task.MULTICLASS, classes=names)
    facts = wrong.facts(evidence)
    assert facts["worst"][0]["actual"] in names
    few = make_evidence(people(12, 0), y[:12] % 2, proba[:12, 0])
    assert slices(wrong.facts(few)) == []
    for one in (facts, wrong.facts(few)):
        assert "Rows with the highest loss" in html(json.loads(json.dumps(one, allow_nan=False)))


def test_the_page_shows_hostile_names_as_text() -> None:
    frame, y, proba = coin(5)
    bad = (frame["job"] == "clerk").to_numpy()
    frame = frame.replace({"job": {"clerk": "<script>alert(1)</script>"}})
    frame = frame.rename(columns={"job": '<img src=x onerror="1">'})
    facts = wrong.facts(make_evidence(frame, np.where(bad, 1 - y, y), proba))
    page = html(facts)
    assert "&lt;script&gt;" in page
    assert "&lt;img" in page
    assert "<script" not in page
    assert "<img" not in page
