// @ts-check
/**
 * Mathematics in an answer: TeX between `$…$`, `\(…\)`, `$$…$$` and `\[…\]`, as MathML that the browser
 * sets by itself. The library is loaded when the first formula comes; until then, and where it is
 * not TeX after all, the formula stands there as it was written.
 *
 * @module
 */

import { whenIdle } from "./idle.js";
import { purified } from "./purifier.js";

/** Longer ones stay as they are: setting is one task, and must not be felt. */
const MOST_CHARS = 2_000;

const TAGS = (
  "math mrow mi mn mo ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover " +
  "mmultiscripts mprescripts mtable mtr mtd mpadded mphantom mstyle menclose merror"
).split(" ");
const ATTRIBUTES = (
  "display displaystyle scriptlevel mathvariant stretchy fence separator form symmetric largeop movablelimits " +
  "accent accentunder lspace rspace minsize maxsize width height depth voffset linethickness columnalign " +
  "rowspacing columnspacing columnlines rowlines notation rowspan columnspan"
).split(" ");

/** Money and code are no formulas: no space and no backtick inside the dollars, no digit behind. */
const INLINE = /^(?:\$(?!\s)((?:\\.|[^\\\n$`])+?)(?<!\s)\$(?!\d)|\\\(((?:(?!\\\)).)+?)\\\))/;
/** In the middle of a line, too: a model does not always begin a new one for it. */
const DISPLAY_IN_LINE = /^(?:\$\$(?!\s)((?:\\.|[^\\\n$`])+?)(?<!\s)\$\$(?!\d)|\\\[((?:(?!\\\]).)+?)\\\])/;
const DISPLAY = /^ {0,3}(?:\$\$((?:(?!\$\$)(?!\n[ \t]*\n)[\s\S])+?)\$\$|\\\[((?:(?!\\\])(?!\n[ \t]*\n)[\s\S])+?)\\\])[ \t]*(?:\n+|$)/;

const INLINED = "mathematics";
const DISPLAYED = "displayed mathematics";

/** @param {string} text @param {(text: string) => string} escaped @param {string} kind */
const marked = (text, escaped, kind) => `<code class="math-${kind}">${escaped(text)}</code>`;

/** What marked is told of it. @param {(text: string) => string} escaped @returns {any[]} */
export function mathematics(escaped) {
  return [
    {
      name: DISPLAYED,
      level: "block",
      start: (/** @type {string} */ text) => /^ {0,3}(?:\$\$|\\\[)/m.exec(text)?.index,
      tokenizer(/** @type {string} */ text) {
        const found = DISPLAY.exec(text);
        return found && { type: DISPLAYED, raw: found[0], text: (found[1] ?? found[2]).trim() };
      },
      renderer: (/** @type {any} */ { text }) => `<p>${marked(text, escaped, "display")}</p>`,
    },
    {
      name: INLINED,
      level: "inline",
      start: (/** @type {string} */ text) => /\$|\\[([]/.exec(text)?.index,
      tokenizer(/** @type {string} */ text) {
        const displayed = DISPLAY_IN_LINE.exec(text);
        const found = displayed ?? INLINE.exec(text);
        const kind = displayed ? "display" : "inline";
        return found && { type: INLINED, kind, raw: found[0], text: (found[1] ?? found[2]).trim() };
      },
      renderer: (/** @type {any} */ { text, kind }) => marked(text, escaped, kind),
    },
  ];
}

/** @type {Promise<any> | undefined} */
let library;

/** @param {ParentNode} fragment   drawn for good */
export function setFormulas(fragment) {
  for (const code of fragment.querySelectorAll("code.math-inline, code.math-display")) set(code);
}

/** @param {Element} code */
function set(code) {
  const text = code.textContent ?? "";
  if (text.length > MOST_CHARS) return;
  whenIdle(async () => {
    library ??= import("../vendor/temml-0.13.5.min.js").then((module) => module.default);
    const temml = await library.catch(() => null);
    if (!temml || !code.isConnected) return;
    whenIdle(() => {
      const displayMode = code.className === "math-display";
      try {
        const drawn = temml.renderToString(text, { displayMode, throwOnError: true, maxExpand: 100, trust: false });
        // The page's policy lets no style stand in an element, nor its parser say so each time.
        const bare = drawn.replace(/<[a-z]+ [^>]*>/g, (/** @type {string} */ tag) => tag.replace(/ style="[^"]*"/, ""));
        const formula = purified(bare, TAGS, ATTRIBUTES).firstElementChild;
        if (!formula) return;
        formula.setAttribute("aria-label", text);
        code.replaceWith(formula);
      } catch {
        // Not TeX after all, or not whole.
      }
    });
  });
}
