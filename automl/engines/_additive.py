"""An additive model: one function per feature, added up; scored and explained with NumPy alone.

Notation: n = rows, p = features, k = outputs, m = knots of a curve.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl.errors import BundleError
from automl.features.matrix import FloatArray, Matrix
from automl.features.strict import Fields

Floats = NDArray[np.float64]

_KIND: Final = "additive"
_MAX_BYTES: Final = 1 << 30
_MAX_LEVELS: Final = 1 << 20


@dataclass(frozen=True)
class Curve:
    """A number's effect: linear between knots, constant beyond the first and the last.

    knots: (m,) increasing, m >= 2.  values: (m, k).  missing: (k,) the effect of NaN.
    """

    knots: Floats
    values: Floats
    missing: Floats

    def effect(self, cells: FloatArray) -> Floats:
        """(n, k) for (n,) values. A row's effect does not depend on the other rows."""
        place = np.interp(cells, self.knots, np.arange(len(self.knots), dtype=np.float64))
        gone = np.isnan(place)
        if gone.any():
            place[gone] = 0.0
        made: Floats
        if len(self.knots) == 2:
            made = self.values[0] + place[:, None] * (self.values[1] - self.values[0])
        else:
            below = np.minimum(place.astype(np.intp), len(self.knots) - 2)
            steps = np.diff(self.values, axis=0)
            made = self.values[below] + (place - below)[:, None] * steps[below]
        made[gone] = self.missing
        return made

    def to_json(self) -> dict[str, Any]:
        return {
            "knots": self.knots.tolist(),
            "values": self.values.tolist(),
            "missing": self.missing.tolist(),
        }


@dataclass(frozen=True)
class Levels:
    """A category's effect. values: (n_levels + 1, k); the last row is that of NaN."""

    values: Floats

    def effect(self, cells: FloatArray) -> Floats:
        """(n, k) for (n,) codes."""
        unknown = len(self.values) - 1
        codes = np.nan_to_num(cells, nan=unknown).astype(np.intp)
        made: Floats = self.values[np.minimum(codes, unknown)]
        return made

    def to_json(self) -> dict[str, Any]:
        return {"levels": self.values.tolist()}


@dataclass(frozen=True)
class AdditiveModel:
    """The margin is `base` plus the effects of the features that have one.

    base: (k,) the mean margin of the training rows, whose effects average zero.
    effects: by feature index, ascending; other features count for nothing.
    """

    n_features: int
    base: Floats
    effects: tuple[tuple[int, Curve | Levels], ...]

    def margin(self, matrix: Matrix) -> Floats:
        """(n, k); added up feature by feature, so that chunks of rows give the same bits."""
        total = np.tile(self.base, (matrix.n_rows, 1))
        for _, effect in self._made(matrix):
            total += effect
        return total

    def contributions(self, matrix: Matrix) -> Floats:
        """(n, k, p + 1) effects, exact SHAP values of an additive model; the base value last."""
        values = np.zeros((matrix.n_rows, len(self.base), self.n_features + 1))
        for i, effect in self._made(matrix):
            values[:, :, i] = effect
        values[:, :, -1] = self.base
        return values

    def _made(self, matrix: Matrix) -> Iterator[tuple[int, Floats]]:
        if matrix.n_features != self.n_features:
            raise BundleError(
                f"A linear model of {self.n_features} features was given {matrix.n_features}.",
                hint="The bundle's preprocessor and members do not belong together.",
            )
        for i, effect in self.effects:
            yield i, effect.effect(matrix.values[:, i])

    def to_json(self) -> dict[str, Any]:
        return {
            "base": self.base.tolist(),
            "effects": [{"feature": i, **effect.to_json()} for i, effect in self.effects],
        }


def save_additive(path: Path, steps: Mapping[int, AdditiveModel]) -> None:
    """Write the models of a path's steps as JSON, whose numbers read back to the same bits."""
    data = {
        "kind": _KIND,
        "n_features": max(model.n_features for model in steps.values()),
        "steps": [{"n_steps": n, **steps[n].to_json()} for n in sorted(steps)],
    }
    path.write_text(json.dumps(data, separators=(",", ":")), encoding="ascii")


def load_additive(path: Path, *, n_outputs: int) -> dict[int, AdditiveModel]:
    """The models by step that `save_additive` wrote; BundleError for anything else."""
    damaged = BundleError(
        f"{path} is not a linear model with {n_outputs} output(s).",
        hint="The bundle is damaged; make it again or copy it anew.",
    )
    if path.stat().st_size > _MAX_BYTES:
        raise damaged
    try:
        data = json.loads(path.read_bytes().decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise damaged from error
    fields = Fields.of(data, str(path))
    fields.text("kind", known=(_KIND,))
    n_features = fields.integer("n_features", low=1)
    steps = {}
    for step in fields.objects("steps"):
        base = np.array(step.numbers("base"))
        effects = [
            (each.integer("feature", high=n_features - 1), _effect(each, n_outputs))
            for each in step.objects("effects")
        ]
        places = [i for i, _ in effects]
        if len(base) != n_outputs or sorted(set(places)) != places:
            raise damaged
        steps[step.integer("n_steps", low=1)] = AdditiveModel(n_features, base, tuple(effects))
    if not steps:
        raise damaged
    return steps


def _effect(fields: Fields, k: int) -> Curve | Levels:
    if "levels" in fields.data:
        values = fields.table("levels", n_columns=k)
        if not 2 <= len(values) <= _MAX_LEVELS:
            raise _unfit(fields)
        return Levels(values)
    knots = np.array(fields.numbers("knots"))
    curve = Curve(knots, fields.table("values", n_columns=k), np.array(fields.numbers("missing")))
    fits = len(curve.values) == len(knots) >= 2 and len(curve.missing) == k
    if not fits or not (np.diff(knots) > 0).all():
        raise _unfit(fields)
    return curve


def _unfit(fields: Fields) -> BundleError:
    return BundleError(
        f"{fields.where}: its knots, values and levels do not fit together.",
        hint="The bundle is damaged or was edited; use an intact copy.",
    )
