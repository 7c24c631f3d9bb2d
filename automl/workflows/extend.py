"""More time for a finished run, from what its bundle kept, and never a worse model for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from automl.config import FitConfig
from automl.errors import ConfigError
from automl.ledger import Ledger
from automl.metrics.base import Metric
from automl.model.bundle import verify_bundle
from automl.model.known import known_as
from automl.model.manifest import MANIFEST, RUN, Manifest, read_json
from automl.search.select import Choice
from automl.workflows.kept import bring_back, settings_of
from automl.workflows.output import JOURNAL, RunFolder
from automl.workflows.resume import (
    MORE_TIME,
    Interrupted,
    bundle_of,
    has_ended,
    interrupted,
    read_events,
)


@dataclass(frozen=True)
class Finished(Interrupted):
    """A finished run that is given more time; its bundle stays until there is a better one."""

    manifest: Manifest | None = None
    goes_on: ClassVar[bool] = False

    @classmethod
    def read(cls, bundle: Path, seconds: float) -> Finished:
        """The run that wrote `bundle`, with so many more seconds.

        Raises BundleError if a file of the bundle has changed, ConfigError if it was made
        elsewhere or without what is needed.
        """
        manifest = own_bundle(bundle, "extended")
        settings = settings_of(manifest)
        events = read_events(manifest.path(RUN + JOURNAL))
        spent = max(float(event["spent"]) for event in events)
        # Whatever ended the run, trials or nothing better, it is time that ends it now.
        config = replace(
            FitConfig.from_json(settings["config"]),
            time_budget=spent + seconds,
            trials=None,
            stop_early=False,
        )
        metrics = read_json(manifest.path("metrics.json"))
        return cls(
            bundle,
            settings["data"],
            config,
            {**settings["origins"], "time_budget": MORE_TIME},
            events,
            {
                "score": metrics["score"],
                "digest": manifest.digest,
                "kept": (metrics.get("parity") or {}).get("kept", True),
            },
            manifest,
        )

    def settle(self, run: RunFolder) -> None:
        """Bring journal and trials back from the bundle; the settings last, they count."""
        assert self.manifest is not None
        bring_back(self.manifest, run.path, self.events)
        super().settle(run)


def unfinished_or_finished(output: Path | str, more_time: float | None) -> Interrupted:
    """The run that was to write `output`, interrupted or finished, with `more_time` if given.

    Raises ConfigError if there is none, or if it has ended and is not given more time.
    """
    bundle = bundle_of(output)
    earlier = interrupted(bundle)
    if earlier is not None:
        return earlier if more_time is None else earlier.longer(more_time)
    if not (bundle / MANIFEST).is_file():
        raise ConfigError(
            f"There is nothing to resume: no interrupted run to '{bundle}' has recorded a fold.",
            hint="Start it with `automl fit DATA --target COLUMN`.",
        )
    if has_ended(bundle):
        with RunFolder(bundle, None, force=True):  # what it did not come to remove
            pass
    if more_time is None:
        raise ConfigError(
            f"There is nothing to resume: the run to '{bundle}' has ended.",
            hint=f"Extend it with `automl fit --resume {bundle} --more-time 30m`.",
        )
    return Finished.read(bundle, more_time)


def own_bundle(bundle: Path, what: str) -> Manifest:
    """The manifest of a whole bundle that this user knows; ConfigError for one from elsewhere."""
    manifest = verify_bundle(bundle)
    if known_as(manifest.digest) is None:
        raise ConfigError(
            f"The bundle '{bundle}' was made elsewhere, so it cannot be {what} here.",
            hint=f"If you trust its maker, run `automl verify {bundle}` first.",
        )
    return manifest


def stays(
    before: Mapping[str, Any] | None, choice: Choice, kept: bool, metric: Metric, ledger: Ledger
) -> bool:
    """Whether the model of before is better than the new choice; said in the ledger.

    kept: whether the choice keeps to --max-disparity, or there is no such limit: a model that does
    is better than one that does not, whatever their scores.
    """
    if before is None:
        return False
    old, new = float(before["score"]), choice.score
    kept_before = bool(before.get("kept", True))  # runs of earlier versions did not tell
    if kept_before > kept or (kept_before == kept and metric.better(old, new)):
        ledger.add(
            "blend",
            f"the model of before stays: {metric.name} {old:.5g}",
            f"with more time it would be {new:.5g}"
            + (", beyond --max-disparity" if kept_before > kept else ""),
            warning=True,
        )
        return True
    ledger.add("blend", f"more time took {metric.name} from {old:.5g} to {new:.5g}")
    return False
