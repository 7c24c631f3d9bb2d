"""`--test-share`: rows that nothing else sees, scored once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import automl
from automl.config import FitConfig
from automl.ledger import Ledger, Silent
from automl.workflows.evaluate import evaluate
from automl.workflows.training_table import TrainingTable, load_training_table


def visits(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=n), "who": rng.integers(0, n // 5, n)})
    table["when"] = rng.permutation(n)
    table["y"] = np.where(table["a"] + rng.normal(size=n) > 0.8, "goes", "stays")
    return table


def loaded(table: pd.DataFrame, **options: object) -> TrainingTable:
    config = FitConfig(target="y", test_share=0.2, **options)  # type: ignore[arg-type]
    return load_training_table(table, config, Ledger(Silent()))


def test_rows_aside_are_no_training_rows_and_have_their_share_of_each_class() -> None:
    table = visits()
    table.loc[:9, "y"] = None
    found = loaded(table)
    assert found.aside is not None
    assert found.n_rows + len(found.aside.frame) == 290
    assert found.target.n_missing == 10
    kept = set(found.parsed.values[0])  # column a: no value is there twice
    assert kept.isdisjoint(found.aside.frame["a"])
    assert set(found.aside.target) == {"goes", "stays"}
    share = (found.aside.target == "goes").mean()
    assert share == pytest.approx((table["y"] == "goes").sum() / 290, abs=0.03)
    assert len(found.aside.frame) == pytest.approx(58, abs=2)


def test_groups_and_copies_stay_together() -> None:
    table = visits()
    found = loaded(table, group_column="who")
    assert found.aside is not None
    aside = set(found.aside.frame["who"])
    trained = table[~table["a"].isin(found.aside.frame["a"])]
    assert aside.isdisjoint(trained["who"])
    assert found.n_rows == len(trained)
    doubled = pd.concat([visits(150)[["a", "y"]]] * 2, ignore_index=True)
    copies = loaded(doubled)
    assert copies.aside is not None
    assert set(copies.parsed.values[0]).isdisjoint(copies.aside.frame["a"])


def test_the_latest_rows_are_kept_aside() -> None:
    found = loaded(visits(), time_column="when")
    assert found.aside is not None
    assert found.times is not None
    assert found.times.max() < found.aside.frame["when"].astype(float).min()


@pytest.mark.parametrize("refit", [False, True])
def test_the_score_is_what_evaluate_says_of_these_rows(tmp_path: Path, refit: bool) -> None:
    table = visits()
    result = automl.fit(
        table,
        target="y",
        engines=("lightgbm",),
        trials=2,
        folds=3,
        refit=refit,
        test_share=0.2,
        in_process=True,
        output=str(tmp_path / "model"),
    )
    aside = loaded(table).aside
    assert aside is not None
    assert result.test is not None
    aside.frame.to_csv(tmp_path / "aside.csv", index=False)
    measured = evaluate(result.path, tmp_path / "aside.csv")
    assert result.test["score"] == pytest.approx(measured.scores[result.metric], rel=1e-9)
    assert result.test["low"] < result.test["score"] < result.test["high"]
    assert result.test["rows"] == result.test["of"] == len(aside.frame)
    assert result.n_rows == len(table) - len(aside.frame)
    assert result.corrected is not None
    metrics = json.loads((result.path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test"] == result.test
