// @ts-check
/**
 * One generation, watched live: what was asked, its answer, how it stands, and how to stop it.
 *
 * First the record is read. If the generation is over, that is all; else its channel is heard,
 * which begins with everything so far and continues through every cut of the connection.
 *
 * @module
 */

import { Fold, RequestError } from "../hubbub.js";
import { pageOf } from "./address.js";
import { ChoiceView } from "./choice.js";
import { copyText } from "./clipboard.js";
import { element, part } from "./dom.js";
import { picturesOf, pictures, textOf } from "./parts.js";
import { hub, request, words } from "./session.js";
import { Speech } from "./speech.js";
import { duration, failure, money, standing, STATUS } from "./standing.js";

/**
 * @typedef {import("../hubbub.js").HubEvent} HubEvent
 * @typedef {import("../hubbub.js").StreamState} StreamState
 * @typedef {import("../hubbub/fold.js").Change} Change
 *
 * @typedef {object} Hooks                            what the page around it wants to know
 * @property {() => void} [changed]                   the status is another
 * @property {(state: StreamState) => void} [state]   of the connection
 * @property {(channel: string, listeners: number, tabs: number) => void} [watchers]
 *   0 listeners: it has ended, and is watched no more
 */

const PLAIN = "hubbub-plain";
const RETRY_MS = 3_000;
const LOOK_MS = 1_000;
/** How often a queued one is asked how many are before it. */
const QUEUE_MS = 3_000;

export const MISSING =
  "This generation is not here. It never was, it has expired or been deleted, or it is not yours to see.";

export class GenerationView {
  #root;
  #hooks;
  #id = "";
  #fold = new Fold();
  /** @type {ChoiceView[]} */
  #choices = [];
  /** @type {import("../hubbub.js").Subscription | null} */
  #subscription = null;
  #speech;
  #plain = localStorage.getItem(PLAIN) === "1";
  /** @type {any} */
  #record = null;
  /** @type {any} */
  #asked = "";
  /** @type {"" | "reasoning" | "content"} */
  #writing = "";
  #heardAt = Date.now();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock;
  #queueReadAt = 0;
  /** Whether there is no text yet, and so none to copy. @type {boolean | undefined} */
  #empty;
  /** How it stands, as it was drawn last: looking for the line at every delta would be felt. */
  #shown = "";
  /** @type {string | undefined} */
  #shownAttempt;

  /** @param {HTMLElement} root @param {Hooks} [hooks] */
  constructor(root, hooks = {}) {
    this.#root = root;
    this.#hooks = hooks;
    this.#speech = new Speech(part(root, "speech"));
    part(root, "stop").onclick = () => this.stop();
    part(root, "plain").onclick = () => this.#toggle();
    this.#onCopy("copy-text", () => this.text);
    this.#onCopy("copy-question", () => textOf(this.asked));
    part(root, "share").onclick = () => this.#share();
    this.#showPlain();
  }

  get root() {
    return this.#root;
  }

  get id() {
    return this.#id;
  }

  get channel() {
    return `generation:${this.#id}`;
  }

  get status() {
    return this.#fold.status;
  }

  get ended() {
    return this.#fold.ended;
  }

  /** Whether there is no such generation, or not any more. */
  get missing() {
    return this.#root.dataset.status === "missing";
  }

  /** The record as it was read last, or null. @returns {any} */
  get record() {
    return this.#record;
  }

  /** The question as it was given: a text, or a list of parts. @returns {any} */
  get asked() {
    return this.#asked;
  }

  /** The answer's text; with several choices the first one's. */
  get answer() {
    return this.#fold.choices[0]?.content ?? "";
  }

  /** The text of all choices. */
  get text() {
    return this.#fold.choices.map((choice) => choice.content).join("\n\n");
  }

