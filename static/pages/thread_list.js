// @ts-check
/**
 * The conversations beside the one that is open: search, rename, delete.
 *
 * Tabs of one browser tell each other that the list has changed; another browser sees it when its
 * page is looked at again.
 *
 * @module
 */

import { pageOf, threadPage } from "./address.js";
import { ago, copyOf, element, part } from "./dom.js";
import { request, words } from "./session.js";

/**
 * @typedef {object} Summary
 * @property {string} id
 * @property {string} name
 * @property {string} updated
 *
 * @typedef {object} Hooks
 * @property {(id: string) => void} open
 * @property {(id: string) => void} deleted
 */

const SHOWN = 100;
const RECENT = 20;
const NAMELESS = "A picture";

export class ThreadList {
  #root;
  #hooks;
  /** @type {Summary[]} */
  #threads = [];
  #current = "";
  #news = new BroadcastChannel("hubbub-threads");
  #loading = false;
  #again = false;

  /** @param {HTMLElement} root @param {Hooks} hooks */
  constructor(root, hooks) {
    this.#root = root;
    this.#hooks = hooks;
    part(root, "search").addEventListener("input", () => this.#draw());
    this.#news.onmessage = () => this.load();
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.load();
    });
    addEventListener("click", (event) => this.#closeMenus(/** @type {Node} */ (event.target)));
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#closeMenus(null);
    });
    this.load();
  }

  /** The conversation that is open. @param {string} id */
  set current(id) {
    this.#current = id;
    this.#draw();
  }

  /** The list is another: here, and in the browser's other tabs. */
  changed() {
    this.#news.postMessage("");
    this.load();
  }

  async load() {
    this.#again = this.#loading;
    if (this.#loading) return;
    this.#loading = true;
    try {
      const [{ threads }, { generations }] = await Promise.all([
        request(`/threads?limit=${SHOWN}`),
        request(`/generations?limit=${RECENT}`),
      ]);
      this.#threads = threads;
      this.#draw();
      this.#drawElsewhere(generations.filter((/** @type {any} */ one) => !one.metadata?.thread));
    } catch (error) {
      this.#say(words(error));
    }
    this.#loading = false;
    if (this.#again) this.load();
  }

  #draw() {
    const search = /** @type {HTMLInputElement} */ (part(this.#root, "search"));
    const wanted = search.value.trim().toLocaleLowerCase();
    const shown = this.#threads.filter(({ name }) => name.toLocaleLowerCase().includes(wanted));
    const rows = part(this.#root, "thread-list");
    const focused = rows.contains(document.activeElement)
      ? /** @type {HTMLElement | null} */ (document.activeElement?.closest("li"))?.dataset.thread
      : undefined;
    rows.replaceChildren(...shown.map((thread) => this.#row(thread)));
    // The rows are new ones; the keyboard stays at its conversation.
    if (focused !== undefined) {
      const row = [...rows.children].find((one) => /** @type {HTMLElement} */ (one).dataset.thread === focused);
      (row?.querySelector("a") ?? search).focus();
    }
    if (shown.length > 0) this.#say("");
    else this.#say(wanted ? `Nothing is called “${search.value.trim()}”.` : "No conversation yet.");
  }

  /** @param {string} text */
  #say(text) {
    part(this.#root, "threads-empty").textContent = text;
    part(this.#root, "threads-empty").hidden = !text;
  }

  /** @param {Summary} thread */
  #row(thread) {
    const row = copyOf("thread");
    row.dataset.thread = thread.id;
    const name = thread.name || NAMELESS;
    const link = /** @type {HTMLAnchorElement} */ (part(row, "link"));
    link.href = threadPage(thread.id);
    if (thread.id === this.#current) link.setAttribute("aria-current", "page");
    link.onclick = (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      this.#hooks.open(thread.id);
    };
    part(row, "name").textContent = name;
    part(row, "when").textContent = ago(thread.updated);
    part(row, "menu-name").textContent = `More about ${name}`;
    part(row, "rename").onclick = () => {
      this.#closeMenus(null); // where the dialog gives the focus back is in sight
      this.#rename(thread);
    };
    part(row, "delete").onclick = () => {
      this.#closeMenus(null);
      this.#delete(thread);
    };
    return row;
  }

  /** @param {any[]} generations */
  #drawElsewhere(generations) {
    part(this.#root, "elsewhere").hidden = generations.length === 0;
    part(this.#root, "recent").replaceChildren(
      ...generations.map(({ id, status, created, question }) => {
        const item = element("li");
        const link = /** @type {HTMLAnchorElement} */ (element("a"));
        link.href = pageOf(id);
        const about = element("span", "", "about");
        const state = element("span", status, "badge");
        state.dataset.status = status;
        about.append(state, element("time", ago(created)));
        const name = element("span", `${question ?? ""}`.trim() || id, "start");
        name.dir = "auto";
        link.append(name, about);
        item.append(link);
        return item;
      }),
    );
  }

  /** @param {Summary} thread */
  async #rename(thread) {
    const dialog = /** @type {HTMLDialogElement} */ (part(document, "name-dialog"));
    const field = /** @type {HTMLInputElement} */ (dialog.querySelector("input"));
    field.value = thread.name;
    if (!(await chosen(dialog)) || !field.value.trim()) return;
    await this.#change(thread, { method: "PATCH", body: { name: field.value.trim() } });
  }

  /** @param {Summary} thread */
  async #delete(thread) {
    if (!(await chosen(/** @type {HTMLDialogElement} */ (part(document, "delete-dialog"))))) return;
    if (await this.#change(thread, { method: "DELETE" })) this.#hooks.deleted(thread.id);
  }

  /** @param {Summary} thread @param {{ method: string, body?: unknown }} how */
  async #change(thread, how) {
    try {
      await request(`/threads/${encodeURIComponent(thread.id)}`, how);
      this.changed();
      return true;
    } catch (error) {
      this.#say(words(error));
      return false;
    }
  }

  /** @param {Node | null} but */
  #closeMenus(but) {
    for (const menu of this.#root.querySelectorAll("details.menu[open]")) {
      if (but && menu.contains(but)) continue;
      if (menu.contains(document.activeElement)) menu.querySelector("summary")?.focus();
      /** @type {HTMLDetailsElement} */ (menu).open = false;
    }
  }
}

/** @param {HTMLDialogElement} dialog @returns {Promise<boolean>} whether it was answered with yes */
function chosen(dialog) {
  dialog.returnValue = "";
  part(dialog, "cancel").onclick = () => dialog.close("");
  dialog.showModal();
  dialog.querySelector("input")?.select();
  return new Promise((done) => {
    dialog.onclose = () => done(dialog.returnValue === "yes");
  });
}
