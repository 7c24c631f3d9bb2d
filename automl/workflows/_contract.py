"""The file of `--validation-report`: what a table has against the schema of a model, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.data.write import naming, placed
from automl.errors import ConfigError, DataError
from automl.workflows._rows import Tally, refuse_inputs

if TYPE_CHECKING:
    from automl.model.predictor import Mode


def check_report(
    report: Path | None, data: Path | str, bundle: Any, *, output: object = None
) -> None:
    """Raise ConfigError if the report would take the place of another file, or has none."""
    if report is None:
        return
    refuse_inputs(report, [data, *([bundle] if isinstance(bundle, str | Path) else [])])
    if isinstance(output, Path) and output.resolve() == report.resolve():
        raise ConfigError(
            f"The output and the validation report are the same file, '{report}'.",
            hint="Pass another --validation-report.",
        )
    if report.is_dir() or not report.parent.is_dir():
        what = "is a directory" if report.is_dir() else "is in no directory that exists"
        raise ConfigError(f"The validation report '{report}' {what}.", hint="Name a file.")


@contextmanager
def reporting(report: Path | None, tally: Tally, data: Path | str, mode: Mode) -> Iterator[None]:
    """Write `report` at the end of the block, also when the table was refused inside."""
    error: str | None = None
    try:
        yield
    except DataError as refused:
        error = refused.message
        raise
    finally:
        if report is not None:
            facts = tally.report(str(data), mode, error)
            text = json.dumps(facts, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
            with placed(report) as stream, naming(report):
                stream.write(text.encode("utf-8", "surrogatepass"))
