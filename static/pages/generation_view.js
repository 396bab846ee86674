// @ts-check
/**
 * One generation, watched live: its text, how it stands, who else watches, and how to stop it.
 *
 * First the record is read. If the generation is over, that is all; else its channel is heard,
 * which begins with everything so far and continues through every cut of the connection.
 *
 * @module
 */

import { Fold, RequestError } from "../hubbub.js";
import { ChoiceView } from "./choice.js";
import { ConnectionView } from "./connection.js";
import { element, part } from "./dom.js";
import { address, hub, request, words } from "./session.js";
import { Speech } from "./speech.js";

/**
 * @typedef {import("../hubbub.js").HubEvent} HubEvent
 * @typedef {import("../hubbub.js").StreamState} StreamState
 * @typedef {import("../hubbub/fold.js").Change} Change
 */

const STATUS = {
  queued: "Waiting for a worker",
  running: "Writing",
  completed: "Complete",
  failed: "Failed",
  cancelled: "Stopped",
};
const PLAIN = "hubbub-plain";
const RETRY_MS = 3_000;

export class GenerationView {
  #root;
  #id = "";
  #fold = new Fold();
  /** @type {ChoiceView[]} */
  #choices = [];
  /** @type {import("../hubbub.js").Subscription | null} */
  #subscription = null;
  #connection;
  #speech;
  #plain = localStorage.getItem(PLAIN) === "1";
  /** @type {any} */
  #record = null;
  /** @type {(() => void) | undefined} */
  #changed;

  /** @param {HTMLElement} root @param {() => void} [changed]   called when the status changes */
  constructor(root, changed) {
    this.#root = root;
    this.#changed = changed;
    this.#connection = new ConnectionView(part(root, "connection"));
    this.#speech = new Speech(part(root, "speech"));
    part(root, "stop").onclick = () => this.#stop();
    part(root, "plain").onclick = () => this.#toggle();
    part(root, "copy-text").onclick = () => this.#copyText();
    part(root, "share").onclick = () => this.#share();
    this.#showPlain();
  }

