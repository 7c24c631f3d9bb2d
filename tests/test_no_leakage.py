"""Where there is nothing to learn, nothing is learnt: no score of noise is above chance.

An encoding that sees the row it encodes, a tree count chosen on the rows that it is scored on, or
a validated row among the training rows would all show here first: a category of 2,000 levels
repeats the target nearly row by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import automl
from automl import plugins
from automl.config import FitConfig
from automl.data.folds import Asked, make_folds
from automl.engines.base import TableSize
from automl.features.preprocess import Preprocessor
from automl.features.recipes import plan_recipes
from automl.ledger import Ledger
from automl.metrics._lookup import get_metric
from automl.model.link import Link
from automl.search.baseline import baseline_margins, objective_losses
from automl.search.candidates import Candidate, Candidates
from automl.search.costs import Costs
from automl.search.executors.inline import InlineExecutor
from automl.search.journal import Journal
from automl.search.judge import Record
from automl.search.portfolio import portfolio
from automl.search.race import Race
from automl.search.rules import RaceRules
from automl.search.scoring import Scorer
from automl.search.store import RunData
from automl.search.studies import Studies
from automl.task import Objective, Task
from automl.workflows.training_table import load_training_table

ENGINES = plugins.names("automl.engines")
N_ROWS = 2000
RECIPES = ("plain", "encoded", "derived", "combined")  # "selected" is for wide tables
# The standard deviation of the ROC AUC of chance for so many rows (Mann and Whitney, 1947). Ten
# scores of one configuration tell theirs so badly that of thirty configurations without any leak
# one would be beyond three such errors in a run of three; forty tables tell it.
CHANCE = float(np.sqrt((N_ROWS + 1) / (12 * (N_ROWS / 2) ** 2)))  # 0.0129
FEW_TABLES, MANY_TABLES = 10, 40
KINDS = {"street": "categorical"}


def noise(seed: int, n: int = N_ROWS) -> pd.DataFrame:
    """A category of 2,000 levels, one of five, three numbers, and a target drawn by a coin."""
    rng = np.random.default_rng([seed, n])
    return pd.DataFrame(
        {
            "street": [f"s{i}" for i in rng.integers(0, 2000, n)],
            "kind": rng.choice(list("abcde"), n),
            "count": rng.integers(0, 8, n),
            "size": rng.normal(size=n),
            "price": rng.lognormal(size=n),
            "y": rng.choice(["no", "yes"], n),
        }
    )


def run_data(seed: int) -> RunData:
    """What the workers of a fit on the noise of this seed would share."""
    config = FitConfig(target="y", trials=1, column=KINDS, seed=seed)
    table = load_training_table(noise(seed), config, Ledger())
    _, matrix = Preprocessor.fit(table.parsed, table.schema)
    y = table.target.y
    folds = make_folds(y, Task.BINARY, n_classes=2, n_cells=1, seed=seed, asked=Asked(n_folds=5))
    return RunData(
        matrix=matrix,
        y=y,
        weight=None,
        groups=table.duplicates,
        times=None,
        splits=folds.splits,
        task=Task.BINARY,
        n_classes=2,
        objective=Objective.LOGISTIC,
        quantile=0.5,
        plans=plan_recipes(matrix, seed=seed),
        seed=seed,
        threads=1,
    )


def entries(engines: tuple[str, ...]) -> tuple[Candidate, ...]:
    """The portfolio of tables with a category of many levels, and that of all others."""
    size = TableSize(n_rows=N_ROWS, n_features=6, n_categorical=2, n_classes=2)
    many = portfolio(engines, RECIPES, replace(size, most_levels=2000))
    return (*many, *(c for c in portfolio(engines, RECIPES, size) if c not in many))


def cross_validated(
    data: RunData, candidates: tuple[Candidate, ...], folder: Path
) -> Iterator[float]:
    """The score of each candidate alone, as the race scores it."""
    data.write(folder / "store")
    executor = InlineExecutor()
    executor.open(folder / "store")
    scorer = Scorer(get_metric("roc_auc"), Task.BINARY, Link("logit"), data.y, None, data.splits)
    baseline = objective_losses(data, baseline_margins(data))
    for i, candidate in enumerate(candidates):
        journal = Journal(folder / "journal.jsonl")
        rules = RaceRules(1, lambda: float("inf"), 2000, 40, data.seed, False, baseline)
        studies, ledger = Studies({}, seed=0, baseline_loss=0.7), Ledger()
        race = Race(
            executor,
            scorer,
            rules,
            Candidates([candidate], studies, Costs(1.0), ledger),
            Record(folder / f"trials_{i}", journal, ledger),
        )
        (trial,) = race.run()
        journal.close()
        assert trial.state == "done"
        assert trial.score is not None
        yield trial.score


def auc(y: pd.Series[str], proba: np.ndarray) -> float:
    return get_metric("roc_auc").score((y == "yes").to_numpy(dtype=float), proba)


def test_lightgbm_finds_nothing_in_noise(tmp_path: Path) -> None:
    candidates = entries(("lightgbm",))
    assert {c.recipe for c in candidates} == set(RECIPES)
    scores = np.array(
        [
            list(cross_validated(run_data(seed), candidates, tmp_path / str(seed)))
            for seed in (0, 1)
        ]
    )
    assert np.abs(scores.mean(axis=0) - 0.5).max() < 3 * CHANCE / np.sqrt(2)


@pytest.mark.slow
def test_no_portfolio_configuration_finds_anything_in_noise(tmp_path: Path) -> None:
    candidates = entries(ENGINES)
    scores = np.array(
        [
            list(cross_validated(run_data(seed), candidates, tmp_path / str(seed)))
            for seed in range(MANY_TABLES)
        ]
    )
    few, many = scores[:FEW_TABLES].mean(axis=0), scores.mean(axis=0)
    error = scores.std(axis=0, ddof=1) / np.sqrt(MANY_TABLES)
    told = "\n".join(
        f"{c.engine} {c.recipe} {dict(c.params)}: {f:.4f}, {m:.4f} ± {e:.4f}"
        for c, f, m, e in zip(candidates, few, many, error, strict=True)
    )
    assert (np.abs(few - 0.5) < 3 * CHANCE / np.sqrt(FEW_TABLES)).all(), told
    assert (np.abs(many - 0.5) < 3 * error).all(), told


def test_shipped_model_is_no_better_than_chance_on_fresh_noise(tmp_path: Path) -> None:
    result = automl.fit(
        noise(0),
        target="y",
        engines=("lightgbm",),
        trials=6,
        folds=3,
        column=KINDS,
        in_process=True,
        output=str(tmp_path / "model"),
    )
    fresh = noise(0, 20_000)
    assert 0.48 < auc(fresh["y"], result.predictor.predict_proba(fresh)[:, 1]) < 0.52
    assert 0.45 < result.score < 0.57  # the best of six is a little lucky
    assert result.score_crossfitted is None or 0.45 < result.score_crossfitted < 0.55


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_shipped_blend_of_all_engines_is_no_better_than_chance(seed: int, tmp_path: Path) -> None:
    result = automl.fit(
        noise(seed),
        target="y",
        trials=16,
        seed=seed,
        column=KINDS,
        workers=2,
        output=str(tmp_path / "model"),
    )
    fresh = noise(seed, 20_000)
    assert 0.48 < auc(fresh["y"], result.predictor.predict_proba(fresh)[:, 1]) < 0.52


def test_leak_under_another_name_is_found(tmp_path: Path) -> None:
    table = noise(0).rename(columns={"y": "bought"})
    table.insert(2, "invoice", table["bought"].map({"yes": "sent", "no": "none yet"}))
    result = automl.fit(
        table,
        target="bought",
        engines=("lightgbm",),
        trials=1,
        folds=2,
        in_process=True,
        output=str(tmp_path / "model"),
    )
    (warning,) = [text for text in result.warnings if "copy of the target" in text]
    assert warning.startswith("Column 'invoice' is a copy of the target under another name")
    ledger = (result.path / "ledger.jsonl").read_text(encoding="utf-8")
    assert "--drop invoice" in ledger
