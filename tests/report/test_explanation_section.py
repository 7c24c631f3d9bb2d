from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.data.infer import infer_schema
from automl.data.schema import Kind, ParsedTable
from automl.insight.evidence import Evidence
from automl.insight.explanation import facts
from automl.metrics._lookup import default_metric
from automl.model.cells import cell_frame, cell_numbers
from automl.model.explain import Explanation
from automl.report.sections.explanation import html
from automl.task import Task
from automl.workflows.explain import head

EVIL = "<script>alert(1)</script>\"'>=cmd()\u202e\x1b" + "x" * 10_000


def evidence_of(
    frame: pd.DataFrame, values: np.ndarray, y: np.ndarray, classes: tuple[str, ...] = ()
) -> Evidence:
    """All rows explained by `values`: (n, c), or (n, c, k) for several classes."""
    schema, cells = infer_schema(frame)
    n = len(frame)
    task = Task.REGRESSION if not classes else Task.BINARY
    task = Task.MULTICLASS if len(classes) > 2 else task
    base = np.full((n, len(classes)) if values.ndim == 3 else n, 0.5)
    margin = values.sum(axis=1) + base
    prediction = margin
    if task is Task.BINARY:
        prediction = 1 / (1 + np.exp(-margin))
    elif task is Task.MULTICLASS:
        prediction = np.exp(margin) / np.exp(margin).sum(axis=1, keepdims=True)
    rows = np.arange(n)
    explanation = Explanation(
        values=values,
        base_values=base,
        margin=margin,
        columns=tuple(schema.columns[i].name for i in schema.used),
        data=cell_frame(cells, schema),
        classes=classes,
        numbers=cell_numbers(cells, schema),
        kinds=tuple(schema.columns[i].kind for i in schema.used),
        predicted=margin.argmax(axis=1) if values.ndim == 3 else None,
    )
    return Evidence(
        task=task,
        target="y",
        classes=classes,
        metric=default_metric(task),
        threshold=0.5,
        schema=schema,
        rows=rows,
        y=y.astype(np.float64),
        weight=None,
        prediction=prediction,
        fold=rows % 5,
        sample=rows,
        cells=cells,
        explained=rows,
        explanation=explanation,
    )


