"""What everything after the race takes, so that the race ends in time for it."""

from __future__ import annotations

import math
import time

import numpy as np

from automl.budget import Budget
from automl.config import FitConfig
from automl.search.race import Race
from automl.search.select import MAX_CANDIDATES, MAX_ROWS
from automl.search.setup import Goal
from automl.workflows.facts import expected_seconds
from automl.workflows.training_table import TrainingTable

_LEAST_BLEND = 0.3  # of the seconds kept for choosing, for the search of the blend
# Seconds that are kept for scores and SHAP values do for so much less on a busy machine.
_MOST_STRETCHED = 2.0
# Writing, syncing and renaming the bundle, ending the workers and the interpreter: measured on two
# cores, 0.15 to 0.25 s.
END_SECONDS = 0.35
# Choosing the blend: so many evaluations of its loss per candidate, as measured; more where its
# limits keep members out and it is chosen again at higher prices.
_CHOOSE_ROUNDS = 24
_CALIBRATE_ROUNDS = 24  # evaluations on all rows, where a blend is chosen on some
_CHOOSE_SECONDS = 0.1
# Of a row, and of a row and output: intervals and sets with their coverage, all metrics once.
_VALUE_SECONDS, _CLASS_SECONDS = 2e-6, 1e-6
_HURRIED_SECONDS = 0.5  # for SHAP values, when somebody waits for the end
# For the learning curve: a share of what the budget has above so many seconds, at most.
_CURVELESS, _CURVE_SHARE, _MOST_CURVE = 20.0, 0.02, 3.0
_LEAST_REPORT = 0.1
_REPORT_SHARE = 0.08  # of the budget, at most
_REPORT_SHARE_LEFT = 0.4  # of what is left of it, at most
_REPORT_SPARE = 1.25  # times what it is expected to take
# Logging to an MLflow server: imports, the wheel, thirty requests to a server on this machine.
_TRACKING_SECONDS = 4.5
_TRACKING_SHARE = 0.3  # of the budget, at most
_SLOWEST = 3.0  # what a start-up on a cold disk may make believe


class Reserves:
    """Seconds by step, on a machine as busy as it is now; none is kept without a time budget."""

    def __init__(
        self, config: FitConfig, budget: Budget, table: TrainingTable, goal: Goal
    ) -> None:
        self.config, self.budget = config, budget
        self._table, self._goal = table, goal
        self._race: Race | None = None

    def reserve(self) -> float:
        """Seconds that everything after training needs, refitting excepted."""
        if not self.budget.limited:
            return 0.0
        choose = self._choose_seconds() + self.honest_seconds()
        if self.config.test_share is not None:
            choose += self.test_seconds()
        return self.end_seconds() + choose + self.explain_seconds() + self.learning_seconds()

    def end_seconds(self) -> float:
        """Seconds for intervals and sets, for the report, for writing the bundle and ending."""
        if not self.budget.limited:
            return 0.0
        ends = self.write_seconds() + self.tracking_seconds()
        return self._interval_seconds() + self.report_seconds() + ends

    def tracking_seconds(self) -> float:
        """Seconds for logging the run and its model to a server, if there is one."""
        if self.config.mlflow is None:
            return 0.0
        share = _TRACKING_SHARE * (self.budget.seconds or 0.0)
        return min(_TRACKING_SECONDS * self.slowness, share)

    def _interval_seconds(self) -> float:
        """Seconds for conformal scores and for all metrics, which read no clock."""
        target = self._table.target
        n_outputs = target.task.n_outputs(len(target.classes))
        each = _CLASS_SECONDS * n_outputs if target.task.is_classification else _VALUE_SECONDS
        return self.slowness * each * self._table.n_rows

    def write_seconds(self) -> float:
        """Seconds for writing the bundle and ending, on a machine as busy as it is now."""
        return END_SECONDS * self.slowness

    @property
    def slowness(self) -> float:
        """Wall time over CPU time: of the race's tasks, and of this process before the race."""
        if self._race is not None:
            return self._race.pace.slowness
        return float(np.clip(self.budget.spent() / max(time.process_time(), 0.1), 1.0, _SLOWEST))

    def _choose_seconds(self) -> float:
        """Seconds for choosing the blend among the trials so far."""
        race = self._race
        if race is None or self.config.single:
            return _CHOOSE_SECONDS
        rows = len(race.scorer.rows)
        each = race.judge.loss_seconds * min(1.0, MAX_ROWS / rows)
        candidates = min(len(race.done), MAX_CANDIDATES)
        seconds = self.slowness * _CHOOSE_SECONDS + each * candidates * _CHOOSE_ROUNDS
        if self._goal.calibrate:
            seconds += race.judge.loss_seconds * _CALIBRATE_ROUNDS
        # With a limit on disparity, what would ship without it is chosen too, to tell the price.
        return seconds if self.config.max_disparity is None else 2.0 * seconds

    def blend_seconds(self) -> float:
        """Seconds for the search of the blend: what nothing after it is kept for.

        A machine that becomes busier just then takes longer for it, not the time of the rest.
        """
        race = self._race
        if race is None or not self.budget.limited:
            return math.inf
        choosing = self._choose_seconds()
        rest = race.judge.loss_seconds * _CALIBRATE_ROUNDS if self._goal.calibrate else 0.0
        spare = race.rules.seconds_left() + choosing - rest
        return max(spare, _LEAST_BLEND * choosing)

    def explain_seconds(self) -> float:
        """Seconds kept for the SHAP values."""
        if not self.budget.limited:
            return math.inf
        if self.budget.hurried:
            return _HURRIED_SECONDS
        return self._stretched(np.clip(0.04 * (self.budget.seconds or 0.0), 0.25, 6.0))

    def learning_seconds(self) -> float:
        """Seconds kept for the learning curve, beside what the other steps have left."""
        if not self.budget.limited:
            return math.inf
        if self.budget.hurried:
            return 0.0
        spare = (self.budget.seconds or 0.0) - _CURVELESS
        return self._stretched(np.clip(_CURVE_SHARE * spare, 0.0, _MOST_CURVE))

    def honest_seconds(self) -> float:
        """Seconds kept for correcting the score for the choice."""
        if not self.budget.limited:
            return math.inf
        if self.budget.hurried:
            return _HURRIED_SECONDS
        return self._stretched(np.clip(0.03 * (self.budget.seconds or 0.0), 0.1, 3.0))

    def _stretched(self, seconds: float) -> float:
        """What a machine as busy as it is now takes for what an idle one does in `seconds`."""
        return float(seconds) * min(self.slowness, _MOST_STRETCHED)

    def report_seconds(self) -> float:
        """Seconds kept for the facts of the report and its page: none before there is a model.

        Where little time is left at the end, SHAP values get most of it.
        """
        if not self.budget.limited:
            return math.inf
        if self._race is None or not self._race.done:
            return 0.0
        target = self._table.target
        n_outputs = target.task.n_outputs(len(target.classes))
        need = _REPORT_SPARE * self.slowness * expected_seconds(self._table.n_rows, n_outputs)
        ends = self.write_seconds() + self.tracking_seconds()
        room = _REPORT_SHARE_LEFT * max(self.budget.left() - ends, 0.0)
        share = _REPORT_SHARE * (self.budget.seconds or 0.0)
        return min(need, max(_LEAST_REPORT, share), room)

    def test_seconds(self) -> float:
        """Seconds kept for scoring the rows kept aside."""
        return self.honest_seconds()
