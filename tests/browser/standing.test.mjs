/** `static/pages/standing.js`: how a generation stands, in words. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { duration, failure, standing } from "../../static/pages/standing.js";

const say = (status, seconds, more = {}) => standing({ status, seconds, writing: "", ...more });

test("a queue says how many are before, and a silence how long it lasts", () => {
  assert.equal(say("queued", 0), "Queued");
  assert.equal(say("queued", 0, { ahead: 3 }), "Queued, 3 before it");
  assert.equal(say("queued", 9.5, { ahead: 0 }), "Queued, next in line, for 9 s");
  assert.equal(say("running", 1), "Asking the model");
  assert.equal(say("running", 8.2), "The model has not begun for 8 s");
  assert.equal(say("running", 0, { writing: "reasoning" }), "Thinking");
  assert.equal(say("running", 0, { writing: "content" }), "Writing");
  assert.equal(say("running", 5, { writing: "content" }), "The model has paused for 5 s");
  assert.equal(say("completed", 99), "");
});

test("failures and durations are sentences", () => {
  assert.equal(failure({ code: "x", message: "It broke", retryable: true }), "It failed: It broke. Asking again may help.");
  assert.equal(failure({ code: "worker-lost", message: "" }), "It failed: worker-lost.");
  assert.equal(duration(1.234), "1.2 s");
  assert.equal(duration(61.6), "62 s");
  assert.equal(duration(125), "2 min 5 s");
});
