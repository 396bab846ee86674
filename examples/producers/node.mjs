// An answer of one's own, said line by line, from Node.
//
//   node examples/producers/node.mjs "Why is the sea salty?"
//
// With OPENAI_BASE_URL (and OPENAI_API_KEY, HUB_MODEL) it pipes that provider's answer through.
import { setTimeout as pause } from "node:timers/promises";

const hub = process.env.HUB_URL ?? "http://127.0.0.1:8000";
// Where the hub has keys.
const shown = process.env.HUB_TOKEN ? { Authorization: `Bearer ${process.env.HUB_TOKEN}` } : {};
const question = process.argv[2] ?? "Why is the sea salty?";

async function post(url, type, body, more = {}) {
  const headers = { "Content-Type": type, ...more };
  const answer = await fetch(url, { method: "POST", headers, body, duplex: "half" });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer;
}

async function* answer() {
  for (const word of ["The ", "sea ", "is ", "salty."]) {
    yield `${JSON.stringify({ content: word })}\n`;
    await pause(100); // it thinks
  }
  yield `${JSON.stringify({ completed: {} })}\n`;
}

function ask() {
  const messages = [{ role: "user", content: question }];
  const model = process.env.HUB_MODEL ?? "gpt-4o-mini";
  return post(
    `${process.env.OPENAI_BASE_URL}/chat/completions`,
    "application/json",
    JSON.stringify({ model, messages, stream: true }),
    { Authorization: `Bearer ${process.env.OPENAI_API_KEY ?? ""}` },
  );
}

const asked = JSON.stringify({ producer: "client", prompt: question });
const begun = await (await post(`${hub}/generations`, "application/json", asked, shown)).json();
console.log(hub + begun.page);

const deltas = hub + begun.deltas;
const sent = process.env.OPENAI_BASE_URL
  ? await post(deltas, "text/event-stream", (await ask()).body, shown)
  : await post(deltas, "application/x-ndjson", ReadableStream.from(answer()).pipeThrough(new TextEncoderStream()), shown);
console.log(await sent.text());
