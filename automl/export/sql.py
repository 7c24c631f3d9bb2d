"""A model as one SQL expression for PostgreSQL and DuckDB, where it stays small enough."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from automl.data.cells import read_cells
from automl.data.numbers import parse_number_cells
from automl.data.schema import Kind
from automl.engines._additive import Levels
from automl.errors import ConfigError
from automl.export._sql_steps import made, needs, refuse_unguarded
from automl.export._sql_text import number, string, total, trees
from automl.export.base import ExportFormat, ExportOptions, Floats, Scores
from automl.export.program import Additive, Forest, Program, Step
from automl.export.program_build import program_of
from automl.model.jsonfile import json_bytes
from automl.model.link import Link
from automl.model.predictor import Predictor
from automl.task import Task

MOST_BYTES: Final = 1_000_000
_LEAST_SPLIT: Final = 20  # bytes of the shortest split with its leaf: what is surely too large
_VALUE, _LABEL, _COLUMNS, _QUERY = "value.sql", "label.sql", "columns.json", "query.sql"
_CLOSED: Final[dict[str, Any]] = {
    "threads": 1,
    "enable_external_access": False,
}  # of DuckDB: no file, no net
_LARGEST_EXPONENT: Final = 700.0
_NOTE: Final = (
    "The tables' columns need the names of the training table, numbers as numbers. PostgreSQL "
    "scores faster with `SET jit = off`."
)


def write(predictor: Predictor, folder: Path, options: ExportOptions) -> list[str]:
    """Write `value.sql`, one expression, for a classification also `label.sql`, and `query.sql`.

    Raises ConfigError for several classes, dates, texts, and for models that are too large.
    """
    if predictor.task is Task.MULTICLASS:
        raise ConfigError(
            f"A model of {len(predictor.classes)} classes has a score for each of them, and the "
            "format sql is one expression.",
            hint="Export to python or onnx.",
        )
    program = program_of(predictor)
    _refuse_large(program, sum(_n_splits(one) for one in program.ensembles) * _LEAST_SPLIT)
    refuse_unguarded(program)
    value = value_expression(program)
    _refuse_large(program, len(value.encode()))
    texts = {_VALUE: value}
    if predictor.task is Task.BINARY:
        texts[_LABEL] = _label(program, value)
    texts[_QUERY] = "SELECT input.*,\n" + ",\n".join(
        f"{text} AS {name}" for text, name in zip(texts.values(), _names(program), strict=True)
    )
    texts[_QUERY] += "\nFROM input\n"
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    (folder / _COLUMNS).write_bytes(json_bytes(_columns(predictor), indent=1))
    return [_NOTE]


def value_expression(program: Program) -> str:
    """The value, or the probability of the second class, in terms of the table's columns.

    It is a scalar subquery without a table: layer by layer, columns that the model works on.
    """
    prefix = _free_prefix(program)
    layers, last = _layers(program, prefix)
    query = ""
    for layer in layers:
        listed = ", ".join(f"{text} AS {prefix}{out}" for out, text in layer.items())
        query = f"(SELECT {listed}{_below(query, prefix)})"
    margin = f"(SELECT {_margin(program, last)} AS {prefix}m{_below(query, prefix)})"
    steps = _linked(program.link, f"{prefix}m", f"{prefix}c")
    for text, alias in steps[:-1]:
        margin = f"(SELECT {text} AS {alias}{_below(margin, prefix)})"
    return f"(SELECT {steps[-1][0]}{_below(margin, prefix)})\n"


def score(folder: Path, frame: pd.DataFrame) -> Scores:
    """The scores of DuckDB."""
    try:
        import duckdb
    except ImportError:
        raise ConfigError(
            "DuckDB, which verifies the format sql, is not installed.",
            hint="pip install 'automl[sql]'",
        ) from None
    facts = json.loads((folder / _COLUMNS).read_text(encoding="utf-8"))
    table = typed_table(facts, frame)
    value = (folder / _VALUE).read_text(encoding="utf-8")
    with duckdb.connect(config=_CLOSED) as database:
        database.register("rows", table)
        database.execute("CREATE TABLE input AS SELECT * FROM rows")
        found = database.execute(f"SELECT {value} FROM input ORDER BY input.{_order(table)}")
        values = np.asarray(found.fetchnumpy()[found.description[0][0]], dtype=np.float64)
    return scores_of(facts, values)


def scores_of(facts: dict[str, Any], values: Floats) -> Scores:
    """(n,) values of the expression as scores."""
    classes = facts["classes"]
    if not classes:
        return Scores(values=values)
    labels = np.asarray(classes, dtype=object)[(values >= facts["threshold"]).astype(np.intp)]
    return Scores(labels, np.column_stack([1.0 - values, values]))


def typed_table(facts: dict[str, Any], frame: pd.DataFrame) -> pd.DataFrame:
    """Text cells as a database has them: numbers as float64, all other columns as text.

    The first column numbers the rows.
    """
    table: dict[str, Any] = {"": np.arange(len(frame))}
    for name, column in facts["columns"].items():
        cells = frame[name]
        if column["kind"] == Kind.NUMERIC:
            cells = pd.Series(parse_number_cells(read_cells(cells), column["formats"])[0])
        table[name] = cells.reset_index(drop=True)
    taken = set(facts["columns"])
    row = next(f"row{k}" for k in range(len(taken) + 1) if f"row{k}" not in taken)
    return pd.DataFrame(table).rename(columns={"": row})


def _order(table: pd.DataFrame) -> str:
    return str(table.columns[0])


def _columns(predictor: Predictor) -> dict[str, Any]:
    """What `score` needs to know of the columns."""
    used = [predictor.schema.columns[i] for i in predictor.schema.used]
    return {
        "classes": list(predictor.classes),
        "threshold": 0.5 if predictor.threshold is None else predictor.threshold,
        "columns": {
            column.name: {"kind": str(column.kind), "formats": dict(column.formats)}
            for column in used
        },
    }


def _names(program: Program) -> Sequence[str]:
    if program.task is Task.BINARY:
        return ("probability", "prediction")
    return ("prediction",)


def _n_splits(ensemble: Forest | Additive) -> int:
    return len(ensemble.trees.feature) if isinstance(ensemble, Forest) else 0


def _refuse_large(program: Program, n_bytes: int) -> None:
    if n_bytes <= MOST_BYTES:
        return
    n_splits = sum(map(_n_splits, program.ensembles))
    members = " + ".join(f"'{member.name}'" for member in program.members)
    raise ConfigError(
        f"The model {members} has {n_splits:,} splits in {len(program.ensembles)} boosters; as "
        f"SQL that takes at least {n_bytes / 1e6:,.1f} MB, more than the {MOST_BYTES / 1e6:g} MB "
        "that databases parse in reasonable time.",
        hint="Fit with --single --refit or --max-trees N, or export to python or onnx.",
    )


def _free_prefix(program: Program) -> str:
    """A beginning of names that no column of the table has."""
    names = [given.name.lower() for given in program.inputs]
    prefix = "m_"
    while any(name.startswith(prefix) for name in names):
        prefix = f"m{prefix}"
    return prefix


def _below(query: str, prefix: str) -> str:
    """FROM the layer below. OFFSET 0 keeps databases from copying its columns into each use."""
    return f"\nFROM {query} AS {prefix}t OFFSET 0" if query else ""


def _layers(program: Program, prefix: str) -> tuple[list[dict[int, str]], dict[int, str]]:
    """Columns by layer, each made from those of the layer below; and the names in the last."""
    depth: dict[int, int] = {}
    rows: list[list[Step]] = []
    for step in program.steps:
        level = max((depth[place] + 1 for place in needs(step)), default=0)
        rows += [[] for _ in range(level + 1 - len(rows))]
        rows[level].append(step)
        depth |= dict.fromkeys(_outs(step), level)
    wanted = [set().union(*(_reads(one) for one in program.ensembles))]
    for level in range(len(rows) - 1, 0, -1):  # what a layer hands on from below
        read = {place for step in rows[level] for place in needs(step)}
        passed = {place for place in wanted[0] if depth[place] < level}
        wanted.insert(0, read | passed)
    layers = []
    for level, steps in enumerate(rows):
        column = partial(_named, prefix)
        layer = {place: column(place) for place in sorted(wanted[level]) if depth[place] < level}
        for step in steps:
            texts = made(step, program, column)
            layer |= {out: text for out, text in texts.items() if out in wanted[level]}
        layers.append(layer)
    return layers, {place: _named(prefix, place) for place in wanted[-1]}


def _named(prefix: str, place: int) -> str:
    return f"{prefix}{place}"


def _outs(step: Step) -> tuple[int, ...]:
    return step.out if isinstance(step.out, tuple) else (step.out,)


def _reads(ensemble: Forest | Additive) -> set[int]:
    if isinstance(ensemble, Additive):
        return {place for place, _ in ensemble.effects}
    used = np.unique(ensemble.trees.feature)
    return {ensemble.columns[int(i)] for i in used}


def _margin(program: Program, columns: dict[int, str]) -> str:
    terms: list[str] = []
    base = 0.0
    for member in program.members:
        scale = member.weight / len(member.ensembles)
        for place in member.ensembles:
            ensemble = program.ensembles[place]
            base += scale * float(ensemble.base[0])
            if isinstance(ensemble, Forest):
                names = [columns.get(c, "") for c in ensemble.columns]
                terms += trees(ensemble, names, scale)
            else:
                terms += _effects(ensemble, columns, scale)
    return total([f"{number(base)}::float8", *terms])


def _effects(model: Additive, columns: dict[int, str], scale: float) -> Iterator[str]:
    """One expression per column of a linear model."""
    for place, effect in model.effects:
        here, values = columns[place], (scale * effect.values[:, 0]).tolist()
        if isinstance(effect, Levels):
            whens = "".join(f" WHEN {k} THEN {number(v)}" for k, v in enumerate(values[:-1]))
            last = f"{number(values[-1])}::float8"
            yield f"CASE {here}{whens} ELSE {last} END" if whens else last
            continue
        missing = f"{number(scale * float(effect.missing[0]))}::float8"
        yield f"CASE WHEN {here} IS NULL THEN {missing}{_bent(here, effect.knots, values)} END"


def _bent(
    here: str, knots: Floats, values: Sequence[float], ends: tuple[float, float] = (0, 0)
) -> str:
    """WHENs of straight lines between knots; beyond them the slopes are `ends`."""
    at = knots.tolist()
    text = f" WHEN {here} <= {number(at[0])} THEN {_line(here, at[0], values[0], ends[0])}"
    for k in range(len(at) - 1):
        slope = (values[k + 1] - values[k]) / (at[k + 1] - at[k])
        line = _line(here, at[k], values[k], slope)
        text += f" WHEN {here} < {number(at[k + 1])} THEN {line}"
    return f"{text} ELSE {_line(here, at[-1], values[-1], ends[1])}"


def _line(here: str, at: float, value: float, slope: float) -> str:
    return (
        f"{number(value)} + ({here} - {number(at)}) * {number(slope)}" if slope else number(value)
    )


def _linked(link: Link, margin: str, calibrated: str) -> list[tuple[str, str]]:
    """Expressions one above the other, with their names: from the margin to what is wanted."""
    if link.kind != "logit":
        return [(_values(link, margin), "")]
    scaled = f"{margin} / {number(link.temperature)} + {number(link.intercept)}"
    steps = [(scaled, calibrated)]
    if link.knots:
        at, to = np.array(link.knots).T
        steps.append((f"CASE{_bent(calibrated, at, to.tolist(), (1, 1))} END", margin))
    here = steps[-1][1]
    size = f"exp(-least({number(_LARGEST_EXPONENT)}, abs({here})))"
    return [*steps, (f"CASE WHEN {here} >= 0 THEN 1e0 ELSE {size} END / (1e0 + {size})", "")]


def _values(link: Link, margin: str) -> str:
    if link.kind == "identity":
        return margin
    inverse = partial(_inverse, link)
    if not link.shifts:
        return inverse(margin)
    shifted = [inverse(f"({margin} + {number(shift)})") for shift in link.shifts]
    return f"{total(shifted)} / {len(shifted)}"


def _inverse(link: Link, here: str) -> str:
    if link.kind == "log1p":
        return f"(exp({here}) - 1)"
    above, below = _curve(here, link.power), _curve(f"(-{here})", 2.0 - link.power)
    return f"CASE WHEN {here} >= 0 THEN {above} ELSE -{below} END"


def _curve(size: str, exponent: float) -> str:
    if exponent == 0:
        return f"(exp({size}) - 1)"
    return f"(exp(ln(1e0 + {number(exponent)} * {size}) / {number(exponent)}) - 1)"


def _label(program: Program, value: str) -> str:
    no, yes = map(string, program.classes)
    return f"CASE WHEN {value} >= {number(program.threshold)} THEN {yes} ELSE {no} END\n"


FORMAT = ExportFormat("sql", "one SQL expression for PostgreSQL and DuckDB", write, score)
