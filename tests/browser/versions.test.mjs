/** `static/pages/versions.js`: which turns of a conversation are shown. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { pathOf } from "../../static/pages/versions.js";

const turn = (id, parent = null) => ({ id, parent });
const ids = (path) => path.map((step) => step.id);

test("a conversation without versions is shown from its first turn to its last", () => {
  assert.deepEqual(ids(pathOf([turn("a"), turn("b", "a"), turn("c", "b")])), ["a", "b", "c"]);
  assert.deepEqual(pathOf([]), []);
});

test("at a fork the way to what was asked last is shown", () => {
  const turns = [turn("a"), turn("b", "a"), turn("b2", "a"), turn("c", "b")];
  assert.deepEqual(ids(pathOf(turns)), ["a", "b", "c"]);
  assert.deepEqual(pathOf(turns)[1].versions, ["b", "b2"]);
  assert.deepEqual(ids(pathOf([...turns, turn("d", "b2")])), ["a", "b2", "d"]);
});

test("a version that was chosen is shown, with what follows it", () => {
  const turns = [turn("a"), turn("b", "a"), turn("c", "b"), turn("b2", "a")];
  assert.deepEqual(ids(pathOf(turns)), ["a", "b2"]);
  assert.deepEqual(ids(pathOf(turns, new Map([["a", "b"]]))), ["a", "b", "c"]);
  assert.deepEqual(ids(pathOf(turns, new Map([["a", "gone"]]))), ["a", "b2"]);
});

test("turns whose parent is gone, and circles, do not hang the page", () => {
  assert.deepEqual(ids(pathOf([turn("b", "gone"), turn("c", "b")])), ["b", "c"]);
  assert.deepEqual(ids(pathOf([turn("a", "a")])), ["a"]);
  assert.deepEqual(ids(pathOf([turn("x", "y"), turn("y", "x")])), []);
});
