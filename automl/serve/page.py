"""The page of a served model: a shell without a word of it, its files, and the form's facts.

The shell may be seen by everybody. What it shows of the model it asks for with the caller's token,
so `facts` is to be guarded like any other answer. Browsers keep the page from running or loading
anything that is not listed here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from automl.data.schema import Column, Kind
from automl.model.predictor import Predictor
from automl.report.page import STYLE
from automl.task import Task

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FOLDER = "page"  # below the root of the service: page/<digest>/<file>
FACTS = "page.json"  # below the place of a model
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_OFFERED = 400  # levels of a column that are listed; any other may be typed
_LETTERS = 60_000  # of all listed levels of a column
_UNUSED = 200
_COVERAGES = (0.5, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Asset:
    """A file of the page. content: its bytes.  media_type: what a browser takes it for."""

    content: bytes
    media_type: str

    @property
    def headers(self) -> Mapping[str, str]:
        """The digest is in the address, so a browser may keep the file."""
        return {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}


@cache
def _assets() -> dict[str, Asset]:
    """By name in the folder of the page."""
    found = {}
    for file in files("automl.serve").joinpath("page_files").iterdir():
        kind = _TYPES.get("." + file.name.rpartition(".")[2])
        if kind is not None:
            found[file.name] = Asset(file.read_bytes(), kind)
    style = found["page.css"]
    found["page.css"] = Asset(STYLE.encode() + style.content, style.media_type)
    return dict(sorted(found.items()))


@cache
def digest() -> str:
    """Of all files of the page: their addresses change with them."""
    sums = (hashlib.sha256(asset.content).digest() for asset in _assets().values())
    return hashlib.sha256(b"".join(sums)).hexdigest()[:16]


def asset(path: str) -> Asset | None:
    """The file behind `<digest>/<name>`; None if there is none."""
    found, _, name = path.partition("/")
    return _assets().get(name) if found == digest() else None


@cache
def document(root: str = "") -> bytes:
    """The page as HTML. root: the way from it to the root of the service, such as `../../`."""
    place = escape(f"{root}{FOLDER}/{digest()}/")
    scripts = [name for name in _assets() if name.endswith(".js")]
    preload = "".join(f'<link rel="modulepreload" href="{place}{name}">' for name in scripts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><title>Model</title>'
        f'<link rel="icon" href="{place}icon.svg" type="image/svg+xml">'
        f'<link rel="stylesheet" href="{place}page.css">{preload}'
        f'<script type="module" src="{place}main.js"></script></head>'
        f'<body data-root="{escape(root)}"><main id="app">'
        '<p class="hint" id="opening">Opening the model …</p>'
        "<noscript><p>This page needs JavaScript. The model also answers "
        "<code>POST predict</code> with JSON or CSV.</p></noscript>"
        "</main></body></html>\n"
    ).encode()


def facts(
    predictor: Predictor,
    name: str,
    names: Sequence[str],
    explained: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What the form needs to know of a model, as JSON values.

    name, names: of this model and of all that are served.  explained: what the bundle holds in
    `explanations/global.json`, None if it was written without.
    """
    shares = {
        str(one["column"]): float(one["share"]) for one in (explained or {}).get("columns", [])
    }
    columns = predictor.schema.columns
    used = [_column(columns[i], shares.get(columns[i].name)) for i in predictor.schema.used]
    used.sort(key=lambda one: -(one["share"] or 0.0))
    unused = [one for one in columns if not one.used]
    data = predictor.manifest.get("data")
    return {
        "name": name,
        "names": list(names),
        "id": predictor.manifest.get("digest"),
        "task": predictor.task.value,
        "target": predictor.target,
        "classes": list(predictor.classes),
        "positive": predictor.positive,
        "threshold": _threshold(predictor),
        "unit": _unit(predictor),
        "logit": _logit(predictor),
        "range": _range(predictor),
        "levels": _certainties(predictor),
        "rows": data.get("n_rows") if isinstance(data, Mapping) else None,
        "columns": used,
        "unused": [[one.name, str(one.drop), one.reason] for one in unused[:_UNUSED]],
        "more_unused": max(len(unused) - _UNUSED, 0),
    }


