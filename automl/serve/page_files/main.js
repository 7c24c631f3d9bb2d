// The page of a model: asks what it is, draws the form, and asks again whenever a field changes.

import { ask, json, keepToken, Latest } from "./api.js";
import { markdown } from "./card.js";
import { Code } from "./code.js";
import { h } from "./dom.js";
import { Fields } from "./fields.js";
import { Outcome } from "./outcome.js";
import { changes, swings, turns } from "./reach.js";
import { Result, trouble, usualLevel } from "./result.js";
import { Row } from "./row.js";
import { Table } from "./table.js";
import { shown } from "./text.js";
import { Waterfall } from "./waterfall.js";
import { WhatIf } from "./whatif.js";

const app = document.getElementById("app");
const POINTS = 60;
const REACH_WAIT = 250; // ms of rest before all single changes are asked for
let here = new AbortController(); // of the page that is shown: a new one takes its place
const TRIED = { few: 30, many: 16 }; // columns whose single changes are asked for

async function begin() {
  try {
    const facts = await json("page.json");
    new Page(facts).open();
  } catch (error) {
    if (error.status === 401) askToken();
    else
      app.replaceChildren(
        h(
          "div",
          { class: "card alert", role: "alert" },
          trouble(error),
          h("button", { type: "button", onclick: begin }, "Try again"),
        ),
      );
  }
}

/** The service wants a token: it is kept until the tab is closed. */
function askToken() {
  const box = h("input", {
    id: "token",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
  });
  const send = (event) => {
    event.preventDefault();
    keepToken(box.value.trim());
    begin();
  };
  const again = document.getElementById("token") !== null;
  app.replaceChildren(
    h(
      "form",
      { class: "card token", onsubmit: send },
      h("h2", {}, "This service asks for a token"),
      again
        ? h("p", { class: "alert", role: "alert" }, "The service does not know this token.")
        : null,
      h("label", { for: "token" }, "Token"),
      h("div", { class: "buttons" }, box, h("button", { class: "primary" }, "Open")),
      h(
        "p",
        { class: "hint" },
        "Whoever started the service knows it. It stays in this tab and is forgotten when you close it.",
      ),
    ),
  );
  box.focus();
}

