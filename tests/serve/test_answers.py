"""What a service answers: the numbers of `automl predict`, in every form a request may have."""

from __future__ import annotations

import csv
import io
import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from service import Live

import automl

ROWS = Path(__file__).parents[1] / "bundles" / "format-1.rows.csv"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(ROWS, dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def expected(stored: Path) -> list[dict[str, Any]]:
    """Prediction and probabilities of the rows, by the predictor itself."""
    predictor = automl.load(stored)
    proba = predictor.predict_proba(pd.read_csv(ROWS, dtype=str))
    labels = predictor.labels(proba)
    return [
        {"prediction": label, "probabilities": dict(zip(predictor.classes, shares, strict=True))}
        for label, shares in zip(labels, proba.tolist(), strict=True)
    ]


def as_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    numbers = ("length", "width")
    return [
        {
            name: None if cell == "" else float(cell) if name in numbers else cell
            for name, cell in row.items()
        }
        for row in table.to_dict("records")
    ]


def test_records(live: Live, table: pd.DataFrame, expected: list[dict[str, Any]]) -> None:
    found = live.post("/predict", {"records": as_records(table)})
    assert found.status == 200
    assert found.json["predictions"] == expected
    assert found.headers["x-model-id"] == found.json["model"]


def test_columns_texts_and_one_by_one(
    live: Live, table: pd.DataFrame, expected: list[dict[str, Any]]
) -> None:
    columns = {str(name): table[name].tolist() for name in table}
    assert live.post("/predict", {"columns": columns}).json["predictions"] == expected
    with ThreadPoolExecutor(8) as pool:  # these share calls of the model
        found = pool.map(
            lambda record: live.post("/predict", {"records": [record]}).json["predictions"][0],
            as_records(table),
        )
        assert list(found) == expected


def test_csv_in_and_out(live: Live, table: pd.DataFrame, expected: list[dict[str, Any]]) -> None:
    found = live.post("/models/again/predict", ROWS.read_bytes(), "text/csv")
    assert found.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(found.body.decode())))
    assert [row["prediction"] for row in rows] == [row["prediction"] for row in expected]
    assert [float(row["proba_big"]) for row in rows] == [
        row["probabilities"]["big"] for row in expected
    ]
    as_json = live.post("/predict", ROWS.read_bytes(), "text/csv", Accept="application/json")
    assert as_json.json["predictions"] == expected
    back = live.post("/predict", {"records": as_records(table)}, Accept="text/csv")
    assert back.body == found.body


def test_lines_are_answered_line_by_line(
    live: Live, table: pd.DataFrame, expected: list[dict[str, Any]]
) -> None:
    records = as_records(table)
    lines = [json.dumps(record) for record in records]
    lines[1] = '{"length": }'
    lines[3] = json.dumps({**records[3], "length": "long"})
    found = live.post("/predict", "\n".join(lines).encode(), "application/x-ndjson")
    answers = [json.loads(line) for line in found.body.splitlines()]
    assert len(answers) == len(records)
    for i, (answer, right) in enumerate(zip(answers, expected, strict=True)):
        if i not in (1, 3):
            assert answer == right
    assert answers[1]["row"] == 2
    assert "no JSON" in answers[1]["error"]["message"]
    assert answers[3]["error"]["violations"][0] == {
        "row": 4,
        "column": "length",
        "message": "'long' is not a finite number",
    }


def test_an_explanation_adds_up(live: Live, row: dict[str, Any], stored: Path) -> None:
    found = live.post("/explain", {"records": [row]}).json["explanations"][0]
    total = sum(one["contribution"] for one in found["contributions"])
    assert total + found["base_value"] == pytest.approx(found["margin"], abs=1e-5)
    predictor = automl.load(stored)
    frame = pd.DataFrame([{**row, "paid": "yes"}])
    assert found["margin"] == pytest.approx(predictor.margin(frame)[0, 0], abs=1e-12)
    values = {one["column"]: one["value"] for one in found["contributions"]}
    assert values == row


def test_a_curve_is_what_predict_says(live: Live, row: dict[str, Any]) -> None:
    for name, n in (("length", 5), ("city", 3), ("paid", 2), ("day", 7)):
        asked = {"record": row, "column": name, "points": n}
        found = live.post("/curve", asked).json
        records = [{**row, name: point["value"]} for point in found["points"]]
        answers = live.post("/predict", {"records": records}).json["predictions"]
        assert [{"value": r[name], **a} for r, a in zip(records, answers, strict=True)] == found[
            "points"
        ]
        assert len(records) == n
    refused = live.post("/curve", {"record": row, "column": "note"})
    assert refused.status == 422
    assert "no levels" in refused.error["message"]


def test_facts(live: Live) -> None:
    schema = live.get("/schema").json
    assert [column["name"] for column in schema["columns"]] == [
        *("length", "width", "price", "city", "paid", "day", "note")
    ]
    day = next(column for column in schema["columns"] if column["name"] == "day")
    assert (day["minimum"], day["maximum"]) == ("2024-01-09", "2025-11-30")
    assert schema["classes"] == ["big", "little"]
    assert {model["name"] for model in live.get("/models").json["models"]} == {"sizes", "again"}
    assert live.get("/health").json == {"status": "ok"}
    assert live.get("/ready").json == {"ready": True}
    assert live.get("/models/again/schema").headers["x-model-id"] == schema["model"]
    assert b"<!doctype html>" in live.get("/").body
    assert live.get("/models/again").headers["location"] == "/models/again/"
    assert live.get("/card").status == 404  # the stored bundle has none


def test_metrics_count(live: Live, row: dict[str, Any]) -> None:
    def rows() -> float:
        text = live.get("/metrics").body.decode()
        line = next(x for x in text.splitlines() if x.startswith('automl_rows_total{model="again'))
        return float(line.rpartition(" ")[2])

    live.post("/models/again/predict", {"records": [row]})
    before = rows()
    live.post("/models/again/predict", {"records": [row] * 3})
    assert rows() == before + 3


def test_the_document_names_the_columns(live: Live) -> None:
    document = live.get("/openapi.json").json
    record = document["components"]["schemas"]["sizes.Record"]
    assert record["required"] == ["length", "width", "price", "city", "paid", "day", "note"]
    assert "2.81 to 16.01" in record["properties"]["length"]["description"]
    assert "Köln" in record["properties"]["city"]["examples"]
    example = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert live.post("/predict", example["example"]).status == 200
    text = document["paths"]["/predict"]["post"]["requestBody"]["content"]["text/csv"]["example"]
    assert live.post("/predict", text.encode(), "text/csv").status == 200
    curve = document["components"]["schemas"]["sizes.Curve"]["example"]
    assert live.post("/curve", curve).status == 200


def test_reasons_are_the_strongest(live: Live, row: dict[str, Any]) -> None:
    found = live.post("/predict?reasons=3", {"records": [row]}).json["predictions"][0]
    whole = live.post("/explain", {"records": [row]}).json["explanations"][0]
    assert found["reasons"] == whole["contributions"][:3]
    assert all(math.isfinite(one["contribution"]) for one in found["reasons"])
