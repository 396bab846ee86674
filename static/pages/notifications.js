// @ts-check
/** `/notifications`: follow channels, see what arrives on them, push to them. @module */

import { RequestError } from "../hubbub.js";
import { ConnectionView } from "./connection.js";
import { clock, copyOf, element, part } from "./dom.js";
import { channels, follow } from "./followed.js";
import { gist, Inbox } from "./inbox.js";
import { timeOf } from "../hubbub/ids.js";
import { hub, signIn, words } from "./session.js";

/**
 * @typedef {import("../hubbub.js").HubEvent} HubEvent
 * @typedef {import("../hubbub.js").StreamState} StreamState
 */

const SHOWN = 500;
const MOST_CHANNELS = 8;
const DEFAULT = "news";
const NEW_MS = 3_000;
const openedMs = Date.now();

const push = /** @type {HTMLFormElement} */ (part(document, "push"));
const listen = /** @type {HTMLFormElement} */ (part(document, "listen"));
const events = part(document, "events");
const note = part(document, "note");
/** @type {Map<string, string>} */
const troubles = new Map();
const connection = new ConnectionView(part(document, "connection"));
/** @type {Map<string, import("../hubbub.js").Subscription>} */
const subscriptions = new Map();
/** @type {Map<string, number>} */
const listeners = new Map();

push.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(push);
  const problem = part(push, "push-problem");
  const button = /** @type {HTMLButtonElement} */ (push.querySelector("button"));
  problem.textContent = "";
  button.disabled = true;
  try {
    const type = `${fields.get("event")}`.trim() || "message";
    const id = await hub.publish(`${fields.get("channel")}`.trim(), `${fields.get("data")}`, {
      event: type,
    });
    part(push, "pushed").textContent = `Stored as ${id}.`;
  } catch (error) {
    part(push, "pushed").textContent = "";
    problem.textContent = words(error);
  }
  button.disabled = false;
});

listen.addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = /** @type {HTMLInputElement} */ (listen.elements.namedItem("channel"));
  const name = field.value.trim();
  const followed = channels();
  const problem = part(listen.parentElement ?? document, "listen-problem");
  problem.textContent = "";
  if (!name) problem.textContent = "Name a channel.";
  else if (followed.length >= MOST_CHANNELS) problem.textContent = `Eight is the most: leave one first.`;
  else {
    problem.textContent = await misnamed(name);
    if (problem.textContent) return;
    field.value = "";
    change([...new Set([...channels(), name])]);
  }
});

/** What is wrong with a channel's name, or "". @param {string} name */
async function misnamed(name) {
  try {
    await hub.request(`/channels/${encodeURIComponent(name)}`);
  } catch (error) {
    if (error instanceof RequestError && error.problem.status === 400) return words(error);
  }
  return "";
}

part(document, "clear").onclick = () => {
  events.replaceChildren();
  count();
};

function count() {
  part(document, "none").hidden = events.children.length > 0;
  part(document, "clear").hidden = events.children.length === 0;
}

/** @param {string[]} names */
function change(names) {
  follow(names);
  inbox.refresh();
  subscribe();
}

/** Make the subscriptions those of the followed channels. */
function subscribe() {
  const names = channels();
  for (const [name, subscription] of subscriptions) {
    if (names.includes(name)) continue;
    subscription.close();
    subscriptions.delete(name);
    listeners.delete(name);
    say(name, "");
    for (const item of [...events.children]) {
      if (/** @type {HTMLElement} */ (item).dataset.of === name) item.remove();
    }
  }
  count();
  for (const name of names) {
    if (subscriptions.has(name)) continue;
    const subscription = hub.subscribe(
      name,
      {
        event: show,
        state,
        subscribed: (verdict, channel) => {
          if (!verdict.recovered) say(channel, missing(channel, verdict.reason ?? ""));
        },
        gap: (gap, channel) => say(channel, missing(channel, gap.reason)),
        listeners: (count, _, channel) => {
          listeners.set(channel, count);
          watchers();
        },
      },
      { from: "start" },
    );
    subscriptions.set(name, subscription);
  }
  part(document, "channels").replaceChildren(...names.map(chip));
  watchers();
}

