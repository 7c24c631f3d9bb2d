"""The developers' laboratory: generated data sets and the ablation table."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parents[1]
Module = Callable[[str], ModuleType]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Module:
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


# Generated sets


def test_sets_are_what_they_claim_and_the_same_every_time(module: Module, tmp_path: Path) -> None:
    generated = module("generated")
    names = ["tiny", "crosses", "skewed", "vines"]
    words = [word for name in names for word in ("--only", name)]
    for folder in ("a", "b"):
        done = CliRunner().invoke(generated.main, [str(tmp_path / folder), *words])
        assert done.exit_code == 0, done.output
    for one in module("sets").find_sets(tmp_path / "a"):
        train, test = pd.read_csv(one.train), pd.read_csv(one.test)
        assert list(train.columns) == list(test.columns)
        assert train[one.target].notna().all()
        again = tmp_path / "b" / one.name / "train.csv"
        assert one.train.read_bytes() == again.read_bytes()
        if one.name in generated.GENERATED:
            assert len(train) == generated.GENERATED[one.name].n_train
    assert (
        "Unknown: nothing" in CliRunner().invoke(generated.main, ["x", "--only", "nothing"]).output
    )


def test_the_rare_set_is_rare_and_the_wide_one_wide(module: Module) -> None:
    generated = module("generated")
    rng = np.random.default_rng(0)
    assert (generated.rare(rng, 20_000)["fraud"] == "yes").mean() == pytest.approx(0.01, abs=0.003)
    assert generated.wide(rng, 20).shape == (20, 1501)
    assert generated.many_classes(rng, 600)["kind"].nunique() == 30


def test_crossed_categories_say_little_alone(module: Module) -> None:
    table = module("generated").crosses(np.random.default_rng(0), 20_000)
    yes = table["result"] == "yes"
    single = max(yes.groupby(table[f"cat{i}"]).mean().std() for i in range(6))
    pair = yes.groupby([table["cat0"], table["cat1"]]).mean().std()
    assert pair > 3 * single


def test_the_large_table_is_written_in_chunks(
    module: Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated, large = module("generated"), module("large")
    monkeypatch.setattr(large, "CHUNK", 100)
    done = CliRunner().invoke(generated.main, [str(tmp_path), "--large", "--rows", "250"])
    assert done.exit_code == 0, done.output
    train = pd.read_csv(tmp_path / "large" / "train.csv")
    assert train.shape == (250, 31)
    assert len(pd.read_csv(tmp_path / "large" / "test.csv")) == 25
    first = next(large.large_chunks(100, 0, 0))
    assert first["x003"].tolist() == train["x003"][:100].tolist()
    assert not train.iloc[:25].equals(pd.read_csv(tmp_path / "large" / "test.csv"))


# Ablation


def trial(number: int, engine: str, recipe: str, origin: str) -> SimpleNamespace:
    candidate = SimpleNamespace(engine=engine, recipe=recipe, origin=origin)
    return SimpleNamespace(number=number, candidate=candidate)


def test_what_each_ablation_leaves(module: Module) -> None:
    trials = [
        trial(0, "lightgbm", "plain", "portfolio"),
        trial(1, "xgboost", "plain", "hastened"),
        trial(2, "xgboost", "encoded", "optuna"),
        trial(3, "xgboost", "plain", "hastened"),  # asked for by a study, then hastened
    ]
    found = {
        name: [one.number for one in rest] for name, rest in module("ablation").variants(trials)
    }
    assert found == {
        "full race": [0, 1, 2, 3],
        "best single trial": [0, 1, 2, 3],
        "portfolio alone": [0, 1],
        "without recipe encoded": [0, 1, 3],
        "without recipe plain": [2],
        "without engine lightgbm": [1, 2, 3],
        "without engine xgboost": [0],
    }


def test_the_table_says_what_is_lost(module: Module) -> None:
    facts = {"budget": 1.0, "trials": 5, "searched": 2, "seed": 0}
    results = [
        {
            "dataset": "a",
            "metric": "roc_auc",
            "constant": 0.5,
            "scores": {"full race": 0.9, "portfolio alone": 0.88, "without recipe x": None},
            **facts,
        },
        {
            "dataset": "b",
            "metric": "rmse",
            "constant": 5.0,
            "scores": {"full race": 3.0, "portfolio alone": 3.1},
            **facts,
        },
    ]
    text = module("ablation").table(results)
    assert "| portfolio alone | 0.88 | 3.1 | +5.00% (2 sets) |" in text
    assert "| without recipe x |  |  |  |" in text
    assert "a 5 (2), b 5 (2)" in text


def test_a_run_is_measured_once(module: Module, tmp_path: Path) -> None:
    calls: list[str] = []

    def step(one: SimpleNamespace, *, budget: float, seed: int) -> dict[str, object]:
        calls.append(one.name)
        return {"dataset": one.name, "budget": budget, "seed": seed, "scores": {}}

    path = tmp_path / "ablation.jsonl"
    for seed in (0, 0, 1):
        module("ablation").measured(path, SimpleNamespace(name="a"), 2.0, seed, step)
    assert calls == ["a", "a"]
    assert len([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]) == 2


def test_a_real_run_is_taken_apart(module: Module, tmp_path: Path) -> None:
    generated = module("generated")
    generated.write_generated(tmp_path, "tiny", 0)
    (one,) = module("sets").find_sets(tmp_path)
    found = module("ablation").ablate(one, budget=20.0, seed=0)
    scores = found["scores"]
    assert scores["full race"] > found["constant"]
    assert {"best single trial", "portfolio alone"} <= set(scores)
    assert found["trials"] >= found["searched"] >= 0


# Speed of scoring


def test_scoring_is_measured_beside_the_bare_boosters(module: Module) -> None:
    bundles = ROOT / "tests" / "bundles"
    words = [str(bundles / "format-1"), str(bundles / "format-1.rows.csv"), "--rows", "50"]
    done = CliRunner().invoke(module("scoring").main, [*words, "--rounds", "1"])
    assert done.exit_code == 0, done.output
    assert "median ratio:" in done.output
    assert "256 records:" in done.output
