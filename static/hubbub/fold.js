// @ts-check
/**
 * Folds a generation's events into its text: what `GET /generations/{id}` would say, live.
 *
 * Each call of `apply` answers with what changed, so that a page can append to what it shows and
 * need not draw the whole anew at every delta (which is quadratic, and has hurt known programs).
 *
 * @module
 */

/**
 * @typedef {object} ToolCall
 * @property {number} [index]
 * @property {string} [id]
 * @property {string} [type]
 * @property {{ name?: string, arguments?: string }} [function]
 *
 * @typedef {object} Choice
 * @property {number} index
 * @property {string} content
 * @property {string} reasoning
 * @property {string} refusal
 * @property {ToolCall[]} tool_calls
 * @property {string | null} finish_reason
 * @property {any[]} [images]         these and others: where the provider sends them
 * @property {any[]} [annotations]
 * @property {any[]} [citations]
 *
 * @typedef {object} Data            a part of an application's own: progress, a chart
 * @property {string} name
 * @property {any} data
 * @property {string | null} [id]
 *
 * @typedef {"queued" | "running" | "completed" | "failed" | "cancelled"} Status
 *
 * @typedef {{ kind: "append", index: number, field: "content" | "reasoning" | "refusal", text: string, parts: boolean }
 *   | { kind: "parts", index: number }
 *   | { kind: "data" }
 *   | { kind: "reset" }
 *   | { kind: "status" }
 *   | { kind: "none" }} Change
 *   `reset`: draw `choices` again; `append`: only this much was added (`parts`: and more beside it);
 *   `parts`: what stands beside the text is another (tool calls, and members that only some providers send: `images`, …)
 */

const TEXT_FIELDS = /** @type {const} */ (["content", "reasoning", "refusal"]);
const TERMINAL = new Set(["completed", "failed", "cancelled"]);

/** @param {string} type */
export function isTerminal(type) {
  return TERMINAL.has(type);
}

/** @param {any} from @returns {Choice} */
function choice(from) {
  return {
    ...from,
    index: from.index ?? 0,
    content: from.content ?? "",
    reasoning: from.reasoning ?? "",
    refusal: from.refusal ?? "",
    tool_calls: from.tool_calls ?? [],
    finish_reason: from.finish_reason ?? null,
  };
}

export class Fold {
  /** @type {Status} */
  status = "queued";
  attempt = 1;
  /** @type {string | null} */
  model = null;
  /** By index; without holes. @type {Choice[]} */
  choices = [];
  /** In the order in which they came first. @type {Data[]} */
  data = [];
  /** @type {{ prompt_tokens?: number, completion_tokens?: number, total_tokens?: number } | null} */
  usage = null;
  /** @type {number | null} */
  cost = null;
  /** @type {{ code: string, message: string, retryable?: boolean } | null} */
  error = null;
  /** Why it had to begin anew, if it had. @type {string | null} */
  restartReason = null;

  get ended() {
    return isTerminal(this.status);
  }

  /**
   * @param {{ type: string, data: string }} event
   * @returns {Change}
   */
  apply(event) {
    switch (event.type) {
      case "started":
        return this.#started(JSON.parse(event.data));
      case "delta":
        return this.#delta(JSON.parse(event.data));
      case "data":
        return this.#data(JSON.parse(event.data));
      case "snapshot":
        return this.#snapshot(JSON.parse(event.data));
      case "restarted":
        return this.#restarted(JSON.parse(event.data));
      case "completed":
      case "failed":
      case "cancelled":
        return this.#ended(event.type, JSON.parse(event.data));
      default:
        return { kind: "none" };
    }
  }

  /**
   * Take over the record, as `GET /generations/{id}` gives it.
   *
   * @param {any} record
   * @returns {Change}
   */
  load(record) {
    this.status = record.status;
    this.attempt = record.attempt || 1;
    this.model = record.model ?? null;
    this.usage = record.usage ?? null;
    this.cost = record.cost ?? null;
    this.error = record.error ?? null;
    this.choices = (record.choices ?? []).map(choice);
    this.data = record.data ?? [];
    return { kind: "reset" };
  }

  /** The same in one event, for someone who comes in now. @returns {string} */
  snapshot() {
    return JSON.stringify({
      attempt: this.attempt,
      choices: this.choices,
      data: this.data,
      status: this.ended ? "running" : this.status,
    });
  }

