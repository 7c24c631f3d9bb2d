"""Facts of the section Fairness: how groups of rows fare, and how far they differ.

Demographic parity: the share of a group that is called positive. Equalised odds: the shares of
its positive and of its negative rows that are called positive (Hardt, Price, Srebro, Equality of
opportunity in supervised learning, 2016). A difference is the largest less the least of the
groups, a ratio the least by the largest; of several classes, those of the class that differs most.
Notation: g = groups, k = classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.groups import Groups
from automl.insight.evidence import Evidence, Facts
from automl.insight.losses import Figure, Z, mean_of, row_losses, score_of
from automl.task import Task

Floats = NDArray[np.float64]

_MOST_RESAMPLES, _LEAST_RESAMPLES = 400, 50
_MOST_CELLS = 4_000_000  # of all resampled confusions together
_FEW_ROWS = 30  # of a group's positive or negative rows: a rate of fewer counts for no difference
_MOST_COLUMNS = 12
_BY_CHANCE = 0.05  # how often groups that are treated alike may seem apart


def facts(evidence: Evidence) -> Facts:
    """The audit of every sensitive column; empty where there is none.

    With several classes "called positive" is of each class against the rest.
    """
    columns = [groups for groups in evidence.groups if len(groups.labels) > 1]
    if not columns:
        return {}
    audit = _audit_classes if evidence.task.is_classification else _audit_values
    return {
        "asked": all(groups.asked for groups in columns),
        "task": evidence.task.value,
        "metric": evidence.metric.name,
        "target": evidence.target,
        "positive": evidence.classes[1] if evidence.task is Task.BINARY else None,
        "threshold": evidence.threshold if evidence.task is Task.BINARY else None,
        "rows": len(evidence.rows),
        "out_of_fold": evidence.fold is not None,
        "weighted": evidence.weight is not None,
        "limit": None if evidence.parity is None else dict(evidence.parity),
        "columns": [audit(evidence, groups) for groups in columns[:_MOST_COLUMNS]],
        "more_columns": max(len(columns) - _MOST_COLUMNS, 0),
    }


def _counted(evidence: Evidence, groups: Groups, g: int) -> NDArray[np.intp]:
    """The rows of a group; none where all their weights are 0, for then they say nothing."""
    own = np.flatnonzero(groups.codes == g)
    return own if evidence.weight is None or evidence.weight[own].any() else own[:0]


# Classes


def _audit_classes(evidence: Evidence, groups: Groups) -> Facts:
    tally = Tally.of(evidence, groups)
    one = tally.n_classes == 2
    rows = []
    for g, label in enumerate(groups.labels):
        own = _counted(evidence, groups, g)
        if not len(own):
            continue
        entry: Facts = {
            "group": label,
            "rows": len(own),
            "share": len(own) / len(groups.codes),
            "score": score_of(evidence, own),
            "accuracy": _rate(tally.right[g], tally.all[g], tally.shrink),
        }
        if one:
            truth, called = tally.confusion[g].sum(axis=1), tally.confusion[g].sum(axis=0)
            entry["actual"] = _rate(truth[1], tally.all[g], tally.shrink)
            entry["called"] = _rate(called[1], tally.all[g], tally.shrink)
            entry["tpr"] = _rate(tally.confusion[g][1, 1], truth[1], tally.shrink)
            entry["fpr"] = _rate(tally.confusion[g][0, 1], truth[0], tally.shrink)
        rows.append(entry)
    return {
        "column": groups.column,
        "groups": rows,
        "gaps": tally.gaps(groups.labels, evidence.classes),
    }


class Tally:
    """The confusion of each group, in weights, and how it would vary by chance.

    confusion: (g, k, k) weights of true by called class.  shrink: effective rows per weight
    (Kish, Survey Sampling, 1965).
    """

    def __init__(self, confusion: Floats, shrink: float) -> None:
        self.confusion, self.shrink = confusion, shrink
        self.n_groups, self.n_classes = confusion.shape[:2]

    @classmethod
    def of(cls, evidence: Evidence, groups: Groups) -> Tally:
        k, n = len(evidence.classes), len(groups.labels)
        known = groups.codes >= 0
        cell = (groups.codes * k + evidence.y.astype(np.int64)) * k + evidence.codes
        weight = None if evidence.weight is None else evidence.weight[known]
        counts = np.bincount(cell[known], weights=weight, minlength=n * k * k)
        shrink = 1.0
        if weight is not None and weight.any():
            shrink = float(weight.sum() / (weight @ weight))
        return cls(counts.reshape(n, k, k).astype(np.float64), shrink)

    @property
    def all(self) -> Floats:
        return np.asarray(self.confusion.sum(axis=(1, 2)))

    @property
    def right(self) -> Floats:
        return np.asarray(np.trace(self.confusion, axis1=1, axis2=2))

    def gaps(self, labels: Sequence[str], classes: Sequence[str]) -> Facts:
        """Differences and ratios with bootstrap intervals, and the two groups most clearly apart.

        "class": whose difference of demographic parity it is, with several classes.
        """
        rng = np.random.default_rng(0)
        own = _gaps(self._shares(), self.shrink)
        drawn = _gaps(self._drawn(rng), self.shrink)
        found: Facts = {
            name: _with_ends(own[name], drawn[name])
            for name in ("parity_difference", "parity_ratio", "odds_difference", "odds_ratio")
        }
        worst = int(own["parity_class"][0])
        found["class"] = classes[worst] if self.n_classes > 2 else None
        shares = self.confusion[..., worst].sum(axis=1)
        rates = [
            _rate(part, whole, self.shrink) for part, whole in zip(shares, self.all, strict=True)
        ]
        found["clearest"] = clearest(labels, rates)
        return found

    def _shares(self) -> Shares:
        hits = np.diagonal(self.confusion, axis1=1, axis2=2)
        sides = self.confusion.sum(axis=1), hits, self.confusion.sum(axis=2)
        return Shares(*(side[None] for side in sides))

    def _drawn(self, rng: np.random.Generator) -> Shares:
        """Of resampled rows. Cells without a row stay without: of many classes, nearly all."""
        g, k = self.n_groups, self.n_classes
        most = _MOST_CELLS // max(np.count_nonzero(self.confusion), g * k)
        n_drawn = max(min(_MOST_RESAMPLES, most), _LEAST_RESAMPLES)
        out = Shares(*(np.zeros((n_drawn, g, k)) for _ in range(3)))
        for i, cells in enumerate(self.confusion):
            true, said = np.nonzero(cells)
            n = round(float(cells.sum()) * self.shrink)
            if n > 0:
                shares = cells[true, said] / cells[true, said].sum()
                rows = rng.multinomial(n, shares, n_drawn) / self.shrink
                out.called[:, i] = _added(rows, said, k)
                out.hits[:, i] = _added(np.where(true == said, rows, 0.0), said, k)
                out.positive[:, i] = _added(rows, true, k)
        return out


@dataclass(frozen=True, eq=False)
class Shares:
    """(r, g, k) weights of rows: called a class, rightly so, and truly of it."""

    called: Floats
    hits: Floats
    positive: Floats


def _added(rows: Floats, codes: NDArray[np.intp], k: int) -> Floats:
    """(r, k) sums of (r, m) by the code of each of the m."""
    out = np.zeros((len(rows), k))
    order = np.argsort(codes, kind="stable")
    found, starts = np.unique(codes[order], return_index=True)
    out[:, found] = np.add.reduceat(rows[:, order], starts, axis=1)
    return out


def _gaps(shares: Shares, shrink: float) -> dict[str, Floats]:
    """(r,) differences and ratios; nan with fewer than two groups."""
    k = shares.called.shape[-1]
    first = 1 if k == 2 else 0  # of two classes, the positive one tells all
    parity, odds = [], []
    whole = shares.positive.sum(axis=2)
    for c in range(first, k):
        called, positive = shares.called[..., c], shares.positive[..., c]
        hits = shares.hits[..., c]
        parity.append(_spread(called, whole, shrink))
        odds.append(_spread(hits, positive, shrink))
        odds.append(_spread(called - hits, whole - positive, shrink))
    apart = np.stack([difference for difference, _ in parity])
    return {
        "parity_difference": _most(apart),
        "parity_ratio": -_most(-np.stack([ratio for _, ratio in parity])),
        "parity_class": np.argmax(np.nan_to_num(apart, nan=-1.0), axis=0) + first,
        "odds_difference": _most(np.stack([difference for difference, _ in odds])),
        "odds_ratio": -_most(-np.stack([ratio for _, ratio in odds])),
    }


def _spread(part: Floats, whole: Floats, shrink: float) -> tuple[Floats, Floats]:
    """(r,) largest less least rate, and least by largest, of groups with enough rows."""
    enough = whole * shrink >= min(_FEW_ROWS, float(whole.max()) * shrink) - 1e-9
    enough &= whole > 0.0
    rate = np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0.0)
    high = np.where(enough, rate, -np.inf).max(axis=1)
    low = np.where(enough, rate, np.inf).min(axis=1)
    two = enough.sum(axis=1) > 1
    difference = np.full(len(high), np.nan)
    difference[two] = high[two] - low[two]
    ratio = np.full(len(high), np.nan)
    some = two & (high > 0.0)
    ratio[some] = low[some] / high[some]
    return difference, ratio


def _most(values: Floats) -> Floats:
    """(r,) the largest of (c, r), nan left out."""
    found = np.where(np.isnan(values), -np.inf, values).max(axis=0)
    return np.where(np.isfinite(found), found, np.nan)


def _with_ends(own: Floats, drawn: Floats) -> Figure | None:
    if math.isnan(float(own[0])):
        return None
    return float(own[0]), _quantile(drawn, 0.025), _quantile(drawn, 0.975)


def _quantile(values: Floats, q: float) -> float:
    known = values[~np.isnan(values)]
    return float(np.quantile(known, q)) if len(known) else 0.0


def _rate(part: float, whole: float, shrink: float) -> Figure | None:
    """A share with its interval (Wilson, Probable inference, 1927); None of nothing."""
    n = whole * shrink
    if n <= 0.0:
        return None
    share = min(max(float(part / whole), 0.0), 1.0)
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    reach = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return share, max(centre - reach, 0.0), min(centre + reach, 1.0)


def clearest(labels: Sequence[str], figures: Sequence[Figure | None]) -> Facts | None:
    """The two groups whose figures are apart most clearly, the higher first.

    The largest and the least figure often are those of the smallest groups, by chance.
    "clear": whether it is more than chance makes of so many pairs (Bonferroni).
    """
    known = [(one, label) for one, label in zip(figures, labels, strict=True) if one is not None]
    pairs = [
        ((a[0] - b[0]) / (math.hypot(a[2] - a[1], b[2] - b[1]) / (2 * Z) or 1e-300), i, j)
        for i, (a, _) in enumerate(known)
        for j, (b, _) in enumerate(known)
        if i != j
    ]
    if not pairs:
        return None
    apart, i, j = max(pairs)
    least = NormalDist().inv_cdf(1.0 - _BY_CHANCE / len(pairs))
    return {
        "high": [known[i][1], known[i][0][0]],
        "low": [known[j][1], known[j][0][0]],
        "clear": apart > least,
    }


# Values


def _audit_values(evidence: Evidence, groups: Groups) -> Facts:
    """Errors by group; `tilted`: a mean error further from 0 than chance makes of so many."""
    losses, name = row_losses(evidence)
    least = NormalDist().inv_cdf(1.0 - _BY_CHANCE / 2.0 / len(groups.labels))
    wrong = evidence.prediction - evidence.y
    rows: list[Facts] = []
    for g, label in enumerate(groups.labels):
        own = _counted(evidence, groups, g)
        if not len(own):
            continue
        weight = None if evidence.weight is None else evidence.weight[own]
        bias = mean_of(wrong[own], weight)
        rows.append(
            {
                "group": label,
                "rows": len(own),
                "share": len(own) / len(groups.codes),
                "score": score_of(evidence, own),
                "actual": mean_of(evidence.y[own], weight),
                "bias": bias,
                "tilted": abs(bias[0]) > least * (bias[2] - bias[1]) / (2 * Z),
                "loss": mean_of(losses[own], weight),
            }
        )
    known = [one for one in rows if one["rows"] > 1]
    return {
        "column": groups.column,
        "loss": name,
        "groups": rows,
        "gaps": {
            "loss_difference": _difference([one["loss"] for one in known]),
            "loss_ratio": _ratio([_first(one["loss"]) for one in known]),
            "bias_difference": _difference([one["bias"] for one in known]),
            "clearest": clearest([one["group"] for one in known], [one["loss"] for one in known]),
        },
    }


def _first(figure: Any) -> float:
    return float(figure[0])


def _difference(figures: list[Figure]) -> Figure | None:
    """The largest less the least mean, with the normal interval of these two."""
    if len(figures) < 2:
        return None
    high, low = max(figures), min(figures)
    reach = math.hypot(high[2] - high[0], low[2] - low[0])
    gap = high[0] - low[0]
    return gap, max(gap - reach, 0.0), gap + reach


def _ratio(values: list[float]) -> float | None:
    if len(values) < 2 or max(values) <= 0.0:
        return None
    return min(values) / max(values)
