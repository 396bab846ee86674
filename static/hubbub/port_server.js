// @ts-check
/**
 * Serves the tabs of a browser: each has a port, and all share the pools behind it.
 *
 * The same server runs in the SharedWorker and, where there is none, in the page itself; both are
 * reached over a MessagePort, so there is one way only.
 *
 * @module
 */

import { Pool } from "./pool.js";

/**
 * @typedef {import("./pool.js").Message} Message
 * @typedef {import("./pool.js").Subscriber} Subscriber
 *
 * @typedef {{ op: "hello", lock: string }
 *   | { op: "subscribe", id: number, channel: string, from?: "now" | "start", after: string,
 *       base: string, token: string, heartbeatSeconds: number }
 *   | { op: "unsubscribe", id: number }
 *   | { op: "hurry", refused: boolean }
 *   | { op: "cut" }
 *   | { op: "leave" }} Command   from a tab
 *
 * @typedef {{ op: "ready" } | { op: "message", id: number, message: Message }} Reply   to a tab
 */

export class PortServer {
  /** One for each origin and token, which decide what may be heard. @type {Map<string, Pool>} */
  #pools = new Map();
  #tabs = 0;

  /** @param {MessagePort} port */
  serve(port) {
    /** @type {Map<number, { pool: Pool, subscriber: Subscriber }>} */
    const open = new Map();
    this.#tabs += 1;
    const tab = `${this.#tabs}`;
    const leave = () => {
      for (const { pool, subscriber } of open.values()) pool.remove(subscriber);
      open.clear();
    };
    port.onmessage = ({ data }) => {
      const command = /** @type {Command} */ (data);
      if (command.op === "hello") {
        port.postMessage({ op: "ready" });
        whenReleased(command.lock, leave);
      } else if (command.op === "subscribe") {
        const { id, channel, from, after } = command;
        /** @type {Subscriber} */
        const subscriber = {
          tab,
          channel,
          from,
          after,
          deliver: (message) => port.postMessage({ op: "message", id, message }),
        };
        const pool = this.#pool(command);
        open.set(id, { pool, subscriber });
        pool.add(subscriber);
      } else if (command.op === "unsubscribe") {
        const found = open.get(command.id);
        open.delete(command.id);
        found?.pool.remove(found.subscriber);
      } else if (command.op === "hurry") {
        for (const pool of this.#pools.values()) pool.hurry(command.refused);
      } else if (command.op === "cut") {
        for (const { pool } of open.values()) pool.cut();
      } else leave();
    };
    port.addEventListener("close", leave);
    port.start();
  }

  /** @param {{ base: string, token: string, heartbeatSeconds: number }} options @returns {Pool} */
  #pool(options) {
    const key = JSON.stringify([options.base, options.token, options.heartbeatSeconds]);
    let pool = this.#pools.get(key);
    if (!pool) {
      pool = new Pool(options);
      this.#pools.set(key, pool);
    }
    return pool;
  }
}

/**
 * A tab holds a lock as long as it lives, so that one that crashed is missed, too. Where the
 * browser has no locks (an origin without HTTPS), its `leave` has to do.
 *
 * @param {string} lock
 * @param {() => void} then
 */
function whenReleased(lock, then) {
  if (!lock || !navigator.locks) return;
  navigator.locks.request(lock, then).catch(() => undefined);
}
