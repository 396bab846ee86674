// @ts-check
/**
 * All channels that a browser listens to, over as few connections as can be: one for up to eight.
 *
 * A browser opens six HTTP/1.1 connections to an origin and lets the seventh hang in silence. So
 * when a channel joins or leaves, its connection is closed and opened again for the new set, at
 * the positions where the old one stood: nothing is missed in between and nothing comes twice.
 *
 * It promises each subscriber the events of its channel in order and the hub's verdicts about it.
 * A tab that comes later to a generation gets a snapshot from here: the text is folded along.
 *
 * @module
 */

import { Fold, isTerminal } from "./fold.js";
import { isAfter } from "./ids.js";
import { history } from "./request.js";
import { Stream } from "./stream.js";

/**
 * @typedef {import("./parser.js").HubEvent} HubEvent
 * @typedef {import("./stream.js").StreamState} StreamState
 *
 * @typedef {object} Verdict        what the hub says when a listener (re)joins a channel
 * @property {boolean} recovered    nothing is missing between its position and now
 * @property {number} replayed
 * @property {"trimmed" | "expired" | "deleted" | "unknown-id" | null} reason
 * @property {string | null} last_event_id
 *
 * @typedef {{ kind: "events", channel: string, events: HubEvent[] }
 *   | { kind: "subscribed", channel: string, verdict: Verdict }
 *   | { kind: "gap", channel: string, gap: { channel: string, after: string, reason: string } }
 *   | { kind: "closing", channel: string, closing: { reason: string, reconnect: boolean } }
 *   | { kind: "listeners", channel: string, listeners: number, tabs: number }
 *   | { kind: "state", channel: string, state: StreamState }} Message
 *
 * @typedef {object} Subscriber
 * @property {string} tab
 * @property {string} channel
 * @property {"now" | "start" | undefined} from
 * @property {string} after                         an event id to go on after, or `""`
 * @property {(message: Message) => void} deliver
 * @property {HubEvent[] | null} [held]             events that wait for the history to be read
 * @property {{ isNew: (event: HubEvent) => boolean, last: string } | null} [ahead]
 *   what the subscriber has before the connection brings it, up to `last`; it is left out there
 *
 * @typedef {object} Entry           one channel
 * @property {string} name
 * @property {Set<Subscriber>} subscribers
 * @property {string} from           how it begins where it has no position: `""` is the hub's default
 * @property {string} position       `""`: has not begun
 * @property {(() => void)[]} begun  called when it begins
 * @property {Fold | null} fold      of a generation
 * @property {HubEvent | null} terminal
 * @property {number | null} listeners
 * @property {boolean} isolated      its group was refused: first it is subscribed by itself
 * @property {StreamState} state
 *
 * @typedef {object} Group           channels that share a connection
 * @property {string[]} channels     sorted
 * @property {Stream} stream
 *
 * @typedef {object} PoolOptions
 * @property {string} base                      the hub's origin, and path if it has one
 * @property {string} [token]
 * @property {number} [heartbeatSeconds]
 */

const CHANNELS_A_CONNECTION = 8;
/** Tabs that open together should find one connection, not watch it being made three times. */
const GATHER_MS = 20;
/** A tab that reloads comes back at once. */
const LINGER_MS = 1_000;

/** @type {StreamState} */
const CONNECTING = { name: "connecting", reason: "", attempt: 0, until: null, problem: null };
/** @type {StreamState} */
const ENDED = { ...CONNECTING, name: "ended", reason: "end" };

export class Pool {
  #options;
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  /** @type {Group[]} */
  #groups = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #planned;
  #plannedAt = Infinity;

  /** @param {PoolOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** The connections that are open or coming back. */
  get connections() {
    return this.#groups.length;
  }

  /** @param {Subscriber} subscriber */
  add(subscriber) {
    const entry = this.#entries.get(subscriber.channel);
    if (entry) this.#join(entry, subscriber);
    else this.#open(subscriber);
  }

  /** @param {Subscriber} subscriber */
  remove(subscriber) {
    const entry = this.#entries.get(subscriber.channel);
    if (!entry?.subscribers.delete(subscriber)) return;
    if (entry.subscribers.size === 0) this.#plan(LINGER_MS);
    else this.#tellListeners(entry);
  }

  /**
   * The network is back, or somebody looks.
   *
   * @param {boolean} [refused]   try those, too, that the server refused: there is a token now
   */
  hurry(refused = false) {
    for (const { stream } of this.#groups) {
      if (stream.state.name === "waiting" || refused) stream.hurry();
    }
  }

