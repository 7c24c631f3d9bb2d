// What changes if one field changes: the curve of one column, and how far each column reaches.

import { h, onWidth, picture, s, scale, ticks, unique } from "./dom.js";
import { cellOf } from "./row.js";
import { cellText, dayText, daysOf, number, percent, short, shown } from "./text.js";

const HEIGHT = 216;
const LEVELS = 24;
const REACHES = 8;

export class WhatIf {
  constructor(row, outcome, { chosen, goTo }) {
    Object.assign(this, { row, outcome, chosen });
    this.column = row.facts.columns[0]?.name;
    this.found = null;
    const names = row.facts.columns.map(({ name }, i) =>
      h("option", { value: i }, shown(name, 60)),
    );
    this.select = h(
      "select",
      { id: unique("curve"), onchange: () => chosen(row.facts.columns[+this.select.value].name) },
      names,
    );
    this.plot = h("div", { class: "plot curve" });
    this.hint = h("p", { class: "hint" });
    this.reach = h("div", { class: "reach" });
    this.turns = h("div", { class: "turns" });
    this.element = h(
      "section",
      { class: "card whatif", "aria-labelledby": "whatif-title" },
      h("h2", { id: "whatif-title" }, "If one field changed"),
      h(
        "p",
        { class: "pick" },
        h("label", { for: this.select.id, class: "unseen" }, "Field"),
        this.select,
        h(
          "button",
          {
            type: "button",
            class: "plain",
            title: "Go to this field",
            onclick: () => goTo(this.column),
          },
          "edit",
        ),
      ),
      this.plot,
      this.hint,
      this.turns,
      this.reach,
    );
    onWidth(this.plot, () => this.#draw());
  }

  choose(name) {
    this.column = name;
    this.select.value = String(this.row.facts.columns.findIndex((column) => column.name === name));
  }

  /** points: [{value, prediction, …}] of the chosen column. */
  show(points, name) {
    if (name !== this.column) return;
    this.found = points;
    this.#draw();
  }

  now(prediction) {
    this.current = prediction;
    this.#draw();
  }

  fail(error) {
    this.found = null;
    this.plot.replaceChildren(h("p", { class: "hint" }, shown(error.message, 300)));
  }

  #draw() {
    if (!this.found || !this.current) return;
    const column = this.row.columns.get(this.column);
    const width = this.plot.clientWidth || 340;
    const y = this.outcome.of(this.current);
    const points = this.found.map((one) => ({ value: one.value, y: this.outcome.of(one) }));
    const numeric = column.kind === "numeric" || column.kind === "datetime";
    if (numeric && points.length > 1) this.#line(column, points, y, width);
    else if (!numeric && points.length) this.#levels(column, points, y);
    else
      this.plot.replaceChildren(
        h("p", { class: "hint" }, "There is no range to follow for this field."),
      );
  }

