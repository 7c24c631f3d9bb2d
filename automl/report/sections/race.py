"""The section Race: score over time, the next ten minutes, leaderboard, members, the search."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from automl.insight.evidence import Facts
from automl.report.effects import short
from automl.report.page import N_COLOURS, card, cell, legend, row, shown, table
from automl.report.sections.result import number
from automl.report.svg import fitted, scale, svg, ticks

NAME, TITLE = "race", "Race"

_OPEN = 10
STYLE = """
.race svg circle { stroke: none; fill-opacity: .75; } .race svg .best { fill: none;
  stroke: var(--c0); stroke-width: 2; } .race svg .axis { stroke: var(--soft); }
.race svg .line { fill: none; stroke-width: 1.4; stroke-opacity: .38; stroke: var(--c4); }
.race svg .line.good { stroke: var(--c0); stroke-opacity: .75; stroke-width: 1.8; }
.race svg .line.fair { stroke: var(--c5); stroke-opacity: .5; }
.race .says { font-size: 1.02rem; margin: .3rem 0 .2rem; max-width: 46rem; }
.race td.noise { color: var(--good); }
.race svg.mid text { font-size: 12.5px; }
@media (max-width: 34rem) { .race svg.mid text { font-size: 19px; } }
"""


def html(facts: Facts) -> str:
    """The charts and tables of the race."""
    parts = [_over_time(facts), _next(facts), _members(facts), _board(facts)]
    parts += [_tuned(one) for one in facts["tuning"]]
    return "".join(parts)


# Score over time


def _over_time(facts: Facts) -> str:
    points = facts["points"]
    if len(points) < 2:
        return ""
    engines = sorted({str(point[3]) for point in points})
    colour = {name: f"c{(i + 1) % N_COLOURS}" for i, name in enumerate(engines)}
    hint = "Each dot is a finished candidate; the line is the best of them so far."
    hint += " Dashed: what ships, as it was chosen." if facts["ship"] is not None else ""
    chart = _time_chart(facts, points, colour)
    return card("Score over time", hint, chart + legend((one, colour[one]) for one in engines))


def _time_chart(facts: Facts, points: Sequence[Any], colour: Any) -> str:
    width, height, left, base = 600, 270, 62, 228
    up = facts["higher_is_better"]
    scores = [float(point[1]) for point in points]
    low, high = _window(scores, facts["ship"], up=up)
    place_x = scale(_first(facts, points), float(points[-1][0]), left + 6, width - 14)
    place_y = scale(low, high, base - 6, 10)
    parts = [_grid(low, high, place_y, left, width)]
    for value in ticks(_first(facts, points), float(points[-1][0])):
        unit = " s" if facts["unit"] == "seconds" else ""
        parts.append(
            f'<text class="tick" x="{place_x(value):.1f}" y="{base + 18}">{value:g}{unit}</text>'
        )
    parts.append(f'<line class="row" x1="{left}" x2="{width}" y1="{base}" y2="{base}"/>')
    if facts["ship"] is not None and low <= facts["ship"] <= high:
        y = place_y(facts["ship"])
        parts.append(f'<line class="zero" x1="{left}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}"/>')
    parts.append(_steps(points, place_x, place_y, (low, high), width - 14))
    for spent, score, name, engine, _ in points:
        if low <= score <= high:
            parts.append(
                f'<circle class="{colour[str(engine)]}" cx="{place_x(spent):.1f}" '
                f'cy="{place_y(score):.1f}" r="4"><title>{shown(name)}: {number(score)}</title>'
                "</circle>"
            )
    what = "seconds since the start" if facts["unit"] == "seconds" else "finished candidates"
    parts.append(f'<text class="tick" x="{(left + width) / 2}" y="{height - 4}">{what}</text>')
    said = f"{facts['title']} of the candidates over time"
    return svg(parts, width, height, said, "mid")


def _first(facts: Facts, points: Sequence[Any]) -> float:
    return 0.0 if facts["unit"] == "seconds" else float(points[0][0])


def _window(scores: Sequence[float], ship: float | None, *, up: bool) -> tuple[float, float]:
    """Scores that are drawn: hopeless candidates would squeeze all others."""
    ranked = sorted(scores, reverse=up)
    usual = ranked[min(len(ranked) - 1, math.floor(0.85 * len(ranked)))]
    ends = [ranked[0], usual, *([ship] if ship is not None and math.isfinite(ship) else [])]
    low, high = min(ends), max(ends)
    pad = 0.06 * (high - low or abs(high) or 1.0)
    return low - pad, high + pad


def _grid(low: float, high: float, place: Callable[[float], float], left: int, width: int) -> str:
    parts = []
    for value in ticks(low, high):
        y = place(value)
        parts.append(
            f'<line class="grid" x1="{left}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="end" x="{left - 6}" y="{y + 4:.1f}">{short(value)}</text>'
        )
    return "".join(parts)


def _steps(
    points: Sequence[Any],
    place_x: Callable[[float], float],
    place_y: Callable[[float], float],
    window: tuple[float, float],
    end: float,
) -> str:
    path, last = "", 0.0
    for spent, score, _, _, leads in points:
        if leads:
            x, y = place_x(spent), place_y(min(max(score, window[0]), window[1]))
            path += f"M{x:.1f} {y:.1f}" if not path else f"H{x:.1f}V{y:.1f}"
            last = y
    return f'<path class="best" d="{path}H{end:.1f}"/>' if path and last else ""


# More time


def _next(facts: Facts) -> str:
    found = facts["next"]
    if not facts["points"]:
        return ""  # no trial is on record
    title = "What more time would buy"
    if found is None:
        said = (
            f"Only {len(facts['points'])} candidates finished: too few to say what more time "
            "would buy. A larger --time-budget tries more."
        )
        return card(title, "", f'<p class="says">{said}</p>')
    hint = (
        "Extrapolated from the best single candidate: a search gains less with each doubling of "
        "its time. A rough guess, not a promise; the blend often gains less."
    )
    return card(title, hint, f'<p class="says">{_promise(facts, found)}</p>')


def _promise(facts: Facts, found: Any) -> str:
    likely, most, noise = found["likely"], found["most"], found["noise"]
    what = (
        f"Another {found['more'] / 60:.0f} minutes"
        if facts["unit"] == "seconds"
        else f"Another {found['more']:,.0f} candidates"
    )
    up = "raise" if facts["higher_is_better"] else "lower"
    size = abs(facts["ship"] or 0.0)
    if most < 1e-3 * max(size, 1e-12):
        return f"{what} would likely buy nothing that can be seen: nothing got better lately."
    between = f"{number(likely)}, and hardly more than {number(most)}"
    text = f"{what} would likely {up} {shown(facts['title'])} by about {between}."
    if likely < 1e-3 * max(size, 1e-12):
        text = f"{what} would likely buy next to nothing, and hardly more than {number(most)}."
    if noise is not None and most < noise:
        text += f" That is less than the uncertainty of the score itself (± {number(noise)})."
    elif noise is not None and likely > noise:
        text += " That is more than the uncertainty of the score: it may be worth it."
    return text


# Tables


def _members(facts: Facts) -> str:
    members = [one for one in facts["board"] if one["weight"]]
    members.sort(key=lambda one: -one["weight"])
    if not members:
        return ""
    parts, x = [], 0.0
    for i, one in enumerate(members):
        width = 700 * one["weight"]
        parts.append(
            f'<rect class="c{i % N_COLOURS}" x="{x:.1f}" y="0" width="{max(width - 2, 1):.1f}" '
            f'height="22" rx="3"><title>{shown(one["name"])}: {one["weight"]:.0%}</title></rect>'
        )
        x += width
    bar = svg(parts, 700, 24, "Weights of the blend")
    names = legend(
        (f"{one['name']} {one['weight']:.0%}", f"c{i % N_COLOURS}")
        for i, one in enumerate(members)
    )
    many = len(members) > 1
    hint = (
        "Their margins are averaged with these weights." if many else "One model ships by itself."
    )
    return card("What ships", hint, bar + names)


def _board(facts: Facts) -> str:
    rows = facts["board"]
    noise = any(one["noise"] is not None for one in rows)
    predict = any(one["predict"] is not None for one in rows)
    names = ["candidate", "score", "± folds", "fit s"]
    names += ["predict µs a row"] if predict else []
    names += ["weight", "state"]
    names += ["within noise"] if noise else []

    def line(one: Any) -> str:
        spread = one["spread"]
        cells = [
            f"<td><bdi>{shown(one['name'], 40)}</bdi></td>",
            cell(number(one["score"])),
            cell(number(spread) if spread is not None else "–"),
            cell(f"{one['seconds']:.1f}"),
        ]
        if predict:
            known = one["predict"]
            cells.append(cell("–" if known is None else f"{known:.3g}"))
        cells.append(cell(f"{one['weight']:.0%}" if one["weight"] else "–"))
        failed = one["state"] == "failed"
        state = f"{one['state']}: {one['cause']}"[:80] if failed else str(one["state"])
        cells.append(cell(state, "failed" if failed else ""))
        if noise:
            cells.append(cell("yes" if one["noise"] else "–", "noise" if one["noise"] else ""))
        return row(cells, own=bool(one["weight"]))

    body = table(names, "".join(map(line, rows[:_OPEN])))
    rest = rows[_OPEN:]
    if rest:
        more = table(names, "".join(map(line, rest)))
        body += f"<details><summary>{len(rest):,} more candidates</summary>{more}</details>"
    if facts["more"]:
        body += f'<p class="hint">… and {facts["more"]:,} more in leaderboard.csv</p>'
    states = ", ".join(f"{n:,} {shown(name)}" for name, n in facts["states"].items())
    hint = (
        f"{states}. Scores are cross-validated; ± is their standard deviation over the folds; "
        "fit is core-seconds of all folds, predict that of one model."
    )
    return card("Leaderboard", hint, body)


# The search


def _tuned(found: Any) -> str:
    title = f"What the search of {str(found['engine'])[:40]} learnt"
    hint = (
        f"From {found['trials']:,} trials. Bars: how much of the loss each parameter decides in "
        "the best quarter (Optuna's PED-ANOVA). Lines: trials, the best tenth dark."
    )
    return card(title, hint, _importances(found) + _parallel(found))


def _importances(found: Any) -> str:
    shares = found["importances"]
    most = max((share for _, share in shares), default=0.0) or 1.0
    parts = []
    for i, (name, share) in enumerate(shares):
        y, width = 20 * i, max(190 * share / most, 1.5)
        parts.append(
            f'<text class="name" x="150" y="{y + 14}">{fitted(name, 148)}</text>'
            f'<rect class="c0" x="160" y="{y + 4}" width="{width:.1f}" height="12"/>'
            f'<text x="{166 + width:.1f}" y="{y + 14}">{share:.0%}</text>'
        )
    return svg(parts, 400, 20 * len(shares) + 4, "Importance of the parameters", "bars")


def _parallel(found: Any) -> str:
    axes, lines = found["axes"], found["lines"]
    if len(axes) < 2:
        return ""
    step, top, base = 112, 30, 210
    width = 70 + step * (len(axes) - 1) + 70
    parts = []
    for one in sorted(lines, key=lambda one: -one["rank"]):
        kind = "good" if one["rank"] <= 0.1 else "fair" if one["rank"] <= 0.3 else ""
        places = " ".join(
            f"{70 + step * i:.0f},{base - (base - top) * at:.1f}" for i, at in enumerate(one["at"])
        )
        parts.append(f'<polyline class="line {kind}" points="{places}"/>')
    for i, axis in enumerate(axes):
        x = 70 + step * i
        low, high = _ends(axis)
        log = " (log)" if axis["log"] else ""
        parts.append(
            f'<line class="axis" x1="{x}" x2="{x}" y1="{top}" y2="{base}"/>'
            f'<text class="tick" x="{x}" y="{base + 16}">{low}</text>'
            f'<text class="tick" x="{x}" y="{top - 6}">{high}</text>'
            f'<text class="tick" x="{x}" y="{base + 34 + 15 * (i % 2)}">'
            f"{shown(axis['name'], 20)}{log}</text>"
        )
    said = "Parallel coordinates of the trials"
    chart = svg(parts, width, base + 58, said, "matrix", fixed=True)
    return f'<div class="wide" tabindex="0" role="region" aria-label="Trials">{chart}</div>'


def _ends(axis: Any) -> tuple[str, str]:
    if axis["choices"] is not None:
        return shown(axis["choices"][0], 14), shown(axis["choices"][-1], 14)
    return f"{axis['low']:.3g}", f"{axis['high']:.3g}"
