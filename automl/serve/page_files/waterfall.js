// The reasons for one prediction: exact contributions, from where the model starts to this row.

import { h, key, onWidth, picture, s, scale } from "./dom.js";
import { cellText, number, percent, plural, shown, signed } from "./text.js";

const BARS = 9;
const LINE = 34;

export class Waterfall {
  constructor(row, outcome, chosen) {
    Object.assign(this, { row, outcome, chosen });
    this.many = false;
    this.found = null;
    this.hint = h("p", { class: "hint" });
    this.plot = h("div", { class: "plot" });
    this.more = h("button", {
      type: "button",
      class: "more",
      hidden: true,
      onclick: () => {
        this.many = !this.many;
        this.#draw();
      },
    });
    this.element = h(
      "section",
      { class: "card why", "aria-labelledby": "why-title" },
      h("h2", { id: "why-title" }, "Why"),
      this.hint,
      this.plot,
      this.more,
    );
    onWidth(this.plot, () => this.#draw());
  }

  /** explanation: of this row; several classes have one each. */
  show(explanation) {
    this.found = explanation;
    this.#draw();
  }

  fail(error) {
    this.found = null;
    this.plot.replaceChildren(h("p", { class: "hint" }, shown(error.message, 300)));
  }

  #draw() {
    if (!this.found) return;
    const { outcome, row } = this;
    const one = outcome.isMany ? ofClass(this.found, outcome.focus, outcome.classes) : this.found;
    if (!one) return;
    const unit = outcome.isMany
      ? [`${row.facts.unit} of `, h("bdi", {}, shown(outcome.focus, 30))]
      : [shown(row.facts.unit, 60)];
    this.hint.replaceChildren(
      "Each field ",
      key("up", "raises"),
      " or ",
      key("down", "lowers"),
      " it, in ",
      ...unit,
      ".",
    );
    const steps = [...one.contributions].sort(
      (a, b) => Math.abs(b.contribution) - Math.abs(a.contribution),
    );
    const most = this.many ? steps.length : steps.length === BARS + 1 ? BARS + 1 : BARS;
    const parts = steps.slice(0, most);
    const rest = steps.slice(most);
    const width = this.plot.clientWidth || 340;
    this.plot.replaceChildren(this.#picture(one, parts, rest, width));
    this.more.hidden = steps.length <= BARS + 1;
    this.more.textContent = this.many ? "Show fewer" : `Show all ${steps.length} fields`;
  }

  #picture(one, parts, rest, width) {
    const steps = parts.map(({ column, contribution }) => ({
      name: column,
      text: [
        shown(column, Math.max(14, Math.floor(width / 15))),
        cellText(this.row.get(column), Math.max(10, Math.floor(width / 22))),
      ],
      contribution,
    }));
    if (rest.length) {
      const sum = rest.reduce((total, { contribution }) => total + contribution, 0);
      steps.push({ text: [plural(rest.length, "more field")], contribution: sum });
    }
    const edges = [one.base_value];
    for (const { contribution } of steps) edges.push(edges.at(-1) + contribution);
    const [low, high] = [Math.min(...edges), Math.max(...edges)];
    const margin = 0.02 * (high - low || 1);
    const x = scale(low - margin, high + margin, 2, width - 2);
    let y = 2;
    const drawn = [
      ends(`the model starts at${this.#share(one.base_value)}`, one.base_value, x, y, width),
    ];
    y += LINE - 4;
    const start = y;
    const lines = [];
    steps.forEach((step, i) => {
      drawn.push(this.#step(step, x(edges[i]), x(edges[i + 1]), y, width));
      const next = y + LINE + 17;
      if (i < steps.length - 1)
        lines.push(
          s("line", {
            class: "joint",
            x1: x(edges[i + 1]),
            x2: x(edges[i + 1]),
            y1: y + 28,
            y2: next,
          }),
        );
      y += LINE;
    });
    drawn.push(ends(`this row${this.#share(one.margin)}`, one.margin, x, y, width));
    // Log-odds of zero are even chances; other scores have no such place.
    const zero =
      this.row.facts.logit !== null && low < 0 && high > 0
        ? [s("line", { class: "zero", x1: x(0), x2: x(0), y1: start, y2: y })]
        : [];
    const label =
      `From ${number(one.base_value)} to ${number(one.margin)}: ` +
      steps
        .slice(0, 5)
        .map(({ text, contribution }) => `${text.join(" ")} ${signed(contribution)}`)
        .join(", ");
    return picture(width, y + 32, label, [...zero, ...lines, ...drawn].flat(), "fall");
  }

  /** The probability that log-odds stand for. */
  #share(margin) {
    const { logit } = this.row.facts;
    return logit === null ? "" : ` ${percent(1 / (1 + Math.exp(-calibrated(logit, margin))))}`;
  }

  #step({ name, text, contribution }, from, to, y, width) {
    const kind = contribution >= 0 ? "up" : "down";
    const [left, right] = [Math.min(from, to), Math.max(from, to)];
    const said =
      text.length > 1 ? [s("tspan", { class: "strong" }, text[0]), ` = ${text[1]}`] : [text[0]];
    const group = s(
      "g",
      name === undefined
        ? { class: "step" }
        : { class: "step can", onclick: () => this.chosen(name) },
      s("rect", { class: "hit", x: 0, y, width, height: LINE }),
      s("text", { class: "told", x: 2, y: y + 13 }, said),
      s("text", { class: "end", x: width - 2, y: y + 13 }, signed(contribution)),
      s("rect", {
        class: `${kind} moves`,
        x: left,
        y: y + 18,
        width: Math.max(right - left, 1),
        height: 10,
        rx: 2,
      }),
    );
    if (name !== undefined)
      group.prepend(s("title", {}, `${shown(name, 200)} = ${cellText(this.row.get(name), 200)}`));
    return group;
  }
}

function ends(name, value, x, y, width) {
  return [
    s("text", { class: "told soft", x: 2, y: y + 12 }, name),
    s("text", { class: "end strong", x: width - 2, y: y + 12 }, number(value)),
    s("rect", { class: "sum moves", x: x(value) - 1.5, y: y + 17, width: 3, height: 10 }),
  ];
}

/** Straight lines between the knots, and of slope 1 beyond. */
function calibrated({ temperature, intercept, knots }, margin) {
  const value = margin / temperature + intercept;
  if (!knots.length) return value;
  const after = knots.findIndex(([at]) => at > value);
  if (after === 0) return knots[0][1] + value - knots[0][0];
  if (after < 0) return knots.at(-1)[1] + value - knots.at(-1)[0];
  const [[x0, y0], [x1, y1]] = knots.slice(after - 1, after + 1);
  return y0 + ((y1 - y0) * (value - x0)) / (x1 - x0);
}

/** The explanation towards one class. */
export function ofClass(explanation, label, classes) {
  return explanation.classes[classes.indexOf(label)];
}
