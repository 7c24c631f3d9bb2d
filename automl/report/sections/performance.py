"""The section Performance: how good the honest predictions are, as the task calls for."""

from __future__ import annotations

from automl.insight.evidence import Facts
from automl.insight.toward import number_text
from automl.report.page import card, cell, row, shown, table
from automl.report.plane import STYLE as PLANE_STYLE
from automl.report.sections.performance_binary import binary_html
from automl.report.sections.performance_classes import classes_html
from automl.report.sections.performance_learning import learning_card
from automl.report.sections.performance_quantiles import quantiles_card
from automl.report.sections.performance_style import RULES
from automl.report.sections.performance_threshold import SCRIPT as _THRESHOLD
from automl.report.sections.performance_values import values_html

NAME, TITLE = "performance", "Performance"
STYLE = PLANE_STYLE + RULES
SCRIPT = _THRESHOLD


def html(facts: Facts) -> str:
    """The charts of the task, then every metric."""
    parts = [f'<p class="hint">{shown(_source(facts), 400)}</p>']
    if "binary" in facts:
        parts.append(binary_html(facts["binary"], weighted=facts["weighted"]))
    if "multiclass" in facts:
        parts.append(classes_html(facts["multiclass"]))
    if "regression" in facts:
        parts.append(values_html(facts["regression"], facts["target"]))
    if "quantiles" in facts:
        parts.insert(1, f'<div class="grid2">{quantiles_card(facts["quantiles"])}</div>')
        middle = f"{facts['quantiles']['middle']:g}"
        hint = f"The charts of one prediction below are of the {middle} quantile."
        parts.insert(2, f'<p class="hint">{shown(hint, 400)}</p>')
    if facts.get("learning"):
        parts.append(f'<div class="grid2">{learning_card(facts["learning"])}</div>')
    parts.append(_metrics(facts))
    return "".join(parts)


def _source(facts: Facts) -> str:
    rows = f"{facts['rows']:,}"
    of = (
        f"All figures come from {rows} rows that the model which predicted them had not learned "
        "from (out of fold)."
        if facts["out_of_fold"]
        else f"All figures come from {rows} rows of new data."
    )
    if facts["used_rows"] < facts["rows"]:
        of += f" They are computed on {facts['used_rows']:,} of these rows, drawn at random."
    return of + (" Rows count by their weights." if facts["weighted"] else "")


def _metrics(facts: Facts) -> str:
    lines = "".join(
        row(
            [
                cell(f"{one['title']} {'↑' if one['higher_is_better'] else '↓'}"),
                cell(_text(one["score"])),
                cell(_interval(one)),
            ],
            own=one["own"],
        )
        for one in facts["metrics"]
    )
    hint = (
        "Bold: the metric of this run. ↑: higher is better. Intervals hold 95 % of the scores of "
        "resampled rows. They do not correct for having chosen the best of many models, as the "
        "score in Result does."
    )
    return card("Every metric", hint, table(["metric", "score", "interval"], lines))


def _text(score: float | None) -> str:
    if score is None:
        return "not defined"
    return number_text(score) if abs(score) >= 1000 else f"{score:#.4g}"


def _interval(one: Facts) -> str:
    if one["low"] is None or one["high"] is None:
        return "–"
    return f"{_text(one['low'])} to {_text(one['high'])}"
