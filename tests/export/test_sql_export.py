"""A model as one SQL expression says what the bundle says, in DuckDB and in PostgreSQL."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.errors import ConfigError
from automl.export import sql
from automl.export.base import ExportOptions
from automl.export.check import agreement, differences
from automl.export.rows import drawn_rows, text_cells
from automl.model.link import Link
from automl.task import Task

WORDS = ("from", "to", "title", "text")  # dates and texts, which the format refuses


def written(predictor, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    sql.write(predictor, folder, ExportOptions(folder, "model"))
    return folder


def agreed(predictor, folder: Path, n_rows: int = 150):
    rows = drawn_rows(predictor, n_rows)
    return agreement(
        predictor, sql.FORMAT, written(predictor, folder), [(rows, rows)], rows="some"
    )


@pytest.mark.parametrize(
    ("task", "engine", "recipe"),
    [
        (Task.BINARY, "lightgbm", "derived"),
        (Task.BINARY, "xgboost", "encoded"),
        (Task.REGRESSION, "catboost", "plain"),
        (Task.REGRESSION, "linear", "plain"),
    ],
)
def test_duckdb_says_what_the_bundle_says(make, tmp_path, task, engine, recipe):
    predictor = make(task, engine, recipe, without=WORDS)
    found = agreed(predictor, tmp_path / "out")
    assert found.n_rows == 150
    assert found.largest is not None
    assert found.largest.size < 1e-6


@pytest.mark.parametrize(
    ("task", "link"),
    [
        (Task.BINARY, Link("logit", knots=((-1.0, -2.0), (0.0, 0.1), (2.0, 1.0)))),
        (Task.REGRESSION, Link("yeo-johnson", power=0.4, shifts=(-0.2, 0.3))),
        (Task.REGRESSION, Link("yeo-johnson", power=2.0)),
        (Task.REGRESSION, Link("log1p")),
    ],
)
def test_every_link_is_said(make, tmp_path, task, link):
    predictor = replace(make(task, "lightgbm", without=WORDS), link=link)
    found = agreed(predictor, tmp_path / "out")
    assert found.largest is not None
    assert found.largest.size < 1e-6


def test_cells_beside_a_float32_threshold_go_where_xgboost_sends_them(make, tmp_path):
    predictor = make(Task.BINARY, "xgboost", without=WORDS)
    booster = predictor.members[0].boosters[0].booster
    trees, _ = booster.trees()
    edges = trees.threshold[~trees.is_set].astype(np.float32)
    under = np.nextafter(edges, np.float32(-np.inf)).astype(np.float64)
    middle = (edges.astype(np.float64) + under) / 2
    beside = [edges, under, middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf)]
    values = np.unique(np.concatenate(beside))
    rows = pd.concat([drawn_rows(predictor, 1)] * len(values), ignore_index=True)
    rows["number"] = [repr(float(value)) for value in values]
    found = sql.score(written(predictor, tmp_path / "out"), rows)
    assert max(one.size for one in differences(predictor, rows, found)) < 1e-6


def test_names_and_labels_stay_names_and_labels(make, tmp_path):
    hostile = "a\"; DROP TABLE input; --'"
    predictor = make(Task.BINARY, "lightgbm", without=WORDS)
    columns = tuple(
        replace(c, name=hostile) if c.name == "number" else c for c in predictor.schema.columns
    )
    schema = replace(predictor.schema, columns=columns)
    predictor = replace(predictor, schema=schema, classes=("it's", hostile))
    folder = written(predictor, tmp_path / "out")
    rows = drawn_rows(predictor, 20)
    assert max(one.size for one in differences(predictor, rows, sql.score(folder, rows))) < 1e-6
    labels = _asked(folder, rows, "query.sql")["prediction"]
    assert labels.tolist() == predictor.predict(rows).tolist()


def _asked(folder: Path, rows: pd.DataFrame, name: str) -> pd.DataFrame:
    import duckdb

    facts = json.loads((folder / "columns.json").read_text(encoding="utf-8"))
    with duckdb.connect() as database:
        database.register("input", sql.typed_table(facts, rows))
        found = database.execute((folder / name).read_text(encoding="utf-8")).df()
    return found.sort_values("row0")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"task": Task.MULTICLASS, "without": WORDS}, "3 classes"),
        ({"task": Task.BINARY, "without": WORDS[1:]}, "column 'from' holds dates"),
        ({"task": Task.BINARY, "without": WORDS[:2]}, "column 'te?i?t?l?e?x?t?' holds texts"),
    ],
)
def test_what_sql_cannot_say_is_refused_by_name(make, tmp_path, given, says):
    predictor = make(engine="lightgbm", **given)
    with pytest.raises(ConfigError, match=says) as refused:
        written(predictor, tmp_path)
    assert "python" in str(refused.value.hint)


def test_a_large_model_is_refused_with_its_size(make, tmp_path, monkeypatch):
    monkeypatch.setattr(sql, "MOST_BYTES", 10_000)
    with pytest.raises(
        ConfigError, match=r"'lightgbm-1' has [\d,]+ splits .* more than the 0.01 MB"
    ):
        written(make(Task.BINARY, "lightgbm", without=WORDS), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("initdb") is None, reason="PostgreSQL is not installed")
@pytest.mark.parametrize(("engine", "recipe"), [("lightgbm", "derived"), ("xgboost", "encoded")])
def test_postgresql_says_what_the_bundle_says(make, tmp_path, engine, recipe):
    predictor = make(Task.BINARY, engine, recipe, without=WORDS)
    folder = written(predictor, tmp_path / "out")
    rows = drawn_rows(predictor, 200)
    found = sql.scores_of(
        json.loads((folder / "columns.json").read_text(encoding="utf-8")),
        in_postgresql(folder, rows, tmp_path),
    )
    assert max(one.size for one in differences(predictor, rows, found)) < 1e-6


def in_postgresql(folder: Path, rows: pd.DataFrame, home: Path) -> np.ndarray:
    """What a server of its own says of the expression in value.sql, row by row.

    It runs as the user `postgres` where the tests run as root, which PostgreSQL refuses.
    """
    import os
    import tempfile

    facts = json.loads((folder / "columns.json").read_text(encoding="utf-8"))
    table = sql.typed_table(facts, text_cells(rows))
    base = Path(tempfile.mkdtemp(prefix="pg"))
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(base, "postgres")

    def run(*command: str, **options: object) -> str:
        done = subprocess.run(
            [*as_user, *command], check=True, capture_output=True, text=True, cwd=base, **options
        )
        return done.stdout

    types = {"int64": "bigint", "float64": "double precision"}
    listed = ", ".join(f'"{n}" {types.get(str(t), "text")}' for n, t in table.dtypes.items())
    order = str(table.columns[0])
    script = f"CREATE TABLE input ({listed});\nCOPY input FROM STDIN WITH (FORMAT csv);\n"
    script += table.to_csv(index=False, header=False, float_format="%.17g") + "\\.\n"
    value = (folder / "value.sql").read_text(encoding="utf-8")
    script += f"SET jit = off;\nSELECT {value} FROM input ORDER BY {order};\n"
    run("initdb", "-D", f"{base}/data", "-A", "trust", "--no-sync")
    settings = f"-c listen_addresses='' -c unix_socket_directories={base} -c fsync=off"
    run("pg_ctl", "-D", f"{base}/data", "-w", "-l", f"{base}/log", "-o", settings, "start")
    try:
        psql = ("psql", "-h", str(base), "-d", "postgres", "-Atq", "-v", "ON_ERROR_STOP=1")
        lines = run(*psql, input=script).split()
    finally:
        run("pg_ctl", "-D", f"{base}/data", "-m", "immediate", "stop")
        shutil.rmtree(base, ignore_errors=True)
    return np.array(lines, dtype=np.float64)
