"""A bundle as one side of a comparison: what it is, what it costs, what its record says."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.data.schema import Schema
from automl.errors import ConfigError
from automl.metrics._interval import Scored
from automl.model.bundle import verify_bundle
from automl.model.jsonfile import read_json
from automl.model.manifest import Manifest
from automl.model.reading import understood
from automl.workflows._rows import chunks_of, tally_of
from automl.workflows.evaluate import EvaluateOptions

if TYPE_CHECKING:
    from automl.model.predictor import Predictor

_TIMED_ROWS = 5_000
_TIMED_SECONDS = 0.3  # for both; the best of some rounds counts
_LEAST_ROUNDS = 3
_NAN = float("nan")


@dataclass(frozen=True)
class Side:
    """What one of two bundles says of itself.

    label: "A" or "B".  columns: that predict.  members: one text each.  n_bytes: of the files that
    are needed to score.  rate: rows a second on one core, without reading them; None = not timed.
    metrics: what metrics.json holds.  n_rows: that it was trained on.
    """

    label: str
    path: Path
    task: str
    target: str
    classes: tuple[str, ...]
    metric: str
    columns: tuple[str, ...]
    members: tuple[str, ...]
    n_boosters: int
    n_bytes: int
    trained_on: str | None
    trained_digest: str | None
    n_rows: int | None
    metrics: Mapping[str, Any]
    rate: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "metric": self.metric,
            "members": list(self.members),
            "boosters": self.n_boosters,
            "bytes": self.n_bytes,
            "rows_per_second": self.rate,
            "columns": len(self.columns),
            "trained_on": self.trained_on,
            "training_rows": self.n_rows,
        }


def side_of(label: str, path: Path) -> Side:
    """What the bundle at `path` says of itself; no model is opened.

    Raises BundleError if it is not whole.
    """
    manifest = verify_bundle(path)
    data = manifest.data
    with understood(manifest.folder):  # its digests may fit, and yet it may be anybody's
        schema = Schema.from_json(_json(manifest, "schema.json"))
        members = [_json(manifest, f"{place}/member.json") for place in data["members"]]
        trained = data.get("data")
        trained = trained if isinstance(trained, Mapping) else {}
        metrics = _json(manifest, "metrics.json") if "metrics.json" in manifest.files else {}
        return Side(
            label=label,
            path=path,
            task=str(data["task"]),
            target=str(data["target"]),
            classes=tuple(str(one) for one in data["classes"]),
            metric=str(data["metric"]),
            columns=tuple(schema.columns[i].name for i in schema.used),
            members=tuple(_member_text(member) for member in members),
            n_boosters=sum(len(member["boosters"]) for member in members),
            n_bytes=sum(fact.size for fact in manifest.scored.values()),
            trained_on=_text(trained.get("name")),
            trained_digest=_text(trained.get("digest")),
            n_rows=trained.get("n_rows"),
            metrics=metrics,
        )


def _json(manifest: Manifest, name: str) -> Any:
    return read_json(manifest.path(name))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _member_text(member: Mapping[str, Any]) -> str:
    return (
        f"{float(member['weight']):.2f} x {member['name']} "
        f"({member['engine']}, {member['recipe']}, {len(member['boosters'])} boosters)"
    )


def refuse_other(a: Side, b: Side) -> None:
    """Raise ConfigError unless both predict the same thing."""
    for what, of_a, of_b in (
        ("task", a.task, b.task),
        ("target", repr(a.target), repr(b.target)),
        ("classes", a.classes, b.classes),
    ):
        if of_a != of_b:
            told = f"is {of_a} in A, {of_b} in B"
            if what == "classes":
                told = f"differ: {_classes(a.classes, b.classes)}"
            raise ConfigError(
                f"A and B do not predict the same: the {what} {told}.",
                hint="Only bundles of one target, task and set of classes can be compared.",
            )


def _classes(a: Sequence[str], b: Sequence[str]) -> str:
    """What only one of them knows, a few at most."""
    parts = []
    for label, own, other in (("A", a, b), ("B", b, a)):
        only = [repr(name[:40]) for name in own if name not in other]
        if only:
            dots = ", …" if len(only) > 3 else ""
            parts.append(f"only {label} knows {', '.join(only[:3])}{dots}")
    return " and ".join(parts) or "in their order"


def record_of(side: Side) -> Scored:
    """The cross-validated score that the bundle was written with; nan where it has no interval."""
    corrected = side.metrics.get("corrected")
    with understood(side.path / "metrics.json"):
        if isinstance(corrected, Mapping):
            return Scored(*(float(corrected[name]) for name in ("score", "low", "high")))
        score = side.metrics.get("score")
        return Scored(_NAN if score is None else float(score), _NAN, _NAN)


def rates(
    predictors: tuple[Predictor, Predictor], data: Path | str, options: EvaluateOptions
) -> tuple[float, float]:
    """Rows a second of both on the first rows of `data`, in turns; the best round of each.

    Cells are parsed before; what a model sets up on first use is not counted.
    """
    first = []
    for predictor in predictors:
        chunks = chunks_of(
            predictor,
            data,
            read=options.read,
            mode=options.mode,
            chunk_rows=min(options.chunk_rows, _TIMED_ROWS),
            tally=tally_of(predictor),
            limit=_TIMED_ROWS,
        )
        first.append(next(iter(chunks)).parsed)
        predictor.threads = options.threads or 1
        predictor.margin(first[-1])
    best, spent, rounds = [_NAN, _NAN], 0.0, 0
    while rounds < _LEAST_ROUNDS or spent < _TIMED_SECONDS:
        for i, predictor in enumerate(predictors):
            started = time.perf_counter()
            predictor.margin(first[i])
            took = time.perf_counter() - started
            best[i] = took if rounds == 0 else min(best[i], took)
            spent += took
        rounds += 1
    n_rows = first[0].n_rows
    return n_rows / best[0], n_rows / best[1]
