// @ts-check
/**
 * `/status`: how the hub is, read every two seconds while the page is looked at. Each part stands by
 * itself: what cannot be had is said, and the rest goes on.
 *
 * @module
 */

import { RequestError } from "../hubbub.js";
import { pageOf } from "./address.js";
import { drawBars } from "./bars.js";
import { ago, element, part } from "./dom.js";
import { Inbox } from "./inbox.js";
import { Inspector } from "./inspector.js";
import { Plot } from "./plot.js";
import { hub, request, words } from "./session.js";

const PERIOD_MS = 2_000;
const GENERATIONS = 15;

const inspector = new Inspector(part(document, "inspector"));
const plots = part(document, "plots");
/** @type {[string, Plot][]} */
const drawn = [
  ["listeners", new Plot(plots, "Listeners", count)],
  ["published_per_second", new Plot(plots, "Events/s", figure)],
  ["deliveries_per_second", new Plot(plots, "Deliveries/s", figure)],
  ["lag_seconds", new Plot(plots, "Lag, 99 in 100", milliseconds)],
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

/** @param {any[]} past @param {number} nowMs */
function drawPlots(past, nowMs) {
  for (const [name, plot] of drawn) {
    plot.draw(past.map((sample) => ({ atMs: sample.time_ms, value: sample[name] })), nowMs);
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

/** @param {any} data */
function draw(data) {
  drawHealth(data);
  drawPlots(data.past, Date.parse(data.time));
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
  drawBars(part(document, "first"), data.first_delta, "No answer has begun yet.");
  drawRows(
    "workers",
    data.workers.map((/** @type {any} */ one) => [one.name, count(one.jobs), `${one.lease_seconds} s`]),
  );
  part(document, "no-workers").hidden = data.workers.length > 0;
  const ended = Object.entries(data.generations).map(([status, all]) => `${count(all)} ${status}`);
  part(document, "ended").textContent = ended.join(" · ");
}

async function drawGenerations() {
  const { generations } = await hub.request(`/generations?limit=${GENERATIONS}`);
  part(document, "generations").replaceChildren(...generations.map(generationRow));
  part(document, "no-generations").hidden = generations.length > 0;
  const names = generations
    .filter((/** @type {any} */ one) => one.status === "running" || one.status === "queued")
    .map((/** @type {any} */ one) => new Option(`generation:${one.id}`));
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

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

async function refresh() {
  clearTimeout(timer);
  try {
    draw(await request("/status/data"));
    await Promise.all([drawGenerations(), inspector.refresh()]);
    part(document, "read").textContent = `Read at ${new Date().toLocaleTimeString()}`;
  } catch (error) {
    const note = part(document, "note");
    note.hidden = false;
    const hidden = error instanceof RequestError && error.problem.status === 403;
    note.textContent = hidden ? "Only an administrator's token shows the state of the hub." : words(error);
    part(document, "read").textContent = "";
  }
  clearTimeout(timer);
  if (document.visibilityState === "visible") timer = setTimeout(refresh, PERIOD_MS);
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") refresh();
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
refresh();
