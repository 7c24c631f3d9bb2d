"""Distillation: one booster taught by the blend, cross-validated as honestly as any trial.

Bucila, Caruana, Niculescu-Mizil, Model Compression (2006). The student of a split learns on the
split's training rows from the margins of the boosters that the blend has for that split, never
from out-of-fold margins: the boosters behind those saw the split's scored rows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.model.bundle import MemberFiles
from automl.search.crossval import PLAIN, choose_tree_counts, load_engine
from automl.search.executors.base import Executor, Task
from automl.search.rules import RaceRules
from automl.search.scoring import Scorer, mean_score
from automl.search.ship import Stops, refit_seconds, refit_trees, run_all
from automl.search.store import RunData
from automl.search.trial import FoldRun, Trial
from automl.task import Objective

# Of the time for fold students, what training may take; predicting takes the rest.
_TRAINING_SHARE = 0.85
# A student that the clock cut below this share of its trees is not the one that was scored.
_LEAST_SHARE = 0.5
# Students may grow more trees than the trial whose params they have, and bin data of their own.
_DEARER = 1.5
_ALL_ROWS = "all"  # the student that ships, among the stops


class Student(Trial):
    """The trial of a student: a candidate of the race under a name of its own."""

    @property
    def name(self) -> str:
        return f"{super().name.rpartition('-')[0]}-student"


@dataclass(frozen=True)
class Distilled:
    """A student of all rows, and the cross-validated trial that speaks for it.

    margins: (n, 1) stacked out-of-fold margins of the fold students.  n_trees: that ship.
    stops: rounds after which the clock cut a student short, by its split or "all".
    """

    trial: Student
    margins: NDArray[np.float32]
    member: MemberFiles
    n_trees: int
    stops: Stops

    @property
    def by_clock(self) -> bool:
        return bool(self.stops)


class NoStudent(Exception):  # noqa: N818 - a reason to ship the blend, not an error of the run
    """Why there is no student."""


@dataclass(frozen=True)
class School:
    """What students are taught with.

    rules: the race's, for tree counts, patience and seeds.  max_trees: of the student that
    ships.  last_only: the teacher of all rows is the last split's boosters, not the bag of all
    (single holdouts and time: they have seen the most).  seconds_left: for all of it.
    stops: rounds after which students end, as `Distilled` tells of them.
    """

    data: RunData
    executor: Executor
    rules: RaceRules
    folder: Path
    max_trees: int
    last_only: bool
    seconds_left: Callable[[], float]
    stops: Stops = field(default_factory=dict)

    def distil(
        self, trials: Sequence[Trial], weights: Mapping[str, float], scorer: Scorer
    ) -> Distilled:
        """The student of the blend of `weights`; raises NoStudent where there is none."""
        best = able(trials)
        if best is None:
            raise NoStudent("no engine among the trials can regress")
        self.folder.mkdir(parents=True, exist_ok=True)
        splits = range(len(self.data.splits))
        candidate = replace(best.candidate, origin="distil", study_trial=None)
        student = Student(best.number, candidate, self.folder, len(splits))
        last = self._share_of_last(best)
        lessons = self._lessons(trials, weights, last)
        self._fold_students(student, lessons, last)
        margins = self._score(student, scorer, last)
        member, n_trees, cut = self._ship(student, lessons[-1:] if self.last_only else lessons)
        stops = {str(k): run.n_trained for k, run in student.folds.items() if run.by_clock}
        stops |= {_ALL_ROWS: n_trees} if cut else {}
        return Distilled(student, margins, member, n_trees, stops)

    # -- steps ----------------------------------------------------------------------------------

    def _share_of_last(self, best: Trial) -> float:
        """Share of the time that is kept for the student of all rows."""
        folds = best.prefix()
        waves = math.ceil(len(folds) / self.executor.n_workers)
        last = refit_seconds(best, self.data)
        return last / (last + waves * float(np.mean([fold.seconds for fold in folds])))

    def _before(self, share: float) -> Callable[[], float]:
        """Seconds left before the last `share` of what is left now."""
        left = self.seconds_left()
        kept = 0.0 if math.isinf(left) else share * left
        return lambda: self.seconds_left() - kept

    def _lessons(
        self, trials: Sequence[Trial], weights: Mapping[str, float], last: float
    ) -> list[str]:
        """Files of the margins of each split's teachers for all rows."""
        by_name = {trial.name: trial for trial in trials}
        tasks = []
        for k in range(len(self.data.splits)):
            boosters = [
                {
                    "engine": by_name[name].candidate.engine,
                    "recipe": by_name[name].candidate.recipe,
                    "model": str(by_name[name].folds[k].model),
                    "weight": weight,
                }
                for name, weight in weights.items()
            ]
            output = str(self.folder / f"lesson_{k:02d}.npy")
            tasks.append({"kind": "lesson", "split": k, "boosters": boosters, "output": output})
        self._run(tasks, self._before(last))
        return [str(task["output"]) for task in tasks]

    def _fold_students(self, student: Student, lessons: Sequence[str], last: float) -> None:
        """Train a student for each split and choose their tree counts."""
        tasks: list[dict[str, Any]] = []
        for k, lesson in enumerate(lessons):
            task = student.fold_task(
                k,
                seed=self.rules.seed,
                max_trees=min(self.rules.max_trees, self.max_trees),
                patience=self.rules.patience,
                time_limit=None,
            )
            stop = self.stops.get(str(k))
            tasks.append({**task, "kind": "student", "lessons": [lesson], "stop_after": stop})
        left = self._before(1.0 - _TRAINING_SHARE * (1.0 - last))
        for done, result in self._run(tasks, left):
            student.folds[done["split"]] = FoldRun.of(done, result)
            student.seconds += result["seconds"]
        folds = student.prefix()
        counts = choose_tree_counts(
            [fold.curve for fold in folds],
            [split.repeat for split in self.data.splits],
            inner_stop=self.rules.inner_stop,
        )
        for fold, count in zip(folds, counts, strict=True):
            fold.n_trees = count
        student.objective_loss = float(np.mean([f.curve[f.n_trees - 1] for f in folds]))

    def _score(self, student: Student, scorer: Scorer, last: float) -> NDArray[np.float32]:
        """Predict each split's scored rows; the stacked margins."""
        tasks = [student.finish_task(fold) for fold in student.prefix()]
        predicted = self._run(tasks, self._before(last))
        student.predict_seconds = sum(result["predict_seconds"] for _, result in predicted)
        stacked = np.concatenate(
            [np.load(str(task["oof"]), allow_pickle=False) for task in tasks], dtype=np.float32
        )
        chooser = scorer.with_echoes()
        pooled = chooser.pooled(stacked)
        student.loss = chooser.loss(pooled)
        student.fold_scores = scorer.split_scores(stacked, chooser.threshold(pooled))
        student.score = mean_score(student.fold_scores)
        student.state = "done"
        return np.asarray(stacked)

    def _ship(self, student: Student, lessons: Sequence[str]) -> tuple[MemberFiles, int, bool]:
        """(student of all rows, its trees, whether the clock cut some)."""
        candidate = student.candidate
        plain = candidate.recipe == PLAIN
        model = self.folder / f"student{load_engine(candidate.engine).suffix}"
        recipe_file = None if plain else self.folder / "recipe.json"
        wanted = min(refit_trees(student, self.data), self.max_trees)
        task = {
            "kind": "student",
            "split": -1,
            "engine": candidate.engine,
            "recipe": candidate.recipe,
            "params": dict(candidate.params),
            "seed": student.seed(self.rules.seed),
            "max_trees": wanted,
            "patience": 0,
            "stop_after": self.stops.get(_ALL_ROWS),
            "lessons": list(lessons),
            "model": str(model),
            "recipe_file": None if recipe_file is None else str(recipe_file),
        }
        ((_, result),) = self._run([task], self.seconds_left)
        if result["by_clock"] and result["n_trained"] < _LEAST_SHARE * wanted:
            raise NoStudent("the time was up before it had half of its trees")
        recipe = None
        if recipe_file is not None:
            recipe = json.loads(recipe_file.read_text(encoding="utf-8"))
        member = MemberFiles(
            name=student.name,
            engine=candidate.engine,
            recipe=candidate.recipe,
            weight=1.0,
            params=dict(candidate.params),
            boosters=((model, recipe),),
        )
        return member, int(result["n_trained"]), bool(result["by_clock"])

    def _run(
        self, tasks: Sequence[dict[str, Any]], seconds_left: Callable[[], float]
    ) -> list[tuple[Task, Mapping[str, Any]]]:
        """All tasks with their results, in order; raises NoStudent if one has none."""
        if seconds_left() <= 0:
            raise NoStudent("no time was left to teach one")
        done = []
        for report in run_all(self.executor, tasks, seconds_left=seconds_left):
            if report.result is None:
                why = "the time was up" if report.stopped else f"teaching failed: {report.error}"
                raise NoStudent(why)
            done.append((report.task, report.result))
        return done


def able(trials: Sequence[Trial]) -> Trial | None:
    """The best finished trial whose engine can be a student: it regresses margins."""
    found = [
        trial
        for trial in trials
        if trial.state == "done"
        and Objective.SQUARED in load_engine(trial.candidate.engine).objectives
    ]
    return min(found, key=lambda t: math.inf if t.loss is None else t.loss, default=None)


def distil_seconds(
    trials: Sequence[Trial], data: RunData, *, n_workers: int, members: int
) -> float:
    """Expected seconds of teaching and cross-validating a student of `members` of `trials`."""
    best = able(trials)
    if best is None:
        return 0.0
    waves = math.ceil(len(data.splits) / n_workers)
    fold = float(np.mean([run.seconds for run in best.prefix()]))
    # A lesson is of all rows, as the folds of a trial are together.
    lesson = min(members, len(trials)) * float(np.mean([t.predict_seconds for t in trials]))
    return 0.1 + _DEARER * (waves * (fold + lesson) + refit_seconds(best, data))
