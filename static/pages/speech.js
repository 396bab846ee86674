// @ts-check
/**
 * What a screen reader says while an answer grows: each sentence once, when it is whole.
 *
 * A live region around the text itself would be read anew at every delta, or word by word.
 *
 * @module
 */

const SENTENCE_END = /[.!?…:;]["'”’)\]]*\s|\n/g;
const PAUSE_MS = 700;
const KEPT = 6;

export class Speech {
  #region;
  #text = "";
  #heard = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {HTMLElement} region   visually hidden, `aria-live="polite"` */
  constructor(region) {
    this.#region = region;
  }

  /** @param {string} text   of a growing answer */
  append(text) {
    this.#heard += text.length;
    this.#text += text;
    this.#timer ??= setTimeout(() => this.#speak(), PAUSE_MS);
  }

  /** The whole so far came at once: say what has not been heard of it. @param {string} whole */
  catchUp(whole) {
    this.append(whole.slice(this.#heard));
  }

  /** The answer is over: say what is left, and then this. @param {string} words */
  finish(words) {
    this.#say(this.#text);
    this.reset();
    this.#say(words);
  }

  reset() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#text = "";
    this.#heard = 0;
  }

  #speak() {
    this.#timer = undefined;
    let end = 0;
    for (const found of this.#text.matchAll(SENTENCE_END)) end = found.index + found[0].length;
    if (end === 0) return;
    this.#say(this.#text.slice(0, end));
    this.#text = this.#text.slice(end);
  }

  /** @param {string} words */
  #say(words) {
    if (!words.trim()) return;
    const paragraph = document.createElement("p");
    paragraph.textContent = words.trim();
    this.#region.append(paragraph);
    while (this.#region.children.length > KEPT) this.#region.firstElementChild?.remove();
  }
}
