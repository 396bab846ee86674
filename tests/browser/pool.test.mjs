/** `static/hubbub/pool.js`: many channels over few connections, on a network that the test plays. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Pool } from "../../static/hubbub/pool.js";

const BASE = "http://hub.example";
let opened = [];
let pool;
const network = globalThis.fetch;

/** One connection as the hub sees it. */
class Connection {
  constructor(url, headers, signal) {
    this.url = new URL(url);
    this.channels = this.url.searchParams.getAll("channel");
    if (this.channels.length === 0) this.channels = [decodeURIComponent(this.url.pathname.split("/")[2])];
    this.lastId = headers["Last-Event-ID"] ?? "";
    this.signal = signal;
    const body = new ReadableStream({ start: (controller) => (this.controller = controller) });
    signal.addEventListener("abort", () => this.drop());
    this.response = new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  }

  say(text) {
    this.controller.enqueue(new TextEncoder().encode(text));
  }

  drop() {
    try {
      this.controller.close();
    } catch {
      // It is closed.
    }
  }

  /** @param {...string} positions   of its channels, in their order */
  subscribed(...positions) {
    const verdict = { recovered: true, replayed: 0, reason: null };
    const channels = Object.fromEntries(this.channels.map((name) => [name, verdict]));
    const data = JSON.stringify({ channels, heartbeat_seconds: 15 });
    const several = Object.fromEntries(this.channels.map((name, at) => [name, positions[at]]));
    const fields = this.channels.length > 1 ? `positions: ${JSON.stringify(several)}\n` : "";
    this.say(`retry: 10\nid: ${positions[0]}\n${fields}event: subscribed\ndata: ${data}\n\n`);
  }
}

beforeEach(() => {
  opened = [];
  globalThis.fetch = async (url, { headers, signal }) => {
    const connection = new Connection(url, headers, signal);
    opened.push(connection);
    return connection.response;
  };
  pool = new Pool({ base: BASE });
});

afterEach(() => {
  for (const connection of opened) connection.signal.aborted || connection.drop();
  pool.close();
  globalThis.fetch = network;
});

function tab(channel, more = {}) {
  const heard = [];
  const subscriber = {
    tab: "1",
    channel,
    from: undefined,
    after: "",
    deliver: (message) => heard.push(message),
    ...more,
  };
  pool.add(subscriber);
  return { heard, data: () => heard.flatMap((one) => (one.kind === "events" ? one.events.map((event) => event.data) : [])) };
}

async function until(condition) {
  for (let tries = 0; tries < 400; tries += 1) {
    if (condition()) return;
    await new Promise((wake) => setTimeout(wake, 5));
  }
  assert.fail(`not within 2 s: ${condition}`);
}

test("channels that are wanted together share one connection, and each hears its own", async () => {
  const [a, b] = [tab("a"), tab("b")];
  await until(() => opened.length === 1);
  assert.deepEqual(opened[0].channels, ["a", "b"]);
  opened[0].subscribed("1-0", "1-0");
  opened[0].say("channel: a\nposition: 2-0\nid: x\ndata: for a\n\n");
  opened[0].say("channel: b\nposition: 3-0\nid: y\ndata: for b\n\n");
  await until(() => b.data().length === 1);
  assert.deepEqual([a.data(), b.data()], [["for a"], ["for b"]]);
});

test("a channel that joins moves the connection, at the positions where it stood", async () => {
  tab("a");
  await until(() => opened.length === 1);
  opened[0].subscribed("1-0");
  opened[0].say("id: 5-3\ndata: x\n\n");
  await until(() => opened[0].signal.aborted === false);
  await new Promise((wake) => setTimeout(wake, 10));
  tab("b");
  await until(() => opened.length === 2);
  assert.equal(opened[0].signal.aborted, true);
  assert.deepEqual(opened[1].url.searchParams.getAll("after"), ["5-3", ""]);
});

test("nine channels need two connections", async () => {
  for (let number = 0; number < 9; number += 1) tab(`c${number}`);
  await until(() => opened.length === 2);
  assert.deepEqual(opened.map((one) => one.channels.length).sort(), [1, 8]);
});

