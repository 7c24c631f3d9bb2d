"""A trial: one candidate's folds, their curves, and what they were worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from automl.ledger import BoardRow
from automl.search.crossval import PLAIN, load_engine
from automl.search.executors.base import Report
from automl.search.portfolio import Candidate
from automl.search.scoring import spread_of

_SEED_STEP = 1000  # between the seeds of a candidate and of its repetition

State = Literal["running", "finishing", "done", "pruned", "failed", "stopped"]


@dataclass
class FoldRun:
    """A trained split of a trial.

    curve: validation loss after each tree.  model: file with all trees; after the trial is
    finished, with the first `n_trees` only.
    """

    split: int
    curve: list[float]
    n_trained: int
    seconds: float
    model: Path
    recipe_file: Path | None
    by_clock: bool = False
    n_trees: int = 0
    model_bytes: int = 0  # of the file as it is now

    @classmethod
    def of(cls, task: Mapping[str, Any], result: Mapping[str, Any]) -> FoldRun:
        """What a worker made of a task to train a split."""
        recipe_file = task["recipe_file"]
        return cls(
            split=task["split"],
            curve=result["curve"],
            n_trained=result["n_trained"],
            seconds=result["seconds"],
            model=Path(task["model"]),
            recipe_file=None if recipe_file is None else Path(recipe_file),
            by_clock=result["by_clock"],
            model_bytes=result["model_bytes"],
        )


@dataclass
class Trial:
    """The state of one candidate in the race. Scores are None until it is finished.

    objective_loss: mean over splits of the training objective's loss at the honest tree counts:
        comparable between trials, but not the metric.  loss: the metric's, pooled out-of-fold,
        echoes included: what choices go by.  score: mean of the folds' scores, without echoes.
    """

    number: int
    candidate: Candidate
    folder: Path
    n_splits: int
    state: State = "running"
    pending: list[int] = field(default_factory=list)
    folds: dict[int, FoldRun] = field(default_factory=dict)
    objective_loss: float | None = None
    loss: float | None = None
    score: float | None = None
    fold_scores: list[float] = field(default_factory=list)
    seconds: float = 0.0
    predict_seconds: float = 0.0
    n_predicted: int = 0  # splits whose valid rows are predicted
    failures: dict[int, Report] = field(default_factory=dict)  # by split
    pruned_after: int = 0  # folds that decided
    cause: str = ""
    ended: float | None = None  # seconds of the run when it was closed
    forgotten: bool = False  # its models and margins are dropped

    @property
    def name(self) -> str:
        suffix = "" if self.candidate.recipe == "plain" else f"-{self.candidate.recipe}"
        return f"{self.candidate.engine}{suffix}-{self.number + 1}"

    def oof_file(self, split: int) -> Path:
        """Where the out-of-fold margins of a split are."""
        return self.folder / f"oof_{split:02d}.npy"

    @property
    def spread(self) -> float | None:
        """Standard deviation of the fold scores."""
        return spread_of(self.fold_scores)

    @property
    def is_open(self) -> bool:
        return self.state in ("running", "finishing")

    @property
    def by_clock(self) -> bool:
        return any(fold.by_clock for fold in self.folds.values())

    def prefix(self) -> list[FoldRun]:
        """Finished folds in split order up to the first gap.

        Decisions look at these only, so that they do not depend on which worker was faster.
        """
        found = []
        for split in range(self.n_splits):
            if split not in self.folds:
                break
            found.append(self.folds[split])
        return found

    def early_loss(self, n_folds: int) -> float:
        """Mean over the first `n_folds` splits of the least loss of their curves.

        Optimistic by a little; good for comparing trials on the same splits.
        """
        return float(np.mean([min(self.folds[k].curve) for k in range(n_folds)]))

    def seed(self, run_seed: int) -> int:
        """The seed of this trial's models; a split adds its number."""
        return run_seed + _SEED_STEP * self.candidate.seed

    def fold_task(
        self, split: int, *, seed: int, max_trees: int, patience: int, time_limit: float | None
    ) -> dict[str, Any]:
        """The task to train one split; `seed` is the run's."""
        candidate = self.candidate
        recipe = None if candidate.recipe == PLAIN else self.folder / f"recipe_{split:02d}.json"
        model = self.folder / f"fold_{split:02d}{load_engine(candidate.engine).suffix}"
        return {
            "kind": "fold",
            "trial": self.number,
            "split": split,
            "engine": candidate.engine,
            "recipe": candidate.recipe,
            "params": dict(candidate.params),
            "seed": self.seed(seed) + split,
            "max_trees": max_trees,
            "patience": patience,
            "time_limit": time_limit,
            "model": str(model),
            "recipe_file": None if recipe is None else str(recipe),
        }

    def like_others(self, task: dict[str, Any]) -> dict[str, Any]:
        """`task` with as many rounds as the clock left the trained folds, instead of a clock."""
        if not self.folds:
            return task
        cut = [fold.n_trained for fold in self.folds.values() if fold.by_clock]
        return {**task, "time_limit": None, "stop_after": max(cut, default=None)}

    def finish_task(self, fold: FoldRun) -> dict[str, Any]:
        """The task to predict a trained split's scored rows at its honest tree count."""
        return {
            "kind": "finish",
            "trial": self.number,
            "engine": self.candidate.engine,
            "recipe": self.candidate.recipe,
            "split": fold.split,
            "model": str(fold.model),
            "n_trees": fold.n_trees,
            "recipe_file": None if fold.recipe_file is None else str(fold.recipe_file),
            "oof": str(self.oof_file(fold.split)),
        }

    def row(self, weight: float = 0.0, *, within_noise: bool | None = None) -> BoardRow:
        """This trial on the leaderboard."""
        return BoardRow(
            name=self.name,
            engine=self.candidate.engine,
            recipe=self.candidate.recipe,
            state="running" if self.state == "finishing" else self.state,
            score=self.score,
            spread=self.spread,
            seconds=self.seconds,
            folds_done=len(self.folds),
            n_folds=self.n_splits,
            weight=weight,
            within_noise=within_noise,
        )

    def to_json(self) -> dict[str, Any]:
        """The facts for the journal and the leaderboard."""
        return {
            "trial": self.number,
            "name": self.name,
            "engine": self.candidate.engine,
            "recipe": self.candidate.recipe,
            "origin": self.candidate.origin,
            "params": dict(self.candidate.params),
            "seed": self.candidate.seed,
            "cost": self.candidate.cost,
            "n_splits": self.n_splits,
            "state": self.state,
            "score": self.score,
            "loss": self.loss,
            "objective_loss": self.objective_loss,
            "fold_scores": self.fold_scores,
            "n_trees": [self.folds[k].n_trees for k in sorted(self.folds)],
            "model_bytes": [self.folds[k].model_bytes for k in sorted(self.folds)],
            "seconds": self.seconds,
            "predict_seconds": self.predict_seconds,
            "cause": self.cause,
        }
