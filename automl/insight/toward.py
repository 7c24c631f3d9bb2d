"""What each column says of the target: bins with intervals, the score of a booster on it alone.

Notation: n = rows looked at, k = classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.schema import Kind
from automl.data.target import Target
from automl.engines._imports import import_lean
from automl.insight.view import (
    Codes,
    Floats,
    View,
    day_text,
    level_counts,
    may_show,
    may_show_levels,
)

MOST_SCORED = 80  # columns that a booster is trained on
_ROWS = 5_000
_LEAST_ROWS = 60
_N_FOLDS = 3
_ROUNDS = 20
_MOST_CLASSES = 6  # told apart by the booster and drawn; the rest is one class
_N_BINS = 10
_MOST_LEVELS = 12
_Z = 1.959964
_PARAMS = {
    "num_leaves": 8,
    "learning_rate": 0.3,
    "max_bin": 63,
    "min_data_in_leaf": 20,
    "min_data_per_group": 20,
    "num_threads": 1,
    "verbosity": -1,
    "deterministic": True,
    "force_col_wise": True,
    "seed": 0,
}


@dataclass(frozen=True)
class Aim:
    """The target for the rows looked at.

    y: (n,) class index or value, NaN = no target.  rates: (n, k) for classes the 0/1 outcomes of
    the classes drawn, for numbers (n, 1) the values.  names: of the columns of `rates`.
    """

    target: Target
    y: Floats

    @property
    def is_classes(self) -> bool:
        return self.target.task.is_classification

    @cached_property
    def shown(self) -> tuple[int, ...]:
        """Indices of the classes that are drawn: the positive one, or the most frequent."""
        n_classes = len(self.target.classes)
        if not self.is_classes:
            return ()
        if n_classes == 2:
            return (1,)
        counts = np.bincount(self.y[~np.isnan(self.y)].astype(np.int64), minlength=n_classes)
        return tuple(np.argsort(-counts, kind="stable")[:_MOST_CLASSES].tolist())

    @property
    def names(self) -> tuple[str, ...]:
        if not self.is_classes:
            return (self.target.name,)
        return tuple(self.target.classes[c] for c in self.shown)

    def outcomes(self) -> Floats:
        """(n, number of names): 0/1 of each class that is drawn, or the values."""
        if not self.is_classes:
            return self.y[:, None]
        hits = np.stack([self.y == c for c in self.shown], axis=1).astype(np.float64)
        hits[np.isnan(self.y)] = np.nan
        return hits


@dataclass(frozen=True)
class Bin:
    """Rows of one range or level: mean (or rate) of each outcome, with its 95 % interval.

    There is none for fewer than five rows.
    """

    label: str
    n: int
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Toward:
    """One column and the target.

    score: cross-validated AUC (mean over classes) or R² of a booster on this column alone, None
    if it was not scored.  strength: the same as 0 = nothing to 1 = everything.
    """

    name: str
    score: float | None
    strength: float
    bins: tuple[Bin, ...]


def relate_to_target(views: Sequence[View], aim: Aim, seed: int) -> list[Toward]:
    """Every column that varies, strongest first."""
    chosen = [view for view in views if not view.target and view.varies]
    scores = _scores(chosen[:MOST_SCORED], aim, seed)
    found = [
        Toward(view.name, score, strength_of(score, aim), _bins(view, aim))
        for view, score in zip(chosen, scores + [None] * len(chosen), strict=False)
    ]
    return sorted(found, key=lambda one: -one.strength)


def strength_of(score: float | None, aim: Aim) -> float:
    if score is None:
        return 0.0
    return float(np.clip(2 * score - 1 if aim.is_classes else score, 0.0, 1.0))


# Scores


def _scores(views: Sequence[View], aim: Aim, seed: int) -> list[float | None]:
    columns = [feature_of(view) for view in views]
    return score_alone(columns, aim, seed)


def feature_of(view: View) -> tuple[Floats, bool]:
    """(n,) numbers for a booster, and whether they are codes of a category.

    Free text and identifiers are told by the length of their cells only, identifiers that are
    numbers by their value.
    """
    if view.values is not None:
        return view.values, False
    assert view.codes is not None
    if view.kind is Kind.TEXT or view.is_id:
        lengths = np.array([*(len(text) for text in view.levels), np.nan])
        return lengths[view.codes], False
    return np.where(view.codes < 0, np.nan, np.minimum(view.codes, 250)).astype(np.float64), True


def score_alone(columns: Sequence[tuple[Floats, bool]], aim: Aim, seed: int) -> list[float | None]:
    """Cross-validated score of a small booster on each column alone; None with too few rows."""
    rng = np.random.default_rng([seed, 13])
    known = np.flatnonzero(~np.isnan(aim.y))
    if len(known) < _LEAST_ROWS:
        return [None] * len(columns)
    rows = np.sort(rng.permutation(known)[:_ROWS])
    y, n_classes = _labels(aim, aim.y[rows])
    fold = _dealt(y if n_classes else None, rng, len(rows))
    return [_score(values[rows], coded, y, fold, n_classes) for values, coded in columns]


def _labels(aim: Aim, y: Floats) -> tuple[Floats, int]:
    """Labels for the booster and the number of classes, 0 for values; rare classes are one."""
    if not aim.is_classes:
        return y, 0
    if len(aim.target.classes) == 2:
        return y, 2
    place = np.full(len(aim.target.classes), len(aim.shown))
    place[list(aim.shown)] = np.arange(len(aim.shown))
    labels = place[y.astype(np.int64)].astype(np.float64)
    return labels, int(labels.max()) + 1


def _dealt(y: Floats | None, rng: np.random.Generator, n: int) -> Codes:
    """(n,) fold of each row, classes spread evenly."""
    order = rng.permutation(n)
    if y is not None:
        order = order[np.argsort(y[order], kind="stable")]
    fold = np.empty(n, dtype=np.int64)
    fold[order] = np.arange(n) % _N_FOLDS
    return fold


def _score(values: Floats, coded: bool, y: Floats, fold: Codes, n_classes: int) -> float | None:
    lightgbm = import_lean("lightgbm")
    objective = {0: "regression", 2: "binary"}.get(n_classes, "multiclass")
    params: dict[str, Any] = {**_PARAMS, "objective": objective}
    if n_classes > 2:
        params["num_class"] = n_classes
    if np.isnan(values).all():
        return None
    x = values[:, None]
    guess = np.zeros((len(y), max(1, n_classes if n_classes > 2 else 1)))
    for part in range(_N_FOLDS):
        learn, held = fold != part, fold == part
        data = lightgbm.Dataset(
            x[learn], y[learn], categorical_feature=[0] if coded else [], params=params
        )
        booster = lightgbm.train(params, data, num_boost_round=_ROUNDS)
        guess[held] = np.asarray(booster.predict(x[held], num_threads=1)).reshape(held.sum(), -1)
    if not n_classes:
        spread = float(((y - y.mean()) ** 2).sum())
        return 1.0 - float(((y - guess[:, 0]) ** 2).sum()) / spread if spread else None
    if n_classes == 2:
        return _auc(guess[:, 0], y == 1)
    found = [_auc(guess[:, c], y == c) for c in range(n_classes)]
    areas = [area for area in found if area is not None]
    return float(np.mean(areas)) if areas else None


def _auc(score: Floats, positive: NDArray[np.bool_]) -> float | None:
    n_good, n_bad = int(positive.sum()), int((~positive).sum())
    if not n_good or not n_bad:
        return None
    ranks = pd.Series(score).rank().to_numpy()
    return float((ranks[positive].sum() - n_good * (n_good + 1) / 2) / (n_good * n_bad))


# Bins


def _bins(view: View, aim: Aim) -> tuple[Bin, ...]:
    if view.is_id or view.kind is Kind.TEXT:
        return ()
    if view.values is not None and view.kind is not Kind.BOOLEAN:
        place, labels = _ranges(view)
    else:
        place, labels = _levels(view)
    known = ~np.isnan(aim.y)
    outcomes = aim.outcomes()
    found = []
    for i, label in [*enumerate(labels), (-1, "missing")]:
        rows = outcomes[(place == i) & known]
        if may_show(len(rows)):
            found.append(_bin(label, rows, aim))
    return tuple(found)


def _bin(label: str, rows: Floats, aim: Aim) -> Bin:
    n, mean = len(rows), rows.mean(axis=0)
    if aim.is_classes:  # Wilson's interval of a share
        shrink = 1.0 + _Z**2 / n
        centre = (mean + _Z**2 / (2 * n)) / shrink
        half = _Z / shrink * np.sqrt(mean * (1 - mean) / n + _Z**2 / (4 * n * n))
        low, high = centre - half, centre + half
    else:
        error = rows.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(rows.shape[1], np.nan)
        width = _t(n) * error
        low, high = mean - width, mean + width
    return Bin(label, n, tuple(mean.tolist()), tuple(low.tolist()), tuple(high.tolist()))


def _t(n: int) -> float:
    from scipy.special import stdtrit  # scipy.stats takes half a second to import

    return float(stdtrit(max(n - 1, 1), 0.975))


def _ranges(view: View) -> tuple[Codes, list[str]]:
    """Bins of about equal rows; of few distinct numbers one each."""
    assert view.values is not None
    present = view.values[~np.isnan(view.values)]
    distinct = np.unique(present)
    place = np.full(len(view.values), -1, dtype=np.int64)
    text = day_text if view.kind is Kind.DATETIME else number_text
    if len(distinct) <= _N_BINS:
        place[~np.isnan(view.values)] = np.searchsorted(distinct, present)
        return place, [text(value) for value in distinct]
    edges = np.unique(np.quantile(present, np.linspace(0, 1, _N_BINS + 1)))
    inner = edges[1:-1]
    place[~np.isnan(view.values)] = np.searchsorted(inner, present, side="right")
    ends = edges[1:].copy()
    if view.kind is Kind.NUMERIC and bool((distinct % 1 == 0).all()):
        ends[:-1] -= 1  # the next bin begins with the whole number that this one ends before
    if view.kind is Kind.DATETIME:
        return place, [f"from {day_text(a)}" for a in edges[:-1]] or [day_text(edges[0])]
    # As few digits as tell the edges apart.
    written = next(
        (found for found in (_written(edges, ends, d) for d in (4, 5, 6, 8)) if _differ(found)),
        _written(edges, ends, 12),
    )
    return place, written or [number_text(edges[0])]


def _written(edges: Floats, ends: Floats, digits: int) -> list[str]:
    pairs = zip(edges, ends, strict=False)
    named = [(number_text(a, digits), number_text(b, digits)) for a, b in pairs]
    return [a if a == b else f"{a} to {b}" for a, b in named]


def _differ(labels: list[str]) -> bool:
    firsts = [label.split(" to ")[0] for label in labels]
    return len(set(firsts)) == len(firsts)


def _levels(view: View) -> tuple[Codes, list[str]]:
    """The frequent levels, and all others as one; those of persons without their text."""
    if view.codes is None:
        assert view.values is not None
        return np.nan_to_num(view.values, nan=-1.0).astype(np.int64), list(view.levels)
    counts = level_counts(view)
    n_shown = min(_MOST_LEVELS, int(sum(may_show(n) for n in counts)))
    if not may_show_levels(view):
        return np.minimum(view.codes, 0), ["all values"]
    labels = [text[:60] for text in view.levels[:n_shown]]
    rest = len(view.levels) - n_shown
    return np.minimum(view.codes, n_shown), labels + ([others_text(rest)] if rest else [])


def number_text(value: float, digits: int = 4) -> str:
    """A number in so many significant digits, for people; whole thousands are never cut."""
    if 10.0 ** (digits - 1) <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def others_text(n: int) -> str:
    return f"{n:,} other{'s' * (n > 1)}"
