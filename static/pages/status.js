// @ts-check
/**
 * `/status`: how the hub is, by the hub's own stream while the page is looked at. What went before is
 * read once; where the stream says nothing for a while, what can be had is read and shown.
 *
 * @module
 */

import { RequestError } from "../hubbub.js";
import { address, pageOf } from "./address.js";
import { drawBars } from "./bars.js";
import { ago, element, part } from "./dom.js";
import { Inbox } from "./inbox.js";
import { Inspector } from "./inspector.js";
import { Plot } from "./plot.js";
import { request, words } from "./session.js";

/** Longer than two events of the stream are apart. */
const SILENCE_MS = 5_000;
/** As many samples as the hub keeps: a quarter of an hour. */
const KEPT = 180;

const inspector = new Inspector(part(document, "inspector"));
const plots = part(document, "plots");
/** @type {[string, Plot][]} */
const drawn = [
  ["listeners", new Plot(plots, "Listeners", count)],
  ["published_per_second", new Plot(plots, "Published/s", figure)],
  ["deliveries_per_second", new Plot(plots, "Deliveries/s", figure)],
  ["lag_seconds", new Plot(plots, "Lag, 99 %", milliseconds)],
  ["behind", new Plot(plots, "Behind", count)],
];

/** @param {number} value */
function count(value) {
  return Math.round(value).toLocaleString();
}

/** @param {number} value */
function figure(value) {
  return value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 1 : 0 });
}

/** @param {number} seconds */
function milliseconds(seconds) {
  return `${Number((seconds * 1000).toPrecision(3)).toLocaleString()} ms`;
}

