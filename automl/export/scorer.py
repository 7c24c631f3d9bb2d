"""Scores rows with a model that automl exported; needs NumPy and nothing else.

    python scorer.py input.csv output.csv [--proba]

    from scorer import Model
    model = Model("the/folder")
    model.predict([{"age": 41, "job": "nurse"}, {"age": None, "job": "clerk"}])

This file, model.json and model.npz belong together. Cells are read as `automl predict` reads
them: a cell that is no number or no date is missing, a level that training did not know is new.

Notation: n = rows, k = outputs (classes for several, else 1).
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automl.export.scorer_cells import Array, Cells, Facts
from automl.export.scorer_files import read_csv
from automl.export.scorer_steps import STEPS
from automl.export.scorer_trees import Axes, Forest

_CODES = 1 << 22  # numbers that are made at a time for the trees to compare


class Model:
    """A model in a folder that `automl export --to python` wrote."""

    def __init__(self, folder: str | Path | None = None) -> None:
        """folder: where model.json and model.npz are; None = beside this file."""
        place = Path(__file__).parent if folder is None else Path(folder)
        self.facts: Facts = json.loads((place / "model.json").read_text(encoding="utf-8"))
        if self.facts.get("format") != 1:
            raise ValueError(f"This scorer cannot read {place / 'model.json'}: another format.")
        with np.load(place / "model.npz", allow_pickle=False) as arrays:
            self._arrays = {name: arrays[name] for name in arrays.files}
        self.names: list[str] = [column["name"] for column in self.facts["inputs"]]
        self.classes: list[str] = self.facts["classes"]
        steps = [self._with_arrays(step) for step in self.facts["steps"]]
        self._steps = [(STEPS[step["kind"]](step), step) for step in steps]
        self._effects = [self._with_arrays(effect) for effect in self.facts["effects"]]
        self._axes = Axes(self.facts["axes"], self._arrays)
        self._forests = [Forest(facts, self._arrays) for facts in self.facts["forests"]]

    def predict(self, records: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The label or the value of each record.

        What a record lacks is a missing cell; ValueError for a column that all of them lack.
        """
        return list(self.predict_columns(_columns(records, self.names))[self.facts["value_name"]])

    def predict_proba(self, records: Sequence[Mapping[str, Any]]) -> Array:
        """(n, n_classes) probabilities in the order of `classes`."""
        return self.probabilities(self.margin(_columns(records, self.names)))

    def predict_columns(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, Array]:
        """By name, what `automl predict --proba` writes. columns: the cells of each, by name."""
        margin = self.margin(columns)
        name = self.facts["value_name"]
        if not self.classes:
            return {name: self.values(margin)}
        proba = self.probabilities(margin)
        if len(self.classes) == 2:
            code = (proba[:, 1] >= self.facts["threshold"]).astype(np.intp)
        else:
            code = proba.argmax(axis=1)
        labels = np.array(self.classes, dtype=object)[code]
        return {name: labels, **{f"proba_{c}": proba[:, j] for j, c in enumerate(self.classes)}}

    def margin(self, columns: Mapping[str, Sequence[Any]]) -> Array:
        """(n, k) raw scores before the link. Raises ValueError for a column that is not there."""
        absent = [name for name in self.names if name not in columns]
        if absent:
            raise ValueError(f"Missing from the data: {', '.join(map(repr, absent))}.")
        cells = [Cells.of(columns[name]) for name in self.names]
        n = cells[0].n
        if any(each.n != n for each in cells):
            raise ValueError("The columns have different numbers of cells.")
        table = np.empty((self.facts["n_columns"], n))
        for make, step in self._steps:
            table[step["out"]] = make(cells[step["input"]] if "input" in step else table)
        margin = np.tile(np.array(self.facts["base"]), (n, 1))
        for effect in self._effects:
            margin += _effect(table[effect["column"]], effect)
        size = max(1, _CODES // max(1, self._axes.n))
        for start in range(0, n if self._forests else 0, size):
            rows = slice(start, start + size)
            codes = self._axes.codes(table[:, rows])
            for forest in self._forests:
                margin[rows] += forest.scores(codes)
        return margin

    def _with_arrays(self, facts: Facts) -> Facts:
        """Facts with the arrays that they name."""
        return {
            name: self._arrays[value["npz"]] if isinstance(value, dict) else value
            for name, value in facts.items()
        }

    def probabilities(self, margin: Array) -> Array:
        """(n, n_classes) calibrated probabilities of margins."""
        link = self.facts["link"]
        scaled = margin / link["temperature"] + link.get("intercept", 0.0)
        if link.get("knots"):
            at, to = np.array(link["knots"]).T
            beyond = np.minimum(scaled - at[0], 0.0) + np.maximum(scaled - at[-1], 0.0)
            scaled = np.interp(scaled, at, to) + beyond
        if link["kind"] == "logit":
            small = np.exp(-np.abs(scaled[:, 0]))
            positive = np.where(scaled[:, 0] >= 0, 1.0, small) / (1.0 + small)
            return np.column_stack([1.0 - positive, positive])
        shifted = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    def values(self, margin: Array) -> Array:
        """(n,) target values of margins."""
        link = self.facts["link"]
        if link["kind"] == "identity":
            return margin[:, 0]
        power = link.get("power") if link["kind"] == "yeo-johnson" else None
        shifts = link.get("shifts") or [0.0]
        return sum(_unbent(margin[:, 0] + shift, power) for shift in shifts) / len(shifts)


def _unbent(margin: Array, power: float | None) -> Array:
    """The inverse of log1p, or of the transform of Yeo and Johnson."""
    if power is None:
        return np.expm1(margin)
    exponent = np.where(margin >= 0, power, 2.0 - power)
    size = np.abs(margin)
    curved = np.log1p(exponent * size) / np.where(exponent == 0, 1.0, exponent)
    return np.sign(margin) * np.expm1(np.where(exponent == 0, size, curved))


def _effect(cells: Array, effect: Facts) -> Array:
    """(n, k) what a column adds in a linear model."""
    values = effect["values"]
    if "knots" not in effect:
        codes = np.nan_to_num(cells, nan=len(values) - 1).astype(np.intp)
        return values[np.minimum(codes, len(values) - 1)]
    made = np.column_stack([np.interp(cells, effect["knots"], column) for column in values.T])
    made[np.isnan(cells)] = effect["missing"]
    return made


def _columns(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    found = {name for record in records for name in record}
    return {name: [r.get(name) for r in records] for name in names if name in found or not records}


def main(arguments: Sequence[str] | None = None) -> int:
    """Score a CSV file into another one; 2 is returned for one that cannot be scored."""
    parser = argparse.ArgumentParser(description="Score a CSV file with the model beside it.")
    parser.add_argument("input", help="CSV file with the columns of the model")
    parser.add_argument("output", help="CSV file to write")
    parser.add_argument("--proba", action="store_true", help="add a probability per class")
    asked = parser.parse_args(arguments)
    try:
        _score_file(Model(), asked.input, asked.output, proba=asked.proba)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _score_file(model: Model, path: str, output: str, *, proba: bool) -> None:
    """OSError if there is such an output; nothing is left of one that cannot be finished."""
    with open(output, "x", encoding="utf-8", newline="") as stream:
        try:
            _write(model, path, csv.writer(stream, lineterminator="\n"), proba=proba)
        except BaseException:
            stream.close()
            Path(output).unlink()
            raise


def _write(model: Model, path: str, writer: Any, *, proba: bool) -> None:
    name, header = model.facts["value_name"], True
    for columns in read_csv(path, model.facts):
        made = model.predict_columns(columns)
        made = made if proba else {name: made[name]}
        if header:
            writer.writerow(made)
        header = False
        writer.writerows(zip(*(column.tolist() for column in made.values()), strict=True))


if __name__ == "__main__":
    sys.exit(main())
