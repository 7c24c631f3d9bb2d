"""Recipes: what is added to the matrix with the target's help, fitted inside each fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from automl.errors import BundleError, ConfigError, did_you_mean
from automl.features.encoding import (
    CellCodes,
    Encoding,
    Key,
    Target,
    compress,
    fit_encoding,
    inner_folds,
)
from automl.features.matrix import Feature, IntArray, Matrix
from automl.features.strict import Fields
from automl.task import Task

Floats = NDArray[np.float64]
Plan = dict[str, Any]

RECIPES = ("plain", "encoded")  # the words of the race

MAX_PAIRS = 40
MAX_ENCODED_COLUMNS = 120  # several classes: each encoding makes a column per class
MAX_ENCODED_CLASSES = 10
MAX_VALUES = 30  # distinct whole numbers up to which a number is crossed value by value
N_BINS = 12  # quantile bins of other numbers that are crossed
MAX_BINNED = 12  # such numbers, drawn by seed
MAX_CROSSED = 60  # categories and few-valued numbers considered for pairs, drawn by seed
MAX_TRIED = 200  # pairs of each sort whose support is counted
ROWS_PER_CELL = 5  # mean training rows that a crossed cell needs for support
MAX_CELLS = 3000  # of a pair; keeps a fitted recipe small on disk
_PLAN_ROWS = 50_000  # rows that values, bins and support are judged by


class FittedRecipe(Protocol):
    """What a fold's boosters need before they score: from the matrix to theirs."""

    def transform(self, matrix: Matrix) -> Matrix:
        """The matrix of these rows as the fold's boosters know it; row by row independent."""
        ...

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Plain:
    """The matrix as it is."""

    def transform(self, matrix: Matrix) -> Matrix:
        return matrix

    def to_json(self) -> dict[str, Any]:
        return {"recipe": "plain"}


@dataclass(frozen=True)
class Encoded:
    """The matrix and, to its right, target encodings of categories and of pairs of features.

    classes: the encoded classes, one column each; empty for one column of means.
    n_features: of the matrix that it was fitted on.
    """

    n_features: int
    classes: tuple[int, ...]
    keys: tuple[Key, ...]
    encodings: tuple[Encoding, ...]

    def features(self, base: tuple[Feature, ...]) -> tuple[Feature, ...]:
        """The added features; a pair originates in the columns of both its features."""
        made = []
        for encoding in self.encodings:
            crossed = [base[self.keys[i].feature] for i in encoding.keys]
            origins = sorted(set(chain.from_iterable(f.origins for f in crossed)))
            title = "target mean by " + " x ".join(f.name for f in crossed)
            for label in [f" (class {c})" for c in self.classes] or [""]:
                made.append(Feature(title + label, tuple(origins)))
        return tuple(made)

    def transform(self, matrix: Matrix) -> Matrix:
        """Raises BundleError if the matrix has another number of features."""
        if matrix.n_features != self.n_features:
            raise BundleError(
                f"The encodings were fitted on {self.n_features} features, the matrix has "
                f"{matrix.n_features}.",
                hint="The bundle's preprocessor and recipe do not belong together.",
            )
        codes = CellCodes(matrix, self.keys)
        columns = [encoding.transform(codes) for encoding in self.encodings]
        return matrix.with_columns(np.hstack(columns), self.features(matrix.features))

    def to_json(self) -> dict[str, Any]:
        return {
            "recipe": "encoded",
            "n_features": self.n_features,
            "classes": list(self.classes),
            "keys": [key.to_json() for key in self.keys],
            "encodings": [encoding.to_json() for encoding in self.encodings],
        }


# --- the plan, made once per run without the target -------------------------------------------


