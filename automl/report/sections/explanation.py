"""The section Explanation: importance, swarm, dependence, pairs, partial dependence, rows."""

from __future__ import annotations

from typing import Any

from automl.insight.evidence import Facts
from automl.insight.toward import number_text
from automl.report import effects
from automl.report.page import card, shown

NAME, TITLE = "explanation", "Explanation"
STYLE = effects.STYLE

_LEGEND = (
    '<p class="hint">Colour: the cell among its column\'s, low<span class="scale"></span>high; '
    "grey: no number.</p>"
)
_WRITTEN = 0.5  # hundredths of colour from which on a cell holds its number
_FULLEST = 47  # per cent of colour: on more, numbers are hard to read in the dark
_TIMES = "\N{MULTIPLICATION SIGN}"


def html(facts: Facts) -> str:
    """What moves the predictions."""
    parts = [_lead(facts), f'<div class="lead2">{_importance(facts)}{_swarm(facts)}</div>']
    parts += [_classes(facts), _dependence(facts), _pairs(facts), _partial(facts), _rows(facts)]
    return "".join(parts)


def _lead(facts: Facts) -> str:
    first = [one["column"] for one in facts["columns"][:3] if one["importance"] > 0]
    names = ", ".join(f"<b><bdi>{shown(name, 40)}</bdi></b>" for name in first)
    whose = (
        "each by the models of the fold that had not seen it"
        if facts["out_of_fold"]
        else "new to the model"
    )
    said = f"Strongest: {names}. " if names else "No column moves the predictions. "
    return (
        f'<p>{said}<span class="hint">Exact SHAP values of {facts["n_rows"]:,} rows, {whose}; '
        f"in {shown(facts['unit'], 80)}. They say what the model goes by, not what causes "
        "what.</span></p>"
    )


def _importance(facts: Facts) -> str:
    rows = [
        (one["column"], one["importance"], f"{one['share']:.0%}{_direction(one)}")
        for one in facts["columns"]
    ]
    rest = facts["rest"]
    if rest["n"]:
        rows.append((f"{rest['n']:,} more", rest["importance"], f"{rest['share']:.0%}"))
    hint = "Mean size of a column's contributions, and its share."
    if any(one["correlation"] is not None for one in facts["columns"]):
        hint += " ↑ larger values raise the prediction, ↓ they lower it."
    return card("Importance", hint, effects.bars(rows, "Importance of the columns"))


def _direction(one: dict[str, Any]) -> str:
    value = one["correlation"]
    if value is None or abs(value) < 0.2:
        return ""
    return " ↑" if value > 0 else " ↓"


def _swarm(facts: Facts) -> str:
    toward = "the predicted class" if facts["classes"] else "the prediction"
    hint = f"A dot is a row: right of zero its cell raises {toward}, left of it, it lowers it."
    body = effects.swarm(facts["swarm"], "Contributions row by row") + _LEGEND
    return card("Row by row", hint, body)


def _classes(facts: Facts) -> str:
    found = facts["classes"]
    if found is None:
        return ""
    most = max((value for line in found["values"] for value in line), default=0.0) or 1.0
    head = "".join(f'<th scope="col">{shown(name, 24)}</th>' for name in found["columns"])
    lines = "".join(
        f"<tr><td>{shown(name, 30)}</td>{''.join(_heat(value, most) for value in line)}</tr>"
        for name, line in zip(found["classes"], found["values"], strict=True)
    )
    hint = (
        "Mean size of a column's contributions to the score of each class, by strength of colour."
    )
    if found["left_out"]:
        hint += f" {found['left_out']:,} more classes are moved less."
    body = (
        '<div class="wide" tabindex="0" role="region" aria-label="By class"><table class="heat">'
        f'<thead><tr><th scope="col">class</th>{head}</tr></thead><tbody>{lines}</tbody></table>'
        "</div>"
    )
    return f'<div class="apart">{card("By class", hint, body)}</div>'


def _heat(value: float, most: float) -> str:
    part = _FULLEST * value / most
    return (
        f'<td style="background:color-mix(in srgb, var(--c0) {part:.0f}%, transparent)">'
        f"{number_text(value, 2) if part >= _WRITTEN else '·'}</td>"
    )


