// @ts-check
/**
 * A look into one channel: what it retains, what arrives, publishing to it, and what happens when the
 * connection is cut.
 *
 * It has a connection of its own, so that cutting it harms no other tab.
 *
 * @module
 */

import { connect } from "../hubbub.js";
import { ConnectionView } from "./connection.js";
import { clock, copyOf, part } from "./dom.js";
import { connection as options, request, words } from "./session.js";

/** @typedef {import("../hubbub.js").HubEvent} HubEvent */

const SHOWN = 200;
/** What is retained is counted so long after an event has come. */
const COUNT_MS = 1_000;

export class Inspector {
  #root;
  #hub = connect({ ...options, shared: false });
  #connection;
  #channel = "";
  /** @type {import("../hubbub.js").Subscription | null} */
  #subscription = null;
  #arrived = 0;
  #joined = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #counting;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    this.#connection = new ConnectionView(part(root, "connection"));
    part(root, "cut").onclick = () => this.#hub.cut();
    part(root, "leave").onclick = () => this.leave();
    const form = /** @type {HTMLFormElement} */ (part(root, "publish"));
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#publish(form);
    };
  }

  /** @param {string} channel   that may be read */
  look(channel) {
    this.leave();
    this.#channel = channel;
    this.#root.hidden = false;
    part(this.#root, "channel").textContent = channel;
    const reserved = channel.startsWith("generation:");
    part(this.#root, "publish").hidden = reserved;
    this.#subscription = this.#hub.subscribe(
      channel,
      {
        event: (event) => this.#show(event),
        state: (state) => this.#connection.show(state),
        subscribed: (verdict) => this.#judge(verdict),
        gap: (gap) => this.#say(`Events were lost beyond repair: ${gap.reason}.`, false),
        listeners: (listeners) => {
          part(this.#root, "watchers").textContent = `${listeners} listening`;
        },
      },
      { from: "start" },
    );
  }

  leave() {
    this.#subscription?.close();
    this.#subscription = null;
    this.#root.hidden = true;
    this.#arrived = 0;
    this.#joined = false;
    part(this.#root, "events").replaceChildren();
    part(this.#root, "none").hidden = false;
    part(this.#root, "verdict").hidden = true;
    part(this.#root, "watchers").textContent = "";
  }

  /** What is retained. */
  async refresh() {
    if (!this.#subscription) return;
    const path = `/channels/${encodeURIComponent(this.#channel)}`;
    const told = await request(path).catch(() => null);
    if (told) part(this.#root, "retained").textContent = `${told.retained.toLocaleString()} retained`;
  }

  /** The hub's word on whether anything is missing. @param {import("../hubbub.js").Verdict} verdict */
  #judge({ recovered, replayed, reason }) {
    const again = this.#joined;
    this.#joined = true;
    if (!again && recovered) return;
    if (recovered) this.#say(`Back, and nothing is missing: ${replayed} replayed.`, true);
    else this.#say(`Back, but some are missing (${reason}): ${replayed} replayed.`, false);
  }

  /** @param {string} text @param {boolean} good */
  #say(text, good) {
    const node = part(this.#root, "verdict");
    node.textContent = text;
    node.dataset.good = `${good}`;
    node.hidden = false;
  }

  /** @param {HubEvent} event */
  #show(event) {
    const item = copyOf("event");
    const time = item.querySelector("time");
    if (time) time.textContent = clock(Number(event.id.split("-")[0]) || Date.now());
    part(item, "type").textContent = event.type;
    part(item, "id").textContent = event.id;
    part(item, "data").textContent = event.data;
    const list = part(this.#root, "events");
    list.prepend(item);
    this.#arrived += 1;
    // Once for all that come together.
    this.#counting ??= setTimeout(() => {
      this.#counting = undefined;
      this.refresh();
    }, COUNT_MS);
    if (list.children.length > SHOWN) list.lastElementChild?.remove();
    part(this.#root, "none").hidden = true;
  }

  /** @param {HTMLFormElement} form */
  async #publish(form) {
    const fields = new FormData(form);
    const problem = part(this.#root, "publish-problem");
    problem.textContent = "";
    try {
      await this.#hub.publish(this.#channel, `${fields.get("data")}`, {
        event: `${fields.get("event")}`.trim() || "message",
      });
      /** @type {HTMLInputElement} */ (form.elements.namedItem("data")).value = "";
    } catch (error) {
      problem.textContent = words(error);
    }
  }
}