def plan_recipes(matrix: Matrix, *, seed: int) -> dict[str, Plan]:
    """The recipes that make sense for this table, each with its JSON-able plan.

    The target is not read. "encoded" needs a category with more than two levels or a supported
    pair; its pairs are drawn by `seed` among those whose cells hold enough rows.
    """
    plans: dict[str, Plan] = {"plain": {}}
    rows = np.linspace(0, matrix.n_rows - 1, min(matrix.n_rows, _PLAN_ROWS)).astype(np.int64)
    sample = matrix if len(rows) == matrix.n_rows else matrix.take(rows)
    rng = np.random.default_rng(seed)
    discrete, binned = _keys(sample, rng)
    keys = discrete + binned
    pairs = _pairs(sample, keys, len(discrete), rng)
    singles = [(i,) for i, key in enumerate(discrete) if key.n_levels > 2]
    if singles or any(max(pair) < len(discrete) for pair in pairs):
        encodings = [*singles, *pairs][:MAX_ENCODED_COLUMNS]
        used = sorted(set(chain.from_iterable(encodings)))
        plans["encoded"] = {
            "keys": [keys[i].to_json() for i in used],
            "encodings": [[used.index(i) for i in which] for which in encodings],
        }
    return plans


def _keys(matrix: Matrix, rng: np.random.Generator) -> tuple[list[Key], list[Key]]:
    """Keys of categories and few-valued whole numbers, and keys of binned numbers.

    A feature with a monotone direction gets none: the encoding of a cell could break it.
    """
    discrete, many = [], []
    for i, feature in enumerate(matrix.features):
        if feature.monotone:
            continue
        if feature.n_levels:
            discrete.append(Key(i, "category", n_levels=feature.n_levels))
            continue
        points = _few_values(matrix, i)
        if points is None:
            many.append(i)
        elif len(points) > 1:
            discrete.append(Key(i, "values", points=points))
    drawn = sorted(rng.permutation(many)[:MAX_BINNED].tolist()) if many else []
    return discrete, [key for i in drawn if (key := _bins(matrix, i)) is not None]


def _few_values(matrix: Matrix, index: int) -> tuple[float, ...] | None:
    """The distinct values of a feature if they are few whole numbers, else None."""
    values = matrix.values[:, index].astype(np.float64)
    values = values[~np.isnan(values)]
    # Most features with many values show that in the first rows, which saves a sort of all.
    if len(np.unique(values[:1000])) > MAX_VALUES:
        return None
    points = np.unique(values)
    few = len(points) <= MAX_VALUES and bool((points == np.rint(points)).all())
    return tuple(points.tolist()) if few else None


def _bins(matrix: Matrix, index: int) -> Key | None:
    """N_BINS quantile bins of one feature; None if its values are too concentrated for two."""
    values = matrix.values[:, index].astype(np.float64)
    values = values[~np.isnan(values)]
    edges = np.unique(np.quantile(values, np.linspace(0, 1, N_BINS + 1)[1:-1]))
    edges = edges[edges > values.min()]
    return Key(index, "bins", points=tuple(edges.tolist())) if len(edges) else None


