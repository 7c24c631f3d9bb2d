"""`report`: the page of a bundle drawn again, or drawn on new labelled rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.schema import ParsedTable
from automl.data.write import placed
from automl.errors import BundleError, ConfigError
from automl.insight import result as result_facts
from automl.insight.evidence import Bounds, Evidence, Facts
from automl.insight.result import Measured
from automl.metrics._interval import bootstrap_interval
from automl.metrics._lookup import get_metric
from automl.metrics._threshold import score_probabilities
from automl.model.bundle import verify_bundle
from automl.model.manifest import Manifest, check_digest
from automl.model.reading import understood
from automl.report.report import report_page
from automl.workflows._contract import check_report
from automl.workflows._rows import Chunk, Tally, open_predictor, refuse_inputs
from automl.workflows.evaluate import EvaluateOptions, Labelled, labelled_rows
from automl.workflows.facts import FORMAT, REPORT_HTML, REPORT_JSON, facts_of, known_sections
from automl.workflows.fairness import NewGroups
from automl.workflows.personal import hidden
from automl.workflows.recorded import recorded, stored_facts

if TYPE_CHECKING:
    from automl.model.explain import Explanation
    from automl.model.predictor import Predictor

# Rows whose cells are kept for the page, and numbers of all their columns together.
_SAMPLED_ROWS, _SAMPLED_CELLS = 20_000, 4_000_000
_EXPLAINED_ROWS = 500
_LEVEL = 0.9  # of the intervals whose coverage is shown
# Sections that tell of the run, not of rows: they stay as they are on new rows.
_OF_RUN = ("data", "race", "decisions")


@dataclass(frozen=True)
class Report:
    """A page that was drawn: where it is, and the facts on it.

    rows: what was scored; None where the bundle's own facts are shown.
    """

    path: Path
    facts: dict[str, Facts]
    rows: Labelled | None

    @property
    def cells(self) -> Tally | None:
        """What was found in the cells of the new rows."""
        return None if self.rows is None else self.rows.tally


def report(
    bundle: Path | str,
    data: Path | str | None = None,
    output: Path | str | None = None,
    *,
    options: EvaluateOptions | None = None,
) -> Report:
    """Draw the report of `bundle` to `output`, with `data` on these labelled rows.

    output: `<name of the bundle>-report.html` in the current folder by default, never a file of
    the bundle.  options: how the rows are read and taken, as `evaluate` has them.
    Raises BundleError, also for a bundle whose facts are no report or of another version's;
    DataError for rows as `evaluate` does; ConfigError for a bundle without a report, and for
    options that tell of rows, where none are given.
    """
    options = options or EvaluateOptions()
    folder = Path(bundle)
    place = Path(f"{folder.resolve().name}-report.html") if output is None else Path(output)
    refuse_inputs(place, [folder, *([data] if data is not None and str(data) != "-" else [])])
    rows = None
    if data is None:
        manifest = verify_bundle(folder)
        if options.require_digest is not None:
            check_digest(manifest, options.require_digest)
        _refuse_options(options)
        facts = _own_facts(manifest)
    else:
        check_report(options.report, data, folder, output=place)
        predictor = open_predictor(folder, options.threads, options.require_digest)
        facts, rows = _on_rows(verify_bundle(folder), predictor, data, options)
    with understood(folder / REPORT_JSON):
        page = report_page(facts).encode("utf-8")
    with placed(place) as stream:
        stream.write(page)
    return Report(place, facts, rows)


def _refuse_options(options: EvaluateOptions) -> None:
    """Raise ConfigError for what says how rows are read where none are given."""
    asked = {
        "--weight-column": options.weight_column is not None,
        "--validation-report": options.report is not None,
        f"--{options.mode}": options.mode != "default",
    }
    for option, given in asked.items():
        if given:
            raise ConfigError(f"{option} needs labelled rows.", hint="Give DATA.")


def _own_facts(manifest: Manifest) -> dict[str, Facts]:
    stored, folder = stored_facts(manifest), manifest.folder
    hint = f"Give labelled rows: `automl report {folder} DATA`."
    if stored is None:
        raise ConfigError(
            f"The bundle '{folder}' holds no report: it was written without.", hint=hint
        )
    if not stored.drawable:
        raise BundleError(
            f"'{folder / REPORT_JSON}' has the format {stored.format!r:.40}, and this version of "
            f"automl draws {FORMAT}.",
            hint=f"{hint} The page as it was drawn is '{folder / REPORT_HTML}'.",
        )
    return stored.facts


def _on_rows(
    manifest: Manifest, predictor: Predictor, data: Path | str, options: EvaluateOptions
) -> tuple[dict[str, Facts], Labelled]:
    """The facts of every section on new rows; those of the run are the bundle's own."""
    with understood(manifest.folder):
        record = recorded(manifest)
        own = stored_facts(manifest)
    stored = own.facts if own is not None and own.drawable else {}
    sample, ends, audited = (
        _Sample(predictor, options.seed),
        _Ends(predictor),
        NewGroups(predictor),
    )

    def see(chunk: Chunk) -> None:
        # As they are read, no cell of a column that is hashed may come to the page.
        chunk = replace(chunk, cells=hidden(chunk.frame, predictor.schema, chunk.parsed))
        sample.see(chunk)
        ends.see(chunk)
        audited.see(chunk.frame)

    rows = labelled_rows(predictor, data, options, see)
    evidence = _evidence(predictor, rows, sample)
    evidence = replace(evidence, bounds=ends.of(rows.rows), groups=audited.groups(rows.rows))
    if evidence.explanation is not None:
        drivers = evidence.explanation.global_importance().to_json()["columns"]
        record = replace(record, importance=drivers)
    name = "stdin" if str(data) == "-" else Path(data).name
    measured = _measured(evidence, name, options.seed)
    facts: dict[str, Facts] = {}
    with understood(manifest.folder):
        facts["about"] = {"target": predictor.target, "task": predictor.task.value, "data": name}
        for section in known_sections():
            if section == "result":
                found = result_facts.facts(record, evidence, measured)
                found["warnings"] = [*_cell_warnings(rows.tally), *found["warnings"]]
            elif section in _OF_RUN and section in stored:
                found = stored[section]
            else:
                found = facts_of(section, record, evidence)
            if found:
                facts[section] = found
    return facts, rows


