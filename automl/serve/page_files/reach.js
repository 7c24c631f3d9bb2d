// All single changes of a row at once: what each would do, and which would turn the prediction.

import { tried } from "./row.js";
import { daysOf } from "./text.js";

const TURNS = 4;

/** The question for all single changes at once: columns of cells, one row per change. */
export function changes(row, record, most) {
  const columns = row.facts.columns.slice(0, most);
  const asked = columns
    .map((column) => ({ column, cells: tried(column) }))
    .filter(({ cells }) => cells.length);
  const records = asked.flatMap(({ column, cells }) =>
    cells.map(({ cell }) => ({ ...record, [column.name]: cell })),
  );
  return { asked, record, records };
}

/** The nearest single changes that give another class; at most one of a column. */
export function turns(asked, predictions, row, now) {
  let at = 0;
  const found = [];
  for (const { column, cells } of asked) {
    const other = cells
      .map((one) => ({ ...one, column, prediction: predictions[at++] }))
      .filter(({ prediction }) => prediction.prediction !== now.prediction)
      .map((one) => ({ ...one, far: distance(column, row.get(column.name), one) }))
      .sort((a, b) => a.far - b.far);
    if (other.length) found.push(other[0]);
  }
  return found.sort((a, b) => a.far - b.far).slice(0, TURNS);
}

/** How far a cell is from the own one: the share of training rows between, or without the level. */
function distance(column, own, { cell, at }) {
  if (column.kind !== "numeric" && column.kind !== "datetime") {
    const total = column.counts.reduce((sum, count) => sum + count, 0) || 1;
    return 1 - (column.counts[column.levels.indexOf(cell)] ?? 0) / total;
  }
  if (own === null) return 1;
  const from = column.kind === "datetime" ? daysOf(String(own)) : Number(own);
  const below = (value) =>
    column.quantiles.filter((one) => one <= value).length / (column.quantiles.length || 1);
  return (
    Math.abs(below(at) - below(from)) +
    (1e-3 * Math.abs(at - from)) / (column.maximum - column.minimum || 1)
  );
}

/** Swings from the predictions of `changes`, the widest first, and the largest difference. */
export function swings(asked, predictions, outcome, now) {
  let at = 0;
  let most = 0;
  const found = asked.map(({ column, cells }) => {
    const points = cells.map((one) => {
      const y = outcome.of(predictions[at]);
      at += 1;
      most = Math.max(most, Math.abs(y - now));
      return { at: one.at, y, delta: y - now };
    });
    const all = points.map(({ y }) => y).concat(now);
    return { name: column.name, points, low: Math.min(...all), high: Math.max(...all) };
  });
  found.sort((a, b) => b.high - b.low - (a.high - a.low));
  return { found, most };
}