  /** Close all connections. Nothing is delivered afterwards. */
  close() {
    clearTimeout(this.#planned);
    for (const { stream } of this.#groups) stream.close();
    this.#groups = [];
    this.#entries.clear();
  }

  /** Drop the connections as a network would; they come back by themselves. */
  cut() {
    for (const { stream } of this.#groups) stream.cut();
  }

  /** @param {Subscriber} subscriber */
  #open(subscriber) {
    const { channel } = subscriber;
    this.#entries.set(channel, {
      name: channel,
      subscribers: new Set([subscriber]),
      from: subscriber.from ?? "",
      position: subscriber.after,
      begun: [],
      fold: channel.startsWith("generation:") && !subscriber.after ? new Fold() : null,
      terminal: null,
      listeners: null,
      isolated: false,
      state: CONNECTING,
    });
    subscriber.deliver({ kind: "state", channel, state: CONNECTING });
    this.#plan(GATHER_MS);
  }

  /** A subscriber joins a channel that is open already. @param {Entry} entry @param {Subscriber} subscriber */
  #join(entry, subscriber) {
    const channel = entry.name;
    entry.subscribers.add(subscriber);
    subscriber.deliver({ kind: "state", channel, state: entry.state });
    if (entry.position) {
      subscriber.deliver({
        kind: "subscribed",
        channel,
        verdict: { recovered: true, replayed: 0, reason: null, last_event_id: entry.position },
      });
    }
    const generation = channel.startsWith("generation:");
    if (entry.fold && subscriber.from !== "now") {
      const events = this.#snapshot(entry);
      if (events.length > 0) subscriber.deliver({ kind: "events", channel, events });
    } else if (subscriber.after || (subscriber.from ?? (generation ? "start" : "now")) === "start") {
      this.#readHistory(entry, subscriber);
    }
    this.#tellListeners(entry);
    if (entry.state.name === "refused") this.hurry(true);
  }

  /** @param {Entry} entry @returns {HubEvent[]} */
  #snapshot({ name, fold, position, terminal }) {
    if (!fold) return [];
    /** @type {HubEvent[]} */
    const events = [];
    if (fold.choices.length > 0 || fold.status !== "queued") {
      const data = fold.snapshot();
      events.push({ type: "snapshot", data, id: position, own: true, channel: name });
    }
    if (terminal) events.push(terminal);
    return events;
  }

  /**
   * What the newcomer asked for lies behind the shared connection: read it from history, and hold
   * the live events back until then.
   *
   * @param {Entry} entry
   * @param {Subscriber} subscriber
   */
  async #readHistory(entry, subscriber) {
    /** @type {HubEvent[]} */
    const held = [];
    subscriber.held = held;
    // Read before the connection stands, history would end before the live events begin.
    if (!entry.position) await new Promise((begun) => entry.begun.push(() => begun(undefined)));
    /** @type {Set<string>} */
    const seen = new Set();
    // A connection that begins in front of it brings once more what the subscriber has.
    let last = isAfter(subscriber.after, entry.position) ? subscriber.after : entry.position;
    /** @param {HubEvent} event */
    const isNew = ({ id }) => !seen.has(id) && id !== subscriber.after && !isAfter(subscriber.after, id);
    try {
      for await (const events of history(this.#options, entry.name, subscriber.after)) {
        for (const event of events) {
          last = event.id;
          seen.add(last);
        }
        if (events.length > 0) subscriber.deliver({ kind: "events", channel: entry.name, events });
      }
    } catch {
      const gap = { channel: entry.name, after: subscriber.after, reason: "unknown-id" };
      subscriber.deliver({ kind: "gap", channel: entry.name, gap });
    }
    subscriber.held = null;
    // History may know events that are still under way on the connection.
    const behind = held.length === 0 || !isNew(held[held.length - 1]);
    subscriber.ahead = behind && entry.position !== last ? { isNew, last } : null;
    const events = held.filter(isNew);
    if (events.length > 0) subscriber.deliver({ kind: "events", channel: entry.name, events });
  }

  /** @param {number} inMs */
  #plan(inMs) {
    const at = Date.now() + inMs;
    if (at >= this.#plannedAt) return;
    clearTimeout(this.#planned);
    this.#plannedAt = at;
    this.#planned = setTimeout(() => {
      this.#plannedAt = Infinity;
      this.#arrange();
    }, inMs);
  }

  /** Make the connections fit the channels that are wanted. */
  #arrange() {
    for (const entry of this.#entries.values()) {
      if (entry.subscribers.size === 0) this.#entries.delete(entry.name);
    }
    const wanted = [...this.#entries.values()].filter((one) => one.state.name !== "ended");
    const placed = new Set();
    /** @type {{ group: Group | null, entries: Entry[] }[]} */
    const proposed = this.#groups.map((group) => {
      const entries = wanted.filter((one) => group.channels.includes(one.name));
      for (const one of entries) placed.add(one);
      return { group, entries };
    });
    for (const entry of wanted) {
      if (placed.has(entry)) continue;
      proposed.push({ group: null, entries: [entry] });
    }
    // Fewer connections: channels move to a group that has room for all of them.
    for (const from of [...proposed].reverse()) {
      const into = proposed.find((one) => one !== from && fit(from.entries, one.entries));
      if (into) into.entries.push(...from.entries.splice(0));
    }
    this.#groups = proposed.flatMap(({ group, entries }) => this.#assign(group, entries));
  }

  /**
   * @param {Group | null} group
   * @param {Entry[]} entries
   * @returns {Group[]}
   */
  #assign(group, entries) {
    const channels = entries.map((one) => one.name).sort();
    // A channel that ended stays named in its group until that is opened anew: it costs nothing.
    const named = group?.channels.filter((name) => {
      const state = this.#entries.get(name)?.state.name;
      return channels.includes(name) || state === "ended";
    });
    if (group && named?.length === group.channels.length && channels.every((name) => named.includes(name))) {
      return [group];
    }
    group?.stream.close();
    return entries.length > 0 ? [this.#connect(channels)] : [];
  }

  /** @param {string[]} channels @returns {Group} */
  #connect(channels) {
    const entries = channels.map((name) => /** @type {Entry} */ (this.#entries.get(name)));
    const positions = entries.map((one) => one.position);
    const query = new URLSearchParams();
    const from = entries.find((one) => !one.position)?.from;
    if (from) query.set("from", from);
    if (this.#options.heartbeatSeconds) query.set("heartbeat", `${this.#options.heartbeatSeconds}`);
    let path = `/channels/${encodeURIComponent(channels[0])}/events`;
    let lastId = positions[0];
    if (channels.length > 1) {
      path = "/events";
      for (const name of channels) query.append("channel", name);
      // Places of their own: no id stands for this very set of channels yet.
      if (positions.some(Boolean)) for (const one of positions) query.append("after", one);
      lastId = "";
    }
    const { base, token, heartbeatSeconds } = this.#options;
    /** @type {Group} */
    const group = {
      channels,
      stream: new Stream({
        url: `${base}${path}?${query}`,
        lastId,
        heartbeatSeconds,
        headers: token ? { Authorization: `Bearer ${token}` } : {},
        events: (events) => this.#take(group, events),
        // The first state comes while the stream is being made, before the group stands.
        state: (state) => queueMicrotask(() => this.#stateChanged(group, state)),
      }),
    };
    return group;
  }

  /** @param {Group} group @param {HubEvent[]} events */
  #take(group, events) {
    /** @type {Map<Entry, HubEvent[]>} */
    const batches = new Map();
    for (const event of events) {
      if (event.type === "subscribed") this.#subscribed(group, event);
      else if (event.type === "heartbeat") this.#heartbeat(event);
      else if (event.type === "gap") this.#gap(event);
      else if (event.type === "closing") this.#closing(group, event);
      else {
        const entry = this.#owner(group, event);
        if (!entry) continue;
        const batch = batches.get(entry);
        if (batch) batch.push(event);
        else batches.set(entry, [event]);
      }
    }
    for (const [entry, batch] of batches) this.#dispatch(entry, batch);
    this.#finish(group);
  }

  /** @param {Group} group @param {HubEvent} event @returns {Entry | undefined} */
  #owner(group, event) {
    event.channel ||= group.channels[0];
    event.id = event.position ?? event.id;
    const entry = this.#entries.get(event.channel);
    if (entry && event.id) entry.position = event.id;
    return entry;
  }

  /** @param {Entry} entry @param {HubEvent[]} events */
  #dispatch(entry, events) {
    for (const event of events) {
      entry.fold?.apply(event);
      if (entry.name.startsWith("generation:") && isTerminal(event.type)) entry.terminal = event;
    }
    for (const subscriber of entry.subscribers) {
      if (subscriber.held) subscriber.held.push(...events);
      else if (subscriber.ahead) this.#deliverNew(subscriber, subscriber.ahead, events);
      else subscriber.deliver({ kind: "events", channel: entry.name, events });
    }
    if (entry.terminal) this.#become(entry, ENDED);
  }

  /**
   * @param {Subscriber} subscriber
   * @param {NonNullable<Subscriber["ahead"]>} ahead
   * @param {HubEvent[]} batch
   */
  #deliverNew(subscriber, { isNew, last }, batch) {
    if (batch.some((event) => event.id === last)) subscriber.ahead = null;
    const events = batch.filter(isNew);
    if (events.length > 0) subscriber.deliver({ kind: "events", channel: subscriber.channel, events });
  }

  /** @param {Group} group @param {HubEvent} event */
  #subscribed(group, event) {
    const own = { [group.channels[0]]: event.own ? event.id : "" };
    const positions = event.positions ? JSON.parse(event.positions) : own;
    for (const [channel, position] of Object.entries(positions)) {
      const entry = this.#entries.get(channel);
      if (!entry || !position) continue;
      entry.position = position;
      for (const begun of entry.begun.splice(0)) begun();
    }
    for (const [channel, verdict] of Object.entries(JSON.parse(event.data).channels)) {
      this.#tell(channel, { kind: "subscribed", channel, verdict });
    }
  }

  /** @param {HubEvent} event */
  #heartbeat(event) {
    for (const [channel, listeners] of Object.entries(JSON.parse(event.data).listeners ?? {})) {
      const entry = this.#entries.get(channel);
      if (!entry) continue;
      entry.listeners = listeners;
      this.#tellListeners(entry);
    }
  }

  /** @param {Entry} entry */
  #tellListeners(entry) {
    if (entry.listeners === null) return;
    const tabs = new Set([...entry.subscribers].map((one) => one.tab)).size;
    const { name: channel, listeners } = entry;
    this.#tell(channel, { kind: "listeners", channel, listeners, tabs });
  }

  /** @param {HubEvent} event */
  #gap(event) {
    const gap = JSON.parse(event.data);
    this.#tell(gap.channel, { kind: "gap", channel: gap.channel, gap });
  }

  /** @param {Group} group @param {HubEvent} event */
  #closing(group, event) {
    const closing = JSON.parse(event.data);
    for (const channel of group.channels) this.#tell(channel, { kind: "closing", channel, closing });
  }

  /** @param {Group} group @param {StreamState} state */
  #stateChanged(group, state) {
    if (!this.#groups.includes(group)) return;
    if (state.name === "refused" && group.channels.length > 1) {
      this.#separate(group);
      return;
    }
    for (const name of group.channels) {
      const entry = this.#entries.get(name);
      if (entry && entry.state.name !== "ended") this.#become(entry, state);
    }
    if (state.name === "ended") this.#groups = this.#groups.filter((one) => one !== group);
    const only = this.#entries.get(group.channels[0]);
    if (state.name === "open" && only?.isolated) {
      only.isolated = false;
      this.#plan(GATHER_MS);
    }
  }

  /** One of them is not to be had, and the answer does not say which: ask for each by itself. @param {Group} group */
  #separate(group) {
    group.stream.close();
    this.#groups = this.#groups.filter((one) => one !== group);
    for (const name of group.channels) {
      const entry = this.#entries.get(name);
      if (entry) entry.isolated = true;
    }
    this.#plan(0);
  }

  /** @param {Group} group */
  #finish(group) {
    const states = group.channels.map((name) => this.#entries.get(name)?.state.name ?? "ended");
    if (states.some((name) => name !== "ended")) return;
    group.stream.finish();
    this.#groups = this.#groups.filter((one) => one !== group);
  }

  /** @param {Entry} entry @param {StreamState} state */
  #become(entry, state) {
    entry.state = state;
    this.#tell(entry.name, { kind: "state", channel: entry.name, state });
  }

  /** @param {string} channel @param {Message} message */
  #tell(channel, message) {
    for (const subscriber of this.#entries.get(channel)?.subscribers ?? []) {
      subscriber.deliver(message);
    }
  }
}

/**
 * Whether some channels may join others' connection. `from` is said once for all that have no
 * position yet.
 *
 * @param {Entry[]} entries
 * @param {Entry[]} others
 */
function fit(entries, others) {
  const all = [...entries, ...others];
  if (entries.length === 0 || others.length === 0 || all.length > CHANNELS_A_CONNECTION) return false;
  if (all.some((one) => one.isolated || one.state.name === "refused")) return false;
  const fresh = all.filter((one) => !one.position);
  return fresh.every((one) => one.from === fresh[0].from);
}
