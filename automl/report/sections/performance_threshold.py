"""The decision threshold: counts and scores at it, moved by a slider, and what mistakes cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

from automl.insight.evidence import Facts
from automl.report.page import card, cell, data, row, shown, table

NOW_ROC, NOW_PR = "perf-now-roc", "perf-now-pr"
_DATA = "perf-cuts"
_LISTED = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Counts:
    """Weights of the four kinds of rows at one threshold, and the scores that they make."""

    tp: float
    fp: float
    fn: float
    tn: float

    @property
    def total(self) -> float:
        return self.tp + self.fp + self.fn + self.tn

    @property
    def precision(self) -> float:
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def false_positive_rate(self) -> float:
        return _ratio(self.fp, self.fp + self.tn)

    @property
    def mcc(self) -> float:
        sides = (self.tp + self.fp, self.tp + self.fn, self.tn + self.fp, self.tn + self.fn)
        return _ratio(self.tp * self.tn - self.fp * self.fn, math.sqrt(math.prod(sides)))

    def scores(self) -> list[tuple[str, str, str]]:
        """(key, name, text), with the keys that the script knows."""
        f1 = _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)
        return [
            ("precision", "Precision", f"{self.precision:.3f}"),
            ("recall", "Recall (sensitivity)", f"{self.recall:.3f}"),
            ("specificity", "Specificity", f"{_ratio(self.tn, self.tn + self.fp):.3f}"),
            ("f1", "F1", f"{f1:.3f}"),
            ("accuracy", "Accuracy", f"{_ratio(self.tp + self.tn, self.total):.3f}"),
            ("mcc", "Matthews correlation", f"{self.mcc:.3f}"),
            ("called", "Called positive", f"{100 * _ratio(self.tp + self.fp, self.total):.1f}%"),
        ]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def counts_at(facts: Facts, i: int) -> Counts:
    """The counts from the i-th threshold on."""
    cuts = facts["cuts"]
    tp, fp = cuts["true_positives"][i], cuts["false_positives"][i]
    negatives = facts["total"] - facts["positives"]
    return Counts(tp, fp, max(facts["positives"] - tp, 0.0), max(negatives - fp, 0.0))


def threshold_card(facts: Facts, *, weighted: bool) -> str:
    """The matrix and scores at the model's threshold; a script makes the controls work."""
    cuts, default = facts["cuts"], facts["cuts"]["default"]
    threshold = cuts["threshold"][default]
    now = counts_at(facts, default)
    body = (
        f"{_controls(facts)}<div class='lab'>{_matrix(now, facts['classes'])}"
        f"{_scores(now)}</div>{_listed(facts)}"
        + data(
            _DATA,
            {
                "t": cuts["threshold"],
                "tp": cuts["true_positives"],
                "fp": cuts["false_positives"],
                "positives": facts["positives"],
                "total": facts["total"],
                "default": default,
            },
        )
    )
    positive = facts["classes"][1][:40]
    hint = (
        f"A row is called {positive!r} from a probability of {threshold:.4g} on. In each square: "
        "rows, and their share of the class."
    )
    if weighted:
        hint += " Counts are sums of weights."
    return card("Decision threshold", hint, body)


def _controls(facts: Facts) -> str:
    """Hidden until the script shows that it runs."""
    cuts, default = facts["cuts"], facts["cuts"]["default"]
    at = f"{cuts['threshold'][default]:.4g}"
    last = len(cuts["threshold"]) - 1
    return (
        '<div class="controls" id="perf-controls" hidden>'
        f'<div><label for="perf-slider">Threshold <output id="perf-at" for="perf-slider">{at}'
        f'</output></label><input id="perf-slider" type="range" min="0" max="{last}" step="1" '
        f'value="{default}" aria-valuetext="{at}"></div><div class="costs">'
        '<label>A false positive costs <input id="perf-cost-fp" type="number" min="0" step="any" '
        'value="1" inputmode="decimal"></label>'
        '<label>a false negative costs <input id="perf-cost-fn" type="number" min="0" step="any" '
        'value="1" inputmode="decimal"></label></div>'
        '<p class="verdict" id="perf-verdict" aria-live="polite"></p>'
        '<div class="costs"><button type="button" id="perf-best">Use the cheapest threshold'
        '</button><button type="button" id="perf-reset">Back to the model’s</button></div></div>'
    )


def _matrix(now: Counts, classes: list[str]) -> str:
    no, yes = (shown(name, 24) for name in classes)
    head = f"<th scope=col><bdi>{no}</bdi></th><th scope=col><bdi>{yes}</bdi></th>"
    lines = "".join(
        f"<tr><th scope=row>is <bdi>{name}</bdi></th>{cells}</tr>"
        for name, cells in (
            (no, _square("tn", now.tn, now.tn + now.fp) + _square("fp", now.fp, now.tn + now.fp)),
            (yes, _square("fn", now.fn, now.tp + now.fn) + _square("tp", now.tp, now.tp + now.fn)),
        )
    )
    return (
        '<table class="truth"><thead><tr><td style="border:0;--a:0;--tone:none"></td>'
        f"{head.replace('<bdi>', 'called <bdi>')}</tr></thead><tbody>{lines}</tbody></table>"
    )


