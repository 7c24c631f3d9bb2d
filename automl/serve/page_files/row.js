// The row that is tried: its cells by column, what it began with, and who wants to know.

import { dayText } from "./text.js";

const STEPS = 200; // of a slider

export class Row extends EventTarget {
  #cells = new Map();
  #start = new Map();

  constructor(facts) {
    super();
    this.facts = facts;
    this.columns = new Map(facts.columns.map((column) => [column.name, column]));
    for (const column of facts.columns) this.#cells.set(column.name, usual(column));
    this.#start = new Map(this.#cells);
  }

  get(name) {
    return this.#cells.get(name) ?? null;
  }

  /** The cell that the row began with. */
  started(name) {
    return this.#start.get(name) ?? null;
  }

  /** Names of the columns whose cell is another than at the start. */
  changed() {
    return [...this.#cells.keys()].filter((name) => this.get(name) !== this.started(name));
  }

  set(name, value) {
    if (this.get(name) === value) return;
    this.#cells.set(name, value);
    this.#tell([name]);
  }

  /** Cells by name; columns that are not named keep theirs. `begin`: the row starts from here. */
  replace(cells, begin = false) {
    for (const [name, value] of cells) if (this.#cells.has(name)) this.#cells.set(name, value);
    if (begin) this.#start = new Map(this.#cells);
    this.#tell([...this.#cells.keys()], begin);
  }

  reset() {
    this.replace(new Map(this.facts.columns.map((column) => [column.name, usual(column)])), true);
  }

  begin() {
    this.replace([], true);
  }

  /** As the service takes it: columns that are missing are null. */
  record() {
    return Object.fromEntries(this.#cells);
  }

  #tell(names, begin = false) {
    this.dispatchEvent(new CustomEvent("change", { detail: { names, begin } }));
  }
}

/** A number as the service takes a cell of this column. */
export function cellOf(column, value) {
  if (column.kind === "datetime")
    return dayText(column.whole ? Math.round(value) : value, !column.whole);
  return column.whole ? Math.round(value) : +value.toPrecision(12);
}

/** A round step of which a slider has a few hundred. */
export function stepOf({ minimum, maximum, whole }) {
  const rough = (maximum - minimum) / STEPS;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((part) => part * unit >= rough * (1 - 1e-9)) * unit;
  return whole ? Math.max(1, Math.round(step)) : +step.toPrecision(1);
}

/** A cell with no more decimals than the range of the column calls for. */
function roundCell(column, value) {
  if (column.kind !== "numeric" || column.whole || !(column.maximum > column.minimum))
    return cellOf(column, value);
  const digits = Math.max(0, 1 + Math.ceil(-Math.log10(stepOf(column))));
  return digits < 90 ? +value.toFixed(digits) : cellOf(column, value);
}

export function usual(column) {
  if (column.usual === null || typeof column.usual === "string") return column.usual;
  return roundCell(column, column.usual);
}

/** Every cell drawn on its own, as often as training had it. */
export function drawn(column, random = Math.random) {
  if (random() < column.missing) return null;
  const { quantiles, levels, counts } = column;
  if (column.kind === "numeric" || column.kind === "datetime") {
    if (quantiles.length < 2) return usual(column);
    const place = random() * (quantiles.length - 1);
    const i = Math.min(Math.floor(place), quantiles.length - 2);
    const value = quantiles[i] + (place - i) * (quantiles[i + 1] - quantiles[i]);
    return roundCell(column, value);
  }
  if (!levels.length) return column.usual;
  const total = counts.reduce((sum, count) => sum + count, 0);
  let left = random() * (total || levels.length);
  const i = levels.findIndex((_, k) => (left -= total ? counts[k] : 1) <= 0);
  return levels[Math.max(i, 0)];
}

/** Cells that a column is tried with, spread over the rows of training; at most `most`. */
export function tried(column, most = 9) {
  if (column.kind === "numeric" || column.kind === "datetime") {
    const { minimum, maximum, quantiles } = column;
    if (minimum === null || maximum === null) return [];
    const even = Array.from(
      { length: most },
      (_, i) => minimum + (i / (most - 1)) * (maximum - minimum),
    );
    const inner = [2, 5, 8, 12, 15, 18]
      .map((i) => quantiles[i])
      .filter((value) => value !== undefined);
    const sorted = [...new Set([...even, ...inner])].sort((a, b) => a - b);
    return [...new Map(sorted.map((value) => [cellOf(column, value), value]))].map(
      ([cell, at]) => ({ cell, at }),
    );
  }
  return column.levels.slice(0, most).map((cell) => ({ cell, at: cell }));
}
