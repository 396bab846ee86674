// What every asker in Node shares: its orders, its two tools, and what it says of a failure.
import { createInterface } from "node:readline";

const [hub, face] = process.argv.slice(2);
export const baseURL = `${hub}/v1`;
export const responses = face === "responses";
export const apiKey = process.env.HUB_TOKEN || "no key is asked";
export const MODEL = "scripted";
// To leave is to cancel, for these programs.
export const headers = { "Hubbub-Cancel-On-Disconnect": "1" };

export const say = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);

export function weather({ city }) {
  say({ tool: "weather", arguments: { city } });
  return `sunny in ${city}`;
}

export function clock({ zone }) {
  say({ tool: "clock", arguments: { zone } });
  return `noon in ${zone}`;
}

/** Do what the input says until it ends. */
export async function serve(things) {
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    try {
      await things[order.do](order.prompt);
    } catch (error) {
      say(told(error));
    }
    say({ done: true });
  }
}

/** Libraries wrap errors: what the innermost ones say counts, too. */
function told(error) {
  const found = { error: error?.constructor?.name ?? "Error", words: "" };
  for (let cause = error; cause; cause = cause.cause ?? cause.lastError) {
    found.words += `${cause.message ?? JSON.stringify(cause)} ${cause.responseBody ?? ""} `;
    found.status ??= cause.status ?? cause.statusCode;
    found.code ??= cause.code;
  }
  return found;
}
