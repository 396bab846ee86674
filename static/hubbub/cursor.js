// @ts-check
/**
 * A position in several channels at once, as one event id: the browser's side of `hub/cursor.py`.
 *
 * To any other client a cursor is opaque. This module ships with the hub and reads it for two
 * things that nothing else on the wire tells: from which of a connection's channels an event came,
 * and where a connection for *another* set of channels has to begin when a tab joins or leaves.
 *
 * Base64url without padding: four bytes that name the set (SHA-256 of the sorted names), then for
 * each channel, in the order of their names, six bytes of milliseconds and a varint.
 *
 * @module
 */

const NOT_BEGUN = 2 ** 48 - 1;

/**
 * @param {readonly string[]} channels    sorted
 * @param {readonly string[]} positions   in their order; `""`: has not begun yet
 * @returns {string}
 */
export function encodeCursor(channels, positions) {
  const bytes = setName(channels);
  for (const position of positions) {
    const [ms, seq] = position ? position.split("-").map(Number) : [NOT_BEGUN, 0];
    for (let power = 5; power >= 0; power -= 1) bytes.push(Math.floor(ms / 256 ** power) % 256);
    let rest = seq;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
    bytes.push(rest);
  }
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * @param {readonly string[]} channels   sorted
 * @param {string} cursor
 * @returns {string[] | null}            null: not a cursor over these channels
 */
export function decodeCursor(channels, cursor) {
  const bytes = bytesOf(cursor);
  if (!bytes || setName(channels).some((byte, at) => bytes[at] !== byte)) return null;
  const positions = [];
  let at = 4;
  for (const _ of channels) {
    let ms = 0;
    for (const end = at + 6; at < end; at += 1) ms = ms * 256 + bytes[at];
    let seq = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at];
      if (byte === undefined || scale > 2 ** 49) return null;
      at += 1;
      seq += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    positions.push(ms === NOT_BEGUN ? "" : `${ms}-${seq}`);
  }
  return at === bytes.length ? positions : null;
}

/** @param {string} cursor @returns {number[] | null} */
function bytesOf(cursor) {
  try {
    const text = atob(cursor.replaceAll("-", "+").replaceAll("_", "/"));
    return Array.from(text, (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}

/** @type {Map<string, number[]>} */
const names = new Map();

/** @param {readonly string[]} channels @returns {number[]} a copy */
function setName(channels) {
  const text = channels.join("\n");
  let name = names.get(text);
  if (!name) {
    if (names.size > 1000) names.clear();
    name = sha256(text).slice(0, 4);
    names.set(text, name);
  }
  return name.slice();
}

/**
 * SHA-256 (FIPS 180-4) of ASCII text. The browser's own is asynchronous and exists on secure
 * origins only; a hub in a local network is not one.
 *
 * @param {string} text
 * @returns {number[]}
 */
function sha256(text) {
  const bytes = Array.from(text, (letter) => letter.charCodeAt(0));
  const bits = bytes.length * 8;
  bytes.push(0x80);
  while (bytes.length % 64 !== 56) bytes.push(0);
  for (let shift = 56; shift >= 0; shift -= 8) bytes.push(Math.floor(bits / 2 ** shift) % 256);
  const state = FIRST_STATE.slice();
  for (let at = 0; at < bytes.length; at += 64) block(state, bytes, at);
  return state.flatMap((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255));
}

/** @param {number[]} state @param {number[]} bytes @param {number} at */
function block(state, bytes, at) {
  const w = new Uint32Array(64);
  for (let i = 0; i < 16; i += 1) {
    const [a, b, c, d] = bytes.slice(at + i * 4);
    w[i] = (a << 24) | (b << 16) | (c << 8) | d;
  }
  for (let i = 16; i < 64; i += 1) {
    const s0 = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ (w[i - 15] >>> 3);
    const s1 = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ (w[i - 2] >>> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i += 1) {
    const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND[i] + w[i]) | 0;
    const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => {
    state[i] = (state[i] + word) | 0;
  });
}

/** @param {number} word @param {number} by */
function turn(word, by) {
  return (word >>> by) | (word << (32 - by));
}

/** The first primes' roots, of which the standard takes the first 32 fractional bits. */
const PRIMES = (() => {
  /** @type {number[]} */
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) {
    if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  }
  return primes;
})();
const ROUND = PRIMES.map((prime) => fraction(Math.cbrt(prime)));
const FIRST_STATE = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));

/** @param {number} root */
function fraction(root) {
  return ((root - Math.floor(root)) * 2 ** 32) | 0;
}
