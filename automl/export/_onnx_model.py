"""A scoring program as one ONNX model: columns in, label and probabilities or value out.

Notation: n = rows, k = outputs, F = columns with a curve, S = straight pieces of curves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.engines._additive import Curve, Levels
from automl.export._onnx_graph import Graph
from automl.export._onnx_steps import columns_of, takes_text
from automl.export._onnx_trees import Weighted, constants, ensemble
from automl.export.program import Additive, Program
from automl.model.link import Link
from automl.task import Task

Floats = NDArray[np.float64]

LABEL: Final = "label"
PROBABILITIES: Final = "probabilities"
VALUE: Final = "value"


def output_names(program: Program) -> tuple[str, ...]:
    """What the model's outputs are called; a column of that name makes its namesake `label_`."""
    taken = {each.name for each in program.inputs}
    names = (VALUE,) if program.task is Task.REGRESSION else (LABEL, PROBABILITIES)
    found = []
    for name in names:
        while name in taken:
            name += "_"
        taken.add(name)
        found.append(name)
    return tuple(found)


def model_of(program: Program, facts: Mapping[str, str], version: str) -> bytes:
    """The ONNX file of a program. facts: its metadata.  version: of automl."""
    graph = Graph({each.name for each in program.inputs} | set(output_names(program)))
    inputs = [
        graph.input(each.name, str if takes_text(each) else np.float64) for each in program.inputs
    ]
    columns = columns_of(graph, program, inputs)
    margin = _margin(graph, program, columns, _nothing(graph, inputs[0]))
    names = output_names(program)
    if program.task is Task.REGRESSION:
        graph.output(names[0], _values(graph, program.link, margin), np.float64)
    else:
        _classes(graph, program, margin, names)
    return graph.model(facts, ("automl", version))


# --- the margin -------------------------------------------------------------------------------


def _margin(graph: Graph, program: Program, columns: Mapping[int, str], nothing: str) -> str:
    """(rows, k) blended margins: the weighted sums of all trees and effects."""
    k = program.n_outputs
    base, linear = np.zeros(k), _Linear(k)
    alike: dict[tuple[tuple[int, ...], bool], list[Weighted]] = {}
    for member in program.members:
        weight = member.weight / len(member.ensembles)
        for place in member.ensembles:
            model = program.ensembles[place]
            base += weight * np.broadcast_to(model.base, k)
            if isinstance(model, Additive):
                linear.add(model, weight)
                continue
            key = (model.columns, model.narrow)
            booster = Weighted(model.trees, weight, model.below, model.set_is_left)
            alike.setdefault(key, []).append(booster)
    parts = []
    for (features, narrow), trees in alike.items():
        base += constants(trees, k)
        if not any(len(each.trees.feature) for each in trees):
            continue
        values = graph.beside([columns[i] for i in features])
        values = graph.single(values) if narrow else values
        parts.append(ensemble(graph, values, trees, k))
    parts += linear.effects(graph, columns)
    base += linear.start
    total = graph.constant(base.reshape(1, k))
    for part in parts or [nothing]:
        total = graph.op("Add", total, part)
    return total


def _nothing(graph: Graph, cell: str) -> str:
    """(rows, 1) zeros, for a model that says the same of every row."""
    return graph.op("Expand", 0.0, graph.op("Shape", cell))


