/** `static/hubbub/fold.js`: a generation's events, folded into its text. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Fold } from "../../static/hubbub/fold.js";

function folded(...events) {
  const fold = new Fold();
  const changes = events.map(([type, data]) => fold.apply({ type, data: JSON.stringify(data) }));
  return { fold, changes };
}

test("deltas add up, and each says what is new", () => {
  const { fold, changes } = folded(
    ["started", { model: "m", attempt: 1 }],
    ["delta", { index: 0, reasoning: "Hm. " }],
    ["delta", { index: 0, content: "Hel" }],
    ["delta", { index: 0, content: "lo" }],
    ["completed", { choices: [{ index: 0, finish_reason: "stop" }], usage: { total_tokens: 3 }, cost: 0.1 }],
  );
  assert.equal(fold.choices[0].content, "Hello");
  assert.equal(fold.choices[0].reasoning, "Hm. ");
  assert.equal(fold.choices[0].finish_reason, "stop");
  assert.deepEqual(changes[3], { kind: "append", index: 0, field: "content", text: "lo", parts: false });
  assert.equal(fold.ended, true);
  assert.equal(fold.cost, 0.1);
});

test("a restart and a snapshot take the place of what was there", () => {
  const { fold, changes } = folded(
    ["delta", { index: 0, content: "lost" }],
    ["restarted", { attempt: 2, reason: "worker-lost" }],
    ["delta", { index: 0, content: "new" }],
    ["snapshot", { attempt: 2, status: "running", choices: [{ index: 0, content: "newer" }] }],
    ["delta", { index: 0, content: "!" }],
  );
  assert.equal(changes[1].kind, "reset");
  assert.equal(changes[3].kind, "reset");
  assert.equal(fold.choices[0].content, "newer!");
  assert.equal(fold.attempt, 2);
});

test("pieces of a tool call are put together by their index", () => {
  const { fold } = folded(
    ["delta", { index: 0, tool_calls: [{ index: 0, id: "c", function: { name: "look", arguments: '{"a"' } }] }],
    ["delta", { index: 0, tool_calls: [{ index: 1, function: { name: "other" } }] }],
    ["delta", { index: 0, tool_calls: [{ index: 0, function: { arguments: ":1}" } }] }],
  );
  assert.deepEqual(
    fold.choices[0].tool_calls.map((call) => call.function),
    [
      { name: "look", arguments: '{"a":1}' },
      { name: "other", arguments: "" },
    ],
  );
});

test("what the hub only carries is kept: lists grow, the rest is replaced", () => {
  const { fold, changes } = folded(
    ["delta", { index: 0, images: [1], service_tier: "a" }],
    ["delta", { index: 0, images: [2], service_tier: "b" }],
  );
  assert.equal(changes[0].kind, "parts");
  assert.deepEqual(fold.choices[0].images, [1, 2]);
  assert.equal(fold.choices[0].service_tier, "b");
});

test("a snapshot of a fold is read back as the same", () => {
  const { fold } = folded(["delta", { index: 1, content: "x", }], ["delta", { index: 0, images: ["i"] }]);
  const again = new Fold();
  again.apply({ type: "snapshot", data: fold.snapshot() });
  assert.deepEqual(again.choices, fold.choices);
});

test("text and what the hub only carries may come in one delta", () => {
  const { fold, changes } = folded(
    ["delta", { index: 0, content: "Hi", annotations: [{ index: 0, a: 1 }], places: {} }],
    ["delta", { index: 0, annotations: [{ index: 0, b: 2 }] }],
  );
  assert.deepEqual(changes[0], { kind: "append", index: 0, field: "content", text: "Hi", parts: true });
  assert.deepEqual(fold.choices[0].annotations, [{ index: 0, a: 1, b: 2 }]);
});

test("parts of an application's own are kept, and one with an id that was there takes its place", () => {
  const { fold, changes } = folded(
    ["data", { name: "progress", data: { step: 1 }, id: "p" }],
    ["data", { name: "chart", data: [1, 2], id: null }],
    ["data", { name: "progress", data: { step: 2 }, id: "p" }],
  );
  assert.equal(changes[0].kind, "data");
  assert.deepEqual(fold.data.map((one) => one.data), [{ step: 2 }, [1, 2]]);
  const again = new Fold();
  again.apply({ type: "snapshot", data: fold.snapshot() });
  assert.deepEqual(again.data, fold.data);
});
