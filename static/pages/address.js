// @ts-check
/**
 * Addresses of this hub, which may hang under a prefix (`/hub`).
 *
 * @module
 */

/** The path that the hub hangs under: empty, or such as `/hub`. */
export const base = document.documentElement.dataset.base ?? "";

/** The address of one of the hub's paths, for links and requests. @param {string} path */
export function address(path) {
  return `${base}${path}`;
}

/** The page of a generation. @param {string} id @returns {string} */
export function pageOf(id) {
  return address(`/g/${encodeURIComponent(id)}`);
}

/** The page of a conversation. @param {string} thread @returns {string} */
export function threadPage(thread) {
  return address(`/?thread=${encodeURIComponent(thread)}`);
}
