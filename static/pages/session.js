// @ts-check
/**
 * This page's hub, and the token that it asks for where the hub has keys.
 *
 * A share link carries a token for one channel in its address (`?token=`): it counts for this page
 * alone. A token typed in becomes a cookie that no script can read (`POST /session`).
 *
 * @module
 */

import { connect, RequestError } from "../hubbub.js";
import { base } from "./address.js";
import { part } from "./dom.js";

/** Watchers come and go while somebody looks at the number. */
const HEARTBEAT_SECONDS = 5;

const token = new URLSearchParams(location.search).get("token") ?? "";

/** How this page reaches its hub. */
export const connection = {
  base: `${location.origin}${base}`,
  token,
  heartbeatSeconds: HEARTBEAT_SECONDS,
};

export const hub = connect(connection);

/** @type {Promise<void> | null} */
let asking = null;

/**
 * Ask for a token; done when the hub has taken one. However many ask, there is one dialog.
 *
 * @returns {Promise<void>}
 */
export function signIn() {
  asking ??= ask().finally(() => {
    asking = null;
  });
  return asking;
}

/**
 * `hub.request`, which asks for a token where the hub wants one, and then goes on.
 *
 * @type {typeof hub.request}
 */
export async function request(path, options) {
  try {
    return await hub.request(path, options);
  } catch (error) {
    if (!(error instanceof RequestError) || error.problem.status !== 401) throw error;
    await signIn();
    return hub.request(path, options);
  }
}

/** @returns {Promise<void>} */
async function ask() {
  const dialog = /** @type {HTMLDialogElement} */ (part(document, "session"));
  const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
  const field = /** @type {HTMLInputElement} */ (dialog.querySelector("input"));
  const problem = part(dialog, "session-problem");
  dialog.showModal();
  await new Promise((done) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      try {
        await hub.request("/session", { method: "POST", body: { token: field.value.trim() } });
        done(undefined);
      } catch (error) {
        problem.textContent = words(error);
        field.focus();
      }
    };
  });
  field.value = "";
  problem.textContent = "";
  dialog.close();
  showWho().catch(() => undefined);
  hub.hurry({ refused: true });
}

/** Show who is signed in, where the hub has keys, and let them sign out. @returns {Promise<void>} */
async function showWho() {
  const who = part(document, "who");
  const { required, signed_in: signedIn, subject } = await hub.request("/session");
  who.hidden = !(required && signedIn);
  part(who, "who-name").textContent = token ? "By a shared link" : subject ?? "Signed in";
  part(who, "sign-out").hidden = token !== "";
}

part(document, "sign-out").addEventListener("click", async () => {
  await hub.request("/session", { method: "DELETE" });
  location.reload();
});
// Where it cannot be told, nothing is shown; what needs the hub says so itself.
showWho().catch(() => undefined);

/** What went wrong, for a person. @param {unknown} error @returns {string} */
export function words(error) {
  return error instanceof Error ? error.message : String(error);
}
