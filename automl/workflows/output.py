"""Where a run writes: the bundle's place, and the run folder beside it while it is made."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from automl.config import FitConfig
from automl.errors import ConfigError, DataError, SearchError
from automl.model.bundle import check_target, put_back
from automl.model.manifest import json_bytes, write_durably
from automl.workflows._lock import FolderLock

_MARK, LOCK, SETTINGS, JOURNAL = "run.json", "lock", "settings.json", "journal.jsonl"
_OWNER = "run-folder"  # in the store: whose it is, since a run folder may name any place
_KEPT = frozenset({_MARK, LOCK, SETTINGS, JOURNAL, "trials"})
_SUFFIXES = {".gz", ".zst", ".csv", ".tsv", ".txt", ".parquet", ".feather", ".arrow", ".jsonl"}


class RunFolder:
    """The places of one run; a context manager that leaves nothing half-written behind.

    bundle: where the finished bundle will stand.  path: `<bundle>.run`, beside it: settings,
    journal, trials and the staged bundle.  store: what the workers map, in --temp-dir or below
    `path`.  resume: go on in the folder that an interrupted run left; else it must not be there,
    or `force` is given.

    The folder is removed at the end, unless the run is interrupted and can be resumed: settings
    (`record`) and a trained fold are there, and nothing that the user must mend was the reason.
    """

    def __init__(
        self, bundle: Path, temp_dir: str | None, *, resume: bool = False, force: bool = False
    ) -> None:
        self.bundle = bundle
        self.path = run_folder(bundle)
        self._temp_dir, self._resume = temp_dir, resume
        self.force = force  # whether an older bundle may be replaced
        self._made: list[Path] = []  # parents that were not there, the deepest first
        self._lock = FolderLock(self.path / LOCK)
        self.store = self.path / "store"

    @property
    def staging(self) -> Path:
        return self.path / "bundle"

    @property
    def trials(self) -> Path:
        return self.path / "trials"

    @property
    def journal(self) -> Path:
        return self.path / JOURNAL

    @property
    def log(self) -> Path:
        return self.path / "workers.log"

    @property
    def resumable(self) -> bool:
        """Whether another process could go on with what this run has done."""
        return (self.path / SETTINGS).is_file() and has_folds(self.journal)

    def __enter__(self) -> RunFolder:
        self._refuse_strange()
        try:
            self._make(self.path)
            if self._lock.take():
                self._begin()
        except OSError as error:
            self._leave()
            full = error.errno == errno.ENOSPC
            raise ConfigError(
                f"Cannot write to '{error.filename or self.path}': {error.strerror}.",
                hint="Make room there." if full else "Choose another --output or --temp-dir.",
            ) from None
        except BaseException:  # a signal too
            self._leave()
            raise
        if not self._lock.held:
            raise ConfigError(
                f"Another run is writing to '{self.bundle}' "
                f"(process {self._mark().get('pid', 'unknown')}).",
                hint="Wait for it, or choose another --output.",
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        failed = isinstance(error, ConfigError | DataError | SearchError) and not self._resume
        if error is None or failed:
            self.remove()
        elif self._leave() and "--resume" not in str(error):
            error.add_note(f"Go on with `automl fit --resume {self.bundle}`.")

    def record(
        self,
        data: Path | None,
        config: FitConfig,
        origins: Mapping[str, str],
        *,
        extends: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep what a process needs that goes on with this run."""
        part = self.path / f"part-{SETTINGS}"
        write_durably(part, settings_bytes(data, config, origins, extends=extends))
        part.replace(self.path / SETTINGS)

    def remove(self) -> None:
        """Remove the run folder, what the workers mapped, and empty folders made for them."""
        # A signal may come between the making of the lock file and the lock.
        begun = self._lock.held or (self.path / _MARK).exists()
        if self._lock.held or (self.path in self._made and not begun):
            self._clear(keep=frozenset({LOCK}))
            self._lock.free()
            shutil.rmtree(self.path, ignore_errors=True)
        for folder in self._made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    # -- parts ----------------------------------------------------------------------------------

    def _leave(self) -> bool:
        """Leave what another process can go on with, and whether there is any; else nothing."""
        if not self.resumable:
            self.remove()
            return False
        if self._lock.held:
            self._clear(keep=_KEPT)
            self._lock.free()
        return True

    def _begin(self) -> None:
        """Settle down in the locked folder, which may hold what a dead run left."""
        left = Path(str(self._mark().get("store")))
        if _owner(left) == str(self.path.absolute()):
            shutil.rmtree(left, ignore_errors=True)  # of a run that was killed
        if self._resume:
            put_back(self.bundle)
        else:
            self._refuse_to_drop()
        self._clear(keep=_KEPT if self._resume else frozenset({LOCK}))
        if self._temp_dir is not None:
            self._make(Path(self._temp_dir).absolute())
            self.store = Path(tempfile.mkdtemp(prefix="automl-", dir=self._temp_dir))
            (self.store / _OWNER).write_text(str(self.path.absolute()), encoding="utf-8")
        mark = {"pid": os.getpid(), "store": str(self.store.absolute())}
        (self.path / _MARK).write_text(json.dumps(mark), encoding="utf-8")

    def _refuse_to_drop(self) -> None:
        if self.force or not self.resumable:
            return
        raise ConfigError(
            f"An interrupted run to '{self.bundle}' can be resumed.",
            hint=f"Go on with `automl fit --resume {self.bundle}`, or pass --force to drop it.",
        )

    def _clear(self, *, keep: frozenset[str]) -> None:
        if self.path.is_dir():
            for place in self.path.iterdir():
                if place.name not in keep:
                    _drop(place)
        shutil.rmtree(self.store, ignore_errors=True)

    def _make(self, folder: Path) -> None:
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        self._made = missing + self._made
        folder.mkdir(parents=True, exist_ok=True)

    def _refuse_strange(self) -> None:
        """Raise ConfigError if something is at this place that no run has made."""
        if self.path.is_dir():
            names = {place.name for place in self.path.iterdir()}
            strange = bool(names) and not names & {_MARK, LOCK}
        else:
            strange = self.path.exists()
        if strange:
            raise ConfigError(
                f"'{self.path}' exists and was not made by a run, so it is left alone.",
                hint="Choose another --output, or move it away.",
            )

    def _mark(self) -> dict[str, Any]:
        try:
            found = json.loads((self.path / _MARK).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def run_folder(bundle: Path) -> Path:
    """Where the run of a bundle works, and leaves what an interrupted one has done."""
    return bundle.with_name(bundle.name + ".run")


def read_settings(folder: Path) -> dict[str, Any] | None:
    """What `RunFolder.record` wrote: {"data", "config", "origins"}; None if it is not there.

    Raises ConfigError if no run can have written it.
    """
    path = folder / SETTINGS
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    parts = found if isinstance(found, dict) else {}
    config, origins = parts.get("config"), parts.get("origins")
    if isinstance(config, dict) and isinstance(origins, dict) and "data" in parts:
        return parts
    raise ConfigError(
        f"The settings '{path}' of the run are damaged.", hint="Start the run again, with --force."
    )


def settings_bytes(
    data: Path | None, config: FitConfig, origins: Mapping[str, str], **more: Any
) -> bytes:
    """What `read_settings` reads."""
    path = None if data is None else str(data)
    facts = {"data": path, "config": config.to_json(), "origins": dict(origins), **more}
    return json_bytes(facts, indent=1)


def has_folds(journal: Path) -> bool:
    """Whether a journal tells of a trained fold."""
    if not journal.is_file():  # a pipe would be waited for
        return False
    try:
        with journal.open("rb") as lines:
            return any(line.startswith(b'{"event": "fold"') for line in lines)
    except OSError:
        return False


def bundle_place(data: Any, config: FitConfig, *, force: bool) -> Path:
    """Where the bundle goes; ConfigError if something that must stay is there."""
    place = Path(default_output(data)) if config.output is None else Path(config.output)
    check_target(place, force=force)
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


def _owner(store: Path) -> str | None:
    """The run folder of this store; None if it is none."""
    try:
        return (store / _OWNER).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _drop(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
