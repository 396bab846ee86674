// @ts-check
/**
 * Prometheus' text format, as far as `/metrics` uses it.
 *
 * @module
 */

/**
 * @typedef {object} Sample
 * @property {Record<string, string>} labels
 * @property {number} value
 */

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export class Metrics {
  /** @type {Map<string, Sample[]>} */
  #samples = new Map();

  /** @param {string} text */
  constructor(text) {
    for (const line of text.split("\n")) {
      const found = LINE.exec(line);
      if (!found) continue;
      const [, name, inner = "", value] = found;
      const labels = Object.fromEntries([...inner.matchAll(LABEL)].map(([, key, one]) => [key, one]));
      const samples = this.#samples.get(name) ?? [];
      samples.push({ labels, value: Number(value.replace("Inf", "Infinity")) });
      this.#samples.set(name, samples);
    }
  }

  /** All samples of a name. @param {string} name @returns {Sample[]} */
  all(name) {
    return this.#samples.get(name) ?? [];
  }

  /** Their sum, or null where there are none. @param {string} name @returns {number | null} */
  sum(name) {
    const samples = this.all(name);
    return samples.length > 0 ? samples.reduce((sum, { value }) => sum + value, 0) : null;
  }

  /**
   * A histogram's cumulated counts by upper bound, in order.
   *
   * @param {string} name
   * @returns {[number, number][]}
   */
  buckets(name) {
    /** @type {Map<number, number>} */
    const counts = new Map();
    for (const { labels, value } of this.all(`${name}_bucket`)) {
      const bound = Number((labels.le ?? "").replace("+Inf", "Infinity"));
      counts.set(bound, (counts.get(bound) ?? 0) + value);
    }
    return [...counts].sort(([a], [b]) => a - b);
  }
}

/**
 * Below which bound a share of the values lies; null where there are none.
 *
 * @param {[number, number][]} buckets   cumulated
 * @param {number} share                 0 to 1
 * @returns {number | null}
 */
export function quantile(buckets, share) {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  return buckets.find(([, count]) => count >= total * share)?.[0] ?? null;
}
