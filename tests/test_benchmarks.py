"""The benchmark harness, with a command that only pretends to be the tool."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

ROOT = Path(__file__).parents[1]

# `fit` makes a folder, or fails where the target is called "broken"; `predict` says 0.25 or 3.
TOOL = """
import csv, pathlib, sys
word, words = sys.argv[1], sys.argv[2:]
with open(__file__ + ".log", "a") as log:
    log.write(word + "\\n")
out = pathlib.Path(words[words.index("--output") + 1])
if word == "fit":
    if "broken" in words:
        sys.exit("no model for broken")
    out.mkdir()
    (out / "model.txt").write_bytes(b"x" * 500)
else:
    rows = list(csv.DictReader(open(words[1])))
    proba = "--proba" in words
    with open(out, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["prediction", "proba_no", "proba_yes"] if proba else ["prediction"])
        for row in rows:
            p = float(row["x"])
            table.writerow(["no", 1 - p, p] if proba else [3])
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.run")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.uniform(size=40).round(3)
    targets = {
        "flags": ("binary", "y", np.where(x > 0.5, "yes", "no")),
        "sizes": ("regression", "y", 3 + np.where(x > 0.5, 2.0, -2.0)),
    }
    for name, (task, target, y) in targets.items():
        home = tmp_path / "sets" / name
        home.mkdir(parents=True)
        table = pd.DataFrame({"x": x, "level": rng.choice(["a", "b"], 40), target: y})
        table.to_csv(home / "train.csv", index=False)
        table.to_csv(home / "test.csv", index=False)
        meta = {"name": name, "target": target, "task": task}
        (home / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    (tmp_path / "tool.py").write_text(TOOL, encoding="utf-8")
    return tmp_path


def call(run: ModuleType, folder: Path, *words: str) -> Result:
    command = f'"{sys.executable}" "{(folder / "tool.py").as_posix()}"'
    return CliRunner().invoke(
        run.main,
        [
            str(folder / "sets"),
            "--output",
            str(folder / "out.jsonl"),
            "--command",
            command,
            *words,
        ],
    )


def results(folder: Path) -> list[dict[str, object]]:
    lines = (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_scores_sizes_and_table(run: ModuleType, folder: Path) -> None:
    done = call(run, folder, "--budget", "20s")
    assert done.exit_code == 0, done.output
    flags, sizes = results(folder)
    assert (flags["auc"], sizes["rmse"]) == (1.0, 2.0)
    assert flags["bundle_bytes"] == 500
    assert flags["overrun"] == pytest.approx(float(flags["fit_s"]) / 20 - 1)  # type: ignore[arg-type]
    table = (folder / "out.md").read_text(encoding="utf-8")
    assert "| flags | auc | 1 |" in table
    assert "| sizes | rmse | 2 |" in table


def test_a_second_call_goes_on_and_repeats_failures(run: ModuleType, folder: Path) -> None:
    meta = folder / "sets" / "sizes" / "meta.json"
    good = meta.read_text(encoding="utf-8")
    meta.write_text(good.replace('"y"', '"broken"'), encoding="utf-8")
    first = call(run, folder)
    assert "Failed: sizes." in first.stdout
    assert results(folder)[1]["error"] == "fit: no model for broken"
    meta.write_text(good, encoding="utf-8")
    assert "Failed" not in call(run, folder).stdout
    calls = (folder / "tool.py.log").read_text(encoding="utf-8").split()
    assert calls == ["fit", "predict", "fit", "fit", "predict"]
    assert call(run, folder, "--seed", "1").exit_code == 0  # another seed is another run
    assert len((folder / "tool.py.log").read_text(encoding="utf-8").split()) == 9


def test_baseline_and_peers(run: ModuleType, folder: Path) -> None:
    peers = [
        {"system": "a", "dataset": "sizes", "budget": 60.0, "rmse": 1.0},
        {"system": "b", "dataset": "sizes", "budget": 60.0, "rmse": 2.5},
        {"system": "c", "dataset": "sizes", "budget": 60.0, "rmse": 3.0},
        {"system": "a", "dataset": "sizes", "budget": 10.0, "rmse": 0.1},
        {"system": "failed", "dataset": "sizes", "budget": 60.0, "error": "x"},
    ]
    path = folder / "peers.jsonl"
    path.write_text("\n".join(map(json.dumps, peers)), encoding="utf-8")
    done = call(run, folder, "--baseline", "--peers", str(path))
    assert done.exit_code == 0, done.output
    row = next(line for line in done.stdout.splitlines() if line.startswith("| sizes"))
    assert row.endswith("| 2.5 | 1 | 2 of 4 |")
    assert "At or above the median peer on 1 of 1, mean rank 2.00." in done.stdout
    assert "No worse than the baseline on" in done.stdout
    assert {result["system"] for result in results(folder)} == {"automl", "lightgbm-bag"}


def test_unseen_levels_of_the_baseline_are_missing(run: ModuleType) -> None:
    baseline = importlib.import_module("benchmarks.baseline")
    train = pd.DataFrame({"n": [1, 2], "c": ["a", None]})
    test = pd.DataFrame({"c": ["b", "a"], "n": ["x", 5], "more": [0, 0]})
    left, right, categorical = baseline.coded(train, test)
    assert np.array_equal(left, [[1, 0], [2, np.nan]], equal_nan=True)
    assert np.array_equal(right, [[np.nan, np.nan], [5, 0]], equal_nan=True)
    assert categorical == [1]


def test_a_set_that_is_not_there(run: ModuleType, folder: Path) -> None:
    done = call(run, folder, "--only", "nothing")
    assert done.exit_code == 2
    assert "There is no nothing in" in done.output
