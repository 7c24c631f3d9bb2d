"""What a fit comes back with, and the files that tell about it inside the bundle."""

from __future__ import annotations

import csv
import io
import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.ledger import Decision
from automl.metrics.base import Metric
from automl.search.trial import Trial

if TYPE_CHECKING:
    from automl.model.predictor import Predictor

_LIBRARIES = ("automl", "xgboost", "lightgbm", "catboost", "optuna", "numpy", "pandas")


@dataclass(frozen=True)
class FitResult:
    """The outcome of `automl.fit`. Scores are cross-validated and in the metric's units.

    score, spread: mean and standard deviation over the folds of what ships. The blend was chosen
        on the same folds; `score_crossfitted` chooses its weights without the fold that is
        scored (None for a single model).
    corrected: the "score" expected on new rows like those of the table, its interval "low" to
        "high" with confidence "level", and the "resamples", "rows" and "candidates" behind it:
        without what choosing gained on the rows that chose, with what "averaging" the models of
        the folds gains and new rows that repeat known ones ("repeats"; "unseen" is the score of
        those that do not) (`search.honest`); None where rows or time do not allow it.
    test: "score", "low" and "high" of what ships on the rows of `test_share`, how many "rows" were
        scored "of" those kept aside; None without.
    parity: with `max_disparity`, the "limit", the largest "difference" between the groups of a
        sensitive column in the share called positive, whether it is "kept" within the limit,
        "score", "accuracy" and "threshold"; and the same of what would ship "without" the limit.
    baseline: the score of the best constant prediction.  engine_scores: each engine's best trial.
    blend: members by falling weight.  importance: (column, mean |SHAP value|), largest first.
    seconds: wall time until the bundle stood.  reproducible: no decision read the clock.
    notes: what there was no time for.
    teacher: with `distil`, the blend that taught what ships: its "members", "score", "spread",
        "score_crossfitted" and "trees", and "student_trees"; None where a blend ships.
    replay: of `automl.replay`, the bundle that was made again, how many member files it has, and
        the names of those that differ: {"of", "files", "differing"}.
    """

    path: Path
    task: str
    target: str
    metric: str
    score: float
    spread: float | None
    score_crossfitted: float | None
    fold_scores: list[float]
    baseline: float
    engine_scores: dict[str, float]
    blend: list[dict[str, Any]]
    leaderboard: list[dict[str, Any]]
    importance: list[tuple[str, float]]
    n_rows: int
    n_columns: int
    seconds: float
    budget: float | None
    reproducible: bool
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    teacher: dict[str, Any] | None = None
    replay: dict[str, Any] | None = None
    corrected: dict[str, Any] | None = None
    test: dict[str, Any] | None = None
    parity: dict[str, Any] | None = None

    @property
    def predictor(self) -> Predictor:
        """The model, loaded from the bundle."""
        from automl.model.bundle import load_bundle

        return load_bundle(self.path)

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON types."""
        return {**asdict(self), "path": str(self.path)}


def leaderboard(
    trials: Sequence[Trial],
    weights: Mapping[str, float],
    metric: Metric,
    within_noise: Mapping[str, bool],
) -> list[dict[str, Any]]:
    """One row per trial, the best score first; unfinished ones last.

    within_noise: by name of a finished trial, whether chance explains how far it is from the best.
    """

    def loss(trial: Trial) -> float:
        return math.inf if trial.score is None else metric.loss(trial.score)

    rows = []
    for rank, trial in enumerate(sorted(trials, key=loss), start=1):
        within = within_noise.get(trial.name)
        row = asdict(trial.row(weights.get(trial.name, 0.0), within_noise=within))
        params = {**trial.candidate.params}
        rows.append({"rank": rank, **row, "params": params, "cause": trial.cause})
    return rows


def leaderboard_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The leaderboard as CSV; params as JSON in one cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0].keys())
    for row in rows:
        cells = {**row, "params": json.dumps(row["params"], sort_keys=True)}
        writer.writerow([_cell(value) for value in cells.values()])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def ledger_lines(decisions: Sequence[Decision]) -> bytes:
    """The ledger as JSON lines."""
    return "".join(json.dumps(d.to_json()) + "\n" for d in decisions).encode()


def versions() -> dict[str, str]:
    """Versions that the run was made with."""
    found = {name: version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), "platform": platform.platform(), **found}


def engine_scores(trials: Sequence[Trial], metric: Metric) -> dict[str, float]:
    """The best finished score of each engine, the best engine first."""
    best: dict[str, float] = {}
    for trial in trials:
        engine = trial.candidate.engine
        if trial.score is not None and (
            engine not in best or metric.better(trial.score, best[engine])
        ):
            best[engine] = trial.score
    return dict(sorted(best.items(), key=lambda item: metric.loss(item[1])))


def failed(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """The trials that failed, each with its cause."""
    return [
        {"name": trial.name, "engine": trial.candidate.engine, "cause": trial.cause}
        for trial in trials
        if trial.state == "failed"
    ]


def blend_rows(trials: Sequence[Trial], weights: Mapping[str, float]) -> list[dict[str, Any]]:
    """The members of the blend by falling weight."""
    by_name = {trial.name: trial for trial in trials}
    return [
        {
            "name": name,
            "weight": weight,
            "engine": by_name[name].candidate.engine,
            "recipe": by_name[name].candidate.recipe,
            "score": by_name[name].score,
        }
        for name, weight in sorted(weights.items(), key=lambda item: -item[1])
    ]
