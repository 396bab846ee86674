// @ts-check
/**
 * The channels that this browser follows, and how far each has been read. All its tabs share both.
 *
 * @module
 */

import { isAfter } from "../hubbub/ids.js";

const CHANNELS = "hubbub-channels";
const READ = "hubbub-read";

/** @returns {string[]} */
export function channels() {
  return stored(CHANNELS, []);
}

/** @param {string[]} names */
export function follow(names) {
  localStorage.setItem(CHANNELS, JSON.stringify(names));
}

/** The newest event of a channel that has been seen, or "". @param {string} channel @returns {string} */
export function readUpTo(channel) {
  return stored(READ, /** @type {Record<string, string>} */ ({}))[channel] ?? "";
}

/** @param {string} channel @param {string} id */
export function markRead(channel, id) {
  if (!isAfter(id, readUpTo(channel))) return;
  const all = stored(READ, /** @type {Record<string, string>} */ ({}));
  localStorage.setItem(READ, JSON.stringify({ ...all, [channel]: id }));
}

/** Called when another tab has changed either. @param {() => void} then */
export function whenChanged(then) {
  addEventListener("storage", (event) => {
    if (event.key === CHANNELS || event.key === READ) then();
  });
}

/** @template T @param {string} key @param {T} otherwise @returns {T} */
function stored(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "") ?? otherwise;
  } catch {
    return otherwise;
  }
}