@dataclass
class _Linear:
    """The effects of all linear models of a blend, added up.

    start: (k,) effects at the first knot of every curve, added up.
    pieces: by column and ends, (k,) rise of a straight piece.
    missing: by column, (k,) what a missing cell adds to the effect at the first knot.
    tables: by column and number of levels, (levels, k) effects, the last one of NaN.
    """

    k: int
    start: Floats = field(init=False)
    pieces: dict[tuple[int, float, float], Floats] = field(default_factory=dict)
    missing: dict[int, Floats] = field(default_factory=dict)
    tables: dict[tuple[int, int], Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start = np.zeros(self.k)

    def add(self, model: Additive, weight: float) -> None:
        for column, effect in model.effects:
            if isinstance(effect, Levels):
                key = column, len(effect.values)
                self.tables[key] = self.tables.get(key, 0.0) + weight * effect.values
            else:
                self._add_curve(column, effect, weight)

    def _add_curve(self, column: int, curve: Curve, weight: float) -> None:
        first = weight * curve.values[0]
        self.start += first
        gone = weight * curve.missing - first
        self.missing[column] = self.missing.get(column, 0.0) + gone
        ends = zip(curve.knots[:-1].tolist(), curve.knots[1:].tolist(), strict=True)
        rises = weight * np.diff(curve.values, axis=0)
        for (low, high), rise in zip(ends, rises, strict=True):
            key = column, low, high
            self.pieces[key] = self.pieces.get(key, 0.0) + rise

    def effects(self, graph: Graph, columns: Mapping[int, str]) -> list[str]:
        """(rows, k) each, beyond `start`."""
        made = [_table(graph, columns[i], table) for (i, _), table in self.tables.items()]
        if self.missing:
            order = list(self.missing)
            cells = graph.beside([columns[i] for i in order])
            gone = graph.op("IsNaN", cells)
            told = graph.op("Where", gone, 0.0, cells)
            places = [order.index(i) for i, _, _ in self.pieces]
            ends = np.array([key[1:] for key in self.pieces]).T
            rises = np.array(list(self.pieces.values())).reshape(-1, self.k)
            absent = np.array([self.missing[i] for i in order]).reshape(-1, self.k)
            told = graph.op("Gather", told, np.array(places), axis=1)
            away = graph.op("Gather", gone, np.array(places), axis=1)
            shares = graph.op("Where", away, 0.0, _shares(graph, told, ends))
            made.append(graph.op("MatMul", shares, rises))
            made.append(graph.op("MatMul", graph.cast(gone, np.float64), absent))
        return made


def _shares(graph: Graph, numbers: str, ends: Floats) -> str:
    """(rows, S) how far numbers are on their way from low to high ends (2, S), 0 to 1."""
    low, high = ends[:, None, :]
    way = graph.op("Div", graph.op("Sub", numbers, low), high - low)
    return graph.op("Clip", way, 0.0, 1.0)


def _table(graph: Graph, column: str, table: Floats) -> str:
    """(rows, k) of a (levels, k) table by code; NaN and codes beyond have the last row."""
    last = float(len(table) - 1)
    beyond = graph.op("Not", graph.op("Less", column, last))  # NaN is less than nothing
    place = graph.cast(graph.op("Where", beyond, last, column), np.int64)
    return graph.op("Gather", table, graph.op("Squeeze", place, np.array([1])))


# --- the link ---------------------------------------------------------------------------------


def _calibrated(graph: Graph, link: Link, margin: str) -> str:
    scaled = margin
    if link.temperature != 1.0:
        scaled = graph.op("Div", scaled, link.temperature)
    if link.intercept:
        scaled = graph.op("Add", scaled, link.intercept)
    if not link.knots:
        return scaled
    at, to = np.array(link.knots).T
    shares = _shares(graph, scaled, np.array([at[:-1], at[1:]]))
    inner = graph.op("Add", graph.op("MatMul", shares, np.diff(to).reshape(-1, 1)), to[0])
    below = graph.op("Min", graph.op("Sub", scaled, at[0]), 0.0)
    above = graph.op("Max", graph.op("Sub", scaled, at[-1]), 0.0)
    return graph.op("Add", inner, graph.op("Add", below, above))


def _classes(graph: Graph, program: Program, margin: str, names: tuple[str, ...]) -> None:
    """Label and probabilities."""
    scaled = _calibrated(graph, program.link, margin)
    classes = np.array(program.classes, dtype=object)
    if program.task is Task.BINARY:
        positive = graph.op("Sigmoid", scaled)
        probabilities = graph.beside([graph.op("Sub", 1.0, positive), positive])
        chosen = graph.op("GreaterOrEqual", positive, program.threshold)
        place = graph.op("Squeeze", graph.cast(chosen, np.int64), np.array([1]))
    else:
        probabilities = graph.op("Softmax", scaled, axis=1)
        place = graph.op("ArgMax", probabilities, axis=1, keepdims=0)
    graph.output(names[0], graph.op("Gather", classes, place), str)
    graph.output(names[1], probabilities, np.float64, len(classes))


def _values(graph: Graph, link: Link, margin: str) -> str:
    """(rows,) target values."""
    if link.transforms:
        shifted = graph.op("Add", margin, np.array([link.shifts or (0.0,)]))
        inverse = _inverse(graph, link, shifted)
        return graph.op("ReduceMean", inverse, np.array([1]), keepdims=0)
    return graph.op("Squeeze", margin, np.array([1]))


def _inverse(graph: Graph, link: Link, margin: str) -> str:
    if link.kind == "log1p":
        return graph.op("Sub", graph.op("Exp", margin), 1.0)
    size = graph.op("Abs", margin)
    curved = [_straightened(graph, size, power) for power in (link.power, 2.0 - link.power)]
    up = graph.op("GreaterOrEqual", margin, 0.0)
    grown = graph.op("Sub", graph.op("Exp", graph.op("Where", up, *curved)), 1.0)
    return graph.op("Mul", graph.op("Sign", margin), grown)


def _straightened(graph: Graph, size: str, power: float) -> str:
    """log(1 + power x size) / power, and for the power 0 its limit, the size."""
    if power == 0.0:
        return size
    grown = graph.op("Add", graph.op("Mul", size, power), 1.0)
    return graph.op("Div", graph.op("Log", grown), power)