def _pairs(
    matrix: Matrix, keys: Sequence[Key], n_discrete: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """At most MAX_PAIRS supported pairs of keys: discrete ones first, then with binned numbers."""
    codes = CellCodes(matrix, keys)
    binned = range(n_discrete, len(keys))
    discrete = sorted(rng.permutation(n_discrete)[:MAX_CROSSED].tolist())
    groups: tuple[list[tuple[int, int]], ...] = (
        list(combinations(discrete, 2)),
        list(product(discrete, binned)),
        list(combinations(binned, 2)),
    )
    chosen: list[tuple[int, int]] = []
    for candidates in groups:
        for at in rng.permutation(len(candidates))[:MAX_TRIED]:
            if len(chosen) == MAX_PAIRS:
                return chosen
            pair = candidates[at]
            if _worth_crossing(matrix, keys, pair) and _supported(codes, pair, matrix.n_rows):
                chosen.append(pair)
    return chosen


def _worth_crossing(matrix: Matrix, keys: Sequence[Key], pair: tuple[int, int]) -> bool:
    """A category crossed with what was made from it, such as its counts, says nothing new."""
    first, second = (matrix.features[keys[i].feature] for i in pair)
    return first.origins != second.origins or not (first.n_levels or second.n_levels)


def _supported(codes: CellCodes, pair: tuple[int, int], n_rows: int) -> bool:
    cells, _ = compress(codes.cells(pair), codes.size(pair))
    return 2 < len(cells) <= min(MAX_CELLS, n_rows / ROWS_PER_CELL)


# --- fitted inside a fold ----------------------------------------------------------------------


def fit_recipe(  # noqa: PLR0913 - the target's facts travel one by one through the race
    name: str,
    plan: Mapping[str, Any],
    matrix: Matrix,
    y: Floats,
    weight: Floats | None,
    train_rows: IntArray,
    *,
    task: Task,
    n_classes: int,
    seed: int,
    groups: IntArray | None = None,
) -> tuple[FittedRecipe, Matrix]:
    """The recipe fitted on `train_rows`, and the matrix of all rows as boosters take it.

    y: (n,) class indices or target values, weight: (n,) or None, groups: (n,) or None; none of
    them is read outside `train_rows`. Rows of one group (or copies of one row) share an inner
    fold. The returned matrix holds values cross-fitted within the training rows for these, and
    the encoding of all training rows for the others. Raises ConfigError for an unknown name.
    """
    if name == "plain":
        return Plain(), matrix
    if name != "encoded":
        raise ConfigError(
            f"Unknown recipe {name!r}.",
            hint=did_you_mean(name, RECIPES) or f"Known: {', '.join(RECIPES)}.",
        )
    fields = Fields.of(plan, "the plan of recipe 'encoded'")
    keys = tuple(Key.from_json(key) for key in fields.objects("keys"))
    train_rows = np.asarray(train_rows)
    inner = inner_folds(
        len(train_rows), seed=seed, groups=None if groups is None else groups[train_rows]
    )
    outcomes, classes = _outcomes(y[train_rows], task, n_classes)
    target = Target.of(outcomes, None if weight is None else weight[train_rows], inner)
    codes = CellCodes(matrix, keys)
    chosen = fields.items("encodings")[: max(1, MAX_ENCODED_COLUMNS // outcomes.shape[1])]
    made = [fit_encoding(tuple(which), codes, train_rows, target) for which in chosen]
    recipe = Encoded(matrix.n_features, classes, keys, tuple(encoding for encoding, _ in made))
    values = np.hstack([encoded for _, encoded in made])
    return recipe, matrix.with_columns(values, recipe.features(matrix.features))


def load_recipe(data: object) -> FittedRecipe:
    """The recipe that `to_json` wrote. Raises BundleError for anything else."""
    fields = Fields.of(data, "recipe")
    if fields.text("recipe", known=RECIPES) == "plain":
        return Plain()
    n_features = fields.integer("n_features", low=1)
    keys = tuple(Key.from_json(key) for key in fields.objects("keys"))
    encodings = tuple(
        Encoding.from_json(encoding, n_keys=len(keys)) for encoding in fields.objects("encodings")
    )
    classes = fields.integers("classes")
    width = max(1, len(classes))
    if (
        not encodings
        or any(key.feature >= n_features for key in keys)
        or any(len(encoding.prior) != width for encoding in encodings)
    ):
        raise BundleError(
            "recipe: keys, classes and encodings do not fit together.",
            hint="The bundle is damaged or was edited; use an intact copy.",
        )
    return Encoded(n_features, classes, keys, encodings)


def _outcomes(y: Floats, task: Task, n_classes: int) -> tuple[Floats, tuple[int, ...]]:
    """(n_train, k) what is averaged, and the classes that have a column each.

    Binary and regression: y itself. Multiclass: one 0/1 column per class, or, with more than
    MAX_ENCODED_CLASSES classes, one for each of the most frequent (ties: the lower index).
    """
    if task is not Task.MULTICLASS:
        return np.asarray(y, dtype=np.float64)[:, None], ()
    labels = y.astype(np.int64)
    by_count = np.argsort(-np.bincount(labels, minlength=n_classes), kind="stable")
    classes = np.sort(by_count[:MAX_ENCODED_CLASSES])
    return (labels[:, None] == classes).astype(np.float64), tuple(int(c) for c in classes)
