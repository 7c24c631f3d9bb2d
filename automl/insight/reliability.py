"""Whether probabilities mean what they say: observed shares by predicted ones, and the ECE."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl.insight.evidence import Floats

BINS = 10  # that are drawn
ECE_BINS = 15
_SIMULATED = 200
_MOST_ROWS = 20_000  # of the simulation
_NORMAL_95 = 1.959963985


@dataclass(frozen=True)
class Reliability:
    """Rising bins of about equal weight.

    predicted: mean probability of each.  observed: share of events, with its 95 % interval from
    low to high.  rows: how many each holds.  ece: mean distance of both in 15 such bins.
    by_chance: what 95 % of perfectly calibrated models with these probabilities stay below.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    rows: tuple[int, ...]
    ece: float
    by_chance: float


def reliability(event: Floats, proba: Floats, weight: Floats | None, *, seed: int) -> Reliability:
    """How often `event` (0 or 1) happened by its predicted probability. All: (n,).

    Intervals are Wilson's (1927), on as many rows as the weights are worth (Kish, 1965).
    """
    order = np.argsort(proba, kind="stable")
    event, proba = event[order], proba[order]
    w = np.ones(len(event)) if weight is None else weight[order]
    starts = _starts(proba, w, BINS)
    mass = np.add.reduceat(w, starts)
    predicted = np.add.reduceat(w * proba, starts) / mass
    observed = np.add.reduceat(w * event, starts) / mass
    low, high = wilson(observed, mass**2 / np.add.reduceat(w**2, starts))
    rows = np.diff(np.append(starts, len(event)))
    return Reliability(
        predicted=_plain(predicted),
        observed=_plain(observed),
        low=_plain(low),
        high=_plain(high),
        rows=tuple(int(n) for n in rows),
        ece=_ece(event[None], proba, w)[0],
        by_chance=_by_chance(proba, w, seed),
    )


def _plain(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def wilson(share: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Ends of the 95 % interval of shares among n rows (Wilson, 1927)."""
    z2 = _NORMAL_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _NORMAL_95 / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def _starts(proba: Floats, weight: Floats, n_bins: int) -> NDArray[np.intp]:
    """Where bins of about equal weight begin; equal probabilities share one."""
    levels = np.append(0, np.flatnonzero(np.diff(proba)) + 1)
    reached = np.cumsum(np.add.reduceat(weight, levels))
    cuts = np.searchsorted(reached, reached[-1] * np.arange(1, n_bins) / n_bins) + 1
    starts = np.append(0, np.unique(levels[cuts[cuts < len(levels)]]))
    # A bin without weight says nothing: its rows go to the one before.
    mass = np.add.reduceat(weight, starts)
    return starts[(mass > 0) | (starts == 0)] if mass[0] > 0 else np.array([0])


def _ece(events: Floats, proba: Floats, weight: Floats) -> list[float]:
    """ECE of each row of (m, n) events for rising probabilities, in bins of equal mass."""
    starts = _starts(proba, weight, ECE_BINS)
    gaps = np.add.reduceat((events - proba) * weight, starts, axis=1)
    return [float(gap) for gap in np.abs(gaps).sum(axis=1) / weight.sum()]


def _by_chance(proba: Floats, weight: Floats, seed: int) -> float:
    """The 95th percentile of the ECE of a model whose probabilities are exactly right."""
    rng = np.random.default_rng(seed)
    n = len(proba)
    scale = 1.0
    if n > _MOST_ROWS:
        # Every n-th of the ranked rows is the same distribution; the ECE goes with 1 / sqrt(n).
        some = np.linspace(0, n - 1, _MOST_ROWS).astype(np.intp)
        scale = float(np.sqrt(_MOST_ROWS / n))
        proba, weight = proba[some], weight[some]
    found = [
        _ece((rng.random((1, len(proba))) < proba).astype(np.float64), proba, weight)[0]
        for _ in range(_SIMULATED)
    ]
    return float(np.quantile(found, 0.95)) * scale
