// @ts-check
/**
 * One open stream that stays open: it reconnects with its last id, at the pace that the server asks
 * for, and notices a connection that died in silence.
 *
 * It promises to hand on every event in the order in which it came, and to say at any moment how
 * the connection stands. What an event means is none of its business, but for the hub's own
 * `subscribed` (how long a silence may last) and `closing` (whether to return).
 *
 * @module
 */

import { Parser } from "./parser.js";

/**
 * @typedef {import("./parser.js").HubEvent} HubEvent
 *
 * @typedef {object} Problem   what the server answered instead of a stream (RFC 9457)
 * @property {number} status
 * @property {string} code
 * @property {string} title
 * @property {string} detail
 *
 * @typedef {object} StreamState
 * @property {"connecting" | "open" | "waiting" | "ended" | "refused"} name
 *   `waiting`: the connection dropped and comes back at `until`; `ended`: nothing will follow;
 *   `refused`: the server will not have us, `problem` says why
 * @property {string} reason         why it is not open, in a word: `network`, `silence`, `status`,
 *   `end`, `cut`, or the reason of the hub's `closing`
 * @property {number} attempt        tries since it was last open
 * @property {number | null} until   when the next try is due, milliseconds since the epoch
 * @property {Problem | null} problem
 *
 * @typedef {object} StreamOptions
 * @property {string} url
 * @property {string} [lastId]
 * @property {Record<string, string>} [headers]
 * @property {number} [heartbeatSeconds]   the period asked for; the server's word wins
 * @property {(events: HubEvent[]) => void} events
 * @property {(state: StreamState) => void} [state]
 */

const LONGEST_WAIT_MS = 30_000;
const DEFAULT_RETRY_MS = 2_000;
/** How long the first byte of an answer may take, at the least and at the most. */
const CONNECT_LIMIT_MS = { least: 3_000, most: 10_000, slow: 30_000 };
/** Tries after which a network counts as slow rather than broken. */
const PATIENT_AFTER = 3;
/** An attempt that lived this long was a success; shorter ones go on backing off. */
const SETTLED_MS = 5_000;
const SILENT_PERIODS = 2.5;
/** Reasons of `closing` after which the server gave each listener a `retry:` of its own. */
const CLOSED_BY_HUB = new Set(["shutdown", "overloaded", "stalled"]);

export class Stream {
  #options;
  #heartbeatSeconds;
  /** @type {number} */
  #retryMs = DEFAULT_RETRY_MS;
  /** @type {AbortController | null} */
  #request = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watchdog;
  #openedAt = 0;
  #failures = 0;
  #closed = false;

  /** @type {StreamState} */
  state = { name: "connecting", reason: "", attempt: 0, until: null, problem: null };

  /** Where a reconnect goes on. */
  lastId;

  /** @param {StreamOptions} options */
  constructor(options) {
    this.#options = options;
    this.#heartbeatSeconds = options.heartbeatSeconds ?? 15;
    this.lastId = options.lastId ?? "";
    this.#connect();
  }

  /** Leave. Nothing is handed on afterwards. */
  close() {
    this.#stop();
    this.#closed = true;
  }

