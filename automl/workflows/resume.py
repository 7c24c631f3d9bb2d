"""Going on with an interrupted run: what it left, what must not have changed, its budget."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.budget import Budget
from automl.config import FitConfig, option_name
from automl.errors import ConfigError, DataError
from automl.ledger import Ledger
from automl.search.journal import read_journal
from automl.search.race import Race
from automl.search.restore import recorded_trials, restored_trials
from automl.search.store import RunData
from automl.settings import resolve
from automl.workflows.output import RunFolder, read_settings, run_folder

# A run that was interrupted near its end still needs time to read, choose, explain and write.
_AGAIN = 1.5  # of the seconds until the race of the first process
_END_SECONDS, _END_SHARE = 2.0, 0.06
_FIRST_SHARE = 0.25  # of the budget, where no trial is finished


@dataclass(frozen=True)
class Interrupted:
    """What an interrupted run left: its settings, the path of its data, and its journal."""

    bundle: Path
    data: str
    config: FitConfig
    origins: dict[str, str]
    events: list[dict[str, Any]]

    @classmethod
    def read(cls, output: Path | str) -> Interrupted:
        """The run that was to write `output`. Raises ConfigError if there is nothing to resume."""
        bundle = Path(output).absolute()
        if bundle.name.endswith(".run") and not run_folder(bundle).exists():
            bundle = bundle.with_name(bundle.name.removesuffix(".run"))
        folder = run_folder(bundle)
        nothing = ConfigError(
            f"There is nothing to resume: no interrupted run to '{bundle}' has recorded a fold.",
            hint="Start it with `automl fit DATA --target COLUMN`.",
        )
        settings = read_settings(folder)
        if settings is None:
            raise nothing
        try:
            events = read_journal(folder / "journal.jsonl")
        except FileNotFoundError:
            raise nothing from None
        except ValueError as error:
            raise ConfigError(
                f"The journal '{folder / 'journal.jsonl'}' is damaged: {error}.",
                hint="Start the run again, with --force.",
            ) from None
        kinds = {event.get("event") for event in events}
        if not kinds >= {"start", "fold"}:
            raise nothing
        return cls(
            bundle,
            str(settings["data"]),
            FitConfig.from_json(settings["config"]),
            dict(settings["origins"]),
            events,
        )

    def check_settings(self, typed: Mapping[str, Any]) -> None:
        """Raise ConfigError if a setting that was typed is not that of the run."""
        given, _ = resolve({"target": self.config.target, **typed}, {}, None)
        for name in typed:
            before, now = getattr(self.config, name), getattr(given, name)
            if before != now:
                raise ConfigError(
                    f"{option_name(name)} is {_shown(now)}, but was {_shown(before)} "
                    "in the run that is to be resumed.",
                    hint="Leave the option out: a run goes on with its own settings.",
                )

    def check_data(self, digest: str, data: str) -> None:
        """Raise DataError if the table is not the one that the run began with."""
        if digest != self.start["data"]:
            raise DataError(
                f"'{data}' has changed since the run began: its SHA-256 is {digest[:12]}…, "
                f"and was {str(self.start['data'])[:12]}….",
                hint="Bring the file back, or start a new run.",
            )

    def check_prepared(self, digest: str) -> None:
        """Raise ConfigError if this release prepares the table in another way."""
        if digest != self.start["prepared"]:
            raise ConfigError(
                "The run was begun by a release of automl, or on a platform, that prepares this "
                "table in another way.",
                hint="Resume it there, or start a new run.",
            )

    @property
    def start(self) -> dict[str, Any]:
        """What the race of the run began with."""
        return next(event for event in self.events if event["event"] == "start")

    @property
    def spent(self) -> float:
        """Seconds that the run has spent in all its processes."""
        return max(float(event["spent"]) for event in self.events)

    def budget(self, *, already_spent: float) -> Budget:
        """What is left of the run's budget, but at least enough to end it.

        already_spent: seconds of this process.
        """
        spent = self.spent + already_spent
        whole = self.config.time_budget
        if whole is None:
            return Budget(None, already_spent=spent)
        least = _AGAIN * float(self.start["spent"]) + _END_SECONDS + _END_SHARE * whole
        if not any(e["event"] == "closed" and e["state"] == "done" for e in self.events):
            least += _FIRST_SHARE * whole
        return Budget(max(whole, spent + least), already_spent=spent)

    def restore(self, race: Race, run: RunFolder, ledger: Ledger) -> None:
        """Give the race the trials of the run."""
        try:
            trials, margins = restored_trials(recorded_trials(self.events), run.trials)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ConfigError(
                f"The journal '{run.journal}' is damaged: {type(error).__name__} {error}.",
                hint="Start the run again, with --force.",
            ) from None
        race.take_back(trials, margins)
        folds = sum(len(trial.folds) for trial in trials)
        ledger.add(
            "race",
            f"resumed with {len(trials)} trials and {folds} folds",
            f"after {self.spent:.1f} s of the run",
        )


def digest_of(data: RunData) -> str:
    """SHA-256 of what a fold depends on, the cells left out: columns, target and splits."""
    found = hashlib.sha256()
    for feature in data.matrix.features:
        found.update(f"{feature.name}\0{feature.origins}\0".encode())
    found.update(data.y.tobytes())
    for split in data.splits:
        for rows in (split.train, split.valid, split.echo):
            found.update(rows.astype("<i8").tobytes())
    return found.hexdigest()


def _shown(value: Any) -> str:
    return "not given" if value is None else str(value)
