"""What a run knows for prediction intervals and sets, and how well they covered out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.insight.evidence import Bounds
from automl.model.intervals import (
    Conformal,
    Difficulty,
    Method,
    band_scores,
    conformal,
    label_scores,
    residual_scores,
)
from automl.model.link import Link
from automl.search.blend import blended
from automl.search.scoring import Scorer
from automl.search.select import Choice

if TYPE_CHECKING:
    from automl.workflows.finish import Finish
    from automl.workflows.student import Taught

Floats = NDArray[np.float64]

LEVELS = (0.8, 0.9, 0.95)  # whose coverage is measured
_USUAL = 0.9
_LEAST_ROWS = 20
_NARROWER = 0.99  # times the plain width: from there on it pays to go by difficulty


def conformal_of(
    finish: Finish, choice: Choice, taught: Taught | None, *, n_models: int
) -> tuple[Conformal, dict[str, Any]] | None:
    """The conformal scores of what ships and what is measured of them; None for too few rows.
    n_models: boosters of each member that ships.
    """
    margins = finish.race.margins
    if taught is not None:
        margins = {taught.student.trial.name: taught.student.margins}
    stacked = blended(choice.weights, margins)
    scorer = finish.race.scorer
    n_splits = len(scorer.splits)
    method: Method = "approximate"
    if taught is None and n_models == n_splits:
        refit = finish.config.refit or finish.folds.refit
        method = "cv+" if n_splits > 1 else ("approximate" if refit else "split")
    folds, targets = _by_split(scorer, stacked)
    if sum(map(len, targets)) < _LEAST_ROWS:
        return None
    if scorer.task.is_classification:
        found, facts = _sets(method, folds, targets, choice.ships)
    elif finish.goal.metric.quantiles:
        found, facts = _bands(method, folds, targets, choice.ships)
    else:
        found, facts = _intervals(method, folds, targets, choice.ships)
    _tell(finish, found, facts)
    return found, facts


def _by_split(scorer: Scorer, stacked: Floats) -> tuple[list[Floats], list[Floats]]:
    """Margins and targets of each split's valid rows, without echoes."""
    margins, targets, start = [], [], 0
    for split in scorer.splits:
        margins.append(stacked[start : start + len(split.valid)])
        targets.append(scorer.target(split.valid))
        start += len(split.scored)
    return margins, targets


# Regression


def _intervals(
    method: Method, folds: Sequence[Floats], targets: Sequence[Floats], link: Link
) -> tuple[Conformal, dict[str, Any]]:
    margins = [fold[:, 0] for fold in folds]
    wanted = [link.margin_of(y) for y in targets]
    plain = _measured(margins, wanted, targets, link, by_difficulty=False)
    varied = _measured(margins, wanted, targets, link, by_difficulty=True)
    pays = varied["mean_width"][f"{_USUAL}"] < _NARROWER * plain["mean_width"][f"{_USUAL}"]
    difficulty = _difficulty(margins, wanted) if pays else None
    scores = residual_scores(margins, wanted, difficulty)
    facts = {
        "method": method,
        "by_difficulty": difficulty is not None,
        **(varied if pays else plain),
    }
    return conformal(method, scores, difficulty), facts


def _bands(
    method: Method, folds: Sequence[Floats], targets: Sequence[Floats], link: Link
) -> tuple[Conformal, dict[str, Any]]:
    """Around the outer ones of several quantiles, each fold's rows by the scores of the others."""
    folds = [link.ordered(fold) for fold in folds]
    low, high = [fold[:, 0] for fold in folds], [fold[:, -1] for fold in folds]
    wanted = [link.margin_of(y) for y in targets]
    parts = [_halved(one) for one in (low, high, wanted, targets)]
    covered, widths = dict.fromkeys(LEVELS, 0), dict.fromkeys(LEVELS, 0.0)
    n_rows = sum(map(len, targets))
    for k, y in enumerate(parts[3]):
        rest = [[*one[:k], *one[k + 1 :]] for one in parts[:3]]
        known = conformal("split", [np.concatenate(band_scores(*rest))])
        for level in LEVELS:
            if level * (known.n_rows + 1) > known.n_rows:
                continue
            ends = known.band(parts[0][k][:, None], parts[1][k][:, None], link, level)
            covered[level] += int(((y >= ends[0]) & (y <= ends[1])).sum())
            widths[level] += float((ends[1] - ends[0]).sum())
    return conformal(method, band_scores(low, high, wanted)), {
        "method": method,
        "by_difficulty": False,
        "coverage": {f"{level}": covered[level] / n_rows for level in LEVELS},
        "mean_width": {f"{level}": widths[level] / n_rows for level in LEVELS},
    }


def _difficulty(margins: Sequence[Floats], wanted: Sequence[Floats]) -> Difficulty | None:
    every, truth = np.concatenate(margins), np.concatenate(wanted)
    return Difficulty.fit(every, truth - every)