  /** @param {string} id */
  async watch(id) {
    this.close();
    this.#id = id;
    this.#fold = new Fold();
    this.#record = null;
    this.#root.dataset.generation = id;
    this.#root.hidden = false;
    const page = /** @type {HTMLAnchorElement} */ (part(this.#root, "page"));
    page.href = address(`/g/${encodeURIComponent(id)}`);
    part(this.#root, "asked-box").hidden = true;
    this.#speech.reset();
    this.#drawAll();
    if ((await this.#load()) && !this.#fold.ended && id === this.#id) this.#listen();
  }

  close() {
    this.#subscription?.close();
    this.#subscription = null;
  }

  /** @returns {Promise<boolean>} whether there is such a generation */
  async #load() {
    const id = this.#id;
    for (;;) {
      try {
        const record = await request(`/generations/${encodeURIComponent(id)}`);
        if (id !== this.#id) return false;
        this.#record = record;
        part(this.#root, "asked").textContent = record.question ?? "";
        part(this.#root, "asked-box").hidden = !record.question;
        this.#note("");
        if (["completed", "failed", "cancelled"].includes(record.status)) {
          this.#fold.load(record);
          this.#drawAll();
        } else this.#drawFacts();
        if (record.listeners > 0) this.#watchers(record.listeners, 0);
        return true;
      } catch (error) {
        const problem = error instanceof RequestError ? error.problem : null;
        const gone = problem && problem.status >= 400 && problem.status < 500;
        this.#note(gone && problem.status === 404 ? MISSING : words(error));
        if (gone || id !== this.#id) return false;
      }
      await new Promise((wake) => setTimeout(wake, RETRY_MS));
    }
  }

  #listen() {
    this.#subscription = hub.subscribe(`generation:${this.#id}`, {
      event: (event) => this.#take(event),
      state: (state) => this.#state(state),
      listeners: (listeners, tabs) => this.#watchers(listeners, tabs),
      gap: () => this.#reload(),
    });
  }

  /** What was missed cannot be had as events: the record has the whole. */
  async #reload() {
    if (await this.#load()) {
      if (!this.#fold.ended) this.#fold.load(this.#record);
      this.#drawAll();
    }
  }

  /** @param {HubEvent} event */
  #take(event) {
    if (event.type === "restarted") this.#speech.finish("The answer begins anew.");
    this.#draw(this.#fold.apply(event));
    if (this.#fold.ended) this.#over();
  }

  /** @param {StreamState} state */
  #state(state) {
    this.#connection.show(state);
    if (state.name === "open") this.#count();
    if (state.name === "refused" && !this.#fold.ended) {
      if (state.problem?.status === 401) this.#readmit();
      else this.#note(state.problem?.status === 404 ? MISSING : (state.problem?.detail ?? ""));
    }
    if (state.name === "ended" && !this.#fold.ended) this.#reload();
  }

  async #readmit() {
    await request(`/generations/${encodeURIComponent(this.#id)}`).catch(() => undefined);
    hub.hurry({ refused: true });
  }

  /** The count comes with every heartbeat; the first one now. */
  async #count() {
    const channel = encodeURIComponent(`generation:${this.#id}`);
    const information = await hub.request(`/channels/${channel}`).catch(() => null);
    if (information?.listeners > 0) this.#watchers(information.listeners, 0);
  }

  async #over() {
    this.#subscription?.close();
    this.#subscription = null;
    const id = this.#id;
    const record = await hub.request(`/generations/${encodeURIComponent(id)}`).catch(() => null);
    if (record && id === this.#id) {
      this.#record = record;
      this.#drawFacts();
    }
  }

  /** @param {Change} change */
  #draw(change) {
    if (change.kind === "append") {
      this.#view(change.index).append(change.field, change.text);
      if (change.field === "content" && change.index === 0) this.#speech.append(change.text);
    } else if (change.kind === "tools") {
      this.#view(change.index).tools(this.#fold.choices[change.index]);
    } else if (change.kind === "reset") this.#drawChoices();
    if (change.kind !== "none" && this.#root.dataset.status !== this.#fold.status) this.#drawStatus();
    else if (change.kind === "reset") this.#drawStatus();
  }

  #drawAll() {
    this.#drawChoices();
    this.#drawStatus();
  }

  #drawChoices() {
    if (!this.#fold.ended) this.#speech.catchUp(this.#fold.choices[0]?.content ?? "");
    for (const view of this.#choices.splice(this.#fold.choices.length)) view.remove();
    for (const choice of this.#fold.choices) this.#view(choice.index).set(choice);
  }

  /** @param {number} index @returns {ChoiceView} */
  #view(index) {
    while (this.#choices.length <= index) {
      const view = new ChoiceView(part(this.#root, "choices"), this.#choices.length, this.#plain);
      this.#choices.push(view);
      for (const one of this.#choices) one.titled = this.#choices.length > 1;
    }
    return this.#choices[index];
  }

  #drawStatus() {
    const { status, attempt, restartReason, ended, error } = this.#fold;
    this.#root.dataset.status = status;
    this.#root.dataset.attempt = `${attempt}`;
    part(this.#root, "status").textContent = STATUS[status];
    part(this.#root, "stop").hidden = ended || !this.#id;
    part(this.#root, "choices").setAttribute("aria-busy", `${status === "running"}`);
    const again = part(this.#root, "attempt");
    again.hidden = attempt < 2;
    again.textContent = `Attempt ${attempt}`;
    again.title = restartReason ? `It began anew: ${restartReason}` : "It began anew.";
    if (status === "failed") this.#note(failure(error));
    if (ended) {
      this.#choices.forEach((view, index) => view.finish(this.#fold.choices[index]));
      this.#speech.finish(`${STATUS[status]}.`);
      part(this.#root, "watchers").hidden = true;
      this.#connection.show({ name: "ended", reason: "", attempt: 0, until: null, problem: null });
    }
    this.#drawFacts();
    this.#changed?.();
  }

  #drawFacts() {
    const record = this.#record ?? {};
    const usage = this.#fold.usage ?? record.usage;
    const cost = this.#fold.cost ?? record.cost;
    const seconds = (Date.parse(record.finished) - Date.parse(record.started)) / 1000;
    /** @type {[string, string | null | undefined][]} */
    const facts = [
      ["Model", this.#fold.model ?? record.model],
      ["Tokens asked", usage?.prompt_tokens?.toLocaleString()],
      ["Tokens answered", usage?.completion_tokens?.toLocaleString()],
      ["Cost", typeof cost === "number" ? money(cost) : null],
      ["Time", seconds >= 0 ? `${seconds.toFixed(1)} s` : null],
      ["Started", record.created ? new Date(record.created).toLocaleString() : null],
    ];
    if (this.#fold.status === "completed" && !usage) facts[1][1] = "not told by the provider";
    part(this.#root, "facts").replaceChildren(
      ...facts.filter(([, value]) => value).map(([name, value]) => {
        const row = element("div");
        row.append(element("dt", name), element("dd", value ?? ""));
        return row;
      }),
    );
  }

  /** @param {number} listeners @param {number} tabs */
  #watchers(listeners, tabs) {
    const node = part(this.#root, "watchers");
    if (this.#fold.ended) return;
    node.dataset.listeners = `${listeners}`;
    if (tabs) node.dataset.tabs = `${tabs}`;
    const here = Number(node.dataset.tabs ?? 1);
    node.textContent = `${listeners} watching${here > 1 ? ` · ${here} tabs here` : ""}`;
    node.title = "Browsers and programs that hear it now; the tabs of one browser share a stream.";
    node.hidden = false;
  }

  /** @param {string} text */
  #note(text) {
    const node = part(this.#root, "note");
    node.textContent = text;
    node.hidden = !text;
  }

  async #stop() {
    const button = /** @type {HTMLButtonElement} */ (part(this.#root, "stop"));
    button.disabled = true;
    try {
      await request(`/generations/${encodeURIComponent(this.#id)}/cancel`, { method: "POST" });
    } catch (error) {
      this.#note(words(error));
    }
    button.disabled = false;
  }

  #toggle() {
    this.#plain = !this.#plain;
    localStorage.setItem(PLAIN, this.#plain ? "1" : "0");
    this.#showPlain();
  }

  #showPlain() {
    part(this.#root, "plain").setAttribute("aria-pressed", `${this.#plain}`);
    for (const view of this.#choices) view.plain = this.#plain;
  }

  #copyText() {
    const text = this.#fold.choices.map((choice) => choice.content).join("\n\n");
    return this.#copy(text, part(this.#root, "copy-text"));
  }

  /** Where the hub has keys, a link that lets others in; else the page's own address. */
  async #share() {
    const path = `/generations/${encodeURIComponent(this.#id)}/share`;
    const shared = await hub.request(path, { method: "POST" }).catch(() => null);
    const page = address("/g/");
    const here = location.pathname.startsWith(page) ? location.href : `${page}${this.#id}`;
    await this.#copy(new URL(shared?.url ?? here, location.href).href, part(this.#root, "share"));
  }

  /** @param {string} text @param {HTMLElement} button */
  async #copy(text, button) {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // No clipboard on an origin without HTTPS: show it, to be copied by hand.
      this.#note(text);
      return;
    }
    setTimeout(() => {
      button.textContent = label;
    }, 1_500);
  }
}

const MISSING =
  "This generation is not here. It never was, it has expired or been deleted, or it is not yours to see.";

/** @param {{ code: string, message: string, retryable?: boolean } | null} error @returns {string} */
function failure(error) {
  if (!error) return "It failed.";
  const again = error.retryable ? " Asking again may help." : "";
  return `It failed: ${error.message || error.code}${again}`;
}

/** @param {number} cost */
function money(cost) {
  return cost === 0 ? "0" : cost.toPrecision(2);
}
