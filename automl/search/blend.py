"""The blend: greedy forward selection with replacement on out-of-fold margins.

Caruana et al., Ensemble Selection from Libraries of Models (2004). Margins are averaged, not
probabilities, so that SHAP values of the blend are the averages of its members'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Loss = Callable[[Floats], float]  # of an (n, k) margin; minimised

# Rounds that may fail in a row: the first additions weigh 1/2 and 1/3, too much for a member that
# would help with a small weight.
_WAIT = 6
NO_PRICES: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Blend:
    """Weights by member name, adding up to 1, and the loss of the blended margin."""

    weights: Mapping[str, float]
    loss: float


def greedy_blend(
    margins: Mapping[str, NDArray[np.floating]],
    loss: Loss,
    *,
    prices: Mapping[str, float] = NO_PRICES,
    max_members: int = 8,
    rounds: int = 30,
    tolerance: float = 1e-4,
    scale: float = 1.0,
) -> Blend:
    """The weights that greedy selection finds.

    margins: (n, k) out-of-fold margins by name; the best single one starts the blend.
    A round must lower the loss by `tolerance` x `scale`; `scale` is the loss that the best single
    member saves against the baseline, so the tolerance has no units. A name that is not in the
    blend yet must lower it by its price more, in units of the same: what it costs to predict.
    """
    names = list(margins)
    losses = {name: loss(np.asarray(margins[name], dtype=np.float64)) for name in names}
    order = names_by_loss(losses, len(names))
    counts = {order[0]: 1}
    total = np.array(margins[order[0]], dtype=np.float64)
    unit = tolerance * scale
    # What was paid for members counts as loss, so that a dear one must be worth it.
    best, best_counts, waited = losses[order[0]], dict(counts), 0
    paid = 0.0
    for size in range(2, rounds + 1):
        allowed = order if len(counts) < max_members else list(counts)
        fees = {name: 0.0 if name in counts else unit * prices.get(name, 0.0) for name in allowed}
        found, name = min(
            (loss((total + margins[name]) / size) + fees[name], name) for name in allowed
        )
        paid_before, paid = paid, paid + fees[name]
        found += paid_before
        counts[name] = counts.get(name, 0) + 1
        total += margins[name]
        waited += 1
        if found < best - unit:
            best, best_counts, waited = found, dict(counts), 0
        if waited == _WAIT:
            break
    total_count = sum(best_counts.values())
    weights = {name: count / total_count for name, count in best_counts.items()}
    return Blend(weights, loss(blended(weights, margins)))


def blended(weights: Mapping[str, float], margins: Mapping[str, NDArray[np.floating]]) -> Floats:
    """(n, k) weighted sum of margins in the order of `weights`."""
    total: Floats | None = None
    for name, weight in weights.items():
        part = weight * np.asarray(margins[name], dtype=np.float64)
        total = part if total is None else total + part
    if total is None:
        raise ValueError("A blend needs at least one member.")
    return total


def row_sample(n_rows: int, limit: int, seed: int) -> NDArray[np.int64] | slice:
    """Rows on which a blend is chosen: all, or `limit` random ones of a very large table."""
    if n_rows <= limit:
        return slice(None)
    return np.sort(np.random.default_rng(seed).choice(n_rows, limit, replace=False))


def names_by_loss(losses: Mapping[str, float], limit: int) -> Sequence[str]:
    """The `limit` names with the least loss."""
    return sorted(losses, key=lambda name: losses[name])[:limit]
