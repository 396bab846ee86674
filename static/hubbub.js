// @ts-check
/**
 * Hubbub in the browser. No build step: `import { connect } from "/static/hubbub.js"`.
 *
 *     const hub = connect();
 *     const subscription = hub.subscribe(["news", "user:7:inbox"], {
 *       event(event) { show(event.channel, event.type, event.data); },
 *       state(state) { badge.textContent = state.name; },
 *     });
 *
 * All tabs of a browser share one connection for up to eight channels (a SharedWorker holds it;
 * where there is none, the page quietly holds its own). It reconnects after the last event, at the
 * server's pace, backing off while that fails; a connection on which even the heartbeats have
 * stopped is given up and opened anew. See docs/browser.md.
 *
 * @module
 */

import { PortServer } from "./hubbub/port_server.js";
import { Fold, isTerminal } from "./hubbub/fold.js";
import { post, request, RequestError } from "./hubbub/request.js";

export { Fold, isTerminal, RequestError };

/**
 * @typedef {import("./hubbub/parser.js").HubEvent} HubEvent
 * @typedef {import("./hubbub/stream.js").StreamState} StreamState
 * @typedef {import("./hubbub/pool.js").Verdict} Verdict
 * @typedef {import("./hubbub/pool.js").Message} Message
 * @typedef {import("./hubbub/port_server.js").Reply} Reply
 *
 * @typedef {object} HubOptions
 * @property {string} [base]               the hub's address without a slash at its end; default: this origin
 * @property {string} [token]              sent as `Authorization: Bearer`; without it the cookie counts
 * @property {number} [heartbeatSeconds]   1 to 300; default 15
 * @property {boolean} [shared]            false: a connection of this page's own
 *
 * @typedef {object} Listener              every method may be left out
 * @property {(event: HubEvent) => void} [event]         each published event, in order, once
 * @property {(verdict: Verdict, channel: string) => void} [subscribed]
 *   at the start and after every reconnect: whether anything is missing
 * @property {(gap: { channel: string, after: string, reason: string }, channel: string) => void} [gap]
 *   events were lost beyond repair
 * @property {(closing: { reason: string, reconnect: boolean }, channel: string) => void} [closing]
 * @property {(listeners: number, tabs: number, channel: string) => void} [listeners]
 *   with every heartbeat: open streams everywhere, and how many tabs of this browser share ours
 * @property {(state: StreamState, channel: string) => void} [state]
 *
 * @typedef {object} Start
 * @property {"now" | "start"} [from]      default: from now; on a generation's channel its text so far
 * @property {string} [after]              go on after this event id (of a single channel)
 */

/** How long the worker may take to answer before the page listens by itself, until it does. */
const WORKER_LIMIT_MS = 4_000;
/** Part of the worker's name: pages of another version get a worker of their own. */
const PROTOCOL = 2;

/** @param {HubOptions} [options] @returns {Hub} */
export function connect(options = {}) {
  return new Hub(options);
}

export class Hub {
  #origin;
  #heartbeatSeconds;
  #link;

  /** @param {HubOptions} options */
  constructor({ base = "", token = "", heartbeatSeconds = 15, shared = true }) {
    this.#origin = { base: base || location.origin, token };
    this.#heartbeatSeconds = heartbeatSeconds;
    this.#link = new Link(shared);
  }

  /** Whether the tabs of this browser share the connection. */
  get shared() {
    return this.#link.shared;
  }

