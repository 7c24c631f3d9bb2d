// Elements from plain values; children that are strings become text nodes.

const SVG = "http://www.w3.org/2000/svg";

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** An HTML element. Properties that begin with `on` are listeners and functions. */
export function h(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** An SVG element. */
export function s(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

/** A word with the colour that stands for it. */
export const key = (kind, word) =>
  h("span", { class: "key" }, h("i", { class: kind, "aria-hidden": "true" }), word);

/** A text whose lines may break after marks that join words. */
export function breakable(text) {
  const parts = text.match(/[^_\-./]*[_\-./]+|[^_\-./]+/g) ?? [text];
  return parts.flatMap((part, i) => (i ? [h("wbr"), part] : [part]));
}

/** A picture of so many pixels, and what it shows in words. */
export function picture(width, height, label, children, kind = "") {
  const properties = {
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: "img",
    class: kind,
  };
  return s("svg", { ...properties, "aria-label": label }, children);
}

/** Linear from [a, b] to [c, d]. */
export function scale(a, b, c, d) {
  const span = b - a || 1;
  return (value) => c + ((value - a) / span) * (d - c);
}

/** About `count` round numbers between two. */
export function ticks(low, high, count = 5) {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const rough = span / count;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((part) => part * unit >= rough) * unit;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * span; i += 1) {
    found.push(+(i * step).toPrecision(12));
  }
  return found;
}

/** Calls `draw(width)` now and whenever the width of the element changes. */
export function onWidth(element, draw) {
  let last = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width > 0 && width !== last) {
      last = width;
      draw(width);
    }
  }).observe(element);
}

let serial = 0;
/** An id that no other element has. */
export const unique = (word) => `${word}-${(serial += 1)}`;
