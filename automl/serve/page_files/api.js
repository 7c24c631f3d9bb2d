// Questions to the service: relative addresses, one token, answers that are late are dropped.

const KEPT = `automl-token:${location.pathname}`;
let token = sessionStorage.getItem(KEPT);

/** An answer that is no success. `violations`: cells that the service refused. */
export class Refusal extends Error {
  constructor(status, found = {}) {
    super(found.message || `The service answered ${status}.`);
    this.status = status;
    this.hint = found.hint || "";
    this.violations = Array.isArray(found.violations) ? found.violations : [];
  }
}

export function keepToken(text) {
  token = text;
  if (text) sessionStorage.setItem(KEPT, text);
  else sessionStorage.removeItem(KEPT);
}

export const hasToken = () => Boolean(token);

/** The response to a request; Refusal if it is none of success, or if there is no service. */
export async function ask(path, { body, type = "application/json", accept, signal } = {}) {
  const headers = { Accept: accept || "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = type;
  const text = body === undefined || type !== "application/json" ? body : JSON.stringify(body);
  const method = body === undefined ? "GET" : "POST";
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: text,
      signal,
      credentials: "same-origin",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, {
      message: "The service does not answer.",
      hint: "Is `automl serve` still running? The last answer stays on the page.",
    });
  }
  if (answer.ok) return answer;
  let found = {};
  try {
    found = (await answer.json()).error || {};
  } catch {
    found = { hint: answer.status === 413 ? "Send fewer rows at a time." : "" };
  }
  throw new Refusal(answer.status, found);
}

export const json = async (path, options) => (await ask(path, options)).json();

/**
 * One question at a time, the newest asked next; `done(answer, question)` gets only answers to
 * questions that are not overtaken by a newer answer. Questions that take long are given up.
 */
export class Latest {
  constructor(asked, done, failed, patience = 1500) {
    Object.assign(this, { asked, done, failed, patience });
    this.next = null;
    this.running = null;
  }

  /** Ask soon: calls within the same moment become one. */
  soon(question, wait = 30) {
    this.next = question;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#go(), wait);
  }

  /** Forget what is asked. */
  stop() {
    clearTimeout(this.timer);
    this.next = null;
    this.running?.controller.abort();
  }

  async #go() {
    if (this.next === null) return;
    if (this.running) {
      if (performance.now() - this.running.since > this.patience) this.running.controller.abort();
      return;
    }
    const question = this.next;
    this.next = null;
    this.running = { since: performance.now(), controller: new AbortController() };
    const { signal } = this.running.controller;
    try {
      const answer = await this.asked(question, signal);
      if (!signal.aborted) this.done(answer, question);
    } catch (error) {
      if (error.name !== "AbortError") this.failed(error, question);
    } finally {
      this.running = null;
      if (this.next !== null) this.#go();
    }
  }
}
