// @ts-check
/**
 * A model's Markdown as elements, while it is still being written.
 *
 * Two promises. The text never becomes markup of its own: HTML in it is shown as the letters it is
 * made of, what marked renders goes through DOMPurify's short list of elements, and no picture is
 * fetched from anywhere. And the cost stays in proportion to the text: a block is rendered for good
 * once the next one has begun; only the unfinished last one is drawn again, and the seldomer the
 * longer that takes.
 *
 * @module
 */

import DOMPurify from "../vendor/dompurify-3.4.18.js";
import { Marked } from "../vendor/marked-18.2.1.js";

/** Of the time, at most this share goes into drawing the unfinished block again. */
const SHARE = 0.1;
const LONGEST_PAUSE_MS = 2_000;

const TAGS = (
  "p br hr h1 h2 h3 h4 h5 h6 strong em del code pre blockquote ul ol li table thead tbody tr th td a " +
  "input"
).split(" ");
const ATTRIBUTES = ["href", "title", "align", "start", "type", "checked", "disabled"];

/** @param {string} text */
function escape(text) {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

const marked = new Marked({
  gfm: true,
  renderer: {
    html: (/** @type {any} */ { text }) => escape(text),
    image: (/** @type {any} */ { href, text }) => `<a href="${escape(href)}">${escape(text || href)}</a>`,
  },
});

/** A purifier of its own: a hook on the shared one would reach whoever else uses it. */
const purifier = /** @type {any} */ (DOMPurify)(window);
purifier.addHook("afterSanitizeAttributes", (/** @type {Element} */ node) => {
  if (node.tagName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
  }
  // The only input is a task list's box; it is there to be seen.
  if (node.tagName === "INPUT") {
    if (node.getAttribute("type") === "checkbox") node.setAttribute("disabled", "");
    else node.remove();
  }
});

/**
 * @param {any[]} tokens   of marked's lexer
 * @returns {DocumentFragment}
 */
function render(tokens) {
  return purifier.sanitize(marked.parser(tokens), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
}

export class MarkdownView {
  #root;
  /** Everything, for the last drawing: a link's address may be named at the very end. @type {string[]} */
  #all = [];
  /** What is not drawn for good yet. */
  #tail = "";
  /** The nodes that draw the tail. @type {ChildNode[]} */
  #open = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #pauseMs = 0;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
  }

  /** @param {string} text */
  append(text) {
    this.#all.push(text);
    this.#tail += text;
    this.#timer ??= setTimeout(() => this.#draw(), this.#pauseMs);
  }

  reset() {
    this.#cancel();
    this.#all = [];
    this.#tail = "";
    this.#open = [];
    this.#pauseMs = 0;
    this.#root.replaceChildren();
  }

  /** Nothing follows: draw the whole once more, as one text. */
  finish() {
    this.#cancel();
    this.#root.replaceChildren(render(marked.lexer(this.#all.join(""))));
    this.#open = [];
    this.#tail = "";
  }

  #cancel() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #draw() {
    this.#timer = undefined;
    const began = performance.now();
    // The lexer does the same, and its tokens' lengths are counted off below.
    this.#tail = this.#tail.replace(/\r\n?/g, "\n");
    const tokens = marked.lexer(this.#tail);
    const last = tokens.findLastIndex((token) => token.type !== "space");
    const done = tokens.slice(0, Math.max(last, 0));
    for (const node of this.#open) node.remove();
    if (done.length > 0) {
      this.#root.append(render(done));
      this.#tail = this.#tail.slice(done.reduce((length, token) => length + token.raw.length, 0));
    }
    const unfinished = render(tokens.slice(Math.max(last, 0)));
    this.#open = [...unfinished.childNodes];
    this.#root.append(unfinished);
    const took = performance.now() - began;
    this.#pauseMs = Math.min(Math.max(16, took / SHARE), LONGEST_PAUSE_MS);
  }
}
