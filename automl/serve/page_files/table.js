// A table to score: pasted, dropped or chosen; the scores to look at and to keep.

import { ask } from "./api.js";
import { asFile, delimiterOf, fromFile, parse, written as cell } from "./csv.js";
import { h } from "./dom.js";
import { trouble, usualLevel } from "./result.js";
import { number, percent, plural, shown } from "./text.js";

const LOOKED_AT = 200;
const SHOWN = 25;
const PASTED = 2_000_000; // letters that are put into the box; more are scored all the same

export class Table {
  constructor(row, { open, lost }) {
    Object.assign(this, { row, open, lost }); // lost: told that the service wants a token
    this.name = "pasted";
    this.large = null;
    this.addresses = [];
    this.box = h("textarea", {
      id: "csv",
      rows: 8,
      spellcheck: "false",
      placeholder: this.#example(),
      oninput: () => {
        this.large = null;
        this.name = "pasted";
      },
    });
    this.file = h("input", {
      type: "file",
      id: "csv-file",
      class: "unseen",
      accept: ".csv,.tsv,.txt,text/csv",
      onchange: () => this.#take(this.file.files[0]),
    });
    this.button = h(
      "button",
      { type: "button", class: "primary", onclick: () => this.score() },
      "Score the table",
    );
    this.status = h("p", { class: "hint", role: "status" });
    this.answer = h("div", { class: "scores" });
    this.drop = h(
      "div",
      { class: "drop" },
      h(
        "p",
        {},
        h("b", {}, "Drop a CSV file here"),
        ", ",
        h("label", { for: "csv-file", class: "as-link" }, "choose one", this.file),
        ", or paste its lines:",
      ),
      h("label", { for: "csv", class: "unseen" }, "Lines of CSV with a header"),
      this.box,
      h(
        "div",
        { class: "buttons" },
        this.button,
        h(
          "button",
          { type: "button", class: "plain", onclick: () => this.#fill() },
          "Fill in an example",
        ),
      ),
    );
    this.element = h(
      "section",
      { class: "card", "aria-labelledby": "table-title" },
      h("h2", { id: "table-title" }, "A table"),
      h(
        "p",
        { class: "hint" },
        "A header with the columns' names, then a line per row. Empty cells are missing. " +
          "The file goes to this service and nowhere else.",
      ),
      this.drop,
      this.status,
      this.answer,
    );
    this.#listen();
  }

  #listen() {
    const over = (event) => {
      event.preventDefault();
      this.drop.classList.add("over");
    };
    this.drop.addEventListener("dragover", over);
    this.drop.addEventListener("dragenter", over);
    this.drop.addEventListener("dragleave", () => this.drop.classList.remove("over"));
    this.drop.addEventListener("drop", (event) => {
      event.preventDefault();
      this.drop.classList.remove("over");
      const [file] = event.dataTransfer.files;
      if (file) this.#take(file);
      else this.box.value = event.dataTransfer.getData("text");
    });
  }

