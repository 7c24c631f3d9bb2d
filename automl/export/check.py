"""Whether an exported model says what the bundle says: both score the same rows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from automl.errors import ConfigError
from automl.export.base import ExportFormat, Floats, Scores
from automl.export.rows import text_cells
from automl.model.predictor import Predictor, Rows

TOLERANCE: Final = 1e-5  # of max(1, |value|)


@dataclass(frozen=True)
class Difference:
    """The largest difference found, over max(1, |value|), and where.

    row: 1 = the first row of data.  column: "prediction" or "proba_<class>".
    """

    size: float
    row: int
    column: str
    bundle: float | str
    exported: float | str


@dataclass(frozen=True)
class Agreement:
    """How an exported model did on some rows.

    rows: what they are, for people.  largest: None where there was nothing to compare.
    """

    rows: str
    n_rows: int
    largest: Difference | None


def agreement(
    predictor: Predictor,
    exported: ExportFormat,
    folder: Path,
    tables: Iterable[tuple[pd.DataFrame, Rows]],
    *,
    rows: str,
) -> Agreement:
    """Score the tables with the bundle and with the files in `folder`.

    tables: pieces of a table in order, as cells for the export and as rows for the bundle.
    Raises ConfigError, naming the largest difference, its row and column, unless they agree
    within `TOLERANCE` wherever both say something.
    """
    n_rows = 0
    largest: Difference | None = None
    for frame, parsed in tables:
        found = exported.score(folder, text_cells(frame))
        for difference in differences(predictor, parsed, found, n_rows):
            if largest is None or difference.size > largest.size:
                largest = difference
        n_rows += len(frame)
    if largest is not None and not largest.size <= TOLERANCE:
        raise ConfigError(
            f"The model in the format '{exported.name}' does not say what the bundle says: "
            f"{_told(largest)} of {rows}.",
            hint="Nothing was written. Export in another format, and report this difference.",
        )
    return Agreement(rows, n_rows, largest)


def rows_per_second(exported: ExportFormat, folder: Path, cells: pd.DataFrame) -> float:
    """Rows that the exported model scores in a second, its loading left out.

    Every call loads it again, so a call with one row tells what that takes.
    """
    taken = []
    for part in (cells.iloc[:1], cells):
        started = time.perf_counter()
        exported.score(folder, part)
        taken.append(time.perf_counter() - started)
    loading, whole = taken
    return len(cells) / max(whole - loading, 0.1 * whole, 1e-9)


def differences(
    predictor: Predictor, rows: Rows, found: Scores, first_row: int = 0
) -> Iterator[Difference]:
    """The largest difference of each kind of score; ConfigError if the export says nothing.

    Labels may differ only where the scores themselves are as good as tied.
    """
    margin = predictor.margin(rows)
    if not predictor.task.is_classification:
        values = predictor.link.values(margin)
        yield _largest(values[:, None], _shaped(found.values, (len(values),)), first_row, None)
        return
    own = predictor.link.probabilities(margin)
    if found.probabilities is None and found.labels is None:
        raise ConfigError("The exported model gives neither labels nor probabilities.")
    if found.probabilities is not None:
        given = _shaped(found.probabilities, own.shape)
        yield _largest(own, given, first_row, predictor.classes)
    if found.labels is not None:
        yield from _labels(predictor, own, found, first_row)


def _shaped(scores: Floats | None, shape: tuple[int, ...]) -> Floats:
    """(n, k) scores; ConfigError if they are not there or do not have the shape."""
    if scores is None or np.shape(scores) != shape:
        what = "nothing" if scores is None else f"numbers of the shape {np.shape(scores)}"
        raise ConfigError(f"The exported model gives {what} instead of the shape {shape}.")
    return np.asarray(scores, dtype=np.float64).reshape(shape[0], -1)


def _largest(
    own: Floats, given: Floats, first_row: int, classes: tuple[str, ...] | None
) -> Difference:
    off = np.abs(own - given) / np.maximum(1.0, np.abs(own))
    off = np.where(np.isfinite(given) & np.isfinite(own), off, np.inf)
    off[(given == own) | (np.isnan(given) & np.isnan(own))] = 0.0
    row, column = np.unravel_index(int(off.argmax()), off.shape)
    name = "prediction" if classes is None else f"proba_{classes[column]}"
    values = float(own[row, column]), float(given[row, column])
    return Difference(float(off[row, column]), first_row + int(row) + 1, name, *values)


def _labels(
    predictor: Predictor, own: Floats, found: Scores, first_row: int
) -> Iterator[Difference]:
    wanted = predictor.labels(own)
    given = np.asarray(found.labels, dtype=object)
    if given.shape != wanted.shape:
        raise ConfigError(f"The exported model gives labels of the shape {given.shape}.")
    places = {label: code for code, label in enumerate(predictor.classes)}
    for row in np.flatnonzero(given != wanted):
        place = places.get(given[row])
        gap = np.inf if place is None else _gap(predictor, own[row], place)
        if gap > TOLERANCE:
            number = first_row + int(row) + 1
            yield Difference(float(gap), number, "prediction", str(wanted[row]), str(given[row]))


def _gap(predictor: Predictor, own: Floats, place: int) -> float:
    """How far the probabilities (n_classes,) are from giving the class at `place`."""
    if predictor.positive is not None:
        threshold = 0.5 if predictor.threshold is None else predictor.threshold
        return abs(float(own[1]) - threshold)
    return float(own.max() - own[place])


def _told(difference: Difference) -> str:
    own, given = difference.bundle, difference.exported
    return (
        f"{own!r} against {given!r}, a difference of {difference.size:.2g}, in the column "
        f"'{difference.column}' in row {difference.row:,}"
    )
