"""`--portable`: only what can be exported is searched, and what it goes without is said before."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import automl
from automl.config import FitConfig
from automl.engines.base import Choice, Int, TableSize
from automl.engines.catboost import ENGINE
from automl.errors import ConfigError
from automl.settings import resolve
from automl.task import Task
from automl.workflows import portable


def shops(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    town = rng.choice([f"town {i}" for i in range(12)], n)
    kind = rng.choice(["a", "b", "c"], n)
    sales = rng.normal(size=n)
    told = sales + (town < "town 3") + 2.0 * (kind == "b")
    note = [" ".join(rng.choice(["good", "bad", "new", "old"], 5)) + f" {i}" for i in range(n)]
    return pd.DataFrame(
        {
            "town": town,
            "kind": kind,
            "sales": sales,
            "note": note,
            "y": np.where(told + rng.normal(size=n) > 1.0, "yes", "no"),
        }
    )


def test_the_preset_sets_the_option() -> None:
    config, origins = resolve({"target": "y", "preset": "portable"}, {}, None)
    assert config.portable
    assert origins["portable"] == "preset portable"


def test_hashes_are_not_portable() -> None:
    with pytest.raises(ConfigError, match="--portable and --hash-pii exclude each other"):
        FitConfig(target="y", portable=True, hash_pii=True)


def test_catboost_does_not_cross_categories() -> None:
    space = ENGINE.space(Task.BINARY, TableSize(1000, 5, 2, 2))
    assert isinstance(space["max_ctr_complexity"], Int)
    found = portable.portable_space("catboost", space)
    assert found["max_ctr_complexity"] == Choice((1,), default=1)
    assert {**found, "max_ctr_complexity": 0} == {**space, "max_ctr_complexity": 0}
    assert portable.portable_space("xgboost", {}) == {}


def test_engines_of_plug_ins_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "lightgbm" in portable.portable_engines(FitConfig(target="y", portable=True))
    foreign = FitConfig(target="y", portable=True, engines=("lightgbm", "other"))
    with pytest.raises(ConfigError, match="'other' of a plug-in cannot be exported"):
        portable.portable_engines(foreign)


def test_a_portable_model_is_exported_and_its_user_was_told(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    result = automl.fit(
        shops(), target="y", preset="portable", engines=("catboost",), trials=3,
        output=str(tmp_path / "model"),
    )  # fmt: skip
    lines = (result.path / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    ledger = [json.loads(line) for line in lines]
    topics = [line["topic"] for line in ledger]
    told = [line["decision"] for line in ledger if line["topic"] == "portable"]
    assert told == [
        "the model can be exported as onnx and as python",
        "catboost counts the rows of single categories, not of crossed ones",
    ]
    assert topics.index("portable") < topics.index("folds")
    exported = automl.export(result.path, "onnx", tmp_path / "onnx")
    assert exported.largest <= 1e-9
