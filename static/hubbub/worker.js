// @ts-check
/**
 * The SharedWorker: one port server for all tabs of the browser.
 *
 * @module
 */

import { PortServer } from "./port_server.js";

const server = new PortServer();

/** @type {any} */ (globalThis).onconnect = (/** @type {MessageEvent} */ event) => {
  server.serve(event.ports[0]);
};
