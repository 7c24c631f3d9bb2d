"""A suite of two small sets, and a command that only pretends to be the tool."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

# `fit` makes a folder, or fails where the target is called "broken"; `predict` says x or 3.
TOOL = """
import csv, json, pathlib, sys
word, words = sys.argv[1], sys.argv[2:]
with open(__file__ + ".log", "a") as log:
    log.write(word + "\\n")
out = pathlib.Path(words[words.index("--output") + 1])
if word == "fit":
    if "broken" in words:
        sys.exit("reading\\nError: no model for broken\\nHint: mend it")
    out.mkdir()
    (out / "model.txt").write_bytes(b"x" * 500)
    cpu = {"native_seconds": 3.0, "total_seconds": 4.0}
    (out / "metrics.json").write_text(json.dumps({"cpu": cpu}))
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
def suite(tmp_path: Path) -> Path:
    """Sets `flags` (binary) and `sizes` (regression); both have the column x that says it all."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=40).round(3)
    targets = {
        "flags": ("binary", np.where(x > 0.5, "yes", "no")),
        "sizes": ("regression", 3 + np.where(x > 0.5, 2.0, -2.0)),
    }
    for name, (task, y) in targets.items():
        home = tmp_path / "suite" / name
        home.mkdir(parents=True)
        table = pd.DataFrame({"x": x, "level": rng.choice(["a", "b"], 40), "y": y})
        table.to_csv(home / "train.csv", index=False)
        table.to_csv(home / "test.csv", index=False)
        meta = {"name": name, "target": "y", "task": task}
        (home / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    return tmp_path / "suite"


@pytest.fixture
def tool(tmp_path: Path) -> tuple[str, ...]:
    """The words that run the pretended tool; its calls are in tool.py.log."""
    path = tmp_path / "tool.py"
    path.write_text(TOOL, encoding="utf-8")
    return (sys.executable, str(path))
