"""The record of a run, read from its bundle; no file of it is trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.data.schema import Schema
from automl.errors import BundleError
from automl.insight.evidence import Facts
from automl.insight.record import Record
from automl.model.jsonfile import read_bounded, read_json
from automl.model.manifest import RUN, Manifest
from automl.search.journal import read_journal
from automl.workflows.facts import FORMAT, REPORT_JSON
from automl.workflows.output import JOURNAL
from automl.workflows.show import SECTIONS

MOST_BYTES = 1 << 25  # of report.json, and of each file that a record is read from
_MOST_LINES = 100_000  # of the ledger


@dataclass(frozen=True)
class Stored:
    """The facts that a bundle's own page was drawn from; drawable: this version knows them."""

    facts: dict[str, Facts]
    format: object

    @property
    def drawable(self) -> bool:
        return self.format == FORMAT and not isinstance(self.format, bool)


def stored_facts(manifest: Manifest) -> Stored | None:
    """What `report.json` of a bundle holds; None in one written without."""
    if REPORT_JSON not in manifest.files:
        return None
    path = manifest.path(REPORT_JSON)
    found = read_json(path, most=MOST_BYTES)
    if isinstance(found, dict):
        facts = {name: one for name, one in found.items() if name != "format"}
        if all(isinstance(one, dict) for one in facts.values()):
            return Stored(facts, found.get("format"))
    raise BundleError(f"'{path}' does not hold the facts of a report.")


def recorded(manifest: Manifest) -> Record:
    """What the files of a verified bundle tell of its run; to be read under `understood`."""
    explained = _object(manifest, "explanations/global.json")
    ledger = _ledger(manifest)
    try:
        trials = _trials(manifest)
    except (ValueError, LookupError, TypeError) as error:
        trials = []
        ledger.append(_unreadable(error))
    return Record(
        facts=manifest.data,
        metrics=_object(manifest, "metrics.json"),
        schema=Schema.from_json(_object(manifest, "schema.json")),
        board=SECTIONS["leaderboard"](manifest).data,
        ledger=ledger,
        importance=list(explained.get("columns", [])),
        trials=trials,
    )


def _object(manifest: Manifest, name: str) -> Mapping[str, Any]:
    if name not in manifest.files:
        return {}
    found = read_json(manifest.path(name))
    if not isinstance(found, dict):
        raise BundleError(f"'{manifest.path(name)}' does not hold a JSON object.")
    return found


def _ledger(manifest: Manifest) -> list[dict[str, Any]]:
    if "ledger.jsonl" not in manifest.files:
        return []
    lines = read_bounded(manifest.path("ledger.jsonl"), MOST_BYTES).splitlines()[:_MOST_LINES]
    return [json.loads(line) for line in lines if line.strip()]


def _unreadable(error: Exception) -> dict[str, Any]:
    """What is said where the journal, which only continuing a run needs, has another form."""
    return {
        "topic": "race",
        "decision": f"'{RUN}{JOURNAL}' cannot be read: the race is told without its trials",
        "reason": f"{type(error).__name__}: {error!s:.200}",
        "seconds": None,
        "warning": True,
    }


def _trials(manifest: Manifest) -> list[dict[str, Any]]:
    """One per closed trial; none where the bundle was taken without its run."""
    name = RUN + JOURNAL
    if name not in manifest.files or not _small(manifest.path(name)):
        return []
    events = read_journal(manifest.path(name))
    closed = {event["trial"]: event for event in events if event["event"] == "closed"}
    return [closed[number] for number in sorted(closed)]


def _small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= MOST_BYTES
