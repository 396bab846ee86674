// @ts-check
/**
 * Colours for code, where its language is one of those at hand. The library and a language are loaded
 * when they are first needed, and colour a block when the browser has nothing else to do.
 *
 * @module
 */

import { whenIdle } from "./idle.js";
import { purified } from "./purifier.js";

const VENDOR = "../vendor/highlight-11.12.0";
/** Longer ones stay plain: colouring is one task, and must not be felt. */
const MOST_CHARS = 12_000;

/** The languages at hand, and what else they are called. @type {Record<string, string[]>} */
const LANGUAGES = {
  bash: ["sh", "shell", "zsh", "console"],
  cpp: ["c", "c++"],
  css: [],
  diff: ["patch"],
  go: ["golang"],
  java: [],
  javascript: ["js", "jsx", "mjs"],
  json: ["jsonc"],
  python: ["py"],
  rust: ["rs"],
  sql: [],
  typescript: ["ts", "tsx"],
  xml: ["html", "svg"],
  yaml: ["yml"],
};

/** @param {string} language @returns {string | undefined} the name of its file */
function fileOf(language) {
  const called = language.toLowerCase();
  return Object.keys(LANGUAGES).find((name) => name === called || LANGUAGES[name].includes(called));
}

/** @type {Promise<any> | undefined} */
let library;
/** @type {Map<string, Promise<void>>} */
const loaded = new Map();

/**
 * @param {Element} code      whose text is coloured, and stays what it is
 * @param {string} language   as its author called it
 */
export function highlight(code, language) {
  const name = fileOf(language);
  const text = code.textContent ?? "";
  if (!name || text.length > MOST_CHARS) return;
  whenIdle(async () => {
    const hljs = await load(name);
    if (!hljs || !code.isConnected) return;
    whenIdle(() => {
      const { value } = hljs.highlight(text, { language: name, ignoreIllegals: true });
      const drawn = purified(value, ["span"], ["class"]);
      if (drawn.textContent === text) code.replaceChildren(drawn);
    });
  });
}

/** @param {string} name @returns {Promise<any>} the library, or null where it cannot be had */
async function load(name) {
  try {
    library ??= import(`${VENDOR}/core.min.js`).then((module) => module.default);
    const hljs = await library;
    if (!loaded.has(name)) {
      const language = import(`${VENDOR}/languages/${name}.min.js`);
      loaded.set(name, language.then((module) => hljs.registerLanguage(name, module.default)));
    }
    await loaded.get(name);
    return hljs;
  } catch {
    return null;
  }
}
