// The model card: the few marks of Markdown that it has, as elements. Whatever else is text.

import { h } from "./dom.js";

const MARKS =
  /\\([\\`*_[\]#|~!$={}^<>+\-.)(:&])|&(lt|gt|amp|quot|#39);|`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*/g;
const NAMED = { lt: "<", gt: ">", amp: "&", quot: '"', "#39": "'" };

/** Text with emphasis and code; entities and escaped marks are the letters that they mean. */
function inline(text) {
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(MARKS)) {
    parts.push(text.slice(last, match.index));
    const [, escaped, entity, code, strong, soft] = match;
    if (escaped !== undefined) parts.push(escaped);
    else if (entity !== undefined) parts.push(NAMED[entity]);
    else if (code !== undefined) parts.push(h("code", {}, code));
    else if (strong !== undefined) parts.push(h("b", {}, inline(strong)));
    else parts.push(h("em", {}, inline(soft)));
    last = match.index + match[0].length;
  }
  parts.push(text.slice(last));
  return parts.filter((part) => part !== "");
}

function cells(line) {
  return line
    .trim()
    .replace(/^\||\|$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}

function table(lines) {
  const [head, , ...body] = lines.map(cells);
  const row = (tag, texts) =>
    h(
      "tr",
      {},
      texts.map((text) => h(tag, tag === "th" ? { scope: "col" } : {}, inline(text))),
    );
  return h(
    "div",
    { class: "wide", tabindex: "0", role: "region", "aria-label": "Table" },
    h(
      "table",
      {},
      h("thead", {}, row("th", head)),
      h(
        "tbody",
        {},
        body.map((texts) => row("td", texts)),
      ),
    ),
  );
}

const KINDS = [
  ["table", /^\|/],
  ["list", /^- /],
  ["heading", /^#{1,4} /],
  ["empty", /^\s*$/],
];

function kindOf(line) {
  return KINDS.find(([, shape]) => shape.test(line))?.[0] ?? "text";
}

function block(kind, lines) {
  if (kind === "table" && lines.length > 1) return [table(lines)];
  if (kind === "list")
    return [
      h(
        "ul",
        {},
        lines.map((line) => h("li", {}, inline(line.slice(2)))),
      ),
    ];
  if (kind === "heading") {
    return lines.map((line) => {
      const [, marks, text] = /^(#{1,4}) (.*)$/.exec(line);
      return h(`h${Math.min(marks.length + 1, 4)}`, {}, inline(text));
    });
  }
  return kind === "empty" ? [] : [h("p", {}, inline(lines.join(" ")))];
}

/** The elements of a card. */
export function markdown(text) {
  const found = [];
  let lines = [];
  let kind = "empty";
  for (const line of `${text}\n\n`.split(/\r?\n/)) {
    const own = kindOf(line);
    if (own !== kind && lines.length) {
      found.push(...block(kind, lines));
      lines = [];
    }
    kind = own;
    lines.push(line);
  }
  return found;
}
