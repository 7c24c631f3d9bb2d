// How a program asks for the prediction of this row, and what else the service answers.

import { hasToken, json } from "./api.js";
import { h } from "./dom.js";
import { shown } from "./text.js";

const METHODS = ["get", "post", "put", "delete"];

export class Code {
  constructor(row) {
    this.row = row;
    this.kind = "curl";
    const kinds = [
      ["curl", "curl"],
      ["python", "Python"],
      ["javascript", "JavaScript"],
    ];
    this.text = h("code", {});
    this.copied = h("span", { class: "hint", role: "status" });
    this.tabs = kinds.map(([kind, name]) =>
      h(
        "button",
        {
          type: "button",
          class: "plain",
          "aria-pressed": String(kind === this.kind),
          onclick: () => this.#choose(kind),
        },
        name,
      ),
    );
    this.kinds = kinds;
    this.list = h("div", {});
    this.element = h(
      "section",
      { class: "card", "aria-labelledby": "code-title" },
      h("h2", { id: "code-title" }, "From a program"),
      h("p", { class: "hint" }, "The request for the row in the form."),
      h(
        "div",
        { class: "buttons" },
        this.tabs,
        h("button", { type: "button", onclick: () => this.#copy() }, "Copy"),
        this.copied,
      ),
      h("pre", { tabindex: "0", "aria-label": "Program" }, this.text),
      this.list,
    );
    row.addEventListener("change", () => this.#draw());
    this.#draw();
  }

  #choose(kind) {
    this.kind = kind;
    this.tabs.forEach((tab, i) =>
      tab.setAttribute("aria-pressed", String(this.kinds[i][0] === kind)),
    );
    this.#draw();
  }

  #draw() {
    this.text.textContent = WRITERS[this.kind](new URL("predict", location.href).href, {
      records: [this.row.record()],
    });
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.text.textContent);
      this.copied.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(this.text);
      this.copied.textContent = "Marked: press Ctrl+C.";
    }
    setTimeout(() => {
      this.copied.textContent = "";
    }, 2500);
  }

  /** Every address of this model and of the service, from the service's own description. */
  async load() {
    if (this.loaded) return;
    const address = `${document.body.dataset.root || "./"}openapi.json`;
    const found = await json(address);
    this.loaded = true;
    const own = document.body.dataset.root ? `/models/${this.row.facts.name}/` : "/";
    const parts = Object.entries(found.paths ?? {})
      .filter(([path]) =>
        path.startsWith("/models/")
          ? own !== "/" && path.startsWith(own)
          : own === "/" || !(`/models/${this.row.facts.name}${path}` in found.paths),
      )
      .flatMap(([path, methods]) =>
        METHODS.filter((method) => methods[method]).map((method) =>
          described(path, method, methods[method]),
        ),
      );
    this.list.replaceChildren(
      h("h3", {}, "What the service answers"),
      h("div", { class: "paths" }, parts),
      h(
        "p",
        { class: "hint" },
        "The same for programs: ",
        h("a", { href: address }, "OpenAPI"),
        " · ",
        h("a", { href: "schema" }, "Schema"),
      ),
    );
  }
}

/** One address: its parameters, an example of its body, and its answers. */
function described(path, method, found) {
  const name = `${method.toUpperCase()} ${shown(path, 80)}`;
  const takes = Object.entries(found.requestBody?.content ?? {});
  const example = takes.map(([, { example: one }]) => one).find((one) => one !== undefined);
  const parameters = (found.parameters ?? []).map((one) => {
    const values = one.schema?.enum
      ? ` (${one.schema.enum.map((value) => shown(value, 30)).join(", ")})`
      : "";
    return h(
      "li",
      {},
      h("code", {}, shown(one.name, 40)),
      ` ${shown(one.description ?? "", 200)}${values}`,
    );
  });
  const answers = Object.entries(found.responses ?? {}).map(([status, { description }]) =>
    h("li", {}, h("code", {}, shown(status, 5)), ` ${shown(description ?? "", 200)}`),
  );
  return h(
    "details",
    {},
    h(
      "summary",
      {},
      h("code", {}, name),
      " ",
      h("span", { class: "soft" }, shown(found.summary ?? "", 160)),
    ),
    takes.length
      ? h("p", {}, `Takes ${takes.map(([type]) => shown(type, 60)).join(", ")}.`)
      : null,
    parameters.length ? [h("h4", {}, "Parameters"), h("ul", {}, parameters)] : null,
    example === undefined
      ? null
      : h("pre", { tabindex: "0", "aria-label": "Example" }, shownExample(example)),
    answers.length ? [h("h4", {}, "Answers"), h("ul", {}, answers)] : null,
  );
}

function shownExample(example) {
  const text = typeof example === "string" ? example : JSON.stringify(example, null, 2);
  return text.length > 4000 ? `${text.slice(0, 4000)}…` : text;
}

const lines = (...parts) => `${parts.filter((part) => part !== null).join("\n")}\n`;

const WRITERS = {
  curl(address, body) {
    const quoted = JSON.stringify(body, null, 1).replaceAll("'", "'\\''");
    return lines(
      `curl ${address} \\`,
      `  -H "Content-Type: application/json" \\`,
      hasToken() ? `  -H "Authorization: Bearer $TOKEN" \\` : null,
      `  -d '${quoted}'`,
    );
  },
  python(address, body) {
    return lines(
      "import json",
      "import urllib.request",
      "",
      `body = ${JSON.stringify(JSON.stringify(body))}`,
      "request = urllib.request.Request(",
      `    ${JSON.stringify(address)},`,
      "    body.encode(),",
      `    {"Content-Type": "application/json"},`,
      ")",
      hasToken() ? `request.add_header("Authorization", "Bearer " + token)` : null,
      "with urllib.request.urlopen(request) as answer:",
      `    print(json.load(answer)["predictions"][0])`,
    );
  },
  javascript(address, body) {
    return lines(
      `const answer = await fetch(${JSON.stringify(address)}, {`,
      `  method: "POST",`,
      "  headers: {",
      `    "Content-Type": "application/json",`,
      hasToken() ? "    Authorization: `Bearer ${token}`," : null,
      "  },",
      `  body: JSON.stringify(${JSON.stringify(body, null, 2)}),`,
      "});",
      "console.log((await answer.json()).predictions[0]);",
    );
  },
};