  /** @param {string} id */
  async watch(id) {
    this.close();
    this.#id = id;
    this.#fold = new Fold();
    this.#record = null;
    this.#root.dataset.generation = id;
    const page = /** @type {HTMLAnchorElement} */ (part(this.#root, "page"));
    page.href = pageOf(id);
    part(this.#root, "asked-box").hidden = true;
    this.#speech.reset();
    this.#drawAll();
    if ((await this.#load()) && !this.#fold.ended && id === this.#id) this.#listen();
  }

  close() {
    clearInterval(this.#clock);
    this.#subscription?.close();
    this.#subscription = null;
  }

  async stop() {
    const button = /** @type {HTMLButtonElement} */ (part(this.#root, "stop"));
    button.disabled = true;
    try {
      await request(`/generations/${encodeURIComponent(this.#id)}/cancel`, { method: "POST" });
    } catch (error) {
      this.#note(words(error));
    }
    button.disabled = false;
  }

  /** @returns {Promise<boolean>} whether there is such a generation */
  async #load() {
    const id = this.#id;
    for (;;) {
      try {
        const path = `/generations/${encodeURIComponent(id)}`;
        const [record, question] = await Promise.all([
          request(path),
          hub.request(`${path}/question`).catch(() => null),
        ]);
        if (id !== this.#id) return false;
        this.#record = record;
        this.#root.removeAttribute("data-loading");
        this.#asked = question?.content ?? record.question ?? "";
        this.#drawAsked();
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
        if (gone || id !== this.#id) {
          this.#root.dataset.status = "missing";
          part(this.#root, "standing-box").hidden = true;
          part(this.#root, "stop").hidden = true;
          this.#hooks.changed?.();
          return false;
        }
      }
      await new Promise((wake) => setTimeout(wake, RETRY_MS));
    }
  }

  #listen() {
    this.#clock = setInterval(() => this.#look(), LOOK_MS);
    this.#subscription = hub.subscribe(this.channel, {
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
    this.#heardAt = Date.now();
    if (event.type === "restarted") this.#speech.finish("The answer begins again.");
    this.#draw(this.#fold.apply(event), Number(event.id.split("-")[0]) || Date.now());
    if (this.#fold.ended) this.#over();
  }

  /** @param {StreamState} state */
  #state(state) {
    this.#hooks.state?.(state);
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
    const path = `/channels/${encodeURIComponent(this.channel)}`;
    const information = await hub.request(path).catch(() => null);
    if (information?.listeners > 0) this.#watchers(information.listeners, 0);
  }

  async #over() {
    this.close();
    const id = this.#id;
    const record = await hub.request(`/generations/${encodeURIComponent(id)}`).catch(() => null);
    if (record && id === this.#id) {
      this.#record = record;
      this.#drawFacts();
    }
  }

  /** Once a second: silence is worth a word, too. */
  async #look() {
    this.#drawStanding();
    if (this.#fold.status !== "queued" || Date.now() - this.#queueReadAt < QUEUE_MS) return;
    this.#queueReadAt = Date.now();
    const path = `/generations/${encodeURIComponent(this.#id)}`;
    const record = await hub.request(path).catch(() => null);
    if (record?.id === this.#id) this.#record = record;
  }

  /** @param {Change} change @param {number} atMs */
  #draw(change, atMs) {
    if (change.kind === "append") {
      this.#writing = change.field === "reasoning" ? "reasoning" : "content";
      this.#view(change.index).append(change.field, change.text, atMs);
      if (change.field === "content" && change.index === 0) this.#speech.append(change.text);
      if (change.parts) this.#view(change.index).parts(this.#fold.choices[change.index]);
    } else if (change.kind === "parts") {
      this.#writing = "content";
      this.#view(change.index).parts(this.#fold.choices[change.index]);
    } else if (change.kind === "data") {
      this.#writing ||= "content";
      this.#drawData();
    } else if (change.kind === "reset") this.#drawChoices();
    if (change.kind === "reset" || this.#root.dataset.status !== this.#fold.status) this.#drawStatus();
    else this.#drawStanding();
  }

  #drawAll() {
    this.#drawChoices();
    this.#drawStatus();
  }

  #drawAsked() {
    const text = textOf(this.asked);
    const shown = pictures(picturesOf(this.asked));
    part(this.#root, "asked").textContent = text;
    part(this.#root, "asked").hidden = !text;
    part(this.#root, "asked-pictures").replaceChildren(...shown);
    part(this.#root, "asked-pictures").hidden = shown.length === 0;
    part(this.#root, "asked-box").hidden = !text && shown.length === 0;
  }

  #drawChoices() {
    if (!this.#fold.ended) this.#speech.catchUp(this.#fold.choices[0]?.content ?? "");
    const first = this.#fold.choices[0];
    this.#writing = first?.content ? "content" : first?.reasoning ? "reasoning" : "";
    for (const view of this.#choices.splice(this.#fold.choices.length)) view.remove();
    for (const choice of this.#fold.choices) this.#view(choice.index).set(choice, this.#fold.ended);
    this.#drawData();
  }

  /** What an application says beside its answer. */
  #drawData() {
    const node = part(this.#root, "data");
    node.hidden = this.#fold.data.length === 0;
    node.replaceChildren(
      ...this.#fold.data.map(({ name, data }) => {
        const row = element("div");
        row.append(element("dt", name), element("dd", readable(data)));
        return row;
      }),
    );
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
    again.title = restartReason ? `It began again: ${restartReason}` : "It began again.";
    if (status === "failed") this.#note(failure(error));
    if (ended) {
      this.#hooks.watchers?.(this.channel, 0, 0);
      for (const [index, view] of this.#choices.entries()) view.finish(this.#fold.choices[index]);
      this.#speech.finish(`${STATUS[status]}.`);
    }
    this.#drawStanding();
    this.#drawFacts();
    this.#hooks.changed?.();
  }

  #drawStanding() {
    const empty = this.#fold.choices.every(({ content }) => !content);
    if (empty !== this.#empty) {
      this.#empty = empty;
      this.#root.toggleAttribute("data-empty", empty);
    }
    const shown = standing({
      status: this.#fold.status,
      ahead: this.#record?.ahead,
      seconds: (Date.now() - this.#heardAt) / 1000,
      writing: this.#writing,
    });
    if (shown === this.#shown && this.#root.dataset.attempt === this.#shownAttempt) return;
    this.#shown = shown;
    this.#shownAttempt = this.#root.dataset.attempt;
    part(this.#root, "standing").textContent = shown;
    part(this.#root, "standing-box").hidden = !shown && this.#fold.attempt < 2;
  }

  #drawFacts() {
    const record = this.#record ?? {};
    const usage = this.#fold.usage ?? record.usage;
    const cost = this.#fold.cost ?? record.cost;
    const seconds = (Date.parse(record.finished) - Date.parse(record.started)) / 1000;
    const model = this.#fold.model ?? record.model;
    const tokens = [
      usage?.prompt_tokens == null ? "" : `${usage.prompt_tokens.toLocaleString()} in`,
      usage?.completion_tokens == null ? "" : `${usage.completion_tokens.toLocaleString()} out`,
    ];
    /** @type {[string, string | null | undefined][]} */
    const facts = [
      ["Model", model],
      ["Tokens", tokens.filter(Boolean).join(", ")],
      ["Cost", typeof cost === "number" ? money(cost) : null],
      ["Time", this.#fold.ended && seconds >= 0 ? duration(seconds) : null],
    ];
    part(this.#root, "facts").title = record.created
      ? `Asked ${new Date(record.created).toLocaleString()}`
      : "";
    part(this.#root, "facts").replaceChildren(
      ...facts
        .filter(([, value]) => value)
        .map(([name, value]) => {
          const row = element("div");
          row.dataset.fact = row.title = name;
          row.append(element("dt", name), element("dd", value ?? ""));
          return row;
        }),
    );
  }

  /** @param {number} listeners @param {number} tabs */
  #watchers(listeners, tabs) {
    if (!this.#fold.ended) this.#hooks.watchers?.(this.channel, listeners, tabs);
  }

  /** @param {string} text */
  #note(text) {
    const node = part(this.#root, "note");
    node.textContent = text;
    node.hidden = !text;
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

  /** Where the hub has keys, a link that lets others in; else the page's own address. */
  async #share() {
    const path = `/generations/${encodeURIComponent(this.#id)}/share`;
    const shared = await hub.request(path, { method: "POST" }).catch(() => null);
    const url = new URL(shared?.url ?? pageOf(this.#id), location.href).href;
    if (!(await copyText(url, part(this.#root, "share")))) this.#note(url);
  }

  /** @param {string} name @param {() => string} text */
  #onCopy(name, text) {
    const button = part(this.#root, name);
    button.onclick = async () => {
      // No clipboard on an origin without HTTPS: show it, to be copied by hand.
      if (!(await copyText(text(), button))) this.#note(text());
    };
  }
}

/** A value of an application's own as a person reads it. @param {any} data @returns {string} */
function readable(data) {
  if (typeof data === "string") return data;
  if (data === null || typeof data !== "object") return `${data}`;
  const plain = (/** @type {any} */ one) => one === null || typeof one !== "object";
  if (!Array.isArray(data) && Object.values(data).every(plain)) {
    return Object.entries(data)
      .map(([name, value]) => `${name}: ${value}`)
      .join(", ");
  }
  return JSON.stringify(data, null, 2);
}
