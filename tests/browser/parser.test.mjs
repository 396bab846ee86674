/** `static/hubbub/parser.js` without a browser: the standard's rules, at every border. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Parser } from "../../static/hubbub/parser.js";

const encode = (text) => new TextEncoder().encode(text);

/** What a stream says, fed in pieces of `size` bytes. */
function parsed(text, size = Infinity) {
  const bytes = encode(text);
  const parser = new Parser();
  const events = [];
  for (let at = 0; at < bytes.length; at += size) {
    events.push(...parser.feed(bytes.slice(at, at + size)));
  }
  return { events: events.map(({ type, data, id, own }) => ({ type, data, id, own })), parser };
}

const STREAM =
  "\uFEFF: a comment\nid: 1\r\nevent: note\r\ndata: first\r\ndata:  second line\r\n\r\n" +
  "data: ünï 🙂\rid: 2\r\r" +
  "retry: 250\nretry: soon\n\n" +
  "event: empty\n\n" +
  "data\n\n" +
  "data: not whole";

test("events are the same whatever the borders at which bytes come", () => {
  const { events, parser } = parsed(STREAM);
  assert.deepEqual(events, [
    { type: "note", data: "first\n second line", id: "1", own: true },
    { type: "message", data: "ünï 🙂", id: "2", own: true },
    { type: "message", data: "", id: "2", own: false },
  ]);
  assert.equal(parser.retryMs, 250);
  for (let size = 1; size < 40; size += 1) assert.deepEqual(parsed(STREAM, size).events, events, `${size}`);
});

test("an id counts once its event is whole", () => {
  const { parser } = parsed("id: 1\ndata: a\n\nid: 2\ndata: b\n");
  assert.equal(parser.lastId, "1");
});

test("an id with NUL is ignored, an empty one resets", () => {
  assert.equal(parsed("id: 1\ndata: a\n\nid: \0\ndata: b\n\n").parser.lastId, "1");
  assert.equal(parsed("id: 1\ndata: a\n\nid\ndata: b\n\n").parser.lastId, "");
});
