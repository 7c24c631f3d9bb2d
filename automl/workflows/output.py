"""Where a run writes: the bundle's place, and the run folder beside it while it is made."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from automl.config import FitConfig
from automl.errors import ConfigError
from automl.model.bundle import check_target

_MARK = "run.json"
_SUFFIXES = {".gz", ".zst", ".csv", ".tsv", ".txt", ".parquet", ".feather", ".arrow", ".jsonl"}


class RunFolder:
    """The places of one run; a context manager that leaves nothing half-written behind.

    bundle: where the finished bundle will stand.  path: `<bundle>.run`, beside it: journal,
    trials and the staged bundle.  store: what the workers map, in --temp-dir or below `path`.
    """

    def __init__(self, bundle: Path, *, temp_dir: str | None) -> None:
        self.bundle = bundle
        self.path = bundle.with_name(bundle.name + ".run")
        self._temp_dir = temp_dir
        self._made: list[Path] = []  # parents that were not there, the deepest first
        self.store = self.path / "store"

    @property
    def staging(self) -> Path:
        return self.path / "bundle"

    @property
    def trials(self) -> Path:
        return self.path / "trials"

    @property
    def log(self) -> Path:
        return self.path / "workers.log"

    def __enter__(self) -> RunFolder:
        self._refuse_live_run()
        try:
            shutil.rmtree(self.path, ignore_errors=True)
            self._make(self.path)
            if self._temp_dir is not None:
                self._make(Path(self._temp_dir).absolute())
                self.store = Path(tempfile.mkdtemp(prefix="automl-", dir=self._temp_dir))
            self._write_mark()
        except OSError as error:
            self.remove()
            raise ConfigError(
                f"Cannot write to '{error.filename or self.path}': {error.strerror}.",
                hint="Choose another --output or --temp-dir.",
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    def _write_mark(self) -> None:
        mark = {
            "pid": os.getpid(),
            "created": psutil.Process().create_time(),
            "store": str(self.store.absolute()),
        }
        (self.path / _MARK).write_text(json.dumps(mark), encoding="utf-8")

    def remove(self) -> None:
        """Remove the run folder, what the workers mapped, and empty folders made for them."""
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.rmtree(self.store, ignore_errors=True)
        for folder in self._made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _make(self, folder: Path) -> None:
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        self._made = missing + self._made
        folder.mkdir(parents=True, exist_ok=True)

    def _refuse_live_run(self) -> None:
        if not self.path.exists() or not any(self.path.iterdir()):
            return
        try:
            mark: dict[str, Any] = json.loads((self.path / _MARK).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise ConfigError(
                f"'{self.path}' exists and was not made by a run, so it is left alone.",
                hint="Choose another --output, or move it away.",
            ) from None
        if _is_alive(mark):
            raise ConfigError(
                f"Another run is writing to '{self.bundle}' (process {mark['pid']}).",
                hint="Wait for it, or choose another --output.",
            )
        left = Path(str(mark.get("store")))
        if left.name.startswith("automl-"):
            shutil.rmtree(left, ignore_errors=True)  # of a run that was killed


def _is_alive(mark: dict[str, Any]) -> bool:
    try:
        process = psutil.Process(int(mark["pid"]))
        return bool(abs(process.create_time() - float(mark["created"])) < 1.0)
    except (psutil.NoSuchProcess, psutil.AccessDenied, KeyError, ValueError):
        return False


def bundle_place(data: Any, config: FitConfig) -> Path:
    """Where the bundle goes; ConfigError if something that must stay is there."""
    place = Path(default_output(data)) if config.output is None else Path(config.output)
    check_target(place, force=config.force)
    return place.absolute()


def default_output(data: Any) -> str:
    """`<data>-model` in the current folder: sales-model for /somewhere/sales.csv.gz."""
    if not isinstance(data, str | os.PathLike):
        return "automl-model"
    path = Path(data)
    if str(path) == "-":
        return "stdin-model"
    while path.suffix.lower() in _SUFFIXES:
        path = path.with_suffix("")
    return f"{path.name}-model"
