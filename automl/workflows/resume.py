"""Going on with an interrupted run: what it left, what must not have changed, its budget."""

from __future__ import annotations

import filecmp
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from automl.budget import Budget
from automl.config import FitConfig, option_name
from automl.errors import ConfigError, DataError
from automl.search.journal import read_journal
from automl.search.race import Race
from automl.search.replay import Script
from automl.search.restore import Recorded, recorded_trials, restored_trials
from automl.search.store import RunData
from automl.settings import resolve
from automl.workflows.output import JOURNAL, RunFolder, has_folds, read_settings, run_folder

if TYPE_CHECKING:
    from automl.workflows.plan import Plan

MORE_TIME = "--more-time"  # where a longer time budget comes from
# A run that was interrupted near its end still needs time to read, choose, explain and write.
_AGAIN = 1.5  # of the seconds until the race of the first process
_END_SECONDS, _END_SHARE = 2.0, 0.06
_FIRST_SHARE = 0.25  # of the budget, where no trial is finished
_DAMAGED = "Start the run again, with --force."


@dataclass(frozen=True)
class Earlier:
    """A run that another one goes on with, or repeats: its settings, its data, its journal.

    data: the path of its table; None where it read standard input or a frame.
    """

    bundle: Path
    data: str | None
    config: FitConfig
    origins: dict[str, str]
    events: list[dict[str, Any]]

    goes_on: ClassVar[bool] = False  # in the folder that the earlier run left

    @property
    def replaces(self) -> bool:
        """Whether the bundle of this run takes the place of an older one."""
        return False

    @property
    def extends(self) -> Mapping[str, Any] | None:
        """Score and digest of the bundle that this run adds time to, if it does."""
        return None

    def parent(self) -> dict[str, Any]:
        """{"parent": {"digest", "how"}} of the bundle that this run starts from, for the manifest.

        how: "more-time" or "replay".  Empty where there was none.
        """
        extends = self.extends
        if extends is None:
            return {}
        return {"parent": {"digest": extends["digest"], "how": "more-time"}}

    @property
    def script(self) -> Script | None:
        """What the earlier run did after its race, if this one must do the same."""
        return None

    @property
    def start(self) -> dict[str, Any]:
        """What the race of the run began with."""
        return next(event for event in self.events if event["event"] == "start")

    @property
    def spent(self) -> float:
        """Seconds that the run has spent in all its processes."""
        return max(float(event["spent"]) for event in self.events)

    def settle(self, run: RunFolder) -> None:
        """Bring what is needed of the earlier run into the folder of this one."""

    def take_part(self, race: Race, run: RunFolder, plan: Plan) -> None:
        """Run the race, with the trials of the earlier run."""
        raise NotImplementedError

    def check_settings(self, typed: Mapping[str, Any]) -> None:
        """Raise ConfigError if a setting that was typed is not that of the run."""
        given, _ = resolve({"target": self.config.target, **typed}, {}, None)
        for name in typed:
            before, now = getattr(self.config, name), getattr(given, name)
            if before != now:
                raise ConfigError(
                    f"{option_name(name)} is {_shown(now)}, but was {_shown(before)} "
                    f"in the run to '{self.bundle}'.",
                    hint="Leave the option out: the settings of that run hold.",
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
                f"The run to '{self.bundle}' was begun by a release of automl, or on a platform, "
                "that prepares this table in another way.",
                hint="Use that one, or start a new run.",
            )

    def trials(self) -> list[Recorded]:
        """The trials of the journal; ConfigError if it is damaged."""
        with self._understood():
            return recorded_trials(self.events)

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ConfigError(
                f"The journal of the run to '{self.bundle}' is damaged: "
                f"{type(error).__name__} {error}.",
                hint=_DAMAGED,
            ) from None


@dataclass(frozen=True)
class Interrupted(Earlier):
    """What an interrupted run left in its folder, with `extends` as it was recorded there."""

    extended: Mapping[str, Any] | None = None
    goes_on: ClassVar[bool] = True

    @property
    def replaces(self) -> bool:
        return self.extended is not None

    @property
    def extends(self) -> Mapping[str, Any] | None:
        return self.extended

    def longer(self, seconds: float) -> Interrupted:
        """The run with so much more time; ConfigError if time does not end it."""
        if self.config.time_budget is None:
            raise ConfigError(
                f"The run to '{self.bundle}' has no time limit: it ends after "
                f"{self.config.trials} trials.",
                hint="Resume it without --more-time.",
            )
        config = replace(self.config, time_budget=self.config.time_budget + seconds)
        return replace(self, config=config, origins={**self.origins, "time_budget": MORE_TIME})

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

    def settle(self, run: RunFolder) -> None:
        run.record(
            None if self.data is None else Path(self.data),
            self.config,
            self.origins,
            extends=self.extends,
        )

    def take_part(self, race: Race, run: RunFolder, plan: Plan) -> None:
        """Go on with the trials of the run, until there is a model and the time is up.

        Where no trial has ended, this machine may be slower than the last one: the first trial is
        trained whatever it takes, and the end gets its time after it.
        """
        with self._understood():
            trials, margins = restored_trials(recorded_trials(self.events), run.trials)
        race.take_back(trials, margins)
        n_folds = sum(len(trial.folds) for trial in trials)
        race.record.ledger.add(
            "race",
            f"resumed with {len(trials)} trials and {n_folds} folds",
            f"after {self.spent:.1f} s of the run",
        )
        plan.grant_end()
        race.run()
        plan.grant_end()


def interrupted(bundle: Path) -> Interrupted | None:
    """The run that was to write `bundle`, if it left a trained fold and has not written it."""
    folder = run_folder(bundle)
    settings = read_settings(folder)
    if settings is None or not has_folds(folder / JOURNAL) or has_ended(bundle):
        return None
    return Interrupted(
        bundle,
        settings["data"],
        FitConfig.from_json(settings["config"]),
        dict(settings["origins"]),
        read_events(folder / JOURNAL),
        settings.get("extends"),
    )


def bundle_of(output: Path | str) -> Path:
    """Where the bundle of a run goes; the name of its run folder means the same."""
    bundle = Path(output).absolute()
    if bundle.name.endswith(".run") and not run_folder(bundle).exists():
        return bundle.with_name(bundle.name.removesuffix(".run"))
    return bundle


def read_events(journal: Path) -> list[dict[str, Any]]:
    """The events of a journal that has a start; ConfigError if it is damaged."""
    try:
        events = read_journal(journal)
    except ValueError as error:
        raise ConfigError(f"The journal '{journal}' is damaged: {error}.", hint=_DAMAGED) from None
    if not any(event.get("event") == "start" for event in events):
        raise ConfigError(f"The journal '{journal}' is damaged: no start.", hint=_DAMAGED)
    return events


def has_ended(bundle: Path) -> bool:
    """Whether the run in the folder of `bundle` has written it, and was killed right after."""
    left, written = run_folder(bundle) / JOURNAL, bundle / "run" / JOURNAL
    there = left.is_file() and written.is_file()
    return there and filecmp.cmp(left, written, shallow=False)


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
