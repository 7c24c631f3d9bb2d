"""The link: from the blended margin to probabilities or target values.

Boosters may train on another scale of a numeric target (log1p, or the power family of Yeo and
Johnson, 2000); all members of a blend share it. The mean of a target is not the inverse of the
mean of its transform, so values are averaged over the residuals' shifts ("smearing", Duan 1983).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["logit", "softmax", "identity", "log1p", "yeo-johnson"]

MAX_SHIFTS = 64
MAX_KNOTS = 100
# Powers outside of this have an inverse that ends somewhere, and a margin beyond it no value.
_POWERS = (0.0, 2.0)
_FIELDS = frozenset({"kind", "temperature", "power", "shifts", "intercept", "knots", "spreads"})


@dataclass(frozen=True)
class Link:
    """Shared by all members of a blend; applied once, after the margins are added.

    kind: "logit" and "softmax" give probabilities, the others target values: "log1p" of a margin
        of log(1 + y), "yeo-johnson" of one with `power` (0 to 2).
    temperature: the margin is divided by it first; calibrates probabilities
        (Guo et al., On Calibration of Modern Neural Networks, 2017). 1 for regression.
    intercept: of a logit link, is added then (Platt, Probabilistic outputs for support vector
        machines, 1999).
    knots: of a logit link, (margin, calibrated margin) pairs, both rising: straight lines between
        them, and of slope 1 beyond, so that the order of rows stays (isotonic regression with
        interpolation: Oron and Flournoy, Centered isotonic regression, 2017). Empty = none.
    shifts: margin units; a value is the mean over them of the inverse of margin + shift. Empty =
        the plain inverse.
    spreads: of several quantiles, what the distance of each to the middle one is multiplied by, 0
        for the middle one itself; empty = nothing (`search.spread`).
    """

    kind: Kind
    temperature: float = 1.0
    power: float = 1.0
    shifts: tuple[float, ...] = ()
    intercept: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()
    spreads: tuple[float, ...] = ()

    @property
    def calibrates(self) -> bool:
        """Whether probabilities are others than those of the plain margin."""
        return self.temperature != 1.0 or self.intercept != 0.0 or bool(self.knots)

    @property
    def transforms(self) -> bool:
        """Whether the margin is on another scale than the target's values."""
        return self.kind in ("log1p", "yeo-johnson")

    def margin_of(self, y: Floats) -> Floats:
        """(n,) target values on the scale of the margin: what boosters train on."""
        if self.kind == "log1p":
            return np.asarray(np.log1p(y))
        return _yeo_johnson(y, self.power) if self.kind == "yeo-johnson" else y

    def smeared(self, residuals: Floats, n_shifts: int = MAX_SHIFTS) -> Link:
        """This link with shifts from (n,) residuals of the margin.

        For log1p the mean has a closed form, one shift; else shifts are the means of `n_shifts`
        equal parts of the sorted residuals.
        """
        if self.kind == "log1p":
            top = float(residuals.max())  # so that exp stays finite
            shift = top + math.log(float(np.exp(residuals - top).mean()))
            return replace(self, shifts=(shift,))
        parts = np.array_split(np.sort(residuals), min(n_shifts, len(residuals)))
        return replace(self, shifts=tuple(float(part.mean()) for part in parts))

    def calibrated(self, margin: Floats) -> Floats:
        """(n, k) margins whose plain probabilities are the calibrated ones."""
        scaled = margin / self.temperature
        if self.intercept:
            scaled = scaled + self.intercept
        if not self.knots:
            return scaled
        at, to = np.array(self.knots).T
        below, above = np.minimum(scaled - at[0], 0.0), np.maximum(scaled - at[-1], 0.0)
        return np.asarray(np.interp(scaled, at, to) + below + above)

    def stretched(self, slope: float, shift: float) -> Link:
        """The link whose calibrated margins are `slope` times those of this one, plus `shift`."""
        if self.knots:
            return replace(self, knots=tuple((x, slope * y + shift) for x, y in self.knots))
        moved = self.intercept * slope + shift
        return replace(self, temperature=self.temperature / slope, intercept=moved)

    def probabilities(self, margin: Floats) -> Floats:
        """(n, k) margin -> (n, n_classes) probabilities; a logit link has two classes."""
        scaled = self.calibrated(margin)
        if self.kind == "logit":
            positive = _expit(scaled[:, 0])
            return np.column_stack([1.0 - positive, positive])
        if self.kind == "softmax":
            shifted = np.exp(scaled - scaled.max(axis=1, keepdims=True))
            return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
        raise ValueError(f"A {self.kind} link has no probabilities.")

    def values(self, margin: Floats) -> Floats:
        """(n, 1) margin -> (n,) target values; of several quantiles (n, k) -> (n, k).

        Quantiles that cross are put in order, which brings them nearer to the true ones
        (Chernozhukov, Fernandez-Val, Galichon, Quantile and probability curves without crossing,
        Econometrica 2010).
        """
        if not self.transforms and self.kind != "identity":
            raise ValueError(f"A {self.kind} link has no target values.")
        if margin.shape[1] > 1:
            return self.inverse(self.ordered(margin))
        if self.kind == "identity":
            return margin[:, 0]
        if not self.shifts:
            return self._inverse(margin[:, 0])
        total = np.zeros(len(margin))
        for shift in self.shifts:
            total += self._inverse(margin[:, 0] + shift)
        return np.asarray(total / len(self.shifts))

    def ordered(self, margin: Floats) -> Floats:
        """(n, k) margins of several quantiles, in order and as far apart as `spreads` has it."""
        rising = np.sort(margin, axis=1)
        if not self.spreads:
            return rising
        centre = rising[:, [self.spreads.index(0.0)]]
        return np.sort(centre + np.array(self.spreads) * (rising - centre), axis=1)

    def inverse(self, margin: Floats) -> Floats:
        """(n,) margins -> (n,) target values one by one: quantiles stay quantiles."""
        return self._inverse(margin) if self.transforms else margin

    def _inverse(self, margin: Floats) -> Floats:
        if self.kind == "log1p":
            return np.asarray(np.expm1(margin))
        return _inverse_yeo_johnson(margin, self.power)

    def predict(self, margin: Floats) -> Floats:
        """What metrics take: (n,) positive probability, (n, n_classes), (n,) values, or (n, k) of
        several quantiles."""
        if self.kind == "logit":
            return _expit(self.calibrated(margin)[:, 0])
        return self.probabilities(margin) if self.kind == "softmax" else self.values(margin)

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"kind": self.kind, "temperature": self.temperature}
        if self.kind == "yeo-johnson":
            plain["power"] = self.power
        if self.shifts:
            plain["shifts"] = list(self.shifts)
        if self.intercept:
            plain["intercept"] = self.intercept
        if self.knots:
            plain["knots"] = [list(knot) for knot in self.knots]
        if self.spreads:
            plain["spreads"] = list(self.spreads)
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Link:
        """The link of `to_json`; ValueError or KeyError for anything else."""
        if unknown := set(data) - _FIELDS:
            raise ValueError(f"a link has no {min(unknown)!r}")
        if data["kind"] not in get_args(Kind):
            raise ValueError(f"there is no link {data['kind']!r}")
        bent = data["kind"] == "yeo-johnson"
        if "power" in data and not bent:
            raise ValueError(f"a link of kind {data['kind']!r} has no power")
        link = cls(
            data["kind"],
            float(data["temperature"]),
            float(data["power"]) if bent else 1.0,
            tuple(float(shift) for shift in data.get("shifts", ())),
            float(data.get("intercept", 0.0)),
            tuple((float(x), float(y)) for x, y in data.get("knots", ())),
            tuple(float(factor) for factor in data.get("spreads", ())),
        )
        if not _POWERS[0] <= link.power <= _POWERS[1]:
            raise ValueError(f"the power of a link is {link.power:g}, not 0 to 2")
        if len(link.shifts) > MAX_SHIFTS or not all(map(math.isfinite, link.shifts)):
            raise ValueError("the shifts of a link are not a few finite numbers")
        if link.shifts and not link.transforms:
            raise ValueError(f"a link of kind {link.kind!r} has no shifts")
        link._check_calibration()
        link._check_spreads()
        return link

    def _check_spreads(self) -> None:
        if not self.spreads:
            return
        if self.kind in ("logit", "softmax"):
            raise ValueError(f"a link of kind {self.kind!r} has no spreads")
        sound = all(math.isfinite(one) and one >= 0.0 for one in self.spreads)
        if not sound or self.spreads.count(0.0) != 1 or len(self.spreads) > MAX_SHIFTS:
            raise ValueError("the spreads of a link are not positive but for one that is 0")

    def _check_calibration(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0.0):
            raise ValueError(f"the temperature of a link is {self.temperature:g}, not above 0")
        if (self.intercept or self.knots) and self.kind != "logit":
            raise ValueError(f"a link of kind {self.kind!r} has no intercept and no knots")
        if not math.isfinite(self.intercept):
            raise ValueError(f"the intercept of a link is {self.intercept:g}")
        if not self.knots:
            return
        knots = np.array(self.knots)
        if not 2 <= len(knots) <= MAX_KNOTS or not np.isfinite(knots).all():
            raise ValueError(f"the knots of a link are not 2 to {MAX_KNOTS} finite pairs")
        if (np.diff(knots, axis=0) <= 0).any():
            raise ValueError("the knots of a link do not rise")