def _dependence(facts: Facts) -> str:
    many = facts["classes"] is not None
    cards = []
    for plot in facts["dependence"]:
        points = plot["points"]
        said = [f"towards <bdi>{shown(plot['output'], 30)}</bdi>"] if many else []
        if points is not None and points.get("by"):
            said.append(f"colour: <bdi>{shown(points['by'], 30)}</bdi>")
        cards.append(_plot(plot["column"], "; ".join(said), effects.dependence(plot)))
    hint = (
        "How the contribution goes with the column's own value. Levels: the mean, and where four "
        "fifths of the rows lie. Dots are coloured by the column that it works together with most."
    )
    return _grid("Contribution by value", hint, cards)


def _plot(name: str, said: str, chart: str) -> str:
    """said: HTML."""
    hint = f'<p class="hint">{said}</p>' if said else ""
    return f'<div class="card"><h3><bdi>{shown(name, 80)}</bdi></h3>{hint}{chart}</div>'


def _grid(title: str, hint: str, cards: list[str]) -> str:
    if not cards:
        return ""
    return (
        f'<h3 class="apart">{title}</h3><p class="hint">{shown(hint, 400)}</p>'
        f'<div class="grid2">{"".join(cards)}</div>'
    )


def _pairs(facts: Facts) -> str:
    hint = (
        "How far one column spreads the other's contributions where the other's own value stays "
        "the same, and its share of that spread: variance of the SHAP values within bins, as the "
        "dependence plots of Lundberg et al. 2020 show it, corrected for chance."
    )
    most = max((pair["spread"] for pair in facts["pairs"]), default=0.0) or 1.0
    body = "".join(
        f"<li><span><bdi>{shown(pair['a'], 40)}</bdi> {_TIMES} <bdi>{shown(pair['b'], 40)}</bdi>"
        f"</span><i style='width:{100 * pair['spread'] / most:.0f}%'></i>"
        f"<small>± {number_text(pair['spread'], 3)} · {pair['share']:.0%}</small></li>"
        for pair in facts["pairs"]
    )
    body = f'<ul class="pairs">{body}</ul>' if body else "<p>No pair stands out.</p>"
    return f'<div class="apart">{card("Interactions", hint, body)}</div>'


def _partial(facts: Facts) -> str:
    plots = facts.get("partial") or []
    if not plots:
        return ""
    cards = [_plot(plot["column"], "", effects.partial(plot)) for plot in plots]
    output = "" if plots[0]["output"] == "prediction" else f" of '{plots[0]['output'][:40]}'"
    hint = (
        f"The prediction{output} if only this column were changed, in {plots[0]['n_rows']:,} "
        "rows: thin lines are rows, the thick one is the mean (Friedman 2001, Goldstein et al. "
        "2015). The shipped model is asked; some of these rows could not exist."
    )
    return _grid("If only one column changed", hint, cards)


def _rows(facts: Facts) -> str:
    groups = (
        ("typical", "Typical rows", "Predicted about as well as most."),
        ("worst", "The rows that were missed most", "The largest loss among the explained rows."),
    )
    parts = []
    for why, title, hint in groups:
        cards = [_row(one) for one in facts["rows"] if one["why"] == why]
        more = " From the base value, the model's mean, to the margin of the row."
        parts.append(_grid(title, hint + more, cards))
    return "".join(parts)


def _row(one: dict[str, Any]) -> str:
    if one["probability"] is None:
        said = f"predicted {number_text(one['predicted'])}, is {number_text(one['truth'])}"
    else:
        predicted, truth = shown(one["predicted"], 40), shown(one["truth"], 40)
        said = f"predicted <bdi>{predicted}</bdi> ({one['probability']:.1%})"
        said += ", right" if one["predicted"] == one["truth"] else f", is <bdi>{truth}</bdi>"
        said += f"; towards <bdi>{shown(one['output'], 40)}</bdi>"
    return _plot(f"Row {one['row']:,}", said, effects.waterfall(one))