/** @param {string} name */
function chip(name) {
  const item = element("li", name);
  item.append(element("span", "", "hint"));
  item.dataset.chip = name;
  const leave = element("button", "×", "quiet small");
  leave.setAttribute("type", "button");
  leave.setAttribute("aria-label", `Leave ${name}`);
  leave.onclick = () => change(channels().filter((one) => one !== name));
  item.append(leave);
  return item;
}

/** @param {StreamState} to @param {string} channel */
function state(to, channel) {
  connection.show(to);
  if (to.name === "open") say(channel, "");
  if (to.name === "refused") {
    if (to.problem?.status === 401) signIn();
    say(channel, `${channel}: ${to.problem?.detail || to.problem?.title || "refused"}`);
  }
}

/** @param {string} channel @param {string} reason */
function missing(channel, reason) {
  return `Some events of ${channel} are missing (${reason}).`;
}

/** How many listen: beside each channel's name, and in words above where there is only one. */
function watchers() {
  const chips = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-chip]"));
  const node = part(document, "watchers");
  node.hidden = chips.length !== 1 || listeners.size === 0;
  for (const chip of chips) {
    const count = listeners.get(chip.dataset.chip ?? "");
    const words = count === undefined ? "" : `${count} listening`;
    const shown = /** @type {HTMLElement} */ (chip.querySelector("span"));
    shown.textContent = chips.length > 1 && words ? `${count}` : "";
    shown.title = node.textContent = words;
  }
}

/** @param {HubEvent} event */
function show(event) {
  const item = copyOf("event");
  const atMs = timeOf(event.id) || Date.now();
  item.dataset.of = event.channel;
  item.dataset.at = `${atMs}`;
  const time = item.querySelector("time");
  if (time) time.textContent = clock(atMs);
  part(item, "channel").textContent = event.channel;
  part(item, "type").textContent = event.type;
  part(item, "id").textContent = event.id;
  part(item, "data").textContent = event.data;
  if (atMs > openedMs) {
    item.classList.add("new");
    setTimeout(() => item.classList.remove("new"), NEW_MS);
    if (document.visibilityState !== "visible") announce(event);
  }
  // Several channels' histories come one after the other: they are shown as they happened.
  const later = /** @type {HTMLElement[]} */ ([...events.children]);
  events.insertBefore(item, later.find((one) => Number(one.dataset.at) <= atMs) ?? null);
  if (events.children.length > SHOWN) events.lastElementChild?.remove();
  count();
  inbox.take(event);
}

/** Where the browser allows it; several tabs make one of it by its tag. @param {HubEvent} event */
function announce({ channel, data, id }) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  new Notification(channel, { body: gist(data).slice(0, 300), tag: `${channel} ${id}` });
}

function offerNotifications() {
  const button = part(document, "notify");
  button.hidden = !("Notification" in window) || Notification.permission !== "default";
  button.onclick = async () => {
    await Notification.requestPermission();
    offerNotifications();
  };
}

/** What is wrong with a channel stands until that one is well or left. @param {string} channel @param {string} text */
function say(channel, text) {
  if (text) troubles.set(channel, text);
  else troubles.delete(channel);
  note.textContent = [...troubles.values()].join(" ");
  note.hidden = troubles.size === 0;
}

const asked = new URLSearchParams(location.search).get("channel");
if (asked) {
  const names = asked.split(",").map((one) => one.trim()).filter(Boolean);
  follow([...new Set([...names, ...channels()])].slice(0, MOST_CHANNELS));
  /** @type {HTMLInputElement} */ (push.elements.namedItem("channel")).value = names[0] ?? DEFAULT;
} else if (channels().length === 0) follow([DEFAULT]);
const inbox = new Inbox(() => document.visibilityState === "visible");
addEventListener("storage", subscribe);
subscribe();
offerNotifications();