  /** @param {any} data @returns {Change} */
  #started(data) {
    this.status = "running";
    this.model = data.model ?? this.model;
    // The same attempt again: a failover has lost that it was begun, and it is begun anew.
    if (this.choices.length || (data.attempt && data.attempt !== this.attempt)) {
      this.attempt = data.attempt || this.attempt;
      this.choices = [];
      this.data = [];
      return { kind: "reset" };
    }
    return { kind: "status" };
  }

  /** @param {any} data @returns {Change} */
  #delta(data) {
    this.status = "running";
    const at = this.#choice(data.index ?? 0);
    let beside = false;
    /** @type {Change | null} */
    let append = null;
    for (const [name, value] of Object.entries(data)) {
      if (name === "index" || name === "places" || value === null) continue;
      const field = TEXT_FIELDS.find((one) => one === name);
      if (field && typeof value === "string") {
        at[field] += value;
        append = { kind: "append", index: at.index, field, text: value, parts: false };
      } else {
        beside = true;
        if (name === "tool_calls") for (const call of value) mergeToolCall(at.tool_calls, call);
        else carry(at, name, value);
      }
    }
    if (append) return { ...append, parts: beside };
    return beside ? { kind: "parts", index: at.index } : { kind: "none" };
  }

  /** @param {Data} part @returns {Change} */
  #data(part) {
    this.status = "running";
    const at = part.id ? this.data.findIndex((one) => one.id === part.id) : -1;
    if (at < 0) this.data.push(part);
    else this.data[at] = part;
    return { kind: "data" };
  }

  /** @param {any} data @returns {Change} */
  #snapshot(data) {
    this.attempt = data.attempt ?? this.attempt;
    if (data.status && !isTerminal(data.status)) this.status = data.status;
    const told = data.choices.map(choice);
    this.data = data.data ?? [];
    this.choices = [];
    for (const one of told) this.choices[this.#choice(one.index).index] = one;
    return { kind: "reset" };
  }

  /** @param {any} data @returns {Change} */
  #restarted(data) {
    this.status = "running";
    this.attempt = data.attempt ?? this.attempt + 1;
    this.restartReason = data.reason ?? null;
    this.choices = [];
    this.data = [];
    return { kind: "reset" };
  }

  /** @param {"completed" | "failed" | "cancelled"} status @param {any} data @returns {Change} */
  #ended(status, data) {
    this.status = status;
    if (status === "completed") {
      for (const one of data.choices ?? []) {
        this.#choice(one.index ?? 0).finish_reason = one.finish_reason ?? null;
      }
      this.usage = data.usage ?? null;
      this.cost = data.cost ?? null;
    } else if (status === "failed") this.error = data;
    return { kind: "status" };
  }

  /** @param {number} index @returns {Choice} */
  #choice(index) {
    for (let next = this.choices.length; next <= index; next += 1) {
      this.choices.push(choice({ index: next }));
    }
    return this.choices[index];
  }
}

/**
 * A member that the hub only carries (docs/providers.md, "Unknown fields"): lists grow, an element
 * with the index of an earlier one takes its place, anything else the place of what was there.
 *
 * @param {any} choice
 * @param {string} name
 * @param {any} value
 */
function carry(choice, name, value) {
  const before = choice[name];
  if (!Array.isArray(value) || !Array.isArray(before)) {
    choice[name] = value;
    return;
  }
  const list = [...before];
  choice[name] = list;
  for (const one of value) {
    const at = one?.index === undefined ? -1 : list.findIndex((other) => other?.index === one.index);
    if (at < 0) list.push(one);
    else list[at] = { ...list[at], ...one };
  }
}

/**
 * Tool calls come in pieces: the name and id once, the arguments bit by bit, told apart by `index`.
 *
 * @param {ToolCall[]} calls
 * @param {ToolCall} piece
 */
function mergeToolCall(calls, piece) {
  const index = piece.index ?? calls.length;
  let call = calls.find((one, at) => (one.index ?? at) === index);
  if (!call) {
    call = { index, function: { name: "", arguments: "" } };
    calls.push(call);
  }
  if (piece.id) call.id = piece.id;
  if (piece.type) call.type = piece.type;
  call.function ??= {};
  const to = call.function;
  if (piece.function?.name) to.name = (to.name ?? "") + piece.function.name;
  if (piece.function?.arguments) to.arguments = (to.arguments ?? "") + piece.function.arguments;
}
