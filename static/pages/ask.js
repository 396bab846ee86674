// @ts-check
/** `/`: conversations with a model, watched live. @module */

import { address, threadPage } from "./address.js";
import { copyText } from "./clipboard.js";
import { Composer } from "./composer.js";
import { ConnectionView } from "./connection.js";
import { Conversation } from "./conversation.js";
import { part } from "./dom.js";
import { Follow } from "./follow.js";
import { Inbox } from "./inbox.js";
import { prepare } from "./markdown.js";
import { request } from "./session.js";
import { ThreadList } from "./thread_list.js";
import { setTitle } from "./title.js";
import { WatchersView } from "./watchers.js";

/** @typedef {import("./generation_view.js").GenerationView} GenerationView */

const title = document.title;
const connection = new ConnectionView(part(document, "connection"));
const watchers = new WatchersView(part(document, "watchers"));
const follow = new Follow(document.body, part(document, "to-end"));
const stop = part(document, "stop-thread");

/** The turn whose question is being edited, and the one it follows. @type {{ parent: string } | null} */
let editing = null;
/** One key for one question: trying again after a lost answer must not ask twice. */
let attempt = { body: "", key: "" };
/** What the conversation will be called whose first question has not been asked yet. */
let unborn = randomId();

const conversation = new Conversation(part(document, "turns"), {
  named: (text) => name(text, "A picture"),
  changed: drawState,
  state: (state) => connection.show(state),
  watchers: (channel, listeners, tabs) => {
    if (listeners > 0) watchers.show(channel, listeners, tabs);
    else watchers.drop(channel);
  },
  note: (text) => {
    part(document, "thread-note").textContent = text;
    part(document, "thread-note").hidden = !text;
  },
  edit: (view, parent) => edit({ parent }, view.asked),
  again: (view, parent) => ask(view.asked, composer.options, parent).catch((error) => composer.say(`${error.message}`)),
});

const composer = new Composer(/** @type {HTMLFormElement} */ (part(document, "ask")), async (content, options) => {
  await ask(content, options, editing ? editing.parent : (conversation.last?.id ?? ""));
  edit(null);
});

const list = new ThreadList(part(document, "threads"), {
  open: (id) => {
    history.pushState(null, "", threadPage(id));
    show();
    composer.focus();
  },
  deleted: (id) => {
    // Not the conversation's id: where its channel was faster than the answer, it has none any more.
    if (id === threadInAddress()) fresh();
  },
});

/**
 * Ask: the thread so far, and then this.
 *
 * @param {unknown} content
 * @param {Record<string, unknown>} options
 * @param {string} parent   the turn that it follows, or ""
 */
async function ask(content, options, parent) {
  const thread = conversation.id || unborn;
  const body = {
    messages: [...conversation.messages(parent), { role: "user", content }],
    ...options,
    metadata: { thread, ...(parent ? { parent } : {}) },
  };
  const text = JSON.stringify(body);
  if (attempt.body !== text) attempt = { body: text, key: randomId() };
  const headers = { "Idempotency-Key": attempt.key };
  const generation = await request("/generations", { method: "POST", body, headers });
  attempt = { body: "", key: "" };
  unborn = randomId();
  if (!conversation.id) {
    history.pushState(null, "", threadPage(thread));
    conversation.open(thread);
    list.current = thread;
  }
  conversation.add({ id: generation.id, parent: parent || null });
  follow.toEnd();
  list.changed();
}

/** @returns {string} */
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {{ parent: string } | null} turn @param {unknown} [asked] */
function edit(turn, asked) {
  editing = turn;
  part(document, "editing").hidden = !turn;
  if (turn) composer.fill(asked);
}

/** @param {string} text @param {string} [otherwise] */
function name(text, otherwise = "") {
  part(document, "thread-name").textContent = text || otherwise;
  setTitle(text ? `${text} · ${title}` : title);
}

/** What depends on the turns and their states. */
function drawState() {
  const last = conversation.last;
  const empty = !conversation.id;
  part(document, "welcome").hidden = !empty;
  part(document, "thread-head").hidden = empty;
  const busy = Boolean(last && !last.ended && !last.missing);
  stop.hidden = !busy;
  composer.busy = busy;
}

/** @returns {string} */
function threadInAddress() {
  return new URLSearchParams(location.search).get("thread") ?? "";
}

/** Show what the address names. */
function show() {
  const thread = threadInAddress();
  edit(null);
  composer.say("");
  watchers.clear();
  name("");
  part(document, "thread-note").hidden = true;
  conversation.open(thread);
  list.current = thread;
  openList(false);
  if (thread) follow.toEnd();
}

function fresh() {
  history.pushState(null, "", address("/"));
  show();
  composer.focus();
}

/** @param {boolean} open   the list, where it does not stand beside the conversation */
function openList(open) {
  part(document, "threads").classList.toggle("open", open);
  part(document, "open-list").setAttribute("aria-expanded", `${open}`);
}

function closeList() {
  if (!part(document, "threads").classList.contains("open")) return;
  openList(false);
  part(document, "open-list").focus();
}

part(document, "open-list").onclick = () => {
  openList(true);
  part(document, "new").focus();
};
part(document, "close-list").onclick = closeList;
// The shade beside it is a part of it.
part(document, "threads").addEventListener("click", (event) => {
  if (event.clientX > part(document, "threads").offsetWidth) openList(false);
});
part(document, "new").onclick = (event) => {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  fresh();
};
part(document, "edit-stop").onclick = () => {
  edit(null);
  composer.fill("");
};
part(document, "thread-link").onclick = (event) => {
  copyText(location.href, /** @type {HTMLElement} */ (event.currentTarget));
};
stop.onclick = () => conversation.last?.stop();
for (const idea of document.querySelectorAll("[data-idea]")) {
  idea.addEventListener("click", () => composer.fill(idea.textContent ?? ""));
}
// While a question is typed, what its answer is drawn with arrives; should it not, the answer asks again.
part(document, "prompt").addEventListener("input", () => prepare().catch(() => undefined), { once: true });
addEventListener("popstate", show);
addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeList();
});
new Inbox();
show();
