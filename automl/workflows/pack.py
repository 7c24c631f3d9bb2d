"""Writes what a run has found as its bundle: the model, its record, what it keeps of the run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.insight.evidence import Evidence
from automl.insight.people import personal_columns
from automl.insight.record import Record
from automl.metrics._evaluate import evaluate_all
from automl.metrics._quantiles import by_level, middle
from automl.model.bundle import MemberFiles, install_bundle, write_bundle
from automl.model.explain import Importance
from automl.model.intervals import FILE as INTERVALS
from automl.model.intervals import Conformal
from automl.model.jsonfile import json_bytes
from automl.model.manifest import RUN
from automl.report.card import model_card
from automl.report.report import FAILED
from automl.search.select import Choice
from automl.search.tuning import tuned
from automl.workflows import result as files
from automl.workflows.facts import Clock, all_facts, report_files
from automl.workflows.kept import kept_files, lay
from automl.workflows.output import JOURNAL, SETTINGS, settings_bytes
from automl.workflows.result import FitResult

if TYPE_CHECKING:
    from automl.workflows.finish import Finish

Floats = NDArray[np.float64]

CARD = "MODEL_CARD.md"


def pack(  # noqa: PLR0913 - the parts of a bundle, each given once
    finish: Finish,
    outcome: FitResult,
    choice: Choice,
    members: Sequence[MemberFiles],
    importance: Importance | None,
    *,
    blend: Mapping[str, float],
    intervals: tuple[Conformal, dict[str, Any]] | None,
    evidence: Evidence,
) -> None:
    """Write the bundle and put it in its place.

    blend: weights of the trials that ship, or that taught what ships.  intervals: what prediction
    intervals or sets need, and how often they covered.  evidence: what the report is drawn from.
    """
    run, source = finish.run, finish.source
    models = [path for member in members for path, _ in member.boosters]
    bagged = all(path.parent.parent == run.trials for path in models)
    ships = sum(path.stat().st_size for path in models)
    trials = [trial for trial in finish.race.done if not trial.forgotten]
    lay(kept_files(trials, blend, bagged=bagged, ships=ships), run.staging)
    metrics = _metrics(finish, outcome, choice)
    if intervals is not None:
        metrics["intervals"] = intervals[1]
    facts = _facts(finish, outcome)
    record = _record(finish, outcome, facts, metrics, importance)
    told = all_facts(record, evidence, _clock(finish))
    for name, cause in told["about"].get(FAILED, {}).items():
        finish.ledger.add("report", f"the section '{name}' could not be made", cause, warning=True)
    extras: dict[str, Any] = {
        "leaderboard.csv": files.leaderboard_csv(outcome.leaderboard),
        "ledger.jsonl": files.ledger_lines(finish.ledger.decisions),
        "metrics.json": json.dumps(metrics, indent=1).encode(),
        RUN + JOURNAL: run.journal,
        RUN + SETTINGS: settings_bytes(source.path, source.config, source.origins, bagged=bagged),
    }
    if intervals is not None:
        extras[INTERVALS] = json_bytes(intervals[0].to_json())
    if importance is not None:
        text = json.dumps(importance.to_json(), indent=1)
        extras["explanations/global.json"] = text.encode()
    extras |= report_files(told)
    extras[CARD] = model_card(told, facts, personal_columns(evidence)).encode()
    write_bundle(
        run.staging,
        facts=facts,
        schema=finish.table.schema,
        preprocessor=finish.preprocessor,
        members=members,
        link=choice.ships,
        threshold=choice.threshold,
        extras=extras,
    )
    install_bundle(run.staging, run.bundle, force=run.force)


def _record(
    finish: Finish,
    outcome: FitResult,
    facts: Mapping[str, Any],
    metrics: Mapping[str, Any],
    importance: Importance | None,
) -> Record:
    race = finish.race
    return Record(
        facts=facts,
        metrics=metrics,
        schema=finish.table.schema,
        board=outcome.leaderboard,
        ledger=[decision.to_json() for decision in finish.ledger.decisions],
        importance=[] if importance is None else importance.to_json()["columns"],
        trials=[{**trial.to_json(), "spent": trial.ended} for trial in race.trials],
        tuning=tuned(race.studies),
        scored_rows=sum(len(split.scored) for split in race.scorer.splits),
    )


def _clock(finish: Finish) -> Clock:
    """What is left for the report, where a clock ends the run."""
    plan = finish.plan
    if not finish.by_clock:
        return Clock()
    ends = plan.write_seconds() + plan.tracking_seconds()
    return Clock(lambda: plan.budget.left() - ends, plan.slowness)


def _metrics(finish: Finish, outcome: FitResult, choice: Choice) -> dict[str, Any]:
    y, weight = finish.race.scorer.truth()
    task = finish.goal.task
    prediction = choice.link.predict(choice.pooled)
    levels = finish.goal.metric.quantiles
    every = evaluate_all(
        task,
        y,
        prediction[:, middle(levels)] if levels else prediction,
        weight,
        threshold=0.5 if choice.threshold is None else choice.threshold,
    )
    return {
        "metric": outcome.metric,
        "score": outcome.score,
        "spread": outcome.spread,
        "score_crossfitted": outcome.score_crossfitted,
        "corrected": outcome.corrected,
        "test": outcome.test,
        "parity": outcome.parity,
        "teacher": outcome.teacher,
        "fold_scores": outcome.fold_scores,
        "calibration": None if choice.calibration is None else choice.calibration.to_json(),
        "baseline": outcome.baseline,
        "engine_scores": outcome.engine_scores,
        "failed": files.failed(finish.race.trials),
        "out_of_fold": every,
        "quantile": _quantile(finish, y, prediction, weight),
        "quantiles": _quantiles(finish, y, prediction, weight),
        "validation": finish.folds.scheme,
        "n_splits": len(finish.folds.splits),
        "seconds": outcome.seconds if finish.plan.budget.limited else None,
        "cpu": finish.race.cpu.to_json() if finish.plan.budget.limited else None,
    }


def _quantile(
    finish: Finish, y: Floats, prediction: Floats, weight: Floats | None
) -> dict[str, float] | None:
    """How many targets lie at or below their predicted quantile; None where none is predicted."""
    metric = finish.goal.metric
    if metric.name.partition("@")[0] != "quantile" or metric.quantiles:
        return None
    below = float(np.average(y <= prediction, weights=weight))
    finish.ledger.add(
        "score",
        f"{below:.1%} of the targets lie at or below their predicted {metric.quantile:g} quantile",
        "out of fold; it should be as many as the level says",
    )
    return {"level": metric.quantile, "below": below}


def _quantiles(
    finish: Finish, y: Floats, prediction: Floats, weight: Floats | None
) -> list[dict[str, Any]] | None:
    """Per level what `by_level` says of it; None where one value is predicted."""
    levels = finish.goal.metric.quantiles
    if not levels:
        return None
    found = by_level(y, prediction, levels, weight)
    shares = ", ".join(f"{one['below']:.1%} ({one['level']:g})" for one in found)
    finish.ledger.add(
        "score",
        f"targets at or below their predicted quantiles: {shares}",
        "out of fold; it should be as many as the levels say",
    )
    return found


def _facts(finish: Finish, outcome: FitResult) -> dict[str, Any]:
    target = finish.table.target
    return {
        "task": target.task.value,
        "target": target.name,
        "classes": list(target.classes),
        "positive": target.positive,
        "metric": finish.goal.metric.name,
        "seed": finish.config.seed,
        "data": {
            "name": finish.table.name,
            "digest": finish.table.digest,
            "n_rows": finish.table.n_rows,
        },
        "config": finish.config.to_json(),
        "origins": dict(finish.source.origins),
        "reproducible": outcome.reproducible,
        "not_done": outcome.notes,
        "threads": finish.data.threads,
        "versions": files.versions(),
        **({} if finish.source.earlier is None else finish.source.earlier.parent()),
    }
