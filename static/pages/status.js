// @ts-check
/**
 * `/status`: how the hub is, read every two seconds while somebody looks. Each part stands by
 * itself: what cannot be had is left out or said, and the rest goes on.
 *
 * @module
 */

import { address } from "./address.js";
import { ago, element, part } from "./dom.js";
import { Metrics, quantile } from "./metrics.js";
import { hub, request, words } from "./session.js";

const PERIOD_MS = 2_000;
const GENERATIONS = 15;
const MOST_CHANNELS = 20;

/** Asked for by name. @type {Set<string>} */
const looked = new Set();
/** @type {{ at: number, deliveries: number, published: number } | null} */
let before = null;
/** @type {[number, number][]} */
let lagBefore = [];

/** @param {string} path @returns {Promise<{ ok: boolean, status: number, text: string }>} */
async function read(path) {
  try {
    const answer = await fetch(address(path), { cache: "no-store", headers: { Accept: "*/*" } });
    return { ok: answer.ok, status: answer.status, text: await answer.text() };
  } catch {
    return { ok: false, status: 0, text: "" };
  }
}

/** @param {HTMLElement} into @param {[string, string, string?][]} tiles   name, value, state */
function tiles(into, tiles) {
  into.replaceChildren(
    ...tiles.map(([name, value, state]) => {
      const tile = element("div", "", "tile");
      if (state) tile.dataset.state = state;
      tile.append(element("span", name, "name"), element("span", value, "value"));
      return tile;
    }),
  );
}

/** @param {number | null} value */
function figure(value) {
  return value === null ? "–" : value.toLocaleString(undefined, { maximumFractionDigits: 1 });
}

/** @param {number | null} seconds */
function milliseconds(seconds) {
  if (seconds === null) return "–";
  return seconds === Infinity ? "over 10 s" : `≤ ${figure(seconds * 1000)} ms`;
}

async function health() {
  const [alive, ready] = await Promise.all([read("/healthz"), read("/readyz")]);
  /** @type {[string, string, string?][]} */
  const shown = [["Web process", alive.ok ? "lives" : told(alive.status), alive.ok ? "good" : "bad"]];
  shown.push(["Ready", ready.ok ? "yes" : told(ready.status), ready.ok ? "good" : "bad"]);
  try {
    for (const [name, value] of Object.entries(JSON.parse(ready.text).checks ?? JSON.parse(ready.text))) {
      if (name !== "status" && ["string", "boolean", "number"].includes(typeof value)) {
        const good = value === true || value === "ok" || (typeof value === "number" && value > 0);
        shown.push([name.replaceAll("_", " "), `${value === true ? "yes" : value === false ? "no" : value}`, good ? "good" : "bad"]);
      }
    }
  } catch {
    // It answers in words.
  }
  tiles(part(document, "health"), shown);
}

/** @param {number} status */
function told(status) {
  if (status === 0) return "unreachable";
  return status === 404 ? "not told" : `no (${status})`;
}

async function figures() {
  const answer = await read("/metrics");
  const into = part(document, "figures");
  into.hidden = !answer.ok;
  if (!answer.ok) {
    part(document, "lag").replaceChildren(element("p", "The hub does not tell.", "hint"));
    return;
  }
  const metrics = new Metrics(answer.text);
  const now = {
    at: Date.now(),
    deliveries: metrics.sum("hubbub_deliveries_total") ?? 0,
    published: metrics.sum("hubbub_events_published_total") ?? 0,
  };
  const seconds = before ? (now.at - before.at) / 1000 : 0;
  tiles(into, [
    ["Listeners", figure(metrics.sum("hubbub_listeners"))],
    ["Behind", figure(metrics.sum("hubbub_listeners_behind"))],
    ["Published", figure(now.published)],
    ["Published/s", before ? figure((now.published - before.published) / seconds) : "–"],
    ["Deliveries/s", before ? figure((now.deliveries - before.deliveries) / seconds) : "–"],
    ["Jobs queued", figure(metrics.sum("hubbub_jobs_queued"))],
    ["Jobs running", figure(metrics.sum("hubbub_jobs_running"))],
    ["Gaps told", figure(metrics.sum("hubbub_gaps_total"))],
    ["Redis reconnects", figure(metrics.sum("hubbub_redis_reconnects_total"))],
  ]);
  before = now;
  lag(metrics.buckets("hubbub_delivery_lag_seconds"));
}

