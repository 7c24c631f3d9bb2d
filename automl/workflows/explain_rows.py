"""Explain single rows of a table: reasons, what-if, and the nearest change that flips them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pandas as pd

from automl.data.write import placed, writing
from automl.errors import ConfigError, DataError, did_you_mean
from automl.metrics._quantiles import middle
from automl.model.counterfactual import MOST_CHANGES, Goal, changed, nearest_change
from automl.model.explain import Explanation, cell_texts
from automl.task import Task
from automl.workflows._rows import (
    Chunk,
    Tally,
    cell_reader,
    listed,
    open_predictor,
    picked_rows,
    refuse_inputs,
    tally_of,
)
from automl.workflows.explain import ExplainOptions, check, draw, format_of, joined

if TYPE_CHECKING:
    from automl.model.predictor import Predictor


@dataclass(frozen=True)
class RowOptions:
    """Which rows are explained, and what else is asked of them.

    rows: numbers of rows, 1 = the first.  changes: "column=value" for the what-if.
    counterfactual: look for the nearest change that flips the decision, or reaches `aim`: a label,
    or "LOW:HIGH" for a regression.  keep: columns that this may not change.
    """

    rows: tuple[int, ...]
    changes: tuple[str, ...] = ()
    counterfactual: bool = False
    keep: tuple[str, ...] = ()
    aim: str | None = None
    explain: ExplainOptions = field(default_factory=ExplainOptions)


@dataclass(frozen=True)
class RowsReport:
    """What was said of the rows: `told` as `--format json` writes it, and the files written."""

    told: tuple[Mapping[str, Any], ...]
    output: str | None
    plots: tuple[Path, ...]
    cells: Tally


def explain_rows(
    bundle: Path | str | Predictor,
    data: Path | str,
    output: Path | str | BinaryIO | None,
    *,
    options: RowOptions,
) -> RowsReport:
    """Say of some rows of `data` what moved them, what if, and what would flip them.

    Each is a mapping with `row`, `prediction`, `probability` (of the predicted class, None for a
    regression), `output` that the contributions speak for, `margin`, `base_value`, `reasons` with
    `rest`, and if asked for `what_if` and `counterfactual`. Predictions are those of `predict`,
    also of the changed rows. output: a CSV or JSON file or stream, or None.
    Raises ConfigError for options that do not fit, DataError for rows or columns not there.
    """
    check(options.explain)
    _check(options)
    place = Path(output) if isinstance(output, str) else output
    asked = options.explain
    predictor = open_predictor(bundle, asked.threads, asked.require_digest)
    if isinstance(place, Path):
        refuse_inputs(place, [data, *([bundle] if isinstance(bundle, str | Path) else [])])
    _check_columns(predictor, options)
    tally = tally_of(predictor)
    rows = tuple(dict.fromkeys(options.rows))
    chunks = picked_rows(predictor, data, rows, read=asked.read, mode=asked.mode, tally=tally)
    cells = _new_cells(predictor, options)
    told, explained = [], []
    for chunk in chunks:
        explanation = predictor.explain(chunk.frame, chunk.parsed)
        explained.append(explanation)
        told.append(_told(predictor, chunk, explanation, cells, options))
    if place is not None:
        _write(told, place, asked)
    plots: tuple[Path, ...] = ()
    if asked.plots is not None:
        plots = draw(joined(explained), asked.plots, asked.plot, numbers=rows)
    return RowsReport(tuple(told), str(place) if isinstance(place, Path) else None, plots, tally)


def _told(
    predictor: Predictor,
    chunk: Chunk,
    explanation: Explanation,
    cells: Mapping[str, str | None],
    options: RowOptions,
) -> dict[str, Any]:
    own = 0 if explanation.predicted is None else int(explanation.predicted[0])
    reasons = explanation.top(options.explain.top)
    shown = [
        {
            "column": str(column),
            "value": None if value == "" else str(value),
            "contribution": float(part),
        }
        for column, value, part in zip(
            reasons.columns[0], reasons.values[0], reasons.contributions[0], strict=True
        )
    ]
    total = float(explanation.cube[0, :, own].sum())
    told: dict[str, Any] = {
        "row": chunk.first_row,
        **predicted(predictor, chunk.frame),
        "output": explanation.outputs[own],
        "margin": float(explanation.margin.reshape(1, -1)[0, own]),
        "base_value": float(explanation.base_values.reshape(1, -1)[0, own]),
        "reasons": shown,
        "rest": {
            "columns": len(explanation.columns) - len(shown),
            "contribution": total - sum(float(part) for part in reasons.contributions[0]),
        },
    }
    if cells:
        told["what_if"] = _what_if(predictor, chunk.frame, cells, options)
    if options.counterfactual:
        told["counterfactual"] = _counterfactual(predictor, chunk.frame, explanation, options)
    return told


def predicted(predictor: Predictor, frame: pd.DataFrame) -> dict[str, Any]:
    """What `predict` says of the only row: prediction, and the probability of that class."""
    margin = predictor.margin(frame)
    if predictor.task is Task.REGRESSION:
        values = predictor.link.values(margin)
        told: dict[str, Any] = {"prediction": float(predictor.point(values)[0])}
        if predictor.levels:
            told |= {
                "quantiles": dict(zip(predictor.value_names, values[0].tolist(), strict=True))
            }
        return {**told, "probability": None}
    proba = predictor.link.probabilities(margin)
    label = str(predictor.labels(proba)[0])
    return {
        "prediction": label,
        "probability": float(proba[0, predictor.classes.index(label)]),
        "probabilities": dict(zip(predictor.classes, proba[0].tolist(), strict=True)),
    }


# What if


def _new_cells(predictor: Predictor, options: RowOptions) -> dict[str, str | None]:
    """The cells that `--set` asks for, by column, as they would be read from a file."""
    cells: dict[str, str | None] = {}
    read = cell_reader(predictor, options.explain.read)
    for text in options.changes:
        name, value = _split(text, predictor)
        if name in cells:
            raise ConfigError(f"--set names the column {name!r} twice.")
        cells[name] = read(value)
    return cells


def _split(text: str, predictor: Predictor) -> tuple[str, str]:
    """Column and cell of "column=value"; the column is the longest name that there is."""
    places = [i for i, letter in enumerate(text) if letter == "="]
    if not places:
        raise ConfigError(f"--set {text!r} is not of the form column=value.")
    for i in reversed(places):
        if text[:i] in predictor.columns:
            return text[:i], text[i + 1 :]
    return text[: places[0]], text[places[0] + 1 :]


def _what_if(
    predictor: Predictor,
    frame: pd.DataFrame,
    cells: Mapping[str, str | None],
    options: RowOptions,
) -> dict[str, Any]:
    new = {name: pd.Series([cell], dtype="str") for name, cell in cells.items()}
    table = frame.assign(**new)
    mode = options.explain.mode
    parsed = predictor.parse(table, mode)
    wrong = [text for _, _, text in parsed.bad if text in cells.values()]
    before, after = predictor.margin(frame), predictor.margin(parsed)
    same = predicted(predictor, table)
    return {
        "set": dict(cells),
        **same,
        "margin_change": float(_own(predictor, after) - _own(predictor, before, like=after)),
        "not_understood": wrong,
    }


def _own(predictor: Predictor, margin: Any, like: Any = None) -> float:
    """The margin of the only output, of the class that is predicted (in `like`), or of the middle
    quantile."""
    if predictor.levels:
        return float(margin[0, middle(predictor.levels)])
    if predictor.task is not Task.MULTICLASS:
        return float(margin[0, 0])
    return float(margin[0, int(np.argmax((margin if like is None else like)[0]))])


# The nearest change


def _counterfactual(
    predictor: Predictor, frame: pd.DataFrame, explanation: Explanation, options: RowOptions
) -> dict[str, Any]:
    goal = _goal(predictor, frame, options.aim)
    own = 0 if explanation.predicted is None else int(explanation.predicted[0])
    strength = np.abs(explanation.cube[0, :, own])
    used = predictor.schema.used
    order = [used[int(i)] for i in np.argsort(-strength, kind="stable")]
    if goal.gap(predictor.link.predict(predictor.margin(frame)))[0] <= 0:
        return {"found": False, "changes": [], "why": "the prediction is there already"}
    found = nearest_change(predictor, frame, goal, keep=options.keep, order=order)
    if not found.changes:
        return {
            "found": False,
            "changes": [],
            "why": f"no change of up to {MOST_CHANGES} columns within the training ranges was "
            f"found among {found.n_scored:,} tried",
        }
    table = changed(frame, found.changes)
    return {
        "found": True,
        "changes": [
            {
                "column": change.column,
                "from": _text(frame, change.column),
                "to": _text(table, change.column),
            }
            for change in found.changes
        ],
        **predicted(predictor, table),
        "scored": found.n_scored,
    }


def _text(frame: pd.DataFrame, column: str) -> str | None:
    if column not in frame:
        return None
    text = str(cell_texts(frame[column])[0])
    return None if text == "" else text


def _goal(predictor: Predictor, frame: pd.DataFrame, aim: str | None) -> Goal:
    if predictor.task is Task.REGRESSION:
        if aim is None:
            raise ConfigError(
                "A regression has no decision to flip.", hint="Say what to reach: --aim LOW:HIGH."
            )
        low, high = _range(aim)
        output = middle(predictor.levels) if predictor.levels else 0
        return Goal(predictor.task, low=low, high=high, output=output)
    label = None
    if aim is not None:
        if aim not in predictor.classes:
            raise ConfigError(
                f"--aim {aim!r} is not a class of '{predictor.target}'.",
                hint=did_you_mean(aim, predictor.classes)
                or f"Classes: {', '.join(map(repr, predictor.classes[:8]))}.",
            )
        label = predictor.classes.index(aim)
    now = predictor.classes.index(str(predictor.predict(frame)[0]))
    threshold = 0.5 if predictor.threshold is None else predictor.threshold
    return Goal(predictor.task, threshold, now, label)


def _range(aim: str) -> tuple[float, float]:
    low_text, colon, high_text = aim.partition(":")
    try:
        low = float(low_text) if low_text.strip() else -math.inf
        high = float(high_text) if high_text.strip() else math.inf
    except ValueError:
        colon = ""
        low = high = math.nan
    if not colon or not low <= high:
        raise ConfigError(
            f"--aim {aim!r} is not a range of values.",
            hint="Write LOW:HIGH, such as 100:120, or 100: for 100 and more.",
        )
    return low, high


# Checks and files


def _check(options: RowOptions) -> None:
    if not options.rows:
        raise ConfigError(
            "Which row? --set and --counterfactual need the number of one.",
            hint="Add --row 1 for the first row of the data.",
        )
    for row in options.rows:
        if row < 1:
            raise ConfigError(f"--row is {row}, but rows are counted from 1.")
    if options.explain.importance:
        raise ConfigError("--global and --row exclude each other.")
    if options.explain.rows is not None:
        raise ConfigError("--rows and --row exclude each other.", hint="Repeat --row instead.")
    if (options.keep or options.aim is not None) and not options.counterfactual:
        name = "--keep" if options.keep else "--aim"
        raise ConfigError(f"{name} goes with --counterfactual.")


def _check_columns(predictor: Predictor, options: RowOptions) -> None:
    names = [("--set", _split(text, predictor)[0]) for text in options.changes]
    names += [("--keep", name) for name in options.keep]
    for option, name in names:
        if name not in predictor.columns:
            raise DataError(
                f"{option} names {name!r}, which is not a column that the model uses.",
                hint=did_you_mean(name, list(predictor.columns)) or listed(predictor.columns),
            )


def _write(
    told: Sequence[Mapping[str, Any]], place: Path | BinaryIO, options: ExplainOptions
) -> None:
    if format_of(options, place) == "csv":
        with writing(place, "csv", excel_safe=options.excel_safe) as writer:
            writer.write(_flat(told))
        return
    text = json.dumps(told, ensure_ascii=False, indent=2) + "\n"
    with placed(place) as stream:
        stream.write(text.encode("utf-8"))


def _flat(told: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One line per row; what-if and counterfactual in columns of their own."""
    lines = []
    for one in told:
        names = ("row", "prediction", "margin", "base_value")
        line: dict[str, Any] = {name: one[name] for name in names}
        for i, reason in enumerate(one["reasons"], 1):
            line[f"reason_{i}"] = reason["column"]
            line[f"reason_{i}_value"] = reason["value"]
            line[f"reason_{i}_contribution"] = reason["contribution"]
        if "what_if" in one:
            line["what_if_prediction"] = one["what_if"]["prediction"]
            line["what_if_margin_change"] = one["what_if"]["margin_change"]
        if "counterfactual" in one:
            changes = one["counterfactual"]["changes"]
            line["counterfactual_prediction"] = one["counterfactual"].get("prediction")
            line["counterfactual_changes"] = json.dumps(changes, ensure_ascii=False)
        lines.append(line)
    return pd.DataFrame(lines)
