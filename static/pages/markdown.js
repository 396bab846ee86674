// @ts-check
/**
 * A model's Markdown as elements, while it is still being written.
 *
 * Three promises. The text never becomes markup of its own: HTML in it is shown as the letters it is
 * made of, what marked renders goes through DOMPurify's short list of elements, and no picture is
 * fetched from anywhere. The cost stays in proportion to the text: a block is rendered for good once
 * the next one has begun; only the unfinished last one is drawn again, and the seldomer the longer
 * that takes. And the page stays quick to the touch: drawing stops after a few milliseconds and goes
 * on in the next task, also where a long text comes at once. Where what draws does not come, or not
 * yet, the text stands as it was written.
 *
 * @module
 */

/** Of the time, at most this share goes into drawing the unfinished block again. */
const SHARE = 0.1;
const LONGEST_PAUSE_MS = 2_000;
/** How long one task may draw. */
const SLICE_MS = 8;
/** How much of a text is read for its blocks at once. */
const READ_CHARS = 16_384;

/** A link whose address is still being written. */
const OPEN_LINK = /!?\[([^\]\n]{0,200})\]\([^)\s]{0,2000}$/;

/** An address that is named apart from its link: it may stand behind all that refers to it. */
const DEFINITION = /^ {0,3}\[[^\]\n]+\]:/m;

/** How long what draws is waited for before the text is shown as it is. */
const LATE_MS = 1_000;

/** @typedef {typeof import("./rendering.js")} Rendering */

/** @type {Rendering | undefined} */
let rendering;

/** Load what draws, before there is anything to draw. */
export async function prepare() {
  rendering ??= await import("./rendering.js");
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
  /** Whether links that were drawn as letters have found their addresses at the end. */
  #redraw = false;
  /** Whether the text stands as it was written. */
  #letters = false;
  #waiting = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #pauseMs = 0;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    this.#into = root;
    prepare().catch(() => undefined); // drawing asks again
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
    this.#redraw = false;
    this.#pauseMs = 0;
    this.#showLetters(false);
    this.#root.replaceChildren();
    delete this.#root.dataset.drawing;
  }

  /** Nothing follows. */
  finish() {
    if (this.#finished) return;
    this.#cancel();
    this.#finished = true;
    this.#stale = this.#tail !== "";
    this.#redraw = DEFINITION.test(this.#all.join(""));
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
    if (!rendering) {
      this.#await();
      return;
    }
    if (this.#letters) {
      this.#showLetters(false);
      this.#root.replaceChildren();
    }
    const began = performance.now();
    if (this.#redraw) {
      this.#into = document.createDocumentFragment();
      this.#open = [];
      this.#whole = rendering.blocks(this.#all.join(""));
      this.#stale = this.#redraw = false;
    }
    while ((this.#whole.length > 0 || this.#stale) && performance.now() < began + SLICE_MS) {
      if (this.#whole.length > 0) this.#drawWhole(rendering, began + SLICE_MS);
      else this.#read(rendering);
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

  async #await() {
    this.#root.dataset.drawing = "";
    if (this.#waiting) return;
    this.#waiting = true;
    const late = new Promise((wake) => setTimeout(wake, LATE_MS));
    const failed = () => late;
    await Promise.race([prepare().catch(failed), late]);
    this.#waiting = false;
    if (!rendering) this.#showLetters(true);
    this.#plan(0);
  }

  /** @param {boolean} shown */
  #showLetters(shown) {
    this.#letters = shown;
    this.#root.classList.toggle("letters", shown);
    if (shown) this.#root.textContent = this.#all.join("");
  }

  /**
   * Read the tail for its blocks. Those that are whole are put aside; one that is not is drawn.
   *
   * @param {Rendering} by
   */
  #read(by) {
    // The lexer does the same, and its tokens' lengths are counted off below.
    this.#tail = this.#tail.replace(/\r\n?/g, "\n");
    let chars = READ_CHARS;
    let { all, tokens, end } = this.#blocks(by, chars);
    while (!all && end === 0) {
      chars *= 2; // one block that is longer than what was read
      ({ all, tokens, end } = this.#blocks(by, chars));
    }
    for (const node of this.#open.splice(0)) node.remove();
    this.#whole = tokens.slice(0, end);
    this.#tail = this.#tail.slice(this.#whole.reduce((sum, { raw }) => sum + raw.length, 0));
    if (end === 0) {
      const unfinished = by.draft(this.#closed(by, tokens));
      this.#open = [...unfinished.childNodes];
      this.#into.append(unfinished);
    }
    this.#stale = end > 0 && this.#tail !== "";
  }

  /** The tail's blocks, with the words of a link in place of half a link. @param {Rendering} by @param {any[]} tokens */
  #closed(by, tokens) {
    const open = !this.#finished && tokens.at(-1)?.type !== "code" && OPEN_LINK.test(this.#tail);
    return open ? by.blocks(this.#tail.replace(OPEN_LINK, "$1")) : tokens;
  }

  /** The blocks at the beginning of the tail, and how many of them are whole. @param {Rendering} by @param {number} chars */
  #blocks(by, chars) {
    const all = chars >= this.#tail.length;
    const tokens = by.blocks(all ? this.#tail : this.#tail.slice(0, chars));
    const last = tokens.findLastIndex((token) => token.type !== "space");
    return { all, tokens, end: all && this.#finished ? tokens.length : Math.max(last, 0) };
  }

  /** @param {Rendering} by @param {number} until   the time at which to stop */
  #drawWhole(by, until) {
    let count = 0;
    do {
      this.#into.append(by.drawn(this.#whole[count]));
      count += 1;
    } while (count < this.#whole.length && performance.now() < until);
    this.#whole.splice(0, count);
  }
}
