"""The model that is about to ship, put together before it is in a bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from automl.data.schema import ParsedTable
from automl.engines.base import Engine
from automl.model.bundle import MemberFiles
from automl.model.predictor import FoldBooster, Member, Predictor
from automl.search.crossval import load_engine
from automl.search.select import Choice

if TYPE_CHECKING:
    from automl.workflows.finish import Finish

# Seconds of the report from which on there is time to ask the model about other cells.
_ASKING_SECONDS = 2.5


def assembled(finish: Finish, choice: Choice, members: Sequence[MemberFiles]) -> Predictor:
    """What will be in the bundle, put together from the files of the run."""
    from automl.features.recipes import load_recipe

    target, n_outputs = finish.table.target, finish.data.n_outputs
    loaded = []
    for member in members:
        engine: Engine = load_engine(member.engine)
        boosters = tuple(
            FoldBooster(
                engine.load(path, n_outputs=n_outputs),
                None if recipe is None else load_recipe(recipe),
            )
            for path, recipe in member.boosters
        )
        facts = member.name, member.engine, member.recipe, member.weight, member.params
        loaded.append(Member(*facts, boosters))
    return Predictor(
        task=target.task,
        target=target.name,
        classes=target.classes,
        metric=finish.goal.metric.name,
        schema=finish.table.schema,
        preprocessor=finish.preprocessor,
        members=tuple(loaded),
        link=choice.ships,
        threshold=choice.threshold,
    )


def asking(
    finish: Finish, choice: Choice, members: Sequence[MemberFiles]
) -> Callable[[ParsedTable], NDArray[np.float64]] | None:
    """What ships says of typed cells, as metrics take it; None where the clock leaves no time."""
    plan = finish.plan
    if finish.by_clock and plan.report_seconds() < _ASKING_SECONDS * plan.slowness:
        return None

    @cache
    def model() -> Predictor:
        return assembled(finish, choice, members)

    return lambda cells: model().point(choice.ships.predict(model().margin(cells)))
