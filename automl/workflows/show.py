"""What a bundle says of itself: summary, leaderboard, schema, decisions, versions, settings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.errors import BundleError, ConfigError, did_you_mean
from automl.model.bundle import verify_bundle
from automl.model.manifest import Manifest, read_json
from automl.model.reading import understood
from automl.workflows.show_run import ShownRun

_NUMBERS = frozenset({"score", "spread", "seconds", "weight"})
_COUNTS = frozenset({"rank", "folds_done", "n_folds"})
_VERSIONED = ("automl", "python", "platform", "versions", "created")
_TOP_COLUMNS = 10


@dataclass(frozen=True)
class Section:
    """One part of what a bundle says: a table for people, and the same facts as JSON values."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    data: Any


def show(bundle: Path | str, what: str = "summary") -> list[Section]:
    """The sections of a bundle asked for by `what`: a name of `SECTIONS`, or "all" of them.

    No model is opened. Where there is no bundle, but a run that is to write it, its journal is
    shown. Raises BundleError if the bundle is not whole, ConfigError for another word.
    """
    if what != "all" and what not in SECTIONS:
        raise _unknown(what, (*SECTIONS, "all"), "There is nothing called {!r} to show.")
    run = ShownRun.find(Path(bundle))
    if run is not None:
        return _of_run(run, what)
    manifest = verify_bundle(bundle)
    with understood(manifest.folder):  # its digests may fit, and yet it may be anybody's
        return [SECTIONS[name](manifest) for name in (SECTIONS if what == "all" else (what,))]


def _of_run(run: ShownRun, what: str) -> list[Section]:
    """The sections of a run that works, or was interrupted."""
    config = run.settings.get("config", {})
    found = {
        "summary": Section("summary", ("fact", "value"), _pairs(run.facts()), run.facts()),
        "leaderboard": Section("leaderboard", *run.table(), run.board()),
        "config": Section("config", ("setting", "value"), _pairs(config), config),
    }
    if what != "all" and what not in found:
        raise _unknown(what, (*found, "all"), "A run that has not ended has no {!r} to show.")
    return list(found.values()) if what == "all" else [found[what]]


def _unknown(what: str, known: Sequence[str], text: str) -> ConfigError:
    hint = did_you_mean(what, known) or f"Known: {', '.join(known)}."
    return ConfigError(text.format(what), hint=hint)


def _summary(manifest: Manifest) -> Section:
    data = manifest.data
    metrics = _json(manifest, "metrics.json", {})
    facts: dict[str, Any] = {"target": data.get("target"), "task": data.get("task")}
    if data.get("classes"):
        facts["classes"] = list(data["classes"])
    facts |= {
        "metric": data.get("metric"),
        "score": metrics.get("score"),
        "spread": metrics.get("spread"),
        "corrected": _interval_text(metrics.get("corrected")),
        "test rows": _interval_text(metrics.get("test")),
        "targets below": _coverage_text(metrics.get("quantiles")),
        "baseline": metrics.get("baseline"),
        "validation": metrics.get("validation"),
        "threshold": data.get("threshold"),
        "training data": _path(data, "data", "name"),
        "training rows": _path(data, "data", "n_rows"),
        "members": [
            _member_text(_json(manifest, f"{place}/member.json", {})) for place in data["members"]
        ],
        "bytes": sum(fact.size for name, fact in manifest.files.items()),
        "top columns": _top_columns(manifest),
    }
    known = {name: value for name, value in facts.items() if value not in (None, [], {})}
    return Section("summary", ("fact", "value"), _pairs(known), known)


def _interval_text(found: Any) -> str | None:
    """A score with its interval; None in a bundle written without."""
    if not isinstance(found, Mapping):
        return None
    ends = f"{found['low']:.6g} to {found['high']:.6g}"
    return f"{found['score']:.6g} ({ends} with {found['level']:.0%} confidence)"


def _coverage_text(found: Any) -> str | None:
    """The share of targets below each of several quantiles; None where one value is predicted."""
    if not isinstance(found, list):
        return None
    return ", ".join(f"{one['below']:.1%} ({one['level']:g})" for one in found)


def _leaderboard(manifest: Manifest) -> Section:
    text = _text(manifest, "leaderboard.csv")
    rows = list(csv.DictReader(io.StringIO(text))) if text is not None else []
    data = [{name: _typed(name, cell) for name, cell in row.items()} for row in rows]
    shown: tuple[str, ...]
    shown = ("rank", "name", "engine", "recipe", "state", "score", "spread", "seconds", "weight")
    if any(row.get("within_noise") is not None for row in data):
        shown = (*shown, "within_noise")
    if any(row.get("cause") for row in data):
        shown = (*shown, "cause")
    table = tuple(tuple(_plain(row.get(name)) for name in shown) for row in data)
    return Section("leaderboard", shown, table, data)


