"""The process that reads an unknown bundle before anybody else does; `automl.model.apart` asks it.

It answers with one JSON object on its standard output: the boosters by engine and the number of
rows scored, or the error.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from automl.errors import AutoMLError, BundleError, ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from automl.data.schema import Column, Schema
    from automl.model.predictor import Predictor

TOO_LARGE: Final = "'{}' takes more memory than a bundle of its size can need."
_LEVELS: Final = 6  # of a category that are scored, one row each
_FARTHEST_DAY: Final = 36_525.0  # a century from 1970: dates that every library can hold


def main() -> None:
    """Read the bundle that the arguments name, within their bounds, and answer."""
    from automl.engines._imports import use_lean_imports

    use_lean_imports()
    answers = _own_stdout()
    orders = json.loads(sys.argv[2])
    _bound(orders["cpu_seconds"], orders["address_space"])
    answers.write(json.dumps(_outcome(Path(orders["folder"]), orders["digest"])))
    answers.flush()
    answers.close()
    os._exit(0)  # native libraries may have been left in a state that cannot end in peace


def _outcome(folder: Path, digest: str) -> dict[str, Any]:
    try:
        return read_and_score(folder, digest)
    except AutoMLError as error:
        mend = isinstance(error, ConfigError)
        return {"error": error.message, "hint": error.hint, "mend": mend}
    except MemoryError:
        return {"error": TOO_LARGE.format(folder)}
    except Exception as error:  # noqa: BLE001 - what a stranger's file does to us is its fault
        what = f"{type(error).__name__}: {error}"
        return {"error": f"The bundle '{folder}' cannot be used: {what[:300]}."}


def read_and_score(folder: Path, digest: str) -> dict[str, Any]:
    """{"boosters": {engine: number}, "rows": number} of a bundle that can be read and used.

    Raises whatever the bundle causes; BundleError if it is not the one of `digest`.
    """
    from automl.model.manifest import check_digest, read_manifest, verify_files
    from automl.model.reading import read_predictor

    manifest = read_manifest(folder)
    check_digest(manifest, digest)
    verify_files(manifest, run=False)
    predictor = read_predictor(manifest)
    boosters: Counter[str] = Counter()
    for member in predictor.members:
        boosters[member.engine] += len(member.boosters)
    rows = made_up_rows(predictor.schema)
    for frame in (rows, rows.astype("str").where(rows.notna())):
        _use(predictor, frame, folder)
    return {"boosters": dict(boosters), "rows": len(rows)}


def _use(predictor: Predictor, frame: pd.DataFrame, folder: Path) -> None:
    """Predict and explain; BundleError if what comes out does not have its shape."""
    predicted, explanation = predictor.predict(frame), predictor.explain(frame)
    n_rows, n_columns = explanation.values.shape[:2]
    if (len(predicted), n_rows, n_columns) != (len(frame), len(frame), len(predictor.columns)):
        raise BundleError(f"The models of '{folder}' give another number of values than of rows.")


def made_up_rows(schema: Schema) -> pd.DataFrame:
    """A few rows with the used columns: all missing, then the levels and quantiles of each."""
    import pandas as pd

    used = [schema.columns[i] for i in schema.used]
    cells = {column.name: [None, *_cells(column)] for column in used}
    n_rows = max(map(len, cells.values()), default=1)
    return pd.DataFrame(
        {
            name: pd.Series([some[i % len(some)] for i in range(n_rows)], dtype=object)
            for name, some in cells.items()
        }
    )


def _cells(column: Column) -> list[Any]:
    """Cells as a file could hold them in this column."""
    from datetime import datetime, timedelta

    if column.kind == "datetime":
        known = [day for day in column.bins[::5] if abs(day) < _FARTHEST_DAY]
        return [datetime(1970, 1, 1) + timedelta(days=day) for day in known or [0.0]]
    if column.kind == "numeric":
        return [*column.bins[::5], 0.0, -1e30, 1e30]
    if column.kind == "text":
        return ["some words of a text", "x", "\u00e9t\u00e9 \u2603"]
    return [*column.levels[:_LEVELS], "a level that nobody has seen"]


def _own_stdout() -> TextIO:
    """The real standard output for the answer; what native code prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _bound(cpu_seconds: int, memory: int) -> None:
    """Bound this process where the system knows how: CPU seconds, data, no files, no core."""
    try:
        import resource
    except ImportError:  # Windows: the deadline of the other side has to do
        return
    for what, most in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_DATA, memory),  # not RLIMIT_AS, which counts what is only mapped
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # a tighter bound is there already
            resource.setrlimit(what, (most, most + 1))  # at the hard bound of CPU: SIGKILL
