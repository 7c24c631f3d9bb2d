// The prediction of the row: what it is, how sure, and what it was at the start.

import { breakable, h, onWidth, picture, s, scale, ticks } from "./dom.js";
import { cellText, number, percent, plural, short, shown } from "./text.js";

const CLASSES = 6; // bars before a person asks for more
const CHIPS = 8;

export class Result {
  constructor(row, outcome, { level, focus }) {
    Object.assign(this, { row, outcome, focus });
    const { facts } = row;
    this.start = null;
    this.last = null;
    this.many = false;
    this.small = h("p", { class: "what" }, h("bdi", {}, shown(facts.target, 60)));
    this.big = h("p", { class: "big" }, "…");
    this.said = h("p", { class: "said" });
    this.since = h("div", { class: "since" });
    this.plot = h("div", { class: "plot" });
    this.alert = h("div", { class: "alert", role: "alert", hidden: true });
    this.warnings = h("ul", { class: "warnings" });
    this.status = h("p", { class: "unseen", role: "status", "aria-live": "polite" });
    this.level = facts.levels.length ? this.#levels(facts.levels, level) : null;
    this.element = h(
      "section",
      { class: "card result", id: "result", "aria-labelledby": "result-title" },
      h("h2", { id: "result-title", class: "unseen" }, "Prediction"),
      h("div", { class: "result-main" }, this.small, this.big, this.said, this.since),
      h("div", { class: "result-side" }, this.plot, this.level),
      this.warnings,
      this.alert,
      this.status,
    );
    this.bar = h("button", {
      type: "button",
      class: "bar",
      onclick: () => this.element.scrollIntoView({ block: "start" }),
    });
    onWidth(this.plot, () => this.last && this.#plot());
  }

  #levels(levels, level) {
    const usual = usualLevel(levels);
    const options = levels.map((value) =>
      h("option", { value, selected: value === usual }, `${100 * value} %`),
    );
    const select = h("select", { id: "level", onchange: () => level(+select.value) }, options);
    const words = this.outcome.isClass
      ? "certainty of the set of classes"
      : "certainty of the interval";
    return h("p", { class: "level" }, h("label", { for: "level" }, words), " ", select);
  }

  show(prediction, warnings = []) {
    const first = this.last === null;
    this.last = prediction;
    if (this.start === null) this.start = prediction;
    this.alert.hidden = true;
    this.element.removeAttribute("aria-busy");
    this.element.classList.remove("is-old");
    const { outcome } = this;
    if (outcome.isClass) outcome.predicted = prediction.prediction;
    this.big.replaceChildren(...this.#headline(prediction));
    this.big.classList.toggle(
      "long",
      String(prediction.prediction).length > 12 && outcome.isClass,
    );
    this.said.replaceChildren(...this.#sure(prediction));
    this.warnings.replaceChildren(
      ...warnings
        .map(told)
        .filter(Boolean)
        .slice(0, 5)
        .map((text) => h("li", {}, shown(text, 300))),
    );
    this.#plot();
    this.#since();
    this.bar.replaceChildren(
      h("span", {}, h("bdi", {}, shown(this.row.facts.target, 24))),
      h("b", {}, ...this.#headline(prediction)),
    );
    clearTimeout(this.quiet);
    if (!first)
      this.quiet = setTimeout(() => {
        this.status.textContent = this.#sentence(prediction);
      }, 500);
  }

  /** The row begins anew: differences are told from here. */
  begin() {
    this.start = null;
  }

  fail(error, left) {
    this.element.removeAttribute("aria-busy");
    this.element.classList.add("is-old");
    this.alert.hidden = false;
    this.alert.replaceChildren(...trouble(error, left));
  }

  /** Another bundle answers now than the form was made for. */
  replaced() {
    const again = h(
      "button",
      { type: "button", onclick: () => location.reload() },
      "Load its form",
    );
    this.alert.hidden = false;
    this.alert.replaceChildren(
      h("p", {}, h("b", {}, "The model was exchanged for a newer one.")),
      again,
    );
  }

  #headline(prediction) {
    const { outcome } = this;
    if (!outcome.isClass) return [number(prediction.prediction, 4)];
    const share = percent(prediction.probabilities[prediction.prediction] ?? 0);
    return [h("bdi", {}, breakable(shown(prediction.prediction, 60))), " ", h("small", {}, share)];
  }

  #sure(prediction) {
    const { facts } = this.row;
    const level = `${+(100 * this.certainty).toPrecision(4)} %`;
    if (prediction.interval) {
      const [low, high] = prediction.interval;
      return [
        `with ${level} certainty between `,
        h("b", {}, number(low)),
        " and ",
        h("b", {}, number(high)),
      ];
    }
    const said = [];
    if (!this.outcome.isMany && facts.threshold !== null) {
      said.push(
        h("bdi", {}, shown(facts.positive, 30)),
        ` from a probability of ${percent(facts.threshold)} on`,
      );
    }
    if (prediction.set) {
      if (said.length) said.push(" · ");
      said.push(`with ${level} certainty `, ...named(prediction.set, this.outcome.classes.length));
    }
    return said;
  }

  #since() {
    const { row, outcome } = this;
    const names = row.changed();
    if (!names.length) {
      this.since.replaceChildren(
        h("span", { class: "hint" }, "Change a field to see what it does."),
      );
      return;
    }
    const change = outcome.of(this.last) - outcome.of(this.start);
    const kind = change > 0 ? "rise" : change < 0 ? "fall" : "";
    const of = outcome.isMany ? [" for ", h("bdi", {}, shown(outcome.focus, 30))] : [];
    const chips = names.slice(0, CHIPS).map((name) => this.#chip(name));
    if (names.length > CHIPS)
      chips.push(h("span", { class: "hint" }, `and ${names.length - CHIPS} more`));
    const pin = h(
      "button",
      { type: "button", class: "chip plain", onclick: () => row.begin() },
      "Compare from here",
    );
    this.since.replaceChildren(
      h("span", { class: `change ${kind}` }, outcome.difference(change), ...of),
      h("span", { class: "hint" }, ` since the start, after ${plural(names.length, "change")}`),
      h("div", { class: "chips" }, chips, pin),
    );
  }

  #chip(name) {
    const { row } = this;
    const was = cellText(row.started(name), 14);
    const is = cellText(row.get(name), 14);
    const label = `Undo: ${shown(name, 60)} from ${was} to ${is}`;
    return h(
      "button",
      {
        type: "button",
        class: "chip",
        "aria-label": label,
        title: label,
        onclick: () => row.set(name, row.started(name)),
      },
      h("bdi", {}, shown(name, 22)),
      " ",
      h("s", {}, was),
      " ",
      h("b", {}, is),
      h("span", { "aria-hidden": "true" }, " ×"),
    );
  }

