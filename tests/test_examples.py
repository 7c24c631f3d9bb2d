"""The example scripts run, on the tables that make_data.py writes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
# A score on the held-back rows that only a broken model misses.
SCRIPTS = {
    "train_binary": lambda auc: auc > 0.95,
    "train_multiclass": lambda log_loss: log_loss < 0.5,
    "train_regression": lambda rmse: rmse < 68,
}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_are_those_that_the_script_writes(tmp_path: Path) -> None:
    for path in script("make_data").main(tmp_path):
        assert path.read_bytes() == (EXAMPLES / path.name).read_bytes()


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"time_budget": None, "trials": 1, "folds": 2, "in_process": True}
    score = script(name).main(output=str(tmp_path / "model"), **settings)
    assert SCRIPTS[name](score), score
    assert "cross-validated" in capsys.readouterr().out


def test_every_script_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("train_*.py")} == set(SCRIPTS)
