// @ts-check
/**
 * Plain requests to the hub: JSON in and out, history by pages, and a stream by POST.
 *
 * @module
 */

import { Parser } from "./parser.js";
import { problemOf } from "./stream.js";

/**
 * @typedef {import("./parser.js").HubEvent} HubEvent
 * @typedef {import("./stream.js").Problem} Problem
 *
 * @typedef {object} Origin
 * @property {string} base
 * @property {string} [token]
 */

const HISTORY_PAGE = 500;
const TRIES = 5;

/** The hub said no, or could not be asked (`problem.status` 0). */
export class RequestError extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail || problem.title);
    this.name = "RequestError";
    this.problem = problem;
  }
}

/** @param {string} [token] @returns {Record<string, string>} */
function authorization(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/**
 * One request, its answer as JSON (null where there is none).
 *
 * @param {Origin} origin
 * @param {string} path
 * @param {{ method?: string, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal }} [options]
 * @returns {Promise<any>}
 * @throws {RequestError}
 */
export async function request(origin, path, { method = "GET", body, headers = {}, signal } = {}) {
  /** @type {Response} */
  let answer;
  try {
    answer = await fetch(`${origin.base}${path}`, {
      method,
      signal,
      cache: "no-store",
      credentials: "same-origin",
      headers: {
        Accept: "application/json",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...authorization(origin.token),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new RequestError({
      status: 0,
      code: "unreachable",
      title: "The hub cannot be reached",
      detail: "The hub cannot be reached. Is this device offline, or has the hub stopped?",
    });
  }
  if (!answer.ok) throw new RequestError(await problemOf(answer));
  if (answer.status === 204) return null;
  return answer.json();
}

/**
 * What a channel retains after an id (`""`: from its start), page by page.
 *
 * @param {Origin} origin
 * @param {string} channel
 * @param {string} after
 * @returns {AsyncGenerator<HubEvent[]>}
 */
export async function* history(origin, channel, after) {
  for (let next = after; ; ) {
    const query = new URLSearchParams({ limit: `${HISTORY_PAGE}` });
    if (next) query.set("after", next);
    const path = `/channels/${encodeURIComponent(channel)}/history?${query}`;
    const page = await request(origin, path);
    yield page.events.map((/** @type {any} */ one) => ({
      type: one.event ?? "message",
      data: one.data,
      id: one.id,
      own: true,
      channel,
    }));
    if (!page.next) return;
    next = page.next;
  }
}

/**
 * A stream that a POST answers with, such as `POST /generations` with `Accept: text/event-stream`,
 * with whatever headers it needs. Where the answer names its `Location`, a connection that drops is
 * taken up there after the last event, until the server says that all has been said (204).
 *
 * @param {Origin} origin
 * @param {string} path
 * @param {{ body?: unknown, headers?: Record<string, string>, signal?: AbortSignal,
 *           located?: (location: string) => void }} [options]
 * @returns {AsyncGenerator<HubEvent>}
 * @throws {RequestError}
 */
export async function* post(origin, path, { body, headers = {}, signal, located } = {}) {
  const common = { Accept: "text/event-stream", ...authorization(origin.token), ...headers };
  const format = new URLSearchParams(path.split("?")[1]).get("format");
  let answer = await fetch(`${origin.base}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...common },
    body: JSON.stringify(body),
    signal,
  });
  const location = answer.headers.get("Location");
  if (location) located?.(location);
  let lastId = "";
  for (let failures = 0; ; ) {
    if (answer.status === 204) return;
    if (!answer.ok || !answer.body) throw new RequestError(await problemOf(answer));
    const parser = new Parser(lastId);
    try {
      for await (const events of chunks(answer.body, parser)) {
        failures = 0;
        yield* events;
      }
    } catch (error) {
      if (signal?.aborted || !location) throw error;
    }
    if (!location) return;
    lastId = parser.lastId;
    const url = new URL(`${location}/events${format ? `?format=${format}` : ""}`, answer.url);
    for (;;) {
      try {
        answer = await fetch(url, { headers: { ...common, "Last-Event-ID": lastId }, signal });
        if (answer.status < 500) break;
        throw new RequestError(await problemOf(answer));
      } catch (error) {
        failures += 1;
        if (signal?.aborted || failures >= TRIES) throw error;
        await new Promise((wake) => setTimeout(wake, (parser.retryMs ?? 1000) * 2 ** (failures - 1)));
      }
    }
  }
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {Parser} parser
 * @returns {AsyncGenerator<HubEvent[]>}
 */
async function* chunks(body, parser) {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield parser.feed(value);
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
