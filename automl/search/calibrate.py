"""Calibrates probabilities where cross-fitted evidence says that it helps.

Each calibrator is judged on rows that it was not fitted on: those of one fold, by a fit on the
other folds. It is taken if the log loss of these rows falls beyond noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from automl.metrics._calibration import calibration_error
from automl.metrics._lookup import get_metric
from automl.model.link import MAX_KNOTS, Link
from automl.search.blend import row_sample
from automl.search.scoring import Scorer
from automl.task import Task

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Method = Literal["none", "temperature", "shift", "platt", "isotonic"]

# Bounds on rows, and on the numbers of all classes: more only sharpen what is sharp.
_MOST_ROWS = 100_000
_MOST_NUMBERS = 1_000_000
_LEAST_ROWS = 50
_HALVES = 5  # parts of a single split
# A parameter that is z standard errors from where it has no effect lowers the loss by about
# z**2 / 2n, and that gain has a standard error of z / n: half an error is z = 1, less what
# fitting costs (about 1 / n). So this takes z from about 1.8 on.
_CLEAR = 0.5
_CLEAR_SHAPE = 1.0  # for a shape against the better of the straight lines
# An isotonic fit: rows of a step before pooling, and of a table that is worth a try.
_STEP_ROWS = 50
_SHAPE_ROWS = 1000
_MOST_STEPS = 64
# A fitted line keeps the order of rows, and no evidence of folds supports one beyond these.
_SLOPES = (0.2, 5.0)
_MOST_SHIFT = 3.0


@dataclass(frozen=True)
class Figures:
    """Of probabilities for rows that neither model nor calibrator was fitted on."""

    log_loss: float
    brier: float
    ece: float


@dataclass(frozen=True)
class Calibration:
    """Which calibrator was chosen, and what it buys, cross-fitted.

    tried: cross-fitted log loss by method, "none" included.  error: standard error of the
    difference of the chosen one's to "none".  rows: of the evidence.
    """

    method: Method
    before: Figures
    after: Figures
    tried: Mapping[Method, float]
    error: float
    rows: int

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "tried": dict(self.tried)}


@dataclass(frozen=True)
class _Margins:
    """Margins with their truth and what fits may weigh."""

    margin: Floats
    y: Floats
    weight: Floats

    def take(self, rows: Rows) -> _Margins:
        return _Margins(self.margin[rows], self.y[rows], self.weight[rows])


def calibrated(
    link: Link, chooser: Scorer, pooled: Floats, seed: int
) -> tuple[Link, Calibration | None]:
    """`link` with the calibrator that evidence is for, and the evidence.

    chooser: with echoes.  pooled: its (n, k) margins. None, with the link as it is, for numbers
    and for too few rows.
    """
    n_rows, n_outputs = pooled.shape
    if chooser.task is Task.REGRESSION or n_rows < _LEAST_ROWS:
        return link, None
    y, weight = chooser.truth()
    most = min(_MOST_ROWS, max(_MOST_NUMBERS // n_outputs, _LEAST_ROWS))
    taken = np.arange(n_rows)[row_sample(n_rows, most, seed)]
    mass = np.ones(len(taken)) if weight is None else weight[taken]
    part = _Margins(pooled[taken], y[taken], mass)
    parts = _parts(chooser, taken)
    if len(np.unique(parts)) < 2:
        return link, None
    fits = _methods(chooser.task, len(taken))
    crossed: dict[Method, Floats] = {"none": link.calibrated(part.margin)}
    for name, fit in fits.items():
        crossed[name] = _crossfitted(link, fit, part, parts)
    method, tried, error = _chosen(crossed, link, part)
    found = link if method == "none" else fits[method](link, part)
    evidence = Calibration(
        method,
        before=_figures(link, crossed["none"], part),
        after=_figures(link, crossed[method], part),
        tried=tried,
        error=error,
        rows=len(taken),
    )
    return found, evidence


Fit = Callable[[Link, _Margins], Link]


def _methods(task: Task, n_rows: int) -> dict[Method, Fit]:
    """Fits by name, the plainest first."""
    found: dict[Method, Fit] = {"temperature": lambda link, part: _line(link, part, slope=True)}
    if task is Task.BINARY:
        found["shift"] = lambda link, part: _line(link, part, shift=True)
        found["platt"] = lambda link, part: _line(link, part, slope=True, shift=True)
        if n_rows >= _SHAPE_ROWS:
            found["isotonic"] = _isotonic
    return found


# Evidence


def _parts(chooser: Scorer, taken: Rows) -> Rows:
    """(m,) part of each row taken: the fold of the first repeat that validates it.

    Copies of a row and rows of one group share their fold, so they share the part. A row that no
    fold validates (all of them, for a single split) is put into one of a few by its place.
    """
    splits = [split for split in chooser.splits if split.repeat == chooser.splits[0].repeat]
    part = np.full(chooser.n_rows, -1)
    for k, split in enumerate(splits if len(splits) > 1 else []):
        part[split.valid] = k
    rows = chooser.rows[taken] % chooser.n_rows
    found = part[rows]
    lone = np.flatnonzero(found < 0)
    found[lone] = rows[lone] % _HALVES
    return np.asarray(found)


def _crossfitted(link: Link, fit: Fit, part: _Margins, parts: Rows) -> Floats:
    """(m, k) calibrated margins, those of each part by a fit on the others."""
    out = np.empty_like(part.margin)
    for k in np.unique(parts):
        inside, outside = np.flatnonzero(parts == k), np.flatnonzero(parts != k)
        out[inside] = fit(link, part.take(outside)).calibrated(part.margin[inside])
    return out


def _chosen(
    crossed: Mapping[Method, Floats], link: Link, part: _Margins
) -> tuple[Method, dict[Method, float], float]:
    """(method, log loss by method, standard error of the method's difference to none)."""
    losses = {name: _losses(link, margin, part.y) for name, margin in crossed.items()}
    share = part.weight / part.weight.sum()
    means = {name: float(share @ loss) for name, loss in losses.items()}

    def error(name: Method, other: Method) -> float:
        difference = losses[name] - losses[other]
        return float(np.sqrt((share**2) @ (difference - share @ difference) ** 2))

    best: Method = "none"
    lines: list[Method] = [name for name in crossed if name not in ("none", "isotonic")]
    for name in sorted(lines, key=lambda n: means[n]):
        if means["none"] - means[name] > _CLEAR * error(name, "none"):
            best = name
            break
    if "isotonic" in crossed:
        gain = means[best] - means["isotonic"]
        if gain > _CLEAR_SHAPE * error("isotonic", best):
            best = "isotonic"
    return best, means, error(best, "none")


def _losses(link: Link, margin: Floats, y: Floats) -> Floats:
    """(m,) log losses of calibrated margins."""
    proba = Link(link.kind).probabilities(margin)
    true = proba[np.arange(len(y)), y.astype(np.intp)]
    return np.asarray(-np.log(np.maximum(true, np.finfo(np.float64).eps)))


def _figures(link: Link, margin: Floats, part: _Margins) -> Figures:
    prediction = Link(link.kind).predict(margin)
    return Figures(
        log_loss=get_metric("log_loss").score(part.y, prediction, part.weight),
        brier=get_metric("brier").score(part.y, prediction, part.weight),
        ece=calibration_error(part.y, prediction, part.weight),
    )


# Fits


def _line(link: Link, part: _Margins, *, slope: bool = False, shift: bool = False) -> Link:
    """`link` stretched so that the log loss is least."""
    margin = link.calibrated(part.margin)
    if link.kind == "logit":
        truth = part.y[:, None]
    else:
        truth = np.zeros_like(margin)
        truth[np.arange(len(part.y)), part.y.astype(np.intp)] = 1.0
    return link.stretched(*fitted_line(margin, truth, part.weight, slope=slope, shift=shift))


def fitted_line(
    margin: Floats, truth: Floats, weight: Floats, *, slope: bool, shift: bool
) -> tuple[float, float]:
    """(a, b) for which a * margin + b has the least log loss; 1 and 0 where not to be fitted.

    truth: (n, k) probabilities or labels, of a logit (k = 1) the positive class'. By Newton's
    method: the loss is convex in both.
    """
    kind: Literal["logit", "softmax"] = "logit" if margin.shape[1] == 1 else "softmax"
    free = [i for i, wanted in enumerate((slope, shift)) if wanted]
    a, b = 1.0, 0.0
    for _ in range(25):
        proba = Link(kind).probabilities(a * margin + b)[:, -margin.shape[1] :]
        gap = proba - truth
        gradient = np.array([weight @ (gap * margin).sum(axis=1), weight @ gap.sum(axis=1)])
        if kind == "logit":
            spread = weight * (proba * (1.0 - proba))[:, 0]
            m = margin[:, 0]
            cross = spread @ m
            curve = np.array([[spread @ m**2, cross], [cross, spread.sum()]])
        else:
            mean = (proba * margin).sum(axis=1)
            curve = np.diag([weight @ ((proba * margin**2).sum(axis=1) - mean**2), 1.0])
        ridge = 1e-9 * weight.sum()
        inner = curve[np.ix_(free, free)] + ridge * np.eye(len(free))
        step = np.zeros(2)
        step[free] = np.linalg.solve(inner, gradient[free])
        before = a, b
        a = float(np.clip(a - np.clip(step[0], -0.5 * a, 0.5 * a), *_SLOPES))
        b = float(np.clip(b - np.clip(step[1], -1.0, 1.0), -_MOST_SHIFT, _MOST_SHIFT))
        if abs(a - before[0]) + abs(b - before[1]) < 1e-7:
            break
    return a, b


def _isotonic(link: Link, part: _Margins) -> Link:
    """`link` with knots at the centres of the steps of an isotonic regression.

    Steps are of rows first, of neighbours that are out of order then (pool adjacent violators:
    Ayer et al., 1955). A step's share of positives is drawn to that of all by one row's weight.
    """
    order = np.argsort(part.margin[:, 0], kind="stable")
    count = int(np.clip(len(order) // _STEP_ROWS, 2, min(_MOST_STEPS, MAX_KNOTS)))
    base = float(part.weight @ part.y / part.weight.sum())
    one = float(part.weight.mean())
    steps: list[tuple[float, float, float]] = []
    for rows in np.array_split(order, count):
        w = part.weight[rows]
        step = (
            float(w.sum()),
            float(w @ part.margin[rows, 0]),
            float(w @ part.y[rows]),
        )
        while steps and steps[-1][2] * step[0] >= step[2] * steps[-1][0]:
            last = steps.pop()
            step = (last[0] + step[0], last[1] + step[1], last[2] + step[2])
        steps.append(step)
    mass, total, positive = np.array(steps).T
    share = (positive + base * one) / (mass + one)
    knots = np.column_stack([total / mass, np.log(share / (1.0 - share))])
    rising = [0]
    for i in range(1, len(knots)):
        if (knots[i] > knots[rising[-1]]).all():
            rising.append(i)
    if len(rising) < 2:
        return link
    return replace(link, knots=tuple((float(x), float(z)) for x, z in knots[rising]))


# The bag


def bag_line(
    link: Link, margin: Floats, models: Floats, unseen: NDArray[np.bool_]
) -> tuple[float, float]:
    """(slope, shift) that calibrated margins of a bag need beyond those of one fold's model.

    The mean of the models' margins has less noise than the margin of the one model that has not
    seen a row, and so deserves a steeper line, and another middle where classes are rare. The
    noise is how models that have all seen a row differ on it. Adding as much of it once more
    to the margin shows what noise does to the line, without any label; taking it away does the
    reverse (simulation-extrapolation: Cook and Stefanski, 1994).

    margin: (n, k) out-of-fold margins.  models: (m, n, k) margins of each fold's model.
    unseen: (m, n) whether the model was not trained on the row.
    """
    n_models, n_rows, _ = models.shape
    seen = ~unseen
    n_seen, n_unseen = seen.sum(axis=0), unseen.sum(axis=0)
    usable = np.flatnonzero((n_seen > 1) & (n_unseen > 0))
    if not len(usable):
        return 1.0, 0.0
    centre = (models * seen[:, :, None]).sum(axis=0) / np.maximum(n_seen, 1)[:, None]
    # Of the mean of models that have not seen a row, less what is left in the mean of all.
    lost = 1.0 / np.maximum(n_unseen, 1) - 1.0 / n_models
    scale = np.sqrt(np.maximum(lost, 0.0) * n_seen / np.maximum(n_seen - 1, 1))
    noisy, truth, weight = [], [], []
    proba = Link(link.kind).probabilities(link.calibrated(margin))[:, -margin.shape[1] :]
    for k in range(n_models):
        rows = usable[seen[k, usable]]
        moved = margin[rows] + scale[rows, None] * (models[k, rows] - centre[rows])
        noisy.append(link.calibrated(moved))
        truth.append(proba[rows])
        weight.append(1.0 / n_seen[rows])
    a, b = fitted_line(
        np.concatenate(noisy),
        np.concatenate(truth),
        np.concatenate(weight),
        slope=True,
        shift=link.kind == "logit",
    )
    # Noise does not make a line steeper: where it seems to, it is too little to be measured.
    return (1.0 / max(a, 0.5), -b / max(a, 0.5)) if a < 1.0 else (1.0, 0.0)
