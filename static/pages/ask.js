// @ts-check
/** `/`: ask a model and watch; what was asked lately stands beside it. @module */

import { ago, element, part } from "./dom.js";
import { GenerationView } from "./generation_view.js";
import { address, request, words } from "./session.js";

const form = /** @type {HTMLFormElement} */ (part(document, "ask"));
const prompt = /** @type {HTMLTextAreaElement} */ (part(form, "prompt"));
const send = /** @type {HTMLButtonElement} */ (part(form, "send"));
const problem = part(form, "problem");
const recent = part(document, "recent");
const view = new GenerationView(part(document, "generation"), () => refresh());
const RECENT = 12;
const WORDS_SHOWN = 90;

/** One key for one question: trying again after a lost answer must not ask twice. */
let key = "";

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
form.addEventListener("input", () => {
  key = "";
  problem.textContent = "";
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") refresh();
});

async function ask() {
  const body = question();
  if (!body || send.disabled) return;
  send.disabled = true;
  problem.textContent = "";
  key ||= Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("");
  try {
    const headers = { "Idempotency-Key": key };
    const generation = await request("/generations", { method: "POST", body, headers });
    key = "";
    prompt.value = "";
    // Who reloads the page goes on watching.
    history.replaceState(null, "", `#${generation.id}`);
    await view.watch(generation.id);
    refresh();
  } catch (error) {
    problem.textContent = words(error);
    prompt.focus();
  } finally {
    send.disabled = false;
  }
}

/** What the form asks, or null while it cannot be asked. @returns {Record<string, unknown> | null} */
function question() {
  if (!prompt.value.trim()) {
    problem.textContent = "Write something first.";
    prompt.focus();
    return null;
  }
  if (!form.reportValidity()) return null;
  const fields = new FormData(form);
  /** @type {Record<string, unknown>} */
  const body = { prompt: prompt.value };
  for (const name of ["model", "system"]) {
    const value = `${fields.get(name) ?? ""}`.trim();
    if (value) body[name] = value;
  }
  for (const name of ["temperature", "max_tokens", "n"]) {
    const value = `${fields.get(name) ?? ""}`.trim();
    if (value) body[name] = Number(value);
  }
  return body;
}

let refreshing = false;

async function refresh() {
  if (refreshing) return;
  refreshing = true;
  try {
    const { generations } = await request(`/generations?limit=${RECENT}`);
    recent.replaceChildren(...generations.map(row));
    part(document, "recent-empty").hidden = generations.length > 0;
  } catch (error) {
    part(document, "recent-empty").hidden = false;
    part(document, "recent-empty").textContent = words(error);
  }
  refreshing = false;
}

/** @param {any} generation */
function row({ id, status, created, question }) {
  const item = element("li");
  const link = /** @type {HTMLAnchorElement} */ (element("a"));
  link.href = address(`/g/${encodeURIComponent(id)}`);
  const text = `${question ?? ""}`.trim();
  const start = text.length > WORDS_SHOWN ? `${text.slice(0, WORDS_SHOWN)}…` : text;
  const state = element("span", status, "badge");
  state.dataset.status = status;
  const about = element("span", "", "about");
  about.append(state, element("time", ago(created)));
  link.append(element("span", start || id, "start"), about);
  item.append(link);
  return item;
}

/** The models on offer, where the hub says. */
async function models() {
  const list = part(form, "models");
  const { data } = await request("/v1/models").catch(() => ({ data: [] }));
  for (const { id } of data ?? []) {
    const option = /** @type {HTMLOptionElement} */ (element("option"));
    option.value = id;
    list.append(option);
  }
}

if (location.hash) view.watch(decodeURIComponent(location.hash.slice(1)));
refresh();
models();
