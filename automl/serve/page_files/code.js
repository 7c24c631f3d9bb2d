// How a program asks for the prediction of this row, and what else the service answers.

import { hasToken, json } from "./api.js";
import { h } from "./dom.js";
import { shown } from "./text.js";

const METHODS = ["get", "post", "put", "delete"];

export class Code {
  constructor(row) {
    this.row = row;
    this.kind = "curl";
    const kinds = [["curl", "curl"], ["python", "Python"], ["javascript", "JavaScript"]];
    this.text = h("code", {});
    this.copied = h("span", { class: "hint", role: "status" });
    this.tabs = kinds.map(([kind, name]) => h("button", { type: "button", class: "plain", "aria-pressed": String(kind === this.kind), onclick: () => this.#choose(kind) }, name));
    this.kinds = kinds;
    this.list = h("div", {});
    this.element = h(
      "section",
      { class: "card", "aria-labelledby": "code-title" },
      h("h2", { id: "code-title" }, "From a program"),
      h("p", { class: "hint" }, "The request for the row in the form."),
      h("div", { class: "buttons" }, this.tabs, h("button", { type: "button", onclick: () => this.#copy() }, "Copy"), this.copied),
      h("pre", { tabindex: "0", "aria-label": "Program" }, this.text),
      this.list,
    );
    row.addEventListener("change", () => this.#draw());
    this.#draw();
  }

  #choose(kind) {
    this.kind = kind;
    this.tabs.forEach((tab, i) => tab.setAttribute("aria-pressed", String(this.kinds[i][0] === kind)));
    this.#draw();
  }

  #draw() {
    this.text.textContent = WRITERS[this.kind](new URL("predict", location.href).href, { records: [this.row.record()] });
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.text.textContent);
      this.copied.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(this.text);
      this.copied.textContent = "Marked: press Ctrl+C.";
    }
    setTimeout(() => { this.copied.textContent = ""; }, 2500);
  }

  /** Every address of the service with its line of explanation, from its own description. */
  async load() {
    if (this.loaded) return;
    const address = `${document.body.dataset.root || "./"}openapi.json`;
    const found = await json(address);
    this.loaded = true;
    const rows = Object.entries(found.paths ?? {}).flatMap(([path, methods]) =>
      METHODS.filter((method) => methods[method]).map((method) => h(
        "tr",
        {},
        h("td", {}, h("code", {}, `${method.toUpperCase()} ${shown(path, 80)}`)),
        h("td", { class: "left" }, shown(methods[method].summary ?? "", 160)),
      )));
    this.list.replaceChildren(h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Addresses" }, h("table", { class: "paths" }, h("tbody", {}, rows))));
  }
}

const token = () => (hasToken() ? "$TOKEN" : null);

const WRITERS = {
  curl(address, body) {
    const quoted = JSON.stringify(body, null, 1).replaceAll("'", "'\\''");
    const bearer = token() ? ` \\\n  -H "Authorization: Bearer ${token()}"` : "";
    return `curl ${address} \\\n  -H "Content-Type: application/json"${bearer} \\\n  -d '${quoted}'\n`;
  },
  python(address, body) {
    const bearer = token() ? `\nrequest.add_header("Authorization", "Bearer " + token)` : "";
    const text = JSON.stringify(JSON.stringify(body));
    return `import json\nimport urllib.request\n\nbody = ${text}\nrequest = urllib.request.Request(\n    ${JSON.stringify(address)},\n    body.encode(),\n    {"Content-Type": "application/json"},\n)${bearer}\nwith urllib.request.urlopen(request) as answer:\n    print(json.load(answer)["predictions"][0])\n`;
  },
  javascript(address, body) {
    const bearer = token() ? ", Authorization: `Bearer ${token}`" : "";
    return `const answer = await fetch(${JSON.stringify(address)}, {\n  method: "POST",\n  headers: { "Content-Type": "application/json"${bearer} },\n  body: JSON.stringify(${JSON.stringify(body, null, 2)}),\n});\nconsole.log((await answer.json()).predictions[0]);\n`;
  },
};