def _measured(evidence: Evidence, name: str, seed: int) -> Measured:
    metric = evidence.metric
    truth = evidence.y, evidence.prediction, evidence.weight
    score = score_probabilities(metric, *truth, evidence.threshold)
    found = bootstrap_interval(metric, *truth, threshold=evidence.threshold, seed=seed)
    return Measured(
        data=name,
        n_rows=len(evidence.rows),
        score=score,
        low=None if found is None else found.low,
        high=None if found is None else found.high,
        level=0.95 if found is None else found.level,
    )


def _cell_warnings(tally: Tally) -> list[dict[str, str]]:
    """What in the cells of the new rows speaks against the score."""
    lines = [(change.text, "") for change in tally.changes()[:5]]
    if tally.n_bad:
        what = f"{tally.n_bad:,} cells do not have their column's type and count as missing"
        lines.append((what, ""))
    if tally.absent:
        lines.append((f"{len(tally.absent):,} columns are missing and count as missing cells", ""))
    return [{"text": text, "hint": hint} for text, hint in lines]


# The evidence of new rows


class _Sample:
    """A random sample of all rows that pass by, typed and as read; bounded.

    The rows with the smallest random keys stay, so that each row is as likely as another.
    """

    def __init__(self, predictor: Predictor, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._columns = list(predictor.columns)
        width = max(1, len(self._columns))
        self._most = max(1, min(_SAMPLED_ROWS, _SAMPLED_CELLS // width))
        self._keys = np.empty(0)
        self.rows = np.empty(0, dtype=np.int64)
        self.cells: ParsedTable | None = None
        self.frame = pd.DataFrame()

    def see(self, chunk: Chunk) -> None:
        """Take the rows of a chunk into account."""
        keys = self._rng.random(chunk.parsed.n_rows)
        bar = np.inf if len(self._keys) < self._most else float(self._keys.max())
        mine = np.flatnonzero(keys < bar)
        frame = chunk.frame.reindex(columns=self._columns).iloc[mine]
        cells = chunk.parsed.take(mine)
        numbers = chunk.first_row - 1 + mine
        if self.cells is not None:
            cells = _stacked(self.cells, cells)
            frame = pd.concat([self.frame, frame], ignore_index=True)
            numbers = np.concatenate([self.rows, numbers])
        keys = np.concatenate([self._keys, keys[mine]])
        stay = np.argsort(keys, kind="stable")[: self._most]
        self._keys, self.rows = keys[stay], numbers[stay]
        self.cells, self.frame = cells.take(stay), frame.iloc[stay].reset_index(drop=True)


class _Ends:
    """The prediction intervals of all rows that pass by, where the model has some."""

    def __init__(self, predictor: Predictor) -> None:
        known = predictor.conformal
        warranted = known is not None and _LEVEL * (known.n_rows + 1) <= known.n_rows
        self._there = warranted and not predictor.task.is_classification
        self._predictor = predictor
        self._chunks: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []

    def see(self, chunk: Chunk) -> None:
        """Take the rows of a chunk into account."""
        if self._there:
            matrix = self._predictor.matrix(chunk.parsed)
            self._chunks.append(self._predictor.interval(matrix, _LEVEL))

    def of(self, rows: NDArray[np.int64]) -> Bounds | None:
        """Those of these rows, by their numbers."""
        if not self._chunks:
            return None
        low, high = (np.concatenate(side) for side in zip(*self._chunks, strict=True))
        return Bounds(_LEVEL, low[rows], high[rows])


def _stacked(first: ParsedTable, second: ParsedTable) -> ParsedTable:
    values: dict[int, Any] = {}
    for i, above in first.values.items():
        below = second.values[i]
        if isinstance(above, pd.Series):
            values[i] = pd.concat([above, pd.Series(below)], ignore_index=True)
        else:
            values[i] = np.concatenate([above, np.asarray(below)])
    return ParsedTable(first.n_rows + second.n_rows, values)


def _evidence(predictor: Predictor, rows: Labelled, sample: _Sample) -> Evidence:
    assert sample.cells is not None  # every table has a chunk
    known = np.isin(sample.rows, rows.rows)
    cells, frame = sample.cells.take(np.flatnonzero(known)), sample.frame[known]
    places = np.searchsorted(rows.rows, sample.rows[known])
    explained: NDArray[np.int64] = places[:_EXPLAINED_ROWS]
    return Evidence(
        task=predictor.task,
        target=predictor.target,
        classes=predictor.classes,
        metric=get_metric(predictor.metric),
        threshold=0.5 if predictor.threshold is None else predictor.threshold,
        schema=predictor.schema,
        rows=rows.rows,
        y=rows.y,
        weight=rows.weight,
        prediction=rows.prediction,
        fold=None,
        sample=places,
        cells=cells,
        explained=explained,
        explanation=_explanation(predictor, frame, cells, len(explained)),
        predict=lambda cells: predictor.link.predict(predictor.margin(cells)),
    )


def _explanation(
    predictor: Predictor, frame: pd.DataFrame, cells: ParsedTable, n_rows: int
) -> Explanation | None:
    if not n_rows:
        return None
    return predictor.explain(frame.iloc[:n_rows], cells.take(np.arange(n_rows)))