  #line(column, points, now, width) {
    const dates = column.kind === "datetime";
    const at = (value) => (dates ? daysOf(String(value)) : Number(value));
    const own = this.row.get(column.name);
    const here = own === null ? null : at(own);
    const line = points
      .map((one) => ({ x: at(one.value), y: one.y }))
      .filter(({ x }) => Number.isFinite(x));
    const xs = line.map(({ x }) => x).concat(Number.isFinite(here) && here !== null ? [here] : []);
    const [left, base, top] = [46, HEIGHT - 26, 10];
    const [low, high] = span(line.map((one) => one.y).concat(now), this.outcome.isClass);
    const x = scale(Math.min(...xs), Math.max(...xs), left + 4, width - 10);
    const y = scale(low, high, base - 4, top);
    const place = (one) => `${x(one.x).toFixed(1)} ${y(one.y).toFixed(1)}`;
    const path = `M${line.map(place).join("L")}`;
    const back = [line.at(-1), line[0]].map((one) => place({ x: one.x, y: now }));
    const area = `${path}L${back.join("L")}Z`;
    const [over, under] = [unique("clip"), unique("clip")];
    const marks = [];
    for (const value of ticks(low, high, 4)) {
      marks.push(
        s("line", { class: "grid", x1: left, x2: width, y1: y(value), y2: y(value) }),
        s(
          "text",
          { class: "end", x: left - 6, y: y(value) + 4 },
          this.outcome.isClass ? `${+(100 * value).toPrecision(4)} %` : short(value),
        ),
      );
    }
    const xTicks = ticks(Math.min(...xs), Math.max(...xs), Math.max(2, Math.floor(width / 95)));
    for (const value of xTicks) {
      const text = dates ? dayText(value).slice(0, 7) : short(value);
      marks.push(
        s(
          "text",
          { class: "tick", x: Math.min(Math.max(x(value), left + 14), width - 22), y: base + 18 },
          text,
        ),
      );
    }
    const { threshold } = this.row.facts;
    if (threshold !== null && threshold > low && threshold < high) {
      marks.push(
        s("line", { class: "cut", x1: left, x2: width, y1: y(threshold), y2: y(threshold) }),
      );
      marks.push(s("text", { class: "end soft", x: width - 2, y: y(threshold) - 5 }, "threshold"));
    }
    const cross = s(
      "g",
      { class: "cross", visibility: "hidden" },
      s("line", { y1: top, y2: base }),
      s("circle", { r: 4.5, class: "c0" }),
    );
    const dot =
      here === null
        ? []
        : [
            s("line", { class: "zero", x1: x(here), x2: x(here), y1: y(now), y2: base }),
            s("circle", { class: "c0 now", cx: x(here), cy: y(now), r: 6.5 }),
          ];
    const best = [...line].sort((a, b) => b.y - a.y);
    const write = (value) => (dates ? dayText(value) : number(value));
    const told = (one) => `${this.outcome.text(one.y)} at ${write(one.x)}`;
    const label =
      `${this.outcome.name()} by ${shown(column.name)}: ` +
      `highest ${told(best[0])}, lowest ${told(best.at(-1))}`;
    const drawn = picture(
      width,
      HEIGHT,
      label,
      [
        s("clipPath", { id: over }, s("rect", { x: 0, y: 0, width, height: Math.max(y(now), 0) })),
        s("clipPath", { id: under }, s("rect", { x: 0, y: y(now), width, height: HEIGHT })),
        ...marks,
        s("path", { class: "up area", d: area, "clip-path": `url(#${over})` }),
        s("path", { class: "down area", d: area, "clip-path": `url(#${under})` }),
        s("line", { class: "row", x1: left, x2: width, y1: base, y2: base }),
        s("path", { class: "line", d: path }),
        ...dot,
        cross,
      ],
      "line-chart",
    );
    this.#follow(drawn, column, line, { x, y, left, width, cross, write });
    this.plot.replaceChildren(drawn);
    this.#say(
      `${this.outcome.text(best.at(-1).y)} to ${this.outcome.text(best[0].y)}`,
      "Drag along the curve to change the field.",
    );
  }

  /** The pointer reads the curve, and moves the field when it is pressed. */
  #follow(drawn, column, line, { x, y, left, width, cross, write }) {
    const [first, last] = [line[0].x, line.at(-1).x];
    const nearest = (event) => {
      const place = (event.offsetX * width) / (drawn.clientWidth || width);
      const wanted = first + ((place - x(first)) / (x(last) - x(first) || 1)) * (last - first);
      return line.reduce((a, b) => (Math.abs(b.x - wanted) < Math.abs(a.x - wanted) ? b : a));
    };
    const move = (event) => {
      const one = nearest(event);
      cross.setAttribute("visibility", "visible");
      cross.firstChild.setAttribute("x1", x(one.x));
      cross.firstChild.setAttribute("x2", x(one.x));
      cross.lastChild.setAttribute("cx", x(one.x));
      cross.lastChild.setAttribute("cy", y(one.y));
      this.#say(`${write(one.x)} → ${this.outcome.text(one.y)}`, "");
      if (event.buttons & 1) this.row.set(column.name, cellOf(column, one.x));
    };
    drawn.addEventListener("pointermove", move);
    drawn.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" || event.offsetX > left) move(event);
    });
    drawn.addEventListener("pointerleave", () => cross.setAttribute("visibility", "hidden"));
  }

  #levels(column, points, now) {
    const own = this.row.get(column.name);
    const shownPoints = points.slice(0, LEVELS);
    const [low, high] = span(shownPoints.map((one) => one.y).concat(now), this.outcome.isClass);
    const place = scale(low, high, 0, 100);
    const rows = shownPoints.map((one) => {
      const fill = h("i", { class: one.y >= now ? "up" : "down" });
      const [from, to] = [Math.min(place(one.y), place(now)), Math.max(place(one.y), place(now))];
      fill.style.insetInlineStart = `${from}%`;
      fill.style.width = `${Math.max(to - from, 0.8)}%`;
      const mark = h("em", {});
      mark.style.insetInlineStart = `${place(now)}%`;
      const cell = typeof one.value === "string" ? one.value : String(one.value);
      return h(
        "button",
        {
          type: "button",
          class: "level-bar",
          "aria-pressed": String(String(own) === cell),
          onclick: () => this.row.set(column.name, cell),
        },
        h("span", { class: "class-name" }, h("bdi", {}, shown(cell, 40))),
        h("span", { class: "level-rail" }, mark, fill),
        h("span", { class: "class-share" }, this.outcome.text(one.y)),
      );
    });
    this.plot.replaceChildren(
      h("div", { class: `class-bars${rows.length > 9 ? " all" : ""}` }, rows),
    );
    const left = column.n_levels - rows.length;
    this.#say(
      "",
      left > 0
        ? `The ${rows.length} most frequent of ${column.n_levels} levels. Choose one to change the field.`
        : "Choose a level to change the field.",
    );
  }

  #say(strong, soft) {
    this.hint.replaceChildren(strong ? h("b", {}, strong) : "", strong && soft ? " · " : "", soft);
  }

  /** turns: [{column, cell, prediction}], single changes that give another class. */
  showTurns(turns) {
    const chips = turns.map(({ column, cell, prediction }) => {
      const share = percent(prediction.probabilities[prediction.prediction] ?? 0);
      const label = `${shown(column.name, 60)} ${cellText(cell, 40)}: ${shown(prediction.prediction, 60)}, ${share}`;
      return h(
        "button",
        {
          type: "button",
          class: "chip",
          title: label,
          "aria-label": label,
          onclick: () => this.row.set(column.name, cell),
        },
        h("bdi", {}, shown(column.name, 22)),
        " ",
        h("b", {}, cellText(cell, 18)),
        " → ",
        h("bdi", {}, shown(prediction.prediction, 18)),
        ` (${share})`,
      );
    });
    this.turns.replaceChildren(
      ...(chips.length
        ? [h("h3", {}, "One change that would turn it"), h("div", { class: "chips" }, chips)]
        : []),
    );
  }

  /** What single changes would do is told of an older row, for a moment. */
  old(is) {
    for (const part of [this.turns, this.reach]) part.classList.toggle("is-stale", is);
  }

  failReach(error) {
    this.old(false);
    this.turns.replaceChildren();
    this.reach.replaceChildren(
      h(
        "p",
        { class: "hint" },
        `How far each field reaches is not known: ${shown(error.message, 200)}`,
      ),
    );
  }

  /** swings: [{name, low, high}], the widest first. */
  showReach(swings) {
    this.old(false);
    const now = this.outcome.of(this.current);
    const seen = swings.filter(({ low, high }) => high > low).slice(0, REACHES);
    const all = seen.flatMap(({ low, high }) => [low, high]).concat(now);
    const [least, most] = span(all, this.outcome.isClass);
    const place = scale(least, most, 0, 100);
    const rows = seen.map(({ name, low, high }) => {
      const [down, up, mark] = [h("i", { class: "down" }), h("i", { class: "up" }), h("em", {})];
      down.style.insetInlineStart = `${place(low)}%`;
      down.style.width = `${place(now) - place(low)}%`;
      up.style.insetInlineStart = `${place(now)}%`;
      up.style.width = `${place(high) - place(now)}%`;
      mark.style.insetInlineStart = `${place(now)}%`;
      return h(
        "button",
        {
          type: "button",
          class: "level-bar",
          "aria-pressed": String(name === this.column),
          onclick: () => this.chosen(name),
        },
        h("span", { class: "class-name" }, h("bdi", {}, shown(name, 40))),
        h("span", { class: "level-rail" }, down, up, mark),
        h(
          "span",
          { class: "class-share" },
          `${this.outcome.text(low)} – ${this.outcome.text(high)}`,
        ),
      );
    });
    const of = this.outcome.isMany ? [" for ", h("bdi", {}, shown(this.outcome.focus, 30))] : [];
    this.reach.replaceChildren(
      ...(rows.length
        ? [
            h("h3", {}, "How far each field alone could move it", ...of),
            h("div", { class: "class-bars wide-share" }, rows),
          ]
        : []),
    );
  }
}

function span(values, shares) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  const least = shares ? 0.02 : Math.abs(high) * 1e-3 || 1;
  if (high - low < least) [low, high] = [low - least / 2, high + least / 2];
  const margin = 0.05 * (high - low);
  [low, high] = [low - margin, high + margin];
  return shares ? [Math.max(low, 0), Math.min(high, 1)] : [low, high];
}
