"""The predictor: preprocessor, members, link and threshold, applied to rows of a table.

Notation: n = rows, k = outputs (classes for multiclass, else 1), p = features of one booster.

margin = Σ weight of a member × mean of the margins of its boosters, always added in the order
of the bundle. Rows are independent of each other, so a table scored in chunks gives the same
numbers, to the bit, as one scored whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.parse import parse_table
from automl.data.read import TextTable
from automl.data.records import RecordReader, check_records
from automl.data.schema import ParsedTable, Schema
from automl.engines._joint import Joint
from automl.engines.base import Booster
from automl.errors import ConfigError, DataError
from automl.features.matrix import Feature, Matrix, origin_weights
from automl.model.cells import cell_numbers, drawn_cells
from automl.model.explain import Explanation
from automl.model.intervals import Conformal, absent, refuse_other_task
from automl.model.link import Link
from automl.task import Task

if TYPE_CHECKING:
    from automl.features.preprocess import Preprocessor
    from automl.features.recipes import FittedRecipe

Floats = NDArray[np.float64]
Mode = Literal["default", "lenient", "strict"]
Rows: TypeAlias = pd.DataFrame | TextTable | Sequence[Mapping[str, Any]] | ParsedTable

# Rows that are scored at a time: bounds the memory that recipes and libraries need on top of
# the matrix, and costs nothing measurable at this size.
_CHUNK = 65_536
# Rows that are worth a thread of their own.
_LEAST_BLOCK = 8192
# Rows made up to see whether tables give the boosters' numbers.
_DRAWN_ROWS = 256
# Numbers in one block of contributions (256 MB of float64).
_BLOCK = 1 << 25


@dataclass(frozen=True)
class FoldBooster:
    """A booster with the recipe that was fitted on its training rows (None = plain)."""

    booster: Booster
    recipe: FittedRecipe | None = None


@dataclass(frozen=True)
class Member:
    """Boosters of one trial and their weight in the blend.

    The margin of a member is the plain mean over its boosters.
    """

    name: str
    engine: str
    recipe: str
    weight: float
    params: Mapping[str, Any]
    boosters: tuple[FoldBooster, ...]


@dataclass(kw_only=True, eq=False)
class Predictor:
    """A trained model that takes rows with the original columns.

    classes: label texts in the order of the probabilities, () for regression.
    threshold: binary: the positive class is predicted from this probability on; None = 0.5.
    manifest: the facts of the bundle that it was loaded from.
    conformal: what intervals and sets are made of; None in bundles that were written without.
    """

    task: Task
    target: str
    classes: tuple[str, ...]
    metric: str
    schema: Schema
    preprocessor: Preprocessor
    members: tuple[Member, ...]
    link: Link
    threshold: float | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    conformal: Conformal | None = None
    _threads: int = field(default=1, init=False, repr=False)

    @property
    def threads(self) -> int:
        """Threads to score with, 1 at first; they change the speed, not the numbers."""
        return self._threads

    @threads.setter
    def threads(self, threads: int) -> None:
        if threads < 1:
            raise ConfigError(f"The number of threads is {threads}, but must be at least 1.")
        self._threads = threads

    @contextmanager
    def _threaded_boosters(self) -> Iterator[None]:
        """Let the libraries use the threads: contributions are computed a booster at a time."""
        boosters = [fold.booster for member in self.members for fold in member.boosters]
        for booster in boosters:
            booster.threads = self._threads
        try:
            yield
        finally:
            for booster in boosters:
                booster.threads = 1

    @property
    def positive(self) -> str | None:
        """The positive class of a binary task, else None."""
        return self.classes[1] if self.task is Task.BINARY else None

    @property
    def n_outputs(self) -> int:
        """k: columns of a margin."""
        return self.task.n_outputs(len(self.classes))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the original columns that are needed to predict."""
        return tuple(self.schema.columns[i].name for i in self.schema.used)

    def parse(self, frame: Rows, mode: Mode = "default", first_row: int = 1) -> ParsedTable:
        """The typed cells of `frame`; a ParsedTable comes back as it is.

        first_row: number of the first row in messages.  Raises DataError as the mode asks.
        """
        if isinstance(frame, ParsedTable):
            return frame
        if isinstance(frame, pd.DataFrame | TextTable):
            table = frame if isinstance(frame, TextTable) else as_frame(frame)
            return parse_table(table, self.schema, mode=mode, first_row=first_row)
        return self.parse_records(frame, mode, first_row)

    def parse_records(
        self, records: Sequence[Mapping[str, Any]], mode: Mode = "default", first_row: int = 1
    ) -> ParsedTable:
        """What `parse` makes of a frame of `records`, without making one: quick for few rows.

        `ParsedTable.joined` puts the rows of several requests into one table.
        """
        _refuse_no_table(records)
        return self._reader.records(records, mode=mode, first_row=first_row)

    def parse_columns(
        self, columns: Mapping[str, Sequence[Any]], mode: Mode = "default", first_row: int = 1
    ) -> ParsedTable:
        """As `parse_records`, of lists of cells by column name, all of one length."""
        return self._reader.columns(columns, mode=mode, first_row=first_row)

    @cached_property
    def _reader(self) -> RecordReader:
        return RecordReader(self.schema)

    def matrix(self, frame: Rows) -> Matrix:
        """The plain features, before the recipe of any booster; float64."""
        return self.preprocessor.transform(self.parse(frame))

    def margin(self, frame: Rows) -> Floats:
        """(n, k) blended margins: log-odds, raw scores or (transformed) target values."""
        return self.margin_of(self.matrix(frame))

    def margin_of(self, matrix: Matrix) -> Floats:
        """(n, k) blended margins of rows whose features are at hand."""
        margin = np.zeros((matrix.n_rows, self.n_outputs))

        def score(rows: slice) -> None:
            part = matrix if rows == slice(0, matrix.n_rows) else matrix.take(rows)
            margin[rows] = self._blend(part)

        share = -(-matrix.n_rows // self._threads)
        blocks = list(_chunks(matrix.n_rows, min(_CHUNK, max(share, _LEAST_BLOCK))))
        if len(blocks) > 1 and self._threads > 1:
            # Threads over rows, not in the libraries: theirs wait for each other after each call.
            self._blend(matrix.take(slice(0, 1)))  # what is set up on first use, before two race
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(score, blocks))
        else:
            for rows in blocks:
                score(rows)
        return margin

    def warm_up(self) -> None:
        """Set up now what scoring sets up with its first rows, and what pays for many only.

        For a service: from then on small batches are scored the quick way of large tables, to
        the same bits. It takes some CPU seconds and, for large models, some 100 MB.
        """
        matrix = self.preprocessor.transform(drawn_cells(self.schema, _DRAWN_ROWS))
        for recipe, joint, _ in self._by_recipe:
            joint.prepare(matrix if recipe is None else recipe.transform(matrix))
        self._blend(matrix)

    def _blend(self, matrix: Matrix) -> Floats:
        sums = [np.zeros((matrix.n_rows, self.n_outputs)) for _ in self.members]
        single: dict[tuple[int, int], Floats] = {}
        for recipe, joint, places in self._by_recipe:
            features = matrix if recipe is None else recipe.transform(matrix)
            single |= zip(places, joint.margins(features), strict=True)
        for m, b in sorted(single):  # one order of adding, however recipes are shared
            sums[m] += single[m, b]
        blended = np.zeros((matrix.n_rows, self.n_outputs))
        for member, total in zip(self.members, sums, strict=True):
            blended += member.weight * (total / len(member.boosters))
        return blended

    @cached_property
    def _by_recipe(self) -> list[tuple[FittedRecipe | None, Joint, list[tuple[int, int]]]]:
        """Each distinct recipe once, with its boosters and their (member, booster) indices."""
        groups: dict[int, tuple[FittedRecipe | None, list[tuple[int, int]]]] = {}
        for m, member in enumerate(self.members):
            for b, fold in enumerate(member.boosters):
                groups.setdefault(id(fold.recipe), (fold.recipe, []))[1].append((m, b))
        return [
            (recipe, Joint([self.members[m].boosters[b].booster for m, b in places]), places)
            for recipe, places in groups.values()
        ]

    def predict_proba(self, frame: Rows) -> Floats:
        """(n, n_classes) probabilities in the order of `classes`; ConfigError for regression."""
        if not self.task.is_classification:
            raise ConfigError(
                f"The model of '{self.target}' is a regression and has no probabilities.",
                hint="Use predict for the values.",
            )
        return self.link.probabilities(self.margin(frame))

    def predict(self, frame: Rows) -> NDArray[np.object_] | Floats:
        """(n,) label texts (object), or target values (float64) for regression."""
        if self.task.is_classification:
            return self.labels(self.predict_proba(frame))
        return self.link.values(self.margin(frame))

    def interval(self, frame: Rows | Matrix, level: float = 0.9) -> tuple[Floats, Floats]:
        """(n,) lower and upper ends that hold a new row's target with probability `level`.

        Raises ConfigError for a classification, and for a bundle that was written without.
        """
        known = self.conformal_for(interval=True)
        margins = np.column_stack([margin[:, 0] for margin in self._fold_margins(known, frame)])
        return known.interval(margins, self.link, level)

    def prediction_sets(self, frame: Rows | Matrix, level: float = 0.9) -> NDArray[np.bool_]:
        """(n, n_classes) whether a class is in the set that holds the row's with `level`.

        Raises ConfigError for a regression, and for a bundle that was written without.
        """
        known = self.conformal_for(interval=False)
        margins = self._fold_margins(known, frame)
        return known.members([self.link.probabilities(margin) for margin in margins], level)

    def conformal_for(self, *, interval: bool) -> Conformal:
        """What intervals (else sets) are made of; ConfigError if the model has none."""
        refuse_other_task(self.task, interval=interval, sets=not interval)
        if self.conformal is None:
            raise absent(self.manifest)
        return self.conformal

    def _fold_margins(self, known: Conformal, frame: Rows | Matrix) -> list[Floats]:
        """(n, k) margins of each fold's blend, or of the whole where no fold has its own."""
        matrix = frame if isinstance(frame, Matrix) else self.matrix(frame)
        models = self._fold_blends if known.method == "cv+" else (self,)
        for model in models:
            model.threads = self.threads
        return [model.margin_of(matrix) for model in models]

    @cached_property
    def _fold_blends(self) -> tuple[Predictor, ...]:
        """The blend of the boosters of each fold."""
        return tuple(
            replace(
                self,
                members=tuple(replace(m, boosters=m.boosters[k : k + 1]) for m in self.members),
            )
            for k in range(len(self.members[0].boosters))
        )

    def labels(self, proba: Floats) -> NDArray[np.object_]:
        """(n,) label texts of (n, n_classes) probabilities.

        Binary: positive from the threshold on; multiclass: the most probable, first of equals.
        """
        return np.asarray(self.classes, dtype=object)[self._label_codes(proba)]

    def _label_codes(self, proba: Floats) -> NDArray[np.intp]:
        if self.task is Task.BINARY:
            threshold = 0.5 if self.threshold is None else self.threshold
            return (proba[:, 1] >= threshold).astype(np.intp)
        return np.asarray(proba.argmax(axis=1), dtype=np.intp)

    def explain(self, frame: Rows, parsed: ParsedTable | None = None) -> Explanation:
        """Exact contributions of the used original columns to the margin of each row.

        frame: the original cells; `parsed`: the same rows when they have been parsed already.
        Source: Lundberg et al., From local explanations to global understanding with explainable
        AI for trees, 2020 (path-dependent TreeSHAP, computed by the boosting libraries).
        """
        if isinstance(frame, ParsedTable):
            raise DataError("An explanation shows the original cells: give the table itself.")
        table = as_frame(frame)
        cells = self.parse(table) if parsed is None else parsed
        matrix = self.preprocessor.transform(cells)
        values, base = self.contributions_of(matrix)
        margin = self.margin_of(matrix)
        multi = self.task is Task.MULTICLASS
        bases = np.broadcast_to(base, margin.shape).copy()
        return Explanation(
            values=values if multi else values[:, :, 0],
            base_values=bases if multi else bases[:, 0],
            margin=margin if multi else margin[:, 0],
            columns=self.columns,
            data=table.reindex(columns=list(self.columns)).reset_index(drop=True),
            classes=self.classes,
            numbers=cell_numbers(cells, self.schema),
            kinds=tuple(self.schema.columns[i].kind for i in self.schema.used),
            predicted=self._label_codes(self.link.probabilities(margin)) if multi else None,
        )

    def contributions_of(self, matrix: Matrix) -> tuple[Floats, Floats]:
        """Contributions (n, n_columns, k) of the columns in `columns`, and base values (k,).

        Contributions of features are summed by their original columns, a feature of several
        columns in equal shares. The base values are NaN where there is no row.
        """
        values = np.zeros((matrix.n_rows, len(self.schema.used), self.n_outputs))
        base = np.full(self.n_outputs, np.nan if matrix.n_rows == 0 else 0.0)
        with self._threaded_boosters():
            for member in self.members:
                share = member.weight / len(member.boosters)
                for fold in member.boosters:
                    base += self._add_contributions(values, matrix, fold, share)
        return values, base

    def _add_contributions(
        self, values: Floats, matrix: Matrix, fold: FoldBooster, share: float
    ) -> Floats:
        """Add one booster's contributions to `values`; comes back with its base values (k,)."""
        base = np.zeros(self.n_outputs)
        width = self.n_outputs * (2 * matrix.n_features + 1)
        for rows in _chunks(matrix.n_rows, min(_CHUNK, max(1, _BLOCK // width))):
            part = matrix.take(rows)
            part = part if fold.recipe is None else fold.recipe.transform(part)
            contributions = fold.booster.contributions(part)  # (rows, k, p + 1)
            if rows.start == 0:
                base = share * contributions[0, :, -1]
            for feature, column, weight in self._origins(part.features):
                values[rows, column, :] += (share * weight) * contributions[:, :, feature]
        return base

    def _origins(self, features: tuple[Feature, ...]) -> Iterator[tuple[int, int, float]]:
        """(feature, position in `columns`, weight) of every feature's original columns."""
        weights = origin_weights(features, len(self.schema.columns))[:, list(self.schema.used)]
        for feature, column in zip(*np.nonzero(weights), strict=True):
            yield int(feature), int(column), float(weights[feature, column])


def as_frame(rows: pd.DataFrame | TextTable | Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """`rows` as a DataFrame with column names of type str; DataError if they are no table."""
    if isinstance(rows, TextTable):
        return rows.frame
    if isinstance(rows, pd.DataFrame):
        frame = rows
    else:
        _refuse_no_table(rows)
        check_records(rows)
        frame = pd.DataFrame(list(rows))
    if all(isinstance(name, str) for name in frame.columns):
        return frame
    return frame.set_axis([str(name) for name in frame.columns], axis=1)


def _refuse_no_table(rows: object) -> None:
    if not isinstance(rows, Sequence) or isinstance(rows, (str, bytes)):
        raise DataError(
            f"A {type(rows).__name__} is not a table.", hint="Give a DataFrame or a list of dicts."
        )


def _chunks(n_rows: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` rows; none at all without rows."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))
