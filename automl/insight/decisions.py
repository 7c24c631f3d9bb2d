"""Facts of the section Decisions: the ledger, and what it takes to do the run again."""

from __future__ import annotations

from typing import Any

from automl.insight.evidence import Facts
from automl.insight.record import Record

_MOST = 500  # lines of the ledger; a run of hours writes fewer
_LONGEST = 400  # characters of a line
# Settings that say where something was, not how it was made: a page may go anywhere.
_PLACES = frozenset({"output", "temp_dir", "force"})


def facts(record: Record) -> Facts:
    """{"ledger", "more", "versions", "seed", "reproducible", "digest", "data", "settings"}."""
    known = record.facts
    data = dict(known.get("data") or {})
    config = dict(known.get("config") or {})
    origins = dict(known.get("origins") or {})
    return {
        "ledger": [_line(entry) for entry in record.ledger[:_MOST]],
        "more": max(0, len(record.ledger) - _MOST),
        "versions": {str(name): str(text) for name, text in known.get("versions", {}).items()},
        "seed": known.get("seed"),
        "reproducible": known.get("reproducible"),
        "data": {
            "name": data.get("name"),
            "rows": data.get("n_rows"),
            "digest": data.get("digest"),
        },
        # What was asked for; a setting with its default decided nothing by itself.
        "settings": [
            [name, _text(config[name]), str(origins[name])]
            for name in sorted(origins)
            if name in config and origins[name] != "default" and name not in _PLACES
        ],
    }


def _line(entry: Any) -> dict[str, Any]:
    return {
        "topic": str(entry["topic"]),
        "decision": str(entry["decision"])[:_LONGEST],
        "reason": str(entry["reason"])[:_LONGEST],
        "seconds": entry["seconds"],
        "warning": bool(entry["warning"]),
    }


def _text(value: Any) -> str:
    return str(value)[:_LONGEST]