  #sentence(prediction) {
    const sure = this.said.textContent;
    const what = this.outcome.isClass
      ? `${shown(prediction.prediction, 60)}, ${percent(prediction.probabilities[prediction.prediction] ?? 0)}`
      : number(prediction.prediction);
    return `${shown(this.row.facts.target, 60)}: ${what}. ${sure}`;
  }

  #plot() {
    const { outcome, last } = this;
    const width = this.plot.clientWidth || 320;
    if (!outcome.isClass) this.plot.replaceChildren(this.#line(last, width));
    else if (outcome.isMany) this.plot.replaceChildren(...this.#bars(last));
    else this.plot.replaceChildren(this.#meter(last, width));
  }

  /** Two classes: the share of the positive one, and the threshold. */
  #meter(prediction, width) {
    const { facts } = this.row;
    const share = this.outcome.of(prediction);
    const x = scale(0, 1, 1, width - 1);
    const cut = x(facts.threshold);
    const names = facts.classes.map((label) => shown(label, Math.max(8, Math.floor(width / 20))));
    return picture(
      width,
      76,
      `${percent(share)} ${names[1]}, threshold ${percent(facts.threshold)}`,
      [
        s("rect", { class: "rail", x: 1, y: 26, width: width - 2, height: 22, rx: 6 }),
        s("rect", {
          class: "c0 moves",
          x: 1,
          y: 26,
          width: Math.max(x(share) - 1, 2),
          height: 22,
          rx: 6,
        }),
        s("line", { class: "cut", x1: cut, x2: cut, y1: 20, y2: 54 }),
        s(
          "text",
          { class: cut < 60 ? "start" : cut > width - 60 ? "end" : "tick", x: cut, y: 14 },
          `threshold ${percent(facts.threshold)}`,
        ),
        s("text", { class: "start", x: 1, y: 68 }, `0 % ${names[1]}`),
        s("text", { class: "end", x: width - 1, y: 68 }, "100 %"),
      ],
    );
  }

  /** A number: where it and its interval lie among the predictions of training. */
  #line(prediction, width) {
    const value = prediction.prediction;
    const ends = prediction.interval ?? [value, value];
    const known = this.row.facts.range ?? [];
    const start = this.start?.prediction ?? value;
    const all = [value, start, ...ends, ...known].filter(Number.isFinite);
    const span = Math.max(...all) - Math.min(...all) || Math.abs(value) || 1;
    const [low, high] = [Math.min(...all) - 0.03 * span, Math.max(...all) + 0.03 * span];
    const x = scale(low, high, 6, width - 6);
    const marks = ticks(low, high, Math.max(4, Math.floor(width / 70))).map((at) => [
      s("line", { class: "grid", x1: x(at), x2: x(at), y1: 10, y2: 52 }),
      s("text", { class: "tick", x: Math.min(Math.max(x(at), 18), width - 18), y: 68 }, short(at)),
    ]);
    const was =
      start === value
        ? null
        : s(
            "circle",
            { class: "was", cx: x(start), cy: 31, r: 5 },
            s("title", {}, "at the start"),
          );
    return picture(
      width,
      74,
      `${number(value)} between ${number(ends[0])} and ${number(ends[1])}`,
      [
        ...marks,
        s("line", { class: "row", x1: 6, x2: width - 6, y1: 31, y2: 31 }),
        s("rect", {
          class: "band moves",
          x: x(ends[0]),
          y: 20,
          width: Math.max(x(ends[1]) - x(ends[0]), 1),
          height: 22,
          rx: 6,
        }),
        was,
        s("circle", { class: "c0 moves", cx: x(value), cy: 31, r: 8 }),
      ]
        .flat()
        .filter(Boolean),
    );
  }

  /** Many classes: the likeliest first; one is looked at in the other cards. */
  #bars(prediction) {
    const { outcome } = this;
    const order = [...outcome.classes].sort(
      (a, b) => outcome.of(prediction, b) - outcome.of(prediction, a),
    );
    const seen = this.many ? order : order.slice(0, CLASSES);
    const set = new Set(prediction.set ?? []);
    const rows = seen.map((label) => {
      const share = outcome.of(prediction, label);
      const fill = h("i", {});
      fill.style.width = `${Math.max(100 * share, 0.4)}%`;
      return h(
        "button",
        {
          type: "button",
          class: `class-bar${set.has(label) ? " in-set" : ""}`,
          "aria-pressed": String(label === outcome.focus),
          title: `Reasons for ${shown(label, 100)}`,
          onclick: () => this.focus(label),
        },
        h("span", { class: "class-name" }, h("bdi", {}, shown(label, 40))),
        h("span", { class: "class-rail" }, fill),
        h("span", { class: "class-share" }, percent(share)),
      );
    });
    const rest = order.length - CLASSES;
    const others = order
      .slice(CLASSES)
      .reduce((sum, label) => sum + outcome.of(prediction, label), 0);
    if (rest > 0) {
      const text = this.many
        ? "Show fewer"
        : `${rest} more ${rest === 1 ? "class" : "classes"}, together ${percent(others)}`;
      const more = () => {
        this.many = !this.many;
        this.#plot();
        this.plot.querySelector(".more-classes").focus();
      };
      rows.push(
        h(
          "button",
          {
            type: "button",
            class: "more-classes",
            "aria-expanded": String(this.many),
            onclick: more,
          },
          text,
        ),
      );
    }
    return [h("div", { class: `class-bars${this.many ? " all" : ""}` }, rows)];
  }
}