test("a connection that drops comes back after its last event", async () => {
  const a = tab("a");
  await until(() => opened.length === 1);
  opened[0].subscribed("1-0");
  opened[0].say("id: 2-0\ndata: one\n\n");
  await until(() => a.data().length === 1);
  opened[0].drop();
  await until(() => opened.length === 2);
  assert.equal(opened[1].lastId, "2-0");
});

test("a connection that is cut on purpose comes back as any other", async () => {
  const a = tab("a");
  await until(() => opened.length === 1);
  opened[0].subscribed("7-0");
  await until(() => a.heard.some((one) => one.kind === "subscribed"));
  pool.cut();
  await until(() => opened.length === 2);
  assert.equal(opened[1].lastId, "7-0");
});

test("a tab that comes later to a generation gets its text so far without another request", async () => {
  tab("generation:g");
  await until(() => opened.length === 1);
  opened[0].subscribed("1-0");
  opened[0].say('id: 2-0\nevent: delta\ndata: {"index":0,"content":"so far"}\n\n');
  await new Promise((wake) => setTimeout(wake, 20));
  const late = tab("generation:g", { tab: "2" });
  const [snapshot] = late.heard.flatMap((one) => (one.kind === "events" ? one.events : []));
  assert.equal(snapshot.type, "snapshot");
  assert.equal(JSON.parse(snapshot.data).choices[0].content, "so far");
  assert.equal(opened.length, 1);
});

test("a tab that wants the history of a channel that is only being opened misses nothing between", async () => {
  const stored = [];
  const streams = globalThis.fetch;
  globalThis.fetch = async (url, options) => {
    if (!`${url}`.includes("/history")) return streams(url, options);
    const events = stored.map((data, at) => ({ id: `${at + 1}-0`, event: "message", data }));
    return Response.json({ events, complete: true, next: null });
  };
  tab("news");
  const late = tab("news", { tab: "2", from: "start" });
  await until(() => opened.length === 1);
  stored.push("published while the connection was made");
  opened[0].subscribed("1-0");
  opened[0].say("id: 2-0\ndata: live\n\n");
  await until(() => late.data().length === 2);
  assert.deepEqual(late.data(), ["published while the connection was made", "live"]);
});

test("what history brought before the connection did comes once", async () => {
  const first = tab("news", { from: "now" });
  await until(() => opened.length === 1);
  const [connection] = opened;
  connection.subscribed("1-0");
  connection.say("id: 2-0\ndata: two\n\n");
  await until(() => first.data().length === 1);
  const streams = globalThis.fetch;
  const events = ["2-0", "3-0", "4-0"].map((id) => ({ id, data: `from history ${id}` }));
  globalThis.fetch = async () => Response.json({ events, next: null });
  const late = tab("news", { after: "1-0" });
  await until(() => late.data().length === 3);
  globalThis.fetch = streams;
  connection.say("id: 3-0\ndata: three\n\n");
  connection.say("id: 4-0\ndata: four\n\nid: 5-0\ndata: five\n\n");
  connection.say("id: 6-0\ndata: six\n\n");
  await until(() => first.data().length === 5);
  assert.deepEqual(first.data(), ["two", "three", "four", "five", "six"]);
  assert.deepEqual(late.data(), ["from history 2-0", "from history 3-0", "from history 4-0", "five", "six"]);
});

test("a tab that goes on after an event does not hear it again from a connection that begins before", async () => {
  const streams = globalThis.fetch;
  globalThis.fetch = async (url, options) =>
    `${url}`.includes("/history") ? Response.json({ events: [], next: null }) : streams(url, options);
  const first = tab("news", { from: "start" });
  const later = tab("news", { tab: "2", after: "2-0" });
  await until(() => opened.length === 1);
  opened[0].subscribed("0-0");
  await new Promise((wake) => setTimeout(wake, 20));
  for (const number of [1, 2, 3, 4]) opened[0].say(`id: ${number}-0\ndata: ${number}\n\n`);
  await until(() => first.data().length === 4 && later.data().length === 2);
  assert.deepEqual(later.data(), ["3", "4"]);
});