  #example() {
    const names = this.row.facts.columns.slice(0, 4).map(({ name }) => cell(shown(name, 20)));
    return `${names.join(",")}, …`;
  }

  #fill() {
    const record = this.row.record();
    const names = Object.keys(record);
    this.large = null;
    this.name = "example";
    const cells = names.map((name) => asFile(this.row.columns.get(name), record[name]));
    this.box.value = [names, cells].map((line) => `${line.map(cell).join(",")}\n`).join("");
    this.box.focus();
  }

  async #take(file) {
    if (!file) return;
    this.name = file.name.replace(/\.[a-z]+$/i, "") || "scored";
    this.large = file.size > PASTED ? file : null;
    this.box.value = this.large ? "" : await file.text();
    this.status.textContent = `${shown(file.name, 60)}, ${number(file.size / 1000, 3)} kB`;
    await this.score();
  }

  async score(mode = "") {
    const body = this.large ?? this.box.value;
    if (!this.large && !body.trim()) {
      this.status.textContent = "There is nothing to score yet: paste lines or choose a file.";
      this.box.focus();
      return;
    }
    this.button.disabled = true;
    this.status.textContent = "Scoring …";
    const since = performance.now();
    try {
      const query = new URLSearchParams();
      if (this.row.facts.levels.length && !this.row.facts.classes.length)
        query.set("interval", usualLevel(this.row.facts.levels));
      if (mode) query.set("mode", mode);
      const answer = await ask(`predict?${query}`, { body, type: "text/csv", accept: "text/csv" });
      const scores = await answer.text();
      const text = this.large ? await this.large.slice(0, 200_000).text() : body;
      this.#show(text, scores, performance.now() - since);
    } catch (error) {
      this.#refused(error, mode);
    } finally {
      this.button.disabled = false;
    }
  }

  #refused(error, mode) {
    this.status.textContent = "";
    if (error.status === 401) return this.lost(error);
    const again = h(
      "button",
      { type: "button", onclick: () => this.score("lenient") },
      "Score all the same, what is wrong as missing",
    );
    const box = h(
      "div",
      { class: "alert", role: "alert" },
      trouble(error),
      error.status === 422 && !mode ? again : null,
    );
    return this.answer.replaceChildren(box);
  }

  /** A link to a file that is made here. */
  #link(word, name, text, kind) {
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    this.addresses.push(address);
    return h(
      "a",
      { class: `button ${kind}`, download: `${this.name}-${name}.csv`, href: address },
      word,
    );
  }

  #show(text, scores, took) {
    const mark = delimiterOf(text);
    const [names, ...rows] = parse(scores, Infinity, ",");
    const [inputs, ...cells] = parse(text, this.large ? LOOKED_AT : Infinity, mark);
    this.status.textContent = `${plural(rows.length, "row")} in ${number(took / 1000, 2)} s`;
    this.addresses.forEach((address) => URL.revokeObjectURL(address));
    this.addresses = [];
    const links = [this.#link("Download the scores", "scores", scores, "primary")];
    if (!this.large && cells.length === rows.length) {
      const all = [
        [...inputs, ...names],
        ...cells.map((line, i) => [...inputs.map((_, k) => line[k] ?? ""), ...rows[i]]),
      ];
      links.push(
        this.#link(
          "… with their rows",
          "scored",
          `${all.map((line) => line.map(cell).join(",")).join("\r\n")}\r\n`,
          "",
        ),
      );
    }
    this.answer.replaceChildren(
      h("div", { class: "buttons" }, links),
      ...this.#summary(names, rows, inputs, cells),
      this.#rows(names, rows, inputs, cells),
    );
  }

  /** How many rows got which class, or how values are spread; how right, if the table knows. */
  #summary(names, rows, inputs = [], cells = []) {
    const { facts } = this.row;
    const at = names.indexOf("prediction");
    const target = inputs.indexOf(facts.target);
    if (at < 0 || rows.length < 2) return [];
    const found = rows.map((row) => row[at]);
    const truth =
      target >= 0 && cells.length === rows.length ? cells.map((line) => line[target] ?? "") : [];
    const items = facts.classes.length ? counted(found, truth) : spread(found.map(Number), truth);
    return [
      h(
        "ul",
        { class: "tally" },
        items.map((parts) => h("li", {}, parts)),
      ),
    ];
  }

  #rows(names, rows, inputs = [], cells = []) {
    const { columns, facts } = this.row;
    const order = new Map(facts.columns.map(({ name }, i) => [name, i]));
    const known = inputs.map((name, i) => ({ name, i }));
    const target = known.filter(({ name }) => name === facts.target).slice(0, 1);
    const given = known
      .filter(({ name }) => columns.has(name))
      .sort((a, b) => order.get(a.name) - order.get(b.name));
    const first = [...target, ...given.slice(0, 5)];
    const lead = names.map((name, i) => ({ name, i })).slice(0, 4);
    const head = (name) => h("th", { scope: "col" }, h("bdi", {}, shown(name, 24)));
    const lines = rows.slice(0, SHOWN).map((row, k) =>
      h(
        "tr",
        {},
        h("td", {}, String(k + 1), cells[k] ? this.#why(k, inputs, cells[k]) : ""),
        lead.map(({ i }, place) => h("td", { class: place ? null : "best" }, written(row[i]))),
        first.map(({ i }) => h("td", {}, written(cells[k]?.[i] ?? ""))),
      ),
    );
    const more =
      rows.length > SHOWN
        ? h(
            "p",
            { class: "hint" },
            `The first ${SHOWN} of ${plural(rows.length, "row")}; the file has all.`,
          )
        : "";
    const top = h(
      "tr",
      {},
      h("th", { scope: "col" }, "row"),
      lead.map(({ name }) => head(name)),
      first.map(({ name }) => head(name)),
    );
    const table = h("table", {}, h("thead", {}, top), h("tbody", {}, lines));
    return h(
      "div",
      {},
      h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Scores" }, table),
      more,
    );
  }

  #why(k, inputs, line) {
    const look = () => this.open(this.#cells(inputs, line));
    return h(
      "button",
      { type: "button", class: "plain", "aria-label": `Look at row ${k + 1}`, onclick: look },
      "why?",
    );
  }

  /** Cells of a line as the form holds them. */
  #cells(names, line) {
    const known = names
      .map((name, i) => [this.row.columns.get(name), line[i] ?? ""])
      .filter(([column]) => column);
    return new Map(known.map(([column, text]) => [column.name, fromFile(column, text)]));
  }
}

function counted(found, truth) {
  const counts = new Map();
  for (const label of found) counts.set(label, (counts.get(label) ?? 0) + 1);
  const order = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 8);
  const items = order.map(([label, count]) => [
    h("bdi", {}, shown(label, 40)),
    " ",
    h("b", {}, count.toLocaleString("en")),
    ` · ${percent(count / found.length)}`,
  ]);
  const known = truth
    .map((label, i) => [label.trim(), found[i]])
    .filter(([label]) => label !== "");
  const right = known.filter(([label, predicted]) => label === predicted).length;
  if (known.length) items.push([h("b", {}, percent(right / known.length)), " as the table says"]);
  return items;
}

function spread(found, truth) {
  const values = found.filter(Number.isFinite).sort((a, b) => a - b);
  const items = [
    ["lowest", 0],
    ["middle", 0.5],
    ["highest", 1],
  ].map(([word, share]) => [
    `${word} `,
    h("b", {}, number(values[Math.round(share * (values.length - 1))])),
  ]);
  const away = truth
    .map((text, i) => (text.trim() === "" ? NaN : Math.abs(Number(text) - found[i])))
    .filter(Number.isFinite);
  const sum = away.reduce((total, value) => total + value, 0);
  if (away.length)
    items.push([
      "away from what the table says by ",
      h("b", {}, number(sum / away.length)),
      " on average",
    ]);
  return items;
}

function written(text) {
  if (text === "" || text === undefined) return h("span", { class: "soft" }, "–");
  const value = Number(text);
  return /\d\.\d{5,}/.test(text) && Number.isFinite(value)
    ? number(value)
    : h("bdi", {}, shown(text, 28));
}
