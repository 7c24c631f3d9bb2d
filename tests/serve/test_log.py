"""The log of requests: what is kept, what is left out, how much of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from service import ROW, living

import automl
from automl.errors import ConfigError
from automl.serve.limits import Limits
from automl.serve.log import LogOptions, personal_columns
from automl.serve.rows import RowReader


def test_requests_are_kept_with_their_answers(
    stored: Path, tmp_path: Path, row: dict[str, Any]
) -> None:
    folder = tmp_path / "log"
    with living(str(stored), log=LogOptions(folder)) as live:
        other = {**row, "city": None, "length": 7}
        answers = live.post("/predict", {"records": [row, other]}).json["predictions"]
        table = "length,width,price,city,paid,day,note\n1,2,3 €,Ulm,no,01.02.2025,a b\n"
        live.post("/predict", table.encode(), "text/csv")
        live.post("/predict", {"records": [{**row, "length": "long"}]})  # refused: not kept
        model = live.get("/schema").json["model"]
    files = list(folder.glob("*/*"))
    assert [file.parent.name for file in files] == [stored.name]
    kept = pq.read_table(files[0]).to_pylist()
    assert len(kept) == 3
    assert {row["_model"] for row in kept} == {model}
    assert kept[0] | {"_time": None} == {
        **{name: str(cell) for name, cell in row.items()},
        "_time": None,
        "_model": model,
        "_prediction": answers[0]["prediction"],
        "_proba_big": answers[0]["probabilities"]["big"],
        "_proba_little": answers[0]["probabilities"]["little"],
    }
    assert (kept[1]["city"], kept[1]["length"]) == (None, "7")
    assert (kept[2]["price"], kept[2]["day"]) == ("3 €", "01.02.2025")


def test_a_sample_and_a_bounded_folder(stored: Path, tmp_path: Path) -> None:
    options = LogOptions(tmp_path / "log", sample=0.2, max_mb=1, rows=1, seconds=0.05)
    with living(str(stored), log=options, limits=Limits(max_rows=50_000)) as live:
        for _ in range(60):
            live.post("/predict", {"records": [ROW]})
        text = live.get("/metrics").body.decode()
    kept = sum(pq.read_table(file).num_rows for file in (tmp_path / "log").glob("*/*.parquet"))
    assert 0 < kept < 40
    assert "automl_log_dropped_rows_total{" not in text


def test_personal_columns_are_left_out(stored: Path) -> None:
    predictor = automl.load(stored)
    columns = RowReader(predictor.schema, predictor.target, frozenset()).columns
    assert personal_columns(columns) == frozenset()
    city = next(column for column in columns if column.name == "city")
    mails = tuple(f"name{i}.other@example.com" for i in range(30))
    named = [
        replace(city, name="contact", levels=mails, counts=(1,) * 30),
        replace(city, name="hashed", hash_key="0" * 64),
        city,
    ]
    assert personal_columns(named) == {"contact", "hashed"}


@pytest.mark.parametrize("wrong", [{"sample": 0.0}, {"sample": 1.1}, {"max_mb": 0}])
def test_wrong_options(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="--log-"):
        LogOptions(tmp_path, **wrong)