def _measured(
    margins: Sequence[Floats],
    wanted: Sequence[Floats],
    targets: Sequence[Floats],
    link: Link,
    *,
    by_difficulty: bool,
) -> dict[str, Any]:
    """Coverage and mean width by level of the intervals of rows that gave them no score.

    Each fold's rows are covered by the scores, and the difficulty, of the others; the rows of a
    single split by those of its other half.
    """
    margins, wanted, targets = _halved(margins), _halved(wanted), _halved(targets)
    covered = dict.fromkeys(LEVELS, 0)
    widths = dict.fromkeys(LEVELS, 0.0)
    n_rows = sum(map(len, targets))
    for k, y in enumerate(targets):
        known = _without(margins, wanted, k, by_difficulty=by_difficulty)
        for level in LEVELS:
            if level * (known.n_rows + 1) > known.n_rows:
                continue
            low, high = known.interval(margins[k][:, None], link, level)
            covered[level] += int(((y >= low) & (y <= high)).sum())
            widths[level] += float((high - low).sum())
    return {
        "coverage": {f"{level}": covered[level] / n_rows for level in LEVELS},
        "mean_width": {f"{level}": widths[level] / n_rows for level in LEVELS},
    }


def out_of_fold_bounds(
    finish: Finish, choice: Choice, taught: Taught | None, *, by_difficulty: bool
) -> Bounds | None:
    """The usual intervals of the validated rows of a regression, each from other folds' scores.

    None where the other folds have too few rows.
    """
    margins = finish.race.margins
    if taught is not None:
        margins = {taught.student.trial.name: taught.student.margins}
    scorer = finish.race.scorer
    folds, targets = _by_split(scorer, blended(choice.weights, margins))
    values = _halved([fold[:, 0] for fold in folds])
    wanted = _halved([choice.link.margin_of(y) for y in targets])
    rows = _halved([split.valid for split in scorer.splits])
    low, high = np.full(scorer.n_rows, np.nan), np.full(scorer.n_rows, np.nan)
    for k in reversed(range(len(rows))):  # of a row's splits the first one counts
        known = _without(values, wanted, k, by_difficulty=by_difficulty)
        if _USUAL * (known.n_rows + 1) > known.n_rows:
            return None
        low[rows[k]], high[rows[k]] = known.interval(values[k][:, None], choice.link, _USUAL)
    return Bounds(_USUAL, low[scorer.rows], high[scorer.rows])


def _without(
    margins: Sequence[Floats], wanted: Sequence[Floats], k: int, *, by_difficulty: bool
) -> Conformal:
    """What all folds but the k-th know for intervals."""
    rest, truth = [*margins[:k], *margins[k + 1 :]], [*wanted[:k], *wanted[k + 1 :]]
    difficulty = _difficulty(rest, truth) if by_difficulty else None
    return conformal(
        "split", [np.concatenate(residual_scores(rest, truth, difficulty))], difficulty
    )


# Classification


def _sets(
    method: Method, folds: Sequence[Floats], targets: Sequence[Floats], link: Link
) -> tuple[Conformal, dict[str, Any]]:
    probabilities = [link.probabilities(fold) for fold in folds]
    found = conformal(method, label_scores(probabilities, targets))
    halves, labels = _halved(probabilities), _halved(targets)
    covered = dict.fromkeys(LEVELS, 0)
    sizes = dict.fromkeys(LEVELS, 0)
    n_rows = sum(map(len, labels))
    for k, y in enumerate(labels):
        others = [i for i in range(len(labels)) if i != k]
        rest = label_scores([halves[i] for i in others], [labels[i] for i in others])
        known = conformal("split", [np.concatenate(rest)])
        for level in LEVELS:
            if level * (known.n_rows + 1) > known.n_rows:
                continue
            inside = known.members([halves[k]], level)
            covered[level] += int(inside[np.arange(len(y)), y.astype(np.intp)].sum())
            sizes[level] += int(inside.sum())
    return found, {
        "method": method,
        "coverage": {f"{level}": covered[level] / n_rows for level in LEVELS},
        "mean_size": {f"{level}": sizes[level] / n_rows for level in LEVELS},
    }


def _halved(folds: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The folds, or every other row of a single one."""
    return list(folds) if len(folds) > 1 else [folds[0][::2], folds[0][1::2]]


def _tell(finish: Finish, found: Conformal, facts: dict[str, Any]) -> None:
    share = facts["coverage"][f"{_USUAL}"]
    why = {
        "cv+": "conformal, CV+ with the models of the folds",
        "split": "conformal, from the rows of the holdout",
        "approximate": "conformal, approximate: what ships was trained on the scored rows too",
    }[found.method]
    if "mean_size" in facts:
        size = facts["mean_size"][f"{_USUAL}"]
        text = f"prediction sets: those of {_USUAL:.0%} hold {size:.2f} classes"
    else:
        width = facts["mean_width"][f"{_USUAL}"]
        text = f"prediction intervals: those of {_USUAL:.0%} are {width:.4g} wide"
        why += ", wider where errors are larger" if facts["by_difficulty"] else ""
        why += ", around the outer quantiles" if finish.goal.metric.quantiles else ""
    finish.ledger.add("intervals", f"{text} and covered {share:.1%} out of fold", why)
