// @ts-check
/**
 * One choice of an answer: its text as it is, the same as Markdown, and what stands apart from it
 * (reasoning, pictures, sources, tool calls, a refusal).
 *
 * The text as it is stands in the page at all times, byte for byte; the switch only shows the one
 * and hides the other.
 *
 * @module
 */

import { copyOf, element, GrowingText, part } from "./dom.js";
import { MarkdownView } from "./markdown.js";
import { picturesOf, pictures, sourcesOf } from "./parts.js";
import { duration, FINISHED } from "./standing.js";

/** @typedef {import("../hubbub/fold.js").Choice} Choice */

export class ChoiceView {
  #root = copyOf("choice");
  #text = new GrowingText(part(this.#root, "text"));
  #markdown = new MarkdownView(part(this.#root, "formatted"));
  #reasoning = new GrowingText(part(this.#root, "reasoning"));
  #refusal = new GrowingText(part(this.#root, "refusal"));
  /** When the reasoning began and when it was last added to. */
  #thought = { from: 0, to: 0 };

  /** @param {HTMLElement} into @param {number} index @param {boolean} plain */
  constructor(into, index, plain) {
    this.#root.dataset.choice = `${index}`;
    part(this.#root, "choice-title").textContent = `Answer ${index + 1}`;
    this.plain = plain;
    into.append(this.#root);
  }

  /** Whether the text is shown as it is. @param {boolean} plain */
  set plain(plain) {
    part(this.#root, "text").hidden = !plain;
    part(this.#root, "formatted").hidden = plain;
  }

  /** The title is of use only where there are several. @param {boolean} titled */
  set titled(titled) {
    part(this.#root, "choice-title").hidden = !titled;
  }

  /** @param {"content" | "reasoning" | "refusal"} field @param {string} text @param {number} atMs */
  append(field, text, atMs) {
    if (field === "content") {
      this.#text.append(text);
      this.#markdown.append(text);
    } else if (field === "reasoning") {
      part(this.#root, "reasoning-box").hidden = false;
      this.#reasoning.append(text);
      this.#thought = { from: this.#thought.from || atMs, to: atMs };
      this.#nameReasoning(true);
    } else {
      part(this.#root, "refusal-box").hidden = false;
      this.#refusal.append(text);
    }
    if (field !== "reasoning") this.#nameReasoning(false);
  }

  /** @param {Choice} choice @param {boolean} ended */
  set(choice, ended) {
    this.#text.set(choice.content);
    this.#markdown.reset();
    this.#markdown.append(choice.content);
    this.#reasoning.set(choice.reasoning);
    this.#thought = { from: 0, to: 0 };
    this.#nameReasoning(!ended && !choice.content);
    part(this.#root, "reasoning-box").hidden = !choice.reasoning;
    this.#refusal.set(choice.refusal);
    part(this.#root, "refusal-box").hidden = !choice.refusal;
    this.parts(choice);
  }

  /** What stands beside the text. @param {Choice} choice */
  parts(choice) {
    part(this.#root, "tools-box").hidden = choice.tool_calls.length === 0;
    part(this.#root, "tools").replaceChildren(...choice.tool_calls.map(call));
    const shown = pictures(picturesOf(choice));
    part(this.#root, "pictures").replaceChildren(...shown);
    part(this.#root, "pictures").hidden = shown.length === 0;
    const sources = sourcesOf(choice);
    part(this.#root, "sources").replaceChildren(...sources.map(source));
    part(this.#root, "sources").hidden = sources.length === 0;
  }

  /** Nothing follows. @param {Choice} choice */
  finish(choice) {
    this.#markdown.finish();
    this.#nameReasoning(false);
    this.parts(choice);
    const words = FINISHED[choice.finish_reason ?? ""] ?? "";
    part(this.#root, "finish").textContent = words;
    part(this.#root, "finish").hidden = !words;
  }

  remove() {
    this.#markdown.reset();
    this.#root.remove();
  }

  /** @param {boolean} going */
  #nameReasoning(going) {
    const { from, to } = this.#thought;
    const seconds = (to - from) / 1000;
    const words = going ? "Thinking" : seconds > 0 ? `Thought for ${duration(seconds)}` : "Reasoning";
    const title = part(this.#root, "reasoning-title");
    if (title.textContent !== words) title.textContent = words;
  }
}

/** @param {import("../hubbub/fold.js").ToolCall} one */
function call(one) {
  const item = element("li");
  const name = one.function?.name ?? /** @type {any} */ (one).custom?.name ?? one.type ?? "";
  const given = one.function?.arguments ?? /** @type {any} */ (one).custom?.input ?? "";
  const code = element("code");
  code.append(element("strong", name), `(${given})`);
  item.append(code);
  return item;
}

/** @param {{ url: string, title: string }} one */
function source({ url, title }) {
  const item = element("li");
  const link = /** @type {HTMLAnchorElement} */ (element("a", title || url));
  link.href = url;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  item.append(link);
  return item;
}
