"""The scoring program of a loaded predictor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np

from automl.data.read import ReadOptions
from automl.data.schema import Kind
from automl.engines.base import Booster
from automl.engines.catboost import CatBoostBooster
from automl.engines.lightgbm import LightGBMBooster
from automl.engines.linear import LinearBooster
from automl.engines.xgboost import XGBoostBooster
from automl.errors import ConfigError
from automl.export.program import Additive, Forest, Input, Lookup, Member, Program
from automl.export.program_catboost import catboost_forest
from automl.export.program_columns import Plane, Reader, after, plane_of
from automl.export.program_steps import Steps
from automl.features.matrix import Feature
from automl.model.predictor import Member as Trained
from automl.model.predictor import Predictor

_KINDS: Final[Mapping[Kind, Literal["number", "boolean", "category", "datetime", "text"]]] = {
    Kind.NUMERIC: "number",
    Kind.BOOLEAN: "boolean",
    Kind.CATEGORICAL: "category",
    Kind.DATETIME: "datetime",
    Kind.TEXT: "text",
}


def program_of(predictor: Predictor) -> Program:
    """What the predictor computes, in steps.

    Raises ConfigError that names the member, and a way out, if it has one that cannot be said.
    """
    steps = Steps()
    plane = plane_of(predictor.preprocessor, Reader(steps, predictor.schema))
    planes: dict[int, Plane] = {}  # by recipe: members share those of a fold
    ensembles: list[Forest | Additive] = []
    members = []
    for trained in predictor.members:
        places = []
        for fold in trained.boosters:
            here = plane
            if fold.recipe is not None:
                if id(fold.recipe) not in planes:
                    planes[id(fold.recipe)] = after(fold.recipe, plane, steps)
                here = planes[id(fold.recipe)]
            places.append(len(ensembles))
            ensembles.append(_ensemble(fold.booster, here, steps, trained))
        members.append(
            Member(trained.name, trained.engine, trained.recipe, trained.weight, tuple(places))
        )
    n_columns, kept, moved = steps.kept(ensembles)
    schema = predictor.schema
    return Program(
        task=predictor.task,
        target=predictor.target,
        metric=predictor.metric,
        classes=predictor.classes,
        threshold=0.5 if predictor.threshold is None else predictor.threshold,
        value_name=predictor.value_name,
        markers=_markers(predictor),
        named=any(column.header for column in schema.columns),
        inputs=tuple(
            Input(column.name, _KINDS[column.kind], column.source, i)
            for i, column in enumerate(schema.columns)
            if column.used
        ),
        n_columns=n_columns,
        steps=kept,
        ensembles=moved,
        members=tuple(members),
        link=predictor.link,
    )


def _markers(predictor: Predictor) -> tuple[str, ...]:
    """The cells that were missing in the training table, where it was text."""
    config = predictor.manifest.get("config")
    facts: Mapping[str, Any] = config if isinstance(config, Mapping) else {}
    values = tuple(str(text) for text in facts.get("na_value") or ())
    return ReadOptions(na_values=values, keep_na=bool(facts.get("keep_na"))).markers


def _ensemble(booster: Booster, plane: Plane, steps: Steps, member: Trained) -> Forest | Additive:
    if isinstance(booster, LightGBMBooster):
        trees = booster.trees()
        if trees is not None:
            base = np.zeros(int(trees.output.max()) + 1)
            return Forest(plane.columns, trees, base, below=False, narrow=False, set_is_left=True)
    elif isinstance(booster, XGBoostBooster):
        found = booster.trees()
        if found is not None:
            trees, start = found
            columns = _known_levels(booster, plane, steps)
            base = start.astype(np.float64)
            return Forest(
                columns,
                trees,
                base,
                below=True,
                narrow=True,
                set_is_left=False,
                float32_sums=True,
            )
    elif isinstance(booster, CatBoostBooster):
        return catboost_forest(booster.described(_features(plane)), plane, steps, member.name)
    elif isinstance(booster, LinearBooster):
        model = booster.model
        return Additive(model.base, tuple((plane.columns[i], e) for i, e in model.effects))
    raise ConfigError(
        f"The member {member.name!r} of the engine {member.engine!r} has trees that cannot be "
        "exported.",
        hint="Fit again without that engine (--engines), or choose another format.",
    )


def _features(plane: Plane) -> tuple[Feature, ...]:
    return tuple(Feature(f"f{i}", (), n_levels=n) for i, n in enumerate(plane.levels))


def _known_levels(booster: XGBoostBooster, plane: Plane, steps: Steps) -> tuple[int, ...]:
    """The columns with NaN for levels that no training row of the booster had."""
    columns = list(plane.columns)
    for i, absent in booster.absent_levels(_features(plane)).items():
        codes = np.flatnonzero(~absent)
        gone = np.array([np.nan])
        values = codes[:, None].astype(np.float64)
        columns[i] = steps.one(
            Lookup, column=columns[i], keys=codes, values=values, other=gone, missing=gone
        )
    return tuple(columns)
