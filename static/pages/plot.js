// @ts-check
/**
 * A small plot of the last quarter of an hour: a line over an area, its newest and its greatest value
 * in words.
 *
 * @module
 */

import { copyOf, part } from "./dom.js";

const WIDTH = 180;
const HEIGHT = 48;
const SPAN_MS = 15 * 60_000;
/** What is younger than all of it fills the plot, too; the first minute does not stretch. */
const LEAST_MS = 60_000;

/**
 * @typedef {object} Point
 * @property {number} atMs
 * @property {number | null} value   null: nothing was measured then
 */

export class Plot {
  #root = copyOf("plot");
  #unit;
  #name;

  /** @param {HTMLElement} into @param {string} name @param {(value: number) => string} unit   a value in words */
  constructor(into, name, unit) {
    this.#unit = unit;
    this.#name = name;
    part(this.#root, "name").textContent = name;
    this.#root.querySelector("svg")?.setAttribute("aria-label", `${name}: no figures yet`);
    into.append(this.#root);
  }

  /** @param {Point[]} points   in order, the last one of now */
  draw(points) {
    const known = points.flatMap(({ value }) => (value === null ? [] : [value]));
    const most = Math.max(0, ...known);
    const last = points.at(-1)?.value ?? null;
    const now = last === null ? "–" : this.#unit(last);
    part(this.#root, "value").textContent = now;
    const endMs = points.at(-1)?.atMs ?? 0;
    const spanMs = Math.min(Math.max(endMs - (points[0]?.atMs ?? 0), LEAST_MS), SPAN_MS);
    const minutes = Math.ceil(spanMs / 60_000);
    part(this.#root, "most").textContent =
      known.length > 0 ? `${minutes} min · at most ${this.#unit(most)}` : "no figures yet";
    const svg = /** @type {SVGElement} */ (this.#root.querySelector("svg"));
    svg.setAttribute("aria-label", `${this.#name}: ${now} now, at most ${this.#unit(most)} in ${minutes} minutes`);
    const { line, area } = paths(points, endMs, most, spanMs);
    svg.querySelector(".line")?.setAttribute("d", line);
    svg.querySelector(".area")?.setAttribute("d", area);
  }
}

/**
 * The line, broken where nothing was measured, and what lies under it.
 *
 * @param {readonly Point[]} points
 * @param {number} endMs
 * @param {number} most
 * @param {number} spanMs
 */
function paths(points, endMs, most, spanMs) {
  let line = "";
  let area = "";
  let from = 0;
  let open = false;
  for (const { atMs, value } of points) {
    const x = round(WIDTH * (1 - (endMs - atMs) / spanMs));
    if (x < 0 || value === null) {
      if (open) area += `V${HEIGHT}H${from}Z`;
      open = false;
      continue;
    }
    const y = round(HEIGHT - 2 - (most > 0 ? value / most : 0) * (HEIGHT - 6));
    line += open ? `L${x} ${y}` : `M${x} ${y}h0`; // a single one is a dot
    area += open ? `L${x} ${y}` : `M${x} ${y}`;
    if (!open) from = x;
    open = true;
  }
  if (open) area += `V${HEIGHT}H${from}Z`;
  return { line, area };
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}