def _square(key: str, count: float, of: float) -> str:
    share = _ratio(count, of)
    tone = "--c0" if key in ("tn", "tp") else "--c1"
    return (
        f'<td id="perf-{key}" style="--a:{share:.3f};--tone:var({tone})"><b>{_count(count)}</b>'
        f"<small>{100 * share:.1f}%</small></td>"
    )


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _scores(now: Counts) -> str:
    items = "".join(
        f'<dt>{name}</dt><dd id="perf-{key}">{text}</dd>' for key, name, text in now.scores()
    )
    return f"<dl>{items}</dl>"


def _listed(facts: Facts) -> str:
    """Some thresholds side by side, for those without a script and for print."""
    cuts = facts["cuts"]["threshold"]
    default = facts["cuts"]["default"]
    near = {min(range(len(cuts)), key=lambda i: abs(cuts[i] - value)) for value in _LISTED}
    lines = []
    for i in sorted(near | {default}):
        now = counts_at(facts, i)
        texts = [text for _, _, text in now.scores()]
        counts = [_count(value) for value in (now.tp, now.fp, now.fn, now.tn)]
        cells = [cell(f"{cuts[i]:.4g}"), *map(cell, counts), *map(cell, texts)]
        lines.append(row(cells, own=i == default))
    names = ["threshold", "TP", "FP", "FN", "TN"]
    names += [name for _, name, _ in counts_at(facts, default).scores()]
    return (
        '<details class="more"><summary>Thresholds side by side</summary>'
        f"{table(names, ''.join(lines))}</details>"
    )


SCRIPT = """
(() => {
  const source = document.getElementById("perf-cuts");
  if (!source) return;
  const cuts = JSON.parse(source.textContent), last = cuts.t.length - 1;
  const get = (name) => document.getElementById("perf-" + name);
  const slider = get("slider"), ratio = (a, b) => b ? a / b : 0;
  const count = (x) => x.toLocaleString("en-US", Number.isInteger(x) ? {} :
    { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const text = (x) => String(Number(x.toPrecision(4)));
  const percent = (x) => (100 * x).toFixed(1) + "%";
  const at = (i) => {
    const tp = cuts.tp[i], fp = cuts.fp[i], negatives = cuts.total - cuts.positives;
    const rest = (x) => Math.max(Number(x.toPrecision(8)), 0);
    return { tp, fp, fn: rest(cuts.positives - tp), tn: rest(negatives - fp) };
  };
  const cost = (i) => {
    const c = at(i), price = (name) => Math.max(Number(get(name).value) || 0, 0);
    return (price("cost-fp") * c.fp + price("cost-fn") * c.fn) / cuts.total;
  };
  const cheapest = () => {
    let best = cuts.default;
    for (let i = 0; i <= last; i++) if (cost(i) < cost(best) * (1 - 1e-12)) best = i;
    return best;
  };
  const square = (name, value, of) => {
    const td = get(name), share = ratio(value, of);
    td.style.setProperty("--a", share.toFixed(3));
    td.querySelector("b").textContent = count(value);
    td.querySelector("small").textContent = percent(share);
  };
  const dot = (name, x, y) => {
    const circle = get(name);
    if (!circle) return;
    const place = (ends, v) => {
      const [a, b] = ends.split(",").map(Number);
      return (a + (b - a) * v).toFixed(1);
    };
    circle.setAttribute("cx", place(circle.dataset.x, x));
    circle.setAttribute("cy", place(circle.dataset.y, y));
  };
  const draw = () => {
    const i = Number(slider.value), c = at(i);
    const precision = ratio(c.tp, c.tp + c.fp), recall = ratio(c.tp, c.tp + c.fn);
    const sides = (c.tp + c.fp) * (c.tp + c.fn) * (c.tn + c.fp) * (c.tn + c.fn);
    const scores = { precision, recall, specificity: ratio(c.tn, c.tn + c.fp),
      f1: ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn), accuracy: ratio(c.tp + c.tn, cuts.total),
      mcc: ratio(c.tp * c.tn - c.fp * c.fn, Math.sqrt(sides)) };
    for (const name in scores) get(name).textContent = scores[name].toFixed(3);
    get("called").textContent = percent(ratio(c.tp + c.fp, cuts.total));
    square("tn", c.tn, c.tn + c.fp); square("fp", c.fp, c.tn + c.fp);
    square("fn", c.fn, c.tp + c.fn); square("tp", c.tp, c.tp + c.fn);
    dot("now-roc", ratio(c.fp, c.fp + c.tn), recall); dot("now-pr", recall, precision);
    get("at").textContent = text(cuts.t[i]);
    slider.setAttribute("aria-valuetext", text(cuts.t[i]));
    const best = cheapest();
    get("verdict").textContent = "Expected cost here: " + text(cost(i)) +
      " per row. Least: " + text(cost(best)) + ", at a threshold of " + text(cuts.t[best]) + ".";
  };
  const move = (i) => { slider.value = i; draw(); };
  for (const name of ["slider", "cost-fp", "cost-fn"]) get(name).addEventListener("input", draw);
  get("best").addEventListener("click", () => move(cheapest()));
  get("reset").addEventListener("click", () => move(cuts.default));
  slider.value = cuts.default;
  get("controls").hidden = false;
  draw();
})();
"""
