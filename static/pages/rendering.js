// @ts-check
/**
 * Markdown's blocks as elements. It is loaded when the first answer is near: half of what a page
 * would load is in here, and a page without an answer needs none of it.
 *
 * @module
 */

import { Marked } from "../vendor/marked-18.2.1.js";
import { dress } from "./code.js";
import { mathematics, setFormulas } from "./mathematics.js";
import { purified } from "./purifier.js";

const TAGS = (
  "p br hr h1 h2 h3 h4 h5 h6 strong em del code pre blockquote ul ol li table thead tbody tr th td a " +
  "input"
).split(" ");
const ATTRIBUTES = ["href", "title", "align", "start", "type", "checked", "disabled", "class"];

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

/** The blocks of a text, in order. @param {string} text @returns {any[]} */
export function blocks(text) {
  return marked.lexer(text);
}

/** Blocks that may still change. @param {any[]} tokens @returns {DocumentFragment} */
export function draft(tokens) {
  return purified(marked.parser(tokens), TAGS, ATTRIBUTES);
}

/** A block that is whole. @param {any} token @returns {DocumentFragment} */
export function drawn(token) {
  const fragment = draft([token]);
  dress(fragment);
  setFormulas(fragment);
  return fragment;
}
