// @ts-check
/**
 * A conversation: the turns of a thread, each a generation, in every tab the same.
 *
 * The thread's channel says that something has changed (a turn, its name); what it is then is read
 * from the thread itself, so a missed event costs nothing.
 *
 * @module
 */

import { RequestError } from "../hubbub.js";
import { copyOf, part } from "./dom.js";
import { GenerationView } from "./generation_view.js";
import { hub, request, words } from "./session.js";
import { pathOf } from "./versions.js";

/**
 * @typedef {import("./versions.js").Turn} Turn
 * @typedef {import("./versions.js").Step} Step
 * @typedef {import("../hubbub.js").StreamState} StreamState
 *
 * @typedef {object} Hooks
 * @property {(name: string) => void} named
 * @property {() => void} changed                     a turn came, or the last one's status is another
 * @property {(state: StreamState) => void} state
 * @property {(channel: string, listeners: number, tabs: number) => void} watchers
 * @property {(text: string) => void} note
 * @property {(view: GenerationView, parent: string) => void} edit
 * @property {(view: GenerationView, parent: string) => void} again
 */

const GONE = "This conversation is not here. It has expired or been deleted, or it is not yours to see.";
const RETRY_MS = 2000;

export class Conversation {
  #root;
  #hooks;
  #id = "";
  /** @type {Turn[]} */
  #turns = [];
  /** @type {Map<string, GenerationView>} */
  #views = new Map();
  /** @type {Map<string, string>} */
  #chosen = new Map();
  /** @type {Step[]} */
  #path = [];
  /** @type {import("../hubbub.js").Subscription | null} */
  #subscription = null;
  /** What it is subscribed to; "" where the thread was not read yet. */
  #channel = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  #gone = false;

  /** @param {HTMLElement} root @param {Hooks} hooks */
  constructor(root, hooks) {
    this.#root = root;
    this.#hooks = hooks;
  }

  /** Its name in the address; "" for one that has not begun, or is not here any more. */
  get id() {
    return this.#gone ? "" : this.#id;
  }

  /** The turns that are shown. @returns {GenerationView[]} */
  get views() {
    return this.#path.map(({ id }) => /** @type {GenerationView} */ (this.#views.get(id)));
  }

  /** @returns {GenerationView | undefined} */
  get last() {
    return this.views.at(-1);
  }

  /** @param {string} id   "": a new one, which begins with the first question */
  open(id) {
    this.#subscription?.close();
    this.#channel = "";
    clearTimeout(this.#retry);
    for (const view of this.#views.values()) view.close();
    this.#views.clear();
    this.#turns = [];
    this.#chosen.clear();
    this.#gone = false;
    this.#id = id;
    this.#draw();
    if (id) this.#load();
  }

  /** A turn that this tab has asked: it need not wait to hear of it. @param {Turn} turn */
  add(turn) {
    if (!this.#turns.some(({ id }) => id === turn.id)) this.#turns.push(turn);
    this.#chosen.delete(turn.parent ?? "");
    this.#draw();
  }

  /** The messages up to a turn, itself included, as a model is sent them. @param {string} upTo */
  messages(upTo) {
    const messages = [];
    const end = this.#path.findIndex(({ id }) => id === upTo);
    for (const view of this.views.slice(0, end + 1)) {
      if (view.asked) messages.push({ role: "user", content: view.asked });
      if (view.answer) messages.push({ role: "assistant", content: view.answer });
    }
    return messages;
  }

  /** @param {string} channel */
  #listen(channel) {
    if (this.#channel === channel) return;
    this.#subscription?.close();
    this.#channel = channel;
    this.#subscription = hub.subscribe(
      channel,
      {
        event: (event) => this.#told(event.type, event.data),
        state: (state) => {
          this.#hooks.state(state);
          if (state.name === "open") this.#load();
        },
        listeners: (listeners, tabs, channel) => this.#hooks.watchers(channel, listeners, tabs),
      },
      { from: "now" },
    );
  }

  /** @param {string} type @param {string} data */
  #told(type, data) {
    if (type === "turn") this.#load();
    else if (type === "renamed") this.#hooks.named(JSON.parse(data).name);
    else if (type === "deleted") this.#miss();
  }

  async #load() {
    const id = this.#id;
    try {
      const thread = await request(`/threads/${encodeURIComponent(id)}`);
      if (id !== this.#id) return;
      this.#listen(thread.channel);
      this.#gone = false;
      this.#turns = thread.generations;
      this.#hooks.named(thread.name);
      this.#hooks.note("");
      this.#draw();
    } catch (error) {
      if (id !== this.#id) return;
      const missing = error instanceof RequestError && error.problem.status === 404;
      if (!missing) {
        this.#hooks.note(words(error));
        // With a subscription, its next `open` loads again.
        if (!this.#channel) this.#retry = setTimeout(() => this.#load(), RETRY_MS);
        return;
      }
      // It may begin in another tab. On a hub with keys one's own has another channel then.
      if (!this.#channel) this.#listen(`thread:${id}`);
      this.#miss();
    }
  }

  #miss() {
    this.#gone = true;
    this.#turns = [];
    this.#hooks.named("");
    this.#draw();
    this.#hooks.note(GONE);
  }

  #draw() {
    this.#path = pathOf(this.#turns, this.#chosen);
    const roots = this.#path.map((step) => this.#show(step).root);
    // Only what has changed is moved: a node that is taken out and put back loses its focus.
    roots.forEach((root, at) => {
      if (this.#root.children[at] !== root) this.#root.insertBefore(root, this.#root.children[at] ?? null);
    });
    while (this.#root.children.length > roots.length) this.#root.lastElementChild?.remove();
    this.#hooks.changed();
  }

  /** @param {Step} step @returns {GenerationView} */
  #show(step) {
    let view = this.#views.get(step.id);
    if (!view) {
      const root = copyOf("turn");
      view = new GenerationView(root, this.#hooks);
      this.#views.set(step.id, view);
      const made = view;
      for (const [name, act] of /** @type {const} */ ([
        ["edit", this.#hooks.edit],
        ["again", this.#hooks.again],
      ])) {
        part(root, name).hidden = false;
        part(root, name).onclick = () => act(made, this.#parentOf(made.id));
      }
      part(root, "earlier").onclick = () => this.#turnTo(made.id, -1);
      part(root, "later").onclick = () => this.#turnTo(made.id, 1);
      view.watch(step.id);
    }
    const at = step.versions.indexOf(step.id);
    part(view.root, "versions").hidden = step.versions.length < 2;
    part(view.root, "version").textContent = `${at + 1} of ${step.versions.length}`;
    /** @type {HTMLButtonElement} */ (part(view.root, "earlier")).disabled = at === 0;
    /** @type {HTMLButtonElement} */ (part(view.root, "later")).disabled =
      at === step.versions.length - 1;
    return view;
  }

  /** @param {string} id */
  #parentOf(id) {
    return this.#path.find((step) => step.id === id)?.parent ?? "";
  }

  /** Show the version before or after. @param {string} id @param {number} by */
  #turnTo(id, by) {
    const step = this.#path.find((one) => one.id === id);
    const wanted = step?.versions[step.versions.indexOf(id) + by];
    if (!step || !wanted) return;
    this.#chosen.set(step.parent, wanted);
    this.#draw();
    part(/** @type {GenerationView} */ (this.#views.get(wanted)).root, by < 0 ? "earlier" : "later").focus();
  }
}
