// @ts-check
/** `/notifications`: push events to channels, and see what arrives on them. @module */

import { ConnectionView } from "./connection.js";
import { clock, copyOf, part } from "./dom.js";
import { hub, signIn, words } from "./session.js";

/**
 * @typedef {import("../hubbub.js").HubEvent} HubEvent
 * @typedef {import("../hubbub.js").StreamState} StreamState
 */

const SHOWN = 500;
const push = /** @type {HTMLFormElement} */ (part(document, "push"));
const listen = /** @type {HTMLFormElement} */ (part(document, "listen"));
const events = part(document, "events");
const note = part(document, "note");
const connection = new ConnectionView(part(document, "connection"));
/** @type {import("../hubbub.js").Subscription | null} */
let subscription = null;
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

listen.addEventListener("submit", (event) => {
  event.preventDefault();
  begin();
});

part(document, "clear").onclick = () => {
  events.replaceChildren();
  part(document, "none").hidden = false;
};

function begin() {
  subscription?.close();
  const fields = new FormData(listen);
  const channels = [...new Set(`${fields.get("channels")}`.split(",").map((one) => one.trim()))];
  const names = channels.filter(Boolean);
  say(names.length === 0 ? "Name a channel." : "");
  if (names.length === 0) return;
  const address = new URL(location.href);
  address.searchParams.set("channel", names.join(","));
  history.replaceState(null, "", address);
  listeners.clear();
  subscription = hub.subscribe(
    names,
    {
      event: show,
      state,
      subscribed: (verdict, channel) => {
        if (!verdict.recovered) say(missing(channel, verdict.reason ?? ""));
      },
      gap: (gap, channel) => say(missing(channel, gap.reason)),
      listeners: (count, _, channel) => {
        listeners.set(channel, count);
        watchers();
      },
    },
    fields.get("start") ? { from: "start" } : {},
  );
}

/** @param {StreamState} to @param {string} channel */
function state(to, channel) {
  connection.show(to);
  if (to.name === "open") say("");
  if (to.name === "refused") {
    if (to.problem?.status === 401) signIn();
    say(`${channel}: ${to.problem?.detail || to.problem?.title || "refused"}`);
  }
}

/** @param {string} channel @param {string} reason */
function missing(channel, reason) {
  return `Some events of ${channel} are missing (${reason}).`;
}

function watchers() {
  const node = part(document, "watchers");
  node.hidden = false;
  node.textContent = [...listeners].map(([name, count]) => `${name}: ${count} listening`).join(", ");
}

/** @param {HubEvent} event */
function show(event) {
  const item = copyOf("event");
  const time = item.querySelector("time");
  if (time) time.textContent = clock(Number(event.id.split("-")[0]) || Date.now());
  part(item, "channel").textContent = event.channel;
  part(item, "type").textContent = event.type;
  part(item, "id").textContent = event.id;
  part(item, "data").textContent = event.data;
  events.prepend(item);
  if (events.children.length > SHOWN) events.lastElementChild?.remove();
  part(document, "none").hidden = true;
}

/** @param {string} text */
function say(text) {
  note.textContent = text;
  note.hidden = !text;
}

const asked = new URLSearchParams(location.search).get("channel");
if (asked) {
  /** @type {HTMLInputElement} */ (listen.elements.namedItem("channels")).value = asked;
  /** @type {HTMLInputElement} */ (push.elements.namedItem("channel")).value = asked.split(",")[0];
}
begin();
