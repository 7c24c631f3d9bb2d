"""Makes the stored bundle of today's format: every engine, every recipe, every kind of column.

`python tests/bundles/make.py` writes `format-<n>/`, and beside it the rows and what they score.
Run it once per format, when the format is new; what is stored is never written again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from automl import plugins
from automl.data.infer import infer_schema
from automl.data.parse import parse_table
from automl.data.read import read_table
from automl.engines.base import FitSetup
from automl.features.matrix import Matrix
from automl.features.preprocess import Preprocessor
from automl.features.recipes import Fold, fit_recipe, plan_recipes
from automl.model.bundle import MemberFiles, load_bundle, write_bundle
from automl.model.link import Link
from automl.model.manifest import FORMAT
from automl.task import Objective, Task

HERE = Path(__file__).parent
N = 160
# (engine, recipe, weight, params); together they leave nothing of a bundle unwritten.
MEMBERS: tuple[tuple[str, str, float, dict[str, Any]], ...] = (
    ("catboost", "encoded", 0.25, {"depth": 3}),
    ("lightgbm", "plain", 0.25, {"num_leaves": 5}),
    ("linear", "selected", 0.2, {}),
    ("xgboost", "derived", 0.3, {"max_depth": 3}),
)
WORDS = ("red", "green", "blue", "round", "square", "small", "large", "old", "new")


def table(seed: int, n_rows: int) -> pd.DataFrame:
    """Rows with every kind of column; `y` follows from some of them."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": [f"case-{seed}-{i:04d}" for i in range(n_rows)],
            "length": rng.normal(10, 3, n_rows).round(2),
            "width": rng.normal(5, 2, n_rows).round(2),
            "price": [f"{v:,.2f} €" for v in rng.lognormal(7, 1, n_rows)],
            "city": rng.choice(["Ulm", "Köln", "Bonn", "Rome"], n_rows, p=[0.4, 0.3, 0.2, 0.1]),
            "paid": rng.choice(["yes", "no"], n_rows),
            "day": pd.to_datetime("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 700, n_rows), "D"),
            "note": [" ".join(rng.choice(WORDS, 4)) + f" {i}" for i in range(n_rows)],
        }
    )
    frame["day"] = frame["day"].dt.strftime("%d.%m.%Y")
    signal = frame["length"] / frame["width"].clip(lower=1) + 2 * (frame["city"] == "Ulm")
    frame["y"] = np.where(signal + rng.normal(0, 0.5, n_rows) > 3, "big", "little")
    for name in ("length", "city", "day"):
        frame.loc[rng.random(n_rows) < 0.1, name] = None
    return frame


def write(folder: Path) -> None:
    """A bundle that was trained on `table(0, N)`, without chance or clock."""
    with TemporaryDirectory() as saved:
        train = Path(saved) / "train.csv"
        table(0, N).to_csv(train, index=False)
        frame = read_table(train)
        y = (frame.pop("y") == "little").to_numpy(dtype=np.float64)
        schema, parsed = infer_schema(frame)
        preprocessor, matrix = Preprocessor.fit(parsed, schema)
        write_bundle(
            folder,
            facts={
                "task": Task.BINARY,
                "target": "y",
                "classes": ["big", "little"],
                "positive": "little",
                "metric": "roc_auc",
                "seed": 0,
                "config": {"target": "y", "seed": 0},
                "data": {"name": "train.csv", "n_rows": N},
                "versions": {name: version(name) for name, *_ in MEMBERS if name != "linear"},
            },
            schema=schema,
            preprocessor=preprocessor,
            members=list(_members(Path(saved), matrix, y)),
            link=Link("logit", 1.1),
            threshold=0.4,
            extras=_extras(),
        )


def _members(saved: Path, matrix: Matrix, y: np.ndarray) -> Iterator[MemberFiles]:
    plans = plan_recipes(matrix, seed=0)
    setup = FitSetup(Task.BINARY, Objective.LOGISTIC, n_classes=2, max_trees=6, patience=0)
    rows = np.arange(N)
    for engine_name, recipe, weight, params in MEMBERS:
        engine = plugins.load("automl.engines", engine_name, "ENGINE")
        fitted, made = fit_recipe(
            recipe, plans.get(recipe, {}), Fold(matrix, y, None, rows, Task.BINARY, 2, 0)
        )
        booster = engine.fit(
            engine.prepare(made, y, None, setup=setup), rows, None, params=params, setup=setup
        )
        path = saved / f"{engine_name}{engine.suffix}"
        booster.save(path)
        boosters = ((path, None if recipe == "plain" else fitted.to_json()),)
        yield MemberFiles(f"{engine_name}-1", engine_name, recipe, weight, params, boosters)


def _extras() -> dict[str, bytes]:
    board = (
        "rank,name,engine,recipe,state,score,spread,seconds,folds_done,n_folds,weight,params,cause",
        "1,catboost-1,catboost,encoded,done,0.9,,0.1,1,1,0.25,{},",
    )
    decision = {"topic": "task", "decision": "binary: y", "reason": "two values", "seconds": None}
    column = {"column": "city", "importance": 1.5, "share": 0.6}
    scores = {"score": 0.9, "spread": None, "baseline": 0.5, "validation": "k-fold"}
    texts = {
        "leaderboard.csv": "\n".join(board),
        "ledger.jsonl": json.dumps({**decision, "warning": False}),
        "metrics.json": json.dumps(scores),
        "explanations/global.json": json.dumps({"columns": [column]}),
        "run/journal.jsonl": '{"event": "note"}',
    }
    return {name: f"{text}\n".encode() for name, text in texts.items()}


def main() -> None:
    folder = HERE / f"format-{FORMAT}"
    write(folder)
    rows = HERE / f"format-{FORMAT}.rows.csv"
    table(1, 20).to_csv(rows, index=False)
    predictor = load_bundle(folder, trusted=True)
    frame = read_table(rows)
    parsed = parse_table(frame, predictor.schema)
    expected = {
        "margin": predictor.margin(parsed)[:, 0].tolist(),
        "prediction": list(predictor.predict(parsed)),
        "contributions": predictor.explain(frame, parsed).values.tolist(),
    }
    text = json.dumps(expected, indent=0)
    (HERE / f"format-{FORMAT}.expected.json").write_text(text + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    sys.stdout.write(f"{folder}: {size:,} bytes\n")


if __name__ == "__main__":
    main()
