"""What a bundle keeps of its run under run/, for more time or a replay: bounded, and optional.

    run/settings.json        path of the table, settings, whether the bags of the folds ship
    run/journal.jsonl        what was trained, how, and what came of it
    run/trials/0003/…        models, recipes and out-of-fold margins of the best trials

Nothing of it is needed to score: who removes run/ has a smaller bundle that cannot be extended.
Margins are small and models are not, and those of the blend are in the bundle already: of them
only the margins are kept here.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from automl.errors import ConfigError
from automl.model.manifest import RUN, Manifest, read_json
from automl.search.trial import Trial
from automl.workflows.output import JOURNAL, SETTINGS
from automl.workflows.result import FitResult

# Of trials' files: as much as what ships, so that a bundle is at most doubled for everybody who
# never asks for more time; but of a small model always some.
MOST_BYTES = 32_000_000
LEAST_BYTES = 2_000_000
_TRIALS = f"{RUN}trials/"
_SYNCS = 8  # at a time: a disk takes many together in about the time of one


def kept_files(
    trials: Sequence[Trial], weights: Mapping[str, float], *, bagged: bool, ships: int
) -> list[Path]:
    """Files of trials' folders to keep: those of the blend first, then the best, while they fit.

    bagged: whether the models of the folds ship, as members of the bundle.  ships: bytes of all
    models that ship.
    """
    kept: list[Path] = []
    room = min(MOST_BYTES, max(LEAST_BYTES, ships))
    best = sorted(trials, key=lambda trial: (trial.name not in weights, trial.loss or 0.0))
    for trial in best:
        shipped = bagged and trial.name in weights
        files = [
            path
            for path in sorted(trial.folder.iterdir())
            if not path.name.startswith("part-") and (path.suffix == ".npy" or not shipped)
        ]
        size = sum(path.stat().st_size for path in files)
        if size <= room:
            kept += files
            room -= size
    return kept


def lay(files: Sequence[Path], staging: Path) -> None:
    """Put the files of trials into the staged bundle, on disk when this returns."""
    places = []
    for path in files:
        place = staging / _TRIALS / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        _link(path, place)
        places.append(place)
    with ThreadPoolExecutor(_SYNCS) as pool:
        list(pool.map(_sync, places))


def bring_back(manifest: Manifest, folder: Path, events: Sequence[Mapping[str, Any]]) -> None:
    """Put journal and trials of a verified bundle into a run's folder, as they were."""
    for name in manifest.files:
        if name.startswith(_TRIALS) and manifest.path(name).exists():
            _link(manifest.path(name), _made(folder / name.removeprefix(RUN)))
    numbers = {e["name"]: int(e["trial"]) for e in events if e["event"] == "closed"}
    if settings_of(manifest)["bagged"]:
        for name, source, file in _members(manifest):
            if name in numbers:
                place = _made(folder / "trials" / f"{numbers[name]:04d}" / file)
                place.unlink(missing_ok=True)
                _link(source, place)
    # The journal last, and copied: this run appends to it.
    shutil.copyfile(manifest.path(RUN + JOURNAL), folder / JOURNAL)


def settings_of(manifest: Manifest) -> dict[str, Any]:
    """The run's settings; ConfigError where the bundle has none, or lacks its journal."""
    for name in (RUN + SETTINGS, RUN + JOURNAL):
        if name not in manifest.files or not manifest.path(name).is_file():
            raise ConfigError(
                f"The bundle '{manifest.folder}' holds no record of its run: '{name}' is not "
                "there.",
                hint="Start a new run with `automl fit DATA --target COLUMN`.",
            )
    found = read_json(manifest.path(RUN + SETTINGS))
    if not isinstance(found, dict):
        raise ConfigError(f"'{manifest.path(RUN + SETTINGS)}' holds no settings.")
    return found


def told(manifest: Manifest, *, seconds: float, budget: float | None) -> FitResult:
    """The result of the fit that wrote a bundle, as the bundle tells it."""
    metrics = read_json(manifest.path("metrics.json"))
    lines = manifest.path("ledger.jsonl").read_text(encoding="utf-8").splitlines()
    decisions = [json.loads(line) for line in lines]
    columns = []
    if "explanations/global.json" in manifest.files:
        columns = read_json(manifest.path("explanations/global.json"))["columns"]
    rows = _leaderboard(manifest.path("leaderboard.csv").read_text(encoding="utf-8"))
    blend = sorted((row for row in rows if row["weight"]), key=lambda row: -row["weight"])
    schema = read_json(manifest.path("schema.json"))
    data = manifest.data
    return FitResult(
        path=manifest.folder,
        task=data["task"],
        target=data["target"],
        metric=data["metric"],
        score=metrics["score"],
        spread=metrics["spread"],
        score_crossfitted=metrics["score_crossfitted"],
        fold_scores=metrics["fold_scores"],
        baseline=metrics["baseline"],
        engine_scores=metrics["engine_scores"],
        blend=[
            {name: row[name] for name in ("name", "weight", "engine", "recipe", "score")}
            for row in blend
        ],
        leaderboard=rows,
        importance=[(entry["column"], entry["importance"]) for entry in columns],
        n_rows=data["data"]["n_rows"],
        n_columns=sum(column["drop"] is None for column in schema["columns"]),
        seconds=seconds,
        budget=budget,
        reproducible=data["reproducible"],
        warnings=[entry["decision"] for entry in decisions if entry["warning"]],
        notes=list(data["not_done"]),
        teacher=metrics["teacher"],
        corrected=metrics.get("corrected"),
        test=metrics.get("test"),
        parity=metrics.get("parity"),
    )


_REAL = ("score", "spread", "seconds", "weight")
_WHOLE = ("rank", "folds_done", "n_folds")
_TRUTHS = {"true": True, "false": False}


def _leaderboard(text: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for row in csv.DictReader(io.StringIO(text)):
        typed: dict[str, Any] = {**row, "params": json.loads(row["params"])}
        typed |= {name: float(row[name]) if row[name] else None for name in _REAL}
        typed |= {name: int(row[name]) for name in _WHOLE}
        # Bundles of earlier versions have no such column.
        typed["within_noise"] = _TRUTHS.get(row.get("within_noise") or "")
        rows.append(typed)
    return rows


def _members(manifest: Manifest) -> Iterator[tuple[str, Path, str]]:
    """(trial, file in the bundle, its name in the trial's folder) of each member's files."""
    for place in manifest.data["members"]:
        member = read_json(manifest.path(f"{place}/member.json"))
        for booster in member["boosters"]:
            for name in (booster["file"], booster["recipe"]):
                if name is not None:
                    yield member["name"], manifest.path(f"{place}/{name}"), name


def _made(place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _link(source: Path, place: Path) -> None:
    """A second name for a file that nobody writes to again, or a copy where that cannot be."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
