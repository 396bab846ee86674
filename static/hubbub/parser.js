// @ts-check
/**
 * `text/event-stream`, bytes in and events out, at whatever borders the bytes come (HTML §9.2.6).
 *
 * The browser's own EventSource is not used anywhere: it hears only the event types that one names
 * beforehand, gives up for good on any status but 200, cannot send a header and does not say what
 * the server answered. Reading the response ourselves costs these few lines.
 *
 * @module
 */

/**
 * One event. `id` is the last id that the stream has given so far; `own` says whether this very
 * event brought it (the hub's heartbeats do not). Where several channels share the stream, its fields
 * tell the channel, the event's id on that channel, and at the start the positions on all of them.
 *
 * @typedef {object} HubEvent
 * @property {string} type     `message` where the publisher named none
 * @property {string} data     as published; often JSON
 * @property {string} id
 * @property {boolean} own
 * @property {string} channel     filled in by whoever knows it where the stream does not tell
 * @property {string} [position]
 * @property {string} [positions]   JSON, by channel
 */

const LINE_END = /\r\n|\r|\n/;

export class Parser {
  #decoder = new TextDecoder();
  #rest = "";
  #afterCr = false;
  /** @type {string[]} */
  #data = [];
  #type = "";
  #own = false;
  /** @type {{ channel?: string, position?: string, positions?: string }} */
  #place = {};
  #idBuffer;

  /** The position from which a reconnect goes on: that of the last *whole* event. */
  lastId;

  /** What the server last asked for by `retry:`, in milliseconds. @type {number | null} */
  retryMs = null;

  /** @param {string} [lastId] */
  constructor(lastId = "") {
    this.lastId = lastId;
    this.#idBuffer = lastId;
  }

  /**
   * The events that these bytes complete.
   *
   * @param {Uint8Array} bytes
   * @returns {HubEvent[]}
   */
  feed(bytes) {
    let text = this.#decoder.decode(bytes, { stream: true });
    // A CR ends its line at once; a LF behind it, whenever it comes, is its other half.
    if (this.#afterCr && text !== "") {
      if (text.startsWith("\n")) text = text.slice(1);
      this.#afterCr = false;
    }
    if (text.endsWith("\r")) this.#afterCr = true;
    const lines = (this.#rest + text).split(LINE_END);
    this.#rest = lines.pop() ?? "";
    /** @type {HubEvent[]} */
    const events = [];
    for (const line of lines) this.#line(line, events);
    return events;
  }

  /** @param {string} line @param {HubEvent[]} events */
  #line(line, events) {
    if (line === "") {
      this.#dispatch(events);
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) {
      this.#idBuffer = value;
      this.#own = true;
    } else if (name === "retry" && /^[0-9]+$/.test(value)) this.retryMs = Number(value);
    else if (name === "channel" || name === "position" || name === "positions") {
      this.#place[name] = value;
    }
  }

  /** @param {HubEvent[]} events */
  #dispatch(events) {
    this.lastId = this.#idBuffer;
    if (this.#data.length > 0) {
      events.push({
        type: this.#type || "message",
        data: this.#data.join("\n"),
        id: this.lastId,
        own: this.#own,
        channel: "",
        ...this.#place,
      });
    }
    this.#data = [];
    this.#type = "";
    this.#own = false;
    this.#place = {};
  }
}
