// One control per kind of column. Each has `element`, `first` (what a label names), `show(value)`;
// and calls `changed(value)` when a person changes it, or `complain(text)` of what is no cell.

import { h, s, scale, unique } from "./dom.js";
import { cellOf, stepOf } from "./row.js";
import { dayText, daysOf, number, shown } from "./text.js";

const SEGMENTS = 4;
const SEGMENT_LETTERS = 30;
const LISTED = 60;

export function control(column, id, changed, complain) {
  if (column.kind === "numeric" || column.kind === "datetime")
    return range(column, id, changed, complain);
  if (column.kind === "text") return text(column, id, changed);
  const letters = column.levels.reduce((sum, level) => sum + shown(level).length, 0);
  const all = column.levels.length === column.n_levels && column.levels.length > 0;
  if (all && column.levels.length <= SEGMENTS && letters <= SEGMENT_LETTERS) {
    return segments(column, id, changed);
  }
  return all && column.levels.length <= LISTED
    ? list(column, id, changed)
    : search(column, id, changed);
}

// Numbers and dates: a slider over the training range beside a box that takes any value.

function range(column, id, changed, complain) {
  const dates = column.kind === "datetime";
  const box = dates
    ? h("input", { id, type: column.whole ? "date" : "datetime-local", class: "box" })
    : h("input", { id, type: "number", step: "any", inputmode: "decimal", class: "box" });
  const { minimum: low, maximum: high } = column;
  const known = low !== null && high !== null && high > low;
  const step = known ? stepOf(column) : 1;
  const slider = h("input", {
    type: "range",
    "aria-label": `${shown(column.name)}, slider`,
    ...(known
      ? { min: Math.floor(low / step) * step, max: Math.ceil(high / step) * step, step }
      : {}),
  });
  const heat = h("div", { class: "heat", "aria-hidden": "true" });
  const ends = known
    ? h(
        "div",
        { class: "ends", "aria-hidden": "true" },
        h("span", {}, end(column, low)),
        h("span", {}, end(column, high)),
      )
    : null;
  const track = known ? h("div", { class: "track" }, density(column), heat, slider, ends) : null;
  const numberOf = (value) => (dates ? daysOf(String(value)) : Number(value));

  slider.addEventListener("input", () => {
    const value = Math.min(Math.max(+slider.value, low), high);
    const cell = cellOf(column, value);
    box.value = cell;
    changed(cell);
  });
  box.addEventListener("input", () => {
    if (box.validity.badInput) complain(dates ? "This is no date." : "This is no number.");
    else if (box.value === "") changed(null);
    else changed(dates ? box.value : Number(box.value));
  });
  return {
    element: h("div", { class: "range" }, track, box),
    first: box,
    heat,
    show(value) {
      const at = numberOf(value);
      if (value === null) box.value = "";
      else if (document.activeElement !== box) box.value = dates ? forBox(box, value) : value;
      slider.value = value === null || !Number.isFinite(at) ? (low + high) / 2 : at;
      const said = value === null ? "missing" : dates ? value : number(at, 6);
      slider.setAttribute("aria-valuetext", said);
    },
    outside(value) {
      const at = numberOf(value);
      if (value === null || low === null) return "";
      if (!Number.isFinite(at)) return `read by the service as it stands: ${shown(value, 40)}`;
      if (at < low || at > high) {
        const side = at < low ? "below" : "above";
        return `${side} what the model learned from (${end(column, low)} to ${end(column, high)})`;
      }
      return "";
    },
  };
}

function forBox(box, value) {
  return box.type === "date"
    ? String(value).slice(0, 10)
    : String(value).length === 10
      ? `${value}T00:00`
      : value;
}

function end(column, value) {
  if (column.kind === "datetime") return dayText(value);
  const tiny = Math.abs(value) < 1e-6 * (column.maximum - column.minimum);
  return number(tiny ? 0 : value, column.whole ? 7 : 4);
}

/** How the rows of training are spread, from the quantiles. */
function density(column) {
  const bins = 40;
  const { quantiles, minimum: low, maximum: high } = column;
  if (quantiles.length < 3) return null;
  const counts = new Array(bins).fill(0);
  for (let i = 1; i < quantiles.length; i += 1) {
    const [a, b] = [quantiles[i - 1], quantiles[i]].map(
      (value) => ((value - low) / (high - low)) * bins,
    );
    const from = Math.min(Math.max(Math.floor(a), 0), bins - 1);
    const to = Math.min(Math.max(Math.ceil(b) - 1, from), bins - 1);
    for (let k = from; k <= to; k += 1) {
      const part = to === from ? 1 : Math.max(0, Math.min(b, k + 1) - Math.max(a, k)) / (b - a);
      counts[k] += part;
    }
  }
  const most = Math.max(...counts);
  const steps = counts.map((count, k) => {
    // A range with rows in it is never invisible.
    const tall = count > 0 ? Math.max(20 * Math.sqrt(count / most), 0.8) : 0;
    return `V${(20 - tall).toFixed(1)}H${(k + 1) * 5}`;
  });
  const area = s("path", { d: `M0 20${steps.join("")}V20Z` });
  return s(
    "svg",
    {
      viewBox: "0 0 200 20",
      preserveAspectRatio: "none",
      class: "density",
      "aria-hidden": "true",
    },
    area,
  );
}

