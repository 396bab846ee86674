// @ts-check
/**
 * The state of a connection as a person reads it: a dot, a word, and a countdown.
 *
 * @module
 */

import { part } from "./dom.js";

/** @typedef {import("../hubbub.js").StreamState} StreamState */

const WORDS = {
  connecting: "Connecting",
  open: "Live",
  waiting: "Connection lost, coming back",
  ended: "Ended",
  refused: "Refused",
};

/** @type {Record<string, string>} */
const REASONS = {
  overloaded: "The hub is full, coming back",
  shutdown: "The hub restarts, coming back",
  silence: "No sign of life, coming back",
  "token-expired": "Your token has expired",
  revoked: "Your token was revoked",
};

export class ConnectionView {
  #root;
  #word;
  #countdown;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    this.#word = part(root, "connection-word");
    this.#countdown = part(root, "connection-countdown");
  }

  /** @param {StreamState} state */
  show(state) {
    clearInterval(this.#timer);
    this.#root.hidden = false;
    this.#root.dataset.state = state.name;
    // A reconnect passes through "connecting" at every try; the word stays until it is decided.
    const coming = state.name === "connecting" && state.attempt > 0;
    const word = REASONS[state.reason] ?? (coming ? WORDS.waiting : WORDS[state.name]);
    const shown = state.name === "open" ? WORDS.open : word;
    if (this.#word.textContent !== shown) this.#word.textContent = shown;
    this.#count(state.until);
    if (state.until !== null) this.#timer = setInterval(() => this.#count(state.until), 500);
  }

  /** @param {number | null} until */
  #count(until) {
    const seconds = until === null ? 0 : Math.ceil((until - Date.now()) / 1000);
    this.#countdown.textContent = seconds > 0 ? ` in ${seconds} s` : "";
  }
}
