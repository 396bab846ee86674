// @ts-check
/**
 * A model's Markdown as elements, while it is still being written.
 *
 * Three promises. The text never becomes markup of its own: HTML in it is shown as the letters it is
 * made of, what marked renders goes through DOMPurify's short list of elements, and no picture is
 * fetched from anywhere. The cost stays in proportion to the text: a block is rendered for good once
 * the next one has begun; only the unfinished last one is drawn again, and the seldomer the longer
 * that takes. And the page stays quick to the touch: drawing stops after a few milliseconds and goes
 * on in the next task, also where a long text comes at once.
 *
 * @module
 */

import { Marked } from "../vendor/marked-18.2.1.js";
import { dress } from "./code.js";
import { mathematics, setFormulas } from "./mathematics.js";
import { purified } from "./purifier.js";

/** Of the time, at most this share goes into drawing the unfinished block again. */
const SHARE = 0.1;
const LONGEST_PAUSE_MS = 2_000;
/** How long one task may draw. */
const SLICE_MS = 8;
/** How much of a text is read for its blocks at once. */
const READ_CHARS = 16_384;

const TAGS = (
  "p br hr h1 h2 h3 h4 h5 h6 strong em del code pre blockquote ul ol li table thead tbody tr th td a " +
  "input"
).split(" ");
const ATTRIBUTES = ["href", "title", "align", "start", "type", "checked", "disabled", "class"];
/** An address that is named apart from its link: it may stand behind all that refers to it. */
const DEFINITION = /^ {0,3}\[[^\]\n]+\]:/m;

/** @param {string} text */
function escaped(text) {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

const marked = new Marked();
marked.use({
  gfm: true,
  extensions: mathematics(escaped),
  renderer: {
    html: (/** @type {any} */ { text }) => escaped(text),
    image: (/** @type {any} */ { href, text }) => `<a href="${escaped(href)}">${escaped(text || href)}</a>`,
  },
});

/** @param {any[]} tokens   of marked's lexer @returns {DocumentFragment} */
function render(tokens) {
  return purified(marked.parser(tokens), TAGS, ATTRIBUTES);
}

export class MarkdownView {
  #root;
  /** Everything, for the last drawing. @type {string[]} */
  #all = [];
  /** What has not been read for its blocks, or may still change. */
  #tail = "";
  /** Whether the tail has grown since it was drawn. */
  #stale = false;
  /** Blocks that are whole and wait to be drawn for good. @type {any[]} */
  #whole = [];
  /** The nodes that draw the tail. @type {ChildNode[]} */
  #open = [];
  /** Where blocks go: into the page, or beside it until the last drawing is complete. @type {ParentNode} */
  #into;
  #finished = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #pauseMs = 0;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    this.#into = root;
  }

  /** @param {string} text */
  append(text) {
    if (!text) return;
    this.#all.push(text);
    this.#tail += text;
    this.#stale = true;
    this.#plan(this.#pauseMs);
  }

  reset() {
    this.#cancel();
    this.#all = [];
    this.#tail = "";
    this.#stale = false;
    this.#whole = [];
    this.#open = [];
    this.#into = this.#root;
    this.#finished = false;
    this.#pauseMs = 0;
    this.#root.replaceChildren();
    delete this.#root.dataset.drawing;
  }

  /** Nothing follows. */
  finish() {
    if (this.#finished) return;
    this.#cancel();
    this.#finished = true;
    this.#stale = this.#tail !== "";
    const text = this.#all.join("");
    if (DEFINITION.test(text)) {
      // Links that were drawn as letters find their addresses now: once more, from the beginning.
      this.#into = document.createDocumentFragment();
      this.#open = [];
      this.#whole = marked.lexer(text);
      this.#stale = false;
    }
    this.#draw();
  }

  /** @param {number} inMs */
  #plan(inMs) {
    this.#root.dataset.drawing = "";
    this.#timer ??= setTimeout(() => this.#draw(), inMs);
  }

  #cancel() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #draw() {
    this.#timer = undefined;
    const began = performance.now();
    while ((this.#whole.length > 0 || this.#stale) && performance.now() < began + SLICE_MS) {
      if (this.#whole.length > 0) this.#drawWhole(began + SLICE_MS);
      else this.#read();
    }
    if (this.#whole.length > 0 || this.#stale) {
      this.#plan(0);
      return;
    }
    const took = performance.now() - began;
    this.#pauseMs = Math.min(Math.max(16, took / SHARE), LONGEST_PAUSE_MS);
    if (this.#into !== this.#root) {
      this.#root.replaceChildren(/** @type {DocumentFragment} */ (this.#into));
      this.#into = this.#root;
    }
    delete this.#root.dataset.drawing;
  }

  /** Read the tail for its blocks. Those that are whole are put aside; one that is not is drawn. */
  #read() {
    // The lexer does the same, and its tokens' lengths are counted off below.
    this.#tail = this.#tail.replace(/\r\n?/g, "\n");
    let chars = READ_CHARS;
    let { all, tokens, end } = this.#blocks(chars);
    while (!all && end === 0) {
      chars *= 2; // one block that is longer than what was read
      ({ all, tokens, end } = this.#blocks(chars));
    }
    for (const node of this.#open.splice(0)) node.remove();
    this.#whole = tokens.slice(0, end);
    this.#tail = this.#tail.slice(this.#whole.reduce((sum, { raw }) => sum + raw.length, 0));
    if (end === 0) {
      const unfinished = render(tokens);
      this.#open = [...unfinished.childNodes];
      this.#into.append(unfinished);
    }
    this.#stale = end > 0 && this.#tail !== "";
  }

  /** The blocks at the beginning of the tail, and how many of them are whole. @param {number} chars */
  #blocks(chars) {
    const all = chars >= this.#tail.length;
    const tokens = marked.lexer(all ? this.#tail : this.#tail.slice(0, chars));
    const last = tokens.findLastIndex((token) => token.type !== "space");
    return { all, tokens, end: all && this.#finished ? tokens.length : Math.max(last, 0) };
  }

  /** @param {number} until   the time at which to stop */
  #drawWhole(until) {
    let count = 0;
    do {
      const fragment = render([this.#whole[count]]);
      dress(fragment);
      setFormulas(fragment);
      this.#into.append(fragment);
      count += 1;
    } while (count < this.#whole.length && performance.now() < until);
    this.#whole.splice(0, count);
  }
}
