// @ts-check
/**
 * A histogram as bars, and its middle and its tail in words.
 *
 * @module
 */

import { element } from "./dom.js";

/** @typedef {{ seconds: number | null, count: number }} Bucket   up to `seconds`; null: above the last */

/**
 * Below which bound a share of the values lies; Infinity above the last bound, null where there are
 * no values.
 *
 * @param {readonly Bucket[]} buckets
 * @param {number} share   0 to 1
 * @returns {number | null}
 */
export function quantile(buckets, share) {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  if (total <= 0) return null;
  let sum = 0;
  for (const { seconds, count } of buckets) {
    sum += count;
    if (sum >= total * share) return seconds ?? Infinity;
  }
  return Infinity;
}

/** @param {number | null} seconds @param {number} last   the greatest bound @returns {string} */
export function bound(seconds, last) {
  if (seconds === null || seconds === Infinity) return `over ${last} s`;
  return seconds < 1 ? `≤ ${Number((seconds * 1000).toPrecision(3))} ms` : `≤ ${seconds} s`;
}

/** @param {HTMLElement} into @param {readonly Bucket[]} buckets @param {string} none */
export function drawBars(into, buckets, none) {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) {
    into.replaceChildren(element("p", none, "hint"));
    return;
  }
  const last = Math.max(...buckets.map(({ seconds }) => seconds ?? 0));
  const told = (/** @type {number} */ share) => bound(quantile(buckets, share), last);
  const list = element("ul", "", "bars");
  for (const { seconds, count } of buckets) {
    if (count === 0) continue;
    const row = element("li");
    const bar = /** @type {HTMLMeterElement} */ (element("meter"));
    bar.value = count / total;
    bar.setAttribute("aria-label", `${bound(seconds, last)}: ${percent(count / total)}`);
    row.append(element("span", bound(seconds, last)), bar, element("span", percent(count / total), "number"));
    list.append(row);
  }
  const words = `Half ${told(0.5)}, 99 in 100 ${told(0.99)}, of ${total.toLocaleString()}.`;
  into.replaceChildren(element("p", words.replaceAll("≤", "within")), list);
}

/** @param {number} share */
function percent(share) {
  const number = share * 100;
  return `${number >= 10 || number === 0 ? Math.round(number) : Number(number.toPrecision(1))} %`;
}
