// @ts-check
/**
 * The SharedWorker: one desk for all tabs of the browser.
 *
 * @module
 */

import { Desk } from "./desk.js";

const desk = new Desk();

/** @type {any} */ (globalThis).onconnect = (/** @type {MessageEvent} */ event) => {
  desk.serve(event.ports[0]);
};
