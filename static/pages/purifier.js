// @ts-check
/**
 * What may come out of rendered text: DOMPurify with a list of elements, and of classes those that
 * name a language, a colour of code or a formula.
 *
 * @module
 */

import "../vendor/dompurify-3.4.18.min.js";

const CLASS = /^(math-(inline|display)|language-[\w+#.-]{1,30}|hljs-[\w-]+( [\w-]+)*)$/;

const DIRECTED = "p, h1, h2, h3, h4, h5, h6, ul, ol, blockquote, table";

/** There is one: the page's policy for Trusted Types lets in no second. */
const purifier = /** @type {any} */ (globalThis).DOMPurify(window);
purifier.addHook("uponSanitizeAttribute", (/** @type {Element} */ _, /** @type {any} */ data) => {
  if (data.attrName === "class") data.keepAttr = CLASS.test(data.attrValue);
});
purifier.addHook("afterSanitizeAttributes", (/** @type {Element} */ node) => {
  if (node.tagName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
  }
  // The only input is a task list's box; it is there to be seen.
  if (node.tagName === "INPUT") {
    if (node.getAttribute("type") === "checkbox") {
      node.setAttribute("disabled", "");
      node.setAttribute("aria-label", node.hasAttribute("checked") ? "Done" : "Not done");
    } else node.remove();
  }
  // An outermost block runs from right to left where its first letters do.
  if (node.matches(DIRECTED) && !node.parentElement?.closest(DIRECTED)) node.setAttribute("dir", "auto");
  // A wide table scrolls by itself, and can be reached with the keyboard.
  if (node.tagName === "TABLE") node.setAttribute("tabindex", "0");
});

/**
 * @param {string} html
 * @param {readonly string[]} tags
 * @param {readonly string[]} attributes
 * @returns {DocumentFragment}
 */
export function purified(html, tags, attributes) {
  return purifier.sanitize(html, {
    ALLOWED_TAGS: tags,
    ALLOWED_ATTR: attributes,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
}
