"""What a fit begins with: its table, its settings, and an earlier run, if it goes on from one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.config import FitConfig
from automl.workflows.output import RunFolder, bundle_place
from automl.workflows.resume import Earlier


@dataclass(frozen=True)
class Source:
    """What is fitted, how, and the run to go on with or to repeat, if any."""

    data: Any
    config: FitConfig
    origins: dict[str, str]
    earlier: Earlier | None = None

    @property
    def path(self) -> Path | None:
        """Where the table can be read once more; None for standard input and frames."""
        if not isinstance(self.data, str | os.PathLike) or str(self.data) == "-":
            return None
        return Path(self.data).absolute()

    def run_folder(self) -> RunFolder:
        """The folder of the run; ConfigError if something that must stay is in its bundle's place.

        A run that adds time to a bundle replaces it.
        """
        earlier = self.earlier
        force = self.config.force or (earlier is not None and earlier.replaces)
        place = bundle_place(self.data, self.config, force=force)
        goes_on = earlier is not None and earlier.goes_on
        return RunFolder(place, self.config.temp_dir, resume=goes_on, force=force)
