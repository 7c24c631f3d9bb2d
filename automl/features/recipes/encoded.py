"""The recipe "encoded": target encodings of categories, and of crosses that a screen found.

Crosses are tried on what a quick booster leaves unexplained (`screen`), pairs first, then triples
around the best pairs: a category crossed at random costs more by its noise than it brings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.features.encoding import (
    CellCodes,
    Encoding,
    Key,
    Target,
    compress,
    fit_encoding,
    inner_folds,
    outcomes,
)
from automl.features.matrix import Feature, FloatArray, Matrix
from automl.features.recipes.base import (
    FittedRecipe,
    Fold,
    Plan,
    Recipe,
    check_width,
    misfit,
)
from automl.features.recipes.plain import Plain
from automl.features.recipes.screen import Screen, origins_of
from automl.features.strict import Fields

Cross = tuple[int, ...]  # positions in the plan's keys

MAX_PAIRS = 12
MAX_TRIPLES = 6
MAX_KEYS = 20  # keys considered for crosses: the most important ones in the quick booster
MAX_SEEDS = 6  # best pairs that triples are grown from
MAX_CELLS = 5000  # of a cross; keeps a fitted recipe small on disk
MAX_COLUMNS = 60  # several classes: each encoding makes a column per class
MAX_ADDED = 20_000_000  # numbers added to a training matrix: fewer columns for more rows
LEAST_GAIN = 2.0  # out-of-fold gain of a cross beyond its parts, times rows: above chance
MAX_VALUES = 30  # distinct whole numbers up to which a number is crossed value by value
# Levels beyond which a category is a number to boosters, ranked by frequency, beside its encoding:
# their own splits on so many fit noise (a million rows, 3,000 levels: ROC AUC of LightGBM .742
# with them, .768 without).
MOST_LEVELS = 100
_PLAN_ROWS = 50_000  # rows that few values are judged by


@dataclass(frozen=True)
class Encoded:
    """The matrix and, to its right, target encodings of single keys and of crossed ones.

    classes: the encoded classes, one column each; empty for one column of means.
    n_features: of the matrix that it was fitted on.
    ranked: features of it that are categories there and numbers to the boosters.
    """

    n_features: int
    classes: tuple[int, ...]
    keys: tuple[Key, ...]
    encodings: tuple[Encoding, ...]
    ranked: tuple[int, ...] = ()

    def features(self, matrix: Matrix) -> tuple[Feature, ...]:
        """The added features; a cross originates in the columns of all its features."""
        made = []
        for encoding in self.encodings:
            crossed = tuple(self.keys[i].feature for i in encoding.keys)
            names = " x ".join(matrix.features[i].name for i in crossed)
            for label in [f" (class {c})" for c in self.classes] or [""]:
                title = f"target mean by {names}{label}"
                made.append(Feature(title, origins_of(matrix, crossed)))
        return tuple(made)

    def transform(self, matrix: Matrix) -> Matrix:
        """Raises BundleError if the matrix has another number of features."""
        check_width(matrix, self.n_features)
        codes = CellCodes(matrix, self.keys)
        columns = [encoding.transform(codes) for encoding in self.encodings]
        return self.beside(matrix, np.hstack(columns))

    def beside(self, matrix: Matrix, values: FloatArray) -> Matrix:
        """The matrix with (n, encodings x classes) encoded `values` to its right."""
        made = matrix.with_columns(values, self.features(matrix))
        return made.as_numbers(self.ranked)

    def to_json(self) -> dict[str, Any]:
        return {
            "recipe": "encoded",
            "n_features": self.n_features,
            "classes": list(self.classes),
            "keys": [key.to_json() for key in self.keys],
            "encodings": [encoding.to_json() for encoding in self.encodings],
            "ranked": list(self.ranked),
        }


# --- the plan ----------------------------------------------------------------------------------


def plan(matrix: Matrix, seed: int) -> Plan | None:
    """The keys of the table; None without a category of three levels.

    Crosses of numbers alone did harm (pixels of digits: 12 % more log loss).
    """
    keys = discrete_keys(matrix)
    if not any(key.n_levels > 2 for key in keys):
        return None
    return {"keys": [key.to_json() for key in keys]}


def discrete_keys(matrix: Matrix) -> tuple[Key, ...]:
    """Keys of categories and of numbers with few whole values.

    A feature with a monotone direction gets none: the encoding of a cell could break it.
    """
    step = max(1, matrix.n_rows // _PLAN_ROWS)
    keys = []
    for i, feature in enumerate(matrix.features):
        if feature.monotone:
            continue
        if feature.n_levels:
            keys.append(Key(i, "category", n_levels=feature.n_levels))
            continue
        points = _few_values(matrix.values[::step, i].astype(np.float64))
        if len(points) > 1:
            keys.append(Key(i, "values", points=points))
    return tuple(keys)


def _few_values(values: NDArray[np.float64]) -> tuple[float, ...]:
    """The distinct values if they are few whole numbers, else ()."""
    values = values[~np.isnan(values)]
    # Most features with many values show that in the first rows, which saves a sort of all.
    if len(np.unique(values[:1000])) > MAX_VALUES:
        return ()
    points = np.unique(values)
    few = len(points) <= MAX_VALUES and bool((points == np.rint(points)).all())
    return tuple(points.tolist()) if few else ()


# --- fitted inside a fold ----------------------------------------------------------------------


def fit(plan: Mapping[str, Any], fold: Fold) -> tuple[FittedRecipe, Matrix]:
    """Encodings of the categories and of the crosses that pay; `Plain` if there are none."""
    fields = Fields.of(plan, "the plan of recipe 'encoded'")
    keys = tuple(Key.from_json(key) for key in fields.objects("keys"))
    codes = CellCodes(fold.matrix, keys)
    rows = fold.train_rows
    target_values, classes = outcomes(fold.y[rows], fold.task, fold.n_classes)
    most = min(MAX_COLUMNS, max(12, MAX_ADDED // fold.matrix.n_rows)) // target_values.shape[1]
    singles = [(i,) for i, key in enumerate(keys) if key.n_levels > 2]
    crosses = [w for w in _crosses(fold, keys) if _cells(codes, w, rows) <= MAX_CELLS]
    chosen = [*crosses, *singles][: max(1, most)]
    if not chosen:
        return Plain(), fold.matrix
    used = sorted(set(chain.from_iterable(chosen)))
    codes = CellCodes(fold.matrix, [keys[i] for i in used])
    inner = inner_folds(len(rows), seed=fold.seed, groups=fold.train_groups)
    target = Target.of(target_values, None if fold.weight is None else fold.weight[rows], inner)
    made = [fit_encoding(tuple(used.index(i) for i in w), codes, rows, target) for w in chosen]
    recipe = Encoded(
        fold.matrix.n_features,
        classes,
        tuple(keys[i] for i in used),
        tuple(encoding for encoding, _ in made),
        _ranked(fold.matrix, keys, chosen),
    )
    return recipe, recipe.beside(fold.matrix, np.hstack([encoded for _, encoded in made]))


def _ranked(matrix: Matrix, keys: Sequence[Key], chosen: Sequence[Cross]) -> tuple[int, ...]:
    """The categories of many levels that have an encoding of their own."""
    alone = [keys[cross[0]].feature for cross in chosen if len(cross) == 1]
    return tuple(sorted(i for i in alone if matrix.features[i].n_levels > MOST_LEVELS))


def _cells(codes: CellCodes, cross: Cross, rows: NDArray[np.integer]) -> int:
    return len(compress(codes.cells(cross)[rows], codes.size(cross))[0])


def _crosses(fold: Fold, keys: Sequence[Key]) -> list[Cross]:
    """Pairs and triples of keys that explain more of the screen's residual than their parts."""
    screen = Screen.of(fold) if len(keys) > 1 else None
    if screen is None:
        return []
    codes = CellCodes(fold.matrix.take(screen.rows), keys)
    order = sorted(range(len(keys)), key=lambda i: -screen.importance[keys[i].feature])
    known: dict[Cross, float] = {}

    def gain(cross: Cross) -> float:
        if cross not in known:
            cells, place = compress(codes.cells(cross), codes.size(cross))
            known[cross] = screen.gain(place, len(cells))
        return known[cross]

    def beyond(cross: Cross) -> float:
        # A part and the rest side by side: where the quick booster underfits, each explains some.
        apart = (
            max(0.0, gain(part)) + max(0.0, *(gain((i,)) for i in cross if i not in part))
            for part in combinations(cross, len(cross) - 1)
        )
        return gain(cross) - max(apart)

    def best(candidates: set[Cross], n: int) -> list[Cross]:
        ranked = sorted(((beyond(c), c) for c in candidates), key=lambda found: -found[0])
        least = LEAST_GAIN / len(screen.rows)
        return [c for value, c in ranked[:n] if value > least]

    considered = sorted(order[:MAX_KEYS])
    pairs = set(_distinct(fold.matrix, keys, combinations(considered, 2)))
    ranked = sorted(pairs, key=lambda c: -gain(c))
    grown = {
        tuple(sorted((*pair, i)))
        for pair in ranked[:MAX_SEEDS]
        for i in considered
        if i not in pair
    }
    triples = set(_distinct(fold.matrix, keys, grown))
    return [*best(pairs, MAX_PAIRS), *best(triples, MAX_TRIPLES)]


def _distinct(matrix: Matrix, keys: Sequence[Key], crosses: Any) -> Iterator[Cross]:
    """The crosses of different columns: a category and its own counts say nothing new."""
    for cross in crosses:
        origins = {matrix.features[keys[i].feature].origins for i in cross}
        if len(origins) == len(cross):
            yield cross


def load(fields: Fields) -> Encoded:
    """What `to_json` wrote. Raises BundleError for anything else."""
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
        raise misfit("keys, classes and encodings do not fit together.")
    ranked: tuple[int, ...] = ()
    if "ranked" in fields.data:  # bundles of earlier versions leave categories as they are
        ranked = fields.integers("ranked", high=n_features - 1)
    return Encoded(n_features, classes, keys, encodings, ranked)


RECIPE = Recipe("encoded", plan, fit, load)