/** The coverage to begin with: nine in ten where that can be had. */
export function usualLevel(levels) {
  return levels.includes(0.9) ? 0.9 : levels.at(-1);
}

function named(labels, n) {
  if (!labels.length) return ["none of the classes"];
  if (labels.length === n) return [n === 2 ? "either of the two" : "any of the classes"];
  if (labels.length > 4) return [`one of ${labels.length} classes`];
  const parts = labels.map((label) => h("bdi", {}, shown(label, 24)));
  return [
    labels.length > 1 ? "one of " : "",
    ...parts.flatMap((part, i) => (i ? [", ", part] : [part])),
  ];
}

/** A warning in words; what a field says of itself already is left out. */
function told({ kind, columns = [], n }) {
  const names = columns
    .slice(0, 3)
    .map((name) => shown(name, 40))
    .join(", ");
  if (kind === "missing_columns") return `Scored as missing: ${names}`;
  if (kind === "extra_columns")
    return `${plural(n, "column")} that the model does not know: ${names}`;
  return "";
}

/** What went wrong, and what to do. */
export function trouble(error, violations = error.violations ?? []) {
  const items = violations.slice(0, 8).map(({ row, column, message }) => {
    const where = [row ? `row ${row}` : "", column ? shown(column, 40) : ""]
      .filter(Boolean)
      .join(", ");
    return h("li", {}, where ? h("b", {}, `${where}: `) : null, shown(message, 300));
  });
  if (violations.length > 8) items.push(h("li", {}, `and ${violations.length - 8} more`));
  return [
    h("p", {}, h("b", {}, shown(error.message, 400))),
    error.hint ? h("p", { class: "hint" }, shown(error.hint, 400)) : null,
    items.length ? h("ul", {}, items) : null,
  ].filter(Boolean);
}
