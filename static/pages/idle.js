// @ts-check
/**
 * What can wait until the browser has nothing else to do.
 *
 * @module
 */

/** @param {() => void} act */
export function whenIdle(act) {
  if ("requestIdleCallback" in window) requestIdleCallback(act, { timeout: 2_000 });
  else setTimeout(act, 50);
}