  /** All has been said: what its owner knows from the events themselves. */
  finish() {
    if (this.#closed) return;
    this.#stop();
    this.#become("ended", "end");
    this.#closed = true;
  }

  /** Do not wait any longer: the network is back, or somebody is looking. */
  hurry() {
    if (this.#closed) return;
    if (this.state.name === "waiting" || this.state.name === "refused") {
      this.#stop();
      this.#connect();
    }
  }

  /** Drop the connection as a network would. It comes back by itself, after its last event. */
  cut() {
    if (this.#closed || !this.#request) return;
    this.#request.abort();
    this.#lost("cut");
  }

  #stop() {
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    this.#request?.abort();
    this.#request = null;
  }

  /**
   * @param {StreamState["name"]} name
   * @param {string} [reason]
   * @param {Partial<StreamState>} [more]
   */
  #become(name, reason = "", more = {}) {
    if (this.#closed) return;
    this.state = { name, reason, attempt: this.#failures, until: null, problem: null, ...more };
    this.#options.state?.(this.state);
  }

  #connect() {
    this.#become("connecting", this.state.reason);
    const request = new AbortController();
    this.#request = request;
    this.#watch(this.#connectLimitMs());
    this.#run(request.signal)
      .catch(() => {
        // A try that was given up on purpose ends here, too; it has no say any more.
        if (!request.signal.aborted) this.#lost("network");
      })
      .finally(() => request.abort());
  }

  /**
   * After a silence the browser may well try a pooled connection that is as dead as the last one,
   * one after the other: each must be given up soon. A slow network gets more time later.
   */
  #connectLimitMs() {
    const { least, most, slow } = CONNECT_LIMIT_MS;
    if (this.#failures > PATIENT_AFTER) return slow;
    return Math.min(Math.max(this.#heartbeatSeconds * SILENT_PERIODS * 1000, least), most);
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "text/event-stream", ...this.#options.headers };
    if (this.lastId) headers["Last-Event-ID"] = this.lastId;
    const answer = await fetch(this.#options.url, {
      headers,
      signal,
      cache: "no-store",
      credentials: "same-origin",
    });
    if (signal.aborted) return;
    if (answer.status === 204) {
      this.#over("ended", "end");
      return;
    }
    const type = answer.headers.get("Content-Type") ?? "";
    if (answer.status !== 200 || !type.startsWith("text/event-stream") || !answer.body) {
      await this.#answered(answer, signal);
      return;
    }
    await this.#read(answer.body.getReader(), signal);
  }

  /** @param {ReadableStreamDefaultReader<Uint8Array>} reader @param {AbortSignal} signal */
  async #read(reader, signal) {
    const parser = new Parser(this.lastId);
    this.#openedAt = Date.now();
    /** @type {{ reason: string, reconnect: boolean } | null} */
    let closing = null;
    for (;;) {
      const { done, value } = await reader.read();
      if (signal.aborted) return;
      if (done) break;
      this.#watch(this.#heartbeatSeconds * SILENT_PERIODS * 1000);
      const events = parser.feed(value);
      this.lastId = parser.lastId;
      if (parser.retryMs !== null) this.#retryMs = parser.retryMs;
      for (const event of events) closing = this.#note(event) ?? closing;
      if (events.length > 0) this.#options.events(events);
      if (signal.aborted) return;
    }
    if (closing && !closing.reconnect) this.#over("ended", closing.reason);
    else this.#lost(closing ? closing.reason : "end");
  }

  /** @param {HubEvent} event @returns {{ reason: string, reconnect: boolean } | null} */
  #note(event) {
    if (event.type === "subscribed") {
      const seconds = JSON.parse(event.data).heartbeat_seconds;
      if (seconds > 0) this.#heartbeatSeconds = seconds;
      this.#become("open");
      this.#watch(this.#heartbeatSeconds * SILENT_PERIODS * 1000);
    } else if (event.type === "closing") {
      return JSON.parse(event.data);
    }
    return null;
  }

  /**
   * Something else than a stream came. What may pass is tried again later; the rest is final.
   *
   * @param {Response} answer
   * @param {AbortSignal} signal
   */
  async #answered(answer, signal) {
    const problem = await problemOf(answer);
    if (signal.aborted) return;
    const passing =
      answer.status === 408 || answer.status === 425 || answer.status === 429 || answer.status >= 500;
    if (passing) {
      const seconds = Number(answer.headers.get("Retry-After"));
      this.#lost("status", problem, seconds > 0 ? seconds * 1000 : 0);
    } else this.#over("refused", "status", problem);
  }

  /**
   * @param {"ended" | "refused"} name
   * @param {string} reason
   * @param {Problem | null} [problem]
   */
  #over(name, reason, problem = null) {
    clearTimeout(this.#watchdog);
    this.#request = null;
    this.#become(name, reason, { problem });
  }

  /**
   * The connection is gone: come back. The server's own `retry:` the first time, since it spreads
   * its listeners by it (and a throw of the dice where it could not say); twice as long at each
   * failure after that.
   *
   * @param {string} reason
   * @param {Problem | null} [problem]
   * @param {number} [atLeastMs]
   */
  #lost(reason, problem = null, atLeastMs = 0) {
    if (this.#closed) return;
    clearTimeout(this.#watchdog);
    this.#request = null;
    if (this.#openedAt && Date.now() - this.#openedAt > SETTLED_MS) this.#failures = 0;
    this.#openedAt = 0;
    const grown = this.#retryMs * 2 ** Math.min(this.#failures, 8);
    const spread = CLOSED_BY_HUB.has(reason) ? 1 : 1 + Math.random() / 4;
    const longest = Math.max(this.#retryMs, LONGEST_WAIT_MS);
    const wait = Math.max(Math.min(grown * spread, longest), atLeastMs);
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#connect(), wait);
    this.#become("waiting", reason, { until: Date.now() + wait, problem });
  }

  /**
   * No byte for this long means that the other side is gone, whatever the socket says. Heartbeats
   * come with or without traffic, so silence is a sign.
   *
   * @param {number} limitMs
   */
  #watch(limitMs) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      this.#request?.abort();
      this.#lost("silence");
    }, limitMs);
  }
}

/**
 * The problem that an answer carries, or one made of its status.
 *
 * @param {Response} answer
 * @returns {Promise<Problem>}
 */
export async function problemOf(answer) {
  /** @type {Problem} */
  const problem = {
    status: answer.status,
    code: "",
    title: answer.statusText || `HTTP ${answer.status}`,
    detail: "",
  };
  try {
    if ((answer.headers.get("Content-Type") ?? "").includes("json")) {
      const body = await answer.json();
      for (const name of /** @type {const} */ (["code", "title", "detail"])) {
        if (typeof body[name] === "string") problem[name] = body[name];
      }
    }
  } catch {
    // The status alone has to do.
  }
  return problem;
}
