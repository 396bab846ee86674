// The browser module's parser on the cases of `eventsource_format.json`, at every border.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Parser } from "../../static/hubbub/parser.js";

const cases = JSON.parse(readFileSync(new URL("eventsource_format.json", import.meta.url), "utf8"));

function read(pieces) {
  const parser = new Parser();
  return pieces
    .flatMap((piece) => parser.feed(piece))
    .map(({ type, data, id }) => [type, data, id]);
}

for (const { name, stream, events } of cases) {
  test(name, () => {
    const bytes = new TextEncoder().encode(stream);
    assert.deepEqual(read([bytes]), events);
    assert.deepEqual(read(Array.from(bytes, (byte) => Uint8Array.of(byte))), events);
    const step = bytes.length < 500 ? 1 : 97;
    for (let at = 1; at < bytes.length; at += step) {
      assert.deepEqual(read([bytes.subarray(0, at), bytes.subarray(at)]), events);
    }
  });
}