def _plain(cell: Any) -> Any:
    return ("yes" if cell else "no") if isinstance(cell, bool) else cell


def _schema(manifest: Manifest) -> Section:
    data = _json(manifest, "schema.json", {"columns": []})
    columns = data["columns"]
    table = tuple(
        (
            column["name"],
            column["kind"],
            "yes" if column["drop"] is None else f"no, {column['drop']}",
            column["missing"],
            column["n_unique"],
            _range_text(column),
            column["reason"],
        )
        for column in columns
    )
    names = ("column", "kind", "used", "missing", "distinct", "range or levels", "reason")
    return Section("schema", names, table, columns)


def _decisions(manifest: Manifest) -> Section:
    text = _text(manifest, "ledger.jsonl") or ""
    data = [json.loads(line) for line in text.splitlines() if line.strip()]
    table = tuple(
        (
            entry["topic"],
            f"Warning: {entry['decision']}" if entry["warning"] else entry["decision"],
            entry["reason"],
            entry["seconds"],
        )
        for entry in data
    )
    return Section("decisions", ("topic", "decision", "reason", "seconds"), table, data)


def _versions(manifest: Manifest) -> Section:
    facts: dict[str, Any] = {"bundle format": manifest.data.get("format")}
    for name in _VERSIONED:
        value = manifest.data.get(name)
        if isinstance(value, Mapping):
            facts |= value
        elif value is not None:
            facts[name] = value
    facts["training data digest"] = _path(manifest.data, "data", "digest")
    facts["bundle digest"] = manifest.data.get("digest")
    known = {name: value for name, value in facts.items() if value is not None}
    return Section("versions", ("what", "version"), _pairs(known), known)


def _config(manifest: Manifest) -> Section:
    config = dict(manifest.data.get("config") or {})
    origins = manifest.data.get("origins") or {}
    table = tuple((name, _value_text(config[name]), origins.get(name)) for name in sorted(config))
    both = {name: {"value": config[name], "from": origins.get(name)} for name in sorted(config)}
    return Section("config", ("setting", "value", "from"), table, both)


SECTIONS: Mapping[str, Callable[[Manifest], Section]] = {
    "summary": _summary,
    "leaderboard": _leaderboard,
    "schema": _schema,
    "decisions": _decisions,
    "versions": _versions,
    "config": _config,
}


def _text(manifest: Manifest, name: str) -> str | None:
    """The text of a listed file, or None if the bundle was written without it."""
    if name not in manifest.files:
        return None
    try:
        return manifest.path(name).read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"Cannot read '{manifest.path(name)}': {error}.") from error


def _json(manifest: Manifest, name: str, default: dict[str, Any]) -> dict[str, Any]:
    if name not in manifest.files:
        return default
    found = read_json(manifest.path(name))
    if not isinstance(found, dict):
        raise BundleError(f"'{manifest.path(name)}' does not hold a JSON object.")
    return found


def _path(data: Mapping[str, Any], *names: str) -> Any:
    found: Any = data
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _member_text(member: Mapping[str, Any]) -> str:
    boosters = len(member.get("boosters", ()))
    return (
        f"{member.get('weight', 0.0):.2f} x {member.get('name')} "
        f"({member.get('engine')}, {member.get('recipe')}, {boosters} boosters)"
    )


def _top_columns(manifest: Manifest) -> list[str]:
    found = _json(manifest, "explanations/global.json", {"columns": []})["columns"]
    return [f"{entry['column']} {entry['share']:.0%}" for entry in found[:_TOP_COLUMNS]]


def _pairs(facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Two text columns; each entry of a list has its own row."""
    rows: list[tuple[str, str]] = []
    for name, value in facts.items():
        entries = value if isinstance(value, list) else [value]
        rows += [(name if i == 0 else "", _value_text(one)) for i, one in enumerate(entries)]
    return tuple(rows)


def _value_text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={one}" for key, one in value.items()) or "-"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "-"
    return str(value)


def _range_text(column: Mapping[str, Any]) -> str:
    levels = column["levels"]
    if levels:
        dots = ", …" if len(levels) > 4 else ""
        return ", ".join(levels[:4]) + dots
    if column["minimum"] is None:
        return ""
    if column["kind"] == "datetime":
        return f"{_day(column['minimum'])} to {_day(column['maximum'])}"
    return f"{column['minimum']:.6g} to {column['maximum']:.6g}"


def _day(days: float) -> str:
    from datetime import UTC, datetime, timedelta

    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)).date().isoformat()


def _typed(name: str | None, cell: str | None) -> Any:
    if cell is None or cell == "":
        return None
    if name in _NUMBERS:
        return float(cell)
    if name in _COUNTS:
        return int(cell)
    return json.loads(cell) if name in ("params", "within_noise") else cell
