// @ts-check
/**
 * How many watch, in words.
 *
 * @module
 */

export class WatchersView {
  #root;
  /** By channel: a program may watch one generation and not the conversation. @type {Map<string, [number, number]>} */
  #told = new Map();

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
  }

  /**
   * @param {string} channel
   * @param {number} listeners   open streams everywhere
   * @param {number} tabs        of this browser; 0: as before
   */
  show(channel, listeners, tabs) {
    this.#told.set(channel, [listeners, tabs || (this.#told.get(channel)?.[1] ?? 1)]);
    this.#draw();
  }

  /** Nobody watches this one any more. @param {string} channel */
  drop(channel) {
    if (this.#told.delete(channel)) this.#draw();
  }

  clear() {
    this.#told.clear();
    this.#draw();
  }

  #draw() {
    const most = (/** @type {0 | 1} */ at) => Math.max(0, ...[...this.#told.values()].map((one) => one[at]));
    const listeners = most(0);
    this.#root.hidden = listeners === 0;
    this.#root.dataset.listeners = `${listeners}`;
    this.#root.textContent = `${listeners} watching${most(1) > 1 ? ` · ${most(1)} tabs here` : ""}`;
    this.#root.title =
      "Browsers and programs that hear it now; the tabs of one browser share a stream.";
  }
}