def best_power(y: Floats) -> float:
    """The power within 0 to 2 whose transform of `y` is the most likely normal sample.

    By the profile likelihood of Yeo and Johnson, A New Family of Power Transformations (2000),
    on a grid of 0.05: finer ones fit no better trees.
    """
    slope = float((np.sign(y) * np.log1p(np.abs(y))).sum())

    def likelihood(power: float) -> float:
        with np.errstate(over="ignore", invalid="ignore"):  # such a power is none
            variance = float(_yeo_johnson(y, power).var())
        if not (math.isfinite(variance) and variance > 0):
            return -math.inf
        return -0.5 * len(y) * math.log(variance) + (power - 1.0) * slope

    grid = [float(power) for power in np.linspace(*_POWERS, 41)]
    return max(grid, key=likelihood)


def _yeo_johnson(y: Floats, power: float) -> Floats:
    size = np.log1p(np.abs(y))
    # For a negative value the power is mirrored at 1.
    exponent = np.where(y >= 0, power, 2.0 - power)
    with np.errstate(over="ignore"):
        curved = np.expm1(exponent * size) / np.where(exponent == 0, 1.0, exponent)
    return np.asarray(np.sign(y) * np.where(exponent == 0, size, curved))


def _inverse_yeo_johnson(margin: Floats, power: float) -> Floats:
    exponent = np.where(margin >= 0, power, 2.0 - power)
    size = np.abs(margin)
    curved = np.log1p(exponent * size) / np.where(exponent == 0, 1.0, exponent)
    return np.asarray(np.sign(margin) * np.expm1(np.where(exponent == 0, size, curved)))


def _expit(x: Floats) -> Floats:
    """The logistic function without overflow warnings."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, small) / (1.0 + small))