def _threshold(predictor: Predictor) -> float | None:
    if predictor.task is not Task.BINARY:
        return None
    return 0.5 if predictor.threshold is None else predictor.threshold


def _unit(predictor: Predictor) -> str:
    """What the margin is measured in, for people."""
    if predictor.positive is not None:
        return f"log-odds of {predictor.positive}"
    if predictor.task is Task.MULTICLASS:
        return "raw score"
    return f"transformed {predictor.target}" if predictor.link.transforms else predictor.target


def _certainties(predictor: Predictor) -> list[float]:
    """Coverages of intervals, or sets, that the validated rows can warrant."""
    known = predictor.conformal
    if known is None:
        return []
    most = known.n_rows / (known.n_rows + 1)
    return [level for level in _COVERAGES if level <= most]


def _logit(predictor: Predictor) -> dict[str, Any] | None:
    """How log-odds become the calibrated probability of two classes (`Link.calibrated`)."""
    link = predictor.link
    if link.kind != "logit":
        return None
    knots = [list(pair) for pair in link.knots]
    return {"temperature": link.temperature, "intercept": link.intercept, "knots": knots}


def _range(predictor: Predictor) -> list[float] | None:
    """Between which values most predictions of a regression lay in training, as far as known."""
    known = predictor.conformal.difficulty if predictor.conformal is not None else None
    if predictor.task.is_classification or known is None:
        return None
    import numpy as np

    ends = predictor.link.values(np.array([[known.at[0]], [known.at[-1]]]))
    return [float(end) for end in ends]


def _column(column: Column, share: float | None) -> dict[str, Any]:
    """A column as the form shows it; `usual` is a cell that many rows have, or the median."""
    levels, n_levels = _levels(column), len(column.levels)
    whole = _whole(column)
    return {
        "name": column.name,
        "kind": column.kind.value,
        "share": share,
        "missing": column.missing,
        "minimum": column.minimum,
        "maximum": column.maximum,
        "quantiles": list(column.bins),
        "whole": whole,
        "levels": levels,
        "counts": list(column.counts[: len(levels)]),
        "n_levels": n_levels,
        "formats": dict(column.formats),
        "usual": _usual(column, levels, whole),
    }


def _levels(column: Column) -> list[str]:
    """The most frequent levels; none of a column that keeps keyed hashes of them."""
    if column.hash_key:
        return []
    found: list[str] = []
    letters = 0
    for level in column.levels[:_OFFERED]:
        letters += len(level)
        if letters > _LETTERS:
            break
        found.append(level)
    return found


def _whole(column: Column) -> bool:
    """Whether the numbers, or the days, of a column are whole; quantiles lie between two cells."""
    if column.kind not in (Kind.NUMERIC, Kind.DATETIME) or not column.bins:
        return False
    ends = (column.minimum or 0.0, column.maximum or 0.0)
    between = sum(abs(value - round(value)) < 1e-9 for value in column.bins)
    return all(float(value).is_integer() for value in ends) and 2 * between >= len(column.bins)


def _usual(column: Column, levels: Sequence[str], whole: bool) -> float | str | None:
    """The median, or the most frequent level; None where most cells are missing."""
    if column.missing > 0.5:
        return None
    if column.kind is Kind.BOOLEAN and levels:
        counts = column.counts or (0,) * len(levels)
        return levels[max(range(len(levels)), key=lambda i: counts[i])]
    if column.kind is Kind.CATEGORICAL:
        return levels[0] if levels else None
    if not column.bins or column.kind is Kind.TEXT:
        return None
    middle = float(column.bins[len(column.bins) // 2])
    return float(round(middle)) if whole else middle
