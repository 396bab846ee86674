// @ts-check
/**
 * One choice of an answer: its text as it is, the same as Markdown, and what stands apart from it
 * (reasoning, tool calls, a refusal).
 *
 * The text as it is stands in the page at all times, byte for byte; the switch only shows the one
 * and hides the other.
 *
 * @module
 */

import { copyOf, GrowingText, part } from "./dom.js";
import { MarkdownView } from "./markdown.js";

/** @typedef {import("../hubbub/fold.js").Choice} Choice */

/** @type {Record<string, string>} */
const FINISHED = {
  length: "It ends here because the limit of tokens was reached.",
  content_filter: "It ends here because the provider's content filter stepped in.",
  tool_calls: "It ends here to have the tools called.",
};

export class ChoiceView {
  #root = copyOf("choice");
  #text = new GrowingText(part(this.#root, "text"));
  #markdown = new MarkdownView(part(this.#root, "formatted"));
  #reasoning = new GrowingText(part(this.#root, "reasoning"));
  #refusal = new GrowingText(part(this.#root, "refusal"));

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

  /** @param {"content" | "reasoning" | "refusal"} field @param {string} text */
  append(field, text) {
    if (field === "content") {
      this.#text.append(text);
      this.#markdown.append(text);
    } else if (field === "reasoning") {
      part(this.#root, "reasoning-box").hidden = false;
      this.#reasoning.append(text);
    } else {
      part(this.#root, "refusal-box").hidden = false;
      this.#refusal.append(text);
    }
  }

  /** @param {Choice} choice */
  set(choice) {
    this.#text.set(choice.content);
    this.#markdown.reset();
    this.#markdown.append(choice.content);
    this.#reasoning.set(choice.reasoning);
    part(this.#root, "reasoning-box").hidden = !choice.reasoning;
    this.#refusal.set(choice.refusal);
    part(this.#root, "refusal-box").hidden = !choice.refusal;
    this.tools(choice);
  }

  /** @param {Choice} choice */
  tools({ tool_calls: calls }) {
    part(this.#root, "tools-box").hidden = calls.length === 0;
    part(this.#root, "tools").textContent = calls
      .map((call) => `${call.function?.name ?? ""}(${call.function?.arguments ?? ""})`)
      .join("\n");
  }

  /** Nothing follows. @param {Choice} choice */
  finish(choice) {
    this.#markdown.finish();
    const words = FINISHED[choice.finish_reason ?? ""] ?? "";
    part(this.#root, "finish").textContent = words;
    part(this.#root, "finish").hidden = !words;
  }

  remove() {
    this.#markdown.reset();
    this.#root.remove();
  }
}
