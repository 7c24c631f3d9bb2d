"""The link: from the blended margin to probabilities or target values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Link:
    """Shared by all members of a blend; applied once, after the margins are added.

    kind: "logit" and "softmax" give probabilities, "identity" and "log1p" target values
        ("log1p": the margin is log(1 + y), so the value is exp(margin) - 1).
    temperature: the margin is divided by it first; calibrates probabilities
        (Guo et al., On Calibration of Modern Neural Networks, 2017). 1 for regression.
    """

    kind: Literal["logit", "softmax", "identity", "log1p"]
    temperature: float = 1.0

    def probabilities(self, margin: Floats) -> Floats:
        """(n, k) margin -> (n, n_classes) probabilities; a logit link has two classes."""
        scaled = margin / self.temperature
        if self.kind == "logit":
            positive = _expit(scaled[:, 0])
            return np.column_stack([1.0 - positive, positive])
        if self.kind == "softmax":
            shifted = np.exp(scaled - scaled.max(axis=1, keepdims=True))
            return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
        raise ValueError(f"A {self.kind} link has no probabilities.")

    def values(self, margin: Floats) -> Floats:
        """(n, 1) margin -> (n,) target values."""
        if self.kind == "identity":
            return margin[:, 0]
        if self.kind == "log1p":
            return np.asarray(np.expm1(margin[:, 0]))
        raise ValueError(f"A {self.kind} link has no target values.")

    def predict(self, margin: Floats) -> Floats:
        """What metrics take: (n,) positive probability, (n, n_classes) or (n,) values."""
        if self.kind == "logit":
            return _expit(margin[:, 0] / self.temperature)
        return self.probabilities(margin) if self.kind == "softmax" else self.values(margin)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "temperature": self.temperature}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Link:
        return cls(data["kind"], float(data["temperature"]))


def _expit(x: Floats) -> Floats:
    """The logistic function without overflow warnings."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, small) / (1.0 + small))