def planted(n: int = 1500, seed: int = 0) -> Evidence:
    """`a` works by `switch` only, `b` and `c` by themselves; `idle` not at all."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=["a", "b", "c", "idle"])
    frame["switch"] = rng.choice(["on", "off"], n)
    on = frame["switch"] == "on"
    values = np.zeros((n, 5))
    values[:, 0] = np.where(on, 1.0, -1.0) * frame["a"]
    values[:, 1] = 0.8 * frame["b"] ** 2
    values[:, 2] = -0.5 * frame["c"]
    values[:, 4] = 0.1 * on
    y = values.sum(axis=1) + 0.5 + rng.normal(0, 0.1, n)
    y[17] += 40
    return evidence_of(frame, values, y)


def said(evidence: Evidence) -> tuple[dict[str, Any], str]:
    found = json.loads(json.dumps(facts(evidence), allow_nan=False))
    return found, html(found)


def test_what_was_planted_is_found() -> None:
    found, page = said(planted())
    names = [one["column"] for one in found["columns"]]
    assert names[:3] == ["a", "b", "c"]
    assert names[-1] == "idle"
    assert found["columns"][2]["correlation"] == -1.0
    assert [(pair["a"], pair["b"]) for pair in found["pairs"]] == [("a", "switch")]
    assert found["pairs"][0]["share"] > 0.9
    worst = [one for one in found["rows"] if one["why"] == "worst"]
    assert worst[0]["row"] == 18  # counted from 1
    for one in found["rows"]:
        total = one["base"] + sum(part["contribution"] for part in one["parts"])
        assert total + one["rest"]["contribution"] == pytest.approx(one["margin"])
    assert "Strongest: <b><bdi>a</bdi></b>" in page


def test_chance_makes_no_interaction() -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame(rng.normal(size=(800, 8)), columns=list("abcdefgh"))
        values = np.sin(frame.to_numpy()) + rng.normal(0, 0.2, (800, 8))
        found = facts(evidence_of(frame, values, values.sum(axis=1)))
        assert len(found["pairs"]) <= 1


def test_the_same_evidence_gives_the_same_facts() -> None:
    assert said(planted())[0] == said(planted())[0]


def test_without_explained_rows_there_is_no_section() -> None:
    assert facts(replace(planted(), explanation=None)) == {}


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}


@pytest.mark.parametrize("classes", [(), (EVIL, EVIL + "2"), (EVIL, "b", "c" + EVIL)])
def test_hostile_names_levels_and_labels_are_text(classes: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    n = 200
    frame = pd.DataFrame(
        {EVIL: rng.normal(size=n), EVIL + "2": rng.choice([EVIL, "b", "c"], n)},
    )
    shape = (n, 2, len(classes)) if len(classes) > 2 else (n, 2)
    values = rng.normal(size=shape)
    y = rng.integers(0, max(len(classes), 2), n)
    _, page = said(evidence_of(frame, values, y, classes))
    seen = Seen()
    seen.feed(page)
    assert "script" not in seen.tags
    assert not {name for name in seen.names if name.startswith("on")}
    assert not re.search("[\u202e\x1b]", page)
    assert len(page) < 150_000
    assert "x" * 300 not in page


def test_cells_that_tell_of_persons_and_free_text_are_masked() -> None:
    rng = np.random.default_rng(0)
    n = 300
    frame = pd.DataFrame(
        {
            "mail": [f"person{i % 40}@example.org" for i in range(n)],
            "note": [
                f"met anna nr {i} " + " ".join(rng.choice(list("abcdefg"), 9)) for i in range(n)
            ],
            "age": rng.integers(18, 80, n).astype(float),
        }
    )
    schema, _ = infer_schema(frame)
    assert len(schema.used) == 3
    values = rng.normal(size=(n, 3)) * [5.0, 4.0, 1.0]
    found, page = said(evidence_of(frame, values, values.sum(axis=1)))
    assert "example.org" not in json.dumps(found) + page
    assert "anna" not in json.dumps(found) + page
    assert "•••" in page


def test_a_single_row_is_masked_by_what_training_knew_of_its_column() -> None:
    rng = np.random.default_rng(0)
    people = np.array([f"person{i}@example.org" for i in range(12)])
    frame = pd.DataFrame({"writes": rng.choice(people, 300), "x": rng.normal(size=300)})
    evidence = evidence_of(frame, rng.normal(size=(300, 2)), rng.normal(size=300))
    assert evidence.schema.columns[0].kind is Kind.CATEGORICAL
    explanation, rows = evidence.explanation, np.arange(1)
    assert explanation is not None
    one = replace(
        evidence,
        cells=evidence.cells.take(rows),
        sample=rows,
        explained=rows,
        explanation=head(explanation, 1),
    )
    found, page = said(one)
    assert "example.org" not in json.dumps(found) + page
    assert "•••" in page


@pytest.mark.parametrize(("columns", "classes"), [(500, 1), (60, 40)])
def test_wide_and_many_classes_stay_small_and_fast(columns: int, classes: int) -> None:
    rng = np.random.default_rng(0)
    n = 1000
    frame = pd.DataFrame(
        rng.normal(size=(n, columns)), columns=[f"column {j}" for j in range(columns)]
    )
    labels = tuple(f"class {k}" for k in range(classes)) if classes > 1 else ()
    values = rng.normal(size=(n, columns, classes) if labels else (n, columns))
    evidence = evidence_of(frame, values, rng.integers(0, max(classes, 2), n), labels)
    started = time.process_time()
    found, page = said(evidence)
    assert time.process_time() - started < 3.0
    assert len(page) < 200_000
    assert (found["classes"] is not None) == bool(labels)
    assert found["rest"]["n"] == columns - 20


def test_partial_dependence_asks_for_changed_cells_only() -> None:
    evidence = planted()
    asked = []

    def predict(cells: ParsedTable) -> np.ndarray:
        asked.append(cells.n_rows)
        b = np.asarray(cells.values[1], dtype=np.float64)
        return b**2

    found = facts(replace(evidence, predict=predict))
    plots = {plot["column"]: plot for plot in found["partial"]}
    assert sum(asked) < 5000
    assert plots["b"]["mean"] == pytest.approx(np.square(plots["b"]["x"]), rel=1e-4)
    flat = plots["a"]["mean"]
    assert max(flat) == pytest.approx(min(flat))
    assert "If only one column changed" in html(found)
