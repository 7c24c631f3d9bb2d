"""`fit --replay`: does again what the run of a bundle did, without a clock, and compares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from automl.config import FitConfig
from automl.errors import ConfigError
from automl.model.manifest import MEMBERS, RUN, Manifest, read_manifest
from automl.search.race import Race
from automl.search.replay import Script, train_again
from automl.workflows.extend import own_bundle
from automl.workflows.kept import settings_of
from automl.workflows.output import JOURNAL, RunFolder
from automl.workflows.plan import Plan
from automl.workflows.resume import Earlier, bundle_of, read_events

# Settings of a replay that may be its own: where it works and is told, not what it does.
OWN = ("output", "force", "temp_dir", "workers", "mlflow")


@dataclass(frozen=True)
class Replayed(Earlier):
    """The run of a finished bundle, to be done again."""

    manifest: Manifest

    @classmethod
    def read(cls, run: Path | str) -> Replayed:
        """The run that wrote the bundle `run`.

        Raises BundleError if a file of the bundle has changed, ConfigError if it was made
        elsewhere or without a record of its run.
        """
        bundle = bundle_of(run)
        manifest = own_bundle(bundle, "replayed")
        settings = settings_of(manifest)
        events = read_events(manifest.path(RUN + JOURNAL))
        found = cls(
            bundle,
            settings["data"],
            FitConfig.from_json(settings["config"]),
            dict(settings["origins"]),
            events,
            manifest,
        )
        if found.script is None:
            raise ConfigError(f"The journal of '{bundle}' does not tell what its blend was.")
        return found

    @property
    def script(self) -> Script | None:
        return Script.read(self.events)

    @property
    def output(self) -> str:
        """Where the replay goes if nobody says."""
        return f"{self.bundle.name}-replay"

    def settings(self, own: FitConfig) -> FitConfig:
        """The settings of the replay: the run's, but for where it works."""
        mine: dict[str, Any] = {name: getattr(own, name) for name in OWN}
        output = mine["output"] or self.output
        return replace(self.config, **{**mine, "output": output}, threads=self.threads)

    @property
    def threads(self) -> int:
        """Of each training process: sums over rows depend on them."""
        return int(self.manifest.data["threads"])

    def settle(self, run: RunFolder) -> None:
        """Nothing of the run is needed but its journal."""

    def take_part(self, race: Race, run: RunFolder, plan: Plan) -> None:
        """Train again what the run finished."""
        race.record.ledger.add(
            "race", "does again what a run did, without a clock", f"'{self.bundle}'"
        )
        train_again(race, self.trials())

    def parent(self) -> dict[str, Any]:
        return {"parent": {"digest": self.manifest.digest, "how": "replay"}}

    def compared(self, bundle: Path) -> dict[str, Any]:
        """Whether the members of `bundle` are those of the run: {"of", "files", "differing"}."""
        wanted, found = _members(self.manifest), _members(read_manifest(bundle))
        names = sorted(wanted.keys() | found.keys())
        differing = [name for name in names if wanted.get(name) != found.get(name)]
        return {"of": str(self.bundle), "files": len(wanted), "differing": differing}


def _members(manifest: Manifest) -> dict[str, str]:
    """SHA-256 of each file of the members."""
    return {name: fact.sha256 for name, fact in manifest.files.items() if name.startswith(MEMBERS)}
