// @ts-check
/**
 * The box in which a question is written: its text, its pictures, and how it is to be answered.
 *
 * @module
 */

import { element, part } from "./dom.js";
import { picture } from "./picture.js";
import { picturesOf, pictures, textOf } from "./parts.js";
import { request, words } from "./session.js";

const OPTIONS = "hubbub-options";

export class Composer {
  #form;
  #prompt;
  #send;
  #problem;
  /** @type {string[]} */
  #attached = [];
  #ask;

  /**
   * @param {HTMLFormElement} form
   * @param {(content: unknown, options: Record<string, unknown>) => Promise<void>} ask
   */
  constructor(form, ask) {
    this.#form = form;
    this.#ask = ask;
    this.#prompt = /** @type {HTMLTextAreaElement} */ (part(form, "prompt"));
    this.#send = /** @type {HTMLButtonElement} */ (part(form, "send"));
    this.#problem = part(form, "problem");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    form.addEventListener("input", () => this.say(""));
    form.addEventListener("change", () => this.#keepOptions());
    this.#prompt.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    this.#prompt.addEventListener("input", () => this.#grow());
    const file = /** @type {HTMLInputElement} */ (part(form, "file"));
    file.onchange = () => {
      this.attach([...(file.files ?? [])]);
      file.value = "";
    };
    this.#prompt.addEventListener("paste", (event) => {
      this.#take(event, event.clipboardData);
    });
    form.addEventListener("drop", (event) => this.#take(event, event.dataTransfer));
    form.addEventListener("dragover", (event) => event.preventDefault());
    this.#closeOptionsOutside();
    this.#restoreOptions();
    this.#models();
  }

  /** Whether a question may be sent now. @param {boolean} busy */
  set busy(busy) {
    if (this.#send.hidden && !busy) this.say("");
    this.#send.hidden = busy;
  }

  /** @param {string} problem */
  say(problem) {
    this.#problem.textContent = problem;
  }

  focus() {
    this.#prompt.focus();
  }

  /** Put a question in. @param {any} asked   as it was given */
  fill(asked) {
    this.#prompt.value = textOf(asked);
    this.#attached = picturesOf(asked);
    this.#drawAttached();
    this.#grow();
    this.focus();
    this.#prompt.setSelectionRange(this.#prompt.value.length, this.#prompt.value.length);
  }

  /** @param {File[]} files */
  async attach(files) {
    try {
      for (const file of files) this.#attached.push(await picture(file));
      this.say("");
    } catch (error) {
      this.say(words(error));
    }
    this.#drawAttached();
  }

  /** How the question is to be answered, as `POST /generations` takes it. @returns {Record<string, unknown>} */
  get options() {
    const fields = new FormData(this.#form);
    /** @type {Record<string, unknown>} */
    const options = {};
    for (const name of ["model", "system"]) {
      const value = `${fields.get(name) ?? ""}`.trim();
      if (value) options[name] = value;
    }
    for (const name of ["temperature", "max_tokens", "n"]) {
      const value = `${fields.get(name) ?? ""}`.trim();
      if (value) options[name] = Number(value);
    }
    return options;
  }

  async #submit() {
    if (this.#send.disabled) return;
    const text = this.#prompt.value;
    if (this.#send.hidden) {
      this.say("The answer is still being written. Stop it, or ask when it has ended.");
      return;
    }
    if (!text.trim() && this.#attached.length === 0) {
      this.say("Write something first.");
      this.focus();
      return;
    }
    if (!this.#valid()) return;
    const content = this.#content(text);
    const most = Number(this.#form.dataset.mostBytes);
    if (most && JSON.stringify(content).length > most) {
      this.say(`That is too large: with its pictures a question may have ${Math.floor(most / 2 ** 20)} MB.`);
      return;
    }
    this.#send.disabled = true;
    this.say("");
    try {
      await this.#ask(content, this.options);
      this.#prompt.value = "";
      this.#attached = [];
      this.#drawAttached();
      this.#grow();
    } catch (error) {
      this.say(words(error));
    }
    this.#send.disabled = false;
    this.focus();
  }

  /** A field that is wrong is shown, also one in the folded options. */
  #valid() {
    if (this.#form.checkValidity()) return true;
    /** @type {HTMLDetailsElement} */ (part(this.#form, "options")).open = true;
    this.#form.reportValidity();
    return false;
  }

  /** @param {string} text */
  #content(text) {
    if (this.#attached.length === 0) return text;
    const images = this.#attached.map((url) => ({ type: "image_url", image_url: { url } }));
    return [...(text.trim() ? [{ type: "text", text }] : []), ...images];
  }

  /** @param {Event} event @param {DataTransfer | null} from */
  #take(event, from) {
    const files = [...(from?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (files.length === 0) return;
    event.preventDefault();
    this.attach(files);
  }

  #drawAttached() {
    const list = part(this.#form, "attached");
    list.hidden = this.#attached.length === 0;
    list.replaceChildren(
      ...pictures(this.#attached).map((image, at) => {
        const item = element("li");
        const remove = element("button", "×", "remove");
        remove.setAttribute("type", "button");
        remove.setAttribute("aria-label", `Remove picture ${at + 1}`);
        remove.onclick = () => {
          this.#attached.splice(at, 1);
          this.#drawAttached();
          this.focus();
        };
        item.append(image, remove);
        return item;
      }),
    );
  }

  /** The box grows with its text, up to a limit that the style sheet sets. */
  #grow() {
    this.#prompt.rows = Math.min(Math.max(this.#prompt.value.split("\n").length, 1), 12);
  }

  #closeOptionsOutside() {
    const options = /** @type {HTMLDetailsElement} */ (part(this.#form, "options"));
    addEventListener("click", (event) => {
      if (!options.contains(/** @type {Node} */ (event.target))) options.open = false;
    });
    options.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      options.open = false;
      options.querySelector("summary")?.focus();
    });
  }

  #keepOptions() {
    localStorage.setItem(OPTIONS, JSON.stringify(this.options));
    part(this.#form, "options").dataset.set = `${Object.keys(this.options).some((name) => name !== "model")}`;
  }

  #restoreOptions() {
    let kept = {};
    try {
      kept = JSON.parse(localStorage.getItem(OPTIONS) ?? "{}");
    } catch {
      // Somebody else's, or broken: the defaults do.
    }
    for (const [name, value] of Object.entries(kept)) {
      const field = this.#form.elements.namedItem(name);
      if (field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement) {
        field.value = `${value}`;
      }
    }
    part(this.#form, "options").dataset.set = `${Object.keys(kept).some((name) => name !== "model")}`;
    const model = /** @type {any} */ (kept).model;
    if (model) this.#offer(model, true);
  }

  /** The models on offer, where the hub says. */
  async #models() {
    const { data } = await request("/v1/models").catch(() => ({ data: [] }));
    for (const { id } of data ?? []) this.#offer(id, false);
  }

  /** @param {string} id @param {boolean} chosen */
  #offer(id, chosen) {
    const select = /** @type {HTMLSelectElement} */ (part(this.#form, "models"));
    if (![...select.options].some((one) => one.value === id)) select.add(new Option(id, id));
    if (chosen) select.value = id;
  }
}
