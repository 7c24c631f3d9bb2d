"""Export a bundle: written by a format, verified row by row, and only then given its name."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from automl.data.read import ReadOptions
from automl.errors import ConfigError
from automl.export.check import Agreement, agreement, rows_per_second
from automl.export.registry import get_format
from automl.export.rows import drawn_rows
from automl.model.bundle import exchange, load_bundle
from automl.model.jsonfile import json_bytes
from automl.workflows._rows import CHUNK_ROWS, Tally, chunks_of, refuse_inputs, tally_of

if TYPE_CHECKING:
    import pandas as pd

    from automl.export.base import ExportFormat
    from automl.model.predictor import Predictor, Rows

RECORD: Final = "export.json"
_DRAWN: Final = 1000  # rows to compare
_TIMED: Final = 5000  # rows to measure the speed with
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class Exported:
    """A model that was written in another format, and how it did.

    notes: what the format has to say.  checks: on rows drawn from the schema, and on the table
    that was given.  rows_per_second: of the exported model, measured on drawn rows.  cells: what
    was found in the given table.
    """

    path: Path
    format: str
    n_files: int
    n_bytes: int
    notes: tuple[str, ...]
    checks: tuple[Agreement, ...]
    rows_per_second: float
    cells: Tally | None = field(default=None, compare=False)

    @property
    def largest(self) -> float:
        """The largest difference over max(1, |value|) of all rows."""
        return max((one.largest.size for one in self.checks if one.largest), default=0.0)

    def to_json(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "format": self.format,
            "n_files": self.n_files,
            "n_bytes": self.n_bytes,
            "largest_difference": self.largest,
            "rows_per_second": self.rows_per_second,
            "notes": list(self.notes),
            "checks": [asdict(one) for one in self.checks],
        }


def export(
    bundle: Path | str,
    to: str,
    output: Path | str | None = None,
    *,
    check: Path | str | None = None,
    force: bool = False,
    require_digest: str | None = None,
    read: ReadOptions | None = None,
) -> Exported:
    """Write the model of `bundle` in the format `to` into the folder `output`.

    output: `<name of the bundle>-<format>` in the current folder by default. It appears when the
    exported model has scored rows drawn from the schema, and those of the table `check`, within
    1e-5 x max(1, |value|) of the bundle's own scores.  force: replace an older export.
    Raises ConfigError for an unknown format, a model that the format cannot express, scores that
    differ, and an output that must stay; BundleError and DataError as `predict` does.
    """
    exported = get_format(to)
    folder = Path(bundle)
    name = f"{folder.resolve().name}-{to}"
    target = (Path(name) if output is None else Path(output)).absolute()
    _refuse_place(target, force=force)
    refuse_inputs(target, [folder, *([] if check is None else [check])])
    predictor = load_bundle(folder, require_digest=require_digest)
    if predictor.levels:
        raise ConfigError(
            f"The model predicts {len(predictor.levels)} quantiles, and exports give one value.",
            hint="Fit a bundle of one level, as --quantiles 0.9, for each and export those.",
        )
    with _staged(target) as staging:
        notes = _written(exported, predictor, staging, folder)
        checks, cells = _checked(exported, predictor, staging, check, read or ReadOptions())
        speed = rows_per_second(exported, staging, drawn_rows(predictor, _TIMED, seed=1))
        _record(staging, exported, predictor, checks)
        files = [path for path in staging.rglob("*") if path.is_file()]
        n_bytes = sum(path.stat().st_size for path in files)
        _install(staging, target)
    return Exported(target, to, len(files), n_bytes, tuple(notes), tuple(checks), speed, cells)


def _written(
    exported: ExportFormat, predictor: Predictor, staging: Path, bundle: Path
) -> Sequence[str]:
    from automl.export.base import ExportOptions

    plain = _NOT_PLAIN.sub("-", bundle.resolve().name).strip("-.") or "model"
    return exported.write(predictor, staging, ExportOptions(bundle, plain))


def _checked(
    exported: ExportFormat,
    predictor: Predictor,
    staging: Path,
    data: Path | str | None,
    read: ReadOptions,
) -> tuple[list[Agreement], Tally | None]:
    drawn = drawn_rows(predictor, _DRAWN)
    what = "the rows that were drawn from the schema"
    checks = [agreement(predictor, exported, staging, [(drawn, drawn)], rows=what)]
    if data is None:
        return checks, None
    tally = tally_of(predictor)

    def tables() -> Iterator[tuple[pd.DataFrame, Rows]]:
        for chunk in chunks_of(
            predictor, data, read=read, mode="default", chunk_rows=CHUNK_ROWS, tally=tally
        ):
            yield chunk.frame, chunk.parsed

    checks.append(agreement(predictor, exported, staging, tables(), rows=f"'{data}'"))
    return checks, tally


def _record(
    staging: Path, exported: ExportFormat, predictor: Predictor, checks: Sequence[Agreement]
) -> None:
    """Say in the folder what it is, and of which bundle; it marks the folder as replaceable."""
    facts = {
        "format": exported.name,
        "automl": version("automl"),
        "bundle": str(predictor.manifest.get("digest", "")),
        "task": str(predictor.task),
        "target": predictor.target,
        "classes": list(predictor.classes),
        "threshold": predictor.threshold,
        "checks": [asdict(one) for one in checks],
    }
    (staging / RECORD).write_bytes(json_bytes(facts, indent=1))


def _refuse_place(target: Path, *, force: bool) -> None:
    """Raise ConfigError unless an export may be written to `target`."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not _is_export(target):
        raise ConfigError(
            f"The output '{target}' exists and is no export, so it is left alone.",
            hint="Choose another --output.",
        )
    if not force:
        raise ConfigError(
            f"The output '{target}' already holds an export.",
            hint="Choose another --output, or pass --force to replace it.",
        )


def _is_export(folder: Path) -> bool:
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"format", "automl", "bundle"} <= found.keys()


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """A fresh folder beside `target`, gone at the end unless it was renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _install(staging: Path, target: Path) -> None:
    """Give the finished folder its name; an older export is removed after that."""
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    exchange(staging, target, aside)
    shutil.rmtree(aside, ignore_errors=True)