/** Bars of the delivery lag: since the last reading, or since the start where nothing came. @param {[number, number][]} all */
function lag(all) {
  const fresh = all.map(([bound, count], at) => /** @type {[number, number]} */ ([bound, count - (lagBefore[at]?.[1] ?? 0)]));
  lagBefore = all;
  const moving = (fresh.at(-1)?.[1] ?? 0) > 0;
  const shown = moving ? fresh : all;
  const total = shown.at(-1)?.[1] ?? 0;
  const into = part(document, "lag");
  if (total === 0) {
    into.replaceChildren(element("p", "Nothing has been delivered yet.", "hint"));
    return;
  }
  const text = `Half ${milliseconds(quantile(shown, 0.5))}, 99 in 100 ${milliseconds(quantile(shown, 0.99))}`;
  const rows = shown.map(([bound, count], at) => {
    const share = (count - (shown[at - 1]?.[1] ?? 0)) / total;
    const row = element("li");
    const bar = /** @type {HTMLMeterElement} */ (element("meter"));
    bar.value = share;
    bar.setAttribute("aria-label", `${Math.round(share * 100)} %`);
    row.append(element("span", bound === Infinity ? "more" : milliseconds(bound)), bar);
    return row;
  });
  const list = element("ul", "", "bars");
  list.append(...rows.filter((_, at) => shown[at][1] > (shown[at - 1]?.[1] ?? 0)));
  into.replaceChildren(element("p", `${text} (${moving ? "now" : "since the start"}).`), list);
}

/** @param {any[]} generations */
async function channels(generations) {
  const running = generations
    .filter(({ status }) => status === "running" || status === "queued")
    .map(({ id }) => `generation:${id}`);
  const names = [...looked, ...running].slice(0, MOST_CHANNELS);
  const rows = await Promise.all(names.map(channelRow));
  part(document, "channels").replaceChildren(...rows);
  part(document, "no-channels").hidden = names.length > 0;
}

/** @param {string} name */
async function channelRow(name) {
  const row = element("tr");
  row.append(element("td", name, "name"));
  try {
    const told = await hub.request(`/channels/${encodeURIComponent(name)}`);
    row.append(element("td", figure(told.listeners), "number"), element("td", figure(told.retained), "number"));
  } catch (error) {
    const cell = element("td", words(error));
    cell.setAttribute("colspan", "2");
    row.append(cell);
  }
  return row;
}

/** @returns {Promise<any[]>} */
async function generations() {
  const { generations } = await request(`/generations?limit=${GENERATIONS}`);
  part(document, "generations").replaceChildren(...generations.map(generationRow));
  part(document, "no-generations").hidden = generations.length > 0;
  return generations;
}

/** @param {any} generation */
function generationRow({ id, status, model, created, usage, attempt }) {
  const row = element("tr");
  const link = /** @type {HTMLAnchorElement} */ (element("a", id));
  link.href = address(`/g/${encodeURIComponent(id)}`);
  const name = element("td", "", "name");
  name.append(link);
  const badge = element("span", status, "badge");
  badge.dataset.status = status;
  const state = element("td");
  state.append(badge);
  row.append(
    name,
    state,
    element("td", model ?? ""),
    element("td", ago(created)),
    element("td", figure(usage?.total_tokens ?? null), "number"),
    element("td", figure(attempt ?? null), "number"),
  );
  return row;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

async function refresh() {
  clearTimeout(timer);
  const note = part(document, "note");
  const [, , listed] = await Promise.allSettled([health(), figures(), generations()]);
  note.hidden = listed.status === "fulfilled";
  note.textContent = listed.status === "fulfilled" ? "" : words(listed.reason);
  await channels(listed.status === "fulfilled" ? listed.value : []);
  part(document, "read").textContent = `Read at ${new Date().toLocaleTimeString()}`;
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
    looked.add(name);
    form.reset();
    refresh();
  } catch (error) {
    problem.textContent = words(error);
  }
});
refresh();
