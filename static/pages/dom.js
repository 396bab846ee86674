// @ts-check
/**
 * Parts of a page, found by their `data-` names.
 *
 * @module
 */

/**
 * The part of `root` that the page marks `data-<name>`. A page without it is a mistake of ours.
 *
 * @param {ParentNode} root
 * @param {string} name
 * @returns {HTMLElement}
 */
export function part(root, name) {
  const found = root.querySelector(`[data-${name}]`);
  if (!(found instanceof HTMLElement)) throw new Error(`The page has no data-${name}.`);
  return found;
}

/** A copy of the page's template. @param {string} id @returns {HTMLElement} */
export function copyOf(id) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById(id));
  return /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
}

/**
 * @param {string} tag
 * @param {string} [text]
 * @param {string} [className]
 */
export function element(tag, text = "", className = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

/**
 * Text that only grows, in few text nodes, each of them short: appending to one long node copies
 * it every time.
 */
export class GrowingText {
  static #LONGEST = 4_096;
  #root;
  /** @type {Text | null} */
  #last = null;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
  }

  /** @param {string} text */
  append(text) {
    if (this.#last && this.#last.length + text.length <= GrowingText.#LONGEST) {
      this.#last.appendData(text);
    } else {
      this.#last = document.createTextNode(text);
      this.#root.append(this.#last);
    }
  }

  /** @param {string} text */
  set(text) {
    this.#last = null;
    this.#root.replaceChildren();
    if (text) this.append(text);
  }
}

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** @param {string | number} when @returns {string} the time of day, here */
export function clock(when) {
  const date = new Date(when);
  return Number.isNaN(date.getTime()) ? "" : CLOCK.format(date);
}

/** @param {string | null | undefined} when @returns {string} how long ago, in short */
export function ago(when) {
  const seconds = (Date.now() - new Date(when ?? NaN).getTime()) / 1000;
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}