/** @param {number} bytes */
function size(bytes) {
  return bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MB` : `${(bytes / 2 ** 30).toFixed(1)} GB`;
}

/** @param {[string, string, string?][]} tiles   name, value, state */
function drawTiles(tiles) {
  part(document, "health").replaceChildren(
    ...tiles.map(([name, value, state]) => {
      const tile = element("div", "", "tile");
      if (state) tile.dataset.state = state;
      tile.append(element("span", name, "name"), element("span", value, "value"));
      return tile;
    }),
  );
}

/** @param {any} data */
function drawHealth({ figures, redis, jobs, workers }) {
  const away = Boolean(redis.problem);
  drawTiles([
    ["Redis", away ? "does not answer" : `${redis.milliseconds} ms`, away ? "bad" : "good"],
    ["Workers", away ? "–" : `${workers.length}`, away ? "" : workers.length > 0 ? "good" : "bad"],
    ["Jobs running", away ? "–" : count(jobs.running)],
    ["Jobs queued", away ? "–" : count(jobs.queued)],
    ["Redis memory", redis.memory_bytes ? size(redis.memory_bytes) : "–"],
    ["Redis clients", redis.clients ? count(redis.clients) : "–"],
    ["Gaps told", count(figures.gaps)],
    ["Redis reconnects", count(figures.redis_reconnects)],
  ]);
  const note = part(document, "note");
  note.hidden = !away;
  note.textContent = away ? `Redis: ${redis.problem}` : "";
}

/**
 * What is counted, and not measured over a while, ends with the figure of now: the sum of the table.
 *
 * @param {any[]} past @param {any} figures @param {number} nowMs
 */
function drawPlots(past, figures, nowMs) {
  for (const [name, plot] of drawn) {
    const points = past.map((sample) => ({ atMs: sample.time_ms, value: sample[name] }));
    if (name in figures) points.push({ atMs: nowMs, value: figures[name] });
    plot.draw(points);
  }
}

/** @param {string} into @param {(string | Node)[][]} rows   the first cell names the row */
function drawRows(into, rows) {
  part(document, into).replaceChildren(
    ...rows.map((cells) => {
      const row = element("tr");
      cells.forEach((cell, at) => {
        const node = element("td", "", at === 0 ? "name" : "number");
        node.append(cell);
        row.append(node);
      });
      return row;
    }),
  );
}

/** @type {any[]} */
let past = [];

/** What was read brings the past, an event of the stream the newest sample. @param {any} data */
function remember(data) {
  if (data.past) past = data.past;
  const newest = past.at(-1)?.time_ms ?? 0;
  if (data.sample && data.sample.time_ms > newest) past = [...past, data.sample].slice(-KEPT);
}

/** @param {any} data */
function draw(data) {
  drawHealth(data);
  remember(data);
  drawPlots(past, data.figures, Date.parse(data.time));
  drawBars(part(document, "lag"), data.lag, "Nothing has been delivered yet.");
  drawRows(
    "processes",
    data.processes.map((/** @type {any} */ one) => [
      `${one.pid}`,
      count(one.listeners),
      count(one.deliveries),
      one.memory_bytes ? size(one.memory_bytes) : "–",
    ]),
  );
  if (!data.workers) return;
  drawBars(part(document, "first"), data.first_delta, "An answer counts when it ends; none has yet.");
  drawRows(
    "workers",
    data.workers.map((/** @type {any} */ one) => [one.name, count(one.jobs), `${one.lease_seconds} s`]),
  );
  part(document, "no-workers").hidden = data.workers.length > 0;
  const ended = Object.entries(data.generations).map(([status, all]) => `${count(all)} ${status}`);
  part(document, "ended").textContent = ended.join(" · ");
  drawGenerations(data.recent);
}

/** @param {any[]} generations */
function drawGenerations(generations) {
  part(document, "generations").replaceChildren(...generations.map(generationRow));
  part(document, "no-generations").hidden = generations.length > 0;
  const names = generations
    .filter((one) => one.status === "running" || one.status === "queued")
    .map((one) => new Option(`generation:${one.id}`));
  part(document, "names").replaceChildren(...names);
}

/** @param {any} generation */
function generationRow({ id, status, model, created, usage, attempt }) {
  const row = element("tr");
  const link = /** @type {HTMLAnchorElement} */ (element("a", id));
  link.href = pageOf(id);
  const name = element("td", "", "name");
  name.append(link);
  const badge = element("span", status, "badge");
  badge.dataset.status = status;
  const state = element("td");
  state.append(badge);
  const tokens = usage?.total_tokens;
  row.append(
    name,
    state,
    element("td", model ?? ""),
    element("td", ago(created)),
    element("td", tokens == null ? "–" : count(tokens), "number"),
    element("td", attempt ? count(attempt) : "–", "number"),
  );
  return row;
}

/** @type {EventSource | null} */
let stream = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let silence;

/** @param {any} data */
function show(data) {
  draw(data);
  part(document, "read").textContent = `Live, ${new Date(data.time).toLocaleTimeString()}`;
  watch();
}

/** Where nothing comes for a while, something is wrong that can perhaps be read. */
function watch() {
  clearTimeout(silence);
  if (stream) silence = setTimeout(read, SILENCE_MS);
}

/** @returns {Promise<boolean>} whether the state may be seen */
async function read() {
  try {
    show(await request("/status/data"));
    return true;
  } catch (error) {
    const note = part(document, "note");
    note.hidden = false;
    const hidden = error instanceof RequestError && error.problem.status === 403;
    note.textContent = hidden ? "Only an administrator's token shows the state of the hub." : words(error);
    part(document, "read").textContent = "";
    watch();
    return !hidden;
  }
}

async function follow() {
  leave();
  if (!(await read()) || document.visibilityState !== "visible" || stream) return;
  stream = new EventSource(address("/status/events"));
  stream.addEventListener("status", (event) => show(JSON.parse(event.data)));
  // A refusal is final for an EventSource, and a hub that restarts may refuse: begin anew then.
  stream.addEventListener("error", () => {
    if (stream?.readyState === EventSource.CLOSED) setTimeout(follow, SILENCE_MS);
  });
  watch();
}

function leave() {
  stream?.close();
  stream = null;
  clearTimeout(silence);
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") follow();
  else leave();
});
part(document, "look").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.target);
  const name = `${new FormData(form).get("channel")}`.trim();
  const problem = part(document, "look-problem");
  problem.textContent = "";
  if (!name) return;
  try {
    await request(`/channels/${encodeURIComponent(name)}`);
    inspector.look(name);
    await inspector.refresh();
  } catch (error) {
    problem.textContent = words(error);
  }
});
new Inbox();
follow();