  /**
   * Listen to one channel or several; all subscriptions share the connection.
   *
   * @param {string | string[]} channels
   * @param {Listener} listener
   * @param {Start} [start]
   * @returns {Subscription}
   */
  subscribe(channels, listener, { from, after = "" } = {}) {
    const ids = [channels].flat().map((channel) =>
      this.#link.subscribe((message) => tell(listener, message), {
        channel,
        from,
        after,
        heartbeatSeconds: this.#heartbeatSeconds,
        ...this.#origin,
      }),
    );
    return new Subscription(() => {
      for (const id of ids) this.#link.unsubscribe(id);
    });
  }

  /** Do not wait for the next try; `refused`: ask again where the hub refused (a token came). */
  hurry({ refused = false } = {}) {
    this.#link.hurry(refused);
  }

  /** Drop the connection as a network would, to see what a resume does. It comes back by itself. */
  cut() {
    this.#link.cut();
  }

  /**
   * A request to the hub with this hub's token; answers with its JSON.
   *
   * @param {string} path
   * @param {{ method?: string, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal }} [options]
   * @throws {RequestError}
   */
  request(path, options) {
    return request(this.#origin, path, options);
  }

  /**
   * Publish; answers with the event's id. Safe to repeat: the key makes two tries one event.
   *
   * @param {string} channel
   * @param {unknown} data             a string travels as it is, anything else as JSON
   * @param {{ event?: string, key?: string }} [options]
   * @returns {Promise<string>}
   */
  async publish(channel, data, { event = "message", key = randomKey() } = {}) {
    const answer = await this.request(`/channels/${encodeURIComponent(channel)}/events`, {
      method: "POST",
      body: { event, data },
      headers: { "Idempotency-Key": key },
    });
    return answer.id;
  }

  /**
   * Ask a model: `{ prompt }` or `{ messages, … }`. Answers with `{ id, channel, page, … }`; listen
   * to `channel` for the text.
   *
   * @param {Record<string, unknown>} question
   * @param {{ key?: string }} [options]
   * @returns {Promise<{ id: string, status: string, channel: string, events: string, page: string, created: string }>}
   */
  generate(question, { key = randomKey() } = {}) {
    return this.request("/generations", {
      method: "POST",
      body: question,
      headers: { "Idempotency-Key": key },
    });
  }

  /**
   * Ask and read the stream in one request, with headers of your own: for those who want neither a
   * shared connection nor a channel's name. A connection that drops is taken up where it stopped.
   *
   * @param {string} path              such as `/generations` or `/generations?format=text`
   * @param {{ body?: unknown, headers?: Record<string, string>, signal?: AbortSignal,
   *           located?: (location: string) => void }} [options]
   * @returns {AsyncGenerator<HubEvent>}
   */
  post(path, options) {
    return post(this.#origin, path, options);
  }
}

/** What `subscribe` answers with. */
export class Subscription {
  #leave;

  /** @param {() => void} leave */
  constructor(leave) {
    this.#leave = leave;
  }

  /** Stop listening. */
  close() {
    this.#leave();
  }
}

/** @param {Listener} listener @param {Message} message */
function tell(listener, message) {
  const { channel } = message;
  if (message.kind === "events") {
    for (const event of message.events) listener.event?.(event);
  } else if (message.kind === "subscribed") listener.subscribed?.(message.verdict, channel);
  else if (message.kind === "gap") listener.gap?.(message.gap, channel);
  else if (message.kind === "closing") listener.closing?.(message.closing, channel);
  else if (message.kind === "listeners") {
    listener.listeners?.(message.listeners, message.tabs, channel);
  } else listener.state?.(message.state, channel);
}

/** @returns {string} */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The way to the port server: in the SharedWorker, or in this page.
 *
 * @typedef {object} SubscribeRequest
 * @property {string} channel
 * @property {"now" | "start" | undefined} from
 * @property {string} after
 * @property {string} base
 * @property {string} token
 * @property {number} heartbeatSeconds
 */
class Link {
  /** @type {MessagePort | null} */
  #port = null;
  /** @type {Map<number, { wanted: SubscribeRequest, deliver: (message: Message) => void }>} */
  #open = new Map();
  #ids = 0;
  #lock = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #workerTimer;

  shared = false;

  /** @param {boolean} shared */
  constructor(shared) {
    if (!shared || !this.#startWorker()) this.#serveHere();
    addEventListener("online", () => this.hurry(false));
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.hurry(false);
    });
    // A page that is put away may be brought back as it was: then it goes on where it was.
    addEventListener("pagehide", () => this.#port?.postMessage({ op: "leave" }));
    addEventListener("pageshow", (event) => {
      if (event.persisted) this.#resubscribe();
    });
  }

  /** @param {(message: Message) => void} deliver @param {SubscribeRequest} wanted @returns {number} */
  subscribe(deliver, wanted) {
    this.#ids += 1;
    const id = this.#ids;
    this.#open.set(id, { wanted, deliver });
    this.#port?.postMessage({ op: "subscribe", id, ...wanted });
    return id;
  }

  /** @param {number} id */
  unsubscribe(id) {
    if (this.#open.delete(id)) this.#port?.postMessage({ op: "unsubscribe", id });
  }

  /** @param {boolean} refused */
  hurry(refused) {
    this.#port?.postMessage({ op: "hurry", refused });
  }

  cut() {
    this.#port?.postMessage({ op: "cut" });
  }

  /** @returns {boolean} whether a worker can be had at all */
  #startWorker() {
    if (typeof SharedWorker === "undefined") return false;
    try {
      const url = trusted(new URL("./hubbub/worker.js", import.meta.url).href);
      const worker = new SharedWorker(url, { type: "module", name: `hubbub-${PROTOCOL}` });
      worker.onerror = () => this.#serveHere();
      this.#workerTimer = setTimeout(() => this.#serveHere(), WORKER_LIMIT_MS);
      this.shared = true;
      this.#use(worker.port);
      return true;
    } catch {
      return false;
    }
  }

  /** No worker, or one that does not answer yet: a port server of this page's own. */
  #serveHere() {
    if (this.#port && !this.shared) return;
    clearTimeout(this.#workerTimer);
    this.shared = false;
    const channel = new MessageChannel();
    new PortServer().serve(channel.port1);
    this.#use(channel.port2);
  }

  /** @param {MessagePort} port */
  #use(port) {
    port.onmessage = ({ data }) => {
      const reply = /** @type {Reply} */ (data);
      if (reply.op === "ready") this.#ready(port);
      else if (port === this.#port) this.#take(reply);
    };
    port.start();
    this.#holdLock().then((lock) => port.postMessage({ op: "hello", lock }));
    this.#moveTo(port);
  }

  /** A worker that answers late, on a slow machine, is shared all the same. @param {MessagePort} port */
  #ready(port) {
    clearTimeout(this.#workerTimer);
    if (port === this.#port) return;
    this.shared = true;
    this.#moveTo(port);
  }

  /** @param {MessagePort} port */
  #moveTo(port) {
    this.#port?.postMessage({ op: "leave" });
    this.#port = port;
    this.#resubscribe();
  }

  /** @param {Extract<Reply, { op: "message" }>} reply */
  #take({ id, message }) {
    const open = this.#open.get(id);
    if (!open) return;
    const { wanted, deliver } = open;
    // Where another port goes on; a generation begins with its text so far.
    if (!wanted.channel.startsWith("generation:")) {
      if (message.kind === "events") wanted.after = message.events[message.events.length - 1].id;
      else if (message.kind === "subscribed" && wanted.from !== "start") {
        wanted.after ||= message.verdict.last_event_id ?? "";
      }
    }
    deliver(message);
  }

  #resubscribe() {
    for (const [id, { wanted }] of this.#open) this.#port?.postMessage({ op: "subscribe", id, ...wanted });
  }

  /** Hold a lock for as long as this page lives; answers with its name once it is held. */
  async #holdLock() {
    if (this.#lock || !navigator.locks) return this.#lock;
    const name = `hubbub-tab-${randomKey()}`;
    await new Promise((held) => {
      navigator.locks
        .request(name, () => {
          held(undefined);
          return new Promise(() => undefined);
        })
        .catch(held);
    });
    this.#lock = name;
    return name;
  }
}

/**
 * Where a page enforces Trusted Types, it lets in the one script that this module starts by itself.
 *
 * @param {string} url
 * @returns {string}
 */
function trusted(url) {
  policy ??= /** @type {any} */ (globalThis).trustedTypes?.createPolicy("hubbub", {
    createScriptURL: (/** @type {string} */ one) => one,
  });
  return policy ? policy.createScriptURL(url) : url;
}

/** @type {any} */
let policy;
