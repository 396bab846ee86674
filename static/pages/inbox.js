// @ts-check
/**
 * What arrives on the followed channels, in every tab and on every page: an unread count in the
 * navigation and in the title, and a toast for what comes in live.
 *
 * @module
 */

import { address } from "./address.js";
import { element, part } from "./dom.js";
import { channels, markRead, readUpTo, whenChanged } from "./followed.js";
import { isAfter, timeOf } from "../hubbub/ids.js";
import { hub } from "./session.js";
import { setUnread } from "./title.js";

/** @typedef {import("../hubbub.js").HubEvent} HubEvent */

const TOAST_MS = 6_000;
const TOASTS = 3;
/** Older ones were there before this page was: they are counted, but make no toast. */
const FRESH_MS = 10_000;

export class Inbox {
  #badge = part(document, "unread");
  #toasts = part(document, "toasts");
  #reading;
  /** @type {Map<string, string[]>} channel to the ids that came */
  #came = new Map();
  /** @type {Map<string, import("../hubbub.js").Subscription>} */
  #subscriptions = new Map();
  #openedMs = Date.now();

  /** @param {() => boolean} [reading]   whether what comes is seen on this page anyway */
  constructor(reading = () => false) {
    this.#reading = reading;
    whenChanged(() => this.refresh());
    document.addEventListener("visibilitychange", () => this.refresh());
    this.refresh();
  }

  /** The channels, or what has been read of them, are others. */
  refresh() {
    const wanted = new Set(channels());
    for (const [name, subscription] of this.#subscriptions) {
      if (wanted.has(name)) continue;
      subscription.close();
      this.#subscriptions.delete(name);
      this.#came.delete(name);
    }
    for (const name of wanted) {
      if (!this.#subscriptions.has(name)) this.#subscriptions.set(name, this.#subscribe(name));
    }
    this.#count();
  }

  /** @param {string} channel */
  #subscribe(channel) {
    const after = readUpTo(channel);
    const start = after ? { after } : /** @type {{ from: "now" }} */ ({ from: "now" });
    return hub.subscribe(channel, { event: (event) => this.take(event) }, start);
  }

  /** An event of a followed channel, however this page came by it. @param {HubEvent} event */
  take(event) {
    const came = this.#came.get(event.channel) ?? [];
    if (came.includes(event.id)) return;
    this.#came.set(event.channel, [...came, event.id]);
    if (timeOf(event.id) > this.#openedMs - FRESH_MS) this.#toast(event);
    this.#count();
  }

  #count() {
    let unread = 0;
    for (const [channel, ids] of this.#came) {
      const newest = ids.reduce((one, other) => (isAfter(other, one) ? other : one), "");
      if (newest && this.#reading()) markRead(channel, newest);
      const read = readUpTo(channel);
      const left = ids.filter((id) => isAfter(id, read));
      this.#came.set(channel, left.length > 0 ? left : newest ? [newest] : []);
      unread += left.length;
    }
    this.#badge.textContent = unread > 99 ? "99+" : `${unread}`;
    this.#badge.hidden = unread === 0;
    this.#badge.setAttribute("aria-label", `${unread} unread`);
    setUnread(unread);
  }

  /** @param {HubEvent} event */
  #toast(event) {
    if (document.visibilityState !== "visible" || this.#reading()) return;
    const toast = element("li");
    const about = element("span", "", "about");
    const link = /** @type {HTMLAnchorElement} */ (element("a", event.channel));
    link.href = address("/notifications");
    about.append(link, element("span", event.type === "message" ? "" : event.type));
    toast.append(about, element("pre", gist(event.data)));
    toast.onclick = () => toast.remove();
    this.#toasts.append(toast);
    while (this.#toasts.children.length > TOASTS) this.#toasts.firstElementChild?.remove();
    const timer = setInterval(() => {
      if (toast.matches(":hover, :focus-within")) return; // it is being read
      toast.remove();
      clearInterval(timer);
    }, TOAST_MS);
  }
}

/** An event's data for a person: of an object, its title and its words. @param {string} data */
export function gist(data) {
  try {
    const { title, body, text, message } = JSON.parse(data);
    return [title, body ?? text ?? message].filter((one) => typeof one === "string").join("\n") || data;
  } catch {
    return data;
  }
}
