// @ts-check
/**
 * Blocks of code in an answer: what language, a button that copies, and colours.
 *
 * @module
 */

import { copyText } from "./clipboard.js";
import { element } from "./dom.js";
import { highlight } from "./highlight.js";

/** @param {DocumentFragment} fragment   drawn for good */
export function dress(fragment) {
  for (const code of fragment.querySelectorAll("pre > code")) {
    const pre = /** @type {HTMLElement} */ (code.parentElement);
    const language = /language-(\S+)/.exec(code.className)?.[1] ?? "";
    pre.tabIndex = 0;
    pre.setAttribute("role", "region");
    pre.setAttribute("aria-label", language ? `Code in ${language}` : "Code");
    const box = element("div", "", "code");
    const bar = element("div", "", "code-bar");
    const button = element("button", "Copy", "quiet small");
    button.setAttribute("type", "button");
    button.setAttribute("aria-label", "Copy the code");
    button.addEventListener("click", () => copyText(code.textContent ?? "", button));
    bar.append(element("span", language), button);
    pre.replaceWith(box);
    box.append(bar, pre);
    highlight(code, language);
  }
}
