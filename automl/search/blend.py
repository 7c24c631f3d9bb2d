"""The blend: greedy forward selection with replacement on out-of-fold margins.

Caruana et al., Ensemble Selection from Libraries of Models (2004). Margins are averaged, not
probabilities, so that SHAP values of the blend are the averages of its members'.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Loss = Callable[[Floats], float]  # of an (n, k) margin; minimised

# Rounds that may fail in a row: the first additions weigh 1/2 and 1/3, too much for a member that
# would help with a small weight.
_WAIT = 6
# Where a limit keeps members out, dear ones are made dearer too: a member that is nearly as good
# for a tenth of the room may leave room for two more.
_DEARER = (1.0, 10.0, 100.0)


@dataclass(frozen=True)
class Limits:
    """What the members of a blend may cost together, and what they must buy for it.

    seconds, trees: by name, core-seconds to score a row and trees of the bag; a name that is
    missing costs nothing.  rate: the price of a second, in units of the loss that the best single
    member saves against the baseline.  dear_rate: that of each second beyond `room`, on top.
    """

    members: int = 8
    seconds: Mapping[str, float] = field(default_factory=dict)
    rate: float = 0.0
    room: float = math.inf
    dear_rate: float = 0.0
    trees: Mapping[str, float] = field(default_factory=dict)
    max_trees: float = math.inf

    def allow(self, names: Iterable[str]) -> bool:
        """Whether a blend may consist of `names`."""
        known = list(names)
        return len(known) <= self.members and self._trees(known) <= self.max_trees

    def excess(self, name: str) -> float:
        """How many times over the limits `name` is alone; at most 1 if it may be a blend."""
        return self._trees([name]) / self.max_trees

    def price(self, names: Iterable[str]) -> float:
        """What a blend of `names` must buy, in the units of `rate`."""
        seconds = sum(self.seconds.get(name, 0.0) for name in names)
        return self.rate * seconds + self.dear_rate * max(seconds - self.room, 0.0)

    def _trees(self, names: Iterable[str]) -> float:
        return sum(self.trees.get(name, 0.0) for name in names)


@dataclass(frozen=True)
class Blend:
    """Weights by member name, adding up to 1, and the loss of the blended margin."""

    weights: Mapping[str, float]
    loss: float


def greedy_blend(  # noqa: PLR0913 - the margins, what counts, and what bounds the search
    margins: Mapping[str, NDArray[np.floating]],
    loss: Loss,
    *,
    limits: Limits | None = None,
    rounds: int = 30,
    tolerance: float = 1e-4,
    scale: float = 1.0,
    losses: Mapping[str, float] | None = None,
    deadline: float = math.inf,
) -> Blend:
    """The weights that greedy selection finds.

    margins: (n, k) out-of-fold margins by name; the best single one for its price starts.
    losses: of each of them, where they are known.  deadline: by time.monotonic(); what was found
    until then is the blend.
    A round must lower the loss by `tolerance` x `scale`; `scale` is the loss that the best single
    member saves against the baseline, so the tolerance has no units.
    limits: bounds and prices of the whole blend. Where no single member keeps to the bounds, the
    one that comes nearest is the blend.
    """
    limits = limits or Limits()
    if losses is None:
        losses = {name: loss(np.asarray(margins[name], dtype=np.float64)) for name in margins}
    names = [name for name in margins if limits.excess(name) <= 1.0]
    if not names:
        nearest = min(margins, key=limits.excess)
        return Blend({nearest: 1.0}, losses[nearest])
    order = names_by_loss({name: losses[name] for name in names}, len(names))
    search = _Greedy(margins, loss, order, limits, deadline)
    found: list[tuple[float, Blend]] = []
    for dearer in _DEARER:
        weights = search.weights(losses, dearer * scale, tolerance * scale, rounds)
        blend = Blend(weights, loss(blended(weights, margins)))
        found.append((blend.loss + scale * limits.price(weights), blend))
        if not search.bound or time.monotonic() > deadline:
            break
    return min(found, key=lambda entry: entry[0])[1]


class _Greedy:
    """Forward selection with replacement within limits.

    names: best first.  bound: whether the limits kept a name out in the last search.
    """

    def __init__(
        self,
        margins: Mapping[str, NDArray[np.floating]],
        loss: Loss,
        names: Sequence[str],
        limits: Limits,
        deadline: float,
    ) -> None:
        self._margins, self._loss, self._names, self._limits = margins, loss, names, limits
        self._deadline = deadline
        self.bound = False

    def weights(
        self, losses: Mapping[str, float], scale: float, unit: float, rounds: int
    ) -> dict[str, float]:
        """The weights after the best of `rounds` rounds.

        scale: the loss that a price of 1 counts as.  unit: the least fall of loss and price.
        """
        self.bound = False
        prices = {name: scale * self._limits.price([name]) for name in self._names}
        start = min(self._names, key=lambda name: losses[name] + prices[name])
        counts = {start: 1}
        total = np.array(self._margins[start], dtype=np.float64)
        best, best_counts, waited = losses[start] + prices[start], dict(counts), 0
        for size in range(2, rounds + 1):
            found, name = min(self._tried(counts, total, size, scale), default=(math.inf, ""))
            if not name:
                break
            counts[name] = counts.get(name, 0) + 1
            total += self._margins[name]
            waited += 1
            if found < best - unit:
                best, best_counts, waited = found, dict(counts), 0
            if waited == _WAIT:
                break
        total_count = sum(best_counts.values())
        return {name: count / total_count for name, count in best_counts.items()}

    def _tried(
        self, counts: Mapping[str, int], total: Floats, size: int, scale: float
    ) -> Iterator[tuple[float, str]]:
        """(loss and price, name) of each addition that there is time to try, best names first."""
        for name in self._allowed(counts):
            if time.monotonic() > self._deadline:
                return
            loss = self._loss((total + self._margins[name]) / size)
            yield loss + scale * self._limits.price({**counts, name: 1}), name

    def _allowed(self, counts: Mapping[str, int]) -> list[str]:
        """Names that are members, or may become one."""
        fits = [n for n in self._names if n in counts or self._limits.allow([*counts, n])]
        if len(counts) < self._limits.members and len(fits) < len(self._names):
            self.bound = True
        return fits


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