class Page {
  constructor(facts) {
    this.facts = facts;
    this.row = new Row(facts);
    this.outcome = new Outcome(facts);
    this.certainty = usualLevel(facts.levels);
    const chosen = (name) => this.#choose(name);
    this.fields = new Fields(this.row, chosen);
    this.result = new Result(this.row, this.outcome, {
      level: (value) => {
        this.certainty = value;
        this.predict.soon(this.record);
      },
      focus: (label) => this.outcome.choose(label),
    });
    this.why = new Waterfall(this.row, this.outcome, (name) => this.#go(name));
    this.whatIf = new WhatIf(this.row, this.outcome, { chosen, goTo: (name) => this.#go(name) });
    this.table = new Table(this.row, { open: (cells) => this.#open(cells), lost: askToken });
    this.code = new Code(this.row);
    this.#questions();
  }

  #questions() {
    const failed = (error) => this.#failed(error);
    const certain = () => {
      if (!this.facts.levels.length) return "";
      return this.outcome.isClass ? `?sets=${this.certainty}` : `?interval=${this.certainty}`;
    };
    const predict = (record, signal) =>
      json(`predict${certain()}`, { body: { records: [record] }, signal });
    this.predict = new Latest(
      predict,
      (answer, record) => this.#predicted(answer, record),
      failed,
    );
    const explain = (record, signal) => json("explain", { body: { records: [record] }, signal });
    this.explain = new Latest(
      explain,
      (answer) => this.why.show(answer.explanations[0]),
      (error) => this.why.fail(error),
    );
    const curve = ({ record, column }, signal) =>
      json("curve", { body: { record, column, points: POINTS }, signal });
    this.curve = new Latest(
      curve,
      (answer, { column }) => this.whatIf.show(answer.points, column),
      (error) => this.whatIf.fail(error),
    );
    // Of one row each: what its changes do is told against its own prediction.
    const reach = ({ records }, signal) => json("predict", { body: { records }, signal });
    this.reach = new Latest(
      reach,
      ({ predictions }, { asked, record }) => {
        this.reached = { asked, predictions, record };
        this.#reach();
      },
      (error) => this.whatIf.failReach(error),
      0,
    );
  }

  open() {
    const { facts } = this;
    document.title = `${shown(facts.target, 60)} · model`;
    const views = this.#views();
    app.replaceChildren(
      h("a", { class: "skip", href: "#result" }, "To the prediction"),
      this.#header(views),
      ...views.map(({ element }) => element),
      this.result.bar,
    );
    here.abort();
    here = new AbortController();
    addEventListener("hashchange", () => this.#turn(views), { signal: here.signal });
    this.#turn(views);
    this.#restore();
    this.row.addEventListener("change", ({ detail }) => this.#changed(detail));
    this.outcome.addEventListener("focus", () => this.#refocus());
    this.#choose(this.whatIf.column);
    this.#changed({ begin: true });
    new IntersectionObserver(([entry]) =>
      this.result.bar.classList.toggle("away", entry.isIntersecting),
    ).observe(this.result.element);
  }

  #views() {
    const right = h(
      "div",
      { class: "answers" },
      this.result.element,
      h("div", { class: "two" }, this.why.element, this.whatIf.element),
    );
    this.card = h("section", { class: "card model-card", "aria-label": "Model card" });
    return [
      {
        id: "row",
        name: "One row",
        element: h("div", { class: "view try" }, this.fields.element, right),
      },
      { id: "table", name: "A table", element: h("div", { class: "view" }, this.table.element) },
      {
        id: "card",
        name: "Model card",
        element: h("div", { class: "view" }, this.card),
        load: () => this.#loadCard(),
      },
      {
        id: "api",
        name: "API",
        element: h("div", { class: "view" }, this.code.element),
        load: () => this.code.load(),
      },
    ];
  }

  #header(views) {
    const { facts } = this;
    this.links = views.map(({ id, name }) => h("a", { href: `#${id}` }, name));
    const root = document.body.dataset.root;
    const go = (event) => {
      location.href = `${root || "./"}models/${encodeURIComponent(facts.names[+event.target.value])}/${location.hash}`;
    };
    const models =
      facts.names.length > 1
        ? h(
            "select",
            { "aria-label": "Model", onchange: go },
            facts.names.map((name, i) =>
              h("option", { value: i, selected: name === facts.name }, shown(name, 40)),
            ),
          )
        : h("bdi", {}, shown(facts.name, 60));
    const rows = facts.rows ? ` · learned from ${facts.rows.toLocaleString("en")} rows` : "";
    return h(
      "header",
      { class: "top" },
      h(
        "h1",
        {},
        models,
        h("span", {}, " predicts ", h("b", {}, h("bdi", {}, shown(facts.target, 60))), rows),
      ),
      h("nav", { "aria-label": "Views" }, this.links),
    );
  }

  /** Shows the view that the address names. */
  #turn(views) {
    const [id] = location.hash.slice(1).split(":");
    if (id === "result") return;
    const now = views.find((view) => view.id === id) ?? views[0];
    views.forEach((view, i) => {
      view.element.hidden = view !== now;
      if (view === now) this.links[i].setAttribute("aria-current", "page");
      else this.links[i].removeAttribute("aria-current");
    });
    this.result.bar.hidden = now.id !== "row";
    now.load?.()?.catch?.((error) => this.#failed(error, now.element));
  }

  async #loadCard() {
    if (this.card.childElementCount) return;
    const answer = await ask("card", { accept: "text/markdown, text/plain" });
    this.card.replaceChildren(...markdown(await answer.text()));
  }

  /** A row may be in the address: `#row:{"column": cell}`. */
  #restore() {
    const [id, ...rest] = location.hash.slice(1).split(":");
    if (id !== "row" || !rest.length) return;
    try {
      const cells = Object.entries(JSON.parse(decodeURIComponent(rest.join(":"))));
      this.row.replace(
        new Map(
          cells.filter(([, cell]) => cell === null || ["number", "string"].includes(typeof cell)),
        ),
      );
    } catch {
      history.replaceState(null, "", "#row"); // the address was cut or typed: the usual row is shown
    }
  }

  #remember() {
    const cells = Object.fromEntries(this.row.changed().map((name) => [name, this.row.get(name)]));
    const text = encodeURIComponent(JSON.stringify(cells));
    const kept = Object.keys(cells).length && text.length < 4000 ? `#row:${text}` : "#row";
    if (location.hash.startsWith("#row") || !location.hash) history.replaceState(null, "", kept);
  }

  #choose(name) {
    this.fields.mark(name);
    if (name === this.whatIf.column && this.whatIf.found) return;
    this.whatIf.choose(name);
    if (this.record) this.curve.soon({ record: this.record, column: name }, 0);
    this.#reach();
  }

  #go(name) {
    this.fields.focus(name);
  }

  #open(cells) {
    this.row.replace(cells, true);
    location.hash = "#row";
    scrollTo(0, 0);
  }

  #changed({ begin: anew }) {
    if (anew) this.result.begin();
    const record = this.row.record();
    this.record = record;
    this.whatIf.old(true);
    this.result.element.setAttribute("aria-busy", "true");
    this.predict.soon(record);
    this.explain.soon(record);
    this.curve.soon({ record, column: this.whatIf.column }, 60);
    const most = this.facts.classes.length > 10 ? TRIED.many : TRIED.few;
    this.reach.soon(changes(this.row, record, most), REACH_WAIT);
    this.#remember();
  }

  #predicted(answer, record) {
    const [prediction] = answer.predictions;
    this.answered = record;
    if (answer.model !== undefined && answer.model !== this.facts.id) this.result.replaced();
    const focus = this.outcome.focus;
    this.result.certainty = this.certainty;
    this.result.show(prediction, answer.warnings ?? []);
    this.fields.accepted();
    this.whatIf.now(prediction);
    if (this.outcome.focus !== focus) this.#refocus();
    this.#reach();
  }

  /** Another class is looked at: what is known is drawn again. */
  #refocus() {
    if (this.result.last) {
      this.result.show(this.result.last);
      this.whatIf.now(this.result.last);
    }
    if (this.why.found) this.why.show(this.why.found);
    this.#reach();
  }

  #reach() {
    if (!this.reached || this.reached.record !== this.answered) return;
    const { asked, predictions } = this.reached;
    const { found, most } = swings(
      asked,
      predictions,
      this.outcome,
      this.outcome.of(this.result.last),
    );
    this.fields.paint(found, most);
    this.whatIf.showReach(found);
    if (this.outcome.isClass)
      this.whatIf.showTurns(turns(asked, predictions, this.row, this.result.last));
  }

  #failed(error, place) {
    if (error.status === 401) {
      askToken();
      return;
    }
    if (place) place.append(h("div", { class: "card alert", role: "alert" }, trouble(error)));
    else this.result.fail(error, this.fields.refused(error.violations ?? []));
  }
}

begin();
