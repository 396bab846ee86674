// @ts-check
/**
 * Event ids, `<milliseconds>-<number>`, as this hub gives them out: on one channel they only grow.
 *
 * @module
 */

/** @param {string} id @returns {number} when it was stored, in milliseconds since the epoch; 0: it does not say */
export function timeOf(id) {
  return Number(id.split("-")[0]) || 0;
}

/** Whether one came after another. @param {string} one @param {string} other   "": before all */
export function isAfter(one, other) {
  const [ms, number] = one.split("-").map(Number);
  const [otherMs, otherNumber] = (other || "0-0").split("-").map(Number);
  return ms > otherMs || (ms === otherMs && number > otherNumber);
}
