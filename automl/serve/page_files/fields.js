// The form: a field per column, those that move predictions most first.

import { control, paint } from "./controls.js";
import { breakable, h, key, unique } from "./dom.js";
import { cellOf, drawn } from "./row.js";
import { number, plural, shown } from "./text.js";

const FIRST = 12; // fields before a person asks for more
const SLACK = 4; // … unless so few are left
const KINDS = {
  numeric: "number",
  boolean: "yes or no",
  categorical: "choice",
  datetime: "date",
  text: "text",
};

export class Fields {
  constructor(row, chosen) {
    this.row = row;
    this.chosen = chosen; // told the name of the column that a person is at
    this.fields = new Map(row.facts.columns.map((column) => [column.name, this.#field(column)]));
    this.all = this.fields.size <= FIRST + SLACK;
    this.element = h(
      "section",
      { class: "card fields", "aria-labelledby": "fields-title" },
      this.#head(),
      this.#body(),
    );
    row.addEventListener("change", ({ detail }) =>
      detail.names.forEach((name) => this.#show(name)),
    );
    this.#filter();
  }

  #head() {
    const { row } = this;
    const columns = row.facts.columns;
    this.query = h("input", {
      type: "search",
      placeholder: `Find a field among ${columns.length}`,
      "aria-label": "Find a field",
      oninput: () => this.#filter(),
    });
    const random = () =>
      row.replace(new Map(columns.map((column) => [column.name, drawn(column)])), true);
    return h(
      "div",
      { class: "fields-head" },
      h("h2", { id: "fields-title" }, "One row"),
      h(
        "div",
        { class: "buttons" },
        h(
          "button",
          {
            type: "button",
            title: "Medians and the most frequent levels",
            onclick: () => row.reset(),
          },
          "Typical",
        ),
        h(
          "button",
          {
            type: "button",
            title: "Each field drawn on its own, as often as training had it",
            onclick: random,
          },
          "Random",
        ),
      ),
      columns.length > FIRST + SLACK ? this.query : null,
      h(
        "p",
        { class: "hint" },
        "A change takes the prediction ",
        key("up", "up"),
        " or ",
        key("down", "down"),
        ".",
      ),
    );
  }

  #body() {
    this.more = h("button", { type: "button", class: "more", onclick: () => this.#showAll() });
    this.nothing = h("p", { class: "hint", hidden: true }, "No field has such a name.");
    const list = h(
      "div",
      { class: "field-list" },
      [...this.fields.values()].map((field) => field.element),
    );
    return h(
      "form",
      { onsubmit: (event) => event.preventDefault(), autocomplete: "off" },
      list,
      this.nothing,
      this.more,
      this.#unused(),
    );
  }

  #unused() {
    const { unused, more_unused: more } = this.row.facts;
    if (!unused.length) return null;
    const items = unused.map(([name, why, reason]) =>
      h(
        "li",
        { title: shown(reason, 200) },
        h("bdi", {}, shown(name, 40)),
        ` · ${shown(why, 40)}`,
      ),
    );
    if (more) items.push(h("li", {}, `and ${plural(more, "more column")}`));
    return h(
      "details",
      { class: "unused" },
      h("summary", {}, `${plural(unused.length + more, "column")} not used by the model`),
      h("ul", {}, items),
    );
  }

  #field(column) {
    const { row } = this;
    const id = unique("field");
    const note = h("p", { class: "note", id: `${id}-note`, hidden: true });
    const changed = (value) => {
      row.set(column.name, value);
      this.#show(column.name);
    };
    const one = control(column, id, changed, (text) => this.#note(field, text, "bad"));
    one.first.setAttribute("aria-describedby", note.id);
    const name = h(
      "bdi",
      { title: column.name.length > 40 ? shown(column.name, 300) : null },
      breakable(shown(column.name, 60)),
    );
    const label = one.group
      ? h("span", { class: "label", id: `${id}-name` }, name)
      : h("label", { for: id, class: "label" }, name);
    if (one.group) one.element.setAttribute("aria-labelledby", `${id}-name`);
    const missing = h(
      "button",
      {
        type: "button",
        class: "missing",
        "aria-pressed": "false",
        "aria-label": `${shown(column.name)} is missing`,
        title: `${number(100 * column.missing, 2)} % of the training rows had no value here`,
        onclick: () => {
          const now = row.get(column.name);
          const before = field.before ?? row.started(column.name) ?? fallback(column);
          row.set(column.name, now === null ? before : null);
        },
      },
      "missing",
    );
    const element = h(
      "div",
      { class: `field kind-${column.kind}`, onfocusin: () => this.chosen(column.name) },
      h("div", { class: "field-head" }, label, weight(column), missing),
      one.element,
      note,
    );
    const field = { column, control: one, element, note, missing, before: null };
    queueMicrotask(() => this.#show(column.name));
    return field;
  }

  #show(name) {
    const field = this.fields.get(name);
    const value = this.row.get(name);
    field.control.show(value);
    if (value !== null) field.before = value;
    field.missing.setAttribute("aria-pressed", String(value === null));
    field.element.classList.toggle("is-missing", value === null);
    field.element.classList.toggle("is-changed", value !== this.row.started(name));
    this.#note(field, field.control.outside(value), "soft");
  }

  #note(field, text, kind) {
    field.note.textContent = text ? shown(text, 300) : "";
    field.note.hidden = !text;
    field.note.className = `note ${kind}`;
    field.control.first.toggleAttribute("aria-invalid", Boolean(text) && kind === "bad");
  }

  /** Cells that the service refused, each at its field; what is left is for the caller. */
  refused(violations) {
    return violations.filter(({ column, message }) => {
      const field = this.fields.get(column);
      if (field) this.#note(field, message, "bad");
      return !field;
    });
  }

  accepted() {
    for (const field of this.fields.values()) {
      if (field.note.classList.contains("bad")) this.#show(field.column.name);
    }
  }

  /** What single changes would do, drawn into the controls. */
  paint(swings, most) {
    for (const { name, points } of swings) {
      const field = this.fields.get(name);
      paint(field.control, field.column, points, most);
    }
  }

  mark(name) {
    for (const [other, field] of this.fields)
      field.element.classList.toggle("is-chosen", other === name);
  }

  /** Puts the keyboard into a field, which is shown if it was not. */
  focus(name) {
    const field = this.fields.get(name);
    if (!field) return;
    if (field.element.hidden) {
      this.query.value = "";
      this.#showAll();
    }
    field.control.first.focus({ preventScroll: true });
    field.element.scrollIntoView({ block: "center", behavior: calm() ? "auto" : "smooth" });
  }

  #showAll() {
    this.all = true;
    this.#filter();
  }

  #filter() {
    const words = this.query.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    let place = 0;
    for (const { column, element } of this.fields.values()) {
      const name = column.name.toLowerCase();
      const fits = words.length
        ? words.every((word) => name.includes(word) || KINDS[column.kind].includes(word))
        : this.all || place < FIRST;
      element.hidden = !fits;
      found += fits;
      place += 1;
    }
    this.nothing.hidden = found > 0;
    const left = this.fields.size - FIRST;
    this.more.hidden = this.all || words.length > 0;
    this.more.textContent = `Show ${plural(left, "more field")} that ${left === 1 ? "moves" : "move"} predictions less`;
  }
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function fallback(column) {
  const { minimum, quantiles, levels } = column;
  if (column.kind === "numeric" || column.kind === "datetime") {
    return cellOf(column, quantiles[10] ?? minimum ?? 0);
  }
  return levels[0] ?? "";
}

/** How much of what moves predictions is this column's. */
function weight(column) {
  if (column.share === null) return null;
  const said = `${number(100 * column.share, 2)} % of what moves predictions`;
  const bar = h("i");
  bar.style.width = `${Math.max(100 * Math.min(column.share / 0.3, 1), 3)}%`;
  return h("span", { class: "weight", title: said, role: "img", "aria-label": said }, bar);
}
