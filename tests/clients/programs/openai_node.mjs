// The official package for Node: `chat`, `whole`, `responses` or `cancel`.
import OpenAI from "openai";
import { token } from "./shown.mjs";

const [hub, prompt, what] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${hub}/v1`, apiKey: token || "a-token", maxRetries: 0, timeout: 30_000 });
const model = "scripted";
const messages = [{ role: "user", content: prompt }];
const say = (told) => console.log(JSON.stringify(told));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function chat() {
  try {
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    for await (const chunk of stream) say({ text: chunk.choices[0].delta.content ?? "" });
    say({ end: "[DONE]" });
  } catch (error) {
    say({ error: error.constructor.name });
  }
}

async function whole() {
  const answer = await client.chat.completions.create({ model, messages });
  say({ text: answer.choices[0].message.content });
  say({ end: "the answer" });
}

async function responses() {
  let id = "";
  let number = -1;
  let stream = await client.responses.create({ model, input: prompt, background: true, stream: true });
  for (;;) {
    try {
      for await (const event of stream) {
        number = event.sequence_number;
        if (event.type === "response.created") id = event.response.id;
        else if (event.type === "response.output_text.delta") say({ text: event.delta });
        else if (event.type === "response.completed") return say({ end: event.type });
      }
    } catch {
      // cut: taken up again below
    }
    try {
      stream = await client.responses.retrieve(id, { stream: true, starting_after: number });
    } catch {
      await pause(100);
    }
  }
}

async function cancel() {
  let response = await client.responses.create({ model, input: prompt, background: true });
  while (response.status === "queued" || !response.output_text) {
    response = await client.responses.retrieve(response.id);
    await pause(50);
  }
  response = await client.responses.cancel(response.id);
  say({ text: response.output.map((item) => item.content[0].text).join("") });
  say({ end: response.status });
}

await { chat, whole, responses, cancel }[what]();
