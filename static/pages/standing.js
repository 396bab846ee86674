// @ts-check
/**
 * How a generation stands, in words for a person: also that nothing is happening, and for how long.
 *
 * @module
 */

/** What a finished one is called. */
export const STATUS = {
  queued: "Waiting for a worker",
  running: "Writing",
  completed: "Complete",
  failed: "Failed",
  cancelled: "Stopped",
};

/** Silences shorter than this are not worth a word. */
const PATIENT_SECONDS = 3;

/**
 * @typedef {object} Progress
 * @property {import("../hubbub/fold.js").Status} status
 * @property {number | null} [ahead]     jobs before it, while it is queued
 * @property {number} seconds            since the last thing that was heard of it
 * @property {"" | "reasoning" | "content"} writing   what came last
 */

/** @param {Progress} progress @returns {string} "" where the answer speaks for itself */
export function standing({ status, ahead, seconds, writing }) {
  const silent = seconds >= PATIENT_SECONDS ? `${Math.floor(seconds)} s` : "";
  if (status === "queued") {
    if (ahead) return `Queued, ${ahead.toLocaleString()} before it`;
    return silent ? `Queued, next in line, for ${silent}` : "Queued";
  }
  if (status === "running") {
    if (writing === "") return silent ? `The model has not begun for ${silent}` : "Asking the model";
    if (silent) return `The model has paused for ${silent}`;
    return writing === "reasoning" ? "Thinking" : "Writing";
  }
  if (status === "cancelled") return "Stopped";
  return "";
}

/** Why it ended where it did, if that is not plain. @type {Record<string, string>} */
export const FINISHED = {
  length: "It ends here because the limit of tokens was reached.",
  content_filter: "It ends here because the provider's content filter stepped in.",
  tool_calls: "It ends here to have the tools called.",
};

/** @param {{ code: string, message: string, retryable?: boolean } | null} error @returns {string} */
export function failure(error) {
  if (!error) return "It failed.";
  const again = error.retryable ? " Asking again may help." : "";
  const words = error.message || error.code;
  return `It failed: ${words}${/[.!?…]$/.test(words) ? "" : "."}${again}`;
}

/** @param {number} seconds @returns {string} */
export function duration(seconds) {
  if (seconds < 10) return `${Math.max(seconds, 0.1).toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** @param {number} cost @returns {string} */
export function money(cost) {
  return cost === 0 ? "0" : cost.toPrecision(2);
}
