// openai, the official package: both interfaces in streams, its tool runner, its helpers for zod.
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { MODEL, apiKey, baseURL, clock, headers, responses, say, serve, weather } from "./asked.mjs";

const client = new OpenAI({ apiKey, baseURL, maxRetries: 0, defaultHeaders: headers });
const shape = z.object({ name: z.string(), age: z.number() });
const tools = { weather, clock };
const parameters = {
  weather: { type: "object", properties: { city: { type: "string" } } },
  clock: { type: "object", properties: { zone: { type: "string" } } },
};
const question = (prompt) => [{ role: "user", content: prompt }];

const chat = {
  async text(prompt) {
    const asked = { model: MODEL, messages: question(prompt), stream: true };
    const options = { include_usage: true };
    for await (const chunk of await client.chat.completions.create({
      ...asked,
      stream_options: options,
    })) {
      say({ text: chunk.choices[0]?.delta.content });
      if (chunk.usage) say({ usage: [chunk.usage.prompt_tokens, chunk.usage.completion_tokens] });
    }
  },
  async tools(prompt) {
    const runner = client.chat.completions.runTools({
      model: MODEL,
      messages: question(prompt),
      stream: true,
      tools: Object.entries(tools).map(([name, call]) => ({
        type: "function",
        function: { name, function: call, parse: JSON.parse, parameters: parameters[name] },
      })),
    });
    runner.on("content", (text) => say({ text }));
    await runner.done();
  },
  async shaped(prompt) {
    const asked = { model: MODEL, messages: question(prompt) };
    const format = { response_format: zodResponseFormat(shape, "person") };
    const answer = await client.chat.completions.parse({ ...asked, ...format });
    say({ object: answer.choices[0].message.parsed });
  },
  async leave(prompt) {
    const asked = { model: MODEL, messages: question(prompt), stream: true };
    for await (const chunk of await client.chat.completions.create(asked)) {
      if (!chunk.choices[0]?.delta.content) continue;
      say({ text: chunk.choices[0].delta.content });
      break;
    }
  },
};

const items = {
  async text(prompt) {
    const { usage } = await answered({ model: MODEL, input: prompt });
    say({ usage: [usage.input_tokens, usage.output_tokens] });
  },
  async tools(prompt) {
    const input = question(prompt);
    const offered = Object.entries(parameters).map(([name, schema]) => ({
      type: "function",
      name,
      parameters: schema,
      strict: false,
    }));
    for (;;) {
      const { output } = await answered({ model: MODEL, input, tools: offered });
      const calls = output.filter(({ type }) => type === "function_call");
      if (calls.length === 0) return;
      input.push(...output);
      for (const { call_id, name, arguments: given } of calls)
        input.push({
          type: "function_call_output",
          call_id,
          output: tools[name](JSON.parse(given)),
        });
    }
  },
  async shaped(prompt) {
    const text = { format: zodTextFormat(shape, "person") };
    const response = await client.responses.parse({ model: MODEL, input: prompt, text });
    say({ object: response.output_parsed });
  },
  async leave(prompt) {
    const asked = { model: MODEL, input: prompt, stream: true };
    for await (const event of await client.responses.create(asked)) {
      if (event.type !== "response.output_text.delta") continue;
      say({ text: event.delta });
      break;
    }
  },
};

/** The response, when all of its text has been said. */
async function answered(asked) {
  const stream = client.responses.stream(asked);
  stream.on("response.output_text.delta", ({ delta }) => say({ text: delta }));
  return stream.finalResponse();
}

await serve(responses ? items : chat);