// Levels.

function segments(column, id, changed) {
  const name = unique("choice");
  const inputs = column.levels.map((level, i) =>
    h("input", { type: "radio", name, id: i ? `${id}-${i}` : id, onchange: () => changed(level) }),
  );
  const labels = inputs.map((input, i) =>
    h("label", { for: input.id }, input, h("span", {}, h("bdi", {}, shown(column.levels[i], 24)))),
  );
  return {
    element: h("div", { class: "segments", role: "radiogroup" }, labels),
    first: inputs[0],
    group: true,
    marks: new Map(column.levels.map((level, i) => [level, labels[i]])),
    show(value) {
      inputs.forEach((input, i) => {
        input.checked = column.levels[i] === value;
      });
    },
    outside: () => "",
  };
}

const OTHER = "other";

function list(column, id, changed) {
  const total = column.counts.reduce((sum, count) => sum + count, 0);
  const options = column.levels.map((level, i) => {
    const share = total ? ` · ${Math.round((100 * column.counts[i]) / total) || "<1"} %` : "";
    return h("option", { value: i }, `${shown(level, 48)}${share}`);
  });
  const none = h("option", { value: "" }, "missing");
  const other = h("option", { value: OTHER }, "another value …");
  const select = h("select", { id }, none, options, other);
  const box = h("input", {
    type: "text",
    class: "wide-box",
    "aria-label": `${shown(column.name)}, another value`,
    hidden: true,
  });
  select.addEventListener("change", () => {
    box.hidden = select.value !== OTHER;
    if (select.value === "") changed(null);
    else if (select.value !== OTHER) changed(column.levels[+select.value]);
    else box.focus();
  });
  box.addEventListener("input", () => changed(box.value === "" ? null : box.value));
  const places = new Map(column.levels.map((level, i) => [level, String(i)]));
  return {
    element: h("div", { class: "list" }, select, box),
    first: select,
    show(value) {
      if (document.activeElement === box) return;
      const place = value === null ? "" : (places.get(String(value)) ?? OTHER);
      select.value = place;
      box.hidden = place !== OTHER;
      if (place === OTHER) box.value = value;
    },
    outside: (value) => unseen(places, value),
  };
}

function unseen(places, value) {
  return value === null || places.has(String(value)) ? "" : "no level that the model learned from";
}

function search(column, id, changed) {
  const place = unique("levels");
  const box = h("input", {
    id,
    type: "text",
    class: "wide-box",
    autocomplete: "off",
    placeholder: "missing",
    list: place,
  });
  const listed = column.levels.map((level) => h("option", { value: level }));
  box.addEventListener("input", () => changed(box.value === "" ? null : box.value));
  const places = new Map(column.levels.map((level, i) => [level, i]));
  const all = column.levels.length === column.n_levels;
  return {
    element: h("div", { class: "list" }, box, h("datalist", { id: place }, listed)),
    first: box,
    show(value) {
      if (document.activeElement !== box || value === null) box.value = value ?? "";
    },
    outside: (value) => (all ? unseen(places, value) : ""),
  };
}

function text(column, id, changed) {
  const box = h("textarea", { id, rows: 2, placeholder: "missing" });
  box.addEventListener("input", () => changed(box.value === "" ? null : box.value));
  return {
    element: h("div", { class: "list" }, box),
    first: box,
    show(value) {
      if (document.activeElement !== box || value === null) box.value = value ?? "";
    },
    outside: () => "",
  };
}

/** Paints the track of a slider: what the prediction would be at each place. */
export function paint(control, column, points, most) {
  if (control.heat && points.length > 1 && column.maximum > column.minimum) {
    const place = scale(column.minimum, column.maximum, 0, 100);
    const stops = points.map(({ at, delta }) => `${tone(delta, most)} ${place(at).toFixed(1)}%`);
    control.heat.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  }
  if (control.marks) {
    for (const { at, delta } of points) {
      control.marks.get(at)?.style.setProperty("--tone", tone(delta, most));
    }
  }
}

function tone(delta, most) {
  const part = most > 0 ? Math.min(Math.sqrt(Math.abs(delta) / most), 1) : 0;
  return `color-mix(in srgb, var(--${delta >= 0 ? "c1" : "c2"}) ${Math.round(100 * part)}%, var(--line))`;
}
